package projections

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// AllFacts lists all facts. This is the index of what is kept beside the tables.
var AllFacts = []Facts{
	StageTimes,
	Timeline,
}

// Model is what follows from the log of a tenant under a name of its own: a table or
// facts. Each has versions of its rows, of which one serves.
type Model interface {
	Name() string // of the table in the database

	definition() definition
	upkeep() upkeepSQL
}

// upkeepSQL is the statements that are the same for tables and facts. The first parameter
// is always the tenant.
type upkeepSQL struct {
	sweeps   []string // each deletes up to $3 rows of the model $2 that are neither served nor filled
	exists   string   // nothing, but that there is the table with its columns
	checksum string   // of the rows that serve
}

// EveryModel returns all read models that there are.
func EveryModel() []Model { return modelsOf(All, AllFacts) }

func modelsOf(tables []Projection, facts []Facts) (all []Model) {
	for _, p := range tables {
		all = append(all, p)
	}
	for _, f := range facts {
		all = append(all, f)
	}
	return all
}

// Facts is a [FactTable] of whatever facts.
type Facts interface {
	Model

	// follows says where among the feeds of the facts that of a table is, and false if there is
	// none.
	follows(table string) (at int, ok bool)

	// set returns what a step changes in the facts.
	set(tenant domain.TenantID, ver int) factSet
}

// FactTable is a read model of rows of the type T, each of which is a fact that an event,
// or the row of a record, tells. Events of several kinds of records can tell facts. It is
// immutable.
//
// Each fact belongs to the record whose events tell it, in the columns of_kind and of_id,
// and goes when that is purged. What a record tells follows from its own events only, and
// not from other facts, so the facts of a tenant can be made again from its log at any
// time, and are the same then.
type FactTable[T any] struct {
	name     string
	columns  []factColumn[T]
	key      []string // columns that tell facts apart
	indexes  []string // the statements that make them, but for the primary key
	feeds    []feed[T]
	open     amended[T]
	about    about[T]
	revision int
	sql      factSQL
}

// feed is what events of the records of one table tell.
type feed[T any] struct {
	table string
	lines []string // of the definition
	each  func(to *told[T], before any, e eventstore.Recorded, after any)
	whole func(row any) []T
}

// told is what the events of one record tell, in the order of the events.
type told[T any] struct {
	change *T       // of the fact that was open before; nil if it stays as it is
	facts  []*T     // that are new
	whole  bool     // they take the place of all facts of the record
	failed *parking // from this event on nothing is told
	open   func(open, change *T)
}

// put adds a fact. No two of a record may have the same key.
func (t *told[T]) put(fact T) { t.facts = append(t.facts, &fact) }

// amend changes the last fact of the record, which is open.
func (t *told[T]) amend(change T) {
	switch {
	case len(t.facts) > 0:
		t.open(t.facts[len(t.facts)-1], &change)
	case t.change != nil:
		t.open(t.change, &change)
	default:
		t.change = &change
	}
}

// factPart is a part of the description of facts.
type factPart[T any] interface{ addTo(*FactTable[T]) }

// facts describes facts: their name, the columns that tell facts apart, and what tells
// them. Facts are found by these columns, in their order.
func facts[T any](name string, key []string, parts ...factPart[T]) *FactTable[T] {
	t := &FactTable[T]{name: name, key: key}
	for _, p := range parts {
		p.addTo(t)
	}
	t.sql = t.compose()
	return t
}

// Name returns the name of the facts and of their table.
func (t *FactTable[T]) Name() string { return t.name }

func (f feed[T]) addTo(t *FactTable[T]) { t.feeds = append(t.feeds, f) }

// feeds is several of them.
type feeds[T any] []feed[T]

func (fs feeds[T]) addTo(t *FactTable[T]) { t.feeds = append(t.feeds, fs...) }

// fromEach says what each event of the records of a table tells. It is given the row of the
// record before the event, nil if there was none, and after it. Both are only to be read,
// and do not say who made or changed the record last. It is not asked about a purge:
// facts of a record that is purged go by themselves.
func fromEach[T, R any](of *Table[R], tell func(to *told[T], before *R, e eventstore.Recorded, after *R)) factPart[T] {
	return feed[T]{table: of.name, lines: of.source(), each: func(to *told[T], before any, e eventstore.Recorded, after any) {
		b, _ := before.(*R)
		tell(to, b, e, after.(*R)) //nolint:forcetypeassert // it is a row of the table
	}}
}

