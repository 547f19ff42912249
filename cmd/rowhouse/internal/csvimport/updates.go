package csvimport

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
)

// An update takes nothing away: what a list has besides the values of the file
// stays, and an empty cell changes nothing, unless an option with a name says
// so. The server adds to lists when it decides, so what others add meanwhile
// stays, too. An amount without a currency leaves the record the one that it has.

// updateAll gives records that are there the values of the file.
func (s *sender) updateAll(ctx context.Context, known []*entry) error {
	var ops []client.Operation
	var which []*entry
	for _, e := range known {
		id := e.id
		if e.status == refused {
			id = e.problem.ExistingID
		}
		if id == "" {
			continue
		}
		for _, op := range e.draft.updates(id, s.replaces, s.clears) {
			ops = append(ops, op)
			which = append(which, e)
		}
	}
	versions, err := s.versions(ctx, ops)
	if err != nil {
		return err
	}
	for part := 0; part < len(ops); part += client.MaxBatch {
		end := min(part+client.MaxBatch, len(ops))
		if err := s.updateSome(ctx, ops[part:end], which[part:end], versions); err != nil {
			return err
		}
	}
	return nil
}

// versions returns those that the records have before they are updated.
func (s *sender) versions(ctx context.Context, ops []client.Operation) (map[string]int, error) {
	if len(ops) == 0 {
		return nil, nil
	}
	head, err := s.tenant.Head(ctx)
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(ops))
	for _, op := range ops {
		if len(ids) == 0 || ids[len(ids)-1] != op.ID {
			ids = append(ids, op.ID)
		}
	}
	versions := map[string]int{}
	for part := range slices.Chunk(ids, maxKnown) {
		found, err := s.tenant.Since(head).Known(ctx, s.collection, part)
		if err != nil {
			return nil, err
		}
		for id, r := range found {
			versions[id] = r.Version
		}
	}
	return versions, nil
}

// updateSome sends updates. Of several for one row, one that is refused refuses
// the row. A row is updated if its record has another version than before.
func (s *sender) updateSome(ctx context.Context, ops []client.Operation, which []*entry, versions map[string]int) error {
	results, err := s.settled(ctx, ops)
	if err == nil {
		err = s.withCurrency(ctx, ops, which, results)
	}
	if err != nil {
		return err
	}
	for i, e := range which {
		again := i > 0 && which[i-1] == e
		r := results[i]
		changed := r.Problem == nil && r.Version != versions[ops[i].ID]
		if changed {
			versions[ops[i].ID] = r.Version
		}
		switch p := r.Problem; {
		case p != nil && again && e.status == refused:
			e.faults = append(e.faults, e.faultsOf(p)...)
		case p != nil:
			e.status, e.faults = refused, e.faultsOf(p)
		case again && e.status == refused:
		case changed || again && e.status == updated:
			e.arrive(updated)
		default:
			e.arrive(present)
		}
	}
	return nil
}

// withCurrency sends updates again that were refused because a sum of money has
// no currency: neither the file nor the record has one. Then it is the one that
// is assumed.
func (s *sender) withCurrency(ctx context.Context, ops []client.Operation, which []*entry, results []client.Result) error {
	var again []client.Operation
	var at []int
	for i, r := range results {
		if data := which[i].draft.complete(ops[i].Data, r.Problem); data != nil {
			op := ops[i]
			op.Data = data
			again, at = append(again, op), append(at, i)
		}
	}
	if len(again) == 0 {
		return nil
	}
	better, err := s.settled(ctx, again)
	if err != nil {
		return err
	}
	for i, r := range better {
		results[at[i]] = r
	}
	return nil
}

// complete returns the data of an update with the sums of money as they are in a new
// record, if that they are not is why it was refused; otherwise nil.
func (d *draft) complete(data json.RawMessage, p *client.Problem) json.RawMessage {
	if p == nil {
		return nil
	}
	var members map[string]any
	missing := false
	for _, one := range p.Errors {
		field, ok := strings.CutSuffix(strings.TrimPrefix(inRecord(one.Pointer), "/"), "/currency")
		if _, assumed := d.assumed[field]; !ok || !assumed {
			continue
		}
		if members == nil && json.Unmarshal(data, &members) != nil {
			return nil
		}
		members[field], missing = d.data[field], true
	}
	if !missing {
		return nil
	}
	return mustJSON(members)
}

