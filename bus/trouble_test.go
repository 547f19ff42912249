package bus_test

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/bus"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/wall"
)

// addTenants adds tenants to the house.
func (h *house) addTenants(t *testing.T, n int) []domain.TenantID {
	t.Helper()
	list := make([]domain.TenantID, n)
	err := h.wall.Outside(t.Context(), wall.Access, func(tx wall.Tx) error {
		for i := range list {
			list[i].UUID = uuid.Must(uuid.NewV7())
			if err := postgres.CreateTenant(t.Context(), tx, list[i], postgres.Here); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// However many tenants the broker takes nothing from, and whether it says so at
// once or never answers, the events of another one do not wait for theirs. The
// others arrive when there is no trouble any more.
func TestTenantsInTrouble(t *testing.T) {
	t.Parallel()
	hang := func(m *message.Message) error {
		<-m.Context().Done()
		return m.Context().Err()
	}
	fail := func(*message.Message) error { return errors.New("NOT_ENOUGH_REPLICAS") }
	for name, trouble := range map[string]func(*message.Message) error{"hang": hang, "fail": fail} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const troubled = 40
			h, target := newHouse(t), newBroker()
			var mu sync.Mutex
			tried := map[string]bool{}
			all := make(chan struct{})
			target.make(func(m *message.Message) error {
				who := m.Metadata["ce_tenant"]
				if who == h.b.String() {
					return nil
				}
				err := trouble(m)
				mu.Lock()
				defer mu.Unlock()
				if !tried[who] {
					if tried[who] = true; len(tried) == troubled {
						close(all)
					}
				}
				return err
			})
			cfg := h.config(t, target)
			cfg.Timeout = 2 * time.Second
			h.run(t, cfg)
			for _, id := range h.addTenants(t, troubled) {
				h.record(t, newStream(id), 1)
			}
			select {
			case <-all:
			case <-time.After(30 * time.Second):
				t.Fatal("not all were tried")
			}
			for i := range 5 {
				time.Sleep(time.Second) // so that it is not the success of the last one that opens the gate
				began := time.Now()
				h.record(t, newStream(h.b), 1)
				target.wait(t, i+1)
				if took := time.Since(began); took > time.Second {
					t.Errorf("it took %v", took)
				}
			}
			target.make(willing)
			check(t, target.wait(t, troubled+5))
		})
	}
}

// What the broker has taken of a batch counts also if we stop in the middle of it.
func TestStopInTheMiddle(t *testing.T) {
	t.Parallel()
	h, target := newHouse(t), newBroker()
	under := make(chan struct{})
	target.make(func(m *message.Message) error {
		if m.Metadata["ce_version"] == "3" {
			close(under)
			<-m.Context().Done()
			return m.Context().Err()
		}
		return nil
	})
	h.record(t, newStream(h.a), 5)
	_, stop := h.run(t, h.config(t, target))
	<-under
	stop()
	if at := h.position(t, h.a); at != 2 {
		t.Errorf("at %d though 2 were taken", at)
	}
	target.make(willing)
	h.run(t, h.config(t, target))
	if list := target.wait(t, 5); len(list) != 5 {
		t.Errorf("%d messages for 5 events", len(list))
	}
}

// A client library that panics is a broker that did not take it this time, and
// nothing of what was in the message is told.
func TestPanic(t *testing.T) {
	t.Parallel()
	h, target, told := newHouse(t), newBroker(), new(lines)
	var once sync.Once
	target.make(func(m *message.Message) error {
		once.Do(func() { panic("cannot send " + string(m.Payload)) })
		return nil
	})
	cfg := h.config(t, target)
	cfg.Log = slog.New(slog.NewTextHandler(told, nil))
	b, _ := h.run(t, cfg)
	h.record(t, newStream(h.a), 2)
	h.record(t, newStream(h.b), 2)
	check(t, target.wait(t, 4))
	h.settle(t, h.a)

	s := newStream(h.a)
	target.make(refuseVersion(s, "1"))
	h.record(t, s, 1)
	h.settle(t, h.a)
	target.make(func(m *message.Message) error { panic("cannot send " + string(m.Payload)) })
	if _, err := b.Replay(t.Context(), s); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("replay = %v", err)
	}
	if strings.Contains(told.String(), "secret") {
		t.Errorf("told: %s", told.String())
	}
}

