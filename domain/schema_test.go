package domain_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/domain"
)

// A guest's name was one text at first, then was called full_name, and is in
// two parts now.
type guest struct{ First, Last string }

type arrived struct {
	First string `json:"first"`
	Last  string `json:"last"`
}

func (arrived) EventType() string { return "guest.arrived" }
func (e arrived) Apply(g *guest)  { g.First, g.Last = e.First, e.Last }

func (arrived) Upcasters() []domain.Upcaster {
	return []domain.Upcaster{
		func(data json.RawMessage) (json.RawMessage, error) {
			var v1 struct {
				Name string `json:"name"`
			}
			if err := json.Unmarshal(data, &v1); err != nil {
				return nil, err
			}
			return json.Marshal(map[string]string{"full_name": v1.Name})
		},
		func(data json.RawMessage) (json.RawMessage, error) {
			var v2 struct {
				FullName string `json:"full_name"`
			}
			if err := json.Unmarshal(data, &v2); err != nil {
				return nil, err
			}
			first, last, _ := strings.Cut(v2.FullName, " ")
			return json.Marshal(arrived{first, last})
		},
	}
}

func TestUpcasting(t *testing.T) {
	t.Parallel()
	agg := domain.NewAggregate[guest]("guest", "gst", arrived{})
	if v := domain.SchemaVersion(arrived{}); v != 3 {
		t.Fatalf("schema version = %d", v)
	}
	for version, data := range []string{
		1: `{"name":"Ada Lovelace"}`,
		2: `{"full_name":"Ada Lovelace"}`,
		3: `{"first":"Ada","last":"Lovelace"}`,
	} {
		if version == 0 {
			continue
		}
		var g guest
		if err := agg.Apply(&g, time.Time{}, "guest.arrived", version, []byte(data)); err != nil || g != (guest{"Ada", "Lovelace"}) {
			t.Errorf("version %d: %v, %v", version, g, err)
		}
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	agg := domain.NewAggregate[guest]("guest", "gst", arrived{})
	var g guest
	if err := agg.Apply(&g, time.Time{}, "guest.arrived", 4, []byte(`{}`)); !errors.Is(err, domain.ErrNewerSchema) {
		t.Errorf("a newer schema: %v", err)
	}
	if err := agg.Apply(&g, time.Time{}, "guest.left", 1, []byte(`{}`)); !errors.Is(err, domain.ErrUnknownEvent) {
		t.Errorf("an unknown event: %v", err)
	}
	for version := -1; version <= 3; version++ {
		if err := agg.Apply(&g, time.Time{}, "guest.arrived", version, []byte(`[`)); err == nil {
			t.Errorf("version %d: broken data is read", version)
		}
	}
}