// fromRow says what the row of a record of a table tells, such as the values that it has.
// When that has changed, these facts take the place of all facts of the record.
func fromRow[T, R any](of *Table[R], tell func(row *R) []T) factPart[T] {
	return feed[T]{table: of.name, lines: of.source(), whole: func(row any) []T {
		return tell(row.(*R)) //nolint:forcetypeassert // it is a row of the table
	}}
}

// amended says that the last fact of a record is open, and can be changed by the next
// event, as long as a column is null: that which says when it ended. What of the columns
// that are [changing] is not null in a change is changed. The function does to a fact that
// is not in the database yet what the statement does to one that is.
type amended[T any] struct {
	until string // the column
	apply func(open, change *T)
}

func (a amended[T]) addTo(t *FactTable[T]) { t.open = a }

// about says that a fact is also about another record than the one that tells it. It goes
// when that is purged, too. The columns that say so are about_kind and about_id; position
// is that of the event, and others has the IDs of all other records that the event has
// told of, in the fact that it tells of its own record.
type about[T any] struct {
	record   func(*T) (kind string, id uuid.UUID)
	position func(*T) eventstore.Position
}

func (f about[T]) addTo(t *FactTable[T]) { t.about = f }

// factIndex is an index of facts, by the columns that come after tenant_id and ver.
type factIndex[T any] struct{ name, columns string }

func (i factIndex[T]) addTo(t *FactTable[T]) {
	t.indexes = append(t.indexes, fmt.Sprintf("create index %s_%s on crm.%s (tenant_id, ver, %s);", t.name, i.name, t.name, i.columns))
}

// factRevision is raised when facts come out differently although their columns, and the
// tables that they follow from, have not changed. Then they are made again by themselves.
type factRevision[T any] int

func (n factRevision[T]) addTo(t *FactTable[T]) { t.revision = int(n) }

// factColumn is a column of facts.
type factColumn[T any] struct {
	name, typ string
	cast      string // what turns text into a value of it, if it travels as text
	nullable  bool
	amends    bool
	pack      func([]*T) any
}

func (c factColumn[T]) addTo(t *FactTable[T]) { t.columns = append(t.columns, c) }

// always is a column that is never null.
func always[T, V any](name, typ string, get func(*T) V) factColumn[T] {
	return factColumn[T]{name: name, typ: typ, pack: func(facts []*T) any {
		array := make(pgtype.FlatArray[V], len(facts))
		for i, f := range facts {
			array[i] = get(f)
		}
		return array
	}}
}

// maybe is a column that is null where there is nothing.
func maybe[T, V any](name, typ string, get func(*T) *V) factColumn[T] {
	return factColumn[T]{name: name, typ: typ, nullable: true, pack: func(facts []*T) any {
		array := make(pgtype.FlatArray[*V], len(facts))
		for i, f := range facts {
			array[i] = get(f)
		}
		return array
	}}
}

// textual says that the values of a column are given as the database writes them.
func textual[T any](c factColumn[T]) factColumn[T] {
	c.cast = "::" + c.typ
	return c
}

// changing says that a column can be changed while a fact is open.
func changing[T any](c factColumn[T]) factColumn[T] {
	c.amends = true
	return c
}

// factSQL is the SQL of facts. The first two parameters are the tenant and the version.
type factSQL struct {
	insert string
	amend  string
	drop   string // those of the records of the kinds $3 and the IDs $4
	forget string // likewise, and of those that are about them; empty if they are about nothing else
}

