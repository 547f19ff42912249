package projections

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/projections/query"
)

// column is a column beside the JSON of a row, to filter and sort by. A value
// that is zero in Go is null in the database unless the column is required.
type column[R any] struct {
	query query.Column // its name is empty if clients cannot name it
	sql   string       // name in the database
	array string       // type of an array of its values as a parameter, such as "text[]"
	cast  string       // what turns one of these into a value of the column, such as "::text[]"
	pack  func(entries []*entry[R], nullable bool) any
	value func(r *R, nullable bool) any // see [query.Values]; nil if clients cannot name the column
}

// of says which members of a record a column follows from, where its name does not.
func of[R any](c column[R], members ...string) column[R] {
	c.query.Of = members
	return c
}

func (c column[R]) addTo(t *Table[R]) { t.columns = append(t.columns, c) }

// columns is several of them.
type columns[R any] []column[R]

func (cs columns[R]) addTo(t *Table[R]) { t.columns = append(t.columns, cs...) }

// required says that a column is never null.
func required[R any](c column[R]) column[R] {
	c.query.Nullable = false
	return c
}

// scalar is a column of one value of the type V.
func scalar[R any, V comparable](name string, typ query.Type, sqlType string, get func(*R) V) column[R] {
	sql := strings.ReplaceAll(name, ".", "_")
	return column[R]{
		query: query.Column{Name: name, SQL: sql, Type: typ, Nullable: true, Sortable: true},
		sql:   sql,
		array: sqlType + "[]",
		pack: func(entries []*entry[R], nullable bool) any {
			values := make([]V, len(entries))
			array := make(pgtype.FlatArray[*V], len(entries))
			for i, e := range entries {
				if values[i] = get(e.row); !nullable || values[i] != *new(V) {
					array[i] = &values[i]
				}
			}
			return array
		},
		value: func(r *R, nullable bool) any {
			v := get(r)
			if nullable && v == *new(V) {
				return nil
			}
			return plain(v)
		},
	}
}

// plain returns a value of a column as [query.Values] has it.
func plain(of any) any {
	switch v := of.(type) {
	case time.Time:
		return v.Truncate(time.Microsecond) // as the database keeps it
	case plainUUID:
		return uuid.UUID(v)
	}
	if v := reflect.ValueOf(of); v.CanInt() {
		return v.Int()
	}
	return of
}

// optional is a column of one value of the type V, null where there is none.
func optional[R, V any](name string, typ query.Type, sqlType string, get func(*R) *V) column[R] {
	sql := strings.ReplaceAll(name, ".", "_")
	return column[R]{
		query: query.Column{Name: name, SQL: sql, Type: typ, Nullable: true, Sortable: true},
		sql:   sql,
		array: sqlType + "[]",
		pack: func(entries []*entry[R], _ bool) any {
			array := make(pgtype.FlatArray[*V], len(entries))
			for i, e := range entries {
				array[i] = get(e.row)
			}
			return array
		},
		value: func(r *R, _ bool) any {
			if v := get(r); v != nil {
				return plain(*v)
			}
			return nil
		},
	}
}

// text is a column of text of one line.
func text[R any, V ~string](name string, get func(*R) V) column[R] {
	return value(name, query.Text, func(r *R) string { return domain.Line(string(get(r))) })
}

// value is a column of text that is compared in a form of its own, which get
// returns and the type reads.
func value[R any, V ~string](name string, typ query.Type, get func(*R) V) column[R] {
	return scalar(name, typ, "text", func(r *R) string { return string(get(r)) })
}

// enum is a column of text of a fixed vocabulary.
func enum[R any, V ~string](name string, vocabulary []V, get func(*R) V) column[R] {
	words := make([]string, len(vocabulary))
	for i, w := range vocabulary {
		words[i] = string(w)
	}
	return scalar(name, query.Enum(words...), "text", func(r *R) string { return string(get(r)) })
}

// reference is a column of IDs of other records.
func reference[R any](name, prefix string, get func(*R) domain.ID) column[R] {
	c := scalar(name, query.ID(prefix), "uuid", func(r *R) plainUUID { return plainUUID(get(r).UUID) })
	c.query.Sortable = false // IDs of other records have no order that means something
	return c
}

// plainUUID is a UUID that does not write itself as text to be read again.
type plainUUID [16]byte

// number is a column of whole numbers.
func number[R any, V ~int | ~int32 | ~int64](name string, get func(*R) *V) column[R] {
	return optional(name, query.Int, "bigint", get)
}

// boolean is a column of truth values.
func boolean[R any](name string, get func(*R) bool) column[R] {
	c := scalar(name, query.Bool, "boolean", get)
	c.query.Nullable, c.query.Sortable = false, false
	return c
}

