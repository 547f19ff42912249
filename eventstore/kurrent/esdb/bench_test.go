package esdb

import (
	"context"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
)

// BenchmarkAppend is an append of one event to a stream of its own, from many
// callers, through the client and through the protocol alone.
func BenchmarkAppend(b *testing.B) {
	server, err := esdbtest.New()
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	data := make([]byte, 512)
	run := func(b *testing.B, one func(stream string, e Event) error) {
		b.Helper()
		b.SetParallelism(64)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := one("s-"+uuid.NewString(), Event{ID: uuid.New(), Type: "test.happened", Data: data, JSON: true}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	b.Run("client", func(b *testing.B) {
		cfg, err := Parse(server.URL())
		if err != nil {
			b.Fatal(err)
		}
		c, err := New(cfg)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		run(b, func(stream string, e Event) error {
			_, err := c.Append(b.Context(), stream, NoStream, []Event{e})
			return err
		})
	})
	b.Run("bare", func(b *testing.B) {
		conn, err := grpc.NewClient("passthrough:///"+server.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		bare := streams.NewStreamsClient(conn)
		run(b, func(stream string, e Event) error {
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			out, err := bare.Append(ctx)
			if err != nil {
				return err
			}
			_ = out.Send(&streams.AppendReq{Content: &streams.AppendReq_Options_{Options: appendOptions(stream, NoStream)}})
			_ = out.Send(e.proposed())
			_, err = out.CloseAndRecv()
			return err
		})
	})
}
