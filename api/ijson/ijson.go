// Package ijson reads JSON that means the same to everybody: I-JSON (RFC 7493)
// of bounded depth. Where two parsers may understand different things, it
// refuses: names that occur twice, text that is not UTF-8, halves of surrogate
// pairs, NUL, and anything after the value.
//
// It knows nothing of what a document is for; whether it makes sense is for the
// caller to find out.
package ijson

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/rowhouse/rowhouse/domain"
)

// MaxMembers is how many members an object may have for [ParsePlain]. To find a
// name in it costs more than to look at a value.
const MaxMembers = 1000

// MaxDepth is how deep arrays and objects may be nested.
const MaxDepth = 64

// Error says why a document was refused. It never quotes the document, apart
// from the names on the way to the place.
type Error struct {
	Code    string // for programs
	Pointer string // where, as a JSON pointer (RFC 6901); a prefix of it if that is all that is known
	Offset  int    // where, in bytes from the beginning
	Detail  string // for people

	steps []string // of the pointer, from the place outwards
}

func (e *Error) Error() string {
	return e.Detail + " at byte " + strconv.Itoa(e.Offset)
}

// The codes of an [Error].
const (
	Broken    = "invalid_json"
	Empty     = "empty_body"
	Encoding  = "invalid_utf8"
	NUL       = "nul_character"
	Duplicate = "duplicate_member"
	TooDeep   = "too_deep"
	Trailing  = "trailing_data"
	TooMany   = "too_many"
)

// Parse reads a document. Its value is a map[string]any, a []any, a string, a
// [json.Number], a bool or nil. Numbers are kept as they are written: whether
// they fit is for the caller to say.
func Parse(data []byte) (any, error) {
	p := parser{data: string(data), left: len(data)}
	return p.document()
}

// ParsePlain reads a document of at most so many values, which are what time and
// memory go for, and of objects of at most [MaxMembers] members. Where there are more, the refusal points at the array or object
// that has one too many. Numbers are as [domain.PlainNumber] writes them; it tells
// whether any was written otherwise.
func ParsePlain(data []byte, most int) (v any, rewritten bool, err error) {
	p := parser{data: string(data), left: most, plain: true}
	v, err = p.document()
	return v, p.rewritten, err
}

