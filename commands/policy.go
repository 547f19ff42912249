package commands

import (
	"context"
	"fmt"
	"reflect"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// Policy lists the commands that callers may give to one kind of record, and
// the permission each takes. A command that is not listed is refused. It is
// immutable.
type Policy[S any] struct {
	agg         *domain.Aggregate[S]
	permissions map[reflect.Type]domain.Permission
	kinds       map[string]kind // those that its commands may refer to, by name
}

// kind is what is needed of a kind of record by others that refer to it.
type kind interface {
	Kind() string
	Prefix() string
	fold(ctx context.Context, v *view, s eventstore.StreamID, until eventstore.Version) (any, eventstore.Version, error)
}

// A clause is one line of a policy.
type clause[S any] func(*Policy[S])

// allow lets who has the permission give a command.
func allow[S any](cmd domain.Command[S], p domain.Permission) clause[S] {
	return func(policy *Policy[S]) { policy.permissions[reflect.TypeOf(cmd)] = p }
}

// refers names other kinds that commands may refer to. A kind may always refer
// to itself.
func refers[S any](kinds ...kind) clause[S] {
	return func(policy *Policy[S]) {
		for _, k := range kinds {
			policy.kinds[k.Kind()] = k
		}
	}
}

func policy[S any](agg *domain.Aggregate[S], clauses ...clause[S]) *Policy[S] {
	p := &Policy[S]{agg: agg, permissions: map[reflect.Type]domain.Permission{}, kinds: map[string]kind{}}
	p.kinds[p.Kind()] = p
	for _, c := range clauses {
		c(p)
	}
	return p
}

// Kind returns the name of the kind of record, such as "deal".
func (p *Policy[S]) Kind() string { return p.agg.Name() }

// Prefix returns the prefix of the IDs of its records.
func (p *Policy[S]) Prefix() string { return p.agg.Prefix() }

// Permission returns what it takes to give a command, or false if nobody may.
func (p *Policy[S]) Permission(cmd domain.Command[S]) (domain.Permission, bool) {
	perm, ok := p.permissions[reflect.TypeOf(cmd)]
	return perm, ok
}

func (p *Policy[S]) permit(o domain.Origin, cmd domain.Command[S]) error {
	if perm, ok := p.Permission(cmd); !ok || !o.May(perm) {
		return &domain.Error{
			Kind: domain.Forbidden, Code: "forbidden", Detail: fmt.Sprintf("this takes the permission %q", perm),
			Data: map[string]any{"permission": perm},
		}
	}
	return nil
}

// fold returns a pointer to the state of a record, and its version. If until is
// not 0, it is the record as it was at that version.
func (p *Policy[S]) fold(ctx context.Context, v *view, id eventstore.StreamID, until eventstore.Version) (any, eventstore.Version, error) {
	if until != 0 {
		return p.foldUntil(ctx, v, id, until)
	}
	b, err := v.others.get(id, func() (baseline, error) {
		s, at, err := p.load(ctx, v, id)
		return baseline{&s, at}, err
	})
	if err != nil || b.at == 0 {
		return nil, 0, err
	}
	return b.state, b.at, nil
}

func (p *Policy[S]) foldUntil(ctx context.Context, v *view, id eventstore.StreamID, until eventstore.Version) (any, eventstore.Version, error) {
	var s S
	var at eventstore.Version
	for rec, err := range v.run.store.ReadStream(ctx, id, 0) {
		if err != nil {
			return nil, 0, fmt.Errorf("read %s: %w", id.Kind, err)
		}
		if err := p.agg.Apply(&s, rec.Type, rec.Schema, rec.Data); err != nil {
			return nil, 0, err
		}
		if at = rec.Version; at == until {
			return &s, at, nil
		}
	}
	return nil, at, nil
}

// load folds a record: from what the view has of it, or from the last baseline
// and everything that came after.
func (p *Policy[S]) load(ctx context.Context, v *view, id eventstore.StreamID) (s S, at eventstore.Version, err error) {
	if b, ok := v.seen[id]; ok {
		return b.state.(S), b.at, nil
	}
	b, ok := v.run.baseline.Get(id)
	if ok {
		s, at = b.state.(S), b.at
	}
	for rec, err := range v.run.store.ReadStream(ctx, id, at) {
		if err != nil {
			return s, at, fmt.Errorf("read %s: %w", id.Kind, err)
		}
		if err := p.agg.Apply(&s, rec.Type, rec.Schema, rec.Data); err != nil {
			return s, at, err
		}
		at = rec.Version
	}
	if at > b.at {
		v.run.baseline.Add(id, baseline{s, at})
	}
	return s, at, nil
}
