package domain

import (
	"time"
)

// A Permission is the right to do one kind of thing to one kind of record,
// written object:action, such as "deal:close".
type Permission string

// Actor says who did something. It holds no personal data: only IDs.
type Actor struct {
	Kind       string `json:"kind" class:"internal"` // user, api_key, system, import
	ID         ID     `json:"id,omitzero"`
	OnBehalfOf ID     `json:"on_behalf_of,omitzero"`
}

// Origin says who asks for a change, on behalf of which tenant, and when. It does not
// say what they may do, which was looked at before anything is decided. It is
// made once, at the edge, and recorded with every event that follows from it.
type Origin struct {
	Tenant TenantID
	Actor  Actor
	Time   time.Time

	Correlation string // names the request, or the process, that this is part of
	Causation   string // names the event that this is a reaction to, if it is one

	// Self is the record that the command is for.
	Self ID

	// Found holds the records that a [Referrer] depends on. See [Find].
	Found map[Ref]any

	// Selected holds what a [Selector] has selected, by the names of the selections.
	Selected map[string]Selected
}
