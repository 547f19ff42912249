package deal_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/deal"
	"github.com/rowhouse/rowhouse/domain/domaintest"
	"github.com/rowhouse/rowhouse/domain/record"
)

type (
	events = []deal.Event
	fields = deal.Fields
)

func patch(text string) (u deal.Update) {
	if err := json.Unmarshal([]byte(text), &u); err != nil {
		panic(err)
	}
	return u
}

func id(prefix string, n byte) domain.ID { return domain.ID{Prefix: prefix, UUID: uuid.UUID{15: n}} }

func eur(amount string) domain.Money { return domain.Money{Amount: amount, Currency: "EUR"} }

// funnel stands for a pipeline: its stages in order, and what became of those
// that were archived.
type funnel struct {
	stages   []domain.Stage
	moved    map[string]string
	archived bool
}

func (f *funnel) Live() bool { return !f.archived }

func (f *funnel) Stage(key string) (domain.Stage, bool) {
	if to, ok := f.moved[key]; ok {
		key = to
	}
	for _, s := range f.stages {
		if s.Key == key {
			return s, true
		}
	}
	return domain.Stage{}, false
}

func (f *funnel) Sources(to domain.Stage) (keys []string, all bool) {
	for _, key := range to.AllowedFrom {
		s, _ := f.Stage(key)
		keys = append(keys, s.Key)
	}
	return keys, keys == nil
}

func (f *funnel) First(kind domain.StageKind) domain.Stage {
	for _, s := range f.stages {
		if s.Kind == kind {
			return s
		}
	}
	panic("a pipeline has stages of all kinds")
}

func (f *funnel) Of(kind domain.StageKind) (list []domain.Stage) {
	for _, s := range f.stages {
		if s.Kind == kind {
			list = append(list, s)
		}
	}
	return list
}

// other stands for a company or a contact.
type other bool

func (o other) Live() bool { return bool(o) }

var (
	bob, acme, ada, gone                 = id("usr", 1), id("cmp", 2), id("con", 3), id("con", 4)
	sales, service, retired, reorganized = id("pip", 5), id("pip", 6), id("pip", 7), id("pip", 8)
	strict                               = id("pip", 9)

	monday  = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	tuesday = monday.Add(24 * time.Hour)

	stages = []domain.Stage{
		{Key: "lead", Kind: domain.StageOpen, Probability: 10},
		{Key: "offer", Kind: domain.StageOpen, Probability: 60, RequiredFields: []string{"amount", "contacts"}},
		{Key: "contract", Kind: domain.StageOpen, Probability: 90, AllowedFrom: []string{"offer"}},
		{Key: "won", Kind: domain.StageWon, Probability: 100},
		{Key: "lost", Kind: domain.StageLost},
		{Key: "ghosted", Kind: domain.StageLost},
	}
	found = map[domain.ID]any{
		acme: other(true), ada: other(true), gone: other(false),
		sales:   &funnel{stages: stages},
		service: &funnel{stages: []domain.Stage{{Key: "new", Kind: domain.StageOpen, Probability: 20}, {Key: "paid", Kind: domain.StageOpen, RequiredFields: []string{"company_id"}}, {Key: "done", Kind: domain.StageWon, Probability: 100}, {Key: "off", Kind: domain.StageLost}}},
		strict: &funnel{stages: []domain.Stage{
			{Key: "first", Kind: domain.StageOpen, Probability: 5, AllowedFrom: []string{"pilot"}},
			{Key: "pilot", Kind: domain.StageOpen, Probability: 30},
			{Key: "signed", Kind: domain.StageOpen, Probability: 90, AllowedFrom: []string{"pilot"}},
			{Key: "won_back", Kind: domain.StageWon, AllowedFrom: []string{"elsewhere"}},
			{Key: "won", Kind: domain.StageWon, AllowedFrom: []string{"signed"}},
			{Key: "lost", Kind: domain.StageLost, AllowedFrom: []string{"pilot", "signed"}},
		}},
		retired:     &funnel{stages: stages, archived: true},
		reorganized: &funnel{stages: stages[1:], moved: map[string]string{"lead": "offer"}},
	}
	roof   = deal.Opened{Fields: fields{Name: "New roof"}, PipelineID: sales, StageKey: "lead", Probability: 10, At: monday}
	asAnn  = domain.Origin{Time: tuesday}
	linked = deal.ContactAdded{Link: deal.Link{ContactID: ada, Label: "decision_maker"}}
	priced = deal.AmountChanged{To: eur("500.00")}
)

