package esdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
)

// Message is what a subscription hands over: events, and how far it is.
type Message struct {
	// Events are all those that pass the filter between the position of the
	// message before and this one, in the order of the log; often none. Among
	// them may be some that are late: see [Client.Subscribe]. They are the
	// handler's to keep.
	Events []Recorded

	// Position is how far the subscription is, and where to resume it: at the
	// last event, or beyond it where the server has looked further. It never
	// goes back.
	Position Position

	// CaughtUp says that the server had nothing more to send when it sent this,
	// or at an earlier moment since the connection was made. It says nothing of
	// Position, which may stay behind where nothing passes the filter. Servers
	// before 23.10 never say so.
	CaughtUp bool
}

// maxResubscribe is the longest pause between two attempts at a connection.
const maxResubscribe = time.Second

// errMoved says that a subscription has to continue on another node.
var errMoved = errors.New("esdb: the leader has changed")

// Subscribe hands over the events after a position that pass the filter, those
// that there are and those to come, in the order of the log and each once. It
// returns when the context ends, when the client is closed, or when handle
// returns an error, and then returns that error. Nothing else ends it: when the
// connection drops, a server restarts, or another becomes the leader, it goes
// on from the position of the last message that handle accepted.
//
// Messages are handed over one at a time, under the context that was given.
// What arrives meanwhile comes together in the next, up to [Config.MaxBatch]
// events. A position that was accepted is behind. Store it, both of its numbers, with
// the effects.
//
// Servers before 23.10.x and 24.10.5 are known for positions that are too far, and
// for sending events after that which are before them. Such an event is handed
// over as it comes, late, and the position stays. If the subscription ends between
// the two it is not: whoever must not miss an event has to look for it elsewhere.
func (c *Client) Subscribe(ctx context.Context, after Position, filter Filter, handle func(context.Context, Message) error) error {
	s := &subscription{client: c, filter: filter, handle: handle, at: after, event: after}
	for attempt := 0; ; attempt++ {
		s.live, s.told = false, false
		before := s.at
		err := c.try(ctx, func(stream context.Context, n *node) error { return s.follow(ctx, stream, n) })
		switch {
		case s.failed != nil:
			return s.failed
		case ctx.Err() != nil || errors.Is(err, ErrClosed):
			return c.ended(ctx, err)
		case errors.Is(err, errMoved):
			continue
		case s.at != before:
			attempt, s.reported = 0, ""
		}
		s.report(ctx, err)
		if !c.pause(ctx, attempt, maxResubscribe) {
			return c.ended(ctx, err)
		}
	}
}

// subscription is a Subscribe under way.
type subscription struct {
	client *Client
	filter Filter
	handle func(context.Context, Message) error

	at     Position // the last that was accepted
	event  Position // of the last event in the order of the log
	told   bool     // handle knows that the server has nothing more
	failed error    // what handle returned

	live     bool   // what the server has said on this connection
	reported string // the last error that was logged
}

// report logs why a connection ended, once for each reason in a row.
func (s *subscription) report(ctx context.Context, err error) {
	text := err.Error()
	if text != s.reported {
		s.client.cfg.Log.WarnContext(ctx, "the subscription to the event store was interrupted; it goes on from this position when a node answers", "position", s.at.String(), "error", err)
	}
	s.reported = text
}

// follow runs on one connection, until it ends.
func (s *subscription) follow(ctx, stream context.Context, n *node) error {
	stream, cancel := context.WithCancel(stream)
	defer cancel()
	o := allRequest(s.at, s.filter)
	o.CountOption = &streams.ReadReq_Options_Subscription{Subscription: &streams.ReadReq_Options_SubscriptionOptions{}}
	from, err := n.streams.Read(stream, &streams.ReadReq{Options: o})
	if err != nil {
		return translate(err, nil)
	}
	in, done := newInbox(), make(chan struct{})
	go func() {
		defer close(done)
		in.fill(stream, from)
	}()
	defer func() {
		cancel()
		<-done
	}()
	quiet := time.NewTimer(s.client.cfg.Silence)
	defer quiet.Stop()
	for {
		select {
		case <-in.ready:
			if err := s.handOver(ctx, in); err != nil {
				return err
			}
		case <-quiet.C:
			if err := s.probe(stream, n); err != nil {
				return err
			}
		case <-n.retired:
			return errMoved
		case <-ctx.Done():
			return ctx.Err()
		}
		quiet.Reset(s.client.cfg.Silence)
	}
}

// probe asks a node from which nothing has come for a while whether it is there,
// and the leader. A connection on which nothing moves any more is given up.
func (s *subscription) probe(ctx context.Context, n *node) error {
	short, cancel := context.WithTimeout(ctx, min(s.client.cfg.Silence, s.client.cfg.DefaultDeadline))
	defer cancel()
	_, err := lastRevision(short, n, pingStream)
	switch {
	case err == nil, errors.Is(err, ErrNotFound), errors.Is(err, ErrDeleted):
		return nil
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		s.client.drop(n)
		return fmt.Errorf("%w: it is silent", ErrUnavailable)
	default:
		return err
	}
}

// handOver hands over what has arrived.
func (s *subscription) handOver(ctx context.Context, in *inbox) error {
	arrived, err := in.take(s.client.cfg.MaxBatch)
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: it has ended the subscription", ErrUnavailable)
	}
	m := Message{Position: s.at}
	for _, resp := range arrived {
		s.add(ctx, &m, resp)
	}
	m.CaughtUp = s.live
	if len(m.Events) == 0 && m.Position == s.at && (s.told || !s.live) {
		return err
	}
	if failed := s.handle(ctx, m); failed != nil {
		s.failed = failed
		return failed
	}
	s.at, s.told = m.Position, m.CaughtUp
	return err
}

// add adds what arrived to a message. What this client does not know is left
// out.
func (s *subscription) add(ctx context.Context, m *Message, resp *streams.ReadResp) {
	switch content := resp.GetContent().(type) {
	case *streams.ReadResp_CaughtUp_:
		s.live = true
	case *streams.ReadResp_FellBehind_:
		s.live = false
	case *streams.ReadResp_Checkpoint_:
		p := position(content.Checkpoint.GetCommitPosition(), content.Checkpoint.GetPreparePosition())
		if p.After(m.Position) {
			m.Position = p
		}
	case *streams.ReadResp_Event:
		if e := content.Event.GetEvent(); e != nil { // a link whose target is gone has none
			s.addEvent(ctx, m, recorded(e))
		}
	}
}

func (s *subscription) addEvent(ctx context.Context, m *Message, r Recorded) {
	switch {
	case m.Position == (Position{}) || r.Position.After(m.Position):
		m.Position = r.Position
	case r.Position.After(s.event): // and behind a position that was told
		s.client.cfg.Log.WarnContext(ctx, "the event store has sent an event after a checkpoint that is past it; the event is taken all the same",
			"event", r.Position.String(), "position", m.Position.String())
	default: // it was sent before
		return
	}
	s.event = r.Position
	if s.filter.accepts(r.Stream) {
		m.Events = append(m.Events, r)
	}
}