func (t *FactTable[T]) compose() factSQL {
	from := "crm." + t.name
	var cols, params, values, sets []string
	for i, c := range t.columns {
		typ := c.typ
		if c.cast != "" {
			typ = "text"
		}
		cols, params, values = append(cols, c.name), append(params, fmt.Sprintf("$%d::%s[]", i+3, typ)), append(values, "u."+c.name+c.cast)
		if c.amends {
			sets = append(sets, fmt.Sprintf("%s = coalesce(u.%s%s, f.%s)", c.name, c.name, c.cast, c.name))
		}
	}
	all := strings.Join(cols, ", ")
	rows := "unnest(" + strings.Join(params, ", ") + ") as u (" + all + ")"
	sql := factSQL{
		insert: "insert into " + from + " (tenant_id, ver, " + all + ") select $1, $2, " + strings.Join(values, ", ") + " from " + rows,
		drop:   "delete from " + from + " f using unnest($3::text[], $4::uuid[]) as g (kind, id) where f.tenant_id = $1 and f.ver = $2 and f.of_id = g.id and f.of_kind = g.kind",
	}
	if len(sets) > 0 {
		sql.amend = "update " + from + " f set " + strings.Join(sets, ", ") + " from " + rows +
			" where f.tenant_id = $1 and f.ver = $2 and f.of_id = u.of_id and f.of_kind = u.of_kind and f." + t.open.until + " is null"
	}
	if t.about.record != nil {
		// What a record has told of others is found by what it has told of itself.
		place := func(id string) string {
			return " cross join lateral (select ctid from " + from + " where tenant_id = $1 and ver = $2 and about_id = " + id + " and position = o.position and of_id = o.of_id) as f"
		}
		sql.drop = "delete from " + from + " where tenant_id = $1 and ctid = any(array(select f.ctid from unnest($3::text[], $4::uuid[]) as g (kind, id)" +
			" cross join lateral (select position, of_id, others from " + from + " where tenant_id = $1 and ver = $2 and about_id = g.id and about_kind = g.kind and of_id = g.id and of_kind = g.kind) as o" +
			" cross join lateral unnest(array[g.id] || o.others) as x (id)" + place("x.id") + "))"
		sql.forget = "delete from " + from + " f using unnest($3::text[], $4::uuid[]) as g (kind, id) where f.tenant_id = $1 and f.ver = $2 and f.about_id = g.id and f.about_kind = g.kind"
	}
	return sql
}

func (t *FactTable[T]) follows(table string) (at int, ok bool) {
	i := slices.IndexFunc(t.feeds, func(f feed[T]) bool { return f.table == table })
	return i, i >= 0
}

// upkeep implements [Model].
func (t *FactTable[T]) upkeep() upkeepSQL {
	from, cols := "crm."+t.name, t.names()
	return upkeepSQL{
		sweeps: []string{"delete from " + from + " where tenant_id = $1 and ctid = any(array(select t.ctid from " + from + " t" +
			" join crm.serving s on s.tenant_id = $1 and s.projection = $2" +
			" where t.tenant_id = $1 and t.ver < s.latest and t.ver <> s.ver limit $3))"},
		exists: "select ver, " + cols + " from " + from + " where tenant_id = $1 limit 0",
		checksum: "select count(*), coalesce(sum(hashtextextended((" + cols + ")::text, 0)::numeric), 0)::text from " + from +
			" where tenant_id = $1 and ver = " + servingOf(t.name),
	}
}

// servingOf returns the version of the rows of a model that serves.
func servingOf(name string) string {
	return `(select coalesce(max(s.ver), 0) from crm.serving s where s.tenant_id = $1 and s.projection = '` + name + `')`
}

func (t *FactTable[T]) names() string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	return strings.Join(names, ", ")
}

// definition implements [Model].
func (t *FactTable[T]) definition() (d definition) {
	d.rows = []string{fmt.Sprintf("facts revision %d key %s", t.revision, strings.Join(t.key, ", "))}
	for _, c := range t.columns {
		d.rows = append(d.rows, fmt.Sprintf("column %s %s nullable %t", c.name, c.typ, c.nullable))
	}
	for _, f := range t.feeds {
		d.rows = append(d.rows, f.lines...)
	}
	slices.Sort(d.rows)
	return d
}

// source returns what facts that follow from the rows of the table depend on: not what
// columns it has, but what its events do to a row as far as somebody has said that this
// has changed, and what it refers to.
func (t *Table[R]) source() []string {
	lines := []string{fmt.Sprintf("from %s revision %d", t.name, t.revision)}
	for _, m := range t.mentioning() {
		lines = append(lines, "from "+t.name+" mentions in "+m)
	}
	if t.own != nil {
		lines = append(lines, "from "+t.name+" mentions in fields of tenants' own")
	}
	return lines
}

// set implements [Facts].
func (t *FactTable[T]) set(tenant domain.TenantID, ver int) factSet {
	return &factChanges[T]{of: t, tenant: tenant, ver: ver}
}

// alike reports whether facts say the same.
func alike[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || reflect.DeepEqual(a, b))
}

// queueFacts queues a statement about facts, unless there are none.
func (t *FactTable[T]) queueFacts(b *pgx.Batch, statement string, tenant domain.TenantID, ver int, list []*T) {
	if len(list) == 0 {
		return
	}
	args := []any{tenant.UUID, ver}
	for _, c := range t.columns {
		args = append(args, c.pack(list))
	}
	b.Queue(statement, args...)
}
