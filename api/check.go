package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rowhouse/rowhouse/domain"
)

// input is JSON that came in.
type input struct {
	tree   any    // what it was parsed into
	data   []byte // as text; nil if that is to be made of the tree when it is needed
	enough int    // after how many mistakes to stop; see [domain.Mistakes]
}

// text returns the JSON as text.
func (in input) text() ([]byte, error) {
	if in.data != nil {
		return in.data, nil
	}
	return domain.Marshal(in.tree)
}

// read reads JSON into what v points to, and says what is wrong with it: with
// its shape, and with the values in it.
func (r *schemas) read(s *huma.Schema, in input, v any) error {
	return r.readAs(s, in, func(data []byte) error { return domain.Unmarshal(data, v) })
}

// readPatch reads a merge patch of a type into what v points to. What it will be
// applied to is not known yet, but much of what can be wrong with it is.
func (r *schemas) readPatch(s *huma.Schema, in input, of reflect.Type, v any) error {
	return r.readAs(s, in, func(data []byte) error {
		if err := domain.CheckPatch(data, of); err != nil {
			return err
		}
		return domain.Unmarshal(data, v)
	})
}

// readAs checks the shape first. Only what has a right one is read for its
// value, so that each place is complained of once, and nothing is read that is
// larger than it may be.
func (r *schemas) readAs(s *huma.Schema, in input, read func([]byte) error) error {
	c := checker{schemas: r, wrong: domain.Mistakes{Enough: in.enough}}
	good, changed := c.value(s, in.tree)
	if c.wrong.Full() || good == nil && c.wrong.Len() > 0 {
		return c.wrong.Err()
	}
	if changed {
		in = input{tree: good}
	}
	data, err := in.text()
	if err != nil {
		return err
	}
	c.wrong.Add(read(data))
	return c.wrong.Err()
}

// readAround reads an object but for the data of commands in it. Those are read
// when it is known which commands they are for.
func (r *schemas) readAround(s *huma.Schema, tree, v any) error {
	c := checker{schemas: r}
	good, _ := c.value(s, tree)
	if c.wrong.Len() > 0 {
		return c.wrong.Err()
	}
	return r.read(s, input{tree: around(good)}, v)
}

// around returns an object with true in the place of the data of commands.
func around(v any) any {
	switch v := v.(type) {
	case map[string]any:
		rest := make(map[string]any, len(v))
		for name, of := range v {
			if rest[name] = of; of != nil && name == "data" {
				rest[name] = true
			} else {
				rest[name] = around(of)
			}
		}
		return rest
	case []any:
		rest := make([]any, len(v))
		for i, item := range v {
			rest[i] = around(item)
		}
		return rest
	}
	return v
}

// A checker says what is wrong with the shape of a value. Members that the
// schema does not know are malformed; the other mistakes are invalid. Whether
// text is a date or an ID is left to the types that it is read into.
//
// It looks at each value once, at how many there are before it looks at them, and
// stops when it has found as many mistakes as are told of. What it returns is
// what it was given, with null in the place of what is wrong, without members
// that are not known, and with times as they are stored. What it was given stays
// as it was.
type checker struct {
	*schemas
	path  []string // to where it is
	wrong domain.Mistakes
	steps int // how many values and names were looked at
}

// within checks a value that is further in.
func (c *checker) within(step string, s *huma.Schema, v any) (good any, changed bool) {
	c.path = append(c.path, step)
	good, changed = c.value(s, v)
	c.path = c.path[:len(c.path)-1]
	return good, changed
}

func (c *checker) refuse(reason domain.Reason, code, detail string, further ...string) {
	c.wrong.Add(&domain.Error{Reason: reason, Code: code, Pointer: c.pointer(further...), Detail: detail})
}

// pointer returns the pointer to where the checker is, and to what is further in.
func (c *checker) pointer(further ...string) string {
	var at strings.Builder
	for _, steps := range [][]string{c.path, further} {
		for _, step := range steps {
			at.WriteString("/" + domain.EscapePointer(step))
		}
	}
	return at.String()
}

func (c *checker) invalid(code, detail string) { c.refuse(domain.Invalid, code, detail) }

// value checks a value. What is wrong becomes null.
func (c *checker) value(s *huma.Schema, v any) (good any, changed bool) {
	if c.steps++; c.wrong.Full() {
		return v, false
	}
	s = c.resolve(s)
	if v == nil && s.Nullable {
		return nil, false
	}
	before := c.wrong.Len()
	good, changed = v, false
	ok := true
	switch s.Type {
	case huma.TypeObject:
		good, changed, ok = as(v, s, c.object)
	case huma.TypeArray:
		good, changed, ok = as(v, s, c.array)
	case huma.TypeString:
		good, changed, ok = as(v, s, c.text)
	case huma.TypeInteger, huma.TypeNumber:
		good, changed, ok = as(v, s, c.number)
	case huma.TypeBoolean:
		_, ok = v.(bool)
	}
	switch {
	case !ok:
		c.invalid("wrong_type", "must be "+article(s.Type))
		return nil, true
	case s.Type == huma.TypeObject || s.Type == huma.TypeArray:
		return good, changed
	case c.wrong.Len() == before && len(s.Enum) > 0 && !slices.Contains(s.Enum, v):
		c.invalid("unknown_value", "must be one of "+choices(s.Enum))
	}
	if c.wrong.Len() > before {
		return nil, true
	}
	return good, changed
}

// as checks a value if it is a T.
func as[T any](v any, s *huma.Schema, check func(*huma.Schema, T) (any, bool)) (good any, changed, ok bool) {
	t, ok := v.(T)
	if !ok {
		return nil, true, false
	}
	good, changed = check(s, t)
	return good, changed, true
}

