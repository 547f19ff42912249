package csvimport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
)

// plan is all that is known before the first row is imported: what the columns
// hold, how their values are written, and what they refer to.
type plan struct {
	*mapping
	*file
	options Options

	source   string // whose IDs the external IDs are
	currency string // of amounts that name none
	country  string // of telephone numbers that name none

	orders map[int]dateOrder // of the dates in a column
	shares map[int]bool      // which columns of probabilities are shares of one
	points map[int]byte      // the decimal separators of a column
	zone   *time.Location    // of times that name none
	today  time.Time         // nobody is born after it

	rows int // how many there are

	atlas     *atlas
	funnels   *funnels
	companies *companyLinks
	people    *directory

	notes []string // assumptions that people should know of
}

func (p *plan) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// makePlan looks through the whole file once.
func makePlan(ctx context.Context, f *file, m *mapping, o Options) (*plan, *wanted, error) {
	p := &plan{mapping: m, file: f, options: o, atlas: theAtlas(), orders: map[int]dateOrder{}, points: map[int]byte{}, shares: map[int]bool{}, zone: time.UTC, today: time.Now()}
	p.source = firstOf(o.Source, m.product, "csv")
	if o.LinkCompanies == "off" {
		p.unmap("company", "company.external_id")
	}
	if names := m.unmapped(); len(names) > 0 {
		if o.Strict {
			return nil, nil, fmt.Errorf("columns that hold nothing that %s have: %s (map them with --map \"CSV column=field\", or \"CSV column=-\" to leave one out)", m.object.collection, strings.Join(names, ", "))
		}
		p.note("not imported: %s", strings.Join(names, ", "))
	}
	p.unlikely()
	p.tellEncoding()
	if err := p.settle(); err != nil {
		return nil, nil, err
	}
	s := newSurvey(p)
	if err := s.read(ctx); err != nil {
		return nil, nil, err
	}
	if err := s.conclude(); err != nil {
		return nil, nil, err
	}
	return p, &s.wanted, p.distrust()
}

// settle takes over what the caller says of the values.
func (p *plan) settle() (err error) {
	o := p.options
	p.currency = firstOf(o.Currency, "USD")
	if currencyNamed(p.currency) == "" {
		return fmt.Errorf("%q is not a currency code of ISO 4217, such as EUR", p.currency)
	}
	p.currency = currencyNamed(p.currency)
	if o.TimeZone != "" {
		if p.zone, err = time.LoadLocation(o.TimeZone); err != nil {
			return fmt.Errorf("%q is not the name of a time zone that is known here, such as Europe/Berlin", o.TimeZone)
		}
	}
	return nil
}

// unmap leaves fields out.
func (p *plan) unmap(fields ...string) {
	for _, name := range fields {
		for _, c := range p.columns[name] {
			p.fields[c] = ""
		}
		delete(p.columns, name)
	}
}

// A column whose name says what it holds is believed, unless so many of the
// values in the first rows are something else.
const (
	tried     = 2000 // rows
	fewValues = 10
)

// distrust leaves out columns that only seemed to hold what their names say: a
// column Type may be about anything. What the caller said is not questioned.
func (p *plan) distrust() error {
	rows, in, err := p.file.rows()
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // it was only read
	values, bad, why := make([]int, len(p.fields)), make([]int, len(p.fields)), make([]string, len(p.fields))
	for range tried {
		r, err := rows.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if r.fault != nil {
			continue
		}
		d := newDraft(p, r.cells)
		p.object.build(d)
		for c := range p.fields {
			if !isNothing(d.cell(c)) {
				values[c]++
			}
		}
		for c, reason := range d.bad {
			bad[c]++
			why[c] = reason
		}
	}
	for c, name := range p.fields {
		if p.said[c] || values[c] < fewValues || 2*bad[c] <= values[c] {
			continue
		}
		if p.options.Strict {
			return fmt.Errorf("the column %q does not hold what it is called: most of its values are not %s (%s)", p.name(c), name, why[c])
		}
		p.note("not imported: %s, because most of its values are not %s: %s (--map \"%s=%s\" insists)", p.name(c), name, why[c], p.header[c], name)
		p.fields[c] = ""
	}
	return p.index()
}

func firstOf(texts ...string) string {
	i := slices.IndexFunc(texts, func(t string) bool { return t != "" })
	if i < 0 {
		return ""
	}
	return texts[i]
}

// survey looks through all rows for what a single one does not tell.
type survey struct {
	*plan
	dates   map[int]*dateEvidence
	amounts map[int]*pointEvidence
	phones  map[int]bool
	phone   phoneEvidence
	money   bool // some amount has no currency
	wanted  wanted
	chances map[int]*shareEvidence
	divided sample // a name that has to be divided
}

