package commands

import (
	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/contact"
	"github.com/rowhouse/rowhouse/domain/record"
)

type panicking struct{}

func (panicking) Decide(contact.Contact, domain.Origin) ([]contact.Event, error) {
	panic("secret")
}

// Panicking returns an operation that panics when it decides.
func Panicking(id uuid.UUID) Operation {
	return policy(contact.Aggregate.Aggregate, "", system[panicking]("contact:update")).Prepare(Target{ID: id}, panicking{})
}

// Know lets a runner know a kind of record that exists in tests only.
func (r *Runner) Know(k AnyPolicy) { r.kinds[k.Kind()], r.byPrefix[k.Prefix()] = k, k }

// Records, Allow and Plan are for policies of such kinds.
func Records[S any, F record.Fields[F], K record.Kind[S, F]](agg record.Aggregate[S, F, K], lines ...clause[S]) *Policy[S] {
	return records(agg, "A kind that exists in tests only.", lines...)
}

func Allow[C domain.Command[S], S any](name string) clause[S] {
	return allow[C, S](name, "test:"+domain.Permission(name), "Test", "")
}

func Plan[C, S any](name string, planner Planner[C, S]) clause[S] {
	return plan(name, "test:"+domain.Permission(name), "Test", "", planner)
}
