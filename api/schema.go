package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rowhouse/rowhouse/api/ijson"
	"github.com/rowhouse/rowhouse/domain"
)

const schemaPrefix = "#/components/schemas/"

// schemas makes the schemas of Go types, and checks values against them. What
// is checked and what the document shows are therefore the same. It is complete
// before the first request, and not changed after that.
type schemas struct {
	huma.Registry
	refined map[string]bool // by name
}

func newSchemas() *schemas {
	r := &schemas{huma.NewMapRegistry(schemaPrefix, schemaName), map[string]bool{}}
	r.of(reflect.TypeFor[Problem]()) // which every operation can answer with
	return r
}

// schemaName names the schema of a type: deal.Win is DealWin, and what is not
// of one kind of record only has its own name. What all kinds have in common is
// named after the kind that it is of: record.Delete[deal.Deal, …] is DealDelete.
func schemaName(t reflect.Type, hint string) string {
	of := t.PkgPath()
	name, args, generic := strings.Cut(t.Name(), "[")
	if !generic {
		name = huma.DefaultSchemaNamer(t, hint)
	} else {
		of, _, _ = strings.Cut(args, ",")
		of = of[:max(0, strings.LastIndex(of, "."))]
	}
	dir, pkg := path.Split(of)
	if path.Base(dir) != "domain" || strings.EqualFold(pkg, name) {
		return name
	}
	return strings.ToUpper(pkg[:1]) + pkg[1:] + name
}

// partial returns the schema of a merge patch of a type: it may have any of its
// members, and null for those that are to go.
func (r *schemas) partial(t reflect.Type) *huma.Schema {
	whole := *r.resolve(r.of(t))
	whole.Required, whole.Properties = nil, maps.Clone(whole.Properties)
	for name, p := range whole.Properties {
		if p.Ref == "" && p.Type != "" {
			nullable := *p
			nullable.Nullable = true
			whole.Properties[name] = &nullable
		}
	}
	return &whole
}

// check says everything that is wrong with the shape of a value. Members that
// the schema does not know are malformed; the other mistakes are invalid. Whether
// text is a date or an ID is left to the types that it is read into.
func (r *schemas) check(s *huma.Schema, v any) error {
	c := checker{schemas: r}
	c.value(s, v)
	return errors.Join(c.errs...)
}

type checker struct {
	*schemas
	path []string // to where it is
	errs []error
}

func (c *checker) at(step string, check func()) {
	c.path = append(c.path, step)
	check()
	c.path = c.path[:len(c.path)-1]
}

func (c *checker) refuse(kind domain.Kind, code, detail string) {
	var at strings.Builder
	for _, step := range c.path {
		at.WriteString("/" + ijson.Escape(step))
	}
	c.errs = append(c.errs, &domain.Error{Kind: kind, Code: code, Pointer: at.String(), Detail: detail})
}

func (c *checker) invalid(code, detail string) { c.refuse(domain.Invalid, code, detail) }

func (c *checker) value(s *huma.Schema, v any) {
	for s.Ref != "" {
		s = c.SchemaFromRef(s.Ref)
	}
	ok := true
	switch s.Type {
	case huma.TypeObject:
		ok = as(v, s, c.object)
	case huma.TypeArray:
		ok = as(v, s, c.array)
	case huma.TypeString:
		ok = as(v, s, c.text)
	case huma.TypeInteger, huma.TypeNumber:
		ok = as(v, s, c.number)
	case huma.TypeBoolean:
		_, ok = v.(bool)
	}
	switch {
	case v == nil && s.Nullable:
	case !ok:
		c.invalid("wrong_type", "must be "+article(s.Type))
	case len(s.Enum) > 0 && !slices.Contains(s.Enum, v):
		c.invalid("unknown_value", "must be one of "+choices(s.Enum))
	}
}

