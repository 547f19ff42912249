package esdb

import (
	"context"
	"log/slog"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// stub is a server that does what a test says, to the message.
type stub struct {
	streams.UnimplementedStreamsServer
	serverfeatures.UnimplementedServerFeaturesServer

	append    func(streams.Streams_AppendServer) error
	read      func(*streams.ReadReq, streams.Streams_ReadServer) error
	delete    func(context.Context) error
	tombstone func(context.Context) error
	features  func() (string, error)
	members   func() ([]*gossip.MemberInfo, error)

	addr string
}

func (s *stub) Append(ss streams.Streams_AppendServer) error { return s.append(ss) }

func (s *stub) Read(r *streams.ReadReq, ss streams.Streams_ReadServer) error { return s.read(r, ss) }

func (s *stub) Delete(ctx context.Context, _ *streams.DeleteReq) (*streams.DeleteResp, error) {
	return &streams.DeleteResp{}, s.delete(ctx) // without a position
}

func (s *stub) Tombstone(ctx context.Context, _ *streams.TombstoneReq) (*streams.TombstoneResp, error) {
	return &streams.TombstoneResp{}, s.tombstone(ctx)
}

func (s *stub) GetSupportedMethods(context.Context, *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	v, err := s.features()
	return &serverfeatures.SupportedMethods{EventStoreServerVersion: v}, err
}

type stubGossip struct {
	gossip.UnimplementedGossipServer
	stub *stub
}

func (g stubGossip) Read(context.Context, *shared.Empty) (*gossip.ClusterInfo, error) {
	m, err := g.stub.members()
	return &gossip.ClusterInfo{Members: m}, err
}

// serve runs a stub until the test ends.
func serve(t *testing.T, s *stub) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = lis.Addr().String()
	srv := grpc.NewServer()
	streams.RegisterStreamsServer(srv, s)
	serverfeatures.RegisterServerFeaturesServer(srv, s)
	gossip.RegisterGossipServer(srv, stubGossip{stub: s})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(lis)
	}()
	t.Cleanup(func() {
		srv.Stop()
		<-done
	})
	return s.addr
}

// client returns a client of addresses that is closed with the test. It sees to
// it that nothing is left of it then.
func client(t *testing.T, cfg Config, addrs ...string) *Client {
	t.Helper()
	cfg.Seeds = append(cfg.Seeds, addrs...)
	cfg.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// within bounds a test that may hang.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func event(data string) Event {
	return Event{ID: uuid.New(), Type: "test.happened", Data: []byte(data), Meta: []byte(`{}`), JSON: true}
}

// proposal is what an append sent.
type proposal struct {
	options *streams.AppendReq_Options
	events  []*streams.AppendReq_ProposedMessage
}

func proposed(t *testing.T, ss streams.Streams_AppendServer) proposal {
	t.Helper()
	var p proposal
	for {
		m, err := ss.Recv()
		if err != nil {
			return p
		}
		if o := m.GetOptions(); o != nil {
			p.options = o
		} else {
			p.events = append(p.events, m.GetProposedMessage())
		}
	}
}

func success(ss streams.Streams_AppendServer, revision, at uint64) error {
	return ss.SendAndClose(&streams.AppendResp{Result: &streams.AppendResp_Success_{Success: &streams.AppendResp_Success{
		CurrentRevisionOption: &streams.AppendResp_Success_CurrentRevision{CurrentRevision: revision},
		PositionOption:        &streams.AppendResp_Success_Position{Position: &streams.AppendResp_Position{CommitPosition: at, PreparePosition: at}},
	}}})
}

// at is an event as the server sends it.
func at(stream string, revision, pos uint64) *streams.ReadResp {
	return &streams.ReadResp{Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{
		Event: &streams.ReadResp_ReadEvent_RecordedEvent{
			Id: toWire(uuid.New()), StreamIdentifier: identifier(stream), StreamRevision: revision,
			CommitPosition: pos, PreparePosition: pos,
			Metadata: map[string]string{"type": "test.happened", "content-type": contentJSON, "created": "17000000001234567"},
		},
	}}}
}

func checkpoint(pos uint64) *streams.ReadResp {
	return &streams.ReadResp{Content: &streams.ReadResp_Checkpoint_{Checkpoint: &streams.ReadResp_Checkpoint{CommitPosition: pos, PreparePosition: pos}}}
}

func caughtUp() *streams.ReadResp {
	return &streams.ReadResp{Content: &streams.ReadResp_CaughtUp_{CaughtUp: &streams.ReadResp_CaughtUp{}}}
}

func confirmed() *streams.ReadResp {
	return &streams.ReadResp{Content: &streams.ReadResp_Confirmation{Confirmation: &streams.ReadResp_SubscriptionConfirmation{SubscriptionId: "x"}}}
}

func sendAll(ss streams.Streams_ReadServer, msgs ...*streams.ReadResp) error {
	for _, m := range msgs {
		if err := ss.Send(m); err != nil {
			return err
		}
	}
	return nil
}

func unavailable() error { return status.Error(codes.Unavailable, "Server Is Not Ready") }

func notLeaderTrailer(addr string) metadata.MD {
	host, port, _ := net.SplitHostPort(addr)
	return metadata.Pairs("exception", "not-leader", "leader-endpoint-host", host, "leader-endpoint-port", port)
}

func member(t *testing.T, addr string, state gossip.MemberInfo_VNodeState) *gossip.MemberInfo {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return &gossip.MemberInfo{State: state, IsAlive: true, HttpEndPoint: &gossip.EndPoint{Address: a.IP.String(), Port: uint32(a.Port)}}
}

// settled waits until there are no more goroutines than before.
func settled(t *testing.T, before int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for runtime.NumGoroutine() > before {
		select {
		case <-tick.C:
		case <-deadline.C:
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}
