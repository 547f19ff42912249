package query

import (
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rowhouse/rowhouse/domain"
)

// Limits of a query.
const (
	defaultLimit = 50
	maxLimit     = 500
	maxKeys      = 3
	maxFields    = 100
	maxSearch    = 256 // bytes
	maxWords     = 10
)

// Query is what a client asks of a list.
type Query struct {
	Filter  Filter // nil if all records are asked for
	Sort    []Key
	Limit   int
	Cursor  string // as given, if one is; [Query.Page] checks it
	Deleted Deleted
	Fields  []string // the members of each record to answer with; all if there are none
	Count   Count
	AsOf    Moment // zero if records are asked for as they are now
	AsOfAt  string // what refusals of it point at

	columns  *Columns
	search   search // what is looked for by q
	searched bool   // all records have it: see [Query.Searched]
	past     bool   // see [Query.OfPast]
	few      bool   // records are deleted: see [Query.FewDeleted]
	tenant   domain.TenantID
	rows     Filter // beside the one that was asked for: see [Query.Within]
	cursorAt string // what refusals of the cursor point at
}

// Columns returns what the query could name when it was read.
func (q Query) Columns() *Columns { return q.columns }

// Tenant returns whose records are asked for.
func (q Query) Tenant() domain.TenantID { return q.tenant }

// Within returns the query for those who see some records of a tenant only: the list has
// no others, and its cursors are no good for anybody who sees other ones.
func (q Query) Within(tenant domain.TenantID, rows Filter) Query {
	q.tenant, q.rows = tenant, rows
	return q
}

// Searched returns the query for records that are known to have what is looked for.
func (q Query) Searched() Query {
	q.searched = true
	return q
}

// FewDeleted returns the query for a tenant few of whose records are deleted. Beside
// others, they are looked at one by one: no index has them in the order of the list.
func (q Query) FewDeleted() Query {
	q.few = true
	return q
}

// OnlySearch returns the query without conditions but for what q looks for.
func (q Query) OnlySearch() Query {
	q.Filter, q.rows = nil, nil
	return q
}

// Key is a column to sort by. Nulls come last in both directions.
type Key struct {
	Column     *Column
	Descending bool
}

// Deleted says what is asked of deleted records.
type Deleted string

// The ways to deal with deleted records.
const (
	DeletedExclude Deleted = "exclude"
	DeletedInclude Deleted = "include"
	DeletedOnly    Deleted = "only"
)

// Count says whether to answer with the number of records, and how exactly.
type Count string

// The ways to count.
const (
	CountNone     Count = "none"
	CountEstimate Count = "estimate"
	CountExact    Count = "exact"
)

// Parse reads the parameters of a URL. Beside those of lists it takes the names
// of columns, for records that have exactly that value (or, if the column is an
// array, have it among others), and leaves alone those in also, which the
// caller deals with. Refusals point at the name of the parameter, and there is
// one for each parameter that is wrong.
func Parse(values url.Values, columns *Columns, also ...string) (Query, error) {
	params := make(map[string]param, len(values))
	for name, vs := range values {
		params[name] = param{pointer: name, written: literal{text: values.Get(name)}, scalar: true, repeated: len(vs) > 1}
	}
	return read(params, columns, also)
}

// ParseJSON reads the same from a JSON object: filter in the JSON or the text
// form, sort and fields as lists or separated by commas. Refusals have JSON
// pointers.
func ParseJSON(body []byte, columns *Columns, also ...string) (Query, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return Query{}, refuse(domain.Malformed, "invalid_json", "", "is not a JSON object")
	}
	params := make(map[string]param, len(members))
	for name, raw := range members {
		p := param{pointer: "/" + pointerEscapes.Replace(name), json: raw}
		p.written, p.scalar = scalarOf(raw)
		params[name] = p
	}
	return read(params, columns, also)
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// param is a parameter as a client wrote it.
type param struct {
	pointer  string
	written  literal
	scalar   bool            // written is all there is
	json     json.RawMessage // nil in a URL
	repeated bool
}

// empty reports whether the parameter is as good as none: empty text, or null.
func (p param) empty() bool {
	return p.scalar && p.written.text == "" || string(p.json) == "null"
}

func (p param) wrong(detail string) error {
	return refuse(domain.Invalid, "bad_value", p.pointer, detail)
}