func in(more ...deal.Event) events { return append(events{roof}, more...) }

func moved(from, to string, probability int, at time.Time) deal.StageChanged {
	return deal.StageChanged{From: from, To: to, Probability: probability, SecondsInFrom: 86400, At: at}
}

func run(t *testing.T, cases []domaintest.Case[deal.Deal]) {
	t.Helper()
	for i := range cases {
		cases[i].As, cases[i].Found = asAnn, found
	}
	domaintest.Run(t, deal.Aggregate, cases)
}

func TestDeal(t *testing.T) {
	t.Parallel()
	open := func(change func(*deal.Open)) deal.Open {
		c := deal.Open{Fields: fields{Name: "New roof"}, PipelineID: sales}
		change(&c)
		return c
	}
	opened := func(change func(*deal.Opened)) events {
		e := roof
		e.At = tuesday
		change(&e)
		return events{e}
	}
	ready := in(priced, linked)
	reason := moved("lead", "lost", 0, tuesday)
	reason.Reason = "price"
	won := in(moved("lead", "won", 100, tuesday), deal.Won{At: tuesday})
	lost := in(reason, deal.Lost{Reason: "price", At: tuesday})
	tiles := deal.LineItemAdded{Item: deal.LineItem{ID: 1, Line: deal.Line{Description: "Tiles", Quantity: "3", UnitPrice: eur("9.99"), DiscountPct: "5"}}, Amount: eur("28.47")}
	work := deal.LineItemAdded{Item: deal.LineItem{ID: 2, Line: deal.Line{Description: "Work", Quantity: "0.5", UnitPrice: eur("100.00")}}, Amount: eur("78.47")}
	more := tiles.Item
	more.Quantity = "4"
	dollars := deal.Line{Description: "x", Quantity: "1", UnitPrice: domain.Money{Amount: "1.00", Currency: "USD"}}

	run(t, append([]domaintest.Case[deal.Deal]{
		{Name: "a deal is opened in the first open stage", When: open(func(*deal.Open) {}), Then: opened(func(*deal.Opened) {})},
		{Name: "once", Given: in(), When: open(func(*deal.Open) {}), Err: domain.Conflict, Code: "already_exists"},
		{Name: "or in another open stage", When: open(func(c *deal.Open) { c.StageKey, c.PipelineID = "pilot", strict }), Then: opened(func(e *deal.Opened) { e.StageKey, e.Probability, e.PipelineID = "pilot", 30, strict })},
		{Name: "but not where deals must have been elsewhere before", When: open(func(c *deal.Open) { c.StageKey = "contract" }), Err: domain.Invalid, Code: "not_allowed_from", At: "/stage_key"},
		{Name: "unless it is where deals begin", When: open(func(c *deal.Open) { c.PipelineID = strict }), Then: opened(func(e *deal.Opened) { e.StageKey, e.Probability, e.PipelineID = "first", 5, strict })},
		{Name: "not in a closed one", When: open(func(c *deal.Open) { c.StageKey = "won" }), Err: domain.Invalid, Code: "closed_stage", At: "/stage_key"},
		{Name: "nor in none", When: open(func(c *deal.Open) { c.StageKey = "x" }), Err: domain.Invalid, Code: "unknown_stage", At: "/stage_key"},
		{Name: "the stage may require something", When: open(func(c *deal.Open) { c.StageKey = "offer" }), Err: domain.Invalid, Code: "required_by_stage", At: "/amount"},
		{Name: "a deal needs a name", When: open(func(c *deal.Open) { c.Name = " " }), Err: domain.Invalid, At: "/name"},
		{Name: "and a pipeline", When: open(func(c *deal.Open) { c.PipelineID = domain.ID{} }), Err: domain.Invalid, At: "/pipeline_id"},
		{Name: "that is there", When: open(func(c *deal.Open) { c.PipelineID = id("pip", 99) }), Err: domain.Invalid, Code: "reference_not_found", At: "/pipeline_id"},
		{Name: "and takes deals", When: open(func(c *deal.Open) { c.PipelineID = retired }), Err: domain.Invalid, Code: "reference_not_found", At: "/pipeline_id"},
		{Name: "nobody pays less than nothing", When: open(func(c *deal.Open) { c.Amount = eur("-1.00") }), Err: domain.Invalid, At: "/amount/amount"},
		{Name: "the company is there", When: open(func(c *deal.Open) { c.CompanyID, c.PrimaryContactID = acme, gone }), Err: domain.Invalid, Code: "reference_not_found", At: "/primary_contact_id"},
		{
			Name: "a deal comes with all that is known", When: open(func(c *deal.Open) {
				c.CompanyID, c.PrimaryContactID, c.Amount, c.Probability, c.CloseDate, c.Source = acme, ada, eur("5.00"), new(0), "2026-12-31", "referral"
			}), Then: opened(func(e *deal.Opened) {
				e.Fields = fields{Name: "New roof", CompanyID: acme, PrimaryContactID: ada, Amount: eur("5.00"), Probability: new(0), CloseDate: "2026-12-31", Source: "referral"}
			}),
		},

		{Name: "a deal is updated", Given: in(), When: patch(`{"probability":0,"amount":{"amount":"500","currency":"EUR"}}`), Then: events{deal.Updated{Changes: map[string]record.Change{"probability": {Old: json.RawMessage(`null`), New: json.RawMessage(`0`)}}}, priced}},
		{Name: "the amount is set by either door", Given: in(), When: deal.SetAmount{Amount: eur("500.00")}, Then: events{priced}},
		{Name: "or taken back", Given: in(priced), When: deal.SetAmount{}, Then: events{deal.AmountChanged{From: eur("500.00")}}},
		{Name: "the stage is not patched", Given: in(), When: patch(`{"stage_key":"won"}`), Err: domain.Malformed, At: "/stage_key"},

		{Name: "a deal is moved", Given: ready, When: deal.MoveStage{StageKey: "offer"}, Then: events{moved("lead", "offer", 60, tuesday)}},
		{Name: "if it has what the stage requires", Given: in(priced), When: deal.MoveStage{StageKey: "offer"}, Err: domain.Invalid, Code: "required_by_stage", At: "/contacts"},
		{Name: "to where it is is no change", Given: in(), When: deal.MoveStage{StageKey: "lead"}},
		{Name: "from where the stage may be entered", Given: in(), When: deal.MoveStage{StageKey: "contract"}, Err: domain.Invalid, Code: "not_allowed_from", At: "/stage_key"},
		{Name: "and from there it is", Given: slices.Concat(ready, events{moved("lead", "offer", 60, monday)}), When: deal.MoveStage{StageKey: "contract"}, Then: events{moved("offer", "contract", 90, tuesday)}},
		{Name: "or from what was there before", Given: events{deal.Opened{Fields: fields{Name: "x"}, PipelineID: reorganized, StageKey: "lead", At: monday}}, When: deal.MoveStage{StageKey: "contract"}, Then: events{moved("lead", "contract", 90, tuesday)}},
		{Name: "to a stage that there is", Given: in(), When: deal.MoveStage{StageKey: "x"}, Err: domain.Invalid, Code: "unknown_stage", At: "/stage_key"},
		{Name: "to move a deal to the end wins it", Given: in(), When: deal.MoveStage{StageKey: "won"}, Then: won[1:]},
		{Name: "or loses it", Given: in(), When: deal.MoveStage{StageKey: "lost", Reason: "price"}, Then: lost[1:]},
		{Name: "which needs a reason", Given: in(), When: deal.MoveStage{StageKey: "lost"}, Err: domain.Invalid, Code: "required", At: "/reason"},
		{Name: "a deal whose pipeline was archived goes on", Given: events{deal.Opened{Fields: fields{Name: "x"}, PipelineID: retired, StageKey: "lead", At: monday}}, When: deal.Win{}, Then: won[1:]},
		{Name: "what never was is not moved", When: deal.MoveStage{StageKey: "x"}, Err: domain.NotFound},

		{Name: "when its stage is archived, a deal moves", Given: events{deal.Opened{Fields: fields{Name: "x"}, PipelineID: reorganized, StageKey: "lead", At: monday}}, When: deal.ReplaceStage{PipelineID: reorganized, StageKey: "lead"}, Then: events{deal.StageReplaced{From: "lead", To: "offer", Probability: 60}}},
		{Name: "also one in the bin", Given: events{deal.Opened{Fields: fields{Name: "x"}, PipelineID: reorganized, StageKey: "lead", At: monday}, deal.Deleted{}}, When: deal.ReplaceStage{PipelineID: reorganized, StageKey: "lead"}, Then: events{deal.StageReplaced{From: "lead", To: "offer", Probability: 60}}},
		{Name: "not one that has left it", Given: events{deal.Opened{Fields: fields{Name: "x"}, PipelineID: reorganized, StageKey: "lead", At: monday}, moved("lead", "contract", 90, tuesday)}, When: deal.ReplaceStage{PipelineID: reorganized, StageKey: "lead"}},
		{Name: "nor one in a stage that is not archived", Given: in(), When: deal.ReplaceStage{PipelineID: sales, StageKey: "lead"}},
		{Name: "nor one in another pipeline", Given: in(), When: deal.ReplaceStage{PipelineID: reorganized, StageKey: "lead"}},
		{Name: "nor one that was purged", Given: in(deal.Deleted{}, deal.Purged{}), When: deal.ReplaceStage{PipelineID: sales, StageKey: "lead"}},

		{Name: "a deal is won", Given: in(), When: deal.Win{}, Then: won[1:]},
		{Name: "once it is won it is won", Given: won, When: deal.Win{}, Err: domain.Conflict, Code: "state_conflict"},
		{Name: "and not lost", Given: won, When: deal.Lose{Reason: "x"}, Err: domain.Conflict, Code: "state_conflict"},
		{Name: "not moved", Given: won, When: deal.MoveStage{StageKey: "lead"}, Err: domain.Conflict, Code: "state_conflict"},
		{Name: "not updated", Given: won, When: patch(`{"name":"x"}`), Err: domain.Conflict, Code: "state_conflict"},
		{Name: "not patched in part", Given: won, When: patch(`{"source":"x","tags":["x"]}`), Err: domain.Conflict, Code: "state_conflict"},
		{Name: "but given to others", Given: won, When: deal.AssignOwner{OwnerID: bob}, Then: events{deal.OwnerAssigned{To: bob}}},
		{Name: "by either door", Given: lost, When: patch(`{"owner_id":"` + bob.String() + `"}`), Then: events{deal.OwnerAssigned{To: bob}}},
		{Name: "tagged", Given: lost, When: deal.AddTags{Tags: []string{"x"}}, Then: events{deal.TagsChanged{Added: []string{"x"}}}},
		{Name: "named in another system", Given: won, When: patch(`{"external_ids":{"erp":"7"}}`), Then: events{deal.Updated{Changes: map[string]record.Change{"external_ids": {Old: json.RawMessage(`null`), New: json.RawMessage(`{"erp":"7"}`)}}}}},
		{Name: "given a contact", Given: won, When: deal.AddContact{Link: linked.Link}, Then: events{linked}},
		{Name: "rid of a contact", Given: slices.Concat(won, events{linked}), When: deal.RemoveContact{ContactID: ada}, Then: events{deal.ContactRemoved{ContactID: ada}}},
		{Name: "not given another price", Given: won, When: deal.SetAmount{Amount: eur("1.00")}, Err: domain.Conflict, Code: "state_conflict"},
		{Name: "not given another line", Given: won, When: deal.AddLineItem{Line: tiles.Item.Line}, Err: domain.Conflict, Code: "state_conflict"},
		{Name: "but deleted", Given: won, When: deal.Delete{}, Then: events{deal.Deleted{}}},
		{Name: "a deal is lost", Given: in(), When: deal.Lose{Reason: "price"}, Then: lost[1:]},
		{Name: "never without a reason", Given: in(), When: deal.Lose{}, Err: domain.Invalid, Code: "required", At: "/reason"},
		{Name: "a deal is reopened where it was", Given: slices.Concat(ready, events{moved("lead", "offer", 60, monday), moved("offer", "won", 100, monday), deal.Won{At: monday}}), When: deal.Reopen{}, Then: events{deal.Reopened{From: "won", To: "offer", Probability: 60, At: tuesday}}},
		{Name: "or in the stage that took the place of that", Given: in(deal.StageReplaced{From: "lead", To: "offer", Probability: 60}, moved("offer", "won", 100, monday), deal.Won{At: monday}), When: deal.Reopen{}, Then: events{deal.Reopened{From: "won", To: "offer", Probability: 60, At: tuesday}}},
		{Name: "also a lost one", Given: lost, When: deal.Reopen{}, Then: events{deal.Reopened{From: "lost", To: "lead", Probability: 10, At: tuesday}}},
		{Name: "and then goes on", Given: slices.Concat(lost, events{deal.Reopened{From: "lost", To: "lead", At: monday}}), When: deal.Win{}, Then: won[1:]},
		{Name: "what is open is not reopened", Given: in(), When: deal.Reopen{}, Err: domain.Conflict, Code: "state_conflict"},

		{Name: "a deal changes the pipeline", Given: in(), When: deal.ChangePipeline{PipelineID: service}, Then: events{deal.PipelineChanged{From: sales, To: service, FromStage: "lead", ToStage: "new", SecondsInFrom: 86400, Probability: 20, At: tuesday}}},
		{Name: "to an open stage", Given: in(), When: deal.ChangePipeline{PipelineID: service, StageKey: "done"}, Err: domain.Invalid, At: "/stage_key"},
		{Name: "with all that it requires", Given: in(), When: deal.ChangePipeline{PipelineID: service, StageKey: "paid"}, Err: domain.Invalid, Code: "required_by_stage", At: "/company_id"},
		{Name: "to one that takes deals", Given: in(), When: deal.ChangePipeline{PipelineID: retired}, Err: domain.Invalid, Code: "reference_not_found"},
		{Name: "the same one is no change", Given: in(), When: deal.ChangePipeline{PipelineID: sales}},
		{Name: "but another stage of it is", Given: ready, When: deal.ChangePipeline{PipelineID: sales, StageKey: "offer"}, Then: events{moved("lead", "offer", 60, tuesday)}},
		{Name: "by the rules of the stage", Given: in(), When: deal.ChangePipeline{PipelineID: sales, StageKey: "contract"}, Err: domain.Invalid, Code: "not_allowed_from", At: "/stage_key"},
		{Name: "which must be one", Given: in(), When: deal.ChangePipeline{PipelineID: sales, StageKey: "x"}, Err: domain.Invalid, Code: "unknown_stage", At: "/stage_key"},
		{Name: "closed deals stay where they are", Given: won, When: deal.ChangePipeline{PipelineID: service}, Err: domain.Conflict, Code: "state_conflict"},

		{Name: "lines say what a deal is worth", Given: in(priced), When: deal.AddLineItem{Line: tiles.Item.Line}, Then: events{tiles}},
		{Name: "each rounded, and added up", Given: in(tiles), When: deal.AddLineItem{Line: work.Item.Line}, Then: events{work}},
		{Name: "in one currency", Given: in(tiles), When: deal.AddLineItem{Line: dollars}, Err: domain.Invalid, Code: "other_currency", At: "/unit_price/currency"},
		{Name: "of something", Given: in(), When: deal.AddLineItem{Line: deal.Line{Description: "x", Quantity: "0", UnitPrice: eur("1.00")}}, Err: domain.Invalid, At: "/qty"},
		{Name: "for a price", Given: in(), When: deal.AddLineItem{Line: deal.Line{Description: "x", Quantity: "1"}}, Err: domain.Invalid, At: "/unit_price"},
		{Name: "that is not negative", Given: in(), When: deal.AddLineItem{Line: deal.Line{Description: "x", Quantity: "1", UnitPrice: eur("-1.00")}}, Err: domain.Invalid, At: "/unit_price/amount"},
		{Name: "with a discount of all at most", Given: in(), When: deal.AddLineItem{Line: deal.Line{Description: "x", Quantity: "1", UnitPrice: eur("1.00"), DiscountPct: "100.01"}}, Err: domain.Invalid, At: "/discount_pct"},
		{Name: "with an end to it", Given: in(), When: deal.AddLineItem{Line: deal.Line{Description: "x", Quantity: "99999999999999", UnitPrice: eur("99999999999999.00")}}, Err: domain.Invalid, Code: "invalid_amount"},
		{Name: "then nobody else says it", Given: in(tiles), When: deal.SetAmount{Amount: eur("1.00")}, Err: domain.Conflict, Code: "has_line_items"},
		{Name: "by neither door", Given: in(tiles), When: patch(`{"amount":null}`), Err: domain.Conflict, Code: "has_line_items"},
		{Name: "a line is updated", Given: in(tiles), When: deal.UpdateLineItem{ID: 1, Line: more.Line}, Then: events{deal.LineItemUpdated{Item: more, Amount: eur("37.96")}}},
		{Name: "alone also to another currency", Given: in(tiles), When: deal.UpdateLineItem{ID: 1, Line: dollars}, Then: events{deal.LineItemUpdated{Item: deal.LineItem{ID: 1, Line: dollars}, Amount: dollars.UnitPrice}}},
		{Name: "but not beside others", Given: in(tiles, work), When: deal.UpdateLineItem{ID: 1, Line: dollars}, Err: domain.Invalid, Code: "other_currency"},
		{Name: "to what it is is no change", Given: in(tiles), When: deal.UpdateLineItem{ID: 1, Line: tiles.Item.Line}},
		{Name: "what is no line is not updated", Given: in(tiles), When: deal.UpdateLineItem{ID: 2, Line: more.Line}, Err: domain.Invalid, Code: "unknown_line_item", At: "/id"},
		{Name: "a line is removed", Given: in(tiles, work), When: deal.RemoveLineItem{ID: 1}, Then: events{deal.LineItemRemoved{ID: 1, Amount: eur("50.00")}}},
		{Name: "the last takes the amount with it", Given: in(tiles), When: deal.RemoveLineItem{ID: 1}, Then: events{deal.LineItemRemoved{ID: 1}}},
		{Name: "what is no line is not removed", Given: in(), When: deal.RemoveLineItem{ID: 1}, Err: domain.Invalid, Code: "unknown_line_item", At: "/id"},
		{Name: "numbers are not used again", Given: in(tiles, work, deal.LineItemRemoved{ID: 2, Amount: eur("28.47")}), When: deal.AddLineItem{Line: work.Item.Line}, Then: events{deal.LineItemAdded{Item: deal.LineItem{ID: 3, Line: work.Item.Line}, Amount: eur("78.47")}}},

		{Name: "a contact is added", Given: in(), When: deal.AddContact{Link: linked.Link}, Then: events{linked}},
		{Name: "if there is one", Given: in(), When: deal.AddContact{Link: deal.Link{ContactID: gone}}, Err: domain.Invalid, Code: "reference_not_found", At: "/contact_id"},
		{Name: "once", Given: in(linked), When: deal.AddContact{Link: linked.Link}},
		{Name: "or with another label", Given: in(linked), When: deal.AddContact{Link: deal.Link{ContactID: ada, Label: "user"}}, Then: events{deal.ContactAdded{Link: deal.Link{ContactID: ada, Label: "user"}}}},
		{Name: "a contact is removed", Given: in(linked), When: deal.RemoveContact{ContactID: ada}, Then: events{deal.ContactRemoved{ContactID: ada}}},
		{Name: "who is not there is gone already", Given: in(), When: deal.RemoveContact{ContactID: ada}},

		{Name: "a deal is assigned", Given: in(), When: deal.AssignOwner{OwnerID: bob}, Then: events{deal.OwnerAssigned{To: bob}}},
		{Name: "a deal is tagged", Given: in(), When: deal.AddTags{Tags: []string{"x"}}, Then: events{deal.TagsChanged{Added: []string{"x"}}}},
		{Name: "a deal is restored", Given: in(deal.Deleted{}), When: deal.Restore{}, Then: events{deal.Restored{}}},
		{Name: "a deleted deal is not won", Given: in(deal.Deleted{}), When: deal.Win{}, Err: domain.Conflict, Code: "deleted"},
		{Name: "a deal is purged", Given: in(tiles, linked, deal.Deleted{}), When: deal.Purge{}, Then: events{deal.Purged{}}},
	}, allowedFrom()...))
}

