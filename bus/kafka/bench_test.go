package kafka_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// BenchmarkPublish compares calls of Publish with the bare client as it is by
// default, which sends the same records and waits for all of them. They take
// turns, so that whatever else the machine does slows both.
func BenchmarkPublish(b *testing.B) {
	const topic = "rowhouse.ten_a"
	for _, size := range []int{1, 100, 1000} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			target := open(b, start(b, kfake.SeedTopics(3, topic)).url(""))
			bare, err := kgo.NewClient(kgo.SeedBrokers(start(b, kfake.SeedTopics(3, topic)).addr()))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(bare.Close)
			var ours, theirs time.Duration
			for b.Loop() {
				messages := make([]*message.Message, size)
				for i := range messages {
					messages[i] = sized(b.Context(), fmt.Sprint("r", i), 600)
				}
				began := time.Now()
				if err := target.Publish(topic, messages...); err != nil {
					b.Fatal(err)
				}
				between := time.Now()
				records := make([]*kgo.Record, size)
				for i, m := range messages {
					records[i] = &kgo.Record{Topic: topic, Key: []byte(m.Metadata["ce_partitionkey"]), Value: m.Payload}
					for name, value := range m.Metadata {
						records[i].Headers = append(records[i].Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
					}
				}
				if err := bare.ProduceSync(b.Context(), records...).FirstErr(); err != nil {
					b.Fatal(err)
				}
				ours, theirs = ours+between.Sub(began), theirs+time.Since(between)
			}
			b.ReportMetric(float64(b.N*size)/ours.Seconds(), "msg/s")
			b.ReportMetric(float64(b.N*size)/theirs.Seconds(), "bare-msg/s")
			b.ReportMetric(theirs.Seconds()/ours.Seconds(), "of-bare")
		})
	}
}
