package demo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
)

// world is what one tenant knows. It follows from its seed alone.
type world struct {
	Companies []Company
	People    []Person
	Deals     []Deal
	Tasks     []Task
}

// Company is a company that does not exist.
type Company struct {
	Name, Domain, Industry, Kind string
	Phone                        string
	Address                      Address
	Employees                    int
	Revenue                      int
	Currency                     string
	Tags                         []string

	place *place
	short string // the name without the legal form
	buys  []string
}

// Address is where something would be.
type Address struct{ Line1, City, Region, PostalCode, Country string }

// Person is somebody who does not exist.
type Person struct {
	First, Last, Email, Title, Language, Lifecycle string
	Phone, Mobile                                  string
	Birth                                          string
	Address                                        Address
	Company                                        int // its index, or -1
	DoNotCall                                      bool
	Tags                                           []string
}

// Deal is a sale, and how it went.
type Deal struct {
	Name, Source, CloseDate, Currency string
	Amount                            int
	Company, Person                   int
	Pipeline                          int
	Steps                             []Step
}

// Step is something that happens to a deal: it moves to a stage, its amount
// changes, it is won or lost or opened again.
type Step struct {
	Stage  string // to move to
	Amount int    // to change to
	Won    bool
	Lost   string // the reason
	Reopen bool
}

// Task is something to do.
type Task struct {
	Kind, Title, Priority, Due string
	Person                     int
	Started, Done, Cancelled   bool
	Outcome                    string
}

// size says how much of everything there is.
type size struct{ companies, people, deals, tasks int }

// today is the day that the demo takes place on.
var today = time.Date(2026, time.November, 2, 0, 0, 0, 0, time.UTC)

// dice is chance that repeats itself.
type dice struct{ *rand.Rand }

func newDice(seed uint64) dice {
	return dice{rand.New(rand.NewPCG(seed, 0x726f77686f757365))} //nolint:gosec // it must be the same every time
}

func pick[T any](d dice, list []T) T { return list[d.IntN(len(list))] }

// chance is true in so many percent of cases.
func (d dice) chance(percent int) bool { return d.IntN(100) < percent }

// number fills in the digits of a range.
func (d dice) number(pattern string) string {
	b := []byte(pattern)
	first := true
	for i, c := range b {
		if c != '#' {
			continue
		}
		b[i] = byte('0' + d.IntN(10))
		if first && strings.HasPrefix(pattern, "+44") && strings.HasSuffix(pattern, "####") {
			b[i] = '0' // the ranges of cities in the United Kingdom are 0000 to 0999
		}
		first = false
	}
	return string(b)
}

// sum is an amount as it is asked for: most are small, some are large, and all
// are round.
func (d dice) sum(typical float64) int {
	v := typical * math.Exp(d.NormFloat64()*0.9)
	step := math.Pow(10, math.Floor(math.Log10(v))-1)
	return int(math.Max(step, math.Round(v/step)*step))
}

// makeWorld makes a world of a seed.
func makeWorld(seed uint64, n size) *world {
	d := newDice(seed)
	w := &world{}
	taken := map[string]bool{}
	for range n.companies {
		w.Companies = append(w.Companies, d.company(taken))
	}
	for range n.people {
		w.People = append(w.People, d.person(w.Companies, taken))
	}
	staff := map[int][]int{}
	for i, p := range w.People {
		staff[p.Company] = append(staff[p.Company], i)
	}
	for range n.deals {
		w.Deals = append(w.Deals, d.deal(w, staff))
	}
	for range n.tasks {
		w.Tasks = append(w.Tasks, d.task(w))
	}
	return w
}

func (d dice) address(p *place) Address {
	line := fmt.Sprintf("%d %s", 1+d.IntN(180), pick(d, p.streets))
	if p.country == "DE" || p.country == "SE" {
		line = fmt.Sprintf("%s %d", pick(d, p.streets), 1+d.IntN(180))
	}
	return Address{line, p.city, p.region, p.postal, p.country}
}

var currencies = map[string]string{"GB": "GBP", "US": "USD", "DE": "EUR", "FR": "EUR", "SE": "SEK"}

func (d dice) company(taken map[string]bool) Company {
	p := &places[d.IntN(len(places))]
	for {
		trade := pick(d, industries)
		short := pick(d, stems) + " " + pick(d, trade.words)
		domain := slug(short) + ".example.com"
		if taken[domain] {
			continue
		}
		taken[domain] = true
		employees := d.sum(60)
		c := Company{
			Name: short + " " + pick(d, p.names.forms), Domain: domain, Industry: trade.name, Employees: employees,
			Kind:     pick(d, []string{"prospect", "prospect", "customer", "customer", "customer", "partner", "vendor", "other"}),
			Revenue:  employees * d.sum(90_000),
			Currency: currencies[p.country], Phone: d.number(p.phone), Address: d.address(p), place: p, short: short, buys: trade.buys,
		}
		if d.chance(25) {
			c.Tags = []string{pick(d, companyTags)}
		}
		return c
	}
}

