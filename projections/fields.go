package projections

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
	"github.com/rowhouse/rowhouse/projections/query"
)

// fieldColumns makes a column of each member of the rows whose type says how it
// is filtered and sorted: texts of up to 500 characters, vocabularies, numbers,
// truth values, dates, times, amounts, IDs, e-mail addresses, telephone numbers
// and languages. A member that has a column already is left alone, and one with
// the tag list:"-" has none; with sort:"-" it has one whose order means nothing.
// Members that may be left out may be null, unless a tag default says that the
// kind fills them in. What has the tag search:"true" is found by q.
type fieldColumns[R any] struct{}

func (fieldColumns[R]) addTo(t *Table[R]) {
	of := reflect.TypeFor[R]()
	for _, m := range domain.Members(of) {
		f := of.FieldByIndex(m.Index)
		if f.Tag.Get("search") == "true" {
			searched(m.Name, func(r *R) []string { return []string{reflect.ValueOf(r).Elem().FieldByIndex(m.Index).String()} }).addTo(t)
		}
		if f.Tag.Get("list") != "-" && !t.has(m.Name) {
			for _, c := range fieldColumn[R](m, f) {
				if c.addTo(t); f.Tag.Get("sort") == "-" {
					t.columns[len(t.columns)-1].query.Sortable = false
				}
			}
		}
	}
}

// has reports whether a member has a column already, or is none of the kind's own.
func (t *Table[R]) has(member string) bool {
	return slices.ContainsFunc(t.columns, func(c column[R]) bool {
		return c.query.Name == member || strings.HasPrefix(c.query.Name, member+".") || c.sql == member
	}) || slices.Contains(rowMembers(), member)
}

// longest is how many characters a text may have that an index and a cursor have room for.
const longest = 500

// fieldColumn returns the columns of a member, if any.
func fieldColumn[R any](m domain.Member, f reflect.StructField) columns[R] {
	name := m.Name
	get := func(r *R) reflect.Value { return reflect.ValueOf(r).Elem().FieldByIndex(m.Index) }
	text1 := func(r *R) string { return get(r).String() }
	optional := strings.Contains(f.Tag.Get("json"), ",omit") && f.Tag.Get("default") == ""
	one := func(c column[R]) columns[R] {
		if c.query.Nullable {
			c.query.Nullable = optional
		}
		return columns[R]{c}
	}
	if prefix := f.Tag.Get("prefix"); f.Type == reflect.TypeFor[domain.ID]() && prefix != "" {
		return one(reference(name, prefix, func(r *R) domain.ID { return get(r).Interface().(domain.ID) })) //nolint:forcetypeassert // of this type
	}
	switch f.Type {
	case reflect.TypeFor[*time.Time]():
		return one(moment(name, func(r *R) *time.Time { return get(r).Interface().(*time.Time) })) //nolint:forcetypeassert // of this type
	case reflect.TypeFor[time.Time]():
		return one(moment(name, func(r *R) *time.Time { return new(get(r).Interface().(time.Time)) })) //nolint:forcetypeassert // of this type
	case reflect.TypeFor[domain.Date]():
		return one(day(name, func(r *R) domain.Date { return domain.Date(text1(r)) }))
	case reflect.TypeFor[domain.Money]():
		return money(name, func(r *R) domain.Money { return get(r).Interface().(domain.Money) }) //nolint:forcetypeassert // of this type
	case reflect.TypeFor[domain.Phone]():
		return one(value(name, query.Phone, text1))
	case reflect.TypeFor[domain.Email]():
		return one(value(name, query.Email, func(r *R) string { return domain.Email(text1(r)).Normalized() }))
	case reflect.TypeFor[domain.Hostname]():
		return one(value(name, query.Hostname, func(r *R) string { return domain.Hostname(text1(r)).Normalized() }))
	case reflect.TypeFor[domain.Language]():
		return one(value(name, query.Language, text1))
	case reflect.TypeFor[record.RelatedTo](): // of several kinds, so they are filtered by as text
		return columns[R]{texts(name+".id", query.AnyID, func(r *R) []string { return get(r).Interface().(record.RelatedTo).IDs() })} //nolint:forcetypeassert // of this type
	case reflect.TypeFor[*int]():
		return one(number(name, func(r *R) *int { return get(r).Interface().(*int) })) //nolint:forcetypeassert // of this type
	}
	switch words := domain.Words(f); {
	case f.Type.Kind() == reflect.String && words != nil:
		return one(enum(name, words, text1))
	case f.Type.Kind() == reflect.Bool:
		return columns[R]{boolean(name, func(r *R) bool { return get(r).Bool() })}
	case f.Type.Kind() == reflect.Int:
		return one(number(name, func(r *R) *int { return new(int(get(r).Int())) }))
	case f.Type == reflect.TypeFor[string]() && f.Tag.Get("text") != "lines":
		if most, err := strconv.Atoi(f.Tag.Get("maxLength")); err != nil || most <= longest {
			return one(text(name, text1))
		}
	}
	return nil
}
