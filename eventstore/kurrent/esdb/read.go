package esdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
)

// ReadStream yields the events of a stream from a revision on, in order, up to
// a limit if it is positive. An error ends it: [ErrNotFound] if there is no such
// stream (or its events are hidden), [ErrDeleted] if it is deleted for good. A
// connection that drops does not: it goes on where it was.
func (c *Client) ReadStream(ctx context.Context, stream string, from uint64, limit int) iter.Seq2[Recorded, error] {
	return c.read(ctx, limit, func() cursor {
		next := from
		return cursor{
			request: func() *streams.ReadReq_Options { return streamRequest(stream, next) },
			accept: func(r Recorded) bool {
				fresh := r.Revision >= next
				next = max(next, r.Revision+1)
				return fresh
			},
		}
	})
}

// ReadAll yields the events after a position that pass the filter, in the order
// of the log, up to a limit if it is positive. A connection that drops does not
// end it. The server may have to look at the whole log to find them, and is
// silent while it does: if they are few, give it a context with a deadline.
func (c *Client) ReadAll(ctx context.Context, after Position, filter Filter, limit int) iter.Seq2[Recorded, error] {
	return c.read(ctx, limit, func() cursor {
		at := after
		return cursor{
			request: func() *streams.ReadReq_Options { return allRequest(at, filter) },
			accept: func(r Recorded) bool {
				// The server begins with the event at the position itself.
				if at != (Position{}) && !r.Position.After(at) {
					return false
				}
				at = r.Position
				return filter.accepts(r.Stream)
			},
		}
	})
}

// LastRevision returns the revision of the last event of a stream, [NoStream] if
// there is none, or [ErrDeleted].
func (c *Client) LastRevision(ctx context.Context, stream string) (int64, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	last := NoStream
	err := c.call(ctx, func(ctx context.Context, n *node) error {
		var err error
		last, err = lastRevision(ctx, n, stream)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return NoStream, nil
	}
	return last, err
}

// Last returns the position of the last event of the log, whatever its stream: zero
// if there is none.
func (c *Client) Last(ctx context.Context) (Position, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	var last Position
	err := c.call(ctx, func(ctx context.Context, n *node) error {
		o := request()
		o.StreamOption = &streams.ReadReq_Options_All{All: &streams.ReadReq_Options_AllOptions{
			AllOption: &streams.ReadReq_Options_AllOptions_End{End: &shared.Empty{}},
		}}
		o.ReadDirection = streams.ReadReq_Options_Backwards
		o.CountOption = &streams.ReadReq_Options_Count{Count: 1}
		return receive(ctx, n, o, func(e *streams.ReadResp_ReadEvent_RecordedEvent) bool {
			last = position(e.GetCommitPosition(), e.GetPreparePosition())
			return false
		})
	})
	return last, err
}

// pingStream has nothing in it. That the leader says so is what a ping is for.
const pingStream = "esdb-ping"

// Ping returns nil if the leader answers.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.LastRevision(ctx, pingStream)
	if errors.Is(err, ErrDeleted) {
		return nil
	}
	return err
}

func lastRevision(ctx context.Context, n *node, stream string) (int64, error) {
	o := streamRequest(stream, 0)
	o.GetStream().RevisionOption = &streams.ReadReq_Options_StreamOptions_End{End: &shared.Empty{}}
	o.ReadDirection = streams.ReadReq_Options_Backwards
	o.CountOption = &streams.ReadReq_Options_Count{Count: 1}
	last := NoStream
	err := receive(ctx, n, o, func(e *streams.ReadResp_ReadEvent_RecordedEvent) bool {
		last = int64(e.GetStreamRevision())
		return false
	})
	if err == nil && last == NoStream {
		err = fmt.Errorf("%w: all its events are hidden", ErrNotFound)
	}
	return last, err
}

// cursor is where a read is.
type cursor struct {
	request func() *streams.ReadReq_Options // for what follows
	accept  func(Recorded) bool             // moves on, and says whether it is wanted
}

