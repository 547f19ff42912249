package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/rowhouse/rowhouse/bus"
	"github.com/rowhouse/rowhouse/bus/kafka"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// broker speaks Kafka's protocol, keeps what it has on disk, and can be stopped
// and started again at the same address.
type broker struct {
	options []kfake.Opt
	cluster *kfake.Cluster
	port    int
}

func start(tb testing.TB, options ...kfake.Opt) *broker {
	tb.Helper()
	b := &broker{options: append(options, kfake.NumBrokers(1), kfake.DataDir(tb.TempDir()))}
	b.start(tb)
	tb.Cleanup(func() { b.stop() })
	return b
}

func (b *broker) start(tb testing.TB) {
	tb.Helper()
	options := b.options
	if b.port != 0 {
		options = append(slices.Clip(options), kfake.Ports(b.port))
	}
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		tb.Fatal(err)
	}
	_, port, err := net.SplitHostPort(cluster.ListenAddrs()[0])
	if err != nil {
		tb.Fatal(err)
	}
	b.cluster = cluster
	if b.port, err = strconv.Atoi(port); err != nil {
		tb.Fatal(err)
	}
}

func (b *broker) stop() { b.cluster.Close() }

func (b *broker) addr() string { return fmt.Sprintf("127.0.0.1:%d", b.port) }

func (b *broker) url(query string) string { return "kafka://" + b.addr() + "?" + query }

// kept returns all messages of a topic.
func (b *broker) kept(tb testing.TB, topic string) []*kgo.Record {
	tb.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.addr()), kgo.ConsumeTopics(topic))
	if err != nil {
		tb.Fatal(err)
	}
	defer client.Close()
	var want int64
	for _, p := range b.cluster.PartitionInfos(topic) {
		want += p.HighWatermark
	}
	var all []*kgo.Record
	for ctx := within(tb, 20*time.Second); int64(len(all)) < want; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			tb.Fatalf("%d of %d messages: %v", len(all), want, err)
		}
		all = append(all, fetches.Records()...)
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
	return kafka.Opener(os.ReadFile)(tb.Context(), u, log)
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

func sized(ctx context.Context, record string, size int) *message.Message {
	m := event(ctx, record, 0)
	m.Payload = make([]byte, size)
	return m
}

