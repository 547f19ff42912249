package nats_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"

	"github.com/rowhouse/rowhouse/bus"
	"github.com/rowhouse/rowhouse/bus/nats"
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

const patience = 2 * time.Second

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
// that nothing is missing, in order of each record, under the subject of its
// tenant.
func checkAll(tb testing.TB, b *broker, publishers []*publisher) {
	tb.Helper()
	next := make(map[string]int)
	owner := make(map[string]*publisher)
	for _, p := range publishers {
		for _, r := range p.records {
			owner[r] = p
		}
	}
	repeated := 0
	for _, m := range kept(tb, b.stream(tb, "ROWHOUSE")) {
		record := m.Header.Get("ce-partitionkey")
		var n int
		if _, err := fmt.Sscanf(string(m.Data), `{"n":%d}`, &n); err != nil {
			tb.Fatal(err)
		}
		switch {
		case owner[record] == nil || m.Subject != owner[record].topic:
			tb.Fatalf("event of %s under %s", record, m.Subject)
		case n < next[record]:
			repeated++
		case n > next[record]:
			tb.Fatalf("event %d of %s comes before event %d", n, record, next[record])
		default:
			next[record]++
		}
	}
	for record, p := range owner {
		if next[record] < p.rounds || next[record] > p.rounds+1 { // one may be kept and not acknowledged
			tb.Errorf("%d events of %s, acknowledged were %d", next[record], record, p.rounds)
		}
	}
	if repeated > 0 {
		tb.Errorf("%d messages are kept twice", repeated)
	}
}

