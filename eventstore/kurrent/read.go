package kurrent

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdb"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
)

const (
	// pageEvents is how many events of a stream are read in one call.
	pageEvents = 500

	// pageBytes is about how much is held in memory for one page of a log.
	pageBytes = 8 << 20
)

// ReadStream implements [eventstore.Store]. The ledger says which events there are,
// so what was decided can be read before it is shipped, and nothing that was not.
func (s *Store) ReadStream(ctx context.Context, id eventstore.StreamID, after eventstore.Version) iter.Seq2[eventstore.Recorded, error] {
	return func(yield func(eventstore.Recorded, error) bool) {
		after = max(after, 0)
		for more := true; more; {
			entries, err := s.ledger.EntriesOf(ctx, id, after, pageEvents)
			if err != nil {
				yield(eventstore.Recorded{}, err)
				return
			}
			more = len(entries) > 0 // the ledger ends a page where it likes
			for len(entries) > 0 {
				some, err := s.some(ctx, id.Tenant, entries)
				if err != nil {
					yield(eventstore.Recorded{}, fmt.Errorf("read the log: %w", err))
					return
				}
				for i := range some {
					if !yield(some[i].Recorded, nil) {
						return
					}
				}
				after, entries = some[len(some)-1].Version, entries[len(some):]
			}
		}
	}
}

// some fills the first of some entries, so many that they fit into memory whatever
// their size is.
func (s *Store) some(ctx context.Context, tenant domain.TenantID, entries []postgres.Entry) ([]postgres.Entry, error) {
	const most = 64 // of up to a megabyte, but hardly ever
	n := min(len(entries), most)
	return entries[:n], s.fill(ctx, tenant, entries[:n])
}

// page reads up to limit events of a stream after a version. What comes before an
// error is good.
func (s *Store) page(ctx context.Context, id eventstore.StreamID, after eventstore.Version, limit int) ([]eventstore.Recorded, error) {
	ctx, cancel := s.limited(ctx)
	defer cancel()
	if err := s.known(ctx); err != nil {
		return nil, err
	}
	if err := s.take(ctx); err != nil {
		return nil, err
	}
	defer s.give()
	name, began := streamName(id), time.Now()
	var page []eventstore.Recorded
	for e, err := range s.events.ReadStream(ctx, name, uint64(after), limit) {
		if errors.Is(err, esdb.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			if impatient(err, time.Since(began)) {
				return page, fmt.Errorf("%w: %w", eventstore.ErrUnavailable, err)
			}
			return page, s.failed(ctx, err, nil)
		}
		r, err := decode(&e)
		if err != nil {
			return page, err
		}
		want := after + eventstore.Version(len(page)) + 1
		if r.Version != want || e.Stream != name {
			return page, fmt.Errorf("%w: version %d of a stream where %d should be", eventstore.ErrGap, r.Version, want)
		}
		page = append(page, r)
	}
	if s.presence.away.Load() && s.presence.getStuck() == nil {
		s.back(ctx)
	}
	return page, nil
}

// limited returns a context that ends when our patience does, if not sooner.
func (s *Store) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.patience)
}

// Read implements [eventstore.Store]. What is pending comes from the ledger, and
// the rest from the streams.
func (s *Store) Read(ctx context.Context, tenant domain.TenantID, after eventstore.Position, limit int) ([]eventstore.Recorded, error) {
	entries, err := s.ledger.Entries(ctx, tenant, after, limit)
	if err != nil {
		return nil, err
	}
	events := make([]eventstore.Recorded, 0, len(entries))
	for size := 0; len(entries) > 0 && size < pageBytes; {
		some, err := s.some(ctx, tenant, entries)
		if err != nil {
			return nil, fmt.Errorf("read the log: %w", err)
		}
		for i := range some {
			events = append(events, some[i].Recorded)
			size += len(some[i].Data) + len(some[i].Meta)
		}
		entries = entries[len(some):]
	}
	return events, nil
}

// run is some entries whose versions in one stream follow one another.
type run struct {
	stream  eventstore.StreamID
	entries []*postgres.Entry
}

func (r run) after() eventstore.Version { return r.entries[0].Version - 1 }

// fill fetches the data of entries that do not have them.
func (s *Store) fill(ctx context.Context, tenant domain.TenantID, entries []postgres.Entry) error {
	return s.fetch(ctx, tenant, entries, func(e *postgres.Entry, is eventstore.Recorded) error {
		e.Data, e.Meta = is.Data, is.Meta
		return nil
	})
}

// fetch reads the events of entries that are not pending, several streams at a
// time, and gives each to take, which is called for different entries at the same
// time.
func (s *Store) fetch(ctx context.Context, tenant domain.TenantID, entries []postgres.Entry, take func(*postgres.Entry, eventstore.Recorded) error) error {
	const atOnce = 16
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, r := range runs(entries) {
		g.Go(func() error {
			page, err := s.wholePage(ctx, r)
			if err != nil {
				return err
			}
			if len(page) < len(r.entries) {
				return fmt.Errorf("%w: a stream ends at version %d, and more was there once", eventstore.ErrGap, int(r.after())+len(page))
			}
			if len(page) > len(r.entries) {
				return fmt.Errorf("%w: a stream goes on after version %d, and nobody decided that", errForeign, int(r.after())+len(r.entries))
			}
			for i, e := range r.entries {
				if page[i].ID != e.ID || page[i].Position != e.Position {
					return fmt.Errorf("%w: version %d of a stream is not what was decided", errForeign, e.Version)
				}
				if err := belongs(page[i], tenant); err != nil {
					return err
				}
				if err := take(e, page[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// wholePage reads the events of a run. They are there, but a server may show them
// a moment after it has sent them to the witness.
func (s *Store) wholePage(ctx context.Context, r run) (page []eventstore.Recorded, err error) {
	for wait := time.Millisecond; wait < time.Second; wait *= 4 {
		page, err = s.page(ctx, r.stream, r.after(), len(r.entries)+r.beyond())
		if err != nil || len(page) >= len(r.entries) {
			break
		}
		pause(ctx, wait)
	}
	return page, err
}

// beyond is how many events to ask for behind a run: one, if there must be none.
func (r run) beyond() int {
	if r.entries[len(r.entries)-1].Last {
		return 1
	}
	return 0
}

// runs returns the entries whose data must be fetched, stream by stream.
func runs(entries []postgres.Entry) (all []run) {
	open := make(map[eventstore.StreamID]int) // the last run of a stream
	for i := range entries {
		e := &entries[i]
		if e.Pending {
			continue
		}
		if k, ok := open[e.Stream]; ok && e.Version == all[k].after()+eventstore.Version(len(all[k].entries))+1 {
			all[k].entries = append(all[k].entries, e)
			continue
		}
		open[e.Stream] = len(all)
		all = append(all, run{e.Stream, []*postgres.Entry{e}})
	}
	return all
}
