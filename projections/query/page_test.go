package query_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/projections/query"
)

func parse(t testing.TB, rawQuery string) query.Query {
	t.Helper()
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		t.Fatal(err)
	}
	q, err := query.Parse(values, things)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// place fills the targets of a page with values; nil is null.
func place(page query.Page, values ...any) []any {
	targets := page.Place()
	for i, v := range values {
		if v != nil {
			p := reflect.New(reflect.TypeOf(v))
			p.Elem().Set(reflect.ValueOf(v))
			reflect.ValueOf(targets[i]).Elem().Set(p)
		}
	}
	return targets
}

func cursor(t testing.TB, rawQuery string, values ...any) string {
	t.Helper()
	page, err := parse(t, rawQuery).Page(signer, tenant)
	if err != nil {
		t.Fatal(err)
	}
	c, err := page.Cursor(place(page, values...))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var id = uuid.UUID{15: 9}

// TestAfter checks which rows come after a cursor, and that the values in it
// survive exactly.
func TestAfter(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 10, 0, 0, 123456000, time.UTC)
	on := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		sort   string
		values []any
		ranges []string // each with its order
		args   []any
	}{
		{``, []any{id}, []string{`id > $1::uuid order by id`}, nil},
		{`-id`, []any{id}, []string{`id < $1::uuid order by id desc`}, nil},
		{`id,-size`, []any{id}, []string{`id > $1::uuid order by id`}, nil},
		{`-updated_at`, []any{at, id}, []string{`(updated_at, id) < ($1::timestamptz, $2::uuid) order by updated_at desc, id desc`}, nil},
		{
			`name,price.amount`,
			[]any{"<Ää>\u2028\"", int64(math.MaxInt64), id},
			[]string{`(name, price, id) > ($1::text, $2::bigint, $3::uuid) order by name, price, id`},
			nil,
		},
		{`-updated_at,name`, []any{at, "x", id}, []string{
			`updated_at = $1::timestamptz and (name, id) > ($2::text, $3::uuid) order by updated_at desc, name, id`,
			`updated_at < $1::timestamptz order by updated_at desc, name, id`,
		}, nil},
		{`size`, []any{int64(math.MinInt64), id}, []string{
			`(size, id) > ($1::bigint, $2::uuid) order by size, id`,
			`size is null order by size, id`,
		}, nil},
		{`size`, []any{nil, id}, []string{`size is null and id > $1::uuid order by size, id`}, []any{id}},
		{`-due_on`, []any{on, id}, []string{
			`(due_on, id) < ($1::date, $2::uuid) order by due_on desc, id desc`,
			`due_on is null order by due_on desc, id desc`,
		}, nil},
		{`-due_on`, []any{nil, id}, []string{`due_on is null and id < $1::uuid order by due_on desc, id desc`}, []any{id}},
		{
			`-active,stage,-owner_id`, []any{false, nil, user.UUID, id}, []string{
				`active = $1::boolean and (stage is null and (owner_id < $2::uuid or owner_id is null or (owner_id = $2::uuid and id < $3::uuid)))` +
					` order by active desc, stage, owner_id desc nulls last, id desc`,
				`active < $1::boolean order by active desc, stage, owner_id desc nulls last, id desc`,
				`active is null order by active desc, stage, owner_id desc nulls last, id desc`,
			}, []any{false, user.UUID, id},
		},
	} {
		list := "deleted=only&sort=" + c.sort
		q := parse(t, list)
		q.Cursor = cursor(t, list, c.values...)
		page, err := q.Page(signer, tenant)
		if err != nil {
			t.Errorf("%s: %v", c.sort, err)
			continue
		}
		args := query.Args{}
		got := page.Select(&args, "doc", "things where true", 5)
		for _, r := range c.ranges {
			if !strings.Contains(got, " from things where true and deleted_at is not null and "+r+" limit 5") {
				t.Errorf("%s has no %q: %s", c.sort, r, got)
			}
		}
		if n := strings.Count(got, " from things"); n != len(c.ranges) {
			t.Errorf("%s has %d ranges: %s", c.sort, n, got)
		}
		want := c.args
		if want == nil {
			want = c.values
		}
		if !reflect.DeepEqual([]any(args), want) {
			t.Errorf("%s: %v instead of %v", c.sort, args, want)
		}
	}
}

