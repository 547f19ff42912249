package bus_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/bus"
	"github.com/rowhouse/rowhouse/eventstore"
)

// Nothing is read or kept until somebody in this process subscribes, who then
// gets all there is, as often as it takes.
func TestChannel(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	channel := bus.NewChannel(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { channel.Close() }) //nolint:errcheck // returns nil
	s := newStream(h.a)
	h.record(t, s, 2)
	h.record(t, newStream(h.b), 1)
	one, err := channel.Subscribe(t.Context(), bus.TopicOf(bus.Everything, h.a))
	if err != nil {
		t.Fatal(err)
	}
	all, err := channel.Subscribe(t.Context(), bus.Everything)
	if err != nil {
		t.Fatal(err)
	}
	_, stop := h.run(t, h.config(t, channel))
	seen := map[string]string{}
	for n := 0; n < 5; {
		select {
		case m := <-one:
			if m.Metadata["ce_tenant"] != h.a.String() {
				t.Errorf("event of %s", m.Metadata["ce_tenant"])
			}
			if h.position(t, h.a) != 0 && m.Metadata["ce_version"] == "1" {
				t.Error("moved on before it was acknowledged")
			}
			m.Ack()
			n++
		case m := <-all:
			if seen[m.UUID] == "" {
				seen[m.UUID] = "refused"
				m.Nack()
				continue
			}
			m.Ack()
			n++
		case <-time.After(20 * time.Second):
			t.Fatalf("%d of 5", n)
		}
	}
	h.settle(t, h.a)
	h.settle(t, h.b)
	if len(seen) != 3 {
		t.Errorf("seen = %v", seen)
	}
	h.record(t, s, 1)
	<-one // and never acknowledged
	stop()
	if at := h.position(t, h.a); at != 2 {
		t.Errorf("at %d", at)
	}
}

// A bus runs while somebody is subscribed, and as often as that is so: when nobody
// is any more, other nodes can have all shards.
func TestChannelRunsWhileSubscribed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	channel := bus.NewChannel(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { channel.Close() }) //nolint:errcheck // returns nil
	b := bus.New(h.config(t, channel))
	ctx, cancel := context.WithCancel(t.Context())
	var ending sync.WaitGroup
	ending.Go(func() { channel.While(ctx, b.Run) })
	t.Cleanup(func() { cancel(); ending.Wait() })
	free := func(shards int) bool {
		held, err := h.tracker.Lease(t.Context(), "another node", time.Minute, bus.GroupOf("test"))
		if err == nil {
			err = h.tracker.Release(t.Context(), bus.GroupOf("test"), "another node")
		}
		if err != nil {
			t.Fatal(err)
		}
		return len(held[bus.GroupOf("test")]) == shards
	}
	if !free(eventstore.Shards) {
		t.Fatal("shards are held for nobody")
	}
	for range 3 {
		h.record(t, newStream(h.a), 1)
		subscribed, leave := context.WithCancel(t.Context())
		out, err := channel.Subscribe(subscribed, bus.Everything)
		if err != nil {
			t.Fatal(err)
		}
		other, leaveFirst := context.WithCancel(t.Context())
		if _, err := channel.Subscribe(other, bus.TopicOf(bus.Everything, h.b)); err != nil {
			t.Fatal(err)
		}
		leaveFirst()
		select {
		case m := <-out:
			m.Ack()
		case <-time.After(20 * time.Second):
			t.Fatal("nothing came")
		}
		h.settle(t, h.a)
		leave()
		for deadline := time.Now().Add(5 * time.Second); !free(eventstore.Shards); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("shards are held for nobody")
			}
		}
	}
}

// Without subscribers events wait, and are not dropped.
func TestChannelWithNobody(t *testing.T) {
	t.Parallel()
	channel := bus.NewChannel(slog.New(slog.DiscardHandler))
	if err := channel.Publish("x"); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("publish = %v", err)
	}
}
