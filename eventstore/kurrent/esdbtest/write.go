package esdbtest

import (
	"context"
	"errors"
	"io"
	"strconv"
	"unicode/utf16"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
)

// service is the streams service of one node.
type service struct {
	streams.UnimplementedStreamsServer
	*Server
}

// Append decides on the events of one call as a whole.
func (s service) Append(stream streams.Streams_AppendServer) error {
	head, err := stream.Recv()
	if err != nil {
		return thrown()
	}
	o := head.GetOptions()
	if o == nil {
		return thrown()
	}
	expected, err := expectedRevision(o.GetExpectedStreamRevision(), o)
	if err != nil {
		return err
	}
	name := streamName(o)
	turn, err := s.admit(stream.Context(), Append, name)
	if err != nil {
		return err
	}
	events, err := s.receive(stream)
	if err != nil {
		return err
	}
	if name == "" {
		return thrown()
	}
	last, at, err := s.store.append(name, expected, events)
	if err := turn.finish(stream.Context()); err != nil {
		return err
	}
	if lost, ok := errors.AsType[*wrongVersion](err); ok {
		return stream.SendAndClose(lost.onAppend())
	}
	if err != nil {
		return err
	}
	return stream.SendAndClose(appended(last, at, len(events) > 0))
}

// receive reads what is to be appended, and refuses too much of it as soon as
// it is too much.
func (s service) receive(stream streams.Streams_AppendServer) (events []*Event, err error) {
	total := 0
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return nil, err
		}
		p := req.GetProposedMessage()
		if p == nil {
			return nil, thrown()
		}
		e, err := proposed(p)
		if err != nil {
			return nil, err
		}
		size := len(e.Data) + len(e.Meta) + 2*len(utf16.Encode([]rune(e.Type))) // Event.SizeOnDisk
		if limit := s.config.maxEvent; limit > 0 && size > limit {
			return nil, eventTooLarge(e.ID.String(), size, limit)
		}
		if total += size; total > s.config.maxAppend {
			return nil, appendTooLarge(s.config.maxAppend)
		}
		if !e.isSound() {
			return nil, thrown()
		}
		events = append(events, e)
	}
}

func proposed(p *streams.AppendReq_ProposedMessage) (*Event, error) {
	kind, ok := p.GetMetadata()["type"]
	if !ok {
		return nil, propertyMissing("type")
	}
	contentType, ok := p.GetMetadata()["content-type"]
	if !ok {
		return nil, propertyMissing("content-type")
	}
	id, err := parseID(p.GetId())
	if err != nil {
		return nil, thrown()
	}
	return &Event{
		ID: id, Type: kind, JSON: contentType == jsonType,
		Data: p.GetData(), Meta: p.GetCustomMetadata(),
	}, nil
}

// Delete deletes softly: the stream can be revived, and then goes on counting.
func (s service) Delete(ctx context.Context, r *streams.DeleteReq) (*streams.DeleteResp, error) {
	o := r.GetOptions()
	at, err := s.remove(ctx, Delete, o.GetExpectedStreamRevision(), o)
	if err != nil {
		return nil, err
	}
	return &streams.DeleteResp{PositionOption: &streams.DeleteResp_Position_{
		Position: &streams.DeleteResp_Position{CommitPosition: at, PreparePosition: at},
	}}, nil
}

// Tombstone ends a stream for good.
func (s service) Tombstone(ctx context.Context, r *streams.TombstoneReq) (*streams.TombstoneResp, error) {
	o := r.GetOptions()
	at, err := s.remove(ctx, Tombstone, o.GetExpectedStreamRevision(), o)
	if err != nil {
		return nil, err
	}
	return &streams.TombstoneResp{PositionOption: &streams.TombstoneResp_Position_{
		Position: &streams.TombstoneResp_Position{CommitPosition: at, PreparePosition: at},
	}}, nil
}

func (s service) remove(ctx context.Context, method Method, revision any, o options) (at uint64, err error) {
	expected, err := expectedRevision(revision, o)
	if err != nil {
		return 0, err
	}
	turn, err := s.admit(ctx, method, streamName(o))
	if err != nil {
		return 0, err
	}
	at, err = s.store.remove(streamName(o), expected, method == Tombstone)
	if err := turn.finish(ctx); err != nil {
		return 0, err
	}
	if lost, ok := errors.AsType[*wrongVersion](err); ok {
		return 0, lost.onDelete()
	}
	return at, err
}

// options are those of an append, a delete and a tombstone: three types on the
// wire, with the same members.
type options interface {
	GetStreamIdentifier() *shared.StreamIdentifier
	GetRevision() uint64
	GetNoStream() *shared.Empty
	GetAny() *shared.Empty
	GetStreamExists() *shared.Empty
}

func streamName(o options) string { return string(o.GetStreamIdentifier().GetStreamName()) }

// expectedRevision reads the revision out of o; set is its oneof.
func expectedRevision(set any, o options) (int64, error) {
	switch {
	case set == nil:
		return 0, invalid("None", "ExpectedStreamRevisionOneofCase")
	case o.GetNoStream() != nil:
		return expectNone, nil
	case o.GetAny() != nil:
		return expectAny, nil
	case o.GetStreamExists() != nil:
		return expectExists, nil
	case o.GetRevision() > uint64(tombstoned):
		return 0, invalid(strconv.FormatUint(o.GetRevision(), 10), "StreamRevision")
	default:
		return int64(o.GetRevision()), nil
	}
}

func appended(last int64, at uint64, any bool) *streams.AppendResp {
	ok := &streams.AppendResp_Success{
		CurrentRevisionOption: &streams.AppendResp_Success_CurrentRevision{CurrentRevision: uint64(last)},
		PositionOption: &streams.AppendResp_Success_Position{
			Position: &streams.AppendResp_Position{CommitPosition: at, PreparePosition: at},
		},
	}
	if last < 0 {
		ok.CurrentRevisionOption = &streams.AppendResp_Success_NoStream{NoStream: empty}
	}
	if !any {
		ok.PositionOption = &streams.AppendResp_Success_NoPosition{NoPosition: empty}
	}
	return &streams.AppendResp{Result: &streams.AppendResp_Success_{Success: ok}}
}

func (w *wrongVersion) onAppend() *streams.AppendResp {
	r := &streams.AppendResp_WrongExpectedVersion{}
	switch w.expected {
	case expectAny:
		r.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedAny{ExpectedAny: empty}
	case expectNone:
		r.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: empty}
	case expectExists:
		r.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedStreamExists{ExpectedStreamExists: empty}
	default:
		r.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedRevision{ExpectedRevision: uint64(w.expected)}
	}
	if w.actual < 0 {
		r.CurrentRevisionOption = &streams.AppendResp_WrongExpectedVersion_CurrentNoStream{CurrentNoStream: empty}
	} else {
		r.CurrentRevisionOption = &streams.AppendResp_WrongExpectedVersion_CurrentRevision{CurrentRevision: uint64(w.actual)}
	}
	return &streams.AppendResp{Result: &streams.AppendResp_WrongExpectedVersion_{WrongExpectedVersion: r}}
}