// TestCursorScope checks that a cursor is good for its own list only.
func TestCursorScope(t *testing.T) {
	t.Parallel()
	const list = "sort=size&filter=size>1&q=a+b&limit=5"
	c := cursor(t, list, int64(7), id)
	for other, code := range map[string]string{
		list:                                  "",
		list + "00":                           "", // another page size
		"sort=size&q=A++b&filter=+size+>+01+": "",
		"sort=-size&filter=size>1&q=a+b":      "invalid_cursor",
		"sort=size,-id&filter=size>1&q=a+b":   "invalid_cursor",
		"sort=size&filter=size>2&q=a+b":       "invalid_cursor",
		"sort=size&q=a+b&stage=won":           "invalid_cursor",
		"sort=size&q=a+b":                     "invalid_cursor",
		"sort=size&filter=size>1&q=ab":        "invalid_cursor",
		list + "&deleted=include":             "invalid_cursor",
	} {
		q := parse(t, strings.ReplaceAll(other, ">", "%3E"))
		q.Cursor = c
		if _, err := q.Page(signer, tenant); codeOf(err) != code {
			t.Errorf("%s: %v", other, err)
		}
	}
	q := parse(t, strings.ReplaceAll(list, ">", "%3E"))
	q.Cursor = c
	if _, err := q.Page(signer, domain.TenantID{}); codeOf(err) != "invalid_cursor" {
		t.Errorf("another tenant: %v", err)
	}
	if _, err := q.Page(query.NewSigner([32]byte{2}), tenant); codeOf(err) != "invalid_cursor" {
		t.Errorf("another key: %v", err)
	}
	others, err := query.Parse(url.Values{"cursor": {cursor(t, "", id)}}, query.NewColumns("others",
		query.Column{Name: "id", SQL: "id", Type: query.ID("thing"), Sortable: true}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := others.Page(signer, tenant); codeOf(err) != "invalid_cursor" {
		t.Errorf("another table: %v", err)
	}
}

// TestCursorForged changes every bit of a cursor, and every length.
func TestCursorForged(t *testing.T) {
	t.Parallel()
	good := cursor(t, "sort=size", int64(7), id)
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	forged := []string{"x", "====", " " + good, good + "A", good + "=", strings.Repeat("A", 1<<20)}
	for i := range raw {
		for bit := range 8 {
			b := []byte(string(raw))
			b[i] ^= 1 << bit
			forged = append(forged, base64.RawURLEncoding.EncodeToString(b))
		}
		if i > 0 {
			forged = append(forged, base64.RawURLEncoding.EncodeToString(raw[:i]))
		}
	}
	for _, c := range forged {
		q := parse(t, "sort=size")
		q.Cursor = c
		if _, err := q.Page(signer, tenant); codeOf(err) != "invalid_cursor" || !errors.Is(err, domain.Malformed) {
			t.Errorf("%.80s: %v", c, err)
		}
	}
}

// TestCursorSigned checks what is refused even if it has our signature, as what
// another build of ours wrote may have.
func TestCursorSigned(t *testing.T) {
	t.Parallel()
	if good := cursor(t, "sort=size", int64(7), id); sign(t, "sort=size", `[7,"`+id.String()+"\"]\n") != good {
		t.Fatal("the test signs in another way")
	}
	for values, code := range map[string]string{
		`[7,"` + id.String() + `"]`:    "",
		`[null,"` + id.String() + `"]`: "",
		`[7,null]`:                     "invalid_cursor",
		`["7","` + id.String() + `"]`:  "invalid_cursor",
		`[7]`:                          "invalid_cursor",
		`[7,"` + id.String() + `",1]`:  "invalid_cursor",
		`7`:                            "invalid_cursor",
		``:                             "invalid_cursor",
		`[7,` + strings.Repeat(" ", 8<<10) + `"` + id.String() + `"]`: "invalid_cursor",
	} {
		q := parse(t, "sort=size")
		q.Cursor = sign(t, "sort=size", values)
		if _, err := q.Page(signer, tenant); codeOf(err) != code {
			t.Errorf("%.80s: %v", values, err)
		}
	}
}

// sign returns a cursor of a list, with any values.
func sign(t testing.TB, list, values string) string {
	t.Helper()
	page, err := parse(t, list).Page(signer, tenant)
	if err != nil {
		t.Fatal(err)
	}
	return signer.Seal(query.Scope("records", tenant.String(), "things", "exclude", "", page.OrderBy(), ""), []byte(values))
}

// TestCursorFault checks that a list would rather fail than end too early.
func TestCursorFault(t *testing.T) {
	t.Parallel()
	page, err := parse(t, "sort=name,nickname").Page(signer, tenant)
	if err != nil {
		t.Fatal(err)
	}
	widest := strings.Repeat("\U0010ffff", 255)
	if _, err := page.Cursor(place(page, widest, widest, id)); err != nil {
		t.Error(err)
	}
	for what, values := range map[string][]any{
		"too long":       {strings.Repeat("x", 8<<10), nil, id},
		"null where not": {nil, nil, id},
	} {
		if _, err := page.Cursor(place(page, values...)); err == nil || codeOf(err) != "" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func codeOf(err error) string {
	if e, ok := errors.AsType[*domain.Error](err); ok {
		return e.Code
	}
	return ""
}

func ExampleQuery() {
	q, _ := query.Parse(url.Values{"filter": {`price.amount>=1000 and stage in (won,lost)`}, "sort": {"-updated_at"}}, things)
	page, _ := q.Page(signer, tenant)
	args := query.Args{tenant, 1}
	fmt.Println(page.Select(&args, "doc", "crm.things where tenant_id = $1 and ver = $2", q.Limit+1))
	// Output: select doc, updated_at as k1, id as k2 from crm.things where tenant_id = $1 and ver = $2 and deleted_at is null and (price >= $3::bigint and stage = any($4::text[])) and true order by updated_at desc, id desc limit 51
}