// list returns the names in a list, of which there may be so many.
func (p param) list(most int) (list []string, err error) {
	if p.scalar && !p.written.bare {
		list = strings.SplitN(p.written.text, ",", most+1)
	} else if p.scalar || json.Unmarshal(p.json, &list) != nil {
		return nil, p.wrong("is not a list of names")
	}
	if len(list) > most {
		return nil, p.wrong("has more than " + strconv.Itoa(most) + " names")
	}
	return list, nil
}

var parameters = map[string]func(*Query, param) error{
	"filter":  readFilter,
	"sort":    readSort,
	"limit":   readLimit,
	"cursor":  readCursor,
	"deleted": readDeleted,
	"q":       readSearch,
	"fields":  readFields,
	"count":   readCount,
	"as_of":   readAsOf,
}

func read(params map[string]param, columns *Columns, also []string) (Query, error) {
	q := Query{Limit: defaultLimit, Deleted: DeletedExclude, Count: CountNone, columns: columns}
	var all And
	var wrong domain.Mistakes
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if wrong.Full() {
			break
		}
		p := params[name]
		set, known := parameters[name]
		col, equal := columns.find(name)
		switch {
		case slices.Contains(also, name):
		case !known && !equal:
			wrong.Add(refuse(domain.Malformed, "unknown_parameter", p.pointer, "is not a parameter"))
		case p.repeated:
			wrong.Add(refuse(domain.Malformed, "repeated_parameter", p.pointer, "is given more than once"))
		case equal:
			f, err := columns.equal(col, p)
			all = append(all, f)
			wrong.Add(err)
		case !p.empty():
			wrong.Add(set(&q, p))
		}
	}
	if err := wrong.Err(); err != nil {
		return Query{}, err
	}
	if q.Filter != nil {
		all = append(all, q.Filter)
	}
	if len(all) > 0 {
		q.Filter = one(all)
		if _, leaves := all.size(); leaves > maxLeaves {
			return Query{}, tooLarge(params["filter"].pointer)
		}
	}
	return q, nil
}

// equal makes a condition of a parameter that names a column.
func (c *Columns) equal(col *Column, p param) (Filter, error) {
	op, written := Eq, []literal{p.written}
	if col.Type.isArray() {
		op = Has
	}
	if !p.scalar {
		written = nil
	}
	// A plus sign in a query string is a blank, which no number begins with.
	if text := p.written.text; p.json == nil && col.Type.expects == Phone.expects && strings.HasPrefix(text, " ") {
		written = []literal{{text: "+" + text[1:]}}
	}
	f, err := c.leaf(col.Name, op, written)
	if e, ok := errors.AsType[*domain.Error](err); ok {
		return nil, refuse(e.Reason, e.Code, p.pointer, e.Detail)
	}
	return f, nil
}

func readFilter(q *Query, p param) (err error) {
	if p.scalar && !p.written.bare {
		q.Filter, err = q.columns.Text(p.written.text)
		if e, ok := errors.AsType[*domain.Error](err); ok {
			e.Pointer = p.pointer
		}
	} else {
		q.Filter, err = q.columns.JSON(p.json, p.pointer)
	}
	return err
}

func readSort(q *Query, p param) error {
	list, err := p.list(maxKeys)
	if err != nil {
		return err
	}
	for _, s := range list {
		name, descending := strings.CutPrefix(s, "-")
		col, ok := q.columns.find(name)
		if !ok {
			return refuse(domain.Invalid, "unknown_field", p.pointer, "has a field that is not one")
		}
		if !col.Sortable {
			return refuse(domain.Invalid, "not_sortable", p.pointer, "has a field that cannot be sorted by")
		}
		if slices.ContainsFunc(q.Sort, func(k Key) bool { return k.Column == col }) {
			return p.wrong("has a field twice")
		}
		q.Sort = append(q.Sort, Key{col, descending})
	}
	return nil
}

func readLimit(q *Query, p param) error {
	n, ok := domain.ParseInteger(p.written.text)
	if !ok || !p.scalar || n < 1 || n > maxLimit {
		return p.wrong("is not a number from 1 to " + strconv.Itoa(maxLimit))
	}
	q.Limit = int(n)
	return nil
}

func readCursor(q *Query, p param) error {
	q.Cursor, q.cursorAt = p.written.text, p.pointer
	if !p.scalar {
		return invalidCursor(p.pointer)
	}
	return nil
}

func readSearch(q *Query, p param) error {
	if len(q.columns.search) == 0 {
		return refuse(domain.Forbidden, "not_searchable", p.pointer, "looks into fields that you may not see")
	}
	return look(q, p)
}

