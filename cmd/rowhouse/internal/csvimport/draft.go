package csvimport

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
	"github.com/rowhouse/rowhouse/domain"
)

// draft is a row on its way to become a record. What is wrong with it is
// collected, so that people learn of everything at once.
type draft struct {
	plan  *plan
	cells []string

	data   map[string]any // of the record
	from   map[string]int // JSON pointers into data, to the columns they came from
	orders []client.Operation
	faults []fault        // the row cannot be imported
	bad    map[int]string // columns that it cannot be imported because of, and why
	losses []fault        // it can, without these values

	assumed map[string]string // sums of money that name no currency, nor does an option: the amounts as they were read

	changes []changed // values that are stored in another form than the file has them

	news   []*newCompany // to be made before
	awaits []awaited     // those, and those that other rows make
}

func newDraft(p *plan, cells []string) *draft {
	d := &draft{plan: p, data: make(map[string]any, 12), from: make(map[string]int, 16)}
	d.cells = d.clean(cells)
	return d
}

// refuse says that the row cannot be imported because of a column, or because
// of all of it if the column is -1.
func (d *draft) refuse(column int, code, reason string) {
	d.faults = append(d.faults, fault{d.plan.name(column), code, reason})
	if column >= 0 {
		if d.bad == nil {
			d.bad = map[int]string{}
		}
		d.bad[column] = reason
	}
}

// lose says that a value cannot be imported, and the row can.
func (d *draft) lose(column int, code, reason string) {
	d.losses = append(d.losses, fault{d.plan.name(column), code, reason})
}

// change says that a value is stored in another form than the file has it. The
// rule says what was done, to be read after a number of values: "were read as
// numbers of Germany".
func (d *draft) change(column int, rule, was, is string) {
	d.changes = append(d.changes, changed{rule, d.plan.name(column), was, is})
}

// then adds a command that follows once the record is there.
func (d *draft) then(op client.Operation) { d.orders = append(d.orders, op) }

// cell returns what is in a column, without blanks around it. The way in which
// HubSpot exports nothing is nothing.
func (d *draft) cell(column int) string {
	c := strings.TrimSpace(d.cells[column])
	if strings.EqualFold(c, "(no value)") || c == "#N/A" || c == "#NV" {
		return ""
	}
	return c
}

// column returns the column that holds a field, unless it is empty here.
func (d *draft) column(field string) (int, bool) {
	for _, c := range d.plan.columns[field] {
		if d.cell(c) != "" {
			return c, true
		}
	}
	return -1, false
}

// value is like column, for values that are no text: there, many ways of
// saying nothing are known.
func (d *draft) value(field string) (text string, column int, ok bool) {
	if column, ok = d.column(field); !ok {
		return "", -1, false
	}
	text = d.cell(column)
	return text, column, !isNothing(text)
}

func isNothing(text string) bool {
	switch strings.ToLower(text) {
	case "", "-", "--", "—", "n/a", "na", "#n/a", "null", "none", "nil", "undefined", "unknown", "0000-00-00":
		return true
	}
	return false
}

// given returns the text of a field without putting it into the record.
func (d *draft) given(field string) string {
	if c, ok := d.column(field); ok {
		return d.cell(c)
	}
	return ""
}

func (d *draft) put(member string, value any, column int) {
	if value == "" {
		return
	}
	d.data[member], d.from["/"+member] = value, column
}

// text takes a field over as it is.
func (d *draft) text(field string) string {
	c, ok := d.column(field)
	if !ok {
		return ""
	}
	text := d.cell(c)
	d.put(field, text, c)
	return text
}

// required is text that must be there.
func (d *draft) required(field string) {
	if d.text(field) == "" {
		column := -1
		if columns := d.plan.columns[field]; len(columns) > 0 {
			column = columns[0]
		}
		d.refuse(column, "required", "is empty")
	}
}

func (d *draft) externalID() {
	ids := map[string]any{}
	if c, ok := d.column("external_id"); ok {
		ids[d.plan.source] = d.cell(c)
		d.from["/external_ids/"+d.plan.source] = c
	}
	for field, columns := range d.plan.columns {
		if source, ok := strings.CutPrefix(field, "external_ids."); ok && d.cell(columns[0]) != "" {
			ids[source] = d.cell(columns[0])
			d.from["/external_ids/"+source] = columns[0]
		}
	}
	if len(ids) > 0 {
		d.data["external_ids"] = ids
	}
}

// country returns the country that the row is about, as far as it says so and
// people can be called there.
func (d *draft) country() string {
	for _, field := range []string{"address.country", "billing_address.country", "home_address.country", "other_address.country", "shipping_address.country"} {
		if c, ok := d.column(field); ok {
			if code := d.plan.atlas.country(d.cell(c)); domain.Country(code).HasPhones() {
				return code
			}
		}
	}
	return d.plan.country
}

