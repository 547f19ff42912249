package domain

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// CheckShape reports what is wrong with the shape of v, a struct, each with its
// pointer, as far as [Mistakes] tells. How many items or members there are is
// looked at before they are: if there are too many, that is all that is said of
// them. The shape is what the tags of its fields say, with the meaning that JSON
// Schema gives them:
//
//	minLength, maxLength, enum    of strings, and of each string in a list
//	minimum, maximum              of integers, and of each integer in a list
//	minItems, maxItems            of lists
//	maxProperties                 of maps
//	prefix                        of an ID: what it must name
//	text                          of strings: "lines" if there may be several, "raw" for secrets
//
// A field is required unless it is tagged omitzero or omitempty; numbers and
// truth values always are there. A text that is required, or has a minLength, has a
// character that can be seen. Text must be UTF-8 without control characters, but
// for those between lines, and for secrets, which are without NUL; times must have
// a year of four digits, and values that have a method Check() error must pass it.
// If a struct is embedded, it is the outer one whose Check counts.
func CheckShape(v any) error {
	var wrong Mistakes
	for _, err := range shapeOf(reflect.TypeOf(v)).check(reflect.ValueOf(v)) {
		wrong.Add(err)
	}
	return wrong.Err()
}

// Member is a member of the JSON object that a struct becomes.
type Member struct {
	Name  string
	Index []int // as in [reflect.Value.FieldByIndex]
}

// Members returns the members of the JSON object that a struct becomes. The
// slice is shared, and must not be changed.
func Members(t reflect.Type) []Member { return shapeOf(t).members }

// A shape is what the tags of a type say.
type shape struct {
	members []Member
	rules   []rules // of the members
	checked bool    // has a Check method
}

// rules are what the tags of one field say about its value.
type rules struct {
	optional             bool
	enum                 []string
	minLength, maxLength int
	minItems, maxItems   int
	maxProperties        int
	minimum, maximum     *int64
	prefix               string
	text                 how
}

// shapes remembers what shapeOf found out. It is no state: what is in it follows
// from the types alone.
var shapes sync.Map // reflect.Type to *shape

var (
	idType    = reflect.TypeFor[ID]()
	valueType = reflect.TypeFor[value]()
)

func shapeOf(t reflect.Type) *shape {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s := &shape{checked: t.Implements(valueType)}
	if t.Kind() == reflect.Struct && t != timeType && t != idType {
		for _, f := range reflect.VisibleFields(t) {
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" || name == "-" || !f.IsExported() {
				continue
			}
			s.members = append(s.members, Member{Name: name, Index: f.Index})
			s.rules = append(s.rules, rulesOf(f, strings.Contains(options, "omit")))
		}
	}
	actual, _ := shapes.LoadOrStore(t, s)
	return actual.(*shape)
}

func rulesOf(f reflect.StructField, optional bool) rules {
	tag := f.Tag
	number := func(name string) int {
		n, _ := strconv.Atoi(tag.Get(name))
		return n
	}
	bound := func(name string) *int64 {
		n, err := strconv.ParseInt(tag.Get(name), 10, 64)
		if err != nil {
			return nil
		}
		return &n
	}
	r := rules{
		optional:  optional,
		minLength: number("minLength"), maxLength: number("maxLength"),
		minItems: number("minItems"), maxItems: number("maxItems"),
		maxProperties: number("maxProperties"),
		minimum:       bound("minimum"), maximum: bound("maximum"),
		prefix: tag.Get("prefix"), text: how(tag.Get("text")),
	}
	r.enum = Words(f)
	return r
}

// Enumerated is implemented by types of text that is one of some words, where these are
// not said by the tag enum.
type Enumerated interface{ Enum() []string }

// Words returns the words of which a member, or each item of a list, is one. There are none if it can be anything.
func Words(f reflect.StructField) []string {
	if e, ok := reflect.TypeAssert[Enumerated](reflect.Zero(f.Type)); ok {
		return e.Enum()
	}
	if words := f.Tag.Get("enum"); words != "" {
		return strings.Split(words, ",")
	}
	return nil
}

// check returns what is wrong with a value of the shape.
func (s *shape) check(v reflect.Value) (errs []error) {
	for i, m := range s.members {
		if len(errs) > MaxRefusals {
			return errs
		}
		for _, err := range s.rules[i].check(v.FieldByIndex(m.Index)) {
			errs = append(errs, At("/"+EscapePointer(m.Name), err))
		}
	}
	if s.checked {
		errs = append(errs, Refusals(v.Interface().(value).Check())...)
	}
	return errs
}

