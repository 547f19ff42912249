package projections

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/content"
)

// happening is a fact of [Timeline]: something has happened to a record, which is told in
// the timeline of that record, and in those of all records that it referred to before or
// after. It does not say what was changed: that is read from the log, as far as who asks
// may see it.
type happening struct {
	ofKind    string
	ofID      uuid.UUID
	position  eventstore.Position
	version   eventstore.Version
	aboutKind string // the record in whose timeline it is
	aboutID   uuid.UUID
	via       string // the members by which it was referred to, separated by commas; empty if it is its own
	event     string // its type
	actor     uuid.UUID
	others    []string // in its own timeline: the IDs of all other records in whose timelines it is
}

// Timeline is what has happened to the records of a tenant and to what refers to them. An
// owner is referred to by records without being one.
var Timeline = timelineOf(All)

func timelineOf(all []Projection) *FactTable[happening] {
	kinds := make(map[string]string, len(all))
	for _, p := range all {
		kinds[p.Prefix()] = p.Kind()
	}
	var from feeds[happening]
	for _, p := range all {
		from = append(from, feed[happening]{table: p.Name(), lines: p.source(), each: func(to *told[happening], before any, e eventstore.Recorded, after any) {
			tellHappening(to, kinds, e, p.mentions(before), p.mentions(after))
		}})
	}
	return facts("timeline", []string{"about_id", "position", "about_kind"},
		always("of_kind", "text", func(h *happening) string { return h.ofKind }),
		always("of_id", "uuid", func(h *happening) plainUUID { return plainUUID(h.ofID) }),
		always("position", "bigint", func(h *happening) int64 { return int64(h.position) }),
		always("version", "int", func(h *happening) int32 { return int32(h.version) }),
		always("about_kind", "text", func(h *happening) string { return h.aboutKind }),
		always("about_id", "uuid", func(h *happening) plainUUID { return plainUUID(h.aboutID) }),
		always("via", "text", func(h *happening) string { return h.via }),
		always("type", "text", func(h *happening) string { return h.event }),
		always("actor", "uuid", func(h *happening) plainUUID { return plainUUID(h.actor) }),
		textual(maybe("others", "uuid[]", func(h *happening) *string {
			if h.others == nil {
				return nil
			}
			return new(arrayText(h.others))
		})),
		about[happening]{
			record:   func(h *happening) (string, uuid.UUID) { return h.aboutKind, h.aboutID },
			position: func(h *happening) eventstore.Position { return h.position },
		},
		// The position downwards, so that nothing but this index has the order that it is read in.
		factIndex[happening]{"types", "about_id, type, actor, (-position)"},
		from,
	)
}

// tellHappening tells of an event in all timelines that it belongs to.
func tellHappening(to *told[happening], kinds map[string]string, e eventstore.Recorded, before, after []mention) {
	actor, err := content.Actor(e)
	if err != nil {
		panic(err) // which parks what the record tells
	}
	own := happening{
		ofKind: e.Stream.Kind, ofID: e.Stream.ID, position: e.Position, version: e.Version,
		aboutKind: e.Stream.Kind, aboutID: e.Stream.ID, event: e.Type, actor: ActorKey(actor),
	}
	var others []happening
	for _, mentions := range [][]mention{before, after} {
		for _, m := range mentions {
			kind := kinds[m.id.Prefix]
			if kind == "" || kind == own.ofKind && m.id.UUID == own.ofID {
				continue
			}
			i := slices.IndexFunc(others, func(h happening) bool { return h.aboutID == m.id.UUID && h.aboutKind == kind })
			if i < 0 {
				h := own
				h.aboutKind, h.aboutID, h.via, h.others = kind, m.id.UUID, m.member, nil
				others, own.others = append(others, h), append(own.others, m.id.UUID.String())
			} else if !slices.Contains(strings.Split(others[i].via, ","), m.member) {
				others[i].via += "," + m.member
			}
		}
	}
	to.put(own)
	for _, h := range others {
		to.put(h)
	}
}

// ActorKey names who has caused an event, in timelines: by their ID, or, of those who have
// none, by what they are.
func ActorKey(a domain.Actor) uuid.UUID {
	if a.ID.IsZero() {
		return uuid.NewSHA1(uuid.Nil, []byte(a.Kind))
	}
	return a.ID.UUID
}
