package reactions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/content"
	"github.com/rowhouse/rowhouse/jobs"
	"github.com/rowhouse/rowhouse/wall"
)

// Process is a reaction that remembers something and gives orders. It is made of
// pure functions, each from an event, or from a wake-up that it has ordered, and
// from its state to a new state and [Order] values. It has a state for each subject
// of a tenant: the record that an event is about, unless [OnSubject] says otherwise.
// A state that is the zero value is not kept.
//
// State, orders and how far the process has come in the log are stored in one
// transaction. So although events may be delivered more than once, each has its
// effect once.
type Process struct {
	name  string
	on    map[string]func(eventstore.Recorded, domain.ID) (occasion, error)
	woken func(state json.RawMessage, w Wakeup) (json.RawMessage, []Order, error)
}

// Event is an event as a process sees it.
type Event[E any] struct {
	Record domain.ID // that it is about
	Time   time.Time // of the event: the only clock there is
	Actor  domain.Actor
	Data   E
}

// Wakeup says that the time of a wake-up has come.
type Wakeup struct {
	Subject string // as text; a record, for instance, as task_01j…
	Key     string
	Time    time.Time // that was ordered, or a little later
}

// Part is a part of the description of a [Process] with a state S.
type Part[S any] func(*Process)

// NewProcess describes a process. Its name is for good: how far it has come, and
// what it remembers, are kept under it.
func NewProcess[S any](name string, parts ...Part[S]) Process {
	p := Process{name: name, on: map[string]func(eventstore.Recorded, domain.ID) (occasion, error){}}
	for _, part := range parts {
		part(&p)
	}
	return p
}

// On says what follows from an event, for the subject that is its record.
func On[S any, E interface{ EventType() string }](f func(S, Event[E]) (S, []Order)) Part[S] {
	return OnSubject(func(e Event[E]) string { return e.Record.String() }, f)
}

// OnSubject says what follows from an event for a subject that is named after
// something else: the tenant as a whole, if it is the empty text.
func OnSubject[S any, E interface{ EventType() string }](subject func(Event[E]) string, f func(S, Event[E]) (S, []Order)) Part[S] {
	var none E
	return onType(none.EventType(), func(r eventstore.Recorded) (e E, err error) {
		err = content.As(&e, r)
		return e, err
	}, subject, f)
}

// onType is OnSubject for any type of event.
func onType[S, E any](eventType string, decode func(eventstore.Recorded) (E, error), subject func(Event[E]) string, f func(S, Event[E]) (S, []Order)) Part[S] {
	return func(p *Process) {
		p.on[eventType] = func(r eventstore.Recorded, record domain.ID) (occasion, error) {
			data, err := decode(r)
			if err != nil {
				return occasion{}, fmt.Errorf("%s at %d: %w", r.Type, r.Position, err)
			}
			meta, err := content.Metadata(r)
			if err != nil {
				return occasion{}, err
			}
			e := Event[E]{Record: record, Time: r.Time.UTC(), Actor: meta.Actor, Data: data}
			actor := meta.Actor.ID
			if actor.IsZero() {
				actor = meta.Actor.OnBehalfOf
			}
			return occasion{
				subject: subject(e), source: r.ID, cause: jobs.Cause{Event: r.ID, Actor: actor, Correlation: meta.Correlation},
				react: func(state json.RawMessage) (json.RawMessage, []Order, error) {
					return decide(state, func(s S) (S, []Order) { return f(s, e) })
				},
			}, nil
		}
	}
}

// Woken says what follows when the time of a wake-up has come.
func Woken[S any](f func(S, Wakeup) (S, []Order)) Part[S] {
	return func(p *Process) {
		p.woken = func(state json.RawMessage, w Wakeup) (json.RawMessage, []Order, error) {
			return decide(state, func(s S) (S, []Order) { return f(s, w) })
		}
	}
}

// decide calls a function of a process with its state as JSON: nil stands for the
// zero value. A panic is an error, and no more.
func decide[S any](before json.RawMessage, f func(S) (S, []Order)) (after json.RawMessage, orders []Order, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %T", p) // not p: it may hold what is in the event
		}
	}()
	var s S
	if before != nil {
		if err := domain.UnmarshalStored(before, &s); err != nil {
			return nil, nil, fmt.Errorf("state of a process: %w", err)
		}
	}
	s, orders = f(s)
	if after, err = domain.Marshal(s); err != nil {
		return nil, nil, fmt.Errorf("encode the state of a process: %w", err)
	}
	var none S
	zero, err := domain.Marshal(none)
	if err == nil && string(zero) == string(after) {
		after = nil
	}
	return after, orders, err
}

