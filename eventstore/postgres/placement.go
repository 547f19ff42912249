package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/wall"
)

// Where returns the name of the engine that keeps the log of a tenant, or "" if
// there is no such tenant.
func (t Tracker) Where(ctx context.Context, tenant domain.TenantID) (string, error) {
	return first(dispatch(ctx, t, pgx.RowTo[string], `select engine from es.tenant_head where tenant_id = $1`, tenant.UUID))
}

// Missing returns the owners that follow a group now and do not follow another.
func (t Tracker) Missing(ctx context.Context, follow, missing string) ([]string, error) {
	return dispatch(ctx, t, pgx.RowTo[string], `select owner from es.follower f
		where grp = $1 and expires_at > clock_timestamp() and not exists (
			select from es.follower g where g.grp = $2 and g.owner = f.owner and g.expires_at > clock_timestamp())
		order by owner`, follow, missing)
}

// Elsewhere reports whether any tenant's log is kept by another engine than this
// database.
func (t Tracker) Elsewhere(ctx context.Context) (bool, error) {
	return first(dispatch(ctx, t, pgx.RowTo[bool], `select exists (select from es.tenant_head where engine <> $1)`, Here))
}

func first[T any](all []T, err error) (one T, _ error) {
	if err == nil && len(all) > 0 {
		one = all[0]
	}
	return one, err
}

// Engines that can keep the log of a tenant.
const (
	Here      = "postgres" // es.event: see [Store]
	InKurrent = "kurrent"  // EventStoreDB: see [Ledger]
)

// CreateTenant makes the log of a new tenant in an engine, as part of a
// transaction of [wall.Access]. If there is one already it does nothing.
func CreateTenant(ctx context.Context, tx wall.Tx, tenant domain.TenantID, engine string) error {
	_, err := tx.Exec(ctx, `select es.create_tenant($1, $2)`, tenant.UUID, engine)
	return err
}
