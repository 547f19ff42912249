package projections

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/pipeline"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/viewer"
)

// Stay is a time that a deal was in a stage.
type Stay struct {
	PipelineID domain.ID  `json:"pipeline_id"`
	StageKey   string     `json:"stage_key"`
	EnteredAt  time.Time  `json:"entered_at"`
	LeftAt     *time.Time `json:"left_at" doc:"null while it is there"`
	Seconds    int64      `json:"seconds" doc:"How long it was there, or has been there until now."`
	From       *StageOf   `json:"from,omitempty" doc:"Where it came from; not there for the first one."`
	To         *StageOf   `json:"to,omitempty" doc:"Where it went; not there while it is there."`

	Position eventstore.Position `json:"position" doc:"Of the event that brought it there."`
}

// StageOf is a stage of a pipeline.
type StageOf struct {
	PipelineID domain.ID `json:"pipeline_id"`
	StageKey   string    `json:"stage_key"`
}

var errNoStageTimes = domain.Unavailable.Refusef("stages_not_ready", "how long deals were in their stages is being put together after an upgrade; try again in some minutes")

// stageMembers are the members of a deal that tell how long it was in its stages.
var stageMembers = []string{"pipeline_id", "stage_key", "stage_since"}

// maySeeStages refuses whoever does not see in which stages deals are, and since when.
func maySeeStages(v *viewer.Viewer) (*viewer.Rules, error) {
	rules, err := v.Of(Deals)
	if err != nil {
		return nil, err
	}
	if !rules.May(viewer.Read) {
		return nil, domain.Forbidden.Refusef("forbidden", "you may not look at deals")
	}
	for _, m := range stageMembers {
		if !rules.Shows(m) {
			return nil, domain.Forbidden.Refusef("field_forbidden", "you may not see in which stages deals are, and since when")
		}
	}
	return rules, nil
}

// Stays returns the times that a deal was in its stages, the first one first, after a
// position: those up to a limit, and whether there are more. A deal that the viewer does
// not see gets domain.NotFound.
func (m *Models) Stays(ctx context.Context, v *viewer.Viewer, id uuid.UUID, after eventstore.Position, limit int, now time.Time) (stays []Stay, more bool, at eventstore.Position, err error) {
	if _, at, err = m.Get(ctx, v, Deals, id); err != nil {
		return nil, false, at, err
	}
	if _, err = maySeeStages(v); err != nil {
		return nil, false, at, err
	}
	at, err = m.readFacts(ctx, v.Tenant(), StageTimes, errNoStageTimes, func(b *pgx.Batch) {
		stays = make([]Stay, 0, limit)
		b.Queue(`select position, pipeline_id, stage, entered_at, from_pipeline_id, from_stage, left_at, to_pipeline_id, to_stage from crm.deal_stages
			where tenant_id = $1 and ver = `+servingOf(StageTimes.Name())+` and of_id = $2 and position > $3 order by position limit $4`,
			v.Tenant().UUID, id, int64(after), limit+1).Query(each(func(rows pgx.Rows) error {
			s, err := scanStay(rows, now)
			stays = append(stays, s)
			return err
		}))
	})
	if len(stays) > limit {
		return stays[:limit], true, at, err
	}
	return stays, false, at, err
}

func scanStay(rows pgx.Rows, now time.Time) (s Stay, err error) {
	var from, to uuid.NullUUID
	var fromStage, toStage *string
	if err := rows.Scan(&s.Position, &s.PipelineID.UUID, &s.StageKey, &s.EnteredAt, &from, &fromStage, &s.LeftAt, &to, &toStage); err != nil {
		return s, err
	}
	prefix := Pipelines.Prefix()
	s.PipelineID.Prefix, s.EnteredAt = prefix, s.EnteredAt.UTC()
	end := now
	if s.LeftAt != nil {
		s.LeftAt = new(s.LeftAt.UTC())
		end = *s.LeftAt
	}
	s.Seconds = max(0, int64(end.Sub(s.EnteredAt).Seconds()))
	if from.Valid && fromStage != nil {
		s.From = &StageOf{domain.ID{Prefix: prefix, UUID: from.UUID}, *fromStage}
	}
	if to.Valid && toStage != nil {
		s.To = &StageOf{domain.ID{Prefix: prefix, UUID: to.UUID}, *toStage}
	}
	return s, nil
}

// readFacts is read, and refuses while facts are not as this build makes them.
func (m *Models) readFacts(ctx context.Context, tenant domain.TenantID, facts Facts, notReady error, queue func(*pgx.Batch)) (eventstore.Position, error) {
	builds, err := m.cfg.Builds.madeBy(ctx, facts.Name())
	if err != nil {
		return 0, err
	}
	current := false
	at, err := m.read(ctx, tenant, func(b *pgx.Batch) {
		queueCurrent(b, tenant, facts, builds, &current)
		queue(b)
	})
	if err == nil && !current {
		err = notReady
	}
	return at, err
}

