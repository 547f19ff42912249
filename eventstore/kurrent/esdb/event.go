package esdb

import (
	"encoding/binary"
	"math"
	"strconv"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
)

// NoStream is the revision of a stream without events. The first event has
// revision 0.
const NoStream int64 = -1

const (
	contentJSON  = "application/json"
	contentBytes = "application/octet-stream"
)

// Event is an event to be appended. Its ID is what makes a repeated append
// harmless, so it must not change when a caller tries again.
type Event struct {
	ID         uuid.UUID
	Type       string
	Data, Meta []byte
	JSON       bool // says what Data is; the server's own projections want to know
}

// Size is what the event counts against the limit of an append: its data, its
// metadata, and its type in UTF-16, as the server adds it up.
func (e *Event) Size() int { return len(e.Data) + len(e.Meta) + 2*len(e.Type) }

// Recorded is an event that the server has.
type Recorded struct {
	Event
	Stream   string
	Revision uint64    // in the stream, from 0, without a gap
	Position Position  // in the log; zero if the server did not say
	Time     time.Time // of the server that wrote it; zero if it did not say
}

// proposed is the event as it is sent.
func (e *Event) proposed() *streams.AppendReq {
	content := contentBytes
	if e.JSON {
		content = contentJSON
	}
	return &streams.AppendReq{Content: &streams.AppendReq_ProposedMessage_{
		ProposedMessage: &streams.AppendReq_ProposedMessage{
			Id:             toWire(e.ID),
			Metadata:       map[string]string{"type": e.Type, "content-type": content},
			CustomMetadata: e.Meta,
			Data:           e.Data,
		},
	}}
}

// recorded reads an event as it was received. Nothing that a server may leave
// out or send in excess is a reason to fail.
func recorded(e *streams.ReadResp_ReadEvent_RecordedEvent) Recorded {
	meta := e.GetMetadata()
	return Recorded{
		Event: Event{
			ID:   fromWire(e.GetId()),
			Type: meta["type"],
			Data: e.GetData(),
			Meta: e.GetCustomMetadata(),
			JSON: meta["content-type"] == contentJSON,
		},
		Stream:   string(e.GetStreamIdentifier().GetStreamName()),
		Revision: e.GetStreamRevision(),
		Position: position(e.GetCommitPosition(), e.GetPreparePosition()),
		Time:     created(meta["created"]),
	}
}

// position reads a position. The server says all ones where it means none.
func position(commit, prepare uint64) Position {
	if commit == math.MaxUint64 || prepare == math.MaxUint64 {
		return Position{}
	}
	return Position{Commit: commit, Prepare: prepare}
}

// created reads the server's ticks of 100 ns since 1970.
func created(s string) time.Time {
	ticks, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}
	}
	const second = int64(time.Second / 100)
	return time.Unix(ticks/second, ticks%second*100).UTC()
}

func toWire(id uuid.UUID) *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
		MostSignificantBits:  int64(binary.BigEndian.Uint64(id[:8])),
		LeastSignificantBits: int64(binary.BigEndian.Uint64(id[8:])),
	}}}
}

func fromWire(u *shared.UUID) uuid.UUID {
	var id uuid.UUID
	if s := u.GetStructured(); s != nil {
		binary.BigEndian.PutUint64(id[:8], uint64(s.GetMostSignificantBits()))
		binary.BigEndian.PutUint64(id[8:], uint64(s.GetLeastSignificantBits()))
		return id
	}
	id, err := uuid.Parse(u.GetString_())
	if err != nil {
		return uuid.Nil
	}
	return id
}
