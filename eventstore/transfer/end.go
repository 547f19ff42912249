package transfer

import (
	"context"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/kurrent"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
)

// end is an engine as somebody sees it who moves a log to it or away.
type end interface {
	// accepts reports why a log cannot come here.
	accepts(ctx context.Context, tenant domain.TenantID) error

	// settle makes sure that inspect finds what was decided up to a position.
	settle(ctx context.Context, tenant domain.TenantID, upTo eventstore.Position) error

	// inspect is like the Read of a store, and returns what the engine has on its
	// disks. Of a target it also makes sure that it has nothing else.
	inspect(ctx context.Context, tenant domain.TenantID, after eventstore.Position, limit int, target bool) ([]eventstore.Recorded, error)

	// write adds events that follow one another. Those that are there are left.
	write(ctx context.Context, tenant domain.TenantID, events []eventstore.Recorded) error
}

// here is PostgreSQL.
type here struct {
	store *postgres.Store
	by    *postgres.Mover
}

func (*here) accepts(context.Context, domain.TenantID) error { return nil }

func (*here) settle(context.Context, domain.TenantID, eventstore.Position) error { return nil }

// inspect does not need to look for more than it reads: there is one event at a
// position, and as many events as positions, which [postgres.Mover.Switch] checks.
func (h *here) inspect(ctx context.Context, tenant domain.TenantID, after eventstore.Position, limit int, _ bool) ([]eventstore.Recorded, error) {
	return h.store.Read(ctx, tenant, after, limit)
}

func (h *here) write(ctx context.Context, tenant domain.TenantID, events []eventstore.Recorded) error {
	return h.by.BringBack(ctx, tenant, events)
}

// there is the event store.
type there struct {
	store *kurrent.Store
	by    *postgres.Mover
}

func (t *there) accepts(ctx context.Context, tenant domain.TenantID) error {
	dropped, err := t.store.Dropped(ctx, tenant)
	if err == nil && dropped {
		err = kurrent.ErrDropped
	}
	return err
}

func (t *there) settle(ctx context.Context, tenant domain.TenantID, upTo eventstore.Position) error {
	return t.store.Settle(ctx, tenant, upTo)
}

func (t *there) inspect(ctx context.Context, tenant domain.TenantID, after eventstore.Position, limit int, target bool) ([]eventstore.Recorded, error) {
	return t.store.Inspect(ctx, tenant, after, limit, target)
}

// write makes entries before events, so that the witness knows what it sees.
func (t *there) write(ctx context.Context, tenant domain.TenantID, events []eventstore.Recorded) error {
	if err := t.by.Enter(ctx, tenant, events[0].Position-1, len(events)); err != nil {
		return err
	}
	return t.store.Import(ctx, tenant, events)
}
