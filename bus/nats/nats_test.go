package nats_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rowhouse/rowhouse/bus"
	"github.com/rowhouse/rowhouse/bus/nats"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// broker is a real server with JetStream on disk, that can be stopped and
// started again at the same address.
type broker struct {
	options *server.Options
	server  *server.Server
}

func start(tb testing.TB, change func(*server.Options)) *broker {
	tb.Helper()
	b := &broker{options: &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: tb.TempDir(), NoLog: true, NoSigs: true,
	}}
	if change != nil {
		change(b.options)
	}
	b.start(tb)
	tb.Cleanup(b.stop)
	return b
}

func (b *broker) start(tb testing.TB) {
	tb.Helper()
	s, err := server.NewServer(b.options.Clone())
	if err != nil {
		tb.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		tb.Fatal("the server does not start")
	}
	b.server, b.options.Port = s, s.Addr().(*net.TCPAddr).Port
}

func (b *broker) stop() {
	b.server.Shutdown()
	b.server.WaitForShutdown()
}

func (b *broker) url(query string) string {
	return fmt.Sprintf("nats://127.0.0.1:%d?%s", b.options.Port, query)
}

// stream looks at what the broker keeps, as itself.
func (b *broker) stream(tb testing.TB, name string) jetstream.Stream {
	tb.Helper()
	conn, err := natsgo.Connect("", natsgo.InProcessServer(b.server))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := js.Stream(tb.Context(), name)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// kept returns all messages of a stream.
func kept(tb testing.TB, s jetstream.Stream) []*jetstream.RawStreamMsg {
	tb.Helper()
	info, err := s.Info(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	var all []*jetstream.RawStreamMsg
	for seq := range info.State.LastSeq {
		m, err := s.GetMsg(tb.Context(), seq+1)
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

func logTo(tb testing.TB) *slog.Logger {
	tb.Helper()
	return slog.New(slog.NewTextHandler(tb.Output(), nil))
}

func tryOpen(tb testing.TB, text string, log *slog.Logger) (bus.Target, error) {
	tb.Helper()
	u, err := url.Parse(text)
	if err != nil {
		tb.Fatal(err)
	}
	return nats.Opener(os.ReadFile)(tb.Context(), u, log)
}

func open(tb testing.TB, text string) bus.Target {
	tb.Helper()
	return openWith(tb, text, logTo(tb))
}

func openWith(tb testing.TB, text string, log *slog.Logger) bus.Target {
	tb.Helper()
	target, err := tryOpen(tb, text, log)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := target.Close(); err != nil {
			tb.Error(err)
		}
	})
	return target
}

// event makes the n-th message of a record.
func event(ctx context.Context, record string, n int) *message.Message {
	m := message.NewMessage(fmt.Sprintf("evt_%s_%d", record, n), fmt.Appendf(nil, `{"n":%d}`, n))
	m.Metadata = message.Metadata{
		bus.Prefix + "id": m.UUID, bus.Prefix + "type": "deal.won", bus.Key: record, bus.ContentType: "application/json",
	}
	m.SetContext(ctx)
	return m
}

func within(tb testing.TB, d time.Duration) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), d)
	tb.Cleanup(cancel)
	return ctx
}

// eventually asks until it is told yes.
func eventually(tb testing.TB, what string, ask func() bool) {
	tb.Helper()
	ctx := within(tb, time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ask() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Fatalf("not in a minute: %s", what)
		}
	}
}

func reason(err error) bus.Reason {
	if r, ok := errors.AsType[*bus.Refusal](err); ok {
		return r.Reason
	}
	return ""
}

