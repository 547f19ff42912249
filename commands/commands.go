// Package commands carries out what callers ask for. It is the only writer of
// the event log.
//
// There is one way to change anything: load a record, let its command decide,
// and append what follows. [Do] does it for one command, [Runner.All] for many at
// once, [Runner.Atomic] for several that belong together. What a command means
// is up to the domain; who may give it is written down here, one file per kind
// of record. The package knows nothing of HTTP or of how the log is stored.
package commands

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/lru"
	"github.com/rowhouse/rowhouse/viewer"
)

// maxAttempts bounds how often a command is decided anew because something it
// depends on changed under it.
const maxAttempts = 20

// Runner carries out commands. It may be used concurrently.
type Runner struct {
	store     eventstore.Store
	newID     func() uuid.UUID
	baseline  *lru.Cache[eventstore.StreamID, baseline]
	snapshots eventstore.Snapshots
	forms     map[string]eventstore.Form // of the snapshots, by kind
	turns     turns                      // see takeTurn
	selector  Selector                   // may be nil, for commands that select nothing
	kinds     map[string]AnyPolicy       // those that commands may refer to, by name
	byPrefix  map[string]AnyPolicy       // and by the prefix of their IDs
}

// A Selector finds records by the read models. See [domain.Selection].
type Selector interface {
	Select(ctx context.Context, v *viewer.Viewer, s domain.Selection) (domain.Selected, error)
}

// baseline is a record as it was at a version. It saves reading what came before,
// and never what came after. The state is shared, and so never changed.
type baseline struct {
	state any
	at    eventstore.Version
	kept  eventstore.Version // of the last snapshot; see rememberAs
}

// Config says what a [Runner] works with.
type Config struct {
	Store     eventstore.Store
	NewID     func() uuid.UUID     // makes the IDs of commands that come without one
	Cache     int                  // bytes of records that are kept folded
	Selector  Selector             // for commands that are a [domain.Selector]; without one they cannot be given
	Snapshots eventstore.Snapshots // of records with long histories; may be nil
	Build     string               // names the program: it does not trust the snapshots of another one
}

// NewRunner returns a runner.
func NewRunner(c Config) *Runner {
	r := &Runner{
		store: c.Store, newID: c.NewID, baseline: lru.New[eventstore.StreamID, baseline](c.Cache), selector: c.Selector,
		snapshots: c.Snapshots, forms: map[string]eventstore.Form{}, kinds: map[string]AnyPolicy{}, byPrefix: map[string]AnyPolicy{},
	}
	if r.snapshots == nil {
		r.snapshots = eventstore.NoSnapshots{}
	}
	for _, k := range All {
		r.kinds[k.Kind()], r.byPrefix[k.Prefix()], r.forms[k.Kind()] = k, k, k.form(c.Build)
	}
	return r
}

// Target is the record a command is for, and on what terms.
type Target struct {
	ID uuid.UUID

	// New says that the ID was made just now, so that there is nothing to read.
	New bool

	// Fresh says that somebody else made the ID for a new record, so that there
	// is likely nothing to read.
	Fresh bool

	// Match, if not nil, is the versions of which the record must have one. The
	// command is refused as [domain.Stale] if it does not, with the fields that
	// have changed since the last one that it had.
	Match []eventstore.Version

	// Seen is further versions that the caller has seen, which do not match. They
	// only count when it is told what has changed since.
	Seen []eventstore.Version

	// Unless is versions of which the record must have none, and Absent says that
	// it must not be there at all. Otherwise the command is refused likewise.
	Unless []eventstore.Version
	Absent bool

	// Disjoint lets a command pass if it touches no field that has changed since
	// the last version of Match that the record had.
	Disjoint bool

	// Command, if set, makes the command safe to repeat: it names it for good,
	// and Hash tells it from another command under the same name.
	Command uuid.UUID
	Hash    []byte
}

// Outcome says what became of a command.
type Outcome struct {
	ID       domain.ID
	Command  uuid.UUID
	Version  eventstore.Version    // of the record after the command
	Position eventstore.Position   // of the last event; without events, of no later one than the caller could have seen
	Events   []eventstore.Recorded // those of this record that follow from the command; none if it changed nothing
	Others   []eventstore.Recorded // those of other records, if the command was a plan; see plan
	Repeated bool                  // the command was carried out before; this is what became of it then
}

// add adds events that follow from a command for a record.
func (o *Outcome) add(of eventstore.StreamID, events ...eventstore.Recorded) {
	for _, e := range events {
		if e.Stream == of {
			o.Events = append(o.Events, e)
		} else {
			o.Others = append(o.Others, e)
		}
	}
}

// Result is the outcome of one of several commands.
type Result struct {
	Outcome Outcome
	Err     error // a refusal, or a fault
}

// Do carries out a command. The error is a refusal, or a fault.
func Do[S any](ctx context.Context, r *Runner, p *Policy[S], o viewer.Caller, to Target, cmd domain.Command[S]) (Outcome, error) {
	res := r.All(ctx, o, []Operation{p.Prepare(to, cmd)})[0]
	return res.Outcome, res.Err
}

// explain turns what the log says into what the caller can act on.
func (r *Runner) explain(err error) error {
	var claimed *eventstore.Claimed
	switch {
	case err == nil:
		return nil
	case errors.As(err, &claimed):
		id := domain.ID{Prefix: r.prefix(claimed.Holder.Kind), UUID: claimed.Holder.ID}
		return &domain.Error{
			Reason: domain.Conflict, Code: "duplicate", Pointer: claimed.Claim.Pointer,
			Detail: "belongs to another record",
			Data:   map[string]any{"existing_id": id, "candidates": []domain.ID{id}},
		}
	case errors.Is(err, eventstore.ErrReused):
		return domain.Invalid.Refusef("idempotency_mismatch", "the idempotency key was used for another request")
	case errors.Is(err, eventstore.ErrMalformed):
		return domain.Conflict.Refusef("duplicate", "two of the operations want the same for different records")
	case errors.Is(err, eventstore.ErrUnavailable):
		return err // whoever answers may know why, which makes a difference to the caller
	case errors.Is(err, eventstore.ErrTooLarge):
		return domain.Invalid.Refusef("too_large", "the command is larger than the log takes")
	case errors.Is(err, eventstore.ErrUnknownTenant):
		return domain.NotFound.Refusef("not_found", "there is no such tenant")
	case errors.Is(err, eventstore.ErrSealed):
		return domain.Unavailable.Refusef("tenant_sealed", "the tenant takes no changes now")
	case errors.Is(err, eventstore.ErrClosed):
		return domain.Unavailable.Refusef("shutting_down", "the server is shutting down")
	}
	return err
}

// prefix returns the prefix of the IDs of a kind.
func (r *Runner) prefix(kind string) string {
	if k, ok := r.kinds[kind]; ok {
		return k.Prefix()
	}
	return kind
}

var errBusy = domain.Unavailable.Refusef("busy", "too many others change the record at this moment")
