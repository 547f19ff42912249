package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/rowhouse/rowhouse/bus"
	"github.com/rowhouse/rowhouse/bus/kafka"
)

// publisher publishes events of several records of one tenant, as the bus does:
// each call has one event of each record, and what failed is published again.
type publisher struct {
	topic   string
	records []string
	rounds  int // that were acknowledged
	failed  int // calls
	slowest time.Duration
}

const patience = 700 * time.Millisecond

func (p *publisher) run(tb testing.TB, target bus.Target, stop <-chan struct{}) {
	tb.Helper()
	for {
		select {
		case <-stop:
			return
		default:
		}
		ctx, cancel := context.WithTimeout(tb.Context(), patience)
		var messages []*message.Message
		for _, r := range p.records {
			messages = append(messages, event(ctx, r, p.rounds))
		}
		began := time.Now()
		err := target.Publish(p.topic, messages...)
		p.slowest = max(p.slowest, time.Since(began))
		if err == nil {
			p.rounds++
		} else {
			p.failed++
			if reason(err) != "" {
				tb.Errorf("an outage is no refusal: %v", err)
			}
			select { // a follower waits before it tries again
			case <-time.After(20 * time.Millisecond):
			case <-stop:
			}
		}
		cancel()
	}
}

// checkAll reads all that the broker keeps, drops what it has seen, and checks
// that nothing is missing, in order of each record, in the topic of its tenant.
func checkAll(tb testing.TB, b *broker, publishers []*publisher) {
	tb.Helper()
	repeated := 0
	for _, p := range publishers {
		next := make(map[string]int)
		for _, r := range p.records {
			next[r] = 0
		}
		for _, m := range b.kept(tb, p.topic) {
			record := string(m.Key)
			var n int
			if _, err := fmt.Sscanf(string(m.Value), `{"n":%d}`, &n); err != nil {
				tb.Fatal(err)
			}
			due, ours := next[record]
			switch {
			case !ours:
				tb.Fatalf("event of %s in %s", record, p.topic)
			case n < due:
				repeated++
			case n > due:
				tb.Fatalf("event %d of %s comes before event %d", n, record, due)
			default:
				next[record]++
			}
		}
		for record, n := range next {
			if n < p.rounds || n > p.rounds+1 { // one may be kept and not acknowledged
				tb.Errorf("%d events of %s, acknowledged were %d", n, record, p.rounds)
			}
		}
	}
	tb.Logf("%d messages are kept twice", repeated)
}

// TestRestarts does not run beside others, because it counts goroutines.
func TestRestarts(t *testing.T) {
	before := runtime.NumGoroutine()
	b := start(t)
	target := open(t, b.url("partitions=3"))
	steady := 0 // goroutines after the first outage
	var publishers []*publisher
	for tenant := range 3 {
		p := &publisher{topic: fmt.Sprintf("rowhouse.ten_%d", tenant)}
		for r := range 20 {
			p.records = append(p.records, fmt.Sprintf("t%d-r%d", tenant, r))
		}
		publishers = append(publishers, p)
	}

	for outage := range 5 {
		stop := make(chan struct{})
		var running sync.WaitGroup
		for _, p := range publishers {
			running.Go(func() { p.run(t, target, stop) })
		}
		<-time.After(100 * time.Millisecond) // under load
		b.stop()
		<-time.After(time.Duration(outage) * 400 * time.Millisecond) // away
		b.start(t)
		probe := &publisher{topic: fmt.Sprintf("rowhouse.ten_probe%d", outage), records: []string{"probe"}, rounds: 1}
		publishers = append(publishers, probe)
		eventually(t, "publishes again", func() bool {
			return target.Publish(probe.topic, event(within(t, patience), "probe", 0)) == nil
		})
		close(stop)
		running.Wait()
		if outage == 0 {
			steady = runtime.NumGoroutine() + 2 // a server has some that come and go
		}
		eventually(t, "no more goroutines than after the first outage", func() bool { return runtime.NumGoroutine() <= steady })
	}
	t.Run("kept", func(t *testing.T) { checkAll(t, b, publishers) })
	for _, p := range publishers[:3] {
		t.Logf("%d rounds, %d calls failed, the slowest took %v", p.rounds, p.failed, p.slowest)
		if p.slowest > patience+500*time.Millisecond {
			t.Errorf("a call took %v", p.slowest)
		}
		if p.rounds == 0 || p.failed == 0 {
			t.Errorf("%d rounds, %d calls failed: no outage", p.rounds, p.failed)
		}
	}
	if err := target.Close(); err != nil {
		t.Error(err)
	}
	b.stop()
	eventually(t, "no more goroutines than before", func() bool { return runtime.NumGoroutine() <= before })
}

