package commands

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/content"
	"github.com/rowhouse/rowhouse/lru"
)

// form says what snapshots of the states of a kind are: what another build has made is
// not trusted, because what events do to a state may be something else there.
func (p *Policy[S]) form(build string) eventstore.Form {
	return eventstore.Form{Name: "state", Definition: domain.Fingerprint(reflect.TypeFor[S](), append(p.agg.Events(), build)...)}
}

// freeze returns a state as it is stored in snapshots, if it can be.
func (*Policy[S]) freeze(state any) ([]byte, bool) {
	s, ok := state.(S)
	if !ok || ended(&s) {
		return nil, false
	}
	return domain.Freeze(&s)
}

// folding folds the events of a record to its state, one after another.
type folding[S any] struct {
	policy *Policy[S]
	run    *Runner
	id     eventstore.StreamID
	state  S
	at     eventstore.Version
	kept   eventstore.Version // of the last snapshot
	made   []eventstore.Snapshot
	each   func(S, eventstore.Version) // called after each event, if not nil
}

// to folds the events that are wanted. A record that nothing is known of, and that turns
// out to be long, begins with its last snapshot: most records are short, and it is not
// worth asking for one.
func (f *folding[S]) to(ctx context.Context, until eventstore.Until) error {
	defer func() { f.keep(ctx) }()
	if f.at > 0 || !until.MayBeLong() {
		return f.read(ctx, eventstore.Snapshot{Version: f.at}, until)
	}
	first, err := f.first(ctx)
	if err != nil {
		return err
	}
	if len(first) == eventstore.SnapshotEvery {
		if done, err := f.resume(ctx, until); done || err != nil {
			return err
		}
	}
	for _, e := range first {
		if err := f.apply(ctx, e); err != nil {
			return err
		}
	}
	if len(first) < eventstore.SnapshotEvery {
		return nil
	}
	return f.read(ctx, eventstore.Snapshot{Version: f.at}, until)
}

// first reads the first events, as many as there are between two snapshots.
func (f *folding[S]) first(ctx context.Context) (events []eventstore.Recorded, err error) {
	for e, err := range f.run.store.ReadStream(ctx, f.id, 0) {
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", f.id.Kind, err)
		}
		if events = append(events, e); len(events) == eventstore.SnapshotEvery {
			break
		}
	}
	return events, nil
}

// resume folds the events after the last snapshot, if there is one that is of use.
func (f *folding[S]) resume(ctx context.Context, until eventstore.Until) (done bool, err error) {
	snap, ok := f.run.snapshots.Last(ctx, f.id, f.run.forms[f.id.Kind], until)
	if !ok {
		f.reset()
		return false, nil
	}
	if err := domain.Thaw(snap.State, &f.state); err != nil {
		f.reset()
		return false, nil //nolint:nilerr // a snapshot that cannot be read is none: the log itself says it
	}
	f.at, f.kept = snap.Version, snap.Version
	err = f.read(ctx, snap, until)
	if errors.Is(err, eventstore.ErrOtherLog) {
		f.reset()
		return false, nil
	}
	return true, err
}

func (f *folding[S]) reset() {
	var none S
	f.state, f.at, f.kept = none, 0, 0
}

// read folds the events after a snapshot, or after no more than a version.
func (f *folding[S]) read(ctx context.Context, from eventstore.Snapshot, until eventstore.Until) error {
	events := f.run.store.ReadStream(ctx, f.id, from.Version)
	if from.State != nil {
		events = eventstore.ReadAfter(ctx, f.run.store, f.id, from)
	}
	for e, err := range events {
		if err != nil {
			return fmt.Errorf("read %s: %w", f.id.Kind, err)
		}
		if !until.Includes(e) {
			break
		}
		if err := f.apply(ctx, e); err != nil {
			return err
		}
		if e.Version == until.Version {
			break
		}
	}
	return nil
}

func (f *folding[S]) apply(ctx context.Context, e eventstore.Recorded) error {
	if err := content.Apply(f.policy.agg, &f.state, e); err != nil {
		return err
	}
	f.at = e.Version
	if f.each != nil {
		f.each(f.state, f.at)
	}
	if f.at-f.kept < eventstore.SnapshotEvery {
		return nil
	}
	if data, ok := f.policy.freeze(f.state); ok {
		f.made = append(f.made, eventstore.SnapshotAfter(e, data))
	}
	if f.kept = f.at; len(f.made) == mostMade {
		f.keep(ctx)
	}
	return nil
}

// mostMade is how many snapshots are held in memory until they are kept.
const mostMade = 32

// keep keeps the snapshots that were made.
func (f *folding[S]) keep(ctx context.Context) {
	if len(f.made) > 0 {
		f.run.snapshots.Keep(ctx, f.id, f.run.forms[f.id.Kind], f.made...)
		f.made = nil
	}
}

// kept returns the version of the last snapshot of a record, as far as is remembered.
func (r *Runner) kept(id eventstore.StreamID) eventstore.Version {
	b, _ := r.baseline.Peek(id)
	return b.kept
}

// rememberAs remembers a state of a record that an event has led to, and keeps a snapshot
// of it when it is time for one.
func (r *Runner) rememberAs(ctx context.Context, state any, e eventstore.Recorded) {
	b := baseline{state, e.Version, r.kept(e.Stream)}
	if b.at-b.kept >= eventstore.SnapshotEvery {
		if data, ok := r.kinds[e.Stream.Kind].freeze(state); ok {
			r.snapshots.Keep(ctx, e.Stream, r.forms[e.Stream.Kind], eventstore.SnapshotAfter(e, data))
		}
		b.kept = b.at
	}
	r.baseline.Put(e.Stream, b)
}

// CacheStats says how full the cache of states is.
func (r *Runner) CacheStats() lru.Stats { return r.baseline.Stats() }
