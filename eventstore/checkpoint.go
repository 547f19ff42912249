package eventstore

import (
	"context"
	"errors"
	"time"

	"github.com/rowhouse/rowhouse/domain"
)

// Shards is the number of parts that the tenants are divided into. A shard is
// what a node takes on, or hands over, when work is shared between nodes.
const Shards = 16

// Shard is one of these parts: 0 to Shards-1.
type Shard int16

// ShardOf returns the shard of a tenant, the same one for ever. The database
// knows it as es.shard.
func ShardOf(t domain.TenantID) Shard { return Shard(t.UUID[15] % Shards) }

// Checkpoint says how far a group of readers has come in the log of a tenant.
type Checkpoint struct {
	Position Position

	// Generation changes when what was derived from the log was changed by
	// other means than reading on, such as a rebuild. Work that began under
	// another generation cannot be committed.
	Generation int
}

// Lag says that a group of readers is behind in the log of a tenant. If Head comes
// before the checkpoint, the group is ahead: the log was taken back to an earlier
// state, such as by putting back a backup, and the checkpoint was not.
type Lag struct {
	Tenant     domain.TenantID
	Checkpoint Checkpoint
	Head       Position // of the tenant's last event
}

// Tracker keeps the checkpoints of groups of readers, and shares the work of a
// group between nodes. It sees positions, and nothing of the events. All
// methods may be called at the same time.
type Tracker interface {
	// Lease makes the owner hold its fair share of the shards, for as long as
	// ttl, and returns them. The owner must lease again before that to keep
	// them. Fewer than its share means that others still hold the rest.
	//
	// Holding a shard saves two nodes from doing the same work. It is not what
	// keeps work from being done twice: that is [Tracker.Move].
	Lease(ctx context.Context, group, owner string, ttl time.Duration) ([]Shard, error)

	// Release lets go of all that the owner holds.
	Release(ctx context.Context, group, owner string) error

	// Behind returns the tenants of some shards in whose logs the group is
	// behind, or ahead.
	Behind(ctx context.Context, group string, shards []Shard) ([]Lag, error)

	// Checkpoint returns how far the group has come with a tenant: the zero
	// Checkpoint if it has not begun.
	Checkpoint(ctx context.Context, group string, tenant domain.TenantID) (Checkpoint, error)

	// Move moves a checkpoint on, if it is where the caller thinks it is, and
	// otherwise returns ErrMoved. Readers that derive rows in the same database
	// move their checkpoint in the transaction of the rows instead.
	Move(ctx context.Context, group string, tenant domain.TenantID, from Checkpoint, to Position) error

	// TakeBack moves a checkpoint back to a position, under a new generation, if it
	// is where the caller thinks it is, and otherwise returns ErrMoved.
	TakeBack(ctx context.Context, group string, tenant domain.TenantID, from Checkpoint, to Position) error
}

// ErrMoved says that a checkpoint is not where it was: somebody else went on
// from there, or the generation has changed. What was to be committed with the
// move was not.
var ErrMoved = errors.New("checkpoint was moved meanwhile")

// ErrGap says that a log did not show the events that follow a position. That
// must never happen, so whoever sees it stops at that place.
var ErrGap = errors.New("log has a gap")
