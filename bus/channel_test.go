package bus_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/bus"
)

// Nothing is read or kept until somebody in this process subscribes, who then
// gets all there is, as often as it takes.
func TestChannel(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	channel := bus.NewChannel(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { channel.Close() }) //nolint:errcheck // returns nil
	select {
	case <-channel.Listened():
		t.Error("listened to by nobody")
	default:
	}
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
	<-channel.Listened()
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

// Without subscribers events wait, and are not dropped.
func TestChannelWithNobody(t *testing.T) {
	t.Parallel()
	channel := bus.NewChannel(slog.New(slog.DiscardHandler))
	if err := channel.Publish("x"); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("publish = %v", err)
	}
}
