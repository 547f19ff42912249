package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
	"github.com/rowhouse/rowhouse/eventstore"
)

// upsert makes a record, or changes the one that is there already.
type upsert struct {
	MatchOn []string        `json:"match_on" minItems:"1" maxItems:"5" maxLength:"50" doc:"The members by which to find the record."`
	Lists   string          `json:"lists,omitempty" enum:"replace,add" doc:"Whether the lists in the data, such as emails, replace those of a record that is there, or their items are added to them; replace, if left out."`
	Data    json.RawMessage `json:"data" doc:"What it shall have: the body of create, or of update."`
}

// externalIDs is the member by which records of every kind can be found.
const externalIDs = "external_ids"

func (r *resource) upsertOperations() []*operation {
	by := r.kind.Matches()
	if len(by) == 0 {
		return nil
	}
	about := "Finds the record by what it alone can have, `" + strings.Join(by, "` or `") + "`, and changes it by merge patch, or makes it if there is none. If several are found, nothing is done."
	data := r.verb(commands.Create).Example
	if by[0] == externalIDs && !strings.Contains(data, `"`+externalIDs+`"`) {
		data = `{"` + externalIDs + `":{"hubspot":"501"},` + strings.TrimPrefix(data, "{")
	}
	example := `{"match_on":["` + by[0] + `"],"data":` + data + `}`
	return []*operation{post(r.path("/upsert"), tenant, r.tag(), r.id("upsert"), "Create or update "+r.one(), about,
		params(ifMatchParam, ifNoneMatchWriteParam, preferParam, idempotencyParam), takes[upsert](r.s, example),
		givesSchema(http.StatusOK, "The record, changed.", r.row, append(stored, headerCommandID, headerReplayed)...),
		givesSchema(http.StatusCreated, "The new record.", r.row, append(stored, headerCommandID, headerReplayed, "Location")...),
		refuses(domain.Conflict, gone, domain.Stale, domain.Invalid), serve(r.upsert))}
}

func (r *resource) upsert(x *exchange) error {
	whole, err := x.body()
	if err != nil {
		return err
	}
	var in upsert
	if err := x.s.schemas.readAround(jsonBody(x.op.RequestBody), whole.tree, &in); err != nil {
		return err
	}
	m, err := x.match()
	if err != nil {
		return err
	}
	name, err := x.commandName(whole.tree)
	if err != nil {
		return err
	}
	it := &item{batchOperation: batchOperation{Op: toUpsert, MatchOn: in.MatchOn, Lists: in.Lists}, name: name, match: m}
	it.data.tree = whole.tree.(map[string]any)["data"]
	if err := r.checkMatch(x, in.MatchOn); err != nil {
		return errors.Join(domain.At("/data", r.checkUpsert(it.data)), domain.At("/match_on", err))
	}
	for attempt := 1; ; attempt++ {
		if it.order = (order{err: r.readUpsert(x, it)}); it.err == nil {
			r.upserts(x, []*item{it})
		}
		if it.err != nil {
			if it.beside {
				return it.err
			}
			return domain.At("/data", it.err)
		}
		err := r.carryOut(x, it.op)
		if !raced(err) || attempt == maxRaces {
			return domain.At("/data", err)
		}
	}
}

// maxRaces is how often to look again when somebody else made the record in
// between.
const maxRaces = 3

// raced reports whether a record has come to be since it was looked for.
func raced(err error) bool {
	e, ok := errors.AsType[*domain.Error](err)
	return ok && e.Code == "duplicate"
}

// toUpsert is to create or to update, whichever it comes to.
const toUpsert = "upsert"

// readUpsert says what is wrong with an upsert, as far as that can be said before
// it is known what it comes to.
func (r *resource) readUpsert(x *exchange, it *item) error {
	if it.data.tree == nil {
		return domain.Check(false, "", "required", "is required")
	}
	if err := r.checkUpsert(it.data); err != nil {
		return err
	}
	return r.checkMatch(x, it.MatchOn)
}

// upserts finds out which commands upserts come to, that can be read. It asks once
// for the records of all of them.
func (r *resource) upserts(x *exchange, items []*item) {
	r.repeatedUpserts(x, items)
	r.holders(x, items)
	for _, it := range items {
		if it.err == nil {
			it.order = r.upsertOrder(x, it)
		}
	}
}

// upsertOrder returns the command that an upsert comes to, of which the records
// were found that it may be about.
func (r *resource) upsertOrder(x *exchange, it *item) order {
	switch {
	case len(it.found) > 1:
		return order{err: &domain.Error{
			Reason: domain.Conflict, Code: "several_matches", Detail: "several records match",
			Data: map[string]any{"candidates": it.found},
		}}
	case len(it.found) == 1:
		data, made, err := r.changeable(it.data)
		if err != nil {
			return order{err: err}
		}
		update := r.verb(commands.Update)
		adding, err := update.lists(it.Lists)
		if err != nil {
			return order{err: err}
		}
		op, err := update.prepareAs(target(it.found[0], it.name, it.match), data, func(cmd any) any { return expecting(adding(cmd), made) })
		return order{op: op, err: err}
	}
	if it.match.there {
		return order{err: errNoVersion, beside: true}
	}
	op, err := r.prepareNew(x, r.verb(commands.Create), it.name, it.data)
	return order{op: op, err: err}
}

