package nats_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// BenchmarkPublish compares calls of Publish with the bare client, which sends
// the same messages asynchronously and waits for all of them. They take turns, so
// that whatever else the machine does slows both.
func BenchmarkPublish(b *testing.B) {
	const topic = "rowhouse.ten_a.deal.won"
	for _, size := range []int{1, 100, 1000} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			broker := start(b, nil)
			target, bare := open(b, broker.url("")), newBare(b, start(b, nil))
			var ours, theirs time.Duration
			for n := 0; b.Loop(); n++ {
				messages := make([]*message.Message, size)
				for i := range messages {
					messages[i] = event(b.Context(), fmt.Sprint("r", i), n)
					messages[i].Payload = []byte(strings.Repeat("x", 600))
				}
				began := time.Now()
				if err := target.Publish(topic, messages...); err != nil {
					b.Fatal(err)
				}
				between := time.Now()
				if err := bare.publish(b.Context(), topic, messages); err != nil {
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

type bareClient struct{ js jetstream.JetStream }

func newBare(b *testing.B, broker *broker) bareClient {
	b.Helper()
	conn, err := natsgo.Connect(broker.url(""))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := js.CreateStream(b.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"rowhouse.>"}}); err != nil {
		b.Fatal(err)
	}
	return bareClient{js}
}

func (c bareClient) publish(ctx context.Context, topic string, messages []*message.Message) error {
	acks := make([]jetstream.PubAckFuture, len(messages))
	for i, m := range messages {
		header := natsgo.Header{jetstream.MsgIDHeader: {m.UUID}}
		for name, value := range m.Metadata {
			header[name] = []string{value}
		}
		ack, err := c.js.PublishMsgAsync(&natsgo.Msg{Subject: topic, Header: header, Data: m.Payload})
		if err != nil {
			return err
		}
		acks[i] = ack
	}
	for _, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
