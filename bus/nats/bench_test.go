package nats_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// BenchmarkPublish compares calls of Publish with the bare client, which sends
// the same messages asynchronously and waits for all of them.
func BenchmarkPublish(b *testing.B) {
	for _, size := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(size, "/rowhouse"), func(b *testing.B) {
			broker := start(b, nil)
			target := open(b, broker.url(""))
			for n := 0; b.Loop(); n++ {
				messages := make([]*message.Message, size)
				for i := range messages {
					messages[i] = large(b, fmt.Sprint("r", i), n)
				}
				if err := target.Publish("rowhouse.ten_a.deal.won", messages...); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "msg/s")
		})
		b.Run(fmt.Sprint(size, "/bare"), func(b *testing.B) {
			broker := start(b, nil)
			conn, err := natsgo.Connect(broker.url(""))
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			js, err := jetstream.New(conn)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := js.CreateStream(b.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"rowhouse.>"}}); err != nil {
				b.Fatal(err)
			}
			for n := 0; b.Loop(); n++ {
				acks := make([]jetstream.PubAckFuture, size)
				for i := range acks {
					m := large(b, fmt.Sprint("r", i), n)
					header := natsgo.Header{"Nats-Msg-Id": {m.UUID}}
					for name, value := range m.Metadata {
						header[name] = []string{value}
					}
					acks[i], err = js.PublishMsgAsync(&natsgo.Msg{Subject: "rowhouse.ten_a.deal.won", Header: header, Data: m.Payload})
					if err != nil {
						b.Fatal(err)
					}
				}
				for _, ack := range acks {
					select {
					case <-ack.Ok():
					case err := <-ack.Err():
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}

func large(tb testing.TB, record string, n int) *message.Message {
	tb.Helper()
	m := event(tb.Context(), record, n)
	m.Payload = []byte(strings.Repeat("x", 600))
	return m
}