// While a replay holds the checkpoint of a tenant, its other events are not
// settled, which is nobody's fault: they are when it lets go.
func TestReplayHoldsCheckpoint(t *testing.T) {
	t.Parallel()
	h, target, told := newHouse(t), newBroker(), new(lines)
	s := newStream(h.a)
	target.make(refuseVersion(s, "1"))
	cfg := h.config(t, target)
	cfg.Log = slog.New(slog.NewTextHandler(told, nil))
	b, _ := h.run(t, cfg)
	h.record(t, s, 1)
	h.settle(t, h.a)
	told.wait(t, "a record is parked") // which is said after it is so
	before := strings.Count(told.String(), "\n")

	under, on := make(chan struct{}), make(chan struct{})
	target.make(func(m *message.Message) error {
		if strings.HasSuffix(m.Metadata["ce_subject"], domain.ID{Prefix: "deal", UUID: s.ID}.String()) {
			close(under)
			<-on
		}
		return nil
	})
	replayed := make(chan error)
	go func() {
		_, err := b.Replay(t.Context(), s)
		replayed <- err
	}()
	<-under
	h.record(t, newStream(h.a), 1)
	// It is taken, cannot be settled within the 2 s that everybody waits for locks,
	// and is published once more.
	for deadline := time.Now().Add(20 * time.Second); len(target.wait(t, 1)) < 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it was not tried again")
		}
	}
	if at := h.position(t, h.a); at != 1 {
		t.Errorf("at %d while the checkpoint is held", at)
	}
	close(on)
	if err := <-replayed; err != nil {
		t.Errorf("replay = %v", err)
	}
	h.settle(t, h.a)
	if n := strings.Count(told.String(), "\n"); n != before {
		t.Errorf("told: %s", told.String())
	}
	if n := metrics(t, b)["rowhouse_follower_faults_total bus:test"]; n != 0 {
		t.Errorf("%v faults", n)
	}
}

// A tenant that the broker does not take events from, while it takes those of
// others, is mentioned, but not at once and not each time; and nobody says that
// the broker is away.
func TestPatience(t *testing.T) {
	t.Parallel()
	h, target, told := newHouse(t), newBroker(), new(lines)
	target.make(func(m *message.Message) error {
		if m.Metadata["ce_tenant"] == h.a.String() {
			return errors.New("UNKNOWN_TOPIC")
		}
		return nil
	})
	cfg := h.config(t, target)
	cfg.Log = slog.New(slog.NewTextHandler(told, nil))
	h.run(t, cfg)
	h.record(t, newStream(h.a), 1)
	began := time.Now()
	for !strings.Contains(told.String(), "events of a tenant could not be handled") {
		if time.Since(began) > 20*time.Second {
			t.Fatal("nobody was told")
		}
		h.record(t, newStream(h.b), 1)
		time.Sleep(20 * time.Millisecond)
	}
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("told after %v", took)
	}
	if n := strings.Count(told.String(), "\n"); n != 1 || !strings.Contains(told.String(), h.a.String()) {
		t.Errorf("told: %s", told.String())
	}
}

// Refusals are no sign of a broker that works: perhaps nobody has asked it.
func TestAwayWithRefusals(t *testing.T) {
	t.Parallel()
	h, target, told := newHouse(t), newBroker(), new(lines)
	var refusals atomic.Int64
	target.make(func(m *message.Message) error {
		if m.Metadata["ce_tenant"] == h.a.String() {
			return errors.New("connection refused")
		}
		refusals.Add(1)
		return bus.Refuse(bus.TooLarge, nil)
	})
	cfg := h.config(t, target)
	cfg.Log = slog.New(slog.NewTextHandler(told, nil))
	h.run(t, cfg)
	h.record(t, newStream(h.a), 1)
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(told.String(), "broker is away"); time.Sleep(50 * time.Millisecond) {
		h.record(t, newStream(h.b), 1)
		if time.Now().After(deadline) {
			t.Fatal("nobody noticed")
		}
	}
	h.record(t, newStream(h.b), 1)
	h.settle(t, h.b)
	if strings.Contains(told.String(), "broker is back") {
		t.Errorf("told after %d refusals: %s", refusals.Load(), told.String())
	}
}
