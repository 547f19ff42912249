package record_test

import (
	"encoding/json"
	"fmt"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
)

// Boats are a kind of record. These lines are all that a kind says in its package of
// domain: what its fields are, which statuses it has, and what is done to get from one
// to another. It is changed by patch, has an owner, tags and external IDs, goes into the bin
// and is restored and purged without a word.
var boats = record.Describe[boat, boatFields]("boat", boatMade{}, boatLaunched{})

type boatFields struct {
	record.Common

	Name string `json:"name" class:"internal" unique:"true" search:"true" minLength:"1" maxLength:"100"`
}

func (boatFields) KindName() string { return "boat" }

type boat struct {
	record.Base[boatFields]
	afloat
}

// afloat is what clients see of a boat beside its fields.
type afloat struct {
	Status record.Status `json:"status" enum:"ashore,afloat"`
	Place  string        `json:"place,omitzero" class:"internal"`
}

func (b *boat) Begun()                   { b.Status = "ashore" }
func (b *boat) Standing() *record.Status { return &b.Status }

type (
	makeBoat = record.Create[boat, boatFields, *boat]
	boatMade = record.Created[boat, boatFields, *boat]
)

// launch is a command that takes a boat from one status to another. The event has its
// members.
type launch struct {
	Place string `json:"place" class:"internal" minLength:"1" maxLength:"100"`
}

type boatLaunched = record.Stepped[launch, boat, boatFields, *boat]

func (launch) Step() record.Step {
	return record.Step{Command: "launch", From: []record.Status{"ashore"}, To: "afloat", Event: "launched"}
}

func (c launch) Effect(b *boat)  { b.Place = c.Place }
func (launch) Affects() []string { return []string{"place"} }

func (c launch) Decide(b boat, _ domain.Origin) ([]domain.Event[boat], error) {
	return record.Take[boat](&b, c)
}

// A kind of record: a command decides which events follow from it, and the state
// follows from the events.
func ExampleDescribe() {
	decide := func(b boat, c domain.Command[boat]) boat {
		events, after, err := boats.Decide(c, b, domain.Origin{}, nil)
		for _, e := range events {
			data, _ := json.Marshal(e)
			fmt.Println(e.EventType(), string(data))
		}
		if err != nil {
			fmt.Println(err)
		}
		return after
	}
	b := decide(boat{}, makeBoat{boatFields{Name: "Argo"}})
	b = decide(b, launch{Place: "Pagasae"})
	fmt.Println(b.Status, "at", b.Place)
	decide(b, launch{Place: "Colchis"})
	// Output:
	// boat.created {"fields":{"name":"Argo"}}
	// boat.launched {"place":"Pagasae"}
	// afloat at Pagasae
	// launch is not possible: the state is afloat
}