func (d *draft) date(field string) {
	text, c, ok := d.value(field)
	if !ok {
		return
	}
	w, ok := parseWhen(text, d.plan.orders[c])
	switch {
	case !ok:
		d.refuse(c, "invalid_date", "is not a date that is understood, such as 2026-03-01")
		return
	case w.otherCalendar():
		d.refuse(c, "invalid_date", "has a year that is one of another calendar, or a mistake")
		return
	case w.short && field == "birth_date" && w.After(d.plan.today):
		w.Time = w.AddDate(-100, 0, 0) // nobody is born in the future
	}
	date, err := domain.ParseDate(w.Format(time.DateOnly))
	if err != nil {
		d.refuse(c, "invalid_date", "is not a date that is understood, such as 2026-03-01")
		return
	}
	d.tellWhen(c, w, text, string(date))
	d.put(field, string(date), c)
}

// moment is a point in time. A day without a time of day is its beginning.
func (d *draft) moment(field string) {
	text, c, ok := d.value(field)
	if !ok {
		return
	}
	w, ok := parseWhen(text, d.plan.orders[c])
	switch {
	case !ok || w.UTC().Year() < 1 || w.UTC().Year() > 9999:
		d.refuse(c, "invalid_time", "is not a time that is understood, such as 2026-03-01 14:30")
		return
	case w.otherCalendar():
		d.refuse(c, "invalid_time", "has a year that is one of another calendar, or a mistake")
		return
	}
	in, odd := w.in(d.plan.zone)
	t := in.UTC().Format("2006-01-02T15:04:05Z")
	d.tellWhen(c, w, text, t)
	if odd != "" {
		d.change(c, odd, text, t)
	}
	d.put(field, t, c)
}

// tellWhen says what had to be assumed of a single date.
func (d *draft) tellWhen(c int, w when, was, is string) {
	switch {
	case w.serial:
		d.change(c, "were the day numbers of a spreadsheet (those that begin with 1900), and are dates", was, is)
	case w.short:
		d.change(c, "have a year of two digits, whose century was assumed", was, is)
	case w.swapped:
		d.change(c, "are no dates in the order of their column, and were read the other way round", was, is)
	}
}

func (d *draft) money(field, currencyField string) {
	text, c, ok := d.value(field)
	if !ok {
		return
	}
	amount, code, ok := parseAmount(text, d.plan.points[c])
	switch {
	case !ok && scientific.MatchString(text):
		d.refuse(c, "invalid_amount", "was written with an exponent by a spreadsheet, and digits may be lost; export it as text")
		return
	case !ok:
		d.refuse(c, "invalid_amount", "is not an amount that is understood, such as 1,234.50, with at most 4 decimals")
		return
	case longDecimals.MatchString(text):
		d.change(c, "had the small error of a spreadsheet's arithmetic, and were rounded to 4 decimals", text, amount)
	}
	own, column, has := d.value(currencyField)
	from, written := c, code
	switch {
	case has:
		if code = currencyNamed(own); code == "" {
			d.refuse(column, "invalid_currency", "is not a currency code of ISO 4217, such as EUR")
			return
		}
		if shared[code] != "" && isShared(code, d.plan.currency) {
			code = d.plan.currency
		}
		if written != "" && !canMean(written, code) {
			d.refuse(c, "invalid_currency", "names another currency than the column that has it")
			return
		}
		from = column
	case code == "", isShared(code, d.plan.currency), code == "USD" && !strings.Contains(strings.ToUpper(text), "US") && isDollar(d.plan.currency), code == "JPY" && d.plan.currency == "CNY":
		if code == "" && d.plan.options.Currency == "" {
			if d.assumed == nil {
				d.assumed = map[string]string{}
			}
			d.assumed[field] = amount
		}
		code = d.plan.currency // there are many dollars
	}
	if shared[code] != "" {
		d.refuse(c, "invalid_currency", "has the sign of several currencies; --currency says which one is meant")
		return
	}
	m, err := domain.ParseMoney(amount, code)
	if err != nil {
		d.refuse(c, "invalid_amount", "is not an amount of at most 14 digits and 4 decimals in a currency of ISO 4217")
		return
	}
	d.data[field] = map[string]any{"amount": m.Amount, "currency": m.Currency}
	d.from["/"+field], d.from["/"+field+"/currency"] = c, from
}

// canMean reports whether what is written with an amount, a code or the code that
// a sign usually stands for, may be a currency. Pounds are also those of Egypt.
func canMean(written, code string) bool {
	switch {
	case written == code, isShared(written, code):
		return true
	case written == "USD":
		return isDollar(code)
	case written == "JPY":
		return code == "CNY"
	}
	return written == "GBP" && strings.HasSuffix(code, "P")
}