func newSurvey(p *plan) *survey {
	s := &survey{plan: p, dates: map[int]*dateEvidence{}, amounts: map[int]*pointEvidence{}, phones: map[int]bool{}, chances: map[int]*shareEvidence{}}
	for _, c := range p.columns["probability"] {
		s.chances[c] = &shareEvidence{}
	}
	for c, name := range p.fields {
		f := p.object.field(name)
		if f == nil {
			continue
		}
		switch f.kind {
		case aDate:
			s.dates[c] = &dateEvidence{}
		case anAmount, aNumber:
			s.amounts[c] = &pointEvidence{}
		case aPhone:
			s.phones[c] = true
		}
	}
	return s
}

func (s *survey) read(ctx context.Context) error {
	rows, in, err := s.file.rows()
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // it was only read
	for {
		r, err := rows.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if s.rows++; s.rows%1000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if r.fault == nil {
			s.look(newDraft(s.plan, r.cells))
		}
	}
}

func (s *survey) look(d *draft) {
	for c, e := range s.dates {
		e.add(d.cell(c))
	}
	for c, e := range s.amounts {
		text := d.cell(c)
		switch {
		case text == "":
		case s.object.field(s.fields[c]).kind == aNumber:
			e.add(strings.TrimSuffix(text, "+"), 0)
		default:
			_, code, _ := splitCurrency(text)
			e.add(text, minorUnit(firstOf(currencyNamed(d.given("currency")), code, s.currency)))
			if code == "" && d.given("currency") == "" && !isNothing(text) {
				s.money = true
			}
			if d.given("currency") == "" {
				s.signs(c, text, code)
			}
		}
	}
	for c := range s.phones {
		if text := d.cell(c); text != "" && d.country() == "" {
			s.phone.add(text)
		}
	}
	for c, e := range s.chances {
		e.add(d.cell(c))
	}
	if text := d.given("name"); s.object == &contacts && s.divided.Was == "" && d.given("first_name") == "" && d.given("last_name") == "" && text != "" {
		if first, last := splitName(text); first != "" {
			s.divided = sample{Was: text, Is: first + " | " + last}
		}
	}
	if s.object == &deals {
		s.wanted.add(d.given("pipeline"), d.given("stage"))
	}
}

// conclude settles what the rows tell, and says what had to be assumed.
func (s *survey) conclude() error {
	p, o := s.plan, s.options
	before := p.inherited()
	s.inherit(before)
	if err := s.concludeDates(before.Orders); err != nil {
		return err
	}
	s.concludeAmounts(before.Points)
	s.concludeMeanings()
	if s.money && o.Currency == "" {
		p.note("amounts that name no currency are read as %s (--currency says otherwise)", p.currency)
	}
	if o.Country != "" {
		if p.country = p.atlas.country(o.Country); p.country == "" {
			return fmt.Errorf("%q is not a country code of ISO 3166, such as US", o.Country)
		}
	} else if before.Country != "" {
		p.country = before.Country
	} else if p.country = s.phone.country(); p.country != "" {
		p.note("telephone numbers without a country code look like those of the United States and are read as such (--country says otherwise)")
	}
	return nil
}

// concludeDates settles in which order the dates of each column are. If a column
// does not tell, another one of the file may; otherwise people are asked.
func (s *survey) concludeDates(before map[string]dateOrder) error {
	p, o := s.plan, s.options
	told := dateOrder("") // by another column
	for _, c := range sortedKeys(s.dates) {
		order, known := s.dates[c].order()
		if order == monthFirstWithDots {
			order = monthFirst
		}
		if known && order != "" && (told == "" || told == order) {
			told = order
		} else if known && order != "" {
			told = "several"
		}
	}
	for _, c := range sortedKeys(s.dates) {
		e := s.dates[c]
		if e.times != "" && o.TimeZone == "" && (p.fields[c] == "due_at" || p.fields[c] == "remind_at") {
			p.found.assume(guess{about: "time zone", column: p.name(c), taken: "UTC", because: "the times name none", option: "--time-zone", samples: []sample{{Was: e.times, Is: e.times + " UTC"}}})
		}
		order, known := e.order()
		switch {
		case o.DateOrder != "" && o.DateOrder != "auto":
			order = saidOrder(o.DateOrder)
		case before[p.name(c)] != "":
			order = before[p.name(c)]
		case known:
		case told == monthFirst && e.shortDay == 0 || told == dayFirst || told == yearFirst && e.short > 0 && e.either == 0:
			order = told
			if is, ok := parseDate(e.sample, order); ok {
				p.found.assume(guess{
					about: "order of day and month", column: p.name(c), taken: orderNames[order],
					because: "another column of the file has it", option: "--date-order", doubt: true, samples: []sample{{Was: e.sample, Is: string(is)}},
				})
			}
		default:
			return s.askDates(c)
		}
		p.orders[c] = order
	}
	return nil
}

