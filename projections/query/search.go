package query

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
)

// Search is what is looked for in the records of several kinds. The zero Search is not valid.
type Search struct{ search }

// ReadSearch reads what to look for. Refusals point at the parameter q.
func ReadSearch(text string) (Search, error) {
	var q Query
	p := param{pointer: "q", written: literal{text: text}, scalar: true}
	err := look(&q, p)
	return Search{q.search}, err
}

// Terms returns a tsquery for the records of a tenant that have what is looked for in the
// members that these columns have, and for those that have it as whole words; or
// nothing, if there is no such member.
func (s Search) Terms(tenant domain.TenantID, columns *Columns) (anywhere, whole string) {
	if len(columns.search) == 0 {
		return "", ""
	}
	v := NewVocabulary(tenant, columns.prefix())
	return s.query(v, columns.search, false), s.query(v, columns.search, true)
}

// Match says how well the texts of a member meet what is looked for: for each part of
// that, 0 if they do not, 1 if they have words that begin so, and 2 if they have just these.
func (s Search) Match(texts []string) (parts []int) {
	var words []string
	for _, text := range texts {
		words = append(words, wordsOf(text)...)
	}
	best := func(word string) (n int) {
		for _, w := range words {
			switch {
			case w == word:
				return 2
			case strings.HasPrefix(w, word):
				n = 1
			}
		}
		return n
	}
	for _, c := range s.parts {
		part := 0
		for _, all := range c {
			n := 2
			for _, word := range all {
				n = min(n, best(word))
			}
			part = max(part, n)
		}
		parts = append(parts, part)
	}
	for _, number := range s.numbers {
		if n := best(number); n > 0 {
			for i := range parts {
				parts[i] = max(parts[i], n)
			}
		}
	}
	return parts
}

// search is what is looked for by q: each of some parts, or else one of some telephone
// numbers. A part is one of some choices of words, each of which a record must have.
type search struct {
	text    string // as it is compared
	parts   []choice
	numbers []string
}

type choice [][]string

// readSearchText reads what is looked for, or says what is wrong with it.
func readSearchText(text string) (s search, wrong string) {
	s.text = fold(text)
	parts := strings.Fields(s.text)
	if len(parts) > maxWords {
		return search{}, "has more than " + number(maxWords) + " words"
	}
	for i, part := range parts {
		c := choiceOf(part)
		for _, digits := range numbersIn(strings.Join(numberAround(parts, i), " ")) {
			c = append(c, []string{digits})
		}
		if len(c) > 0 {
			s.parts = append(s.parts, c)
		}
	}
	if len(s.parts) == 0 {
		return search{}, "has no letter and no digit"
	}
	if len(parts) > 1 {
		s.numbers = numbersIn(text)
	}
	return s, ""
}

// choiceOf returns what records may have for a part of what is looked for: its words, or
// all of it as an address, as the name of a host or as a telephone number.
func choiceOf(part string) (c choice) {
	if words := split(part); len(words) > 0 && !strings.Contains(part, "@") && !strings.Contains(part, "xn--") {
		c = append(c, whole(words))
	}
	for _, written := range pasted(part) {
		for _, f := range hostForms(written) {
			if text := addressIn(fold(f.text)); !f.pattern && strings.ContainsAny(text, "@.-_'’") {
				c = append(c, []string{shortened(text)})
			}
		}
	}
	return c
}

// numberAround returns the parts next to one another around one of them that can be a
// telephone number together, such as that of somebody whose name stands in front.
func numberAround(parts []string, i int) []string {
	numeric := func(part string) bool {
		return !strings.ContainsFunc(part, func(r rune) bool { return isLetter(r) && !unicode.IsDigit(r) })
	}
	if !numeric(parts[i]) {
		return parts[i : i+1]
	}
	from, to := i, i+1
	for from > 0 && numeric(parts[from-1]) {
		from--
	}
	for to < len(parts) && numeric(parts[to]) {
		to++
	}
	return parts[from:to]
}

// pasted returns a part of what is looked for, and the address or the name of the host in
// it, if that is how browsers and mail programs write one.
func pasted(part string) []string {
	text := strings.TrimLeftFunc(part, func(r rune) bool { return !isLetter(r) })
	_, bare, isURL := strings.Cut(text, "://")
	if !isURL {
		bare = strings.TrimPrefix(text, "mailto:")
	}
	bare = strings.TrimPrefix(bare, "www.")
	if bare == text {
		return []string{part}
	}
	if i := strings.IndexAny(bare, "/?#"); i >= 0 {
		bare = bare[:i]
	}
	return []string{part, bare}
}

