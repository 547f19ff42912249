package esdbtest

import (
	"math"
	"slices"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
)

// everyStream is how $all is called where a stream is named.
const everyStream = "$all"

// query is a read or a subscription, with what both need.
type query struct {
	*sender
	server  *Server
	options *streams.ReadReq_Options
	id      func(uuid.UUID) *shared.UUID
	filter  filter
	stream  string
}

// Read answers reads, with a count, and subscriptions, without.
func (s service) Read(req *streams.ReadReq, stream streams.Streams_ReadServer) error {
	o := req.GetOptions()
	q := query{server: s.Server, options: o, stream: everyStream}
	if err := q.check(); err != nil {
		return err
	}
	method := Read
	if o.GetSubscription() != nil {
		method = Subscribe
	}
	turn, err := s.admit(stream.Context(), method, q.stream)
	if err != nil {
		return err
	}
	q.sender = &sender{stream: stream, turn: turn}
	switch {
	case method == Subscribe && o.GetAll() != nil:
		return q.subscribeAll()
	case method == Subscribe:
		return q.subscribeStream()
	case o.GetAll() != nil:
		err = q.readAll()
	default:
		err = q.readStream()
	}
	if err != nil {
		return err
	}
	return q.finish()
}

// check refuses what no enumerator of the server takes.
func (q *query) check() (err error) {
	o := q.options
	switch o.GetUuidOption().GetContent().(type) {
	case *streams.ReadReq_Options_UUIDOption_Structured:
		q.id = structured
	case *streams.ReadReq_Options_UUIDOption_String_:
		q.id = textual
	default:
		return refuse(codes.InvalidArgument, " `uuidOption` is a required argument of type UUIDOption", "")
	}
	invalidCombination := refuse(codes.InvalidArgument, "The combination of options is invalid.", "")
	if o.GetStream() == nil && o.GetAll() == nil || o.GetFilterOption() == nil || o.GetCountOption() == nil {
		return invalidCombination
	}
	if o.GetStream() != nil {
		q.stream = string(o.GetStream().GetStreamIdentifier().GetStreamName())
		if o.GetStream().GetRevisionOption() == nil || o.GetFilter() != nil {
			return invalidCombination
		}
	} else if o.GetAll().GetAllOption() == nil {
		return invalidCombination
	}
	if q.filter, err = newFilter(o.GetFilter()); err != nil {
		return err
	}
	if o.GetSubscription() == nil {
		if o.GetCount() == 0 {
			return refuse(codes.Unknown, "Unexpected ReadStreamResult: Error", "")
		}
		return nil
	}
	if q.backwards() {
		return invalidCombination
	}
	if q.filter.given && q.filter.interval == 0 {
		return thrown()
	}
	return nil
}

func (q *query) backwards() bool {
	return q.options.GetReadDirection() == streams.ReadReq_Options_Backwards
}

func (q *query) sendEvent(e *Event) error { return q.send(e.wire(q.id)) }

func (q *query) readStream() error {
	state := q.server.view().stream(q.stream)
	if state.deleted {
		return streamDeleted(q.stream)
	}
	if state.missing {
		return q.send(streamNotFound(q.stream))
	}
	from := q.options.GetStream().GetRevision() // Start is 0
	if q.options.GetStream().GetEnd() != nil {
		from = math.MaxUint64
	}
	return q.sendEvents(state.events, func(e *Event) bool {
		if q.backwards() {
			return uint64(e.Number) <= from
		}
		return uint64(e.Number) >= from
	})
}

// readAll includes the event at the position forwards, and not backwards.
func (q *query) readAll() error {
	from := wirePosition(q.options.GetAll().GetPosition()) // Start is 0, 0
	if q.options.GetAll().GetEnd() != nil {
		from = position{math.MaxInt64, math.MaxInt64}
	}
	return q.sendEvents(q.server.view().all(), func(e *Event) bool {
		if q.backwards() {
			end := position{int64(e.end()), int64(e.end())}
			return !from.less(end) && q.filter.allows(e)
		}
		return !e.at().less(from) && q.filter.allows(e)
	})
}

func (q *query) sendEvents(events []*Event, wanted func(*Event) bool) error {
	sequence := slices.All(events)
	if q.backwards() {
		sequence = slices.Backward(events)
	}
	left := q.options.GetCount()
	for _, e := range sequence {
		if left == 0 {
			break
		}
		if !wanted(e) {
			continue
		}
		if err := q.sendEvent(e); err != nil {
			return err
		}
		left--
	}
	return nil
}

func wirePosition(p *streams.ReadReq_Options_Position) position {
	limit := func(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
	return position{limit(p.GetCommitPosition()), limit(p.GetPreparePosition())}
}
