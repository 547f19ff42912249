package bus_test

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/rowhouse/rowhouse/bus"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

func TestParseEndpoints(t *testing.T) {
	t.Parallel()
	got, err := bus.ParseEndpoints([]string{
		"nats://u:p@host:4222?stream=crm&name=eu", "kafka://one:9092,two:9092?topic=x", "nats://other",
	})
	if err != nil || len(got) != 3 {
		t.Fatal(got, err)
	}
	if got[0].Name != "eu" || got[0].URL.String() != "nats://u:p@host:4222?stream=crm" || got[0].URL.User.Username() != "u" {
		t.Errorf("endpoint = %s %s", got[0].Name, got[0].URL.Redacted())
	}
	if got[1].Name != "kafka" || got[1].URL.Host != "one:9092,two:9092" || got[2].Name != "nats" {
		t.Errorf("endpoints = %v", got)
	}
	for _, bad := range [][]string{
		{""},
		{"host:4222"},
		{"nats:host"},
		{"nats://u:secret@ho st"},
		{"nats://u:secret@host:port"},
		{"nats://host?password=secret&%zz"},
		{"nats://u:secret@host?name="},
		{"nats://u:secret@host?name=A"},
		{"nats://u:secret@host?name=" + strings.Repeat("a", 33)},
		{"nats://host", "nats://u:secret@host2"},
		{"nats://u:secret%@host"},
		{"nats://u:1#secret@host"},
		{"nats://host#secret"},
		{"nats://host#"},
	} {
		if got, err := bus.ParseEndpoints(bad); err == nil {
			t.Errorf("%q is %v", bad, got)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	endpoints, err := bus.ParseEndpoints([]string{"nats://u:secret@host"})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	if _, err := endpoints[0].Open(t.Context(), nil, log); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("open = %v", err)
	}
	reason := errors.New("no")
	for _, want := range []error{nil, reason} {
		open := func(_ context.Context, u *url.URL, _ *slog.Logger) (bus.Target, error) { return newBroker(), want }
		target, err := endpoints[0].Open(t.Context(), map[string]bus.Opener{"nats": open}, log)
		if !errors.Is(err, want) || (target == nil) != (want != nil) {
			t.Errorf("open = %v, %v", target, err)
		}
	}
}

// Whatever kinds and events are called, a subject is one of its tenant only, and
// has no place for anything else.
func TestSubject(t *testing.T) {
	t.Parallel()
	tenant := domain.TenantID{UUID: uuid.UUID{15: 1}}
	s := eventstore.StreamID{Tenant: tenant, Kind: "deal"}
	if got := bus.Subject("rowhouse", s, "deal.stage_changed"); got != "rowhouse.ten_00000000000000000000000001.deal.stage_changed" {
		t.Error(got)
	}
	if got := bus.TopicOf("crm", tenant); got != "crm.ten_00000000000000000000000001" {
		t.Error(got)
	}
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")
		s := eventstore.StreamID{Tenant: domain.TenantID{UUID: uuid.UUID(id)}, Kind: rapid.String().Draw(t, "kind")}
		got := bus.Subject("p", s, rapid.String().Draw(t, "event"))
		parts := strings.Split(got, ".")
		if len(parts) != 4 || parts[1] != s.Tenant.String() || len(parts[1]) != 30 || strings.ContainsAny(got, "*> \t\r\n") || parts[2] == "" || parts[3] == "" {
			t.Errorf("subject = %q", got)
		}
	})
}
