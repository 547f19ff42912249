// Package eventstore is the log that everything else is derived from: streams
// of immutable events, one per record, and one order over all of a tenant's
// events.
//
// It knows nothing of what the events mean, of who may write them, or of how an
// engine stores them. Engines live in sub-packages, and what they must do is
// stated by the suite in [github.com/rowhouse/rowhouse/eventstore/storetest].
package eventstore

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
)

// StreamID names the history of one record. The tenant is part of the name, so
// there is no way to reach a stream without saying whose it is.
type StreamID struct {
	Tenant domain.TenantID
	Kind   string // the name of the aggregate
	ID     uuid.UUID
}

// Version is the number of events in a stream. The first event of a stream
// makes it version 1.
type Version int32

// Position is the place of an event in its tenant's log: 1, 2, 3 … without a
// gap. Positions of different tenants have nothing to do with one another.
type Position int64

// Event is an event to be recorded. What is stored is final, to the byte.
type Event struct {
	ID     uuid.UUID
	Type   string
	Schema int // version of the form of Data, from 1
	Data   json.RawMessage
	Meta   json.RawMessage // a [Metadata]
}

// Metadata says where an event came from.
type Metadata struct {
	Actor       domain.Actor `json:"actor"`
	Command     uuid.UUID    `json:"command_id"`
	Correlation string       `json:"correlation_id,omitempty" class:"internal"`
	Causation   string       `json:"causation_id,omitempty" class:"internal"`
}

// Recorded is an event that was recorded.
type Recorded struct {
	Event
	Stream   StreamID
	Version  Version
	Position Position
	Time     time.Time // never earlier than the event before it in the tenant's log

	// Withheld says that Data is null because the reader is not to see it: see
	// [Outward]. What is recorded is something else.
	Withheld bool
}

// Command is a set of events that is recorded as a whole or not at all.
type Command struct {
	// ID names the command. Appending a command again under the same ID has no
	// further effect, and is answered as it was the first time.
	ID uuid.UUID

	// Hash, if set, is kept with the ID, also when there are no events: the
	// store remembers the command for a time that its operator chooses (at
	// least 7 days), and refuses the same ID with another hash. Without it the
	// store only notices that the events themselves are there already.
	Hash []byte

	// Note, if set, is kept with the hash, for whoever has to answer when the
	// command comes again. The store does not look at it.
	Note string

	Writes []Write // each to another stream of the tenant
	Checks []Check // streams that must not have changed, and are not written
	Claim  []Claim // to be held by a stream from now on; no key twice
	Free   []Claim // to be held no longer, before others are taken; freeing what the stream does not hold is no mistake

	// Numbers are given out in this order, and to the commands of a call in theirs.
	Numbers []Number
}

// Write adds events to the end of a stream that is at the given version.
type Write struct {
	Stream StreamID
	At     Version
	Events []Event
}

// Check asks that a stream is at the given version.
type Check struct {
	Stream StreamID
	At     Version
}

// Claim says that a stream holds a key of a scope, alone in its tenant. Keys
// are stored as SHA-256 hashes.
type Claim struct {
	Scope   string
	Key     string
	Stream  StreamID
	Soft    bool   // leave it if somebody else holds it, and go ahead
	Pointer string // for the caller's use; comes back in a [Claimed], and is not stored
}

// Receipt says where the events of a command are. Without events First is the
// position after Last.
type Receipt struct {
	First, Last Position
	Time        time.Time

	// Repeated says that the command was recorded before. Its events are at
	// First to Last.
	Repeated bool

	// Note is that of the command as it was recorded. Only Recall tells.
	Note string
}

// Result is the outcome of one command.
type Result struct {
	Receipt Receipt
	Err     error // nil, a refusal of this command, or a fault

	// Numbers are those that the events got, in the order in which the command asks
	// for them: see [WithNumbers]. There are none if it was recorded before; then they
	// are in its events.
	Numbers []int64
}

// Conflict refuses a command because a stream is not at the version that a
// write or a check asks for.
type Conflict struct {
	Stream StreamID
	At     Version // the version that it is at
}

func (*Conflict) Error() string { return "stream was changed meanwhile" }

