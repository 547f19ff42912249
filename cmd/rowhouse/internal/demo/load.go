package demo

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
	"github.com/rowhouse/rowhouse/domain"
)

// loader makes a world in a tenant, as far as it is not there.
type loader struct {
	tenant  client.Tenant
	seed    uint64
	summary *Summary
}

// plan is a record of the demo: how it is made, and what happens to it then.
type plan struct {
	id    string
	data  map[string]any
	steps []step
}

// step is a command, and the version of the record that it leads to.
type step struct {
	op   string
	data map[string]any
	to   int
}

// then adds a command that is recorded as so many events.
func (p *plan) then(op string, data map[string]any, events int) {
	at := 1
	if n := len(p.steps); n > 0 {
		at = p.steps[n-1].to
	}
	p.steps = append(p.steps, step{op, data, at + events})
}

// newID returns the ID of something of the demo, the same one every time.
func newID(prefix string, words ...string) string {
	sum := sha256.Sum256([]byte("rowhouse demo\x00" + prefix + "\x00" + strings.Join(words, "\x00")))
	id := uuid.UUID(sum[:16])
	id[6] = id[6]&0x0f | 0x80 // version 8: a name
	id[8] = id[8]&0x3f | 0x80
	return domain.ID{Prefix: prefix, UUID: id}.String()
}

func (l *loader) id(prefix string, n int) string {
	return newID(prefix, l.tenant.ID, strconv.FormatUint(l.seed, 10), strconv.Itoa(n))
}

func (l *loader) load(ctx context.Context, w *world) error {
	for _, part := range []struct {
		collection string
		plans      []*plan
	}{
		{"pipelines", l.pipelines()}, {"companies", l.companies(w)}, {"contacts", l.contacts(w)}, {"deals", l.deals(w)}, {"tasks", l.tasks(w)},
	} {
		if err := l.make(ctx, part.collection, part.plans); err != nil {
			return fmt.Errorf("%s: %w", part.collection, err)
		}
	}
	return nil
}

// maxOps is how many operations a batch has.
const maxOps = 800

// make makes records, and gives those that are there the commands that they
// have not had yet.
func (l *loader) make(ctx context.Context, collection string, plans []*plan) error {
	known, err := l.versions(ctx, collection, plans)
	if err != nil {
		return err
	}
	var ops []client.Operation
	var of []*plan
	send := func() error {
		if len(ops) == 0 {
			return nil
		}
		err := l.send(ctx, collection, ops, of)
		ops, of = nil, nil
		return err
	}
	for _, p := range plans {
		more := p.operations(known[p.id])
		if known[p.id] > 0 {
			l.summary.Present++
		}
		if len(ops)+len(more) > maxOps {
			if err := send(); err != nil {
				return err
			}
		}
		ops, of = append(ops, more...), append(of, slices.Repeat([]*plan{p}, len(more))...)
	}
	return send()
}

// operations returns what is to be done about a record that is at a version, or
// is not there if that is 0. A record that is at none of the versions that the
// demo leads it through is somebody else's now.
func (p *plan) operations(version int) []client.Operation {
	var ops []client.Operation
	at := version
	if version == 0 {
		ops, at = append(ops, client.Operation{Op: "create", Data: encode(p.data)}), 1
	}
	for _, s := range p.steps {
		if s.to <= at {
			continue
		}
		before := 1
		if i := slices.IndexFunc(p.steps, func(x step) bool { return x.to == s.to }); i > 0 {
			before = p.steps[i-1].to
		}
		if before != at {
			return nil
		}
		ops = append(ops, client.Operation{Op: s.op, ID: p.id, IfMatch: at, Data: encode(s.data)})
		at = s.to
	}
	return ops
}

func encode(data map[string]any) json.RawMessage {
	if data == nil {
		return nil
	}
	b, err := json.Marshal(data)
	if err != nil {
		panic(err) // the demo is made of text and numbers
	}
	return b
}

// versions says at which version the records are that are there already.
func (l *loader) versions(ctx context.Context, collection string, plans []*plan) (map[string]int, error) {
	head, err := l.tenant.Head(ctx)
	if err != nil || head == 0 {
		return nil, err
	}
	known := map[string]int{}
	for part := range slices.Chunk(plans, 500) {
		ids := make([]string, len(part))
		for i, p := range part {
			ids[i] = p.id
		}
		found, err := l.tenant.Since(head).Known(ctx, collection, ids)
		if err != nil {
			return nil, err
		}
		for id, r := range found {
			known[id] = r.Version
		}
	}
	return known, nil
}

// send gives commands. A record that has changed since it was looked at is left
// alone, and so is one that somebody has deleted.
func (l *loader) send(ctx context.Context, collection string, ops []client.Operation, of []*plan) error {
	key := sha256.Sum256(encode(map[string]any{"collection": collection, "operations": ops}))
	results, _, err := l.tenant.Batch(ctx, collection, fmt.Sprintf("rowhouse-demo-%x", key[:16]), ops)
	if err != nil {
		return err
	}
	left := map[string]bool{}
	for i, r := range results {
		switch {
		case r.Problem == nil:
			l.summary.Made++
		case r.Status == 404 || r.Status == 409 || r.Status == 412:
			left[of[i].id] = true
		default:
			return r.Problem
		}
	}
	l.summary.Left += len(left)
	return nil
}

