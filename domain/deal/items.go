package deal

import (
	"slices"

	"github.com/shopspring/decimal"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
)

const (
	maxItems    = 200
	maxContacts = 100
)

// Line is what a line item says.
type Line struct {
	Description string         `json:"description" class:"personal" of:"primary_contact_id" minLength:"1" maxLength:"500" text:"lines" example:"Tiles, slate grey"`
	Quantity    domain.Decimal `json:"qty" doc:"More than 0" example:"120"`
	UnitPrice   domain.Money   `json:"unit_price"`
	DiscountPct domain.Decimal `json:"discount_pct,omitzero" doc:"0 to 100" example:"5"`
	TaxCode     string         `json:"tax_code,omitzero" class:"internal" maxLength:"50" example:"standard"`
}

// LineItem is a line of a deal, and the number that names it there.
type LineItem struct {
	ID int `json:"id"`
	Line
}

// total is what the line costs, rounded half up to what can be paid.
func (l Line) total() decimal.Decimal {
	hundred := decimal.NewFromInt(100)
	sum := l.Quantity.Value().Mul(l.UnitPrice.Decimal()).Mul(hundred.Sub(l.DiscountPct.Value())).Div(hundred)
	m, err := domain.RoundMoney(sum, l.UnitPrice.Currency)
	if err != nil {
		return sum // out of bounds: the sum of all lines says so
	}
	return m.Decimal()
}

// total returns what the items cost together.
func total(items []LineItem) (domain.Money, error) {
	if len(items) == 0 {
		return domain.Money{}, nil
	}
	sum := decimal.Zero
	for _, i := range items {
		sum = sum.Add(i.total())
	}
	return domain.NewMoney(sum, items[0].UnitPrice.Currency)
}

// check says what is wrong with a line among others.
func (l Line) check(others []LineItem) error {
	hundred := decimal.NewFromInt(100)
	if !l.Quantity.Value().IsPositive() {
		return domain.Check(false, "/qty", "not_positive", "must be more than 0")
	}
	if d := l.DiscountPct.Value(); d.IsNegative() || d.GreaterThan(hundred) {
		return domain.Check(false, "/discount_pct", "out_of_range", "must be 0 to 100")
	}
	if l.UnitPrice.Decimal().IsNegative() {
		return domain.Check(false, "/unit_price/amount", "negative", "must not be negative")
	}
	same := !slices.ContainsFunc(others, func(i LineItem) bool { return i.UnitPrice.Currency != l.UnitPrice.Currency })
	return domain.Check(same, "/unit_price/currency", "other_currency", "must be the currency of the other line items")
}

// itemCommand is implemented by commands that change line items, and with them what
// the deal is worth.
type itemCommand interface{ aboutItems() }

func (AddLineItem) aboutItems()    {}
func (UpdateLineItem) aboutItems() {}
func (RemoveLineItem) aboutItems() {}

// SetAmount says what a deal without line items is worth.
type SetAmount struct {
	Amount domain.Money `json:"amount,omitzero" doc:"Nobody knows, if left out"`
}

// AmountChanged says what a deal is worth now.
type AmountChanged struct {
	From domain.Money `json:"from,omitzero"`
	To   domain.Money `json:"to,omitzero"`
}

// Decide sets the amount of an open deal, unless line items say what it is.
func (c SetAmount) Decide(d Deal, o domain.Origin) ([]Event, error) {
	to := d.Fields
	to.Amount = c.Amount
	return record.Modify(&d, o, to)
}

func (AmountChanged) EventType() string { return "deal.amount_changed" }
func (e AmountChanged) Apply(d *Deal)   { e.Set(&d.Fields) }

// Set changes the fields accordingly.
func (e AmountChanged) Set(f *Fields) { f.Amount = e.To }

// Touches implements [domain.Toucher].
func (SetAmount) Touches() []string { return []string{"amount"} }

// Touches implements [domain.Toucher].
func (AmountChanged) Touches() []string { return []string{"amount"} }

// AddLineItem adds a line. From then on the lines say what the deal is worth.
type AddLineItem struct{ Line }