// FunnelStage is what became of the deals that entered a stage in a time. A deal that
// enters it again counts again. Entered is the sum of the six numbers after it.
type FunnelStage struct {
	StageKey string `json:"stage_key"`
	Name     string `json:"name"`
	Kind     string `json:"kind" example:"open"`

	Entered   int `json:"entered" doc:"How often a deal entered the stage in that time."`
	Forward   int `json:"forward" doc:"Of these, how often it went on to a later open stage."`
	Back      int `json:"back" doc:"To an earlier open stage, or was reopened."`
	Won       int `json:"won" doc:"It was won from there."`
	Lost      int `json:"lost" doc:"It was lost from there."`
	Elsewhere int `json:"elsewhere" doc:"It went to another pipeline."`
	Still     int `json:"still_there" doc:"It is there now."`

	Conversion     *int           `json:"conversion" doc:"The part of those that entered an open stage that went forward or were won, in percent; null if none entered, and of other stages."`
	MedianSeconds  *int64         `json:"median_seconds" doc:"How long they stayed, of those that have left: half of them no longer; null if none has left."`
	AverageSeconds *int64         `json:"average_seconds"`
	Amounts        []FunnelAmount `json:"amounts" doc:"What the deals that entered were worth when they left, or are worth while they are there, by currency. Empty if you do not see what deals are worth."`
}

// FunnelAmount is what some deals are worth.
type FunnelAmount struct {
	Amount   string `json:"amount" example:"12500.00"`
	Currency string `json:"currency" example:"EUR"`
}

// errFunnel says that there is too much to count.
var errFunnel = domain.Unavailable.Refusef("too_much", "there are too many deals to count in the time there is; ask for a shorter time")

// Funnel returns what became of the deals that entered the stages of a pipeline from one
// time to another, of live deals that the viewer sees: the stages in their order of now. A
// stage that was archived counts as the one that took its place.
func (m *Models) Funnel(ctx context.Context, v *viewer.Viewer, id uuid.UUID, from, to time.Time) (stages []FunnelStage, at eventstore.Position, err error) {
	doc, at, err := m.Get(ctx, v, Pipelines, id)
	if err != nil {
		return nil, at, err
	}
	rules, err := maySeeStages(v)
	if err != nil {
		return nil, at, err
	}
	f := funnel{id: id, from: from, to: to, amounts: rules.Shows("amount")}
	if err := json.Unmarshal(doc.JSON, &f.Pipeline); err != nil { // as the viewer sees it: without stages, if they see none
		return nil, at, fmt.Errorf("row: %w", err)
	}
	f.rows, _ = rules.Rows()
	at, err = m.readFacts(ctx, v.Tenant(), StageTimes, errNoStageTimes, func(b *pgx.Batch) { f.queue(b, v.Tenant()) })
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == queryCanceled && ctx.Err() == nil {
		err = errFunnel
	}
	if err != nil {
		return nil, at, fmt.Errorf("funnel: %w", err)
	}
	f.finish()
	return f.stages, at, nil
}

// funnel is a question about a pipeline, and the answer.
type funnel struct {
	pipeline.Pipeline

	id       uuid.UUID
	from, to time.Time
	rows     query.Filter // of the deals; nil for all
	amounts  bool         // are shown
	stages   []FunnelStage
	seconds  []int64               // of all stays in a stage that have ended
	worth    []map[string]*big.Int // by currency
}

// placeOf returns the place of the stage that a key stands for now, and false if there is
// none.
func (f *funnel) placeOf(key string) (int, bool) {
	now, _ := f.Stage(key)
	i := slices.IndexFunc(f.Stages, func(s domain.Stage) bool { return s.Key == now.Key })
	return i, i >= 0
}