func (l *loader) pipelines() (plans []*plan) {
	for i, p := range pipelines {
		id := l.id("pip", i)
		plans = append(plans, &plan{id: id, data: map[string]any{"id": id, "name": p.name, "stages": p.stages}})
	}
	return plans
}

func (l *loader) companies(w *world) (plans []*plan) {
	for i, c := range w.Companies {
		id := l.id("cmp", i)
		plans = append(plans, &plan{id: id, data: filled(map[string]any{
			"id": id, "name": c.Name, "domains": []string{c.Domain}, "industry": c.Industry, "kind": c.Kind, "phone": c.Phone,
			"employee_count": c.Employees, "annual_revenue": money(c.Revenue, c.Currency), "tags": c.Tags,
			"addresses": []any{address(c.Address, "billing")},
		})})
	}
	return plans
}

func (l *loader) contacts(w *world) (plans []*plan) {
	for i, p := range w.People {
		id := l.id("con", i)
		data := map[string]any{
			"id": id, "first_name": p.First, "last_name": p.Last, "job_title": p.Title, "language": p.Language, "lifecycle": p.Lifecycle,
			"birth_date": p.Birth, "do_not_call": p.DoNotCall, "tags": p.Tags, "addresses": []any{address(p.Address, "work")},
			"emails": []any{map[string]any{"address": p.Email, "kind": "work", "primary": true}},
		}
		var phones []any
		for _, n := range []struct{ number, kind string }{{p.Phone, "work"}, {p.Mobile, "mobile"}} {
			if n.number != "" {
				phones = append(phones, map[string]any{"number": n.number, "kind": n.kind, "primary": len(phones) == 0})
			}
		}
		data["phones"] = phones
		if p.Company >= 0 {
			data["company_id"] = l.id("cmp", p.Company)
		}
		plans = append(plans, &plan{id: id, data: filled(data)})
	}
	return plans
}

func (l *loader) deals(w *world) (plans []*plan) {
	for i, d := range w.Deals {
		id := l.id("deal", i)
		data := map[string]any{
			"id": id, "name": d.Name, "pipeline_id": l.id("pip", d.Pipeline), "stage_key": opens(d.Pipeline)[0], "company_id": l.id("cmp", d.Company),
			"amount": money(d.Amount, d.Currency), "close_date": d.CloseDate, "source": d.Source,
		}
		if d.Person >= 0 {
			data["primary_contact_id"] = l.id("con", d.Person)
		}
		p := &plan{id: id, data: filled(data)}
		amount := d.Amount
		for _, s := range d.Steps {
			switch {
			case s.Stage != "":
				p.then("move_stage", map[string]any{"stage_key": s.Stage}, 1)
			case s.Amount != 0 && s.Amount != amount:
				amount = s.Amount
				p.then("set_amount", map[string]any{"amount": money(s.Amount, d.Currency)}, 1)
			case s.Won:
				p.then("win", nil, 2) // it moves, and is won
			case s.Lost != "":
				p.then("lose", map[string]any{"reason": s.Lost}, 2)
			case s.Reopen:
				p.then("reopen", nil, 1)
			}
		}
		plans = append(plans, p)
	}
	return plans
}

func (l *loader) tasks(w *world) (plans []*plan) {
	for i, t := range w.Tasks {
		id := l.id("task", i)
		p := &plan{id: id, data: filled(map[string]any{
			"id": id, "title": t.Title, "kind": t.Kind, "priority": t.Priority, "due_at": t.Due,
			"related": []any{map[string]any{"type": "contact", "id": l.id("con", t.Person)}},
		})}
		switch {
		case t.Done:
			p.then("complete", map[string]any{"outcome": t.Outcome}, 1)
		case t.Started:
			p.then("start", nil, 1)
		case t.Cancelled:
			p.then("cancel", nil, 1)
		}
		plans = append(plans, p)
	}
	return plans
}

// filled leaves out what is empty.
func filled(data map[string]any) map[string]any {
	for name, v := range data {
		switch v := v.(type) {
		case string:
			if v == "" {
				delete(data, name)
			}
		case []string:
			if len(v) == 0 {
				delete(data, name)
			}
		case []any:
			if len(v) == 0 {
				delete(data, name)
			}
		}
	}
	return data
}

func address(a Address, kind string) map[string]any {
	return filled(map[string]any{
		"kind": kind, "line1": a.Line1, "city": a.City, "region": a.Region, "postal_code": a.PostalCode, "country": a.Country,
	})
}

func money(amount int, currency string) map[string]any {
	return map[string]any{"amount": strconv.Itoa(amount) + ".00", "currency": currency}
}
