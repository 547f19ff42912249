package esdbtest

import (
	"encoding/json"
	"math"
	"sort"
	"strings"
	"time"

	"github.com/google/uuid"
)

// tombstoned is the number of the event that ends a stream for good, and the
// $tb of a stream that is deleted softly.
const tombstoned int64 = math.MaxInt64

// Event is one record of the log. Its bytes belong to the log: read only.
type Event struct {
	Stream  string
	Number  int64 // its revision: 0, 1, 2 … in its stream; MaxInt64 for a tombstone
	ID      uuid.UUID
	Type    string
	JSON    bool // servers keep no more of a content type
	Data    []byte
	Meta    []byte
	Created time.Time
	// Position is where the record begins: commit and prepare position of
	// every event that present servers write.
	Position uint64

	size uint64 // its length in the log, framing included
}

func (e *Event) end() uint64   { return e.Position + e.size }
func (e *Event) at() position  { return position{int64(e.Position), int64(e.Position)} }
func (e *Event) isSound() bool { return e.ID != uuid.Nil && e.Type != "" }

// position orders the log as the server's TFPos does. A checkpoint may point
// between two records, and then its halves differ.
type position struct{ commit, prepare int64 }

var (
	beforeAll = position{-1, -1}
	first     = position{0, 0}
)

func (p position) less(q position) bool {
	return p.commit < q.commit || p.commit == q.commit && p.prepare < q.prepare
}

func isMeta(stream string) bool       { return strings.HasPrefix(stream, "$$") }
func metaOf(stream string) string     { return "$$" + stream }
func originalOf(stream string) string { return strings.TrimPrefix(stream, "$$") }

// limits say which events of a stream its readers no longer see.
type limits struct {
	MaxCount *int64   `json:"$maxCount"`
	MaxAge   *int64   `json:"$maxAge"` // seconds
	Before   *int64   `json:"$tb"`
	ACL      *readers `json:"$acl"`
}

type readers struct {
	Read any `json:"$r"` // a name or a list of names
}

func (l limits) softDeleted() bool { return l.Before != nil && *l.Before == tombstoned }

// visible are the events of a stream that its readers see. events is the whole
// stream in order.
func (l limits) visible(events []*Event, now time.Time) []*Event {
	if len(events) == 0 || events[len(events)-1].Number == tombstoned {
		return nil
	}
	from := int64(0)
	if l.Before != nil {
		from = *l.Before
	}
	if l.MaxCount != nil {
		from = max(from, events[len(events)-1].Number-*l.MaxCount+1)
	}
	events = events[sort.Search(len(events), func(i int) bool { return events[i].Number >= from }):]
	if l.MaxAge == nil {
		return events
	}
	oldest := now.Add(-time.Duration(*l.MaxAge) * time.Second)
	return events[sort.Search(len(events), func(i int) bool { return !events[i].Created.Before(oldest) }):]
}

// limitsOf reads stream's metadata out of the events of its metadata stream.
// Metadata that nobody can parse limits nothing.
func limitsOf(stream string, metadata []*Event) limits {
	if isMeta(stream) {
		return limits{MaxCount: new(int64(1))} // ESConsts.MetaStreamMaxCount
	}
	var l limits
	if len(metadata) == 0 || json.Unmarshal(metadata[len(metadata)-1].Data, &l) != nil {
		return limits{}
	}
	return l
}
