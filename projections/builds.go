package projections

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/wall"
)

// Build says which program this is.
type Build struct {
	Name string // for people, such as a version
	Step int64  // the last step of the schema that it brings
	All  []Model
}

// Builds knows which builds have ever worked on a database, and in which order they come:
// of two builds, the one that knows all that the other one does, and more, is newer; or
// else the one that brings a later step of the schema; or else the one that came first is
// older. The order is fixed when a build comes for the first time. A build is the tables,
// events and fields that it knows, so two programs that know the same are the same build.
//
// Whatever was made by a newer build is never made again by an older one by itself. It
// may be used concurrently.
type Builds struct {
	wall *wall.Wall
	us   Build
	own  build
	hash string

	mu    sync.Mutex
	self  int // 0 until it was asked
	known map[int]build
}

// build is one of them. Of the tables it has what their definition is known by.
type build struct {
	place  float64
	tables map[string]string
	terms  map[string]bool // of which tables it makes terms as this build does
	step   int64
	knows  []int64
}

// NewBuilds returns what knows the builds of a database.
func NewBuilds(w *wall.Wall, us Build) *Builds {
	b := &Builds{wall: w, us: us, own: build{tables: make(map[string]string), step: us.Step}}
	var lines []string
	for _, p := range us.All {
		d := p.definition()
		b.own.tables[p.Name()] = d.fingerprint()
		b.own.knows = append(b.own.knows, numbers(p.Name(), d.rows, d.events)...)
		lines = append(append(lines, p.Name()+" "+d.fingerprint()), d.events...)
	}
	slices.Sort(b.own.knows)
	slices.Sort(lines)
	b.hash = fingerprintOf("build", lines)
	return b
}

// Place returns the place of this build in the order of all builds, and writes it down
// when it comes for the first time.
func (b *Builds) Place(ctx context.Context) (float64, error) {
	self, err := b.ours(ctx)
	if err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.known[self].place, nil
}

// ours returns the number of this build, which is not 0.
func (b *Builds) ours(ctx context.Context) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.self != 0 {
		return b.self, nil
	}
	return b.self, b.look(ctx)
}

