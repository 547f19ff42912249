package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/rowhouse/rowhouse/bus"
	"github.com/rowhouse/rowhouse/bus/kafka"
)

// watch has a look at every request to store messages.
func (b *broker) watch(look func(*kmsg.ProduceRequest)) {
	b.cluster.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		look(r.(*kmsg.ProduceRequest))
		return nil, nil, false
	})
}

// TestAllReplicasOnceEach looks at what the broker is asked for: that all replicas
// in sync have the messages, and to drop what it is sent again.
func TestAllReplicasOnceEach(t *testing.T) {
	t.Parallel()
	b := start(t)
	var batches atomic.Int32
	b.watch(func(r *kmsg.ProduceRequest) {
		if r.Acks != -1 {
			t.Errorf("wants %d acknowledgements", r.Acks)
		}
		for i := range r.Topics {
			for _, p := range r.Topics[i].Partitions {
				var batch kmsg.RecordBatch
				if err := batch.ReadFrom(p.Records); err != nil || batch.ProducerID < 0 || batch.FirstSequence < 0 {
					t.Errorf("producer %d, message %d: %v", batch.ProducerID, batch.FirstSequence, err)
				}
				batches.Add(1)
			}
		}
	})
	target := open(t, b.url(""))
	for n := range 3 {
		if err := target.Publish("rowhouse.ten_a", event(t.Context(), "a", n)); err != nil {
			t.Fatal(err)
		}
	}
	if n := batches.Load(); n != 3 {
		t.Errorf("the broker got %d batches", n)
	}
}

// TestOnlyWhatIsTooLargeIsRefused has one message that is too large for a topic,
// which takes less than it did, with others in the same batch or behind it. They
// are refused together, but each call is told about its own message.
func TestOnlyWhatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	b := start(t)
	if err := b.cluster.CreateTopic("shrinks", 1, map[string]string{"max.message.bytes": "100000"}); err != nil {
		t.Fatal(err)
	}
	target := open(t, b.url(""))
	if err := target.Publish("shrinks", event(t.Context(), "first", 0)); err != nil {
		t.Fatal(err)
	}
	b.configure(t, "shrinks", "max.message.bytes", "2000")
	all := make(chan struct{})
	b.watch(func(*kmsg.ProduceRequest) { <-all })
	const n = 20
	var calls sync.WaitGroup
	for i := range n {
		calls.Go(func() {
			if err := target.Publish("shrinks", random(t.Context(), fmt.Sprint("r", i), 1500)); err != nil {
				t.Errorf("call %d: %v", i, err)
			}
		})
	}
	calls.Go(func() {
		if err := target.Publish("shrinks", random(t.Context(), "large", 2500)); reason(err) != bus.TooLarge {
			t.Errorf("what is too large: %v", err)
		}
	})
	eventually(t, "all are under way", func() bool { return kafka.Buffered(target) == n+1 })
	close(all)
	calls.Wait()
	if got := len(b.kept(t, "shrinks")); got != n+1 {
		t.Errorf("%d messages are kept", got)
	}
}

// TestTooFewReplicas has brokers that answer, and take nothing for now.
func TestTooFewReplicas(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.cluster.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		request := r.(*kmsg.ProduceRequest)
		response := request.ResponseKind().(*kmsg.ProduceResponse)
		for i := range request.Topics {
			of := kmsg.NewProduceResponseTopic()
			of.Topic, of.TopicID = request.Topics[i].Topic, request.Topics[i].TopicID
			for _, p := range request.Topics[i].Partitions {
				partition := kmsg.NewProduceResponseTopicPartition()
				partition.Partition, partition.ErrorCode = p.Partition, kerr.NotEnoughReplicas.Code
				of.Partitions = append(of.Partitions, partition)
			}
			response.Topics = append(response.Topics, of)
		}
		return response, nil, true
	})
	err := open(t, b.url("timeout=3s")).Publish("rowhouse.ten_a", event(t.Context(), "a", 0))
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "NOT_ENOUGH_REPLICAS") || reason(err) != "" {
		t.Error(err)
	}
}

// TestLetInNoMore has a broker that lets nobody in, and says so as Kafka does.
func TestLetInNoMore(t *testing.T) {
	t.Parallel()
	b := start(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "u", "hunter2"))
	b.cluster.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		response := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		response.ErrorCode = kerr.SaslAuthenticationFailed.Code
		return response, nil, true
	})
	var log lines
	target := openWith(t, strings.Replace(b.url("sasl=plain&timeout=1s"), "//", "//u:hunter2@", 1), slog.New(slog.NewTextHandler(&log, nil)))
	for n := range 5 {
		err := target.Publish("rowhouse.ten_a", event(t.Context(), "a", n))
		if !errors.Is(err, kerr.SaslAuthenticationFailed) || reason(err) != "" || strings.Contains(err.Error(), "hunter2") {
			t.Error(err)
		}
	}
	if text := log.String(); strings.Count(text, "\n") != 1 || strings.Contains(text, "hunter2") {
		t.Errorf("the log has\n%s", text)
	}
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

// TestAfterARefusal publishes before and after a message that is too large: what
// comes then must not be taken for what was before.
func TestAfterARefusal(t *testing.T) {
	t.Parallel()
	b := start(t)
	target := open(t, b.url("partitions=1"))
	for n := range 4 {
		if err := target.Publish("rowhouse.ten_a", event(t.Context(), "a", n)); err != nil {
			t.Fatal(err)
		}
		if err := target.Publish("rowhouse.ten_a", random(t.Context(), "b", 1_100_000)); reason(err) != bus.TooLarge {
			t.Error(err)
		}
	}
	all := b.kept(t, "rowhouse.ten_a")
	if len(all) != 4 {
		t.Errorf("%d messages are kept", len(all))
	}
	for n, r := range all {
		if want := fmt.Sprintf(`{"n":%d}`, n); string(r.Value) != want {
			t.Errorf("message %d is %s", n, r.Value)
		}
	}
}

func TestMoreTopicsThanAreKept(t *testing.T) {
	t.Parallel()
	b := start(t, kfake.DefaultNumPartitions(1))
	target := open(t, b.url(""))
	const kept, topics, rounds = 3, 8, 5
	kafka.KeepTopics(target, kept)
	var calls sync.WaitGroup
	for i := range topics {
		calls.Go(func() {
			for n := range rounds {
				if err := target.Publish(fmt.Sprint("rowhouse.", i), event(t.Context(), "a", n)); err != nil {
					t.Errorf("topic %d: %v", i, err)
				}
			}
		})
	}
	calls.Wait()
	for i := range topics {
		if err := target.Publish(fmt.Sprint("rowhouse.", i), event(t.Context(), "a", rounds)); err != nil {
			t.Errorf("topic %d: %v", i, err)
		}
		if got := len(b.kept(t, fmt.Sprint("rowhouse.", i))); got != rounds+1 {
			t.Errorf("topic %d has %d messages", i, got)
		}
	}
	if n := kafka.Topics(target); n > kept+1 {
		t.Errorf("%d topics are known", n)
	}
}
