package projections

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/viewer"
)

// Select returns the records that a command wants to know of, as far as the viewer
// sees them, when the read models show all that is in the log now. What is wrong with
// the selection is refused where the command says it.
func (m *Models) Select(ctx context.Context, v *viewer.Viewer, s domain.Selection) (domain.Selected, error) {
	tables := m.byKind[s.Kind]
	if len(tables) == 0 {
		return domain.Selected{}, domain.Check(false, s.KindAt, "unknown_kind", "is no kind of record")
	}
	p := tables[0]
	rules, err := v.Of(p)
	if err != nil {
		return domain.Selected{}, err
	}
	if !rules.May(viewer.Read) {
		return domain.Selected{}, domain.Check(false, s.KindAt, "unknown_kind", "is no kind of record that you may look at")
	}
	var filter query.Filter
	if s.IDs == nil && s.Filter != "" {
		columns, err := m.columnsNow(ctx, v, p, strings.Contains(s.Filter, own.Member))
		if err != nil {
			return domain.Selected{}, err
		}
		if filter, err = columns.Text(s.Filter); err != nil {
			return domain.Selected{}, at(s.FilterAt, err)
		}
	}
	if s.IDs == nil && s.Most == 0 {
		return domain.Selected{}, nil
	}
	if err := m.waitForAll(ctx, v.Tenant()); err != nil {
		return domain.Selected{}, err
	}
	if s.IDs != nil {
		return m.selectIDs(ctx, v, p, s)
	}
	return m.selectFilter(ctx, v, p, filter, s)
}

// waitForAll waits until the read models show all that is in the log.
func (m *Models) waitForAll(ctx context.Context, tenant domain.TenantID) error {
	head, err := m.cfg.Store.Head(ctx, tenant)
	if err == nil {
		err = m.Wait(ctx, tenant, head)
	}
	return err
}

// columnsNow is [Models.Columns] when the read models show which fields there are.
func (m *Models) columnsNow(ctx context.Context, v *viewer.Viewer, p Projection, asksOwn bool) (*query.Columns, error) {
	if asksOwn {
		if err := m.waitForAll(ctx, v.Tenant()); err != nil {
			return nil, err
		}
	}
	return m.Columns(ctx, v, p, asksOwn)
}

// Live returns those of some records that are live and that the viewer sees, in the order
// of their IDs.
func (m *Models) Live(ctx context.Context, v *viewer.Viewer, p Projection, ids []uuid.UUID) ([]uuid.UUID, error) {
	found, _, err := m.pick(ctx, v, p, nil, ids, len(ids))
	live := make([]uuid.UUID, len(found))
	for i, id := range found {
		live[i] = id.UUID
	}
	return live, err
}

// at puts refusals of a filter where a command has it.
func at(pointer string, err error) error {
	e, ok := errors.AsType[*domain.Error](err)
	if !ok {
		return err
	}
	moved := *e
	moved.Pointer = pointer
	return &moved
}

// selectIDs selects the records of some IDs, all of which must be there and live.
func (m *Models) selectIDs(ctx context.Context, v *viewer.Viewer, p Projection, s domain.Selection) (domain.Selected, error) {
	ids := make([]uuid.UUID, 0, len(s.IDs))
	for _, id := range s.IDs {
		if id.Prefix == p.Prefix() {
			ids = append(ids, id.UUID)
		}
	}
	found, at, err := m.pick(ctx, v, p, nil, ids, len(ids))
	if err != nil {
		return domain.Selected{}, err
	}
	there := make(map[domain.ID]bool, len(found))
	for _, id := range found {
		there[id] = true
	}
	return domain.Selected{IDs: found, Position: int64(at)}, s.NoSuchRecords(there)
}

// selectFilter selects the live records that meet a filter.
func (m *Models) selectFilter(ctx context.Context, v *viewer.Viewer, p Projection, f query.Filter, s domain.Selection) (domain.Selected, error) {
	found, at, err := m.pick(ctx, v, p, f, nil, s.Most+1)
	if err == nil && len(found) > s.Most {
		err = domain.Check(false, s.FilterAt, "too_many", fmt.Sprintf("is met by more than %d records", s.Most))
	}
	return domain.Selected{IDs: found, Position: int64(at)}, err
}

// pick returns the IDs of live records that the viewer sees, in their order: those
// among some IDs, unless these are nil, that meet a filter, if there is one.
func (m *Models) pick(ctx context.Context, v *viewer.Viewer, p Projection, f query.Filter, ids []uuid.UUID, limit int) ([]domain.ID, eventstore.Position, error) {
	rules, err := v.Of(p)
	if err != nil {
		return nil, 0, err
	}
	rows, some := rules.Rows()
	if !some {
		return nil, 0, nil
	}
	args := query.Args{v.Tenant().UUID}
	conditions := []string{"deleted_at is null"}
	if ids != nil {
		args = append(args, ids)
	}
	for _, f := range []query.Filter{f, rows} {
		if f != nil {
			conditions = append(conditions, f.SQL(&args))
		}
	}
	statement := fmt.Sprintf(p.statements().pick, strings.Join(conditions, " and "), limit)
	if ids != nil {
		statement = fmt.Sprintf(p.statements().pickOf, strings.Join(conditions, " and "))
	}
	var found []domain.ID
	at, err := m.read(ctx, v.Tenant(), func(b *pgx.Batch) {
		found = nil
		b.Queue(statement, args...).Query(each(func(rows pgx.Rows) error {
			id := domain.ID{Prefix: p.Prefix()}
			err := rows.Scan(&id.UUID)
			found = append(found, id)
			return err
		}))
	})
	slices.SortFunc(found, func(a, b domain.ID) int { return bytes.Compare(a.UUID[:], b.UUID[:]) })
	return slices.Compact(found), at, err
}