// TestRestarts does not run beside others, because it counts goroutines.
func TestRestarts(t *testing.T) {
	before := runtime.NumGoroutine()
	b := start(t, nil)
	target := open(t, b.url(""))
	steady := 0 // goroutines after the first outage
	var publishers []*publisher
	for tenant := range 3 {
		p := &publisher{topic: fmt.Sprintf("rowhouse.ten_%d.deal.won", tenant)}
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
		<-time.After(time.Duration(outage) * 150 * time.Millisecond) // away
		b.start(t)
		probe := fmt.Sprintf("probe-%d", outage)
		publishers = append(publishers, &publisher{topic: "rowhouse.ten_probe.deal.won", records: []string{probe}, rounds: 1})
		eventually(t, "publishes again", func() bool {
			return target.Publish("rowhouse.ten_probe.deal.won", event(within(t, patience), probe, 0)) == nil
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
	b := start(t, nil)
	b.stop()
	target := open(t, b.url(""))
	began := time.Now()
	publish := func() error {
		return target.Publish("rowhouse.ten_a.deal.won", event(within(t, 300*time.Millisecond), "a", 0))
	}
	if err := publish(); err == nil || reason(err) != "" {
		t.Errorf("nobody there: %v", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %v", took)
	}
	eventually(t, "says why", func() bool { return errors.Is(publish(), syscall.ECONNREFUSED) })
	b.start(t)
	eventually(t, "publishes", func() bool {
		return target.Publish("rowhouse.ten_a.deal.won", event(within(t, patience), "a", 0)) == nil
	})
}

// TestNothingIsLeft has a broker that comes back without what it kept.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	target := open(t, b.url(""))
	publish := func(n int) error {
		return target.Publish("rowhouse.ten_a.deal.won", event(within(t, patience), "a", n))
	}
	if err := publish(0); err != nil {
		t.Fatal(err)
	}
	if !nats.Looked(target) {
		t.Fatal("the stream was not looked at")
	}
	b.stop()
	b.options.StoreDir = t.TempDir()
	b.start(t)
	eventually(t, "the stream is to be looked at again", func() bool { return !nats.Looked(target) })
	if err := publish(1); err != nil {
		t.Error(err)
	}
	if all := kept(t, b.stream(t, "ROWHOUSE")); len(all) != 1 {
		t.Errorf("%d messages are kept", len(all))
	}
}

// TestLetInNoMore has a broker that lets somebody in, and then does not.
func TestLetInNoMore(t *testing.T) {
	t.Parallel()
	b := start(t, func(o *server.Options) { o.Username, o.Password = "u", "hunter2" })
	var log lines
	target := openWith(t, strings.Replace(b.url(""), "//", "//u:hunter2@", 1), slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	publish := func() error {
		return target.Publish("rowhouse.ten_a.deal.won", event(within(t, patience), "a", 0))
	}
	if err := publish(); err != nil {
		t.Fatal(err)
	}
	b.stop()
	b.options.Password = "changed"
	b.start(t)
	eventually(t, "the server says no, again and again", func() bool { return strings.Count(log.String(), "authorization violation") >= 3 })
	err := publish()
	if err == nil || !strings.Contains(strings.ToLower(err.Error()), "authorization violation") {
		t.Errorf("does not say why: %v", err)
	}
	if text := log.String(); strings.Count(text, "level=WARN") != 1 || strings.Contains(text, "level=INFO") || strings.Contains(text, "hunter2") {
		t.Errorf("the log has\n%s", text)
	}
	b.stop()
	b.options.Password = "hunter2"
	b.start(t)
	eventually(t, "publishes again", func() bool { return publish() == nil })
}

// lines is what was logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestMayNotPublish has a broker that falls silent where others would answer.
func TestMayNotPublish(t *testing.T) {
	t.Parallel()
	for _, allowed := range []string{"$JS.API.>", "rowhouse.>"} {
		b := start(t, func(o *server.Options) {
			o.Users = []*server.User{{Username: "u", Password: "hunter2", Permissions: &server.Permissions{
				Publish: &server.SubjectPermission{Allow: []string{allowed}},
			}}}
		})
		target := open(t, strings.Replace(b.url("timeout=500ms"), "//", "//u:hunter2@", 1))
		err := target.Publish("rowhouse.ten_a.deal.won", event(t.Context(), "a", 0))
		if !errors.Is(err, natsgo.ErrPermissionViolation) || !errors.Is(err, context.DeadlineExceeded) || reason(err) != "" {
			t.Errorf("with %s: %v", allowed, err)
		}
	}
}

// TestNothingIsSentLater publishes while there is no connection.
func TestNothingIsSentLater(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	target := open(t, b.url(""))
	publish := func(n int) error {
		return target.Publish("rowhouse.ten_a.deal.won", event(within(t, patience), "a", n))
	}
	if err := publish(0); err != nil {
		t.Fatal(err)
	}
	b.stop()
	for range 3 {
		began := time.Now()
		if err := publish(1); err == nil || time.Since(began) > patience/2 {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	}
	b.start(t)
	eventually(t, "publishes again", func() bool { return publish(2) == nil })
	if all := kept(t, b.stream(t, "ROWHOUSE")); len(all) != 2 || string(all[1].Data) != `{"n":2}` {
		t.Errorf("%d messages are kept", len(all))
	}
}

// TestSilence has a broker that is connected and says nothing any more: the worst
// kind, because nothing fails.
func TestSilence(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	line := newLine(t, fmt.Sprintf("127.0.0.1:%d", b.options.Port))
	target := open(t, "nats://"+line.addr()+"?timeout=500ms")
	if err := target.Publish("rowhouse.ten_a.deal.won", event(t.Context(), "a", 0)); err != nil {
		t.Fatal(err)
	}
	patient := open(t, "nats://"+line.addr()+"?timeout=1h")
	if err := patient.Publish("rowhouse.ten_a.deal.won", event(t.Context(), "b", 0)); err != nil {
		t.Fatal(err)
	}
	line.hold()
	for _, test := range []struct{ caller, want time.Duration }{
		{200 * time.Millisecond, 200 * time.Millisecond},
		{time.Hour, 500 * time.Millisecond},
	} {
		began := time.Now()
		err := target.Publish("rowhouse.ten_a.deal.won", event(within(t, test.caller), "a", 1))
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took < test.want || took > test.want+time.Second {
			t.Errorf("took %v and not %v: %v", took, test.want, err)
		}
	}
	failed := make(chan error)
	go func() { failed <- patient.Publish("rowhouse.ten_a.deal.won", event(t.Context(), "a", 1)) }()
	eventually(t, "it is on its way", func() bool { return nats.Pending(patient) == 1 })
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
	b := start(t, nil)
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
	if err := target.Publish("rowhouse.ten_a.deal.won", event(t.Context(), "a", 0)); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("publishes after that: %v", err)
	}
}

// line is a connection to a broker that can fall silent.
type line struct {
	listener net.Listener
	broker   string
	running  sync.WaitGroup

	mu    sync.Mutex
	held  bool
	conns []net.Conn
}

func newLine(tb testing.TB, broker string) *line {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	l := &line{listener: listener, broker: broker}
	l.running.Go(l.accept)
	tb.Cleanup(func() {
		_ = listener.Close()
		l.mu.Lock()
		for _, c := range l.conns {
			_ = c.Close()
		}
		l.mu.Unlock()
		l.running.Wait()
	})
	return l
}

func (l *line) addr() string { return l.listener.Addr().String() }

// hold has nothing come through any more, and nobody notice.
func (l *line) hold() {
	l.mu.Lock()
	l.held = true
	l.mu.Unlock()
}

func (l *line) accept() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", l.broker)
		if err != nil {
			_ = near.Close()
			continue
		}
		l.mu.Lock()
		l.conns = append(l.conns, near, far)
		l.mu.Unlock()
		l.running.Go(func() { l.pass(far, near) })
		l.running.Go(func() { l.pass(near, far) })
	}
}

func (l *line) pass(to io.WriteCloser, from io.Reader) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			_ = to.Close()
			return
		}
		l.mu.Lock()
		held := l.held
		l.mu.Unlock()
		if held {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