// Every field that a stage can require is one that deals can have.
func TestStagesRequireWhatDealsCanHave(t *testing.T) {
	t.Parallel()
	field, _ := reflect.TypeFor[domain.Stage]().FieldByName("RequiredFields")
	for name := range strings.SplitSeq(field.Tag.Get("enum"), ",") {
		f := &funnel{stages: []domain.Stage{{Key: "a", Kind: domain.StageOpen, RequiredFields: []string{name}}}}
		d := domain.Fold(events{
			deal.Opened{Fields: fields{Name: "x", CompanyID: acme, PrimaryContactID: ada, Amount: eur("1.00"), Probability: new(1), CloseDate: "2026-12-31", Source: "x", Common: record.Common{OwnerID: bob}}, PipelineID: sales},
			linked,
			deal.LineItemAdded{Item: deal.LineItem{ID: 1}, Amount: eur("1.00")},
		}...)
		for lacks, state := range map[bool]deal.Deal{false: d, true: domain.Fold(in()...)} {
			_, _, err := deal.Aggregate.Decide(deal.MoveStage{StageKey: "a"}, state, asAnn, func(domain.Ref) (any, error) { return f, nil })
			if (err != nil) != lacks {
				t.Errorf("%s required, lacking %v: %v", name, lacks, err)
			}
		}
	}
}