// look gets all builds, and adds this one if it is not among them. It is called with mu.
func (b *Builds) look(ctx context.Context) error {
	known, self := make(map[int]build), 0
	err := b.wall.Outside(ctx, wall.Dispatcher, func(tx wall.Tx) error {
		known, self = make(map[int]build), 0
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended('crm.build', 0))`); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `select id, place, step, tables, knows, fingerprint = $1 from crm.build`, b.hash)
		if err != nil {
			return err
		}
		err = each(func(rows pgx.Rows) error {
			var id int
			var one build
			var tables []byte
			var us bool
			if err := rows.Scan(&id, &one.place, &one.step, &tables, &one.knows, &us); err != nil {
				return err
			}
			if us {
				self = id
			}
			err := json.Unmarshal(tables, &one.tables)
			known[id] = one
			return err
		})(rows)
		if err != nil || self != 0 {
			return err
		}
		one := b.own
		one.place = placeOf(one, slices.Collect(maps.Values(known)))
		tables, err := json.Marshal(one.tables)
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `insert into crm.build (fingerprint, name, step, place, tables, knows) values ($1, $2, $3, $4, $5, $6) returning id`,
			b.hash, b.us.Name, one.step, one.place, tables, one.knows).Scan(&self)
		known[self] = one
		return err
	})
	if err != nil {
		return fmt.Errorf("look which builds there are: %w", err)
	}
	for id, one := range known {
		one.terms = make(map[string]bool)
		for table := range b.own.tables {
			_, one.terms[table] = slices.BinarySearch(one.knows, numbers(table, []string{termsLine()})[0])
		}
		one.knows = nil // nobody asks again
		known[id] = one
	}
	b.known, b.self = known, self
	return nil
}

// placeOf returns where a build comes among others: right before the first that must be
// newer, or else behind all.
func placeOf(one build, others []build) float64 {
	after := math.Inf(1)
	for _, o := range others {
		if hasMore(o.knows, one.knows) || o.step > one.step && !hasMore(one.knows, o.knows) {
			after = min(after, o.place)
		}
	}
	before := math.Inf(-1)
	for _, o := range others {
		if o.place < after {
			before = max(before, o.place)
		}
	}
	switch first, last := math.IsInf(before, 0), math.IsInf(after, 0); {
	case first && last:
		return 0
	case last:
		return before + 1
	case first:
		return after - 1
	}
	return before + (after-before)/2
}

// hasMore reports whether a has all that b has, and more. Both are sorted.
func hasMore(a, b []int64) bool {
	if len(a) <= len(b) {
		return false
	}
	for _, n := range b {
		if _, has := slices.BinarySearch(a, n); !has {
			return false
		}
	}
	return true
}

// standing says what rows that serve are to this build.
type standing int

const (
	same  standing = iota // they are as this build makes them
	older                 // an older build, or nobody knows which, has made them otherwise
	newer                 // a newer one has
)

// of says what rows of a table are that some build has made: 0 if nobody knows which.
func (b *Builds) of(ctx context.Context, table string, id int) (standing, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.known[id]; b.self == 0 || id != 0 && !known { // one that has come since
		if err := b.look(ctx); err != nil {
			return older, err
		}
	}
	return b.compare(table, id), nil
}

// compare is of, for builds that are known.
func (b *Builds) compare(table string, id int) standing {
	other, known := b.known[id]
	switch {
	case !known:
		return older
	case other.tables[table] == b.own.tables[table]:
		return same
	case other.place > b.known[b.self].place && other.tables[table] != "":
		return newer
	}
	return older
}

// pairs is tables, each with a build.
type pairs struct {
	tables []string
	builds []int
}

// outdated returns all pairs of a table of this build and another build whose rows have
// to be made again.
func (b *Builds) outdated(ctx context.Context) (old pairs, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.look(ctx); err != nil {
		return old, err
	}
	ids := append(slices.Sorted(maps.Keys(b.known)), 0)
	for _, table := range slices.Sorted(maps.Keys(b.own.tables)) {
		for _, id := range ids {
			if b.compare(table, id) == older {
				old.tables, old.builds = append(old.tables, table), append(old.builds, id)
			}
		}
	}
	return old, nil
}

// tablesOf returns the names of the tables of a build.
func (b *Builds) tablesOf(id int) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Keys(b.known[id].tables))
}

// madeBy returns the builds that make the rows of a table as this one does.
func (b *Builds) madeBy(ctx context.Context, table string) (ids []int, err error) {
	return b.those(ctx, func(id int) bool { return b.compare(table, id) == same })
}

// withTerms returns the builds that make terms of the texts in rows of a table as this one
// does. Some may not make them of all texts that this one makes them of.
func (b *Builds) withTerms(ctx context.Context, table string) (ids []int, err error) {
	return b.those(ctx, func(id int) bool { return b.known[id].terms[table] })
}

// newTerms reports whether a build has come since it was looked last that makes terms of a
// table as this one does.
func (b *Builds) newTerms(ctx context.Context, table string, known []int) (bool, error) {
	b.mu.Lock()
	err := b.look(ctx)
	b.mu.Unlock()
	if err != nil {
		return false, err
	}
	ids, err := b.withTerms(ctx, table)
	return slices.ContainsFunc(ids, func(id int) bool { return !slices.Contains(known, id) }), err
}

// those returns the builds that a function picks, which is called with mu.
func (b *Builds) those(ctx context.Context, picked func(id int) bool) (ids []int, err error) {
	if _, err := b.ours(ctx); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	ids = []int{}
	for id := range b.known {
		if picked(id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// key names what the rows of some tables follow from in this build.
func (b *Builds) key(tables []string) string {
	var text strings.Builder
	text.WriteString(b.us.Name)
	for _, table := range tables {
		text.WriteString(" " + b.own.tables[table])
	}
	return text.String()
}

// errNewerRows says that a newer build has made rows that this one would make otherwise,
// so that it must not write to them.
var errNewerRows = fmt.Errorf("rows of a table: %w", domain.ErrNewerSchema)
