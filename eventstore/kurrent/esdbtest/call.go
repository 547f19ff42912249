package esdbtest

import (
	"context"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// turn is one call that was let in, with the fault that awaits it.
type turn struct {
	server *Server
	call   Call
	fault  Fault
}

// admit counts a call and decides whether it may go on.
func (s *Server) admit(ctx context.Context, method Method, stream string) (*turn, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	call := Call{Method: method, Stream: stream, Metadata: md, Number: int(s.count(method).Add(1))}
	t := &turn{server: s, call: call, fault: s.Faults.next(call)}
	later := t.fault.messages > 0
	if call.writes() {
		later = t.fault.written
	}
	if !later {
		if err := t.strike(ctx); err != nil {
			return nil, err
		}
	}
	if err := s.authorize(call); err != nil {
		return nil, err
	}
	if err := s.checkLeader(call); err != nil {
		return nil, err
	}
	return t, nil
}

// finish is called once the write is done.
func (t *turn) finish(ctx context.Context) error {
	if !t.fault.written {
		return nil
	}
	return t.strike(ctx)
}

func (t *turn) strike(ctx context.Context) error {
	f := t.fault
	if f.delay > 0 {
		timer := time.NewTimer(f.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ended(ctx)
		}
	}
	if f.gate != nil {
		if err := f.gate.wait(ctx, t.call); err != nil {
			return err
		}
	}
	if f.drop {
		if p, ok := peer.FromContext(ctx); ok {
			t.server.conns.cut(p.Addr)
		}
		return refuse(codes.Unavailable, "connection dropped", "")
	}
	if f.refusal != nil {
		return f.refusal(t.server)
	}
	return nil
}

// sender counts the messages of a read or a subscription for its fault.
type sender struct {
	stream streams.Streams_ReadServer
	turn   *turn
	sent   int
}

func (s *sender) send(r *streams.ReadResp) error {
	if err := s.stream.Send(r); err != nil {
		return err
	}
	if s.sent++; s.sent == s.turn.fault.messages {
		return s.turn.strike(s.stream.Context())
	}
	return nil
}

// finish strikes a read that was over before its fault.
func (s *sender) finish() error {
	if s.sent < s.turn.fault.messages {
		return s.turn.strike(s.stream.Context())
	}
	return nil
}

// checkLeader refuses calls that only the leader may answer, on other nodes.
// Everything else is forwarded by a follower, or answered by it.
func (s *Server) checkLeader(c Call) error {
	if s.cluster == nil || c.Method == Gossip || c.Method == Features {
		return nil
	}
	leader := s.leader()
	if leader == s {
		return nil
	}
	required := c.Metadata.Get("requires-leader")
	switch {
	case len(required) > 0 && required[0] == "true":
		return notLeader(leader)
	case c.writes() && (s.config.refuse || leader == nil || !leader.alive()):
		return notLeader(leader)
	default:
		return nil
	}
}

func (s *Server) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (resp any, err error) {
	defer s.recovered(&err)
	resp, err = handle(ctx, req)
	return resp, withTrailer(ctx, err)
}

func (s *Server) streaming(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	defer s.recovered(&err)
	return withTrailer(stream.Context(), handle(srv, stream))
}

func withTrailer(ctx context.Context, err error) error {
	if r, ok := err.(*refusal); ok && r.trailer != nil { //nolint:errorlint // handlers do not wrap
		if err := grpc.SetTrailer(ctx, r.trailer); err != nil {
			return err
		}
	}
	return err
}