func TestNobodyThereAtFirst(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.stop()
	target := open(t, b.url(""))
	began := time.Now()
	err := target.Publish("rowhouse.ten_a", event(within(t, 300*time.Millisecond), "a", 0))
	if !errors.Is(err, syscall.ECONNREFUSED) || reason(err) != "" {
		t.Errorf("nobody there: %v", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %v", took)
	}
	b.start(t)
	eventually(t, "publishes", func() bool {
		return target.Publish("rowhouse.ten_a", event(within(t, patience), "a", 0)) == nil
	})
}

// TestSilence has a broker that is connected and says nothing any more: the worst
// kind, because nothing fails.
func TestSilence(t *testing.T) {
	t.Parallel()
	var line line
	b := start(t, kfake.ListenFn(line.listen))
	target, patient := open(t, b.url("timeout=500ms")), open(t, b.url("timeout=1h"))
	if err := patient.Publish("rowhouse.ten_a", event(t.Context(), "b", 0)); err != nil {
		t.Fatal(err)
	}
	if err := target.Publish("rowhouse.ten_a", event(t.Context(), "a", 0)); err != nil {
		t.Fatal(err)
	}
	line.silent.Store(true)
	for _, test := range []struct{ caller, within time.Duration }{
		{200 * time.Millisecond, 200 * time.Millisecond},
		{time.Hour, 500 * time.Millisecond},
	} {
		ctx := within(t, test.caller)
		began := time.Now()
		err := target.Publish("rowhouse.ten_a", event(ctx, "a", 1))
		if took := time.Since(began); err == nil || reason(err) != "" || took > test.within+time.Second {
			t.Errorf("took %v and not %v: %v", took, test.within, err)
		}
		if errors.Is(err, context.DeadlineExceeded) && time.Since(began) < test.within {
			t.Errorf("somebody else's deadline: %v", err)
		}
	}
	eventually(t, "nothing is kept of what was given up", func() bool { return kafka.Buffered(target) == 0 })

	failed := make(chan error)
	go func() { failed <- patient.Publish("rowhouse.ten_a", event(t.Context(), "a", 1)) }()
	eventually(t, "it is on its way", func() bool { return kafka.Buffered(patient) == 1 })
	began := time.Now()
	if err := patient.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil || reason(err) != "" {
		t.Errorf("a call while the target is closed: %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("closing took %v", took)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	b := start(t)
	target := open(t, b.url(""))
	var closing sync.WaitGroup
	for range 3 {
		closing.Go(func() {
			if err := target.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	closing.Wait()
	if err := target.Publish("rowhouse.ten_a", event(t.Context(), "a", 0)); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("publishes after that: %v", err)
	}
}

// line is what a broker is connected with. It can fall silent: the broker hears,
// and what it says gets lost.
type line struct{ silent atomic.Bool }

func (l *line) listen(network, address string) (net.Listener, error) {
	listener, err := net.Listen(network, address)
	return &lineListener{listener, l}, err
}

type lineListener struct {
	net.Listener
	line *line
}

func (l *lineListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return &lineConn{conn, l.line}, err
}

type lineConn struct {
	net.Conn
	line *line
}

func (c *lineConn) Write(b []byte) (int, error) {
	if c.line.silent.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}
