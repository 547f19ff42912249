package api

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

const (
	maxFeed   = 5000             // events in one answer
	heartbeat = 15 * time.Second // between two signs of life on a silent stream
	lookAgain = 5 * time.Second  // for events that another node has recorded
	patience  = 30 * time.Second // with a client that does not read
)

// feedPage is a part of the log.
type feedPage struct {
	Data         []Event             `json:"data"`
	LastPosition eventstore.Position `json:"last_position" doc:"What to send as after to go on. Events of other types may lie before it."`
	Head         eventstore.Position `json:"head" doc:"The position of the last event of the log."`
	End          bool                `json:"end" doc:"There is nothing more now."`
}

// feed serves the log of a tenant.
func (s *Server) feed() []*operation {
	const tag, path = "Events", "/v1/tenants/{tenant_id}/events"
	after := queryParam("after", "The position after which to begin. One that the log has not reached is refused with 409, which names its head.", whole(0, 1<<53), 0)
	types := queryParam("types", "The types to answer with, separated by commas; `deal.*` is all of deals. All if it is left out.", text(), "deal.*")
	return []*operation{
		get(path, tenant, tag, "event.list", "Read the log",
			"The events of the tenant in their order, without a gap. With `Accept: application/x-ndjson` they come one in a line.",
			needs("event:read"), params(after, types, minPositionParam, queryParam("limit", "How many events to look at, at most.", whole(1, maxFeed), 1000)),
			gives[feedPage](s, http.StatusOK, "A part of the log.", headerPosition), givesText(mediaLines, "The same, an event in a line."),
			refuses(domain.Conflict, domain.Invalid), serve(s.readFeed)),
		get(path+"/stream", tenant, tag, "event.stream", "Follow the log",
			"Server-sent events that go on until the client leaves. The `id` of each is its position, so a client that comes back goes on where it was.",
			needs("event:read"), refuses(domain.Conflict), params(after, types, headerParam("Last-Event-ID", "The position of the last event that was seen. It comes before the parameter after.", whole(0, 1<<53), 18240)),
			givesText(mediaEvents, "The events."), refuses(domain.Invalid), endless, serve(s.followFeed)),
	}
}

func endless(op *operation) { op.endless = true }

// typeFilter says which types of events are asked for.
type typeFilter []string

func (x *exchange) typeFilter() (typeFilter, error) {
	text := x.query.Get("types")
	if text == "" {
		return nil, nil
	}
	f := strings.Split(text, ",")
	if len(f) > 50 || slices.ContainsFunc(f, func(t string) bool { return t == "" || strings.Contains(strings.TrimSuffix(t, "*"), "*") }) {
		return nil, domain.Check(false, "types", "bad_value", "must be up to 50 types of events, each of which may end with *")
	}
	return f, nil
}

func (f typeFilter) takes(eventType string) bool {
	return f == nil || slices.ContainsFunc(f, func(t string) bool {
		prefix, open := strings.CutSuffix(t, "*")
		return eventType == t || open && strings.HasPrefix(eventType, prefix)
	})
}

// read reads a part of the log, and returns those events that are asked for.
func (s *Server) read(x *exchange, after eventstore.Position, limit int, f typeFilter) (feedPage, error) {
	events, err := s.outward.Read(x.ctx(), x.origin.Tenant, after, limit)
	p := feedPage{Data: []Event{}, LastPosition: after, End: len(events) == 0} // fewer than asked for need not be the last
	if err != nil {
		return p, err
	}
	sees, err := x.seesRecords(events, f)
	if err != nil {
		return p, err
	}
	for _, e := range events {
		p.LastPosition = e.Position
		if f.takes(e.Type) && sees[e.Stream] {
			shown, err := x.show(e)
			if err != nil {
				return p, err
			}
			p.Data = append(p.Data, shown)
		}
	}
	return p, nil
}

// seesRecords reports of which of the records that events are about whoever asks may
// be told.
func (x *exchange) seesRecords(events []eventstore.Recorded, f typeFilter) (map[eventstore.StreamID]bool, error) {
	var streams []eventstore.StreamID
	for _, e := range events {
		if !f.takes(e.Type) {
			continue
		}
		if x.s.views[e.Stream.Kind] == nil && !x.s.inward[e.Stream.Kind] { // who may be told of it is known to the build that has recorded it
			return nil, errNewer
		}
		streams = append(streams, e.Stream)
	}
	sees, err := x.s.Commands.Sees(x.ctx(), x.viewer(), streams...)
	return sees, err // what a record is now takes all of its events
}

// isNewer reports whether an error says that a newer build has recorded what this one
// does not know.
func isNewer(err error) bool {
	return errors.Is(err, domain.ErrUnknownEvent) || errors.Is(err, domain.ErrNewerSchema)
}

// errNewer refuses what takes more than this build knows. It is no fault: a node of the
// release that has recorded it answers.
var errNewer = &domain.Error{Reason: domain.Unavailable, Code: "newer_release", Detail: "the log has events of a newer release of the server; ask again when this one was updated"}