// settled sends operations, each by itself, until none has an answer that may be
// another one later.
func (s *sender) settled(ctx context.Context, ops []client.Operation) ([]client.Result, error) {
	b := &batch{ops: ops}
	for i := range ops {
		b.entries = append(b.entries, &entry{first: i, count: 1})
	}
	return s.persist(ctx, b)
}

// updates returns what gives a record the values of the row: of lists that are
// to be replaced, and of everything else.
func (d *draft) updates(id string, replaces []string, clears bool) (ops []client.Operation) {
	data := maps.Clone(d.data)
	for _, member := range []string{"id", "pipeline_id", "stage_key"} { // these change by commands of their own
		delete(data, member)
	}
	for field, amount := range d.assumed { // the record keeps its currency
		data[field] = map[string]any{"amount": amount}
	}
	if clears {
		d.clear(data)
	}
	whole := map[string]any{}
	for member, v := range data {
		list, ok := v.([]any)
		switch {
		case slices.Contains(replaces, member):
			whole[member] = v
			delete(data, member)
		case ok:
			data[member] = withoutPrimary(list)
		}
	}
	if len(whole) > 0 {
		ops = append(ops, client.Operation{Op: "update", ID: id, Data: mustJSON(whole)})
	}
	if len(data) > 0 || len(ops) == 0 {
		ops = append(ops, client.Operation{Op: "update", ID: id, Lists: "add", Data: mustJSON(data)})
	}
	return ops
}

// withoutPrimary leaves it to the record which of its addresses is the primary
// one. If it has none yet, it is the first.
func withoutPrimary(list []any) []any {
	out := make([]any, len(list))
	for i, item := range list {
		out[i] = item
		if members, ok := item.(map[string]any); ok {
			members = maps.Clone(members)
			delete(members, "primary")
			out[i] = members
		}
	}
	return out
}

// members are the parts of a record that fields make, where they have other
// names.
var members = map[string]string{
	"company": "company_id", "company.external_id": "company_id", "contact": "primary_contact_id", "contact.external_id": "primary_contact_id",
	"external_id": "", "currency": "", "name": "", "title": "", "stage": "", "pipeline": "", "status": "", "outcome": "", "lost_reason": "",
}

// clear takes away what the columns of the file have nothing for: whole members
// only, so an address is not cleared part by part, and never what a record is
// called.
func (d *draft) clear(data map[string]any) {
	for field := range d.plan.columns {
		member, named := members[field]
		if !named {
			member, _, _ = strings.Cut(field, ".")
		}
		if member == "" || strings.HasSuffix(member, "address") || member == "external_ids" || d.plan.object == &tasks && strings.HasSuffix(member, "_id") {
			continue
		}
		if _, has := data[member]; !has && !d.has(member) {
			data[member] = nil
		}
	}
}

// has reports whether the row has a value for a member: one that could not be
// imported is no wish to clear it.
func (d *draft) has(member string) bool {
	for field, columns := range d.plan.columns {
		is, named := members[field]
		if !named {
			is, _, _ = strings.Cut(field, ".")
		}
		if is == member && slices.ContainsFunc(columns, func(c int) bool { return d.cell(c) != "" }) {
			return true
		}
	}
	return false
}

// replaceable are the lists that records have.
var replaceable = map[*object][]string{
	&contacts: {"emails", "phones", "addresses", "tags"}, &companies: {"domains", "addresses", "tags"}, &deals: {"tags"}, &tasks: {"related", "tags"},
}

// checkReplace refuses names of lists that the records do not have.
func checkReplace(o *object, names []string) error {
	for _, name := range names {
		if !slices.Contains(replaceable[o], name) {
			return fmt.Errorf("%s have no list %q that could be replaced; there are: %s", o.collection, name, strings.Join(replaceable[o], ", "))
		}
	}
	return nil
}