// as checks a value if it is a T.
func as[T any](v any, s *huma.Schema, check func(*huma.Schema, T)) bool {
	t, ok := v.(T)
	if ok {
		check(s, t)
	}
	return ok
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

func (c *checker) object(s *huma.Schema, m map[string]any) {
	for _, name := range s.Required {
		if _, ok := m[name]; !ok {
			c.at(name, func() { c.invalid("required", "is required") })
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		c.at(name, func() { c.member(s, name, m[name]) })
	}
	c.fewest(s.MinProperties, len(m), "too_few", "members")
	c.most(s.MaxProperties, len(m), "too_many", "members")
}

// maxName is how long the names of members may be that clients choose.
const maxName = 100

func (c *checker) member(s *huma.Schema, name string, v any) {
	if known := s.Properties[name]; known != nil {
		// Null is as good as nothing, or says that something is to go.
		if v != nil || slices.Contains(s.Required, name) {
			c.value(known, v)
		}
		return
	}
	switch others := s.AdditionalProperties.(type) {
	case *huma.Schema:
		c.most(new(maxName), utf8.RuneCountInString(name), "too_long", "characters in its name")
		if v != nil {
			c.value(others, v)
		}
	case bool:
		if !others {
			c.refuse(domain.Malformed, "unknown_member", "is not a member that is known here")
		}
	}
}

func (c *checker) array(s *huma.Schema, items []any) {
	c.fewest(s.MinItems, len(items), "too_few", "items")
	if !c.most(s.MaxItems, len(items), "too_many", "items") {
		return // and do not complain of each of a million
	}
	for i, item := range items {
		c.at(strconv.Itoa(i), func() { c.value(s.Items, item) })
	}
}

func (c *checker) text(s *huma.Schema, text string) {
	n := utf8.RuneCountInString(text)
	c.fewest(s.MinLength, n, "too_short", "characters")
	c.most(s.MaxLength, n, "too_long", "characters")
}

func (c *checker) number(s *huma.Schema, n json.Number) {
	if s.Type == huma.TypeInteger {
		bits := 64
		if s.Format == "int32" {
			bits = 32
		}
		if _, err := strconv.ParseInt(n.String(), 10, bits); err != nil {
			c.invalid("wrong_type", "must be an integer of "+strconv.Itoa(bits)+" bits")
			return
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

// read reads JSON into what v points to, and says everything that is wrong with
// it: with its shape, and with the values in it. The tree is what the JSON was
// parsed into.
func (r *schemas) read(s *huma.Schema, tree any, data []byte, v any) error {
	shape := domain.Refusals(r.check(s, tree))
	values := domain.Refusals(domain.Unmarshal(data, v))
	for _, err := range values {
		if !slices.ContainsFunc(shape, func(other error) bool { return samePlace(err, other) }) {
			shape = append(shape, err)
		}
	}
	return errors.Join(shape...)
}

// samePlace reports whether two refusals are about the same input.
func samePlace(a, b error) bool {
	return a.(*domain.Error).Pointer == b.(*domain.Error).Pointer //nolint:errorlint // Refusals returns nothing else
}

// of returns the schema of a type.
func (r *schemas) of(t reflect.Type) *huma.Schema {
	s := r.Schema(t, true, t.Name())
	for name, schema := range r.Map() {
		if !r.refined[name] {
			r.refined[name] = true
			refine(schema, r.TypeFromRef(schemaPrefix+name))
		}
	}
	return s
}

// refine adds what tags of ours say and huma does not know: what an ID names.
func refine(s *huma.Schema, t reflect.Type) {
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if prefix := f.Tag.Get("prefix"); prefix != "" && s.Properties[name] != nil {
			s.Properties[name].Pattern = "^" + prefix + "_[0-7][0-9a-hjkmnp-tv-z]{25}$"
		}
	}
}

// resolve follows references.
func (r *schemas) resolve(s *huma.Schema) *huma.Schema {
	for s.Ref != "" {
		s = r.SchemaFromRef(s.Ref)
	}
	return s
}