// askDates says that nobody can tell the order of the dates in a column.
func (s *survey) askDates(c int) error {
	text := s.dates[c].sample
	days, orders := choices(text)
	if len(orders) < 2 {
		return fmt.Errorf("some of the dates in %q have the day first and some the month: say it with --date-order mdy or --date-order dmy", s.name(c))
	}
	options := make([]string, len(orders))
	for i, order := range orders {
		options[i] = "--date-order " + string(order)
	}
	return fmt.Errorf("dates such as %s in %q may be %s, and none of them tells: say it with %s", clipped(text), s.name(c), strings.Join(days, " or "), strings.Join(options, " or "))
}

// concludeAmounts settles what separates decimals in each column of amounts, and
// says what had to be assumed.
func (s *survey) concludeAmounts(before map[string]string) {
	p := s.plan
	for _, c := range sortedKeys(s.amounts) {
		e := s.amounts[c]
		switch p.options.Decimal {
		case "point":
			p.points[c] = '.'
			continue
		case "comma":
			p.points[c] = ','
			continue
		}
		if point := before[p.name(c)]; point != "" {
			p.points[c] = point[0]
			continue
		}
		point, open := e.decimal()
		if p.points[c] = point; open {
			taken := "before thousands"
			if point != 0 {
				taken = "before decimals"
			}
			amount, _, _ := parseAmount(e.sample, point)
			p.found.assume(guess{
				about: "point or comma before three digits", column: p.name(c), taken: taken, option: "--decimal", doubt: true,
				samples: []sample{{Was: e.sample, Is: amount}},
			})
		}
	}
}

func sortedKeys[V any](m map[int]V) []int {
	keys := make([]int, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// resolve finds what the file refers to, and makes the pipelines it needs.
func (p *plan) resolve(ctx context.Context, t client.Tenant, w *wanted) error {
	head, err := t.Head(ctx)
	if err != nil {
		return err
	}
	t = t.Since(head)
	if p.object == &deals {
		all, err := listFunnels(ctx, t)
		if err != nil {
			return err
		}
		if p.funnels, err = findFunnels(all, w, p.options.Pipeline, p.source, p.options.stageKinds()); err != nil {
			return err
		}
		if err := p.checkStages(all); err != nil {
			return err
		}
		if f := p.funnels.byName[""]; f != nil && p.options.Pipeline == "" {
			p.found.assume(guess{about: "pipeline of deals that name none", taken: f.Name, because: "it has the most of their stages, or there is no other", option: "--pipeline"})
		}
	}
	has := func(fields ...string) bool {
		return slices.ContainsFunc(fields, func(f string) bool { return len(p.columns[f]) > 0 })
	}
	if p.object != &companies && has("company", "company.external_id") {
		dir, err := openDirectory(ctx, t, companies.collection, p.source, fewRecords)
		if err != nil {
			return fmt.Errorf("the companies cannot be read: %w", err)
		}
		p.companies = &companyLinks{directory: dir, tenant: t.ID, create: p.options.LinkCompanies != "existing", coming: map[string]*newCompany{}, comingAs: map[string]*newCompany{}}
	}
	if p.object != &contacts && has("contact", "contact.external_id") {
		if p.people, err = openDirectory(ctx, t, contacts.collection, p.source, fewRecords); err != nil {
			return fmt.Errorf("the contacts cannot be read: %w", err)
		}
	}
	return nil
}

// draft makes a record of a row, as far as it can be one.
func (p *plan) draft(cells []string) *draft {
	d := newDraft(p, cells)
	for c, text := range cells {
		switch {
		case !utf8.ValidString(text), p.encoding.Lossy() && strings.ContainsRune(text, utf8.RuneError):
			d.refuse(c, "wrong_encoding", "has characters that are not in the encoding of the file ("+p.encoding.Name()+")")
		case strings.ContainsRune(text, utf8.RuneError):
			d.refuse(c, "lost_character", "has the sign U+FFFD, which stands for a letter that was lost when the file was made")
		case strings.IndexByte(text, 0) >= 0:
			d.refuse(c, "invalid_character", "has a NUL character")
		}
	}
	if len(d.faults) == 0 {
		p.object.build(d)
	}
	return d
}
