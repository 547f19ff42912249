package csvimport

import (
	"encoding/json"
	"os"
	"strings"
)

// readings is how the values of a file were read, as far as all of its rows
// decided that. An errors file has a few of the rows only, which may not tell, so
// it takes over the readings of the file that it came from: a corrected row must
// not become another day or another amount.
type readings struct {
	Orders  map[string]dateOrder `json:"date_orders,omitempty"` // by the name of the column
	Points  map[string]string    `json:"decimals,omitempty"`    // likewise; "." or ","
	Country string               `json:"country,omitempty"`
}

// readings returns how the values of the file are read.
func (p *plan) readings() readings {
	r := readings{Orders: map[string]dateOrder{}, Points: map[string]string{}, Country: p.country}
	for c, order := range p.orders {
		if order != "" {
			r.Orders[p.name(c)] = order
		}
	}
	for c, point := range p.points {
		if point != 0 {
			r.Points[p.name(c)] = string(rune(point))
		}
	}
	return r
}

// inherited returns the readings of the file that an errors file came from.
// Without them, the rows decide.
func (p *plan) inherited() readings {
	origin, ok := strings.CutSuffix(p.path, ErrorsPath(""))
	if !p.isErrors || !ok {
		return readings{}
	}
	data, err := os.ReadFile(statePath(origin))
	if err != nil {
		return readings{}
	}
	var s state
	if json.Unmarshal(data, &s) != nil || s.Format != stateFormat || s.Object != p.object.collection {
		return readings{}
	}
	return s.Readings
}

// inherit takes over what the original has decided, unless an option says
// otherwise.
func (s *survey) inherit(r readings) {
	p, o := s.plan, s.options
	like := "the file that these rows came from"
	for _, c := range sortedKeys(s.dates) {
		if order := r.Orders[p.name(c)]; order != "" && (o.DateOrder == "" || o.DateOrder == "auto") {
			p.found.assume(guess{about: "order of day and month", column: p.name(c), taken: orderNames[order], because: "it is so in " + like, option: "--date-order"})
		}
	}
	for _, c := range sortedKeys(s.amounts) {
		if point := r.Points[p.name(c)]; point != "" && (o.Decimal == "" || o.Decimal == "auto") {
			p.found.assume(guess{about: "what separates decimals", column: p.name(c), taken: point, because: "it is so in " + like, option: "--decimal"})
		}
	}
	if r.Country != "" && o.Country == "" {
		p.found.assume(guess{about: "country of telephone numbers", taken: r.Country, because: "it is so in " + like, option: "--country"})
	}
}

// orderNames says orders of dates to people.
var orderNames = map[dateOrder]string{monthFirst: "month first", monthFirstWithDots: "month first", dayFirst: "day first", yearFirst: "year first"}
