package record

import (
	"reflect"
	"time"

	"github.com/rowhouse/rowhouse/domain"
)

// A Normalizer is fields that are stored in a form of their own, such as with
// exactly one of the addresses marked as the primary one. Texts of one line
// and of several, times, and lists that are empty need no word, and what a text is if it
// is left out is said by the tag default.
type Normalizer[F any] interface{ Normal() F }

// Normal returns fields in the form that is stored.
func Normal[F Fields[F]](f F) F {
	c := commonOf(&f)
	*c = c.normal()
	v := reflect.ValueOf(&f).Elem()
	for _, m := range domain.Members(v.Type()) {
		x, tag := v.FieldByIndex(m.Index), v.Type().FieldByIndex(m.Index).Tag
		tidy(x, tag.Get("text"))
		if word := tag.Get("default"); word != "" && x.Kind() == reflect.String && x.Len() == 0 {
			x.SetString(word)
		}
	}
	if n, ok := any(f).(Normalizer[F]); ok {
		return n.Normal()
	}
	return f
}

// tidy brings the value of a field into the form that is stored.
func tidy(v reflect.Value, text string) {
	switch x := v.Addr().Interface().(type) {
	case *string:
		switch text {
		case "lines":
			*x = domain.Lines(*x)
		case "raw":
		default:
			*x = domain.Line(*x)
		}
	case **time.Time:
		if *x != nil { // as exact as columns are
			*x = new((*x).UTC().Truncate(time.Microsecond))
		}
	default:
		if (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() == 0 {
			v.SetZero()
		}
	}
}

// Referring is implemented by values of fields that name other records. Their
// pointers begin at the value.
type Referring interface{ References() []domain.Ref }

// Members are not in the log yet, so nobody looks whether they are there.
const memberPrefix = "usr"

// referencesOf lists the records that fields name.
func referencesOf[F Fields[F]](f F) []domain.Ref {
	var refs []domain.Ref
	v := reflect.ValueOf(f)
	for _, m := range domain.Members(v.Type()) {
		prefix := v.Type().FieldByIndex(m.Index).Tag.Get("prefix")
		id, ok := reflect.TypeAssert[domain.ID](v.FieldByIndex(m.Index))
		if ok && prefix != "" && prefix != memberPrefix && !id.IsZero() {
			refs = append(refs, domain.Ref{ID: id, Pointer: "/" + domain.EscapePointer(m.Name)})
		}
		if r, ok := reflect.TypeAssert[Referring](v.FieldByIndex(m.Index)); ok {
			for _, ref := range r.References() {
				ref.Pointer = "/" + domain.EscapePointer(m.Name) + ref.Pointer
				refs = append(refs, ref)
			}
		}
	}
	return append(refs, f.References()...)
}

// uniqueFields claims the values of fields with the tag unique:"true". Two values
// are the same if only case, blanks and composition of letters tell them apart.
func uniqueFields[F Fields[F]](f F) (claims []domain.Claim) {
	v := reflect.ValueOf(f)
	for _, m := range domain.Members(v.Type()) {
		if v.Type().FieldByIndex(m.Index).Tag.Get("unique") != "true" {
			continue
		}
		if text := v.FieldByIndex(m.Index).String(); text != "" {
			claims = append(claims, domain.Claim{
				Scope: f.KindName() + "." + m.Name, Key: domain.Folded(domain.Line(text)), Pointer: "/" + domain.EscapePointer(m.Name),
			})
		}
	}
	return claims
}
