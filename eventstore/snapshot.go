package eventstore

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/google/uuid"
)

// SnapshotEvery is how many events of a stream there are between its snapshots, about. A
// shorter stream has none.
const SnapshotEvery = 200

// A Snapshot is what the events of a stream had led to after one of them. It saves
// reading those before. It follows from the log, and can be thrown away at any time.
type Snapshot struct {
	Version  Version // and the rest is of the event that made it
	Event    uuid.UUID
	Position Position
	Time     time.Time
	State    []byte // JSON
}

// SnapshotAfter returns a snapshot of what an event has led to.
func SnapshotAfter(e Recorded, state []byte) Snapshot {
	return Snapshot{Version: e.Version, Event: e.ID, Position: e.Position, Time: e.Time, State: state}
}

// Form says what is in a snapshot, and who can read it.
type Form struct {
	Name       string // such as "state", or the name of a table
	Definition string // of what makes it: what another definition has made is of no use
}

// Until bounds what is wanted of a stream: events up to a version, and up to a place in
// the log or a time. What is 0 is no bound.
type Until struct {
	Version  Version
	Position Position
	Time     time.Time
}

// Includes reports whether an event is wanted.
func (u Until) Includes(e Recorded) bool {
	return (u.Version == 0 || e.Version <= u.Version) && (u.Position == 0 || e.Position <= u.Position) && (u.Time.IsZero() || !e.Time.After(u.Time))
}

// MayBeLong reports whether it can take a snapshot to come that far.
func (u Until) MayBeLong() bool { return u.Version == 0 || u.Version >= SnapshotEvery }

// Snapshots keeps snapshots. It may be used concurrently. Nobody relies on it: a
// snapshot that is not there is made again.
type Snapshots interface {
	// Last returns the last snapshot of a stream that there is up to some event.
	Last(ctx context.Context, s StreamID, f Form, until Until) (Snapshot, bool)

	// Keep keeps snapshots of a stream, if it is not purged, and if there is time.
	Keep(ctx context.Context, s StreamID, f Form, snapshots ...Snapshot)
}

// NoSnapshots keeps none.
type NoSnapshots struct{}

// Last implements [Snapshots].
func (NoSnapshots) Last(context.Context, StreamID, Form, Until) (Snapshot, bool) {
	return Snapshot{}, false
}

// Keep implements [Snapshots].
func (NoSnapshots) Keep(context.Context, StreamID, Form, ...Snapshot) {}

// ErrOtherLog says that a snapshot is not of the log as it is: it was made before the log
// was taken back to an earlier state.
var ErrOtherLog = errors.New("the snapshot is of another log")

// ReadAfter yields the events of a stream after a snapshot, or all of them after none,
// which is of version 0. It reads the event that the snapshot was made after as well: if
// that is another one by now, or not there, the only error is [ErrOtherLog], before any
// event.
func ReadAfter(ctx context.Context, store Store, s StreamID, from Snapshot) iter.Seq2[Recorded, error] {
	if from.Version == 0 {
		return store.ReadStream(ctx, s, 0)
	}
	return func(yield func(Recorded, error) bool) {
		proven := false
		for e, err := range store.ReadStream(ctx, s, from.Version-1) {
			switch {
			case err == nil && !proven:
				if e.ID != from.Event {
					yield(Recorded{}, ErrOtherLog)
					return
				}
				proven = true
			case !yield(e, err):
				return
			}
			if err != nil {
				return
			}
		}
		if !proven {
			yield(Recorded{}, ErrOtherLog)
		}
	}
}
