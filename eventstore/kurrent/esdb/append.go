package esdb

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Appended says where the last event of an append is.
type Appended struct {
	Revision uint64   // what to expect in the next append
	Position Position // zero if the server did not say, which it need not for an append that was made before
}

// Append adds events to a stream whose last event has the expected revision,
// or which has none ([NoStream]), all or none.
//
// An append that was made before, with the same IDs at the same revision, is
// answered as it was then, whatever has been appended since. That makes it safe
// to repeat, which Append itself does until the context ends. After any error
// that is not a refusal ([Conflict], [ErrDeleted], [ErrTooLarge] and the like)
// the events may be there, and the same append finds out.
//
// It fails without asking the server if there are no events, which the server
// would answer with a revision that does not exist, or if they are larger than
// [Config.MaxAppendBytes].
func (c *Client) Append(ctx context.Context, stream string, expected int64, events []Event) (Appended, error) {
	if err := c.checkAppend(stream, expected, events); err != nil {
		return Appended{}, err
	}
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	var done Appended
	err := c.write(ctx, func(ctx context.Context, n *node) error {
		resp, err := send(ctx, n, stream, expected, events)
		if err == nil {
			done, err = appended(resp, stream, expected, len(events))
		}
		return err
	})
	return done, err
}

func (c *Client) checkAppend(stream string, expected int64, events []Event) error {
	size := 0
	for i := range events {
		size += events[i].Size()
	}
	switch {
	case stream == "":
		return errors.New("esdb: append to a stream without a name")
	case expected < NoStream:
		return fmt.Errorf("esdb: append at revision %d", expected)
	case len(events) == 0:
		return errors.New("esdb: append of no events")
	case size > c.cfg.MaxAppendBytes:
		return &TooLarge{Size: size, Limit: c.cfg.MaxAppendBytes}
	}
	return nil
}

// send makes one attempt. What it must never do is to end a request that is not
// complete, because the server writes what it has got by then. grpc repeats by
// itself requests that have not left the machine, out of a buffer that may hold
// the beginning only, if a connection breaks while it is filled: so there is no
// buffer.
func send(ctx context.Context, n *node, stream string, expected int64, events []Event) (*streams.AppendResp, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out, err := n.streams.Append(ctx, grpc.MaxRetryRPCBufferSize(0))
	if err != nil {
		return nil, translate(err, nil)
	}
	err = out.Send(&streams.AppendReq{Content: &streams.AppendReq_Options_{Options: appendOptions(stream, expected)}})
	for i := 0; i < len(events) && err == nil; i++ {
		err = out.Send(events[i].proposed())
	}
	switch {
	case errors.Is(err, io.EOF): // the reason is in the answer
		if err = out.RecvMsg(&streams.AppendResp{}); err == nil {
			err = status.Error(codes.Unavailable, "answered before everything was sent")
		}
		return nil, translate(err, out.Trailer())
	case err != nil:
		return nil, translate(err, out.Trailer())
	}
	resp, err := out.CloseAndRecv()
	if err != nil {
		return nil, translate(err, out.Trailer())
	}
	return resp, nil
}

func appendOptions(stream string, expected int64) *streams.AppendReq_Options {
	o := &streams.AppendReq_Options{StreamIdentifier: identifier(stream)}
	if expected == NoStream {
		o.ExpectedStreamRevision = &streams.AppendReq_Options_NoStream{NoStream: &shared.Empty{}}
	} else {
		o.ExpectedStreamRevision = &streams.AppendReq_Options_Revision{Revision: uint64(expected)}
	}
	return o
}

func appended(resp *streams.AppendResp, stream string, expected int64, events int) (Appended, error) {
	if w := resp.GetWrongExpectedVersion(); w != nil {
		conflict := &Conflict{Stream: stream, Expected: expected, Actual: NoStream}
		if r, ok := w.GetCurrentRevisionOption().(*streams.AppendResp_WrongExpectedVersion_CurrentRevision); ok {
			conflict.Actual = int64(r.CurrentRevision)
		}
		return Appended{}, conflict
	}
	ok := resp.GetSuccess()
	revision, known := ok.GetCurrentRevisionOption().(*streams.AppendResp_Success_CurrentRevision)
	if !known {
		return Appended{}, errors.New("esdb: the server has answered an append without a revision")
	}
	// A stream that was deleted softly goes on counting where it was.
	if last := int64(revision.CurrentRevision); last != expected+int64(events) && (expected != NoStream || last < int64(events)) {
		return Appended{}, fmt.Errorf("esdb: the server has appended up to revision %d, which is not %d events after %d", last, events, expected)
	}
	p := ok.GetPosition()
	return Appended{
		Revision: revision.CurrentRevision,
		Position: position(p.GetCommitPosition(), p.GetPreparePosition()),
	}, nil
}

func identifier(stream string) *shared.StreamIdentifier {
	return &shared.StreamIdentifier{StreamName: []byte(stream)}
}
