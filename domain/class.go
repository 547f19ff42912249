package domain

import (
	"cmp"
	"encoding"
	"encoding/json"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// Class says how much care a value needs. Every text, map and blob in events and in
// records has one, which the tag class of its line in Go says:
//
//	FirstName string `json:"first_name" class:"personal" of:"self"`
//
// What is personal or sensitive also says whose it is: of:"self" if the record itself
// is the person, and otherwise the member that has the ID of the person, or of the
// records that it is about, such as of:"contact_id". That is a member of the same
// object, of one around it, or of the record.
//
// What a line holds has its class as well, unless it says so itself: a list, the
// members of an object, the keys and values of a map. A type never has a class by
// itself. Numbers, truth values, dates, times, sums of money and IDs without a class
// are internal.
//
// The keys of a map with class:"field" are names of fields, and what is in the map has
// the class of the field; see [FieldNamer].
type Class string

// The classes, from the one that needs the least care to the one that needs most.
const (
	Public    Class = "public"    // everybody may know it
	Internal  Class = "internal"  // it is the business of the tenant, and says nothing of a person
	Personal  Class = "personal"  // it says something of a person, or may do so, as all free text does
	Sensitive Class = "sensitive" // it says of a person what can do harm, such as a number of a passport or a bank account
	Secret    Class = "secret"    // whoever knows it has access to something; it never comes out
)

// Self is what of says if the record itself is the person.
const Self = "self"

// byField is what class says of a map whose keys are names of fields.
const byField Class = "field"

var classes = []Class{Public, Internal, Personal, Sensitive, Secret}

// AllClasses returns the classes, from the one that needs the least care on.
func AllClasses() []Class { return slices.Clone(classes) }

// ofSomebody reports whether it must be said whose a value is.
func (c Class) ofSomebody() bool { return c == Personal || c == Sensitive }

// FieldNamer is implemented by types that have a map with class:"field".
type FieldNamer interface {
	// FieldNames returns the type whose members the keys of the map name.
	FieldNames() reflect.Type
}

// Shaped is implemented by types whose JSON is that of another type.
type Shaped interface {
	// Shape returns the type that has the members of the JSON.
	Shape() reflect.Type
}

// Classified is a value in the JSON of a type, with its class.
type Classified struct {
	Path  string // a JSON pointer, with * for each item or key: "/emails/*/address"
	Class Class  // empty if no line says so: [CheckClasses] names that
	Of    string // whose it is, if it is personal or sensitive

	line string // of Go, on which the class is missing or wrong
	near bool   // Of is a member of the object, or of one around it
}

// classified is what was found out about a type.
type classified struct {
	values []Classified
	wrong  []string
}

// knownClasses remembers what classesOf found out. It is no state: what is in it
// follows from the types alone.
var knownClasses sync.Map // reflect.Type to classified

// Classes returns the values in the JSON of a type, each with its class, in the
// order of their lines. The slice is shared, and must not be changed.
func Classes(t reflect.Type) []Classified { return classesOf(t).values }

// ClassOf returns the class of a member of a type, by its name in JSON: of all that is
// in it, the value that needs the most care counts, and is returned. It returns false
// if there is no such member.
func ClassOf(t reflect.Type, member string) (found Classified, ok bool) {
	at := "/" + EscapePointer(member)
	for _, c := range Classes(t) {
		if c.Path != at && !strings.HasPrefix(c.Path, at+"/") {
			continue
		}
		if !ok || slices.Index(classes, c.Class) > slices.Index(classes, found.Class) {
			found, ok = c, true
		}
	}
	return found, ok
}

// CheckClasses says which values of a type have no class, or a wrong one, and where
// to write it. Record is the type of the record that they are of, as clients see it;
// nil if there is none.
func CheckClasses(t, record reflect.Type) (wrong []string) {
	of := classesOf(t)
	wrong = slices.Clone(of.wrong)
	for _, c := range of.values {
		switch {
		case c.Class == "":
			wrong = append(wrong, c.line+` has no class: write one beside its name in JSON, such as class:"internal" or class:"personal" of:"self"`)
		case c.Class == Secret:
			wrong = append(wrong, c.line+" is secret: that belongs neither into events nor into records, because both are shown")
		case c.Class.ofSomebody() && c.Of == "":
			wrong = append(wrong, c.line+` does not say whose it is: write of:"self" if that is the record, or else the member that has the ID`)
		case c.Of == "" || c.Of == Self || c.near || record != nil && holdsID(memberType(record, c.Of)):
		default:
			wrong = append(wrong, fmt.Sprintf("%s is of:%q, which is no member with an ID of its object or record", c.line, c.Of))
		}
	}
	return slices.Compact(wrong)
}

func classesOf(t reflect.Type) classified {
	if c, ok := knownClasses.Load(t); ok {
		return c.(classified)
	}
	w := walk{}
	w.value(t, place{})
	actual, _ := knownClasses.LoadOrStore(t, w.classified)
	return actual.(classified)
}

// walk goes through a type.
type walk struct {
	classified

	objects []reflect.Type // that it is in, the innermost last
}

// place is where it is.
type place struct {
	path  string
	class Class
	of    string
	line  string // of Go that the class can be written on
	loose bool   // the line is one of a type that many kinds use
	names reflect.Type
}

func (p place) below(step string) place {
	p.path += "/" + step
	return p
}

// value adds what is in a value of a type.
func (w *walk) value(t reflect.Type, at place) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s, ok := reflect.TypeAssert[Shaped](reflect.Zero(t)); ok {
		w.value(s.Shape(), at)
		return
	}
	switch kind := t.Kind(); {
	case saysNothing(t):
		at.class = cmp.Or(at.class, Internal)
		w.add(at)
	case writesItself(t):
		w.add(at)
	case kind == reflect.Slice && t.Elem().Kind() != reflect.Uint8, kind == reflect.Array:
		w.value(t.Elem(), at.below("*"))
	case kind == reflect.Map && at.class == byField:
		w.fields(t.Elem(), at)
	case kind == reflect.Map:
		w.add(at.below("*")) // the keys
		if elem := t.Elem(); elem.Kind() != reflect.String {
			w.value(elem, at.below("*"))
		}
	case kind == reflect.Struct:
		w.object(t, at)
	default: // texts, and what may be anything
		w.add(at)
	}
}