// look reads what to look for.
func look(q *Query, p param) error {
	text, ok := readText(p.written.text)
	if !ok || !p.scalar || len(text) > maxSearch {
		return p.wrong("is not text of up to " + strconv.Itoa(maxSearch) + " bytes")
	}
	var wrong string
	if q.search, wrong = readSearchText(text); wrong != "" {
		return p.wrong(wrong)
	}
	return nil
}

func number(n int) string { return strconv.Itoa(n) }

func readFields(q *Query, p param) (err error) {
	if q.Fields, err = p.list(maxFields); err != nil {
		return err
	}
	for _, name := range q.Fields {
		if !q.columns.members[name] {
			return refuse(domain.Invalid, "unknown_field", p.pointer, "has a member that records do not have")
		}
	}
	return nil
}

func readDeleted(q *Query, p param) (err error) {
	q.Deleted, err = oneOf(p, DeletedExclude, DeletedInclude, DeletedOnly)
	return err
}

func readCount(q *Query, p param) (err error) {
	q.Count, err = oneOf(p, CountNone, CountEstimate, CountExact)
	return err
}

func oneOf[S ~string](p param, choice ...S) (S, error) {
	if s := S(p.written.text); slices.Contains(choice, s) {
		return s, nil
	}
	return "", p.wrong("is not one of " + names(choice))
}

// found returns the condition that a record has what is looked for. The terms of a
// record are looked up by its ID.
func (q Query) found(a *Args) string {
	if q.past {
		return q.foundInPast(a)
	}
	terms := q.search.query(NewVocabulary(q.tenant, q.columns.prefix()), q.columns.search, false)
	return "(select terms @@ " + a.add(terms, "text") + "::tsquery from crm.words where tenant_id = $1 and projection = '" + q.columns.table +
		"' and of_ver = ver and of_id = id)"
}

// Where returns the condition that a record of the list must meet wherever it
// stands in the order, such as for counting. It can be joined to others by "and".
func (q Query) Where(a *Args) string {
	all := q.Deleted.conditions()
	if len(all) > 1 {
		all = []string{"true"}
	}
	return strings.Join(append(all, q.conditions(a)...), " and ")
}

// SelectCount returns the statement that counts the records of the list, up to a limit
// unless that is 0. From is as for [Page.Select]. Ids, if there is something, is a
// function of SQL that returns the IDs of which no others are in the list.
func (q Query) SelectCount(a *Args, from, ids string, limit int) string {
	most := ""
	if limit > 0 {
		most = " limit " + number(limit)
	}
	if ids != "" {
		return "select count(*) from (select from " + among(ids, "id", from, q.Where(a)) + most + ") as found"
	}
	if q.Deleted != DeletedInclude {
		return "select count(*) from (select from " + from + " and " + q.Where(a) + most + ") as found"
	}
	var parts []string
	conditions := q.conditions(a)
	for _, d := range q.Deleted.conditions() {
		where := strings.Join(append([]string{d}, conditions...), " and ")
		if part := "(select from " + from + " and " + where + most + ")"; d == live || !q.few {
			parts = append(parts, part)
			continue
		}
		parts = append(parts, "(select from "+among(deletedIDs(from), "id", from, where)+most+")")
	}
	return "select count(*) from (select from (" + strings.Join(parts, " union all ") + ") as all_found" + most + ") as found"
}

// conditions returns the conditions of the list, but for what is said of deleted records.
func (q Query) conditions(a *Args) (all []string) {
	if len(q.search.parts) > 0 && !q.searched {
		all = append(all, q.found(a))
	}
	for _, f := range []Filter{q.Filter, q.rows} {
		if f != nil {
			all = append(all, f.SQL(a))
		}
	}
	return all
}

// What tells live records from deleted ones. Each has indexes of its own.
const live, gone = deletedAt + " is null", deletedAt + " is not null"

// deletedIDs returns the IDs of all deleted records, to be looked at one by one.
func deletedIDs(from string) string {
	return "unnest(array(select id from " + from + " and " + gone + inOrder(deletedAt) + "))"
}

// conditions returns the conditions of the records to look at. Live records and
// deleted ones have indexes of their own, so there are two if it is about both.
func (d Deleted) conditions() []string {
	switch d {
	case DeletedOnly:
		return []string{gone}
	case DeletedInclude:
		return []string{live, gone}
	default:
		return []string{live}
	}
}