func (s *Server) readFeed(x *exchange) error {
	after, err := x.number("after", 0)
	if err != nil {
		return err
	}
	limit, err := x.number("limit", 1000)
	if err != nil {
		return err
	}
	types, err := x.typeFilter()
	if err != nil {
		return err
	}
	if err := x.notAhead("after", eventstore.Position(after)); err != nil {
		return err
	}
	p, err := s.read(x, eventstore.Position(after), int(limit), types)
	if err != nil {
		return err
	}
	head, err := s.Store.Head(x.ctx(), x.origin.Tenant)
	if err != nil {
		return err
	}
	p.Head, p.End = head, p.LastPosition >= head
	x.setPosition(p.LastPosition)
	x.set("Vary", "Accept")
	if !x.prefersMedia(mediaLines, mediaJSON) {
		return x.answerJSON(http.StatusOK, p)
	}
	x.set("Content-Type", mediaLines)
	lines := json.NewEncoder(x) // ends each value with a line break
	lines.SetEscapeHTML(false)
	for _, e := range p.Data {
		if err := lines.Encode(e); err != nil {
			return ignoreGone(err)
		}
	}
	return nil
}

// followFeed tells a client of the events of a tenant as they come. It holds no
// connection to the database while there is nothing new, or while the client is
// slow.
func (s *Server) followFeed(x *exchange) error {
	after, err := x.number("after", 0)
	if err != nil {
		return err
	}
	where := "after"
	if last := x.r.Header.Get("Last-Event-Id"); last != "" {
		seen, ok := domain.ParseInteger(last)
		if !ok || seen < 0 {
			return badParameter("Last-Event-ID", "invalid_position", "must be a position")
		}
		after, where = seen, "Last-Event-ID"
	}
	types, err := x.typeFilter()
	if err != nil {
		return err
	}
	// While there is still another way to say it than to break off.
	head, err := s.Store.Head(x.ctx(), x.origin.Tenant)
	if err == nil && eventstore.Position(after) > head {
		err = x.notAhead(where, eventstore.Position(after))
	}
	if err != nil {
		return err
	}
	leave := s.listeners.add(x.origin.Tenant)
	defer leave()
	out := &eventStream{x: x, rc: http.NewResponseController(x), at: eventstore.Position(after)}
	x.set("Content-Type", mediaEvents)
	x.set("Cache-Control", "no-store")
	x.set("X-Accel-Buffering", "no") // proxies must not wait for more
	x.WriteHeader(http.StatusOK)
	for out.beat(); out.err == nil; {
		news := s.listeners.next(x.origin.Tenant)
		// Whoever may not listen any more is not told any more, nor of what they see no more.
		if err := x.identify(); err != nil {
			return nil // the client comes back, and is told then
		}
		p, err := s.read(x, out.at, 500, types)
		if err != nil {
			return nil // likewise
		}
		for _, e := range p.Data {
			out.send(e)
		}
		if out.at = p.LastPosition; p.End && !out.wait(news) {
			return nil
		}
	}
	return nil
}

// eventStream writes server-sent events, until the first error.
type eventStream struct {
	x      *exchange
	rc     *http.ResponseController
	at     eventstore.Position // up to which the client has been told
	silent time.Time           // since when nothing was sent
	err    error
}

// beat gives a sign of life, and tells how far the stream is, also if none of
// the last events were asked for.
func (s *eventStream) beat() {
	s.write("id: " + strconv.FormatInt(int64(s.at), 10) + "\n\n")
}

func (s *eventStream) send(e Event) {
	data, err := domain.Marshal(e)
	if err != nil {
		s.err = err
		return
	}
	s.write("id: " + strconv.FormatInt(int64(e.Position), 10) + "\nevent: " + e.Type + "\ndata: " + string(data) + "\n\n")
}

func (s *eventStream) write(text string) {
	if s.err != nil {
		return
	}
	s.silent = s.x.s.Now()
	// A connection that cannot have a deadline works without.
	_ = s.rc.SetWriteDeadline(s.silent.Add(patience))
	if _, s.err = s.x.Write([]byte(text)); s.err == nil {
		s.err = s.rc.Flush()
	}
}

// wait waits for news and gives signs of life meanwhile. It reports whether the
// stream goes on.
func (s *eventStream) wait(news <-chan struct{}) bool {
	// No two listeners look at the same moment.
	timer := time.NewTimer(lookAgain*9/10 + rand.N(lookAgain/5)) //nolint:gosec // jitter
	defer timer.Stop()
	select {
	case <-news:
	case <-timer.C:
		if s.x.s.Now().Sub(s.silent) >= heartbeat {
			s.beat()
		}
	case <-s.x.s.Closing:
		s.write(": the server is stopping; come back in a second, with the last id\nretry: 1000\n\n")
		return false
	case <-s.x.ctx().Done():
		return false
	}
	return s.err == nil
}
