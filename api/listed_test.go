package api

import (
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/contact"
	"github.com/rowhouse/rowhouse/projections"
)

type forgotten struct{}

func (forgotten) Decide(contact.Contact, domain.Origin) ([]contact.Event, error) { return nil, nil }

// A command without a line in the policy of its kind is not served, and the server
// says which one it is.
func TestEveryCommandIsListed(t *testing.T) {
	t.Parallel()
	s := &Server{schemas: newSchemas()}
	good := records(s, "", commands.Contacts, projections.Contacts, command[contact.AddTags]("add_tags", "Add tags", `{}`))
	bad := records(s, "", commands.Contacts, projections.Contacts, command[forgotten]("forget", "Forget it", `{}`))
	if err := allListed([]*resource{good}); err != nil {
		t.Error(err)
	}
	if err := allListed([]*resource{good, bad}); err == nil || !strings.Contains(err.Error(), "contact.forget") {
		t.Errorf("%v", err)
	}
}