func (d dice) person(companies []Company, taken map[string]bool) Person {
	p, at := &places[d.IntN(len(places))], -1
	domain := pick(d, []string{"example.com", "example.org", "example.net"})
	if len(companies) > 0 && d.chance(85) {
		// Some companies have many contacts, most have few.
		at = int(float64(len(companies)) * math.Pow(d.Float64(), 1.6))
		p, domain = companies[at].place, companies[at].Domain
	}
	who := Person{First: pick(d, p.names.first), Last: pick(d, p.names.last), Language: p.names.language, Company: at}
	local := slug(who.First) + "." + slug(who.Last)
	who.Email = local + "@" + domain
	for n := 2; taken[who.Email]; n++ {
		who.Email = fmt.Sprintf("%s%d@%s", local, n, domain)
	}
	taken[who.Email] = true
	who.Lifecycle = pick(d, []string{"subscriber", "lead", "lead", "lead", "opportunity", "opportunity", "customer", "customer", "former", ""})
	who.DoNotCall = d.chance(4)
	if at >= 0 {
		who.Title, who.Address = pick(d, titles), companies[at].Address
	} else {
		who.Address = d.address(p)
	}
	if d.chance(80) {
		who.Phone = d.number(p.phone)
	}
	if m, ok := mobiles[p.country]; ok && d.chance(40) {
		who.Mobile = d.number(m)
	}
	if d.chance(10) {
		who.Birth = today.AddDate(-22-d.IntN(45), 0, -d.IntN(365)).Format(time.DateOnly)
	}
	if d.chance(30) {
		who.Tags = []string{pick(d, contactTags)}
	}
	return who
}

// pipelines are those of the demo, their stages from the first to the last.
var pipelines = []struct {
	name   string
	stages []stage
}{
	{"New business", []stage{
		{"lead", "Lead", "open", 5},
		{"qualified", "Qualified", "open", 20},
		{"demo", "Demonstration", "open", 40},
		{"proposal", "Proposal", "open", 60},
		{"negotiation", "Negotiation", "open", 80},
		{"won", "Won", "won", 100},
		{"lost", "Lost", "lost", 0},
	}},
	{"Renewals", []stage{
		{"upcoming", "Upcoming", "open", 50},
		{"review", "In review", "open", 65},
		{"quote_sent", "Quote sent", "open", 80},
		{"renewed", "Renewed", "won", 100},
		{"churned", "Churned", "lost", 0},
	}},
}

type stage struct {
	Key         string `json:"key"`
	Name        string `json:"name"`
	Kind        string `json:"kind"`
	Probability int    `json:"probability"`
}

// opens returns the open stages of a pipeline.
func opens(pipeline int) (keys []string) {
	for _, s := range pipelines[pipeline].stages {
		if s.Kind == "open" {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

func (d dice) deal(w *world, staff map[int][]int) Deal {
	at := d.IntN(len(w.Companies))
	c := w.Companies[at]
	one := Deal{
		Company: at, Person: -1, Amount: d.sum(12_000), Currency: c.Currency,
		Source: pick(d, sources),
	}
	if d.chance(30) {
		one.Pipeline, one.Source = 1, "existing customer"
	}
	if people := staff[at]; len(people) > 0 {
		one.Person = pick(d, people)
	}
	one.Name = pick(d, c.buys) + ", " + c.short
	if one.Pipeline == 1 {
		one.Name = fmt.Sprintf("%s renewal %d", one.Name, today.Year()+d.IntN(2))
	}
	one.Steps = d.steps(one)
	closes := today.AddDate(0, 0, 5+d.IntN(175))
	if one.closed() {
		closes = today.AddDate(0, 0, -d.IntN(300))
	}
	one.CloseDate = closes.Format(time.DateOnly)
	return one
}

// closed reports whether the deal was won or lost in the end.
func (x Deal) closed() bool {
	if len(x.Steps) == 0 {
		return false
	}
	last := x.Steps[len(x.Steps)-1]
	return last.Won || last.Lost != ""
}

// steps is how a deal goes: from stage to stage, sometimes back, until it is won
// or lost or has not got further yet.
func (d dice) steps(one Deal) (steps []Step) {
	open := opens(one.Pipeline)
	at, ends := 0, d.IntN(100) // < 40 won, < 65 lost
	far := len(open) - 1
	switch {
	case ends >= 65:
		far = d.IntN(len(open))
	case ends >= 40:
		far = d.IntN(len(open))
	}
	for at < far {
		if at > 0 && d.chance(8) {
			at--
		} else {
			at++
		}
		steps = append(steps, Step{Stage: open[at]})
		if d.chance(20) {
			steps = append(steps, Step{Amount: d.sum(float64(one.Amount))})
		}
	}
	switch {
	case ends < 40:
		steps = append(steps, Step{Won: true})
	case ends < 65:
		steps = append(steps, Step{Lost: pick(d, lostReasons)})
		if d.chance(6) {
			steps = append(steps, Step{Reopen: true})
		}
	}
	return steps
}

func (d dice) task(w *world) Task {
	job, at := pick(d, jobs), d.IntN(len(w.People))
	about := pick(d, pick(d, industries).buys)
	who := w.People[at]
	if who.Company >= 0 {
		about = pick(d, w.Companies[who.Company].buys)
	}
	t := Task{
		Kind: job.kind, Title: fmt.Sprintf(job.title, who.First+" "+who.Last, strings.ToLower(about)), Person: at,
		Priority: pick(d, []string{"low", "normal", "normal", "normal", "high"}),
		Due:      today.AddDate(0, 0, d.IntN(60)-20).Add(time.Duration(8+d.IntN(9)) * time.Hour).Format(time.RFC3339),
	}
	switch n := d.IntN(100); {
	case n < 45:
		t.Done, t.Outcome = true, pick(d, outcomes)
	case n < 55:
		t.Started = true
	case n < 60:
		t.Cancelled = true
	}
	return t
}

// slug writes a name in the letters that domains and addresses are made of.
func slug(name string) string {
	name = strings.NewReplacer("ß", "ss", "ä", "ae", "ö", "oe", "ü", "ue", "Ö", "oe", "å", "a", "ı", "i", "ø", "o", "&", "and").Replace(name)
	plain, _, err := transform.String(transform.Chain(norm.NFD, runes.Remove(runes.In(unicode.Mn)), norm.NFC), name)
	if err != nil {
		plain = name
	}
	var b strings.Builder
	for _, r := range strings.ToLower(plain) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.Trim(b.String(), "-")
}