// moment is a column of times.
func moment[R any](name string, get func(*R) *time.Time) column[R] {
	return optional(name, query.Time, "timestamptz", get)
}

// day is a column of dates.
func day[R any](name string, get func(*R) domain.Date) column[R] {
	return scalar(name, query.Date, "date", func(r *R) time.Time {
		if d := get(r); d != "" {
			return d.Time()
		}
		return time.Time{}
	})
}

// money is two columns: the amount, in 1/10000, and the currency.
func money[R any](name string, get func(*R) domain.Money) columns[R] {
	amount := optional(name+".amount", query.Decimal, "bigint", func(r *R) *int64 {
		if m := get(r); m != (domain.Money{}) { // an amount of 0 is one
			return new(m.Units())
		}
		return nil
	})
	amount.query.SQL, amount.sql = name, name
	return columns[R]{amount, value(name+".currency", query.Currency, func(r *R) string { return get(r).Currency })}
}

// texts is a column of arrays of text, of values of a type. Arrays of different
// lengths make no array of arrays, so each travels as the text of itself.
func texts[R any, V ~string](name string, of query.Type, get func(*R) []V) column[R] {
	sql := strings.ReplaceAll(name, ".", "_")
	return column[R]{
		query: query.Column{Name: name, SQL: sql, Type: query.Array(of)},
		sql:   sql,
		array: "text[]",
		cast:  "::text[]",
		pack: func(entries []*entry[R], _ bool) any {
			array := make(pgtype.FlatArray[string], len(entries))
			for i, e := range entries {
				array[i] = arrayText(get(e.row))
			}
			return array
		},
		value: func(r *R, _ bool) any {
			values := get(r)
			list := make([]string, len(values))
			for i, v := range values {
				list[i] = string(v)
			}
			return list
		},
	}
}

// references is a column of arrays of IDs of other records.
func references[R any](name, prefix string, get func(*R) []domain.ID) column[R] {
	c := texts(name, query.AnyID, func(r *R) []string {
		var list []string
		for _, id := range get(r) {
			list = append(list, id.UUID.String())
		}
		return list
	})
	c.query.Type, c.cast = query.IDArray(prefix), "::uuid[]"
	c.value = func(r *R, _ bool) any {
		var list []uuid.UUID
		for _, id := range get(r) {
			list = append(list, id.UUID)
		}
		return list
	}
	return c
}

// arrayText returns the text of an array, as the database reads it.
func arrayText[V ~string](values []V) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		escape.WriteString(&b, string(v)) //nolint:errcheck // a Builder takes everything
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}

var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// searched says by which texts of a member records are found by q.
func searched[R any](member string, get func(*R) []string) part[R] { return words[R]{member, get} }

type words[R any] struct {
	member string
	texts  func(*R) []string
}

func (w words[R]) addTo(t *Table[R]) { t.words = append(t.words, w) }

// internal is a column that is never null, and that clients cannot name.
func internal[R, V any](name, sqlType string, get func(*entry[R]) V) column[R] {
	return column[R]{
		sql:   name,
		array: sqlType + "[]",
		pack: func(entries []*entry[R], _ bool) any {
			array := make(pgtype.FlatArray[V], len(entries))
			for i, e := range entries {
				array[i] = get(e)
			}
			return array
		},
	}
}

// common adds the columns that all tables have.
func common[R any](t *Table[R]) {
	base := t.base
	id := internal("id", "uuid", func(e *entry[R]) plainUUID { return plainUUID(base(e.row).ID.UUID) })
	id.query = query.Column{Name: "id", SQL: "id", Type: query.ID(t.prefix), Sortable: true}
	id.value = func(r *R, _ bool) any { return base(r).ID.UUID }
	version := internal("version", "int", func(e *entry[R]) int32 { return int32(base(e.row).Version) })
	created := internal("created_at", "timestamptz", func(e *entry[R]) time.Time { return base(e.row).CreatedAt })
	created.query = query.Column{Name: "created_at", SQL: "created_at", Type: query.Time, Sortable: true, Stored: true}
	updated := internal("updated_at", "timestamptz", func(e *entry[R]) time.Time { return base(e.row).UpdatedAt })
	updated.query = query.Column{Name: "updated_at", SQL: "updated_at", Type: query.Time, Sortable: true, Stored: true}
	deleted := moment("deleted_at", func(r *R) *time.Time { return base(r).DeletedAt })
	deleted.query.Stored = true
	t.columns = append(t.columns, id,
		internal("doc", "text", func(e *entry[R]) []byte { return e.doc }),
		internal("position", "bigint", func(e *entry[R]) int64 { return int64(base(e.row).Position) }),
		version, created, updated, deleted)
}