// Whatever is done to its lines, a deal is worth what they add up to, each
// rounded half up to a cent, to the cent.
func TestAmountIsTheSumOfTheLines(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := domain.Fold(in()...)
		for range rapid.IntRange(1, 20).Draw(t, "n") {
			line := deal.Line{
				Description: "x", UnitPrice: eur(rapid.StringMatching(`[1-9][0-9]{0,3}\.[0-9]{2}`).Draw(t, "price")),
				Quantity:    domain.Decimal(rapid.StringMatching(`[1-9][0-9]{0,2}(\.[0-9]{0,2}[1-9])?`).Draw(t, "qty")),
				DiscountPct: domain.Decimal(rapid.SampledFrom([]string{"", "5", "12.5", "33.3333", "100"}).Draw(t, "discount")),
			}
			var c domain.Command[deal.Deal] = deal.AddLineItem{Line: line}
			switch n := len(d.Items); {
			case n > 0 && rapid.Bool().Draw(t, "update"):
				c = deal.UpdateLineItem{ID: d.Items[rapid.IntRange(0, n-1).Draw(t, "i")].ID, Line: line}
			case n > 0 && rapid.Bool().Draw(t, "remove"):
				c = deal.RemoveLineItem{ID: d.Items[rapid.IntRange(0, n-1).Draw(t, "i")].ID}
			}
			got, err := c.Decide(d, asAnn)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range got {
				e.Apply(&d)
			}
			sum := decimal.Zero
			for _, i := range d.Items {
				hundred := decimal.NewFromInt(100)
				exact := i.Quantity.Value().Mul(i.UnitPrice.Decimal()).Mul(hundred.Sub(i.DiscountPct.Value())).Div(hundred)
				sum = sum.Add(exact.Shift(2).Add(decimal.NewFromFloat(0.5)).Floor().Shift(-2))
			}
			if !d.Fields.Amount.Decimal().Equal(sum) {
				t.Fatalf("the deal is worth %s, the lines %s", d.Fields.Amount.Amount, sum)
			}
		}
	})
}