// queue queues the statements that count. What becomes of stays is worked out from few
// groups of them here, so that the database has nothing to join.
func (f *funnel) queue(b *pgx.Batch, tenant domain.TenantID) {
	f.stages, f.seconds, f.worth = make([]FunnelStage, len(f.Stages)), make([]int64, len(f.Stages)), make([]map[string]*big.Int, len(f.Stages))
	for i, s := range f.Stages {
		f.worth[i] = map[string]*big.Int{}
		f.stages[i] = FunnelStage{StageKey: s.Key, Name: s.Name, Kind: string(s.Kind), Amounts: []FunnelAmount{}}
	}
	args := query.Args{tenant.UUID, f.id, f.from, f.to}
	// In a form that is always looked up in a table of hashes, whatever is known of how many there are.
	deals := "f.of_id not in (select id from " + Deals.statements().serving + " and deleted_at is not null order by deleted_at limit 1000000000)" // in the order of the index of the bin
	if f.rows != nil {
		deals = "(f.of_id in (select id from " + Deals.statements().serving + " and deleted_at is null and " + f.rows.SQL(&args) + ")) is true"
	}
	stays := " from crm.deal_stages f where f.tenant_id = $1 and f.ver = " + servingOf(StageTimes.Name()) +
		" and f.pipeline_id = $2 and f.entered_at >= $3 and f.entered_at < $4 and " + deals
	b.Queue(`select f.stage, coalesce(f.to_stage, ''), f.to_pipeline_id = $2 is true, coalesce(f.currency, ''), count(*),
		coalesce(sum(f.amount), 0)::text, sum(date_part('epoch', f.left_at - f.entered_at))::bigint`+stays+` group by 1, 2, 3, 4 order by 4`, args...).
		Query(each(func(rows pgx.Rows) error {
			var s staysOf
			if err := rows.Scan(&s.stage, &s.to, &s.within, &s.currency, &s.count, &s.units, &s.seconds); err != nil {
				return err
			}
			f.count(s)
			return nil
		}))
	keys, places := []string{}, []int{}
	for i, s := range f.Stages {
		keys, places = append(keys, s.Key), append(places, i)
	}
	for key := range f.Moved {
		if i, ok := f.placeOf(key); ok {
			keys, places = append(keys, key), append(places, i)
		}
	}
	b.Queue("select ("+with(&args, places)+"::int[])[array_position("+with(&args, keys)+`::text[], f.stage)], percentile_disc(0.5) within group (order by date_part('epoch', f.left_at - f.entered_at))::bigint`+
		stays+" and f.left_at is not null group by 1", args...).Query(each(func(rows pgx.Rows) error {
		var place *int
		var median int64
		err := rows.Scan(&place, &median)
		if place != nil {
			f.stages[*place].MedianSeconds = new(max(0, median))
		}
		return err
	}))
}

// staysOf is stays in one stage that went on in the same way.
type staysOf struct {
	stage, to, currency string
	within              bool // it went on in the same pipeline
	count               int
	units               string // that the deals were worth, in 1/10000
	seconds             *int64 // of all of them; nil if they have not ended
}

// count adds stays to the stage that they were in.
func (f *funnel) count(of staysOf) {
	place, ok := f.placeOf(of.stage)
	if !ok {
		return
	}
	s := &f.stages[place]
	s.Entered += of.count
	next, there := f.placeOf(of.to)
	switch {
	case of.to == "":
		s.Still += of.count
	case !of.within || !there:
		s.Elsewhere += of.count
	case f.Stages[next].Kind == domain.StageWon:
		s.Won += of.count
	case f.Stages[next].Kind == domain.StageLost:
		s.Lost += of.count
	case f.Stages[place].Kind == domain.StageOpen && next >= place:
		s.Forward += of.count
	default:
		s.Back += of.count
	}
	if of.seconds != nil {
		f.seconds[place] += *of.seconds
	}
	if f.amounts && of.currency != "" {
		units, _ := new(big.Int).SetString(of.units, 10)
		if sum := f.worth[place][of.currency]; sum != nil {
			units.Add(units, sum)
		}
		f.worth[place][of.currency] = units
	}
}

// finish works out what follows from the counts.
func (f *funnel) finish() {
	for i := range f.stages {
		s := &f.stages[i]
		if left := s.Entered - s.Still; left > 0 {
			s.AverageSeconds = new(max(0, f.seconds[i]/int64(left)))
		}
		if s.Entered > 0 && s.Kind == string(domain.StageOpen) {
			s.Conversion = new((200*(s.Forward+s.Won) + s.Entered) / (2 * s.Entered)) // rounded
		}
		for _, currency := range slices.Sorted(maps.Keys(f.worth[i])) {
			s.Amounts = append(s.Amounts, FunnelAmount{amountOf(f.worth[i][currency], currency), currency})
		}
	}
}

// amountOf returns an amount in 1/10000 as it is written: as that of a deal, unless it is
// larger than one can be.
func amountOf(units *big.Int, currency string) string {
	text := units.String()
	if len(text) < 5 {
		text = strings.Repeat("0", 5-len(text)) + text
	}
	text = text[:len(text)-4] + "." + text[len(text)-4:]
	if money, err := domain.ParseMoney(text, currency); err == nil {
		return money.Amount
	}
	return text
}
