// Package product is about products: what a tenant sells, and at which prices.
package product

import (
	"slices"
	"strings"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
)

// Aggregate describes products.
var Aggregate = record.Describe[Product, Fields]("prod", Created{}, PriceSet{}, Archived{}, Unarchived{})

// Event is a fact about a product.
type Event = domain.Event[Product]

// What can happen to a product.
type (
	Create     = record.Create[Product, Fields, *Product]
	Created    = record.Created[Product, Fields, *Product]
	Archived   = record.Stepped[Archive, Product, Fields, *Product]
	Unarchived = record.Stepped[Unarchive, Product, Fields, *Product]
)

// Fields is what can be changed by a patch.
type Fields struct {
	record.Common

	SKU     string `json:"sku" class:"internal" unique:"true" search:"true" minLength:"1" maxLength:"64" doc:"The number it is ordered by. No two products have the same." example:"TILE-SLATE-30"`
	Name    string `json:"name" class:"internal" search:"true" minLength:"1" maxLength:"300" example:"Slate tile, 30 cm"`
	Unit    string `json:"unit,omitzero" class:"internal" maxLength:"20" doc:"What one of it is" example:"piece"`
	TaxCode string `json:"tax_code,omitzero" class:"internal" maxLength:"20" doc:"How it is taxed" example:"standard"`
}

// KindName implements [record.Fields].
func (Fields) KindName() string { return "product" }

// Product is what decisions about a product depend on.
type Product struct {
	record.Base[Fields]
	Shown
}

// Shown is what clients see of a product beside its fields.
type Shown struct {
	Status record.Status `json:"status" class:"internal" enum:"active,archived"`
	Prices []Price       `json:"prices" doc:"By currency, and by the day from which they hold"`
}

// A product is active until it is archived: not sold any more.
const (
	StatusActive   record.Status = "active"
	StatusArchived record.Status = "archived"
)

// Price is what one of a product costs from a day on.
type Price struct {
	Price     domain.Money `json:"price" doc:"Of one of it"`
	ValidFrom domain.Date  `json:"valid_from,omitzero" doc:"The first day on which it holds; it has always held, if left out" example:"2027-01-01"`
}

// Check refuses prices below nothing.
func (p Price) Check() error {
	return domain.Check(!p.Price.Decimal().IsNegative(), "/price/amount", "too_small", "must not be less than 0")
}

// Begun implements [record.Beginner].
func (p *Product) Begun() { p.Status, p.Prices = StatusActive, []Price{} }

// Standing implements [record.Standing].
func (p *Product) Standing() *record.Status { return &p.Status }

// SetPrice says what a product costs from a day on, in one currency.
type SetPrice struct{ Price }

// PriceSet says that a product costs something else from a day on.
type PriceSet struct{ Price }

// maxPrices is how many prices a product can have.
const maxPrices = 200

// Decide sets a price that is not so already.
func (c SetPrice) Decide(p Product, _ domain.Origin) ([]Event, error) {
	if err := p.MustBeLive(); err != nil || slices.Contains(p.Prices, c.Price) {
		return nil, err
	}
	if i := p.find(c.Price); i == len(p.Prices) && i == maxPrices {
		return nil, domain.Conflict.Refusef("too_many", "a product has at most %d prices", maxPrices)
	}
	return []Event{PriceSet(c)}, nil
}

// find returns where the price is that another one takes the place of.
func (p *Product) find(price Price) int {
	i := slices.IndexFunc(p.Prices, func(x Price) bool {
		return x.Price.Currency == price.Price.Currency && x.ValidFrom == price.ValidFrom
	})
	if i < 0 {
		return len(p.Prices)
	}
	return i
}

// Touches implements [domain.Toucher].
func (SetPrice) Touches() []string { return []string{"prices"} }

func (PriceSet) EventType() string { return "product.price_set" }

func (e PriceSet) Apply(p *Product) {
	prices := slices.Clone(p.Prices)
	if i := p.find(e.Price); i < len(prices) {
		prices[i] = e.Price
	} else {
		prices = append(prices, e.Price)
	}
	slices.SortFunc(prices, func(a, b Price) int {
		return strings.Compare(a.Price.Currency+string(a.ValidFrom), b.Price.Currency+string(b.ValidFrom))
	})
	p.Prices = prices
}

// Touches implements [domain.Toucher].
func (PriceSet) Touches() []string { return []string{"prices"} }

// Archive takes a product out of what is sold.
type Archive struct{}

// Step implements [record.Stepper].
func (Archive) Step() record.Step {
	return record.Step{Command: "archive", From: []record.Status{StatusActive}, To: StatusArchived, Event: "archived"}
}

// Decide archives an active product.
func (c Archive) Decide(p Product, _ domain.Origin) ([]Event, error) {
	return record.Take[Product](&p, c)
}

// Unarchive puts a product back among what is sold.
type Unarchive struct{}

// Step implements [record.Stepper].
func (Unarchive) Step() record.Step {
	return record.Step{Command: "unarchive", From: []record.Status{StatusArchived}, To: StatusActive, Event: "unarchived"}
}

// Decide puts an archived product back.
func (c Unarchive) Decide(p Product, _ domain.Origin) ([]Event, error) {
	return record.Take[Product](&p, c)
}