var longDecimals = regexp.MustCompile(`[.,][0-9]{5,}`)

func isDollar(code string) bool { return strings.HasSuffix(code, "D") && len(code) == 3 }

// count is a whole number.
func (d *draft) count(field string) {
	text, c, ok := d.value(field)
	if !ok {
		return
	}
	amount, code, ok := parseAmount(strings.TrimSuffix(text, "+"), d.plan.points[c])
	n, err := strconv.ParseInt(amount, 10, 32)
	if !ok || err != nil || code != "" || n < 0 {
		d.refuse(c, "invalid_number", "is not a whole number")
		return
	}
	d.put(field, n, c)
}

func (d *draft) language(field string) {
	if text, c, ok := d.value(field); ok {
		tag := d.plan.atlas.language(text)
		if tag == "" {
			d.refuse(c, "invalid_language", "is not a language that is understood, such as de or pt-BR")
			return
		}
		d.put(field, tag, c)
	}
}

// picked returns our word for one of the words of a list, or "" if it is for
// none of ours, or empty.
func (d *draft) picked(field string, words map[string]string) string {
	text, c, ok := d.value(field)
	if !ok {
		return ""
	}
	ours, known := words[squeeze(text)]
	if !known {
		d.refuse(c, "unknown_value", "is not a value that is understood")
	}
	return ours
}

func (d *draft) choice(field string, words map[string]string) {
	if ours := d.picked(field, words); ours != "" {
		c, _ := d.column(field)
		d.put(field, ours, c)
	}
}

// truths are ways of saying yes and no.
var truths = map[string]bool{
	"true": true, "yes": true, "y": true, "1": true, "x": true, "on": true, "ja": true, "oui": true, "si": true, "sí": true, "wahr": true, "vrai": true, "t": true,
	"j": true, "ano": true, "áno": true, "tak": true, "da": true, "igen": true, "evet": true, "kyllä": true, "sim": true, "sì": true, "jah": true, "taip": true, "jā": true, "já": true,
	"verdadero": true, "vero": true, "verdadeiro": true, "prawda": true, "pravda": true, "igaz": true, "doğru": true, "waar": true, "sant": true, "sandt": true, "sann": true, "tosi": true,
	"да": true, "так": true, "ναι": true, "はい": true, "是": true, "예": true, "네": true, "نعم": true, "כן": true, "истина": true, "✓": true, "✔": true, "☑": true, "✅": true, "checked": true,
	"ne": false, "nie": false, "nem": false, "hayır": false, "ei": false, "não": false, "nej": false, "nei": false, "nu": false, "nē": false,
	"falso": false, "fałsz": false, "hamis": false, "yanlış": false, "onwaar": false, "falsk": false, "falskt": false, "usann": false, "epätosi": false, "nepravda": false,
	"нет": false, "не": false, "ні": false, "όχι": false, "いいえ": false, "否": false, "아니오": false, "아니요": false, "لا": false, "לא": false, "ложь": false, "✗": false, "✘": false, "☐": false, "❌": false, "unchecked": false,
	"false": false, "no": false, "n": false, "0": false, "off": false, "nein": false, "non": false, "falsch": false, "faux": false, "nee": false, "f": false,
}

func (d *draft) flag(field string) {
	if text, c, ok := d.value(field); ok {
		truth, known := truths[strings.ToLower(text)]
		if !known {
			d.refuse(c, "invalid_boolean", "is neither yes nor no")
			return
		}
		d.put(field, truth, c)
	}
}

// columnAt returns the column that a JSON pointer into the record came from, or
// -1.
func (d *draft) columnAt(pointer string) int {
	for p := pointer; p != ""; p = p[:strings.LastIndexByte(p, '/')] {
		if c, ok := d.from[p]; ok {
			return c
		}
		if !strings.HasPrefix(p, "/") {
			break
		}
	}
	// A problem with the whole of a list is one of its first part.
	for _, suffix := range []string{"/0", "/0/address", "/0/number"} {
		if c, ok := d.from[pointer+suffix]; ok {
			return c
		}
	}
	return -1
}

// columnOf returns the column that a claim of [draft.claims] came from, or -1.
func (d *draft) columnOf(claim string) int {
	kind, rest, _ := strings.Cut(claim, "\x00")
	switch kind {
	case "id":
		source, _, _ := strings.Cut(rest, "\x00")
		return d.columnAt("/external_ids/" + source)
	case "email":
		return d.columnAt("/emails")
	}
	return d.columnAt("/domains")
}

// mustJSON encodes what can be encoded.
func mustJSON(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // the importer makes strings, numbers, maps and lists only
	}
	return b
}