// occasion is something that a process reacts to.
type occasion struct {
	subject string
	source  uuid.UUID // names it; the IDs of orders follow from it
	cause   jobs.Cause
	react   func(state json.RawMessage) (json.RawMessage, []Order, error)
}

// memory is what a process remembers, in a transaction.
type memory struct {
	states  map[string]json.RawMessage
	changed map[string]json.RawMessage
}

// remember reads what a process remembers of the subjects of occasions.
func (p Process) remember(ctx context.Context, tx wall.Tx, tenant domain.TenantID, met []occasion) (memory, error) {
	subjects := make(map[string]bool)
	for _, o := range met {
		subjects[o.subject] = true
	}
	states, err := jobs.States(ctx, tx, tenant, p.name, slices.Collect(maps.Keys(subjects)))
	return memory{states, make(map[string]json.RawMessage)}, err
}

// meet lets a process react. If it fails, nothing is changed.
func (p Process) meet(m memory, o occasion) ([]jobs.Order, error) {
	before := m.states[o.subject]
	after, orders, err := o.react(before)
	if err != nil {
		return nil, err
	}
	list, err := place(orders, jobs.Job{Process: p.name, Subject: o.subject, Cause: o.cause}, o.source)
	if err != nil {
		return nil, err
	}
	if string(after) != string(before) {
		m.states[o.subject], m.changed[o.subject] = after, after
	}
	return list, nil
}

// react is given events of a tenant, and moves the checkpoint over them.
func (p Process) react(ctx context.Context, in Services, tracker eventstore.Tracker, b eventstore.Batch) error {
	var met []occasion
	prefixes := prefixes()
	for _, e := range b.Events {
		on, ok := p.on[e.Type]
		if !ok {
			continue
		}
		o, err := on(e, domain.ID{Prefix: prefixes[e.Stream.Kind], UUID: e.Stream.ID})
		if err != nil {
			return err
		}
		met = append(met, o)
	}
	if len(met) == 0 {
		return tracker.Move(ctx, p.name, b.Tenant, b.From, b.To())
	}
	err := in.Wall.InTenant(ctx, wall.Scope{Tenant: b.Tenant, Duty: wall.Projector}, func(tx wall.Tx) error {
		_, err := tx.Exec(ctx, `select es.move_checkpoint($1, $2, $3, $4, $5)`, p.name, b.Tenant.UUID, b.From.Position, b.From.Generation, b.To())
		if err != nil {
			return err
		}
		if err := jobs.Lock(ctx, tx, b.Tenant); err != nil {
			return err
		}
		m, err := p.remember(ctx, tx, b.Tenant, met)
		if err != nil {
			return err
		}
		var orders []jobs.Order
		for _, o := range met {
			more, err := p.meet(m, o)
			if err != nil {
				return err
			}
			orders = append(orders, more...)
		}
		if err := jobs.SetStates(ctx, tx, b.Tenant, p.name, m.changed); err != nil {
			return err
		}
		return jobs.Put(ctx, tx, b.Tenant, in.Now(), orders)
	})
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "RH001" {
		return eventstore.ErrMoved
	}
	if err == nil && in.Ordered != nil {
		in.Ordered()
	}
	return err
}

// wake is the [jobs.Step] for wake-ups: of which processes, their jobs say.
func wake(processes []Process) jobs.Step {
	by := make(map[string]Process)
	for _, p := range processes {
		by[p.name] = p
	}
	return func(ctx context.Context, tx wall.Tx, tenant domain.TenantID, all []jobs.Job) (orders []jobs.Order, errs []error, err error) {
		errs = make([]error, len(all))
		met := make(map[string][]occasion)
		places := make(map[string][]int)
		for i, j := range all {
			p, ok := by[j.Process]
			if !ok || p.woken == nil {
				errs[i] = fmt.Errorf("no process %q of this build can be woken", j.Process)
				continue
			}
			w := Wakeup{Subject: j.Subject, Key: j.Key, Time: j.DueAt}
			met[p.name] = append(met[p.name], occasion{
				subject: j.Subject, source: j.ID, cause: j.Cause,
				react: func(state json.RawMessage) (json.RawMessage, []Order, error) { return p.woken(state, w) },
			})
			places[p.name] = append(places[p.name], i)
		}
		for name, list := range met {
			p := by[name]
			m, err := p.remember(ctx, tx, tenant, list)
			if err != nil {
				return nil, nil, err
			}
			for k, o := range list {
				var more []jobs.Order
				more, errs[places[name][k]] = p.meet(m, o)
				orders = append(orders, more...)
			}
			if err := jobs.SetStates(ctx, tx, tenant, name, m.changed); err != nil {
				return nil, nil, err
			}
		}
		return orders, errs, nil
	}
}