// addressIn returns what is looked for without what stands around it, such as brackets. An
// @ at its end says that the name in front of it ends there.
func addressIn(text string) string {
	address := strings.TrimFunc(text, func(r rune) bool { return !isLetter(r) })
	if _, after, _ := strings.Cut(text, address); address != "" && strings.HasPrefix(after, "@") {
		address += "@"
	}
	return address
}

// whole returns the words of which a record must have all: without those that are a
// part of the one before, as in scripts that are written without blanks.
func whole(words []string) (all []string) {
	for _, w := range words {
		if n := len(all); n > 0 && utf8.RuneCountInString(all[n-1]) == run && strings.HasSuffix(all[n-1], w) {
			continue
		}
		all = append(all, shortened(w))
	}
	return all
}

// query returns what is looked for in some members as a tsquery of PostgreSQL: words that
// begin so, or just these.
func (s search) query(v Vocabulary, members []string, exactly bool) string {
	word := func(w string) string {
		all := make([]string, len(members))
		for i, m := range members {
			switch {
			case exactly:
				all[i] = lexeme(v.term(m, aWord, w))
			case utf8.RuneCountInString(w) <= shortWord:
				all[i] = lexeme(v.term(m, aBeginning, w))
			default:
				all[i] = lexeme(v.term(m, aWord, w)) + ":*"
			}
		}
		return either(all)
	}
	parts := make([]string, len(s.parts))
	for i, c := range s.parts {
		choices := make([]string, len(c))
		for j, words := range c {
			all := make([]string, len(words))
			for k, w := range words {
				all[k] = word(w)
			}
			choices[j] = both(all)
		}
		parts[i] = either(choices)
	}
	all := []string{both(parts)}
	for _, n := range s.numbers {
		all = append(all, word(n))
	}
	return either(all)
}

// termsOf returns a tsquery that all records meet that meet a condition, or nothing if
// there is none.
func termsOf(f Filter, v Vocabulary) string {
	switch f := f.(type) {
	case And:
		var all []string
		for _, f := range f {
			if q := termsOf(f, v); q != "" {
				all = append(all, q)
			}
		}
		return both(all)
	case Or:
		all := make([]string, len(f))
		for i, f := range f {
			if all[i] = termsOf(f, v); all[i] == "" {
				return ""
			}
		}
		return either(all)
	case Leaf:
		return f.terms(v)
	}
	return ""
}

func (f Leaf) terms(v Vocabulary) string {
	switch f.Op {
	case Has, Any:
		all := make([]string, len(f.Values))
		for i, value := range f.Values {
			text, ok := value.(string)
			if id, isID := value.(uuid.UUID); isID {
				text, ok = id.String(), true
			}
			if !ok {
				return ""
			}
			all[i] = lexeme(v.value(f.Column.Name, text))
		}
		return either(all)
	case IsNull:
		if f.Column.Type.isArray() && f.Values[0] == true && f.Column.own == nil {
			return lexeme(v.none(f.Column.Name))
		}
		return ""
	case Contains, StartsWith:
		front := ""
		if f.Op == StartsWith {
			front = begin
		}
		var all []string
		for _, form := range f.Column.Type.formsOf(f.Values[0].(string)) { //nolint:forcetypeassert // the type has read it
			q := v.pieces(front + fold(form.text))
			if f.Column.Type.number {
				q = v.digits(f.Column.Members()[0], form.text)
			}
			if q == "" {
				return ""
			}
			all = append(all, q)
		}
		return either(all)
	}
	return ""
}

// pieces returns a tsquery for the records that have a part of a text, folded.
func (v Vocabulary) pieces(part string) string {
	if part == "" || part == begin {
		return ""
	}
	if utf8.RuneCountInString(part) < pieceLength {
		return lexeme(v.piece(part)) + ":*"
	}
	var all []string
	pieces := piecesOf(part)
	for _, p := range pieces[:min(len(pieces), mostPieces)] {
		all = append(all, lexeme(v.piece(p)))
	}
	slices.Sort(all)
	return both(slices.Compact(all))
}

// digits returns a tsquery for the records that have a part of a telephone number in a
// member, or nothing if too many have.
func (v Vocabulary) digits(member, part string) string {
	if part = shortened(strings.TrimPrefix(part, "+")); len(part) < fewestInPart {
		return ""
	}
	return lexeme(v.term(member, aWord, part)) + ":*"
}

func lexeme(term string) string { return "'" + lexemeEscapes.Replace(term) + "'" }