// LineItemAdded says that a line was added, and what the deal is worth now.
type LineItemAdded struct {
	Item   LineItem     `json:"item"`
	Amount domain.Money `json:"amount"`
}

// Decide adds a line to an open deal.
func (c AddLineItem) Decide(d Deal, _ domain.Origin) ([]Event, error) {
	if err := d.mustBeOpen("add_line_item"); err != nil {
		return nil, err
	}
	if err := domain.Check(len(d.Items) < maxItems, "", "too_many", "a deal has at most 200 line items"); err != nil {
		return nil, err
	}
	if err := c.check(d.Items); err != nil {
		return nil, err
	}
	item := LineItem{d.LastItem + 1, c.Line}
	sum, err := total(append(slices.Clone(d.Items), item))
	if err != nil {
		return nil, err
	}
	return []Event{LineItemAdded{item, sum}}, nil
}

func (LineItemAdded) EventType() string { return "deal.line_item_added" }
func (e LineItemAdded) Apply(d *Deal) {
	d.Items, d.LastItem = append(slices.Clone(d.Items), e.Item), e.Item.ID
	d.Fields.Amount = e.Amount
}

// UpdateLineItem puts another line in the place of one.
type UpdateLineItem struct {
	ID int `json:"id" minimum:"1" doc:"The number of the line item" example:"1"`
	Line
}

// LineItemUpdated says what a line is now, and what the deal is worth.
type LineItemUpdated struct {
	Item   LineItem     `json:"item"`
	Amount domain.Money `json:"amount"`
}

// Decide changes a line of an open deal.
func (c UpdateLineItem) Decide(d Deal, _ domain.Origin) ([]Event, error) {
	if err := d.mustBeOpen("update_line_item"); err != nil {
		return nil, err
	}
	i, err := d.item(c.ID)
	if err != nil {
		return nil, err
	}
	if d.Items[i].Line == c.Line {
		return nil, nil
	}
	if err := c.check(slices.Delete(slices.Clone(d.Items), i, i+1)); err != nil {
		return nil, err
	}
	items := slices.Clone(d.Items)
	items[i].Line = c.Line
	sum, err := total(items)
	if err != nil {
		return nil, err
	}
	return []Event{LineItemUpdated{items[i], sum}}, nil
}

// item returns the index of a line item.
func (d *Deal) item(id int) (int, error) {
	i := slices.IndexFunc(d.Items, func(x LineItem) bool { return x.ID == id })
	return i, domain.Check(i >= 0, "/id", "unknown_line_item", "is no line item of the deal")
}

func (LineItemUpdated) EventType() string { return "deal.line_item_updated" }
func (e LineItemUpdated) Apply(d *Deal) {
	d.Items, d.Fields.Amount = slices.Clone(d.Items), e.Amount
	if i, err := d.item(e.Item.ID); err == nil {
		d.Items[i] = e.Item
	}
}

// RemoveLineItem removes a line.
type RemoveLineItem struct {
	ID int `json:"id" minimum:"1" doc:"The number of the line item" example:"1"`
}

// LineItemRemoved says that a line is gone, and what the deal is worth.
type LineItemRemoved struct {
	ID     int          `json:"id"`
	Amount domain.Money `json:"amount,omitzero"`
}

// Decide removes a line of an open deal. With the last one the amount goes, too.
func (c RemoveLineItem) Decide(d Deal, _ domain.Origin) ([]Event, error) {
	if err := d.mustBeOpen("remove_line_item"); err != nil {
		return nil, err
	}
	i, err := d.item(c.ID)
	if err != nil {
		return nil, err
	}
	sum, err := total(slices.Delete(slices.Clone(d.Items), i, i+1))
	if err != nil {
		return nil, err
	}
	return []Event{LineItemRemoved{c.ID, sum}}, nil
}

func (LineItemRemoved) EventType() string { return "deal.line_item_removed" }
func (e LineItemRemoved) Apply(d *Deal) {
	d.Items = slices.DeleteFunc(slices.Clone(d.Items), func(x LineItem) bool { return x.ID == e.ID })
	d.Fields.Amount = e.Amount
}