// allowedFrom gives every command that puts a deal into a stage, where the stage
// says which ones deals come from: none gets around it.
func allowedFrom() []domaintest.Case[deal.Deal] {
	at := func(stage string) events {
		return events{deal.Opened{Fields: fields{Name: "x"}, PipelineID: strict, StageKey: stage, At: monday}}
	}
	refused := func(name string, given events, when domain.Command[deal.Deal], pointer string) domaintest.Case[deal.Deal] {
		return domaintest.Case[deal.Deal]{Name: name, Given: given, When: when, Err: domain.Invalid, Code: "not_allowed_from", At: pointer}
	}
	return []domaintest.Case[deal.Deal]{
		refused("a move", at("first"), deal.MoveStage{StageKey: "signed"}, "/stage_key"),
		refused("a move that wins", at("pilot"), deal.MoveStage{StageKey: "won"}, "/stage_key"),
		refused("a move that loses", at("first"), deal.MoveStage{StageKey: "lost", Reason: "price"}, "/stage_key"),
		refused("winning", at("pilot"), deal.Win{}, ""),
		refused("losing", at("first"), deal.Lose{Reason: "price"}, ""),
		refused("coming from another pipeline", in(), deal.ChangePipeline{PipelineID: strict, StageKey: "signed"}, "/stage_key"),
		{
			Name: "winning goes to the stage that may be entered", Given: at("signed"), When: deal.Win{},
			Then: events{moved("signed", "won", 0, tuesday), deal.Won{At: tuesday}},
		},
		{
			Name: "so does losing", Given: at("pilot"), When: deal.Lose{Reason: "price"},
			Then: events{deal.StageChanged{From: "pilot", To: "lost", SecondsInFrom: 86400, Reason: "price", At: tuesday}, deal.Lost{Reason: "price", At: tuesday}},
		},
		{
			Name: "another pipeline begins where deals begin", Given: in(), When: deal.ChangePipeline{PipelineID: strict},
			Then: events{deal.PipelineChanged{From: sales, To: strict, FromStage: "lead", ToStage: "first", SecondsInFrom: 86400, Probability: 5, At: tuesday}},
		},
		{
			Name: "reopening takes a deal back to where it was", Given: append(at("signed"), moved("signed", "won", 0, monday), deal.Won{At: monday}), When: deal.Reopen{},
			Then: events{deal.Reopened{From: "won", To: "signed", Probability: 90, At: tuesday}},
		},
	}
}