// random makes a message that cannot be compressed.
func random(ctx context.Context, record string, size int) *message.Message {
	m := sized(ctx, record, size)
	var seed [32]byte
	copy(seed[:], record)
	_, _ = rand.NewChaCha8(seed).Read(m.Payload)
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
	b := start(t)
	target := open(t, b.url(""))
	tenant := domain.TenantID{UUID: uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8057")}
	stream := eventstore.StreamID{Tenant: tenant, Kind: "deal", ID: uuid.Max}
	topic := target.Topic(stream, "deal.won")
	if want := "rowhouse." + tenant.String(); topic != want {
		t.Errorf("the topic is %s, not %s", topic, want)
	}
	m := event(t.Context(), "a", 1)
	m.Metadata[bus.Prefix+"note"] = `50 % "€"`
	if err := target.Publish(topic, m); err != nil {
		t.Fatal(err)
	}
	if err := target.Publish(topic); err != nil {
		t.Errorf("nothing: %v", err)
	}
	all := b.kept(t, topic)
	if len(all) != 1 {
		t.Fatalf("there are %d messages", len(all))
	}
	if got := all[0]; string(got.Key) != "a" || string(got.Value) != `{"n":1}` {
		t.Errorf("got %s: %s", got.Key, got.Value)
	}
	var headers []string
	for _, h := range all[0].Headers {
		headers = append(headers, h.Key+": "+string(h.Value))
	}
	want := "ce_id: evt_a_1\nce_note: 50 % \"€\"\nce_partitionkey: a\nce_type: deal.won\ncontent-type: application/json"
	if got := strings.Join(headers, "\n"); got != want {
		t.Errorf("headers are\n%s", got)
	}
	if shared := open(t, b.url("topic=everything")).Topic(stream, "deal.won"); shared != "everything" {
		t.Errorf("the topic is %s", shared)
	}
}

// TestPartitionsAreThoseOfJava has the hashes of the tests of Kafka's own client.
func TestPartitionsAreThoseOfJava(t *testing.T) {
	t.Parallel()
	b := start(t)
	target := open(t, b.url("partitions=7"))
	hashes := map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107,
	}
	var messages []*message.Message
	for key := range hashes {
		messages = append(messages, event(t.Context(), key, 0))
	}
	if err := target.Publish("rowhouse.ten_a", messages...); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.kept(t, "rowhouse.ten_a") {
		if want := hashes[string(r.Key)] & 0x7fffffff % 7; r.Partition != want {
			t.Errorf("%s is in partition %d, not %d", r.Key, r.Partition, want)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	b := start(t)
	target := open(t, b.url("partitions=3"))
	const n = 20_000
	var messages []*message.Message
	for i := range n {
		messages = append(messages, event(t.Context(), fmt.Sprint("r", i), 0))
	}
	if err := target.Publish("rowhouse.ten_a", messages...); err != nil {
		t.Fatal(err)
	}
	if got := len(b.kept(t, "rowhouse.ten_a")); got != n {
		t.Errorf("%d messages", got)
	}
}

func TestTopicsAreMade(t *testing.T) {
	t.Parallel()
	b := start(t, kfake.SeedTopics(5, "there"), kfake.DefaultNumPartitions(2))
	publish := func(query, topic string) error {
		return open(t, b.url(query)).Publish(topic, event(within(t, patience), "a", 0))
	}
	tests := []struct {
		query, topic string
		partitions   int
		fails        bool
	}{
		{"", "default", 2, false},
		{"partitions=4&replication=1", "told", 4, false},
		{"partitions=4", "there", 5, false},
		{"create=false", "there", 5, false},
		{"create=false", "missing", 0, true},
		{"", "not/a/topic", 0, true},
	}
	for _, test := range tests {
		err := publish(test.query, test.topic)
		if (err != nil) != test.fails || reason(err) != "" {
			t.Errorf("%s: %v", test.topic, err)
		}
		if n := len(b.cluster.PartitionInfos(test.topic)); n != test.partitions {
			t.Errorf("%s: %d partitions", test.topic, n)
		}
	}
}

func TestATopicThatWasDeletedIsMadeAgain(t *testing.T) {
	t.Parallel()
	b := start(t)
	target := open(t, b.url(""))
	if err := target.Publish("rowhouse.ten_a", event(within(t, patience), "a", 0)); err != nil {
		t.Fatal(err)
	}
	if err := b.cluster.DeleteTopic("rowhouse.ten_a"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "publishes", func() bool {
		err := target.Publish("rowhouse.ten_a", event(within(t, patience), "a", 0))
		if reason(err) != "" {
			t.Fatal(err)
		}
		return err == nil
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	b := start(t)
	if err := b.cluster.CreateTopic("small", 1, map[string]string{"max.message.bytes": "2000"}); err != nil {
		t.Fatal(err)
	}
	target := open(t, b.url("partitions=1"))
	random := func(record string, size int) *message.Message { return random(t.Context(), record, size) }
	tests := []struct {
		name, topic string
		messages    []*message.Message
		want        bus.Reason
		fails       bool
	}{
		{"larger than brokers take", "rowhouse.ten_a", []*message.Message{random("a", 1_000_000)}, bus.TooLarge, true},
		{"just not so", "rowhouse.ten_a", []*message.Message{random("a", 999_000)}, "", false},
		{"larger than the topic takes", "small", []*message.Message{random("a", 2500)}, bus.TooLarge, true},
		{"more than the topic takes at once", "small", []*message.Message{random("a", 1500), random("b", 1500), random("c", 1500)}, "", false},
		{"one of several is too large", "small", []*message.Message{random("d", 100), random("e", 2500), random("f", 100)}, bus.TooLarge, true},
	}
	for _, test := range tests {
		err := target.Publish(test.topic, test.messages...)
		if (err != nil) != test.fails || reason(err) != test.want {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	// What was refused is taken as soon as the topic allows it.
	b.configure(t, "small", "max.message.bytes", "10000")
	if err := target.Publish("small", random("a", 2500)); err != nil {
		t.Error(err)
	}
	b.configure(t, "small", "max.message.bytes", "2000")
	if err := target.Publish("small", random("a", 2500)); reason(err) != bus.TooLarge {
		t.Error(err)
	}
}

func (b *broker) configure(tb testing.TB, topic, name, value string) {
	tb.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.addr()))
	if err != nil {
		tb.Fatal(err)
	}
	defer client.Close()
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	of := kmsg.NewIncrementalAlterConfigsRequestResource()
	of.ResourceType, of.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	of.Configs = []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: name, Value: &value}}
	request.Resources = append(request.Resources, of)
	response, err := request.RequestWith(tb.Context(), client)
	if err != nil || response.Resources[0].ErrorCode != 0 {
		tb.Fatalf("%v, %v", err, response)
	}
}
