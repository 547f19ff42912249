package commands_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/company"
	"github.com/rowhouse/rowhouse/domain/contact"
)

// Whoever waits for a turn waits no longer than the request does, alone or with
// a batch, and whoever wants another record does not wait at all.
func TestATurnEndsWithItsRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, other := w.newContact(contact.Fields{}).UUID, w.newContact(contact.Fields{}).UUID
	stuck, going := make(chan struct{}), make(chan struct{})
	n := 0
	w.log.interfere(func(int) { // at the first append by another node; the second one is in its turn
		if n++; n == 1 {
			give(w, commands.Contacts, id, contact.AddTags{Tags: []string{"other"}})
			return
		}
		close(stuck)
		<-going
	})
	run, ann := w.run, w.ann
	var g sync.WaitGroup
	g.Go(func() {
		if _, err := commands.Do(t.Context(), run, commands.Contacts, ann, commands.Target{ID: id}, contact.AddTags{Tags: []string{"a"}}); err != nil {
			t.Error(err)
		}
	})
	<-stuck
	w.log.interfere(nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := commands.Do(ctx, run, commands.Contacts, ann, commands.Target{ID: id}, contact.AddTags{Tags: []string{"b"}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("alone: %v", err)
	}
	if _, err := run.Atomic(ctx, ann, newID(), nil, []commands.Operation{
		commands.Contacts.Prepare(commands.Target{ID: other}, contact.AddTags{Tags: []string{"b"}}),
		commands.Contacts.Prepare(commands.Target{ID: id}, contact.AddTags{Tags: []string{"b"}}),
	}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("in a batch: %v", err)
	}
	if _, err := commands.Do(t.Context(), run, commands.Contacts, ann, commands.Target{ID: other}, contact.AddTags{Tags: []string{"b"}}); err != nil {
		t.Errorf("of another record: %v", err)
	}
	close(going)
	g.Wait()
	if got := w.history(domain.ID{UUID: id}, "contact"); got != "created tags_changed tags_changed" {
		t.Error(got)
	}
}

// Many who change a record, or refer to it, alone or in batches that are one, all
// have their way.
func TestCrowdAroundAReference(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	com := w.newCompany(company.Fields{})
	var g sync.WaitGroup
	for n := range 24 {
		g.Go(func() {
			for i := range 8 {
				tag := contact.AddTags{Tags: []string{string(rune('a'+n)) + string(rune('a'+i))}}
				var err error
				switch n % 3 {
				case 0:
					_, err = commands.Do(t.Context(), w.run, commands.Companies, w.ann, commands.Target{ID: com.UUID}, company.AddTags(tag))
				case 1:
					_, err = commands.Do(t.Context(), w.run, commands.Contacts, w.ann, commands.Target{ID: newID(), New: true}, contact.Create{Fields: contact.Fields{FirstName: "Ada", CompanyID: com}})
				case 2:
					_, err = w.run.Atomic(t.Context(), w.ann, newID(), nil, []commands.Operation{
						commands.Companies.Prepare(commands.Target{ID: com.UUID}, company.RemoveTags(tag)),
						commands.Companies.Prepare(commands.Target{ID: com.UUID}, company.AddTags{Tags: []string{"x" + tag.Tags[0][:1]}}),
					})
				}
				if err != nil && !errors.Is(err, domain.Invalid) { // so many tags are too many
					t.Errorf("%d: %v", n, err)
				}
			}
		})
	}
	g.Wait()
}

// A panic is the fault of the command that it happened in.
func TestPanicIsAFault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	res := w.run.All(t.Context(), w.ann, []commands.Operation{
		commands.Contacts.Prepare(commands.Target{ID: newID()}, contact.Create{Fields: contact.Fields{FirstName: "Ada"}}),
		commands.Panicking(newID()),
		commands.Contacts.Prepare(commands.Target{ID: newID()}, contact.Create{Fields: contact.Fields{FirstName: "Eve"}}),
	})
	if res[0].Err != nil || res[2].Err != nil || !strings.HasPrefix(refusal(res[1].Err), "fault: ") || strings.Contains(res[1].Err.Error(), "secret") {
		t.Errorf("%v, %v, %v", res[0].Err, res[1].Err, res[2].Err)
	}
}