// queryColumns returns what clients may name: the columns, and all other members
// of the JSON, which are good for choosing what to be shown only. It panics if a
// column follows from something that rows do not have.
func (t *Table[R]) queryColumns() (named []query.Column) {
	for _, c := range t.columns {
		for _, m := range c.query.Members() {
			if m != "" && !slices.Contains(t.members, m) {
				panic(fmt.Sprintf("projections: the column %s of %s follows from %q, which is no member of its rows: say by of(...) from which it does", c.sql, t.name, m))
			}
		}
		if c.query.Name != "" {
			named = append(named, c.query)
		}
	}
	for _, m := range t.members {
		if !slices.ContainsFunc(named, func(c query.Column) bool { return c.Name == m || strings.HasPrefix(c.Name, m+".") }) {
			named = append(named, query.Column{Name: m})
		}
	}
	return named
}

// searched returns the members that records are found in by q.
func (t *Table[R]) searched() (members []string) {
	for _, w := range t.words {
		members = append(members, w.member)
	}
	return members
}

// terms returns the terms by which a row is found: the words of what q looks into, the
// pieces of texts of which a part can be asked for, and the values of arrays.
func (t *Table[R]) terms(v query.Vocabulary, r *R) query.Terms {
	terms := t.ownTerms(v, r, t.searchTerms(v, r), true)
	var taken []string // whose pieces are there already; a telephone number has none
	for _, c := range t.columns {
		parts, array := c.query.Type.HasParts(), c.query.Type.IsArray()
		values := c.texts(r)
		if array && len(values) == 0 {
			terms = v.None(terms, c.query.Name)
		}
		for _, text := range values {
			if array {
				terms = v.Value(terms, c.query.Name, text)
			}
			if parts && (c.query.Type.IsNumber() || !slices.Contains(taken, text)) {
				terms = v.Parts(terms, c.query.Type, c.query.Members()[0], text)
				if !c.query.Type.IsNumber() {
					taken = append(taken, text)
				}
			}
		}
	}
	return terms.Sorted()
}

// searchTerms returns those of the terms of a row that are of what q looks into.
func (t *Table[R]) searchTerms(v query.Vocabulary, r *R) query.Terms {
	terms := make(query.Terms, 0, usualTerms)
	for _, w := range t.words {
		for _, text := range w.texts(r) {
			terms = v.Words(terms, w.member, text)
		}
	}
	return terms
}

// usualTerms is how many terms most rows have no more than.
const usualTerms = 128

// sameTerms reports whether two rows have the same terms because they have the same
// texts, which is quicker to tell.
func (t *Table[R]) sameTerms(a, b *R) bool {
	for _, w := range t.words {
		if !slices.Equal(w.texts(a), w.texts(b)) {
			return false
		}
	}
	for _, c := range t.columns {
		if !slices.Equal(c.texts(a), c.texts(b)) {
			return false
		}
	}
	return t.custom == nil || maps.Equal(t.custom(a), t.custom(b))
}

// texts returns the values of a column that terms are made of.
func (c column[R]) texts(r *R) []string {
	if c.value == nil || !c.query.Type.HasParts() && !c.query.Type.IsArray() {
		return nil
	}
	switch value := c.value(r, true).(type) {
	case string:
		return []string{value}
	case []string:
		return value
	case []uuid.UUID:
		list := make([]string, len(value))
		for i, id := range value {
			list[i] = id.String()
		}
		return list
	}
	return nil
}

// statements is the SQL of a table. The first parameter is always the tenant. A
// single row is the usual case, and costs a sixth less if it is not unnested.
type statements struct {
	upsert, one, drop, load string // of the version $2
	// The IDs and versions of records of the one that serves that have changed after the
	// position $2, not before $3, and that were made not after $4: live ones, deleted ones,
	// and those that were deleted before and have changed in the bin.
	changed [3]string

	upkeep      upkeepSQL
	serving     string // the table, and the condition that rows are of the one that serves
	find        string // of the one that serves
	findIndexed string // IDs of rows of any: see [statements.probe]

	// findWords returns a call of a function that returns the IDs of rows of the one that
	// serves that have terms, up to so many.
	findWords func(terms string, most int) string

	words, dropWords string // writes the terms of rows of the version $2, and removes those of some
	some             string // likewise: find with a condition
	pick, pickOf     string // likewise: IDs, perhaps among some

	// Those of fields of the tenant's own: writes values, removes those of some rows but for
	// some fields, and removes those of some rows.
	own, dropOwn, dropAllOwn string
}