func article(typ string) string {
	if strings.Contains("aoi", typ[:1]) {
		return "an " + typ
	}
	return "a " + typ
}

func choices(enum []any) string {
	names := make([]string, len(enum))
	for i, e := range enum {
		names[i] = fmt.Sprint(e)
	}
	return strings.Join(names, ", ")
}

func (c *checker) object(s *huma.Schema, m map[string]any) (any, bool) {
	c.fewest(s.MinProperties, len(m), "too_few", "members")
	if !c.most(s.MaxProperties, len(m), "too_many", "members") {
		return nil, true
	}
	for _, name := range s.Required {
		if _, ok := m[name]; !ok {
			c.refuse(domain.Invalid, "required", "is required", name)
		}
	}
	good, changed := m, false
	own := func() {
		if !changed && !c.wrong.Full() { // then nobody reads what is good
			good, changed = maps.Clone(m), true
		}
	}
	for _, name := range c.names(s, m) {
		if c.steps++; c.wrong.Full() {
			break
		}
		of, ok := c.member(s, name)
		switch {
		case !ok:
			if own(); changed {
				delete(good, name)
			}
		case of == nil || m[name] == nil && !slices.Contains(s.Required, name):
			// Null is as good as nothing, or says that something is to go.
		default:
			if v, other := c.within(name, of, m[name]); other {
				if own(); changed {
					good[name] = v
				}
			}
		}
	}
	return good, changed
}

// names returns the names of members in their order. Of those that are not known,
// it leaves out the last ones if there are more than anybody is told of: to bring
// them all into order would take longer than all else.
func (c *checker) names(s *huma.Schema, m map[string]any) []string {
	most := c.wrong.Room()
	if s.AdditionalProperties != false || len(m) <= len(s.Properties)+most {
		return slices.Sorted(maps.Keys(m))
	}
	var known, others []string
	for name := range m {
		if s.Properties[name] != nil {
			known = append(known, name)
			continue
		}
		if at, _ := slices.BinarySearch(others, name); at < most {
			others = slices.Insert(others[:min(len(others), most-1)], at, name)
		}
	}
	return slices.Sorted(slices.Values(append(known, others...)))
}

// maxName is how long the names of members may be that clients choose.
const maxName = 100

// member returns the schema of a member, or nil if it may be anything.
func (c *checker) member(s *huma.Schema, name string) (of *huma.Schema, ok bool) {
	if known := s.Properties[name]; known != nil {
		return known, true
	}
	switch others := s.AdditionalProperties.(type) {
	case *huma.Schema:
		if utf8.RuneCountInString(name) > maxName {
			c.refuse(domain.Invalid, "too_long", "must not have more than "+strconv.Itoa(maxName)+" characters in its name", name)
			return nil, false
		}
		return others, true
	case bool:
		if !others {
			c.refuse(domain.Malformed, "unknown_member", "is not a member that is known here", name)
		}
		return nil, others
	}
	return nil, true
}

func (c *checker) array(s *huma.Schema, items []any) (any, bool) {
	c.fewest(s.MinItems, len(items), "too_few", "items")
	if !c.most(s.MaxItems, len(items), "too_many", "items") {
		return nil, true
	}
	good, changed := items, false
	for i, item := range items {
		if c.wrong.Full() {
			break
		}
		if v, other := c.within(strconv.Itoa(i), s.Items, item); other {
			if !changed {
				good, changed = slices.Clone(items), true
			}
			good[i] = v
		}
	}
	return good, changed
}

// mostOfOne is how many characters there may be to each character of the largest
// text that may come of them. Longer ones are not composed: that takes long.
const mostOfOne = 4

func (c *checker) text(s *huma.Schema, text string) (any, bool) {
	n := utf8.RuneCountInString(text)
	if s.MaxLength != nil && n > *s.MaxLength { // white space around it is left out, where it is
		if n = utf8.RuneCountInString(domain.Trim(text)); n > *s.MaxLength && n <= mostOfOne**s.MaxLength {
			n = utf8.RuneCountInString(domain.Line(text)) // as it is composed
		}
	}
	c.fewest(s.MinLength, n, "too_short", "characters")
	c.most(s.MaxLength, n, "too_long", "characters")
	if s.Format != "date-time" {
		return text, false
	}
	t, err := domain.ParseTime(text)
	if err != nil {
		c.wrong.Add(domain.At(c.pointer(), err))
		return nil, true
	}
	plain := domain.FormatTime(t)
	return plain, plain != text
}

func (c *checker) number(s *huma.Schema, n json.Number) (any, bool) {
	if s.Type == huma.TypeInteger {
		bits := 64
		if s.Format == "int32" {
			bits = 32
		}
		if _, err := strconv.ParseInt(n.String(), 10, bits); err != nil {
			c.invalid("wrong_type", "must be an integer of "+strconv.Itoa(bits)+" bits")
			return n, false
		}
	}
	f, err := n.Float64()
	switch {
	case err != nil:
		c.invalid("out_of_range", "must be a number of 64 bits")
	case s.Minimum != nil && f < *s.Minimum:
		c.invalid("too_small", "must not be less than "+strconv.FormatFloat(*s.Minimum, 'f', -1, 64))
	case s.Maximum != nil && f > *s.Maximum:
		c.invalid("too_large", "must not be more than "+strconv.FormatFloat(*s.Maximum, 'f', -1, 64))
	}
	return n, false
}

func (c *checker) fewest(least *int, n int, code, of string) {
	if least != nil && n < *least {
		c.invalid(code, "must have at least "+strconv.Itoa(*least)+" "+of)
	}
}

func (c *checker) most(most *int, n int, code, of string) bool {
	if most != nil && n > *most {
		c.invalid(code, "must not have more than "+strconv.Itoa(*most)+" "+of)
		return false
	}
	return true
}
