package content_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/content"
)

type door struct {
	open bool
	at   time.Time
}

func (d *door) Happens(at time.Time) { d.at = at }

type opened struct {
	By string `json:"by" class:"internal"`
}

func (opened) EventType() string { return "door.opened" }
func (opened) Apply(d *door)     { d.open = true }

var doors = domain.NewAggregate[door]("door", "door", opened{})

// What goes in comes out: as a value, as JSON, and as the state that it leads to.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	meta := eventstore.Metadata{
		Actor: domain.Actor{Kind: "user", ID: domain.ID{Prefix: "usr", UUID: uuid.New()}}, Command: uuid.New(), Correlation: "req", Causation: "evt",
	}
	enc, err := content.NewEncoder(meta)
	if err != nil {
		t.Fatal(err)
	}
	id, at := uuid.New(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	e, err := enc.Encode(eventstore.StreamID{Kind: "door"}, id, opened{"Ada & Co"})
	if err != nil || e.ID != id || e.Type != "door.opened" || e.Schema != 1 {
		t.Fatalf("%+v %v", e, err)
	}
	rec := eventstore.Recorded{Event: e, Time: at}
	if got := string(content.JSON(rec)); got != `{"by":"Ada & Co"}` {
		t.Error(got)
	}
	if got, err := content.Decode(doors, rec); err != nil || got != (opened{"Ada & Co"}) {
		t.Errorf("%+v %v", got, err)
	}
	var as opened
	if err := content.As(&as, rec); err != nil || as.By != "Ada & Co" {
		t.Errorf("%+v %v", as, err)
	}
	var d door
	if err := content.Apply(doors, &d, rec); err != nil || !d.open || d.at != at {
		t.Errorf("%+v %v", d, err)
	}
	if m, err := content.Metadata(rec); err != nil || m != meta {
		t.Errorf("%+v %v", m, err)
	}
	if a, err := content.Actor(rec); err != nil || a != meta.Actor {
		t.Errorf("%+v %v", a, err)
	}
	if c, err := content.Command(rec); err != nil || c != meta.Command {
		t.Errorf("%v %v", c, err)
	}
}

// What cannot be read is an error that says where it is, and not what is in it.
func TestWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	rec := eventstore.Recorded{Position: 17, Event: eventstore.Event{
		Type: "door.painted", Schema: 1, Data: json.RawMessage(`{"by":7}`), Meta: json.RawMessage(`{"actor":"Ada"}`),
	}}
	if _, err := content.Metadata(rec); err == nil || !strings.Contains(err.Error(), "at 17") || strings.Contains(err.Error(), "Ada") {
		t.Error(err)
	}
	if _, err := content.Decode(doors, rec); !errors.Is(err, domain.ErrUnknownEvent) {
		t.Error(err)
	}
	rec.Schema = 2
	if err := content.As(new(opened), rec); !errors.Is(err, domain.ErrNewerSchema) {
		t.Error(err)
	}
}
