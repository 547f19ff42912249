package postgres_test

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

// books is a ledger with tenants whose logs are elsewhere.
type books struct {
	*testing.T
	*postgres.Ledger

	db *dbtest.DB
}

func newBooks(t *testing.T) *books {
	t.Helper()
	db := dbtest.Open(t)
	return &books{t, postgres.NewLedger(postgres.Config{Wall: db.Wall}), db}
}

func (b *books) tenant() domain.TenantID {
	b.Helper()
	id := domain.TenantID{UUID: uuid.Must(uuid.NewV7())}
	err := b.db.Wall.Outside(b.Context(), wall.Access, func(tx wall.Tx) error {
		return postgres.CreateTenant(b.Context(), tx, id, postgres.InKurrent)
	})
	if err != nil {
		b.Fatal(err)
	}
	return id
}

// decide decides an event, and returns how it would be seen.
func (b *books) decide(tenant domain.TenantID) postgres.Sighting {
	b.Helper()
	c := newEvent(tenant)
	r := b.Decide(b.Context(), tenant, c)[0]
	if r.Err != nil {
		b.Fatal(r.Err)
	}
	w := c.Writes[0]
	return postgres.Sighting{
		Stream: w.Stream, Version: 1, Position: r.Receipt.First, Event: w.Events[0].ID, Hash: postgres.HashOf(w.Events[0].Data, w.Events[0].Meta),
	}
}

func (b *books) pending(want int) {
	b.Helper()
	if n, _, err := b.Backlog(b.Context()); n != want || err != nil {
		b.Errorf("%d events are pending, want %d, %v", n, want, err)
	}
}

