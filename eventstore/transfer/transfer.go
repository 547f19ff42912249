// Package transfer moves the logs of tenants from one engine of an installation
// to the other, while the tenants go on working:
//
//  1. What is there is copied, by position, and what has come meanwhile, until
//     next to nothing is missing.
//  2. Both logs are read from the first event to the last, and compared to the
//     byte.
//  3. The log is sealed: it takes no events. The rest is copied and compared.
//  4. The log is said to be in the other engine. Nodes remember for a moment where
//     it was ([placement.Memory]), so it stays sealed for that long.
//  5. It takes events again.
//
// Positions, versions, IDs and times are the same in both engines, so nobody who
// follows a log notices. Whatever ends between two steps, the same call takes up
// where it was. What goes wrong before step 4 is taken back: the log stays where it
// is, and what was copied is reused by the next attempt.
//
// Nothing is deleted from the engine that a log has left; see [Transfer.Drop].
//
// The package knows nothing of what the events mean.
package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/kurrent"
	"github.com/rowhouse/rowhouse/eventstore/placement"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
)

// What a log is not moved for.
var (
	ErrBusy   = errors.New("somebody else moves this log now")
	ErrClosed = errors.New("the log is closed, and closed logs do not move")
	ErrInUse  = errors.New("the log is kept there")
)

// Config says between what logs move. What is optional may be zero.
type Config struct {
	Here  *postgres.Store
	There *kurrent.Store

	// MaxPause is how long a log may be sealed before it is switched over. If that
	// is not enough, the move is given up and the log goes on where it was
	// (default 30 s).
	MaxPause time.Duration

	// Patience is how long to wait for an engine that does not answer, while the
	// log is not sealed (default 1 min).
	Patience time.Duration

	// Rest is how long a log stays sealed after it was switched over (default
	// [placement.Memory] and a little more). Nodes depend on it.
	Rest time.Duration

	// Page is how many events are copied and compared in one step (default 1000).
	// Whoever takes up a move that has ended must have the same.
	Page eventstore.Position

	// Progress, if set, is told how far a move is, perhaps of several tenants at
	// the same time.
	Progress func(domain.TenantID, Progress)
}

// Progress is how far a move is. When the stage changes, Done begins again.
type Progress struct {
	Stage    Stage
	Done, Of eventstore.Position
}

// Stage is what is being done.
type Stage string

// Stages of a move.
const (
	Copying   Stage = "copy"
	Verifying Stage = "verify"
	Paused    Stage = "pause"
	Switched  Stage = "switched"
)

// Result says what became of a move.
type Result struct {
	Events eventstore.Position // in the log
	Copied eventstore.Position // by this call: others were there already
	Paused time.Duration       // for how long the log took no events
	Digest [32]byte            // of all events, as both engines have them

	// Was says that the log was there before, and nothing was compared.
	Was bool
}

// Transfer moves logs. It may be used by several goroutines, for different
// tenants.
type Transfer struct{ cfg Config }

// New returns a transfer.
func New(cfg Config) *Transfer {
	cfg.MaxPause = cmp.Or(cfg.MaxPause, 30*time.Second)
	cfg.Patience = cmp.Or(cfg.Patience, time.Minute)
	cfg.Rest = cmp.Or(cfg.Rest, placement.Memory+placement.Memory/4)
	cfg.Page = cmp.Or(cfg.Page, 1000)
	if cfg.Progress == nil {
		cfg.Progress = func(domain.TenantID, Progress) {}
	}
	return &Transfer{cfg}
}

// Move moves the log of a tenant to an engine. If it is there already, Move only
// finishes what another call may have left.
func (t *Transfer) Move(ctx context.Context, by *postgres.Mover, tenant domain.TenantID, to string) (res Result, err error) {
	give, err := take(ctx, by, tenant)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, give()) }()
	at, err := by.Place(ctx, tenant)
	switch {
	case err != nil:
		return Result{}, err
	case at.MovingTo != "":
		// Whoever moved it did not get to the end. Until all is copied, there is no
		// reason to keep it sealed.
		if err := t.reopen(ctx, by, tenant, at.Engine == at.MovingTo); err != nil {
			return Result{}, err
		}
	case at.Sealed && at.Engine != to:
		return Result{}, ErrClosed
	}
	if at.Engine == to {
		return Result{Events: at.Head, Was: true}, nil
	}
	m := &move{cfg: &t.cfg, by: by, tenant: tenant, to: to}
	m.source, m.target = t.ends(by, to)
	return m.run(ctx)
}

// ends returns where a log is, and where it goes.
func (t *Transfer) ends(by *postgres.Mover, to string) (source, target end) {
	here, there := &here{t.cfg.Here, by}, &there{t.cfg.There, by}
	if to == postgres.Here {
		return there, here
	}
	return here, there
}

// take makes a log ours to move, until the returned function is called.
func take(ctx context.Context, by *postgres.Mover, tenant domain.TenantID) (give func() error, err error) {
	switch ok, err := by.Take(ctx, tenant); {
	case err != nil:
		return nil, err
	case !ok:
		return nil, ErrBusy
	}
	return func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
		defer cancel()
		return by.Give(ctx, tenant)
	}, nil
}

// lastWords is how long what must be said in the end may take.
const lastWords = 10 * time.Second

// reopen lets a log take events again: after a while, if it was switched over.
func (t *Transfer) reopen(ctx context.Context, by *postgres.Mover, tenant domain.TenantID, switched bool) error {
	if switched {
		if err := pause(ctx, t.cfg.Rest); err != nil {
			return err
		}
	}
	return by.End(ctx, tenant)
}

// Dropped reports whether the log of a tenant cannot be moved to the event store,
// because its streams were deleted there for good.
func (t *Transfer) Dropped(ctx context.Context, tenant domain.TenantID) (bool, error) {
	return t.cfg.There.Dropped(ctx, tenant)
}

// Drop deletes for good what the event store has of a tenant's log that is not
// kept there any more, and returns how many streams that are. It can be done
// again. The log can never be moved back to that event store.
func (t *Transfer) Drop(ctx context.Context, by *postgres.Mover, tenant domain.TenantID) (streams int, err error) {
	give, err := take(ctx, by, tenant)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, give()) }()
	switch at, err := by.Place(ctx, tenant); {
	case err != nil:
		return 0, err
	case at.Engine == postgres.InKurrent || at.MovingTo != "":
		return 0, ErrInUse
	}
	return t.purge(ctx, by, tenant)
}

// Purge is like Drop for a tenant that ends: its log is closed first, wherever it
// is, and takes no events ever again.
func (t *Transfer) Purge(ctx context.Context, by *postgres.Mover, tenant domain.TenantID) (streams int, err error) {
	give, err := take(ctx, by, tenant)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, give()) }()
	if _, err := by.Place(ctx, tenant); err != nil {
		return 0, err
	}
	if err := by.Close(ctx, tenant); err != nil {
		return 0, fmt.Errorf("close the log: %w", err)
	}
	return t.purge(ctx, by, tenant)
}

func (t *Transfer) purge(ctx context.Context, by *postgres.Mover, tenant domain.TenantID) (int, error) {
	if _, err := by.PurgePending(ctx, tenant); err != nil {
		return 0, fmt.Errorf("forget what was not shipped: %w", err)
	}
	return t.cfg.There.Purge(ctx, tenant)
}
