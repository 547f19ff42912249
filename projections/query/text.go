package query

import (
	"errors"
	"strconv"
	"strings"

	"github.com/rowhouse/rowhouse/domain"
)

// Text reads a filter in the text form:
//
//	amount>=1000 and (stage in (won, lost) or not region = "emea") and closed_on is not null
//
//	filter    = all { "or" all }
//	all       = term { "and" term }
//	term      = "not" term | "(" filter ")" | condition
//	condition = field ( "=" | "!=" | "<" | "<=" | ">" | ">=" | "contains" | "starts_with" | "has" ) value
//	          | field ( "in" | "not" "in" | "any" | "none" ) "(" value { "," value } ")"
//	          | field "is" [ "not" ] "null"
//
// Keywords may be in any case. A value is a word, or text in " or ' where a
// backslash stands before a quote or a backslash that is meant. Words end at
// white space and at any of ( ) , = ! < > " '. Refusals point at "filter", and
// their data tell the offset in bytes.
func (c *Columns) Text(text string) (Filter, error) {
	if len(text) > maxText {
		return nil, tooLarge("filter")
	}
	p := parser{columns: c, text: text}
	p.next()
	f, err := p.any()
	if err != nil {
		return nil, err
	}
	if p.kind != end {
		return nil, p.expected(`"and", "or" or the end`)
	}
	return f, bounded(f, "filter")
}

// parser reads a filter by recursive descent, one token ahead.
type parser struct {
	columns *Columns
	text    string
	rest    int // where the token after this one begins

	kind  kind
	token string // without quotes and escapes
	at    int    // where it begins
}

type kind int

const (
	end kind = iota
	word
	quoted
	symbol
	broken
)

func (p *parser) any() (Filter, error) { return series[Or](p, "or", (*parser).all) }

func (p *parser) all() (Filter, error) { return series[And](p, "and", (*parser).term) }

func series[G group](p *parser, keyword string, item func(*parser) (Filter, error)) (Filter, error) {
	var items G
	for {
		f, err := item(p)
		if err != nil {
			return nil, err
		}
		items = append(items, f)
		if !p.keyword(keyword) {
			return one(items), nil
		}
	}
}

func (p *parser) term() (Filter, error) {
	if p.keyword("not") {
		f, err := p.term()
		return Not{f}, err
	}
	if !p.symbol("(") {
		return p.condition()
	}
	f, err := p.any()
	if err == nil && !p.symbol(")") {
		err = p.expected(`")"`)
	}
	return f, err
}

func (p *parser) condition() (Filter, error) {
	at, field := p.at, p.token
	if p.kind != word {
		return nil, p.expected("a field")
	}
	p.next()
	op, values, err := p.comparison()
	if err != nil {
		return nil, err
	}
	f, err := p.columns.leaf(field, op, values)
	if e, ok := errors.AsType[*domain.Error](err); ok {
		return nil, located(e.Reason, e.Code, at, e.Detail)
	}
	return f, nil
}

var (
	symbols  = map[string]Op{"=": Eq, "!=": Ne, "<": Lt, "<=": Lte, ">": Gt, ">=": Gte}
	keywords = map[string]Op{"in": In, "contains": Contains, "starts_with": StartsWith, "has": Has, "any": Any, "none": None}
)

// comparison reads an operator and what comes after it.
func (p *parser) comparison() (Op, []literal, error) {
	if p.keyword("is") {
		is := strconv.FormatBool(!p.keyword("not"))
		if !p.keyword("null") {
			return "", nil, p.expected(`"null"`)
		}
		return IsNull, []literal{{text: is}}, nil
	}
	if p.keyword("not") {
		if !p.keyword("in") {
			return "", nil, p.expected(`"in"`)
		}
		values, err := p.list()
		return Nin, values, err
	}
	op, ok := symbols[p.token]
	if p.kind == word {
		op, ok = keywords[strings.ToLower(p.token)]
	}
	if p.kind == quoted || !ok {
		return "", nil, p.expected("an operator")
	}
	p.next()
	if operators[op].list {
		values, err := p.list()
		return op, values, err
	}
	v, err := p.value()
	return op, []literal{v}, err
}

func (p *parser) list() (values []literal, err error) {
	if !p.symbol("(") {
		return nil, p.expected(`"("`)
	}
	for {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		values = append(values, v)
		if p.symbol(")") {
			return values, nil
		}
		if !p.symbol(",") {
			return nil, p.expected(`"," or ")"`)
		}
	}
}

func (p *parser) value() (literal, error) {
	if p.kind != word && p.kind != quoted {
		return literal{}, p.expected("a value")
	}
	v := literal{text: p.token}
	p.next()
	return v, nil
}

// keyword passes over a keyword if it is next.
func (p *parser) keyword(s string) bool {
	return p.pass(p.kind == word && strings.EqualFold(p.token, s))
}

// symbol passes over a symbol if it is next.
func (p *parser) symbol(s string) bool { return p.pass(p.kind == symbol && p.token == s) }

func (p *parser) pass(ok bool) bool {
	if ok {
		p.next()
	}
	return ok
}

func (p *parser) expected(what string) error {
	return located(domain.Malformed, "filter_syntax", p.at, "needs "+what)
}

func located(reason domain.Reason, code string, at int, detail string) error {
	return &domain.Error{
		Reason: reason, Code: code, Pointer: "filter",
		Detail: "at byte " + strconv.Itoa(at) + " " + detail, Data: map[string]any{"offset": at},
	}
}

const (
	blanks = " \t\r\n"
	marks  = "(),=!<>"
	quotes = `"'`
)

// next reads the token at rest.
func (p *parser) next() {
	p.at = len(p.text) - len(strings.TrimLeft(p.text[p.rest:], blanks))
	s := p.text[p.at:]
	n := strings.IndexAny(s, blanks+marks+quotes)
	switch {
	case s == "":
		p.kind, n = end, 0
	case n < 0:
		p.kind, n = word, len(s)
	case n > 0:
		p.kind = word
	case strings.Contains(quotes, s[:1]):
		p.token, n = unquote(s)
		p.kind, p.rest = quoted, p.at+n
		if n == 0 {
			p.kind = broken
		}
		return
	default:
		p.kind, n = symbol, 1
		if strings.Contains("!<>", s[:1]) && strings.HasPrefix(s[1:], "=") {
			n = 2
		}
	}
	p.token, p.rest = s[:n], p.at+n
}

// isWord reports whether s is a word of the text form.
func isWord(s string) bool { return s != "" && !strings.ContainsAny(s, blanks+marks+quotes) }

// quote writes a value of the text form, with quotes if it needs any.
func quote(s string) string {
	if isWord(s) {
		return s
	}
	return `"` + textEscapes.Replace(s) + `"`
}

var textEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// unquote reads the quoted text that s begins with, and returns how long it is
// with its quotes, or 0 if it does not end or has an escape that is none.
func unquote(s string) (text string, length int) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case s[0]:
			return b.String(), i + 1
		case '\\':
			if i++; i == len(s) || !strings.Contains(`\`+quotes, s[i:i+1]) {
				return "", 0
			}
		}
		b.WriteByte(s[i])
	}
	return "", 0
}
