package commands

import (
	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/contact"
)

type panicking struct{}

func (panicking) Decide(contact.Contact, domain.Origin) ([]contact.Event, error) {
	panic("secret")
}

// Panicking returns an operation that panics when it decides.
func Panicking(id uuid.UUID) Operation {
	return policy(contact.Aggregate.Aggregate, "", system[panicking]("contact:update")).Prepare(Target{ID: id}, panicking{})
}