// Escape prepares a member's name for a JSON pointer.
func Escape(name string) string {
	if !strings.ContainsAny(name, "~/") {
		return name
	}
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// parser reads a document from its beginning to its end. Texts in the tree are
// pieces of the document, which is one piece of memory.
type parser struct {
	data string
	at   int
	left int // how many more values there may be

	members []member // of the objects that have not ended, from the outermost on
	items   []any    // of the arrays, likewise

	plain     bool // numbers are to be written in the plain way
	rewritten bool // one was not
}

// member is a member of an object that has not ended.
type member struct {
	name  string
	value any
	start int // where its name begins
}

func (p *parser) document() (any, error) {
	v, err := p.whole()
	if err == nil {
		return v, nil
	}
	e := err.(*Error) //nolint:errorlint // the parser makes no other
	var pointer strings.Builder
	for i := len(e.steps) - 1; i >= 0 && pointer.Len() < maxPointer; i-- {
		pointer.WriteString("/" + Escape(e.steps[i]))
	}
	e.Pointer = pointer.String()
	return nil, e
}

// maxPointer is after how many bytes a pointer gets no more steps.
const maxPointer = 1 << 10

func (p *parser) whole() (any, error) {
	if !utf8.ValidString(p.data) {
		return nil, p.fail(Encoding, "text that is not UTF-8")
	}
	p.space()
	if p.at == len(p.data) {
		return nil, p.fail(Empty, "no JSON value")
	}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.at < len(p.data) {
		return nil, p.fail(Trailing, "something after the JSON value")
	}
	return v, nil
}

func (p *parser) fail(code, detail string) error {
	return &Error{Code: code, Offset: p.at, Detail: detail}
}

func (p *parser) tooMany() error { return p.fail(TooMany, "more values than are taken here") }

func (p *parser) broken() error { return p.fail(Broken, "broken JSON") }

// under adds a step to the pointer of an error that comes from further in.
func under(step string, err error) error {
	e := err.(*Error) //nolint:errorlint // the parser makes no other
	e.steps = append(e.steps, step)
	return e
}

func (p *parser) space() {
	for p.at < len(p.data) {
		switch p.data[p.at] {
		case ' ', '\t', '\r', '\n':
			p.at++
		default:
			return
		}
	}
}

// peek returns the next byte, or 0 at the end, where no token starts either.
func (p *parser) peek() byte {
	if p.at < len(p.data) {
		return p.data[p.at]
	}
	return 0
}

func (p *parser) value(depth int) (any, error) {
	switch c := p.peek(); {
	case c == '{' || c == '[':
		if depth == MaxDepth {
			return nil, p.fail(TooDeep, "nested deeper than "+strconv.Itoa(MaxDepth)+" levels")
		}
		p.at++
		if c == '{' {
			return p.object(depth + 1)
		}
		return p.array(depth + 1)
	case c == '"':
		return p.text()
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	case c == 't':
		return true, p.literal("true")
	case c == 'f':
		return false, p.literal("false")
	case c == 'n':
		return nil, p.literal("null")
	}
	return nil, p.broken()
}

func (p *parser) literal(word string) error {
	if !strings.HasPrefix(p.data[p.at:], word) {
		return p.broken()
	}
	p.at += len(word)
	return nil
}

func (p *parser) object(depth int) (any, error) {
	outer := len(p.members)
	for first := true; ; first = false {
		if done, err := p.next('}', first); err != nil {
			return nil, err
		} else if done {
			return p.gather(outer)
		}
		if p.peek() != '"' {
			return nil, p.broken()
		}
		start := p.at
		name, err := p.text()
		if err != nil {
			return nil, err
		}
		if p.space(); p.peek() != ':' {
			return nil, p.broken()
		}
		if p.left--; p.left < 0 || p.plain && len(p.members)-outer == MaxMembers {
			return nil, p.tooMany()
		}
		p.at++
		p.space()
		v, err := p.value(depth)
		if err != nil {
			return nil, under(name, err)
		}
		p.members = append(p.members, member{name, v, start})
	}
}

// gather makes an object of the members that were read from one on. As it is known
// how many they are, it takes the room that they need at once.
func (p *parser) gather(from int) (any, error) {
	list := p.members[from:]
	p.members = p.members[:from]
	members := make(map[string]any, len(list))
	for i, m := range list {
		if members[m.name] = m.value; len(members) == i {
			p.at = m.start
			return nil, under(m.name, p.fail(Duplicate, "a member that occurs twice"))
		}
	}
	return members, nil
}

func (p *parser) array(depth int) (any, error) {
	outer := len(p.items)
	for {
		if done, err := p.next(']', len(p.items) == outer); err != nil {
			return nil, err
		} else if done {
			items := make([]any, len(p.items)-outer)
			copy(items, p.items[outer:])
			p.items = p.items[:outer]
			return items, nil
		}
		if p.left--; p.left < 0 {
			return nil, p.tooMany()
		}
		v, err := p.value(depth)
		if err != nil {
			return nil, under(strconv.Itoa(len(p.items)-outer), err)
		}
		p.items = append(p.items, v)
	}
}

// next goes to where the next member or item starts, or past the end of the
// object or array that it would be in.
func (p *parser) next(end byte, first bool) (done bool, err error) {
	p.space()
	switch c := p.peek(); {
	case c == end:
		p.at++
		return true, nil
	case first:
		return false, nil
	case c != ',':
		return false, p.broken()
	}
	p.at++
	p.space()
	return false, nil
}

func (p *parser) number() (any, error) {
	start := p.at
	if p.peek() == '-' {
		p.at++
	}
	if p.peek() == '0' {
		p.at++ // and no digit may follow
	} else if !p.digits() {
		return nil, p.broken()
	}
	if p.peek() == '.' {
		p.at++
		if !p.digits() {
			return nil, p.broken()
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.at++
		if c := p.peek(); c == '+' || c == '-' {
			p.at++
		}
		if !p.digits() {
			return nil, p.broken()
		}
	}
	written := p.data[start:p.at]
	if p.plain {
		if plain := domain.PlainNumber(written); plain != written {
			p.rewritten = true
			return json.Number(plain), nil
		}
	}
	return json.Number(written), nil
}

func (p *parser) digits() bool {
	start := p.at
	for c := p.peek(); '0' <= c && c <= '9'; c = p.peek() {
		p.at++
	}
	return p.at > start
}

// text reads a string. Most have no escapes, and are only cut out.
func (p *parser) text() (string, error) {
	p.at++
	start := p.at
	var buf []byte // what the escapes stand for, if there were any
	for {
		for p.at < len(p.data) && p.data[p.at] >= ' ' && p.data[p.at] != '"' && p.data[p.at] != '\\' {
			p.at++
		}
		switch c := p.peek(); {
		case c == '"':
			tail := p.data[start:p.at]
			p.at++
			if buf == nil {
				return tail, nil
			}
			return string(append(buf, tail...)), nil
		case c == '\\':
			r, next, err := p.escape()
			if err != nil {
				return "", err
			}
			buf = utf8.AppendRune(append(buf, p.data[start:p.at]...), r)
			p.at, start = next, next
		case c == 0 && p.at < len(p.data):
			return "", p.fail(NUL, "a NUL character")
		default:
			return "", p.broken()
		}
	}
}

var escapes = map[byte]rune{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape returns the character that the escape at p stands for, and where the
// text goes on.
func (p *parser) escape() (r rune, next int, err error) {
	rest := p.data[p.at+1:]
	if len(rest) == 0 {
		return 0, 0, p.broken()
	}
	if r, ok := escapes[rest[0]]; ok {
		return r, p.at + 2, nil
	}
	r, ok := hex(rest)
	switch {
	case !ok:
		return 0, 0, p.broken()
	case r == 0:
		return 0, 0, p.fail(NUL, "a NUL character")
	case !utf16.IsSurrogate(r):
		return r, p.at + 6, nil
	}
	if len(rest) > 5 && rest[5] == '\\' {
		low, _ := hex(rest[6:])
		if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
			return r, p.at + 12, nil
		}
	}
	return 0, 0, p.fail(Encoding, "half of a surrogate pair")
}

// hex reads the uXXXX of an escape.
func hex(b string) (rune, bool) {
	if len(b) < 5 || b[0] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range []byte(b[1:5]) {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
