package wall_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/wall"
)

// shifts are how far clocks may be apart.
var shifts = []time.Duration{-24 * time.Hour, -time.Hour, -2 * time.Minute, time.Minute, 2 * time.Minute, time.Hour, 24 * time.Hour}

// shifted is a clock that can be set. Unlike [time.Now], it has no other clock in
// it that nobody can set.
type shifted struct{ by atomic.Int64 }

func (s *shifted) now() time.Time { return time.Now().Round(0).Add(time.Duration(s.by.Load())) }

// ways are all ways to ask for the rows of a tenant.
func ways(ctx context.Context, w *wall.Wall) map[string]func() error {
	scope := wall.Scope{Tenant: alice, Duty: wall.Reader}
	return map[string]func() error{
		"Pipe": func() error { return w.Pipe(ctx, scope, func(b *pgx.Batch) { b.Queue(seen) }) },
		"InTenant": func() error {
			return w.InTenant(ctx, scope, func(tx wall.Tx) error { _, err := tx.Exec(ctx, seen); return err })
		},
		"Sealed": func() error {
			return w.Sealed(ctx, wall.Access, []domain.TenantID{alice}, func(c wall.Tx, seals []string) error {
				_, err := c.Exec(ctx, `select sec.tenant($1)`, seals[0])
				return err
			})
		},
		"Ready": func() error { return w.Ready(ctx) },
	}
}

// TestClocksApart opens the wall on nodes whose clocks are far from that of the
// database, and sets them while the connections are there.
func TestClocksApart(t *testing.T) {
	t.Parallel()
	db := open(t)
	for _, shift := range shifts {
		var here shifted
		here.by.Store(int64(shift))
		cfg := db.Config()
		cfg.Now = here.now
		w, err := wall.Open(t.Context(), cfg)
		if err != nil {
			t.Fatalf("%s: %v", shift, err)
		}
		if off := w.ClockAhead() + shift; off.Abs() > time.Minute {
			t.Errorf("the database is %s ahead of a node that is %s ahead of it", w.ClockAhead(), shift)
		}
		for _, again := range shifts {
			for name, way := range ways(t.Context(), w) {
				if err := way(); err != nil {
					t.Errorf("%s at %s: %v", name, time.Duration(here.by.Load()), err)
				}
			}
			here.by.Store(int64(again))
		}
		w.Close()
	}
}

// TestClockSet sets the clock of the database while the connections are there.
// Readers do not notice; others may ask again at once.
func TestClockSet(t *testing.T) {
	t.Parallel()
	db := open(t)
	for _, ahead := range []time.Duration{time.Hour, 24 * time.Hour} {
		// The node looked at the clock of the database when that was behind by so
		// much: since then it was set.
		behind := wall.Behind(db.Wall, ahead)
		for name, way := range ways(t.Context(), db.Wall) {
			if err := way(); err != nil { // from now on the connection is there
				t.Fatalf("%s: %v", name, err)
			}
			behind()
			err := way()
			switch {
			case name == "Pipe", name == "Ready":
				if err != nil {
					t.Errorf("%s: a reader noticed: %v", name, err)
				}
			case err == nil || !wall.IsAway(err) || !strings.Contains(err.Error(), "the clock of the database was set forward by "+ahead.String()):
				t.Errorf("%s, set by %s: %v", name, ahead, err)
			}
			if err := way(); err != nil {
				t.Errorf("%s, asked again: %v", name, err)
			}
		}
	}
}
