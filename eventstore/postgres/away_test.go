package postgres_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

// TestHeldHead has somebody hold the head of a tenant's log for long. The other
// tenants of the same lane must not notice.
func TestHeldHead(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	s := postgres.New(postgres.Config{Wall: db.Wall, Lanes: 1})
	newTenant := tenants(t, db.Wall)
	stuck, other := newTenant(), newTenant()
	tx, err := db.Superuser(t).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `select from es.tenant_head where tenant_id = $1 for update`, stuck.UUID); err != nil {
		t.Fatal(err)
	}
	var chain []eventstore.Command // each needs the one before it
	for v := range eventstore.Version(8) {
		c := newEvent(stuck)
		c.Writes[0].At = v
		if v > 0 {
			c.Writes[0].Stream = chain[0].Writes[0].Stream
		}
		chain = append(chain, c)
	}
	var waiting sync.WaitGroup
	var released atomic.Bool
	for _, cmds := range [][]eventstore.Command{chain, {newEvent(stuck)}, {newEvent(stuck)}} {
		waiting.Go(func() {
			for i, r := range s.Append(t.Context(), stuck, cmds...) {
				if r.Err != nil || !released.Load() {
					t.Errorf("command %d: %+v, released: %t", i, r, released.Load())
				}
			}
		})
	}
	for range 300 {
		if r := s.Append(t.Context(), other, newEvent(other))[0]; r.Err != nil {
			t.Error(r.Err)
		}
	}
	cancelled, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	s.Append(cancelled, stuck, newEvent(stuck))
	released.Store(true)
	if err := tx.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
	waiting.Wait()
	if n := logged(t, s, stuck); n < 10 || n > 11 {
		t.Errorf("%d events, want 10, or 11 if the one that was cancelled was on its way", n)
	}
}

// TestHeldForever gives up on a tenant after a while, and only on that one.
func TestHeldForever(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	s := postgres.New(postgres.Config{Wall: db.Wall, Lanes: 1, Patience: 300 * time.Millisecond})
	newTenant := tenants(t, db.Wall)
	stuck, other := newTenant(), newTenant()
	err := pgx.BeginFunc(t.Context(), db.Superuser(t), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `update es.tenant_head set last_pos = 99 where tenant_id = $1`, stuck.UUID)
		if err != nil {
			return err
		}
		var wg sync.WaitGroup
		for _, tenant := range []domain.TenantID{stuck, other} {
			for range 20 {
				wg.Go(func() {
					r := s.Append(t.Context(), tenant, newEvent(tenant))[0]
					if tenant == other && r.Err != nil || tenant == stuck && !errors.Is(r.Err, eventstore.ErrUnavailable) {
						t.Errorf("got %+v", r)
					}
				})
			}
		}
		wg.Wait()
		return errRollBack
	})
	if !errors.Is(err, errRollBack) {
		t.Error(err)
	}
	if r := s.Append(t.Context(), stuck, newEvent(stuck))[0]; r.Err != nil || r.Receipt.First != 1 {
		t.Errorf("got %+v", r)
	}
}

// TestLostAnswer loses the answers to commands that were recorded. Nothing is
// recorded twice, and everybody gets an answer in the end.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	tenant := tenants(t, db.Wall)()
	link, w := link(t, db)
	s := postgres.New(postgres.Config{Wall: w, Lanes: 1})
	for name, c := range map[string]func() eventstore.Command{
		"one event": func() eventstore.Command { return newEvent(tenant) },
		"several streams": func() eventstore.Command {
			c := newEvent(tenant)
			c.Writes = append(c.Writes, newEvent(tenant).Writes...)
			return c
		},
		"with a hash": func() eventstore.Command { c := newEvent(tenant); c.Hash = []byte("hash"); return c },
		"nothing to record": func() eventstore.Command {
			return eventstore.Command{ID: newEvent(tenant).ID, Hash: []byte("hash")}
		},
	} {
		for _, lose := range []int64{0, 1, 2, 3} {
			before := logged(t, s, tenant)
			link.lose.Store(lose)
			cmd := c()
			r := s.Append(t.Context(), tenant, cmd)[0]
			link.lose.Store(0)
			after := before + eventstore.Position(len(cmd.Writes))
			if r.Err != nil || r.Receipt.Repeated != (lose > 0) || r.Receipt.First != before+1 || r.Receipt.Last != after {
				t.Errorf("%s, %d answers lost: got %+v after position %d", name, lose, r, before)
			}
			if n := logged(t, s, tenant); n != after {
				t.Errorf("%s, %d answers lost: %d events, want %d", name, lose, n, after)
			}
		}
	}
}

// TestUnreachable appends while nobody answers.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	tenant := tenants(t, db.Wall)()
	link, w := link(t, db)
	s := postgres.New(postgres.Config{Wall: w, Patience: 200 * time.Millisecond})
	link.lose.Store(1 << 30)
	start := time.Now()
	for _, r := range s.Append(t.Context(), tenant, newEvent(tenant), newEvent(tenant)) {
		if !errors.Is(r.Err, eventstore.ErrUnavailable) {
			t.Errorf("got %+v", r)
		}
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("gave up after %s", took)
	}
	link.lose.Store(0)
	if r := s.Append(t.Context(), tenant, newEvent(tenant))[0]; r.Err != nil {
		t.Error(r.Err)
	}
	link.lose.Store(1) // and then there is nobody at all
	if err := link.listener.Close(); err != nil {
		t.Error(err)
	}
	if r := s.Append(t.Context(), tenant, newEvent(tenant))[0]; !errors.Is(r.Err, eventstore.ErrUnavailable) {
		t.Errorf("got %+v", r)
	}
}

// unreliable leads to a server, and loses what it is told to.
type unreliable struct {
	server   string
	listener net.Listener
	lose     atomic.Int64 // answers that are still to be lost, with their connections
}

// link returns a wall around a database that an unreliable link leads to.
func link(t *testing.T, db *dbtest.DB) (*unreliable, *wall.Wall) {
	t.Helper()
	u, err := url.Parse(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	const name = ".s.PGSQL.5432"
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() }) //nolint:errcheck // nobody listens any more
	link := &unreliable{server: filepath.Join(u.Query().Get("host"), name), listener: l}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go link.lead(client)
		}
	}()
	u.RawQuery = url.Values{"host": {dir}}.Encode()
	cfg := db.Config()
	cfg.URL = u.String()
	w, err := wall.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return link, w
}

// lead carries bytes both ways, until an answer is to be lost.
func (u *unreliable) lead(client net.Conn) {
	defer client.Close() //nolint:errcheck // it is closed
	server, err := net.Dial("unix", u.server)
	if err != nil {
		return
	}
	defer server.Close()       //nolint:errcheck // it is closed
	go io.Copy(server, client) //nolint:errcheck // ends with either
	for buf := make([]byte, 1<<16); ; {
		n, err := server.Read(buf)
		if err != nil || u.lose.Add(-1) >= 0 {
			return
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}
