package postgres

import (
	"crypto/sha256"
	"slices"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// entry is a command on its way.
type entry struct {
	tenant  domain.TenantID
	command *eventstore.Command
	claims  []claim
	events  int
	bytes   int

	result *eventstore.Result
	call   *call
	held   bool // see lane.hold
}

// claim is a claim to be taken or freed.
type claim struct {
	*eventstore.Claim
	how text // as es.append has it
	key [sha256.Size]byte
}

// newEntry checks a command of a tenant and prepares it.
func newEntry(tenant domain.TenantID, c *eventstore.Command) (entry, error) {
	e := entry{tenant: tenant, command: c, bytes: len(c.Note)}
	if !c.NumbersFit() {
		return entry{}, eventstore.ErrMalformed
	}
	for _, w := range eventstore.WithLargest(*c).Writes {
		e.events += len(w.Events)
		for _, event := range w.Events {
			n := len(event.Data) + len(event.Meta)
			if n > eventstore.MaxEventBytes {
				return entry{}, eventstore.ErrTooLarge
			}
			e.bytes += n
		}
	}
	if e.events > eventstore.MaxEvents || e.bytes > eventstore.MaxCommandBytes ||
		len(c.Writes)+len(c.Checks) > eventstore.MaxStreams || len(c.Claim)+len(c.Free) > eventstore.MaxClaims {
		return entry{}, eventstore.ErrTooLarge
	}
	e.claims = claimsOf(c)
	if !e.consistent() {
		return entry{}, eventstore.ErrMalformed
	}
	return e, nil
}

// claimsOf returns what a command frees and takes, each once.
func claimsOf(c *eventstore.Command) []claim {
	n := len(c.Claim) + len(c.Free)
	if n == 0 {
		return nil
	}
	all := make([]claim, 0, n)
	add := func(c *eventstore.Claim, how text) {
		same := func(other claim) bool {
			return (other.how == "free") == (how == "free") && other.Scope == c.Scope && other.Key == c.Key && other.Stream == c.Stream
		}
		if !slices.ContainsFunc(all, same) {
			all = append(all, claim{c, how, sha256.Sum256([]byte(c.Key))})
		}
	}
	for i := range c.Free {
		add(&c.Free[i], "free")
	}
	for i := range c.Claim {
		if c.Claim[i].Soft {
			add(&c.Claim[i], "soft")
		} else {
			add(&c.Claim[i], "hard")
		}
	}
	return all
}

// consistent reports whether the command is about its tenant only, writes to
// each stream once, and takes each claim once.
func (e *entry) consistent() bool {
	ok := true
	e.touches(func(r resource, _ bool) { ok = ok && r.tenant == e.tenant })
	if len(e.command.Writes) > 1 {
		written := make(map[eventstore.StreamID]bool, len(e.command.Writes))
		for _, w := range e.command.Writes {
			ok = ok && !written[w.Stream]
			written[w.Stream] = true
		}
	}
	type key struct{ scope, key string }
	if len(e.command.Claim) > 1 {
		taken := make(map[key]eventstore.Claim, len(e.command.Claim))
		for _, c := range e.command.Claim {
			k := key{c.Scope, c.Key}
			other, twice := taken[k]
			ok = ok && (!twice || other.Stream == c.Stream && other.Soft == c.Soft)
			taken[k] = c
		}
	}
	return ok
}

// resource is what two commands in a batch may not both change: a stream, a
// claim, or the memory of a command.
type resource struct {
	tenant domain.TenantID
	class  byte
	name   string
	key    [sha256.Size]byte
}

// The classes of resources.
const (
	aStream = iota
	aClaim
	aCommand
)

func resourceOf(tenant domain.TenantID, class byte, name string, id uuid.UUID) resource {
	r := resource{tenant: tenant, class: class, name: name}
	copy(r.key[:], id[:])
	return r
}

// touches tells f what the command depends on, and whether it changes it.
func (e *entry) touches(f func(r resource, changes bool)) {
	if e.command.ID != uuid.Nil {
		f(resourceOf(e.tenant, aCommand, "", e.command.ID), true)
	}
	for _, w := range e.command.Writes {
		f(resourceOf(w.Stream.Tenant, aStream, w.Stream.Kind, w.Stream.ID), true)
	}
	for _, c := range e.command.Checks {
		f(resourceOf(c.Stream.Tenant, aStream, c.Stream.Kind, c.Stream.ID), false)
	}
	for _, c := range e.claims {
		f(resource{c.Stream.Tenant, aClaim, c.Scope, c.key}, true)
	}
}
