package api

import (
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
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
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
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

// partial returns the schema of a merge patch (RFC 7396) of a type: it may have
// any of its members, and null for those that are to go. That holds for the
// objects in it as well, but not for those in arrays, which a patch replaces.
func (r *schemas) partial(t reflect.Type) *huma.Schema { return r.partialOf(r.of(t), false) }

func (r *schemas) partialOf(s *huma.Schema, nullable bool) *huma.Schema {
	p := *r.resolve(s)
	if s.Extensions != nil {
		p.Extensions = s.Extensions // which are those of the member
	}
	p.Nullable = p.Type != "" && (nullable || p.Nullable)
	if p.Type != huma.TypeObject {
		return &p
	}
	p.Required, p.MinProperties, p.Properties = nil, nil, maps.Clone(p.Properties)
	for name, of := range p.Properties {
		p.Properties[name] = r.partialOf(of, true)
	}
	if others, ok := p.AdditionalProperties.(*huma.Schema); ok {
		p.AdditionalProperties = r.partialOf(others, true)
	}
	if p.MaxProperties != nil {
		p.MaxProperties = new(2 * *p.MaxProperties) // all of the old ones go, and others come
	}
	return &p
}

// of returns the schema of a type.
func (r *schemas) of(t reflect.Type) *huma.Schema {
	s := r.Schema(t, true, t.Name())
	if all := r.Map(); len(all) > len(r.refined) { // there are new ones
		for name, schema := range all {
			if !r.refined[name] {
				r.refined[name] = true
				refine(schema, r.TypeFromRef(schemaPrefix+name))
			}
		}
	}
	return s
}

// refine adds what tags of ours say and huma does not know: what an ID names, and
// the class of the data. If no line of a type has a class, that is said where the
// type is used.
func refine(s *huma.Schema, t reflect.Type) {
	fields := reflect.VisibleFields(t)
	classed := slices.ContainsFunc(fields, func(f reflect.StructField) bool { return f.Tag.Get("class") != "" })
	for _, f := range fields {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if c, ok := domain.ClassOf(t, name); classed && ok && c.Class != "" && s.Properties[name] != nil {
			s.Properties[name].Extensions = map[string]any{classExtension: string(c.Class)}
		}
		if words := domain.Words(f); f.Type.Kind() == reflect.String && words != nil && s.Properties[name] != nil && len(s.Properties[name].Enum) == 0 {
			for _, word := range words {
				s.Properties[name].Enum = append(s.Properties[name].Enum, word)
			}
		}
		if f.Type == reflect.TypeFor[own.Values]() && s.Properties[name] != nil {
			s.Properties[name] = ownSchema(s.Properties[name], t)
		}
		if prefix := f.Tag.Get("prefix"); prefix != "" && s.Properties[name] != nil {
			s.Properties[name].Pattern = "^" + prefix + "_[0-7][0-9a-hjkmnp-tv-z]{25}$"
		}
	}
}

// ownSchema returns the schema of the fields of the tenant's own, which are not the same in
// all tenants: [document.of] describes them.
func ownSchema(s *huma.Schema, of reflect.Type) *huma.Schema {
	open := *s
	open.AdditionalProperties = true
	open.Extensions = maps.Clone(s.Extensions)
	if k, ok := reflect.TypeAssert[interface{ KindName() string }](reflect.Zero(of)); ok {
		if open.Extensions == nil {
			open.Extensions = map[string]any{}
		}
		open.Extensions[ownExtension] = k.KindName()
	}
	return &open
}

// ownExtension says of which kind of record the fields of the tenant's own are.
const ownExtension = "x-own-fields"

// classExtension says in the document of which class the data in a member is.
const classExtension = "x-data-class"

// resolve follows references.
func (r *schemas) resolve(s *huma.Schema) *huma.Schema {
	for s.Ref != "" {
		s = r.SchemaFromRef(s.Ref)
	}
	return s
}
