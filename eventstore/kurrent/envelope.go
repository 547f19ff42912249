package kurrent

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdb"
)

// The lengths of a tenant and of an ID in the name of a stream.
const (
	tenantLen = 32
	idLen     = 36
)

// Streams is what the names of all streams of tenants look like, as a regular
// expression for the server.
const Streams = `^[0-9a-f]{32}-`

// streamName returns <tenant>-<kind>-<id>. The tenant has no "-" in it, so it is
// the category of the stream, and no name of a tenant is the beginning of
// another's. Nothing in it is personal: names outlive what is in the stream.
func streamName(s eventstore.StreamID) string {
	name := make([]byte, 0, tenantLen+len(s.Kind)+idLen+2)
	name = hex.AppendEncode(name, s.Tenant.UUID[:])
	name = append(name, '-')
	name = append(name, s.Kind...)
	name = append(name, '-')
	return string(append(name, s.ID.String()...))
}

var errForeign = errors.New("event was not written by us")

// parseStream is the opposite of streamName.
func parseStream(name string) (s eventstore.StreamID, err error) {
	kind := len(name) - tenantLen - idLen - 2
	if kind < 1 || name[tenantLen] != '-' || name[tenantLen+1+kind] != '-' {
		return s, errForeign
	}
	if _, err := hex.Decode(s.Tenant.UUID[:], []byte(name[:tenantLen])); err != nil {
		return s, errForeign
	}
	if s.ID, err = uuid.Parse(name[len(name)-idLen:]); err != nil {
		return s, errForeign
	}
	if s.Kind = name[tenantLen+1 : tenantLen+1+kind]; !isKind(s.Kind) || streamName(s) != name {
		return s, errForeign
	}
	return s, nil
}

// isKind reports whether a kind is one that we could have. Others could be
// anything, also what the ledger cannot be asked about.
func isKind(kind string) bool {
	for i, c := range []byte(kind) {
		if (c < 'a' || c > 'z') && (c != '_' || i == 0) {
			return false
		}
	}
	return kind != ""
}

// envelope is the metadata of an event in the engine. What is there of ours is
// readable in its console; what is not JSON travels as base64.
type envelope struct {
	Position eventstore.Position `json:"position"`
	Time     time.Time           `json:"recorded_at"`
	Schema   int                 `json:"schema"`
	Meta     json.RawMessage     `json:"meta,omitempty"`
	Bytes    []byte              `json:"meta_bytes,omitempty"`
}

// envelopeBytes is more than what the engine counts for one of our events besides
// its data and metadata: the rest of the envelope, and the name of its type.
const envelopeBytes = 1024

// encode makes an event for the engine.
func encode(e *eventstore.Recorded) esdb.Event {
	v := envelope{Position: e.Position, Time: e.Time, Schema: e.Schema}
	if !isCompact(e.Meta) {
		v.Bytes = e.Meta
	}
	meta, err := json.Marshal(v)
	if err != nil {
		panic(err) // a struct of numbers and bytes can be encoded
	}
	if v.Bytes == nil && len(e.Meta) > 0 {
		// By hand, because the encoder would write it anew.
		meta = append(meta[:len(meta)-1], `,"meta":`...)
		meta = append(append(meta, e.Meta...), '}')
	}
	return esdb.Event{ID: e.ID, Type: e.Type, Data: e.Data, Meta: meta, JSON: json.Valid(e.Data)}
}

// isCompact reports whether a decoder gives back what is between other members
// to the byte.
func isCompact(b []byte) bool {
	return len(b) == 0 || json.Valid(b) && utf8.Valid(b) && len(bytes.TrimSpace(b)) == len(b) && string(b) != "null"
}

// decode is the opposite of encode.
func decode(e *esdb.Recorded) (eventstore.Recorded, error) {
	s, err := parseStream(e.Stream)
	if err != nil {
		return eventstore.Recorded{}, err
	}
	var v envelope
	if err := json.Unmarshal(e.Meta, &v); err != nil || v.Position < 1 {
		return eventstore.Recorded{}, errForeign
	}
	meta := []byte(v.Meta)
	if v.Bytes != nil {
		meta = v.Bytes
	}
	return eventstore.Recorded{
		Event:  eventstore.Event{ID: e.ID, Type: e.Type, Schema: v.Schema, Data: notNil(e.Data), Meta: notNil(meta)},
		Stream: s, Version: eventstore.Version(e.Revision) + 1, Position: v.Position, Time: v.Time.UTC(),
	}, nil
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// revision is what the engine calls a version: the number of the last event, from
// 0, and -1 for none.
func revision(v eventstore.Version) int64 { return int64(v) - 1 }

// belongs makes sure that what was read is of the stream, or of the tenant, that
// was asked for, whatever the engine says.
func belongs(e eventstore.Recorded, tenant domain.TenantID) error {
	if e.Stream.Tenant != tenant {
		return fmt.Errorf("%w: it is another tenant's", errForeign)
	}
	return nil
}