// object adds what is in an object. One that is in itself is not gone into again.
func (w *walk) object(t reflect.Type, at place) {
	if slices.Contains(w.objects, t) {
		return
	}
	w.objects = append(w.objects, t)
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		part := f.Anonymous && name == ""
		if name == "-" || !f.IsExported() && !part {
			continue
		}
		in := at
		if !part {
			in = at.below(EscapePointer(cmp.Or(name, f.Name)))
		}
		if n, ok := reflect.TypeAssert[FieldNamer](reflect.Zero(t)); ok {
			in.names = n.FieldNames()
		}
		if !part && (at.line == "" || at.loose) {
			in.line, in.loose = lineOf(t, f.Name), strings.Contains(t.Name(), "[")
		}
		class, classed := f.Tag.Lookup("class")
		of, owned := f.Tag.Lookup("of")
		if classed {
			in.class, in.of, in.line = Class(class), of, lineOf(t, f.Name)
		}
		if c := in.class; classed && c != byField && !slices.Contains(classes, c) || owned && (!classed || !c.ofSomebody()) {
			w.wrong = append(w.wrong, fmt.Sprintf("%s has the tags class:%q of:%q: the classes are %v, and only personal and sensitive are of somebody", lineOf(t, f.Name), class, of, classes))
		}
		w.value(f.Type, in)
	}
	w.objects = w.objects[:len(w.objects)-1]
}

// fields adds what is in the values of a map by fields.
func (w *walk) fields(elem reflect.Type, at place) {
	if at.names == nil {
		w.wrong = append(w.wrong, at.line+` has class:"field": let its type say of what type, as a domain.FieldNamer`)
		return
	}
	in := walk{}
	in.value(elem, place{class: Internal})
	for _, field := range Classes(at.names) {
		name, rest, _ := strings.Cut(field.Path[1:], "/")
		if rest != "" {
			rest = "/" + rest
		}
		for _, part := range in.values {
			c := field
			c.Path = at.path + "/" + name + part.Path + rest
			w.values = append(w.values, c)
		}
	}
}

// add adds a value.
func (w *walk) add(at place) {
	near := slices.ContainsFunc(w.objects, func(t reflect.Type) bool { return holdsID(memberType(t, at.of)) })
	w.values = append(w.values, Classified{Path: at.path, Class: at.class, Of: at.of, line: at.line, near: near})
}

// lineOf names a line of Go: contact.Fields.FirstName.
func lineOf(t reflect.Type, field string) string {
	name, _, _ := strings.Cut(t.Name(), "[")
	return path.Base(t.PkgPath()) + "." + name + "." + field
}

// memberType returns the type of a member, or nil.
func memberType(t reflect.Type, name string) reflect.Type {
	if t.Kind() == reflect.Struct && name != "" {
		for _, m := range Members(t) {
			if m.Name == name {
				return t.FieldByIndex(m.Index).Type
			}
		}
	}
	return nil
}

// holdsID reports whether there is an ID in a type, at whatever depth.
func holdsID(t reflect.Type) bool {
	if t == nil || t == idType {
		return t != nil
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return holdsID(t.Elem())
	case reflect.Struct:
		return slices.ContainsFunc(Members(t), func(m Member) bool { return holdsID(t.FieldByIndex(m.Index).Type) })
	default:
		return false
	}
}

// plain are types whose values are internal if no line says anything else, because
// they say nothing by themselves.
var plain = []reflect.Type{
	idType, timeType,
	reflect.TypeFor[uuid.UUID](), reflect.TypeFor[TenantID](),
	reflect.TypeFor[Money](), reflect.TypeFor[Decimal](), reflect.TypeFor[Date](),
}

func saysNothing(t reflect.Type) bool {
	return slices.Contains(plain, t) || t.Kind() == reflect.Bool || t.ConvertibleTo(reflect.TypeFor[float64]())
}

var (
	jsonMarshalerType = reflect.TypeFor[json.Marshaler]()
	textMarshalerType = reflect.TypeFor[encoding.TextMarshaler]()
)

// writesItself reports whether the JSON of a type is not what its parts say.
func writesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(jsonMarshalerType) || p.Implements(textMarshalerType)
}