// Claimed refuses a command because another stream holds a claim.
type Claimed struct {
	Claim  Claim
	Holder StreamID
}

func (*Claimed) Error() string { return "claim is held by another stream" }

// What else a command, or a reader, can be refused for.
var (
	ErrReused        = errors.New("command ID was used for another command")
	ErrUnknownTenant = errors.New("no such tenant")
	ErrSealed        = errors.New("tenant takes no events now")
	ErrTooLarge      = errors.New("command is larger than the store takes")
	ErrMalformed     = errors.New("command is at odds with itself")
	ErrClosed        = errors.New("store is closed")

	// ErrUnavailable says that the engine could not be reached, or was too busy
	// with the tenant. Whether the command was recorded is not known: append it
	// again under the same ID to find out.
	ErrUnavailable = errors.New("log cannot be reached now")
)

// What a command may hold at most.
const (
	MaxEvents       = 1000
	MaxStreams      = 1000    // written and checked
	MaxClaims       = 1000    // taken and freed
	MaxEventBytes   = 1 << 20 // data and metadata of one event
	MaxCommandBytes = 8 << 20
)

// Capabilities says how a store does what every store has to do, for those who
// run it and those who read its documentation. No program needs to ask, but for
// how much a command may hold.
type Capabilities struct {
	Engine    string    `json:"engine" enum:"postgres,kurrent" doc:"What keeps the log."`
	Decides   string    `json:"decides" enum:"postgres" doc:"What judges commands: versions, claims, positions and repetitions."`
	Isolation Isolation `json:"isolation" enum:"database,application" doc:"What keeps the logs of tenants apart: the database itself, or the application by the names of streams."`

	MaxEventBytes   int `json:"max_event_bytes" doc:"How large the data and metadata of one event may be."`
	MaxCommandBytes int `json:"max_command_bytes" doc:"How large the data and metadata of all events of one command may be."`
}

// Isolation says what keeps the logs of tenants apart.
type Isolation string

// What can keep them apart.
const (
	IsolatedByDatabase    Isolation = "database"
	IsolatedByApplication Isolation = "application"
)

// Store is an event log. All methods may be called at the same time.
type Store interface {
	// Capabilities says how this store does it. It is the same every time.
	Capabilities() Capabilities

	// Append records commands of one tenant, each by itself, and returns as
	// many results, in the same order. A nil error in a result means that the
	// command is on disk. Commands are recorded in the order given if they
	// touch a common stream or claim; otherwise in any order. If ctx is
	// cancelled, what was not handed to the engine yet is refused with its
	// error; what was, is waited for, unless the deadline of ctx is over: then
	// the answer may be ErrUnavailable. The store does not keep or change what
	// it is given.
	Append(ctx context.Context, tenant domain.TenantID, commands ...Command) []Result

	// Recall returns the receipt of a command that was recorded with a hash,
	// or false if there is none. Another hash gets ErrReused.
	Recall(ctx context.Context, tenant domain.TenantID, command uuid.UUID, hash []byte) (Receipt, bool, error)

	// Holders returns the streams that hold some claims, in their order: the zero
	// StreamID for each that nobody holds. Only the scope and the key of a claim
	// count. What was acknowledged before the call is seen.
	Holders(ctx context.Context, tenant domain.TenantID, claims ...Claim) ([]StreamID, error)

	// ReadStream yields the events of a stream after the given version, in
	// order and without a gap. What is recorded meanwhile may be among them.
	ReadStream(ctx context.Context, s StreamID, after Version) iter.Seq2[Recorded, error]

	// Last returns the type of the last event of each of some streams of a tenant.
	// A stream without events is left out. What was acknowledged before the call
	// is seen.
	Last(ctx context.Context, tenant domain.TenantID, streams ...StreamID) (map[StreamID]string, error)

	// Read returns up to limit events of a tenant after the given position, in
	// order and without a gap: the first is at after+1. There may be fewer than
	// limit although there are more, but none means that there are none now.
	Read(ctx context.Context, tenant domain.TenantID, after Position, limit int) ([]Recorded, error)

	// Head returns the position of the tenant's last event: 0 if there is none.
	Head(ctx context.Context, tenant domain.TenantID) (Position, error)
}