func TestMessagesAreAsTheBindingHasThem(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	target := open(t, b.url(""))
	tenant := domain.TenantID{UUID: uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8057")}
	topic := target.Topic(eventstore.StreamID{Tenant: tenant, Kind: "deal", ID: uuid.Max}, "deal.won")
	if want := "rowhouse." + tenant.String() + ".deal.won"; topic != want {
		t.Errorf("the subject is %s, not %s", topic, want)
	}
	m := event(t.Context(), "a", 1)
	m.Metadata[bus.Prefix+"note"] = `50 % "€"`
	for range 3 { // the second and third time it is there already
		if err := target.Publish(topic, m); err != nil {
			t.Fatal(err)
		}
	}
	all := kept(t, b.stream(t, "ROWHOUSE"))
	if len(all) != 1 {
		t.Fatalf("there are %d messages", len(all))
	}
	got := all[0]
	if got.Subject != topic || string(got.Data) != `{"n":1}` {
		t.Errorf("got %s: %s", got.Subject, got.Data)
	}
	want := map[string]string{
		"Nats-Msg-Id": "evt_a_1", "ce-id": "evt_a_1", "ce-type": "deal.won", "ce-partitionkey": "a",
		"ce-datacontenttype": "application/json", "content-type": "application/json",
		"ce-note": "50%20%25%20%22%E2%82%AC%22",
	}
	for name, value := range want {
		if got.Header.Get(name) != value {
			t.Errorf("%s is %q, not %q", name, got.Header.Get(name), value)
		}
	}
	if len(got.Header) != len(want)+1 { // and Nats-Expected-Stream
		t.Errorf("headers: %v", got.Header)
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	target := open(t, b.url(""))
	const n = 5000
	var messages []*message.Message
	for i := range n {
		messages = append(messages, event(t.Context(), fmt.Sprint("r", i), 0))
	}
	if err := target.Publish("rowhouse.ten_a.deal.won", messages...); err != nil {
		t.Fatal(err)
	}
	info, err := b.stream(t, "ROWHOUSE").Info(t.Context())
	if err != nil || info.State.Msgs != n {
		t.Errorf("%d messages, %v", info.State.Msgs, err)
	}
	if err := target.Publish("rowhouse.ten_a.deal.won"); err != nil {
		t.Errorf("nothing: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	b := start(t, func(o *server.Options) { o.MaxPayload = 100_000 })
	target := open(t, b.url(""))
	const topic = "rowhouse.ten_a.deal.won"
	if err := target.Publish(topic, event(t.Context(), "a", 0)); err != nil {
		t.Fatal(err)
	}
	large := func(size int) *message.Message {
		m := event(t.Context(), "b", size)
		m.Payload = make([]byte, size)
		return m
	}
	headers := event(t.Context(), "c", 0)
	headers.Metadata[bus.Prefix+"note"] = strings.Repeat("x", 70_000)
	badName := event(t.Context(), "d", 0)
	badName.Metadata["not a name:"] = "x"
	tests := []struct {
		name, topic string
		m           *message.Message
		want        bus.Reason
	}{
		{"larger than the server takes", topic, large(100_000), bus.TooLarge},
		{"more headers than the server takes", topic, headers, bus.TooLarge},
		{"a header that cannot be", topic, badName, bus.Invalid},
		{"a subject with a space", "rowhouse.ten_a.a b", event(t.Context(), "e", 0), bus.Invalid},
		{"a subject with an empty part", "rowhouse..a", event(t.Context(), "e", 0), bus.Invalid},
		{"a subject that is not ours", "elsewhere.ten_a.deal", event(t.Context(), "e", 0), ""},
	}
	for _, test := range tests {
		err := target.Publish(test.topic, test.m)
		if err == nil || reason(err) != test.want {
			t.Errorf("%s: %v", test.name, err)
		}
	}

	s := b.stream(t, "ROWHOUSE")
	config := s.CachedInfo().Config
	config.MaxMsgSize = 1000
	conn, err := natsgo.Connect("", natsgo.InProcessServer(b.server))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if err := target.Publish(topic, large(2000)); reason(err) != bus.TooLarge {
		t.Errorf("larger than the stream takes: %v", err)
	}
	// Those beside it are kept.
	if err := target.Publish(topic, event(t.Context(), "f", 0), large(2000), event(t.Context(), "g", 0)); err == nil {
		t.Error("no error")
	}
	if n := len(kept(t, s)); n != 3 {
		t.Errorf("%d messages are kept", n)
	}
}

func TestFullIsNoRefusal(t *testing.T) {
	t.Parallel()
	b := start(t, func(o *server.Options) { o.JetStreamMaxStore = 1 << 20 })
	target := open(t, b.url(""))
	var err error
	for i := 0; err == nil && i < 100; i++ {
		m := event(t.Context(), "a", i)
		m.Payload = make([]byte, 100_000)
		err = target.Publish("rowhouse.ten_a.deal.won", m)
	}
	if err == nil || reason(err) != "" {
		t.Errorf("a full disk: %v", err)
	}
}