// What commands and events about line items touch.
var itemFields = []string{"line_items", "amount"}

// Touches implements [domain.Toucher].
func (AddLineItem) Touches() []string { return itemFields }

// Touches implements [domain.Toucher].
func (LineItemAdded) Touches() []string { return itemFields }

// Touches implements [domain.Toucher].
func (UpdateLineItem) Touches() []string { return itemFields }

// Touches implements [domain.Toucher].
func (LineItemUpdated) Touches() []string { return itemFields }

// Touches implements [domain.Toucher].
func (RemoveLineItem) Touches() []string { return itemFields }

// Touches implements [domain.Toucher].
func (LineItemRemoved) Touches() []string { return itemFields }

// Link is a contact of a deal, and what they are to it.
type Link struct {
	ContactID domain.ID `json:"contact_id" prefix:"con" example:"con_01jh2xk3v8e4t9p5w7y0z2b4d6"`
	Label     string    `json:"label,omitzero" class:"personal" of:"contact_id" maxLength:"100" example:"decision_maker"`
}

// AddContact adds a contact to a deal, or changes what they are to it.
type AddContact struct{ Link }

// ContactAdded says that a contact has to do with a deal.
type ContactAdded struct{ Link }

func (c AddContact) contact() domain.Ref {
	return domain.Ref{Kind: "contact", ID: c.ContactID, Pointer: "/contact_id"}
}

// References implements [domain.Referrer].
func (c AddContact) References(d Deal, _ domain.Origin) []domain.Ref {
	if !d.Live() {
		return nil
	}
	return []domain.Ref{c.contact()}
}

// Decide adds a contact to a deal, also to a closed one: whom to talk to about it
// is not about the sale.
func (c AddContact) Decide(d Deal, o domain.Origin) ([]Event, error) {
	if err := d.MustBeLive(); err != nil {
		return nil, err
	}
	if _, err := domain.Find[any](o, c.contact()); err != nil {
		return nil, err
	}
	if slices.Contains(d.Contacts, c.Link) {
		return nil, nil
	}
	others := len(withoutContact(d.Contacts, c.ContactID))
	if err := domain.Check(others < maxContacts, "", "too_many", "a deal has at most 100 contacts"); err != nil {
		return nil, err
	}
	return []Event{ContactAdded(c)}, nil
}

func (ContactAdded) EventType() string { return "deal.contact_added" }
func (e ContactAdded) Apply(d *Deal) {
	d.Contacts = append(withoutContact(d.Contacts, e.ContactID), e.Link)
}

func withoutContact(links []Link, id domain.ID) []Link {
	return slices.DeleteFunc(slices.Clone(links), func(l Link) bool { return l.ContactID == id })
}

// RemoveContact takes a contact from a deal.
type RemoveContact struct {
	ContactID domain.ID `json:"contact_id" prefix:"con" example:"con_01jh2xk3v8e4t9p5w7y0z2b4d6"`
}

// ContactRemoved says that a contact has nothing to do with a deal any more.
type ContactRemoved struct {
	ContactID domain.ID `json:"contact_id"`
}

// Decide removes a contact from an open deal. One that is not there is gone
// already.
func (c RemoveContact) Decide(d Deal, _ domain.Origin) ([]Event, error) {
	if err := d.MustBeLive(); err != nil {
		return nil, err
	}
	if len(withoutContact(d.Contacts, c.ContactID)) == len(d.Contacts) {
		return nil, nil
	}
	return []Event{ContactRemoved(c)}, nil
}

func (ContactRemoved) EventType() string { return "deal.contact_removed" }
func (e ContactRemoved) Apply(d *Deal)   { d.Contacts = withoutContact(d.Contacts, e.ContactID) }

// Touches implements [domain.Toucher].
func (AddContact) Touches() []string { return []string{"contacts"} }

// Touches implements [domain.Toucher].
func (ContactAdded) Touches() []string { return []string{"contacts"} }

// Touches implements [domain.Toucher].
func (RemoveContact) Touches() []string { return []string{"contacts"} }

// Touches implements [domain.Toucher].
func (ContactRemoved) Touches() []string { return []string{"contacts"} }