const testify = `select * from es.witness($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

// testimony is what es.witness is told of one event.
type testimony struct {
	name, from, to string
	tenant         []int
	pos            []int64
	kind           []string
	stream         []uuid.UUID
	version        []int
	event          []uuid.UUID
	hash           [][]byte
}

func truth(s postgres.Sighting) testimony {
	return testimony{
		"other", "", "a",
		[]int{1},
		[]int64{int64(s.Position)},
		[]string{s.Stream.Kind},
		[]uuid.UUID{s.Stream.ID},
		[]int{int(s.Version)},
		[]uuid.UUID{s.Event},
		[][]byte{s.Hash[:]},
	}
}

func (s testimony) args(seals []string) []any {
	return []any{seals, s.name, s.from, s.to, s.tenant, s.pos, s.kind, s.stream, s.version, s.event, s.hash}
}

// TestFalseWitness calls es.witness itself, to have it let go of an event that is
// nowhere else.
func TestFalseWitness(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	a, other := b.tenant(), b.tenant()
	seen := b.decide(a)
	call := func(duty wall.Duty, seals []string, s testimony) error {
		t.Helper()
		return b.db.Wall.Sealed(t.Context(), duty, []domain.TenantID{a, other}, func(tx wall.Tx, own []string) error {
			if seals == nil {
				seals = own[:1]
			}
			if slices.Equal(seals, []string{"other"}) {
				seals = own[1:]
			}
			_, err := tx.Exec(t.Context(), testify, s.args(seals)...)
			return err
		})
	}
	const unequal, denied = "22023", "42501"
	for i, c := range []struct {
		name string
		lie  func(*testimony)
		code string
	}{
		{"no hashes", func(s *testimony) { s.hash = [][]byte{} }, unequal},
		{"one hash too many", func(s *testimony) { s.hash = append(s.hash, s.hash[0]) }, unequal},
		{"hashes that are null", func(s *testimony) { s.hash = nil }, unequal},
		{"one tenant too few", func(s *testimony) { s.tenant = []int{} }, unequal},
		{"one place too few", func(s *testimony) { s.pos = []int64{} }, unequal},
		{"one version too few", func(s *testimony) { s.version = []int{} }, unequal},
		{"a hash that is null", func(s *testimony) { s.hash = [][]byte{nil} }, ""},
		{"a hash that is empty", func(s *testimony) { s.hash = [][]byte{{}} }, ""},
		{"a hash that is longer", func(s *testimony) { s.hash[0] = append(slices.Clone(s.hash[0]), 0) }, ""},
		{"a hash of other data", func(s *testimony) { s.hash[0] = make([]byte, 32) }, ""},
		{"another event", func(s *testimony) { s.event[0] = uuid.New() }, ""},
		{"another stream", func(s *testimony) { s.stream[0] = uuid.New() }, ""},
		{"another kind", func(s *testimony) { s.kind[0] = "task" }, ""},
		{"another version", func(s *testimony) { s.version[0]++ }, ""},
		{"another position", func(s *testimony) { s.pos[0]++ }, ""},
		{"no such tenant", func(s *testimony) { s.tenant[0] = 2 }, ""},
		{"a place that nobody is at", func(s *testimony) { s.from = "b" }, "RH001"},
	} {
		s := truth(seen)
		s.name = fmt.Sprint("witness ", i)
		c.lie(&s)
		err := call(wall.Dispatcher, nil, s)
		if e, ok := errors.AsType[*pgconn.PgError](err); ok != (c.code != "") || ok && e.Code != c.code {
			t.Errorf("%s: %v", c.name, err)
		}
		if at, err := b.Watched(t.Context(), s.name); (at == "a") != (c.code == "") || err != nil {
			t.Errorf("%s: the place is at %q, %v", c.name, at, err)
		}
	}
	for name, seals := range map[string][]string{"the seal of another tenant": {"other"}, "no seal": {}, "a seal of nobody": {""}} {
		s := truth(seen)
		s.name = name
		if err := call(wall.Dispatcher, seals, s); wall.IsDenied(err) != (name == "a seal of nobody") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, duty := range wall.Duties() {
		err := call(duty, []string{}, testimony{name: string(duty), to: "far", tenant: []int{}, pos: []int64{}})
		if e, ok := errors.AsType[*pgconn.PgError](err); duty != wall.Dispatcher && (!ok || e.Code != denied) {
			t.Errorf("%s may testify: %v", duty, err)
		}
		if _, err := execAs(t, b.db, duty, a, `update es.watched set at = 'far'`); err == nil {
			t.Errorf("%s may move the place by hand", duty)
		}
	}
	b.pending(1)
	s := truth(seen)
	s.name = "honest"
	if err := call(wall.Dispatcher, nil, s); err != nil {
		t.Error(err)
	}
	b.pending(0)
}

// TestNonsense has the witness see what the database cannot even be told: the rest
// must not wait for it.
func TestNonsense(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	a, other := b.tenant(), b.tenant()
	seen := []postgres.Sighting{b.decide(a), b.decide(a), b.decide(other), b.decide(a)}
	seen[1].Stream.Kind = "de\x00al"
	seen[3].Hash[0]++
	strange, err := b.Witness(t.Context(), "w", "", "x", seen)
	if !slices.Equal(strange, []int{1, 3}) || err != nil {
		t.Errorf("%v are strange, %v", strange, err)
	}
	b.pending(2)
	if at, err := b.Watched(t.Context(), "w"); at != "x" || err != nil {
		t.Errorf("is at %q, %v", at, err)
	}
	if _, err := b.Witness(t.Context(), "w", "elsewhere", "y", seen[1:2]); !errors.Is(err, eventstore.ErrMoved) {
		t.Errorf("moved from where it was not: %v", err)
	}
}

// TestOverdue has one tenant with very many events pending: it must not hide the
// others.
func TestOverdue(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	su := b.db.Superuser(t)
	var all []domain.TenantID
	for i := range 7 {
		id := b.tenant()
		all = append(all, id)
		const fill = `insert into es.pending (tenant_id, pos, data, meta, at) select $1, i, '', '', now() - $2::interval from generate_series(1, $3) i`
		age, n := time.Hour, 3
		if i == 0 {
			n = 20_000
		}
		if i == 5 {
			age = 0
		}
		if _, err := su.Exec(t.Context(), fill, id.UUID, age, n); err != nil {
			t.Fatal(err)
		}
	}
	slices.SortFunc(all, func(x, y domain.TenantID) int { return cmp.Compare(x.String(), y.String()) })
	var found []domain.TenantID
	var at domain.TenantID
	for calls := 1; ; calls++ {
		tenants, last, err := b.Overdue(t.Context(), time.Minute, at, 3)
		if err != nil {
			t.Fatal(err)
		}
		found, at = append(found, tenants...), last
		if at == (domain.TenantID{}) {
			if calls != 3 {
				t.Errorf("it took %d calls", calls)
			}
			break
		}
	}
	if want := slices.Delete(slices.Clone(all), 5, 6); !slices.Equal(found, want) {
		t.Errorf("found %v, want %v", found, want)
	}
	if tenants, _, err := b.Overdue(t.Context(), 2*time.Hour, domain.TenantID{}, 100); len(tenants) > 0 || err != nil {
		t.Errorf("found %v, %v", tenants, err)
	}
}

// TestLedgerPlans makes sure that no statement about what is pending looks through
// all of it, or through all entries, whether anybody has counted them or not.
func TestLedgerPlans(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	su, tenant := b.db.Superuser(t), b.tenant()
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := su.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`alter table es.entry set (autovacuum_enabled = false)`)
	exec(`alter table es.pending set (autovacuum_enabled = false)`)
	exec(`insert into es.entry select $1, i, 'deal', gen_random_uuid(), 1, gen_random_uuid(), 'deal.renamed', 1, now() from generate_series(1, 50000) i`, tenant.UUID)
	exec(`insert into es.pending (tenant_id, pos, data, meta) select $1, i, convert_to(repeat('x', 500), 'UTF8'), '' from generate_series(40001, 50000) i`, tenant.UUID)
	for _, analyzed := range []bool{false, true} {
		if analyzed {
			exec(`analyze es.entry, es.pending`)
		}
		for sql, args := range map[string][]any{
			postgres.PendingBetween: {tenant.UUID, 40_001, 50_000, 1000},
			postgres.PendingOf:      {tenant.UUID, uuid.New(), "deal", 1000},
		} {
			rows, err := su.Query(t.Context(), `explain (analyze, timing off) `+sql, args...)
			if err != nil {
				t.Fatal(err)
			}
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatal(err)
			}
			plan, read := strings.Join(lines, "\n"), 0
			for _, m := range regexp.MustCompile(`actual rows=(\d+)`).FindAllStringSubmatch(plan, -1) {
				n, _ := strconv.Atoi(m[1])
				read = max(read, n)
			}
			if read > 1100 || strings.Contains(plan, "Removed by Filter") {
				t.Errorf("counted: %t\n%s\n%s", analyzed, sql, plan)
			}
		}
	}
}