// check returns what is wrong with the value of a field.
func (r rules) check(v reflect.Value) []error {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
		r.optional = r.optional && r.minLength == 0 // what is there must be something
	}
	if v.IsZero() && v.Kind() != reflect.Bool && !v.CanInt() {
		if r.optional {
			return nil
		}
		return refuse("required", "is required")
	}
	t := v.Type()
	switch kind := t.Kind(); {
	case t == timeType:
		return r.checkTime(v)
	case t == idType:
		return r.checkID(v)
	case kind == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return nil // raw JSON: its meaning is checked when it is read
	case kind == reflect.Slice:
		if r.maxItems > 0 && v.Len() > r.maxItems {
			return refuse("too_many", "must not have more than %d items", r.maxItems)
		}
		return append(r.checkItems(v), shapeOf(t).check(v)...)
	case kind == reflect.Map:
		if r.maxProperties > 0 && v.Len() > r.maxProperties {
			return refuse("too_many", "must not have more than %d members", r.maxProperties)
		}
		return append(r.checkProperties(v), shapeOf(t).check(v)...)
	case kind == reflect.String:
		if errs := r.checkText(v.String()); len(errs) > 0 {
			return errs // and do not ask what a text means that is too long
		}
		return shapeOf(t).check(v)
	case v.CanInt():
		return r.checkInteger(v.Int())
	case kind == reflect.Struct:
		return shapeOf(t).check(v)
	}
	return nil
}

func (r rules) checkText(s string) (errs []error) {
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return refuse("invalid_text", "must be UTF-8 without NUL")
	}
	switch {
	case r.text == raw:
	case hasControls(s, map[how]string{lines: "\t\n\r"}[r.text]):
		return refuse("invalid_text", "must not have control characters")
	case (!r.optional || r.minLength > 0) && !Visible(s):
		return refuse("required", "must have a character that can be seen")
	}
	n := utf8.RuneCountInString(s)
	if n < r.minLength {
		errs = refuse("too_short", "must have at least %d characters", r.minLength)
	}
	if r.maxLength > 0 && n > r.maxLength {
		errs = refuse("too_long", "must not have more than %d characters", r.maxLength)
	}
	if r.enum != nil && !slices.Contains(r.enum, s) {
		errs = append(errs, refuse("unknown_value", "must be one of %s", strings.Join(r.enum, ", "))...)
	}
	return errs
}

func (r rules) checkInteger(n int64) []error {
	switch {
	case r.minimum != nil && n < *r.minimum:
		return refuse("too_small", "must not be less than %d", *r.minimum)
	case r.maximum != nil && n > *r.maximum:
		return refuse("too_large", "must not be more than %d", *r.maximum)
	}
	return nil
}

func (r rules) checkItems(v reflect.Value) (errs []error) {
	n := v.Len()
	if n < r.minItems {
		errs = refuse("too_few", "must have at least %d items", r.minItems)
	}
	item := r
	item.optional, item.minItems, item.maxItems = false, 0, 0
	for i := range n {
		if len(errs) > MaxRefusals {
			return errs
		}
		wrong := item.check
		if s := shapeOf(v.Type().Elem()); len(s.members) > 0 {
			wrong = s.check // also of an empty object: it is there
		}
		for _, err := range wrong(v.Index(i)) {
			errs = append(errs, At("/"+strconv.Itoa(i), err))
		}
	}
	return errs
}

func (rules) checkProperties(v reflect.Value) (errs []error) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, key := range keys {
		if len(errs) > MaxRefusals {
			return errs
		}
		name := key.String()
		for _, err := range append(rules{optional: true}.checkText(name), rules{optional: true}.check(v.MapIndex(key))...) {
			errs = append(errs, At("/"+EscapePointer(strings.ToValidUTF8(name, "?")), err))
		}
	}
	return errs
}

func (rules) checkTime(v reflect.Value) []error {
	year := v.Interface().(time.Time).UTC().Year()
	if year < 1 || year > 9999 {
		return refuse("invalid_time", "must be in the years 0001 to 9999")
	}
	return nil
}

func (r rules) checkID(v reflect.Value) []error {
	id := v.Interface().(ID)
	if r.prefix != "" && id.Prefix != r.prefix {
		return refuse("invalid_id", "must be an id that begins with %s_", r.prefix)
	}
	return nil
}

func refuse(code, format string, args ...any) []error {
	return []error{Invalid.Refusef(code, format, args...)}
}

// EscapePointer prepares a name for a JSON pointer (RFC 6901).
func EscapePointer(name string) string {
	if !strings.ContainsAny(name, "~/") {
		return name
	}
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
