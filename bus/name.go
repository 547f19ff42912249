package bus

import (
	"strings"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// TopicOf returns the topic of a tenant: prefix.ten_…, for brokers that have a
// topic per tenant.
func TopicOf(prefix string, tenant domain.TenantID) string { return prefix + "." + tenant.String() }

// Subject returns the subject of an event: prefix.ten_….kind.event, such as
// rowhouse.ten_01jh2xk3v8e4t9p5w7y0z2b4d6.deal.stage_changed, for brokers where
// many subjects are one stream. The tenant always has 30 characters and comes
// right after the prefix, and no part has a dot or a wildcard in it, so that
// "prefix.ten_….>" is what one tenant may see.
func Subject(prefix string, s eventstore.StreamID, eventType string) string {
	event := strings.TrimPrefix(eventType, s.Kind+".")
	return TopicOf(prefix, s.Tenant) + "." + token(s.Kind) + "." + token(event)
}

// token makes a part of a subject of a name. Names are our own and need no
// change; if one ever does, it still is one part and no wildcard.
func token(name string) string {
	if name == "" {
		return "_"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return '_'
	}, name)
}
