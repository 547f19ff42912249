package api

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
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
	data, tree, err := x.body()
	if err != nil {
		return err
	}
	var in upsert
	if err := x.s.schemas.read(jsonBody(x.op.RequestBody), tree, data, &in); err != nil {
		return err
	}
	m, err := x.match()
	if err != nil {
		return err
	}
	name, err := x.identity(tree)
	if err != nil {
		return err
	}
	if err := r.checkMatch(in.MatchOn); err != nil {
		return errors.Join(domain.At("/data", r.checkUpsert(tree.(map[string]any)["data"], in.Data)), domain.At("/match_on", err))
	}
	fields := tree.(map[string]any)["data"]
	for attempt := 1; ; attempt++ {
		o := r.upsertOrder(x.ctx(), x.origin.Tenant, in, fields, name, m)
		if o.beside {
			return o.err
		}
		if o.err != nil {
			return domain.At("/data", o.err)
		}
		err := r.carryOut(x, o.op)
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

// upsertOrder returns the command that an upsert comes to.
func (r *resource) upsertOrder(ctx context.Context, tenant domain.TenantID, in upsert, tree any, name identity, m match) order {
	if tree == nil {
		return order{err: domain.Check(false, "", "required", "is required")}
	}
	if err := r.checkUpsert(tree, in.Data); err != nil {
		return order{err: err}
	}
	if err := r.checkMatch(in.MatchOn); err != nil {
		return order{err: err}
	}
	found, err := r.repeatedUpsert(ctx, tenant, name)
	if err == nil && found == nil {
		found, err = r.holders(ctx, tenant, in.MatchOn, tree)
	}
	switch {
	case err != nil:
		return order{err: err}
	case len(found) > 1:
		return order{err: &domain.Error{
			Kind: domain.Conflict, Code: "several_matches", Detail: "several records match",
			Data: map[string]any{"candidates": found},
		}}
	case len(found) == 1:
		tree, data, err := r.changeable(tree, in.Data)
		if err != nil {
			return order{err: err}
		}
		prepare, err := r.verb(commands.Update).preparing(in.Lists)
		if err != nil {
			return order{err: err}
		}
		op, err := prepare(target(found[0], name, m), tree, data)
		return order{op: op, err: err}
	}
	if m.there {
		return order{err: errNoVersion, beside: true}
	}
	op, err := r.prepareNew(r.verb(commands.Create), name, tree, in.Data)
	return order{op: op, err: err}
}

// checkMatch refuses what records cannot be found by.
func (r *resource) checkMatch(members []string) error {
	known := func(m string) bool { return slices.Contains(r.kind.Matches(), m) }
	unknown := slices.ContainsFunc(members, func(m string) bool { return !known(m) })
	return domain.Check(!unknown, "", "unknown_match", "can be found only by "+strings.Join(r.kind.Matches(), " or "))
}

// checkUpsert says what is wrong with the data of an upsert, as far as that is the
// same whether it makes a record or changes one. That comes before records are
// looked for by it: what cannot be read finds nothing.
func (r *resource) checkUpsert(tree any, data []byte) error {
	_, tree, data, err := r.takeID(tree, data)
	return errors.Join(err, r.verb(commands.Create).check(tree, data))
}

// changeable takes out of the data what only counts when a record is made, such
// as the pipeline that a deal begins in.
func (r *resource) changeable(tree any, data []byte) (any, []byte, error) {
	members, _ := tree.(map[string]any)
	made, changed := r.s.schemas.resolve(r.verb(commands.Create).schema), r.verb(commands.Update).schema
	rest := maps.Clone(members)
	maps.DeleteFunc(rest, func(name string, _ any) bool {
		return changed.Properties[name] == nil && (made.Properties[name] != nil || name == "id")
	})
	if len(rest) == len(members) {
		return tree, data, nil
	}
	data, err := domain.Marshal(rest)
	return rest, data, err
}

// holders returns the records that have what the data has among those members.
func (r *resource) holders(ctx context.Context, tenant domain.TenantID, on []string, tree any) (found []domain.ID, err error) {
	members, _ := tree.(map[string]any)
	some := map[string]any{}
	for _, name := range on {
		some[name] = members[name]
	}
	data, err := domain.Marshal(some)
	if err != nil {
		return nil, err
	}
	looked := false
	for _, c := range r.kind.Claims(data) {
		looked = true
		s, ok, err := r.s.Store.Holder(ctx, tenant, c.Scope, c.Key)
		if err != nil {
			return nil, err
		}
		id := domain.ID{Prefix: r.view.Prefix(), UUID: s.ID}
		if ok && s.Kind == r.view.Kind() && !slices.Contains(found, id) {
			found = append(found, id)
		}
	}
	return found, domain.Check(looked, "", "nothing_to_match", "has nothing of what to match on")
}

// repeatedUpsert returns the record that an upsert was about when it came for
// the first time: it may not match any more.
func (r *resource) repeatedUpsert(ctx context.Context, tenant domain.TenantID, name identity) ([]domain.ID, error) {
	if name.hash == nil {
		return nil, nil
	}
	id, ok, err := r.s.Commands.About(ctx, tenant, name.id, name.hash)
	if err != nil || !ok {
		return nil, err
	}
	return []domain.ID{{Prefix: r.view.Prefix(), UUID: id}}, nil
}