// checkMatch refuses what records cannot be found by, or not by whoever asks.
func (r *resource) checkMatch(x *exchange, members []string) error {
	rules, err := x.viewer().Of(r.view)
	if err != nil {
		return err
	}
	known := func(m string) bool { return slices.Contains(r.kind.Matches(), m) && rules.Shows(m) }
	unknown := slices.ContainsFunc(members, func(m string) bool { return !known(m) })
	return domain.Check(!unknown, "", "unknown_match", "can be found only by "+strings.Join(r.kind.Matches(), " or "))
}

// checkUpsert says what is wrong with the data of an upsert, as far as that is the
// same whether it makes a record or changes one. That comes before records are
// looked for by it: what cannot be read finds nothing.
func (r *resource) checkUpsert(in input) error {
	_, in, err := r.takeID(in)
	return errors.Join(err, r.verb(commands.Create).check(in))
}

// changeable divides the data: what an update can change, and what only counts when
// a record is made, such as the pipeline that a deal begins in. An ID is chosen for
// a new record, and nothing that one has to be found by.
func (r *resource) changeable(in input) (input, map[string]record.Expected, error) {
	members, _ := in.tree.(map[string]any)
	starts, changed := r.s.schemas.resolve(r.verb(commands.Create).schema), r.verb(commands.Update).schema
	rest, made := map[string]any{}, map[string]record.Expected{}
	for name, v := range members {
		switch {
		case changed.Properties[name] != nil || starts.Properties[name] == nil && name != "id":
			rest[name] = v
		case name != "id":
			value, err := domain.Marshal(v)
			if err != nil {
				return in, nil, err
			}
			made[name] = record.Expected{Value: value, By: r.changes(name)}
		}
	}
	if len(rest) == len(members) {
		return in, nil, nil
	}
	return input{tree: rest, enough: in.enough}, made, nil
}

// changes returns the command that changes a member which is no field, or "".
func (r *resource) changes(member string) string {
	for _, v := range r.verbs {
		if v.Name != commands.Create && r.s.schemas.resolve(v.schema).Properties[member] != nil {
			return v.Name
		}
	}
	return ""
}

// expecter is implemented by updates that can be told what the record must have
// besides its fields.
type expecter interface {
	Expecting(members map[string]record.Expected) any
}

// expecting returns a change of a record that must have some members, if there are
// any: nothing that a client has said of a record is left out without a word.
func expecting(cmd any, members map[string]record.Expected) any {
	if len(members) == 0 {
		return cmd
	}
	return cmd.(expecter).Expecting(members) //nolint:forcetypeassert // every update is: see TestUpsertsExpect
}

// wanted returns what the data of an upsert claims among the members that it is to
// match on.
func (r *resource) wanted(it *item) ([]domain.Claim, error) {
	members, _ := it.data.tree.(map[string]any)
	some := map[string]any{}
	for _, name := range it.MatchOn {
		some[name] = members[name]
	}
	data, err := domain.Marshal(some)
	if err != nil {
		return nil, err
	}
	claims := r.kind.Claims(data)
	return claims, domain.Check(len(claims) > 0, "", "nothing_to_match", "has nothing of what to match on")
}

// holders finds the records that have what upserts want to match on, but for those
// that are refused, or whose record is known.
func (r *resource) holders(x *exchange, items []*item) {
	var claims []eventstore.Claim
	var of []*item // which the claims are of
	for _, it := range items {
		if it.err != nil || it.found != nil {
			continue
		}
		var wanted []domain.Claim
		wanted, it.err = r.wanted(it)
		for _, c := range wanted {
			claims, of = append(claims, eventstore.Claim{Scope: c.Scope, Key: c.Key}), append(of, it)
		}
	}
	if len(claims) == 0 {
		return
	}
	holders, err := r.s.Store.Holders(x.ctx(), x.origin.Tenant, claims...)
	var sees map[eventstore.StreamID]bool
	if err == nil {
		sees, err = r.s.Commands.Sees(x.ctx(), x.viewer(), holders...)
	}
	for i, it := range of {
		if err != nil {
			it.err = err
			continue
		}
		id := domain.ID{Prefix: r.view.Prefix(), UUID: holders[i].ID}
		if holders[i].Kind == r.view.Kind() && sees[holders[i]] && !slices.Contains(it.found, id) {
			it.found = append(it.found, id)
		}
	}
}

// lookups is how many commands are recalled at a time.
const lookups = 8

// repeatedUpserts finds the records that upserts were about when they came for the
// first time: they may not match any more.
func (r *resource) repeatedUpserts(x *exchange, items []*item) {
	var g errgroup.Group
	g.SetLimit(lookups)
	for _, it := range items {
		if it.found = nil; it.err != nil || it.name.hash == nil {
			continue
		}
		if it.err = x.ctx().Err(); it.err != nil { // nobody waits for the rest
			continue
		}
		g.Go(func() error {
			id, ok, err := r.s.Commands.About(x.ctx(), x.origin.Tenant, it.name.id, it.name.hash)
			if it.err = err; ok && err == nil {
				it.found = []domain.ID{{Prefix: r.view.Prefix(), UUID: id}}
			}
			return nil
		})
	}
	_ = g.Wait() // the items have the errors
}