func compose[R any](name string, cs []column[R]) statements {
	from := "crm." + name
	var cols, params, values, firsts, sets []string
	for i, c := range cs {
		cols = append(cols, c.sql)
		params = append(params, fmt.Sprintf("$%d::%s", i+3, c.array))
		values = append(values, "u."+c.sql+c.cast)
		firsts = append(firsts, fmt.Sprintf("($%d::%s)[1]%s", i+3, c.array, c.cast))
		if c.sql != "id" {
			sets = append(sets, c.sql+" = excluded."+c.sql)
		}
	}
	all := strings.Join(cols, ", ")
	const mine = " where tenant_id = $1 and ver = $2"
	// What people see: the version of the rows that serves now.
	ver := servingOf(name)
	serving := ` where tenant_id = $1 and ver = ` + ver
	changed := " from " + from + serving + " and position > $2 and created_at <= $4"
	const found = "id, doc, version, position, deleted_at is not null"
	insert := "insert into " + from + " (tenant_id, ver, " + all + ") select $1, $2, "
	update := " on conflict (tenant_id, ver, id) do update set " + strings.Join(sets, ", ")
	ownWrite, ownDrop, ownDropAll, ownSweep := ownStatements(name)
	return statements{
		own: ownWrite, dropOwn: ownDrop, dropAllOwn: ownDropAll,
		upsert: insert + strings.Join(values, ", ") + " from unnest(" + strings.Join(params, ", ") + ") as u (" + all + ")" + update,
		one:    insert + strings.Join(firsts, ", ") + update,
		drop:   "delete from " + from + mine + " and id = any($3)",
		load:   byID("$3", "id, doc", from+mine),
		changed: [3]string{
			"select id, version" + changed + " and deleted_at is null and updated_at >= $3 order by updated_at desc limit $5",
			"select id, version" + changed + " and deleted_at is not null and deleted_at >= $3 order by deleted_at desc limit $5",
			"select id, version" + changed + " and updated_at > deleted_at and deleted_at < $3 and updated_at >= $3 order by updated_at desc limit $5", // in the bin
		},
		find:    byID("$2", found, from+serving),
		some:    byID("$2", found, from+serving+" and %s"),
		pick:    "select id from " + from + serving + " and %s order by id limit %d",
		pickOf:  byID("$2", "id", from+serving+" and %s"),
		serving: from + serving,
		findWords: func(terms string, most int) string {
			return fmt.Sprintf("crm.find_words('%s', %s, %s, %d)", name, ver, terms, most)
		},
		findIndexed: "(select id from " + from + " where tenant_id = $1 and %s limit %d)",
		words: "insert into crm.words (tenant_id, projection, of_ver, of_id, terms) select $1, '" + name + "', $2, u.id, array_to_tsvector(u.terms::text[])" +
			" from unnest($3::uuid[], $4::text[]) as u (id, terms) on conflict (tenant_id, projection, of_ver, of_id) do update set terms = excluded.terms where words.terms is distinct from excluded.terms",
		dropWords: "delete from crm.words where tenant_id = $1 and projection = '" + name + "' and of_ver = $2 and of_id = any($3)",
		upkeep: upkeepSQL{
			sweeps: []string{
				"delete from " + from + " where tenant_id = $1 and ctid = any(array(select t.ctid from " + from + " t" +
					" join crm.serving s on s.tenant_id = $1 and s.projection = $2" +
					" where t.tenant_id = $1 and t.ver < s.latest and t.ver <> s.ver limit $3))",
				"delete from crm.words where tenant_id = $1 and ctid = any(array(select w.ctid from crm.words w" +
					" join crm.serving s on s.tenant_id = $1 and s.projection = $2" +
					" where w.tenant_id = $1 and w.projection = $2 and w.of_ver < s.latest and w.of_ver <> s.ver limit $3))",
				ownSweep,
			},
			exists: "select ver, " + all + " from " + from + " where tenant_id = $1 limit 0",
			checksum: "select count(*), (coalesce(sum(hashtextextended((" + all + ")::text, 0)::numeric), 0)" +
				" + (select coalesce(sum(hashtextextended(of_id::text || terms::text, 0)::numeric), 0) from crm.words where tenant_id = $1 and projection = '" + name + "' and of_ver = " + ver + ")" +
				" + (select coalesce(sum(hashtextextended((of_id, field, txt, mail, num, at, list)::text, 0)::numeric), 0) from crm.own_values where tenant_id = $1 and of_table = '" + name + "' and of_ver = " + ver + "))::text from " + from + serving,
		},
	}
}

// findSome is find for those of the records that meet a condition.
func (s statements) findSome(condition string) string { return fmt.Sprintf(s.some, condition) }

// byID selects columns of the rows whose IDs are in an array: each by a look of
// its own into the primary key, whatever the planner believes to know. With "id =
// any(…)" it reads all rows of the tenant while it takes the table for empty,
// and a table that has just been filled has no statistics.
func byID(array, columns, from string) string {
	return "select t.* from unnest(" + array + "::uuid[]) as k (key)" +
		" cross join lateral (select " + columns + " from " + from + " and id = k.key limit 1) as t"
}
