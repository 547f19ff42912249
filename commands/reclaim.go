package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// Shared is what two records have although only one of them may. That happens
// when they were made at a time when it was compared in another form.
type Shared struct {
	Scope          string // such as "contact.email"
	Record, Holder domain.ID
}

// Reclaim lets the records of a tenant hold what is unique about them also in the
// form in which it is compared now, as far as nobody else holds it, and returns
// what somebody else does. Nothing about the records changes, and doing it again
// does nothing. It takes as long as reading the log, and may run beside a server.
func (r *Runner) Reclaim(ctx context.Context, tenant domain.TenantID) ([]Shared, error) {
	const page = 1000
	var shared []Shared
	for after := eventstore.Position(0); ; {
		events, err := r.store.Read(ctx, tenant, after, page)
		if err != nil || len(events) == 0 {
			return shared, err
		}
		for _, e := range events {
			after = e.Position
			if k := r.kinds[e.Stream.Kind]; k != nil && e.Version == 1 {
				of, err := r.reclaim(ctx, k, e.Stream)
				if err != nil {
					return nil, err
				}
				for _, s := range of {
					s.Holder.Prefix = k.Prefix()
					shared = append(shared, s)
				}
			}
		}
	}
}

// reclaim does it for one record, as often as somebody else changes it meanwhile.
func (r *Runner) reclaim(ctx context.Context, k AnyPolicy, id eventstore.StreamID) ([]Shared, error) {
	for range maxAttempts {
		state, at, err := k.fold(ctx, &view{run: r}, id, 0)
		if err != nil {
			return nil, fmt.Errorf("reclaim: %w", err)
		}
		lost := renewed(claims(state))
		if len(lost) == 0 {
			return nil, nil
		}
		c := eventstore.Command{ID: r.newID(), Checks: []eventstore.Check{{Stream: id, At: at}}}
		for _, l := range lost {
			c.Claim = append(c.Claim, eventstore.Claim{Scope: l.Scope, Key: l.Key, Stream: id, Soft: true})
		}
		err = r.store.Append(ctx, id.Tenant, c)[0].Err
		if _, changed := errors.AsType[*eventstore.Conflict](err); changed {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reclaim: %w", err)
		}
		return r.heldByOthers(ctx, k, id, lost)
	}
	return nil, errBusy
}

// renewed returns the claims that an earlier release made in another form.
func renewed(all []domain.Claim) (list []domain.Claim) {
	for i := 1; i < len(all); i++ {
		if all[i].Pointer == all[i-1].Pointer { // see domain.Keyed
			list = append(list, all[i-1])
		}
	}
	return list
}

func (r *Runner) heldByOthers(ctx context.Context, k AnyPolicy, id eventstore.StreamID, wanted []domain.Claim) (shared []Shared, err error) {
	claims := make([]eventstore.Claim, len(wanted))
	for i, c := range wanted {
		claims[i] = eventstore.Claim{Scope: c.Scope, Key: c.Key}
	}
	holders, err := r.store.Holders(ctx, id.Tenant, claims...)
	if err != nil {
		return nil, fmt.Errorf("reclaim: %w", err)
	}
	for i, holder := range holders {
		if holder != (eventstore.StreamID{}) && holder != id {
			shared = append(shared, Shared{Scope: wanted[i].Scope, Record: domain.ID{Prefix: k.Prefix(), UUID: id.ID}, Holder: domain.ID{UUID: holder.ID}})
		}
	}
	return shared, nil
}