// read runs a cursor to its end.
func (c *Client) read(ctx context.Context, limit int, begin func() cursor) iter.Seq2[Recorded, error] {
	return func(yield func(Recorded, error) bool) {
		ctx, idle := c.watch(ctx)
		defer idle.stop()
		cur, left, broke := begin(), limit, false
		if limit <= 0 {
			left = math.MaxInt
		}
		for end := false; !end; {
			err := c.call(ctx, func(ctx context.Context, n *node) error {
				o, got := cur.request(), 0
				count := min(left, math.MaxInt64-1) + 1 // the first may be known already
				o.CountOption = &streams.ReadReq_Options_Count{Count: uint64(count)}
				err := receive(ctx, n, o, func(e *streams.ReadResp_ReadEvent_RecordedEvent) bool {
					got++
					r := recorded(e)
					if !cur.accept(r) {
						idle.progress()
						return true
					}
					left--
					idle.pause()
					broke = !yield(r, nil)
					idle.progress()
					return !broke && left > 0
				})
				end = broke || left <= 0 || got < count
				return err
			})
			if err != nil {
				if !broke {
					yield(Recorded{}, err)
				}
				return
			}
		}
	}
}

// receive makes one attempt at a read, until each returns false.
func receive(ctx context.Context, n *node, o *streams.ReadReq_Options, each func(*streams.ReadResp_ReadEvent_RecordedEvent) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, err := n.streams.Read(ctx, &streams.ReadReq{Options: o})
	if err != nil {
		return translate(err, nil)
	}
	for {
		m, err := in.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return translate(err, in.Trailer())
		case m.GetStreamNotFound() != nil:
			return ErrNotFound
		}
		if e := m.GetEvent().GetEvent(); e != nil && !each(e) {
			return nil
		} // other messages are for other clients
	}
}

func request() *streams.ReadReq_Options {
	return &streams.ReadReq_Options{
		FilterOption: &streams.ReadReq_Options_NoFilter{NoFilter: &shared.Empty{}},
		UuidOption: &streams.ReadReq_Options_UUIDOption{
			Content: &streams.ReadReq_Options_UUIDOption_Structured{Structured: &shared.Empty{}},
		},
	}
}

func streamRequest(stream string, from uint64) *streams.ReadReq_Options {
	o := request()
	o.StreamOption = &streams.ReadReq_Options_Stream{Stream: &streams.ReadReq_Options_StreamOptions{
		StreamIdentifier: identifier(stream),
		RevisionOption:   &streams.ReadReq_Options_StreamOptions_Revision{Revision: min(from, math.MaxInt64-1)},
	}}
	return o
}

func allRequest(at Position, filter Filter) *streams.ReadReq_Options {
	all := &streams.ReadReq_Options_AllOptions{AllOption: &streams.ReadReq_Options_AllOptions_Start{Start: &shared.Empty{}}}
	if at != (Position{}) {
		all.AllOption = &streams.ReadReq_Options_AllOptions_Position{Position: &streams.ReadReq_Options_Position{
			CommitPosition: at.Commit, PreparePosition: at.Prepare,
		}}
	}
	o := request()
	o.StreamOption = &streams.ReadReq_Options_All{All: all}
	o.FilterOption = filter.wire()
	return o
}

// errIdle is why a read ends that has no deadline of its own.
var errIdle = fmt.Errorf("esdb: no event for too long: %w", context.DeadlineExceeded)

// contextError is the error of a context, or the one that made it end.
func contextError(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), errIdle) {
		return errIdle
	}
	return ctx.Err()
}

// idle ends a context when nothing has come for a while.
type idle struct {
	after  time.Duration
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

// watch bounds the wait for each event by the default deadline, unless the
// context has one. The time that a consumer takes does not count.
func (c *Client) watch(ctx context.Context) (context.Context, *idle) {
	_, bounded := ctx.Deadline()
	ctx, cancel := context.WithCancelCause(ctx)
	w := &idle{after: c.cfg.DefaultDeadline, cancel: cancel}
	if !bounded {
		w.timer = time.AfterFunc(w.after, func() { cancel(errIdle) })
	}
	return ctx, w
}

func (w *idle) pause() {
	if w.timer != nil {
		w.timer.Stop()
	}
}

func (w *idle) progress() {
	if w.timer != nil {
		w.timer.Reset(w.after)
	}
}

func (w *idle) stop() {
	w.pause()
	w.cancel(nil)
}