var lexemeEscapes = strings.NewReplacer("'", "''", `\`, `\\`)

func both(all []string) string   { return grouping(all, " & ") }
func either(all []string) string { return grouping(all, " | ") }

func grouping(all []string, sign string) string {
	if len(all) > 1 {
		return "(" + strings.Join(all, sign) + ")"
	}
	return strings.Join(all, "")
}

// Probe is a question for the IDs of records that may be in a list: none is in it that
// is not among the answers. Few answers make the list quick to put together.
type Probe struct {
	Terms string // a tsquery for the terms of records; if empty, Where says what to ask
	Exact bool   // the terms are those that the parameter q asks for, and perhaps more

	Where []string // the conditions that indexes of the table answer, of which records meet one; each with an order
	Own   []string // likewise, of fields of the tenant's own: from where, and the condition
	Args  Args     // their arguments, from $2 on

	// Bin says that it is asked for the deleted records, and that there are others in the
	// list. If they are few, see [Query.FewDeleted].
	Bin bool

	IDs []uuid.UUID // the answer, if it is known
}

// Probes returns the questions whose answers an index has.
func (q Query) Probes() (probes []Probe) {
	conditions := conjuncts(conjuncts(nil, q.Filter), q.rows)
	v := NewVocabulary(q.tenant, q.columns.prefix())
	var terms []string
	if len(q.search.parts) > 0 {
		terms = append(terms, q.search.query(v, q.columns.search, false))
	}
	for _, f := range conditions {
		if t := termsOf(f, v); t != "" {
			terms = append(terms, t)
		}
	}
	if len(terms) > 0 {
		probes = append(probes, Probe{Terms: both(terms), Exact: len(q.search.parts) > 0})
	}
	for _, f := range conditions {
		if leaves := indexedIn(f); len(leaves) > 0 && len(probes) < maxProbes {
			probes = append(probes, q.probe(leaves))
		}
	}
	if q.Deleted != DeletedExclude {
		probes = append(probes, Probe{Where: []string{gone + inOrder(deletedAt)}, Bin: q.Deleted == DeletedInclude})
	}
	return probes
}

// probe returns the question for the records that meet one of some conditions.
func (q Query) probe(leaves []Leaf) (p Probe) {
	if f := leaves[0]; len(leaves) == 1 && f.Column == q.columns.id && (f.Op == Eq || f.Op == In) {
		for _, v := range f.Values {
			p.IDs = append(p.IDs, v.(uuid.UUID)) //nolint:forcetypeassert // the type has read it
		}
		return p
	}
	args := Args{nil} // the tenant
	for _, f := range leaves {
		if f.Column.own != nil {
			p.Own = append(p.Own, f.ownProbe(q.columns.table, &args))
			continue
		}
		sql := f.SQL(&args)
		for _, d := range q.Deleted.conditions() {
			order := inOrder(deletedAt)
			if d == live {
				order = f.order()
			}
			p.Where = append(p.Where, sql+" and "+d+order)
		}
	}
	p.Args = args[1:]
	return p
}

// inOrder asks for the order of a column, so that the index that has it is the one that is
// read, whatever the planner believes to know.
func inOrder(column string) string { return " order by " + column }

// order is that of the index that answers the condition. An index does not give the
// records with one of several values in its order.
func (f Leaf) order() string {
	if f.Op == In {
		return ""
	}
	return inOrder(f.Column.SQL)
}

// maxProbes is how many questions are asked for the conditions of one list.
const maxProbes = 6

// indexedIn returns conditions that indexes answer, of which every record meets one that
// meets a filter, or none if there are no such conditions.
func indexedIn(f Filter) (leaves []Leaf) {
	switch f := f.(type) {
	case Leaf:
		if f.indexed() {
			return []Leaf{f}
		}
	case And:
		for _, f := range f {
			if some := indexedIn(f); len(some) > 0 && (leaves == nil || breadth(some) < breadth(leaves)) {
				leaves = some
			}
		}
		return leaves
	case Or:
		for _, f := range f {
			some := indexedIn(f)
			if len(some) == 0 {
				return nil
			}
			leaves = append(leaves, some...)
		}
		return leaves
	}
	return nil
}

// breadth guesses how many records meet one of some conditions, to compare it with
// others: of one value there are few, as a rule.
func breadth(leaves []Leaf) (n int) {
	for _, f := range leaves {
		switch f.Op {
		case Eq:
			n++
		case In:
			n += len(f.Values)
		default:
			n += 1000
		}
	}
	return n
}

// indexed reports whether the index of the column answers the condition.
func (f Leaf) indexed() bool {
	if f.Column.Type.isArray() {
		return false
	}
	switch f.Op {
	case Eq, In, Lt, Lte, Gt, Gte, IsNull:
		return f.Column.own == nil || f.ownIndexed()
	}
	return false
}

// conjuncts adds the conditions that a filter consists of, all of which must hold.
func conjuncts(list []Filter, f Filter) []Filter {
	if all, ok := f.(And); ok {
		for _, f := range all {
			list = conjuncts(list, f)
		}
		return list
	}
	if f == nil {
		return list
	}
	return append(list, f)
}
