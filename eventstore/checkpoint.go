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
	Group      string
	Tenant     domain.TenantID
	Checkpoint Checkpoint
	Head       Position // of the tenant's last event
}

// Mark is a moment up to which somebody knows what has happened to logs and
// checkpoints. What it is made of is the business of the [Tracker] that it comes from.
// The zero value is before everything.
type Mark struct {
	Server  int64  // tells one run of the server from others
	Changes int64  // counted so far
	Horizon uint64 // transactions before this one are known
	Open    bool   // some changes that are counted were perhaps not to be seen yet
}

// Held says for groups of readers which shards somebody deals with.
type Held map[string][]Shard

// Tracker keeps the checkpoints of groups of readers, and shares the work of a
// group between nodes. It sees positions, and nothing of the events. All
// methods may be called at the same time.
type Tracker interface {
	// Lease makes the owner hold its fair share of the shards of each group, for as
	// long as ttl, and returns them. The owner must lease again before that to keep
	// them. Fewer than its share means that others still hold the rest.
	//
	// Holding a shard saves two nodes from doing the same work. It is not what
	// keeps work from being done twice: that is [Tracker.Move].
	Lease(ctx context.Context, owner string, ttl time.Duration, groups ...string) (Held, error)

	// Release lets go of all that the owner holds for a group.
	Release(ctx context.Context, group, owner string) error

	// Behind returns where groups are behind, or ahead, in the logs of tenants of the
	// shards that are held for them: all of these, or, if since is not zero, at least
	// those of tenants whose log or checkpoint may have changed since then by other
	// means than that a group has read on. It also returns until when that is known.
	// If nothing has changed, the answer does not take longer if there are more
	// tenants or groups.
	Behind(ctx context.Context, held Held, since Mark) ([]Lag, Mark, error)

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
