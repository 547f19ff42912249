package kafka_test

import (
	"fmt"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// BenchmarkPublish compares calls of Publish with the bare client as it is by
// default, which sends the same records and waits for all of them.
func BenchmarkPublish(b *testing.B) {
	const topic = "rowhouse.ten_a"
	for _, size := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(size, "/rowhouse"), func(b *testing.B) {
			broker := start(b, kfake.SeedTopics(3, topic))
			target := open(b, broker.url(""))
			for b.Loop() {
				messages := make([]*message.Message, size)
				for i := range messages {
					messages[i] = sized(b.Context(), fmt.Sprint("r", i), 600)
				}
				if err := target.Publish(topic, messages...); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "msg/s")
		})
		b.Run(fmt.Sprint(size, "/bare"), func(b *testing.B) {
			broker := start(b, kfake.SeedTopics(3, topic))
			client, err := kgo.NewClient(kgo.SeedBrokers(broker.addr()))
			if err != nil {
				b.Fatal(err)
			}
			defer client.Close()
			for b.Loop() {
				records := make([]*kgo.Record, size)
				for i := range records {
					m := sized(b.Context(), fmt.Sprint("r", i), 600)
					records[i] = &kgo.Record{Topic: topic, Key: []byte(m.Metadata["ce_partitionkey"]), Value: m.Payload}
					for name, value := range m.Metadata {
						records[i].Headers = append(records[i].Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
					}
				}
				if err := client.ProduceSync(b.Context(), records...).FirstErr(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}
