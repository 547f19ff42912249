package projections

import (
	"bytes"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/content"
	"github.com/rowhouse/rowhouse/projections/query"
)

// ownValues says where the values of fields of the tenant's own are in a row.
type ownValues[R any] func(*R) own.Values

func (f ownValues[R]) addTo(t *Table[R]) { t.custom = f }

// longestOwn is how many bytes of a value that is text can be compared: the longest address
// of the web has so many, and a text of 500 characters.
const longestOwn = 2000

// compared is what can be compared of a value. What it is in its type is not known here,
// so it is all that it could be.
type compared struct {
	txt, mail *string
	num       *int64
	at        *time.Time
	list      *string
}

func comparedOf(v own.Value) (c compared) {
	if text, ok := v.Text(); ok {
		return comparedText(text)
	}
	if list, ok := v.List(); ok {
		c.list = new(arrayText(list))
		return c
	}
	if m, ok := v.Money(); ok {
		c.num, c.txt = new(m.Units()), &m.Currency
		return c
	}
	if n, ok := v.Whole(); ok {
		c.num = &n
		return c
	}
	c.num = new(map[own.Value]int64{"true": 1}[v])
	return c
}

func comparedText(text string) (c compared) {
	if len(text) > longestOwn {
		return c
	}
	c.txt = &text
	if strings.Contains(text, "@") {
		if e, err := domain.ParseEmail(text); err == nil {
			c.mail = new(e.Normalized())
		}
		return c
	}
	if d, err := domain.ParseDecimal(text); err == nil {
		c.num = new(d.Value().Shift(4).IntPart())
	} else if d, err := domain.ParseDate(text); err == nil {
		c.at = new(d.Time())
	} else if t, err := domain.ParseTime(text); err == nil {
		c.at = new(t.Truncate(time.Microsecond))
	}
	return c
}

// queueOwn queues the statements that write the values of rows whose events are about
// fields of the tenant's own.
func (cs *tableChanges[R]) queueOwn(b *pgx.Batch, changed []*change[R]) {
	if cs.table.custom == nil {
		return
	}
	var all, ids []plainUUID
	var fields, keep []string
	var txt, mail, list pgtype.FlatArray[*string]
	var num pgtype.FlatArray[*int64]
	var at pgtype.FlatArray[*time.Time]
	for _, c := range changed {
		if !mentionsOwn(c.events) {
			continue
		}
		id := plainUUID(c.first().Stream.ID)
		var keys []string
		for key, v := range cs.table.custom(c.after.row) {
			x := comparedOf(v)
			ids, fields, keys = append(ids, id), append(fields, key), append(keys, key)
			txt, mail, num, at, list = append(txt, x.txt), append(mail, x.mail), append(num, x.num), append(at, x.at), append(list, x.list)
		}
		all, keep = append(all, id), append(keep, arrayText(keys))
	}
	if len(all) == 0 {
		return
	}
	b.Queue(cs.table.sql.dropOwn, cs.tenant.UUID, cs.ver, pgtype.FlatArray[plainUUID](all), keep)
	if len(ids) > 0 {
		b.Queue(cs.table.sql.own, cs.tenant.UUID, cs.ver, pgtype.FlatArray[plainUUID](ids), fields, txt, mail, num, at, list)
	}
}

// mentionsOwn reports whether one of some events may be about fields of the tenant's own.
// Nearly all that are not have no such text in them.
func mentionsOwn(events []eventstore.Recorded) bool {
	for _, e := range events {
		if bytes.Contains(content.JSON(e), []byte(`"`+own.Member)) {
			return true
		}
	}
	return false
}

// ownTerms adds the terms by which q, contains and has find values of fields of the tenant's
// own. Which of them q looks into is said when it is asked.
func (t *Table[R]) ownTerms(v query.Vocabulary, r *R, terms query.Terms, all bool) query.Terms {
	if t.custom == nil {
		return terms
	}
	for key, value := range t.custom(r) {
		name := own.Name(key)
		if list, ok := value.List(); ok {
			for _, item := range list {
				terms = v.Words(terms, name, item)
				if all {
					terms = v.Value(terms, name, item)
				}
			}
			continue
		}
		text, ok := value.Text()
		if !ok {
			continue
		}
		terms = v.Words(terms, name, text)
		if c := comparedText(text); all && c.txt != nil {
			terms = v.Parts(terms, query.Text, name, text)
			if c.mail != nil {
				terms = v.Parts(terms, query.Text, name, *c.mail)
			}
		}
	}
	return terms
}

// ownTexts returns the texts of the value of a field of the tenant's own.
func ownTexts(v own.Value) []string {
	if list, ok := v.List(); ok {
		return list
	}
	if text, ok := v.Text(); ok {
		return []string{text}
	}
	return nil
}

// ownStatements returns the SQL for the values of a table: what writes them, removes those
// that are not to be kept, removes those of rows, and removes those that nobody serves.
func ownStatements(name string) (write, dropOthers, drop, sweep string) {
	const columns = "txt, mail, num, at, list"
	of := "tenant_id = $1 and of_table = '" + name + "' and of_ver = $2"
	write = "insert into crm.own_values (tenant_id, of_table, of_ver, of_id, field, " + columns + ") select $1, '" + name + "', $2, u.id, u.field, u.txt, u.mail, u.num, u.at, u.list::text[]" +
		" from unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::timestamptz[], $9::text[]) as u (id, field, " + columns + ")" +
		" on conflict (tenant_id, of_table, of_ver, of_id, field) do update set txt = excluded.txt, mail = excluded.mail, num = excluded.num, at = excluded.at, list = excluded.list" +
		" where (own_values.txt, own_values.mail, own_values.num, own_values.at, own_values.list) is distinct from (excluded.txt, excluded.mail, excluded.num, excluded.at, excluded.list)"
	dropOthers = "delete from crm.own_values o using unnest($3::uuid[], $4::text[]) as u (id, keep) where o." + strings.ReplaceAll(of, " and ", " and o.") + " and o.of_id = u.id and not o.field = any(u.keep::text[])"
	drop = "delete from crm.own_values where " + of + " and of_id = any($3)"
	sweep = "delete from crm.own_values where tenant_id = $1 and ctid = any(array(select o.ctid from crm.own_values o" +
		" join crm.serving s on s.tenant_id = $1 and s.projection = $2" +
		" where o.tenant_id = $1 and o.of_table = $2 and o.of_ver < s.latest and o.of_ver <> s.ver limit $3))"
	return write, dropOthers, drop, sweep
}
