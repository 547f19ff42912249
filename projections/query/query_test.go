package query_test

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/projections/query"
)

// things is a table with a column of every type, and of some types one that may
// be null and one that may not.
var things = query.NewColumns("things",
	query.Column{Name: "id", SQL: "id", Type: query.ID("thing"), Sortable: true},
	query.Column{Name: "name", SQL: "name", Type: query.Text, Sortable: true},
	query.Column{Name: "nickname", SQL: "nickname", Type: query.Text, Nullable: true, Sortable: true},
	query.Column{Name: "size", SQL: "size", Type: query.Int, Nullable: true, Sortable: true},
	query.Column{Name: "price.amount", SQL: "price", Type: query.Decimal, Sortable: true},
	query.Column{Name: "active", SQL: "active", Type: query.Bool, Nullable: true, Sortable: true},
	query.Column{Name: "updated_at", SQL: "updated_at", Type: query.Time, Sortable: true},
	query.Column{Name: "due_on", SQL: "due_on", Type: query.Date, Nullable: true, Sortable: true},
	query.Column{Name: "stage", SQL: "stage", Type: query.Enum("open", "won", "lost"), Nullable: true, Sortable: true},
	query.Column{Name: "owner_id", SQL: "owner_id", Type: query.ID("usr"), Nullable: true, Sortable: true},
	query.Column{Name: "tags", SQL: "tags", Type: query.TextArray},
	query.Column{Name: "team_ids", SQL: "team_ids", Type: query.IDArray("team"), Nullable: true},
	query.Column{Name: "custom"},
).Searching("name", "nickname")

var (
	user   = domain.ID{Prefix: "usr", UUID: uuid.UUID{15: 1}}
	team   = domain.ID{Prefix: "team", UUID: uuid.UUID{15: 2}}
	tenant = domain.TenantID{UUID: uuid.UUID{15: 3}}
	signer = query.NewSigner([32]byte{1})
)

// TestText reads filters, writes them as text and as SQL, and reads the text again.
func TestText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, text, sql, args string }{
		{`size=5`, `size = 5`, `size = $1::bigint`, `[5]`},
		{`name != Ada`, `name != Ada`, `name <> $1::text`, `[Ada]`},
		{`nickname != Ada`, `nickname != Ada`, `nickname is distinct from $1::text`, `[Ada]`},
		{`price.amount>=1000.50`, `price.amount >= 1000.5`, `price >= $1::bigint`, `[10005000]`},
		{`price.amount < -.5 or price.amount = -0.0001`, ``, ``, ``},
		{`price.amount < -0.5 or price.amount = -0.0001`, `price.amount < -0.5 or price.amount = -0.0001`, `(price < $1::bigint or price = $2::bigint)`, `[-5000 -1]`},
		{`active = true`, `active = true`, `active = $1::boolean`, `[true]`},
		{`updated_at > 2026-03-01T11:00:00.1234567+01:00`, `updated_at > 2026-03-01T10:00:00.123456Z`, `updated_at > $1::timestamptz`, `[2026-03-01 10:00:00.123456 +0000 UTC]`},
		{`updated_at > "2026-03-01t11:00:00z"`, `updated_at > 2026-03-01T11:00:00Z`, `updated_at > $1::timestamptz`, `[2026-03-01 11:00:00 +0000 UTC]`},
		{`size = 4e1`, `size = 40`, `size = $1::bigint`, `[40]`},
		{`size = 40.0`, `size = 40`, `size = $1::bigint`, `[40]`},
		{`size = -0`, `size = 0`, `size = $1::bigint`, `[0]`},
		{`price.amount = 1.25e1`, `price.amount = 12.5`, `price = $1::bigint`, `[125000]`},
		{`updated_at <= 2026-03-01`, `updated_at <= 2026-03-01T00:00:00Z`, `updated_at <= $1::timestamptz`, `[2026-03-01 00:00:00 +0000 UTC]`},
		{`due_on = 2026-03-01`, `due_on = 2026-03-01`, `due_on = $1::date`, `[2026-03-01 00:00:00 +0000 UTC]`},
		{`stage in (won,lost)`, `stage in (won, lost)`, `stage = any($1::text[])`, `[[won lost]]`},
		{`stage NOT  IN (won)`, `stage not in (won)`, `(stage = any($1::text[])) is not true`, `[[won]]`},
		{`name not in (a, 'b c')`, `name not in (a, "b c")`, `name <> all($1::text[])`, `[[a b c]]`},
		{`owner_id = ` + user.String(), `owner_id = ` + user.String(), `owner_id = $1::uuid`, `[` + user.UUID.String() + `]`},
		{`stage is null`, `stage is null`, `stage is null`, `[]`},
		{`stage Is Not NULL`, `stage is not null`, `stage is not null`, `[]`},
		{`tags is null`, `tags is null`, `coalesce(cardinality(tags), 0) = 0`, `[]`},
		{`name contains "50%_\\"`, `name contains 50%_\`, `crm.fold(name) like crm.fold($1::text)`, `[%50\%\_\\%]`},
		{`name starts_with 'O\'Neil "x"'`, `name starts_with "O'Neil \"x\""`, `crm.fold(name) ^@ crm.fold($1::text)`, `[O'Neil "x"]`},
		{`name = ""`, `name = ""`, `name = $1::text`, `[]`},
		{`tags has vip`, `tags has vip`, `tags @> array[$1::text]`, `[vip]`},
		{`tags any (vip, new)`, `tags any (vip, new)`, `tags && $1::text[]`, `[[vip new]]`},
		{`tags none (vip)`, `tags none (vip)`, `(tags && $1::text[]) is not true`, `[[vip]]`},
		{`tags contains V`, `tags contains V`, `exists (select from unnest(tags) as t (e) where crm.fold(t.e) like crm.fold($1::text))`, `[%V%]`},
		{`team_ids has ` + team.String(), `team_ids has ` + team.String(), `team_ids @> array[$1::uuid]`, `[` + team.UUID.String() + `]`},
		{`name = and and size = 1`, `name = and and size = 1`, `(name = $1::text and size = $2::bigint)`, `[and 1]`},
		{
			`size>1 and (stage in (won,lost) or name="a b")`, `size > 1 and (stage in (won, lost) or name = "a b")`,
			`(size > $1::bigint and (stage = any($2::text[]) or name = $3::text))`, `[1 [won lost] a b]`,
		},
		{
			`size=1 or size=2 and not size=3 OR not(size=4 or size=5)`,
			`size = 1 or (size = 2 and (not size = 3)) or (not (size = 4 or size = 5))`,
			`(size = $1::bigint or (size = $2::bigint and (size = $3::bigint) is not true) or ((size = $4::bigint or size = $5::bigint)) is not true)`,
			`[1 2 3 4 5]`,
		},
		{`((((((((size=1))))))))`, `size = 1`, `size = $1::bigint`, `[1]`},
	} {
		f, err := things.Text(c.in)
		if c.text == "" {
			if err == nil {
				t.Errorf("%s is read as %s", c.in, f)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if f.String() != c.text {
			t.Errorf("%s is written as %s", c.in, f)
		}
		args := query.Args{}
		if sql := f.SQL(&args); sql != c.sql || fmt.Sprint(args) != c.args {
			t.Errorf("%s is in SQL %s with %v", c.in, sql, args)
		}
		if again, err := things.Text(f.String()); err != nil || !reflect.DeepEqual(f, again) {
			t.Errorf("%s is read again as %v, %v", f, again, err)
		}
	}
}

func TestTextRefused(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("not ", 6) + "size=1"
	leaves := strings.Repeat("size=1 or ", 50) + "size=1"
	values := "size in (1" + strings.Repeat(",1", 500) + ")"
	for _, c := range []struct {
		in, code string
		offset   int
	}{
		{`nope = 1`, "unknown_field", 0},
		{`custom = 1`, "unknown_field", 0},
		{`size=1 and nope=1`, "unknown_field", 11},
		{`Size=1`, "unknown_field", 0},
		{`size contains 5`, "bad_operator", 0},
		{`stage < won`, "bad_operator", 0},
		{`tags = vip`, "bad_operator", 0},
		{`size has 1`, "bad_operator", 0},
		{`size = five`, "bad_value", 0},
		{`size = 9223372036854775808`, "bad_value", 0},
		{`size = 1.5`, "bad_value", 0},
		{`size = 1e999999999`, "bad_value", 0},
		{`price.amount = 1.00001`, "bad_value", 0},
		{`price.amount = 922337203685477.5808`, "bad_value", 0},
		{`price.amount = 1e-5`, "bad_value", 0},
		{`price.amount = ""`, "bad_value", 0},
		{`price.amount = -`, "bad_value", 0},
		{`price.amount = 1.-5`, "bad_value", 0},
		{`active = yes`, "bad_value", 0},
		{`stage = closed`, "bad_value", 0},
		{`due_on = 2026-02-30`, "bad_value", 0},
		{`due_on = 0000-01-01`, "bad_value", 0},
		{`updated_at = 10000-01-01T00:00:00Z`, "bad_value", 0},
		{`updated_at = 9999-12-31T23:59:59-01:00`, "bad_value", 0},
		{`owner_id = ` + team.String(), "bad_value", 0},
		{`owner_id = ` + user.UUID.String(), "bad_value", 0},
		{"name = \"a\x00\"", "bad_value", 0},
		{"name = \xff", "bad_value", 0},
		{``, "filter_syntax", 0},
		{`  `, "filter_syntax", 2},
		{`size`, "filter_syntax", 4},
		{`size 5`, "filter_syntax", 5},
		{`size "=" 5`, "filter_syntax", 5},
		{`size == 5`, "filter_syntax", 6},
		{`size ! 5`, "filter_syntax", 5},
		{`size =`, "filter_syntax", 6},
		{`size = (1)`, "filter_syntax", 7},
		{`"size" = 1`, "filter_syntax", 0},
		{`size in 1`, "filter_syntax", 8},
		{`size in ()`, "filter_syntax", 9},
		{`size in (1,)`, "filter_syntax", 11},
		{`size in (1`, "filter_syntax", 10},
		{`size not 1`, "filter_syntax", 9},
		{`size is 1`, "filter_syntax", 8},
		{`size = 1 2`, "filter_syntax", 9},
		{`size = 1 and`, "filter_syntax", 12},
		{`(size = 1`, "filter_syntax", 9},
		{`size = 1)`, "filter_syntax", 8},
		{`name = "a`, "filter_syntax", 7},
		{`name = "a\n"`, "filter_syntax", 7},
		{`name = "a\`, "filter_syntax", 7},
		{`not`, "filter_syntax", 3},
		{deep, "filter_too_deep", -1},
		{leaves, "filter_too_large", -1},
		{values, "bad_value", 0},
		{"name=" + strings.Repeat("x", 4<<10), "filter_too_large", -1},
		{strings.Repeat("(", 4<<10), "filter_syntax", 4 << 10},
		{strings.Repeat("not ", 1<<10), "filter_syntax", 4 << 10},
	} {
		_, err := things.Text(c.in)
		e, ok := errors.AsType[*domain.Error](err)
		if !ok {
			t.Errorf("%.80s is answered by %v", c.in, err)
			continue
		}
		offset := -1
		if at, ok := e.Data["offset"].(int); ok {
			offset = at
		}
		kind := domain.Invalid
		if c.code == "filter_syntax" {
			kind = domain.Malformed
		}
		if e.Code != c.code || e.Reason != kind || e.Pointer != "filter" || offset != c.offset {
			t.Errorf("%.80s is refused with %s %s at %s %d: %v", c.in, e.Reason, e.Code, e.Pointer, offset, err)
		}
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	for in, text := range map[string]string{
		`{"field":"price.amount","op":"gte","value":"1000"}`:                                           `price.amount >= 1000`,
		`{"field":"price.amount","op":"gte","value":1000.5}`:                                           `price.amount >= 1000.5`,
		`{"field":"size","op":"in","value":[1,"2"]}`:                                                   `size in (1, 2)`,
		`{"field":"active","op":"ne","value":false}`:                                                   `active != false`,
		`{"field":"stage","op":"is_null"}`:                                                             `stage is null`,
		`{"field":"stage","op":"is_null","value":false}`:                                               `stage is not null`,
		`{"field":"tags","op":"none","value":["a b"]}`:                                                 `tags none ("a b")`,
		` {"and" : [ {"field":"size","op":"eq","value": 1 } ] } `:                                      `size = 1`,
		`{"or":[{"field":"size","op":"eq","value":1},{"not":{"field":"name","op":"eq","value":"x"}}]}`: `size = 1 or (not name = x)`,
		`{"and":[{"field":"size","op":"nin","value":[1]},{"or":[{"field":"name","op":"contains","value":"x"},{"field":"tags","op":"has","value":"x"}]}]}`: `size not in (1) and (name contains x or tags has x)`,
	} {
		f, err := things.JSON([]byte(in), "/filter")
		if err != nil || f.String() != text {
			t.Errorf("%s is read as %v, %v", in, f, err)
		}
	}
}

func TestJSONRefused(t *testing.T) {
	t.Parallel()
	leaf := `{"field":"size","op":"eq","value":1}`
	for _, c := range []struct{ in, code, pointer string }{
		{`{"field":"nope","op":"eq","value":1}`, "unknown_field", "/field"},
		{`{"field":"size","op":"like","value":1}`, "bad_operator", "/op"},
		{`{"field":"size","op":"contains","value":1}`, "bad_operator", "/op"},
		{`{"field":"size","op":"eq","value":null}`, "bad_value", "/value"},
		{`{"field":"size","op":"eq"}`, "bad_value", "/value"},
		{`{"field":"size","op":"eq","value":[1]}`, "bad_value", "/value"},
		{`{"field":"size","op":"eq","value":1e-2}`, "bad_value", "/value"},
		{`{"field":"size","op":"eq","value":true}`, "bad_value", "/value"},
		{`{"field":"name","op":"eq","value":1}`, "bad_value", "/value"},
		{`{"field":"active","op":"eq","value":1}`, "bad_value", "/value"},
		{`{"field":"size","op":"in","value":1}`, "bad_value", "/value"},
		{`{"field":"size","op":"in","value":[]}`, "bad_value", "/value"},
		{`{"field":"size","op":"in","value":[1,null]}`, "bad_value", "/value"},
		{`{"field":"size","op":"in","value":[1,"x"]}`, "bad_value", "/value/1"},
		{`{"field":"name","op":"eq","value":"\u0000"}`, "bad_value", "/value"},
		{`{"field":"stage","op":"is_null","value":"maybe"}`, "bad_value", "/value"},
		{`{"field":"stage","op":"is_null","value":null}`, "bad_value", "/value"},
		{`{"and":[` + leaf + `,{"not":{"field":"nope","op":"eq","value":1}}]}`, "unknown_field", "/and/1/not/field"},
		{`{"field":"size","op":"eq","value":1,"where":{}}`, "filter_syntax", ""},
		{`{"Field":"size","op":"eq","value":1}`, "filter_syntax", ""},
		{`{"field":"size"}`, "filter_syntax", ""},
		{`{"field":1,"op":"eq","value":1}`, "filter_syntax", ""},
		{`{"and":[` + leaf + `],"or":[` + leaf + `]}`, "filter_syntax", ""},
		{`{"and":[]}`, "filter_syntax", "/and"},
		{`{"and":null}`, "filter_syntax", "/and"},
		{`{"or":` + leaf + `}`, "filter_syntax", "/or"},
		{`{"not":[` + leaf + `]}`, "filter_syntax", "/not"},
		{`{"xor":[]}`, "filter_syntax", ""},
		{`{}`, "filter_syntax", ""},
		{`[]`, "filter_syntax", ""},
		{`null`, "filter_syntax", ""},
		{``, "filter_syntax", ""},
		{`{"not":`, "filter_syntax", ""},
		{strings.Repeat(`{"not":`, 6) + leaf + strings.Repeat(`}`, 6), "filter_too_deep", "/not/not/not/not/not/not"},
		{strings.Repeat(`{"not":`, 20_000) + leaf + strings.Repeat(`}`, 20_000), "filter_syntax", ""},
		{`{"and":[` + strings.Repeat(leaf+",", 50) + leaf + `]}`, "filter_too_large", ""},
	} {
		_, err := things.JSON([]byte(c.in), "")
		e, ok := errors.AsType[*domain.Error](err)
		if !ok || e.Code != c.code || e.Pointer != c.pointer {
			t.Errorf("%.80s is answered by %#v", c.in, err)
		}
	}
}

// TestParse reads whole queries, in either form, and checks what becomes of them.
func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url, json     string
		filter, order string
		where, args   string
	}{
		{``, `{}`, ``, `id`, `deleted_at is null`, `[]`},
		{`limit=7&cursor=&sort=&q=&filter=`, `{"limit":7,"cursor":null,"sort":"","filter":null}`, ``, `id`, `deleted_at is null`, `[]`},
		{`deleted=include`, `{"deleted":"include"}`, ``, `id`, `true`, `[]`},
		{`deleted=only&sort=-updated_at`, `{"deleted":"only","sort":["-updated_at"]}`, ``, `updated_at desc, id desc`, `deleted_at is not null`, `[]`},
		{`sort=-nickname,size`, `{"sort":"-nickname,size"}`, ``, `nickname desc nulls last, size, id`, `deleted_at is null`, `[]`},
		{`sort=name,-id`, `{"sort":["name","-id"]}`, ``, `name, id desc`, `deleted_at is null`, `[]`},
		{
			`q=Ada+LOVE_`, `{"q":"Ada LOVE_"}`, ``, `id`, `deleted_at is null and (select terms @@ $1::text::tsquery from crm.words where tenant_id = $1 and projection = 'things' and of_ver = ver and of_id = id)`,
			`[(('IxD1NwgqNada':* | 'IxD1NwoPsada':*) & ('IxD1NwgqNlove':* | 'IxD1NwoPslove':*))]`,
		},
		{`stage=won&tags=vip`, `{"stage":"won","tags":"vip"}`, `stage = won and tags has vip`, `id`, `deleted_at is null and (stage = $1::text and tags @> array[$2::text])`, `[won vip]`},
		{`size=1&filter=size%3D2+or+size%3D3`, `{"size":1,"filter":"size=2 or size=3"}`, `size = 1 and (size = 2 or size = 3)`, `id`, `deleted_at is null and (size = $1::bigint and (size = $2::bigint or size = $3::bigint))`, `[1 2 3]`},
		{`name=`, `{"name":""}`, `name = ""`, `id`, `deleted_at is null and name = $1::text`, `[]`},
		{`filter=size%3D2`, `{"filter":{"field":"size","op":"eq","value":2}}`, `size = 2`, `id`, `deleted_at is null and size = $1::bigint`, `[2]`},
		{`fields=name,price,custom&count=exact`, `{"fields":["name","price","custom"],"count":"exact"}`, ``, `id`, `deleted_at is null`, `[]`},
		{`expand=a&expand=b`, `{"expand":["a","b"]}`, ``, `id`, `deleted_at is null`, `[]`},
	} {
		values, err := url.ParseQuery(c.url)
		if err != nil {
			t.Fatal(err)
		}
		fromURL, err1 := query.Parse(values, things, "expand")
		fromJSON, err2 := query.ParseJSON([]byte(c.json), things, "expand")
		if err1 != nil || err2 != nil {
			t.Errorf("%s: %v, %v", c.url, err1, err2)
			continue
		}
		if !reflect.DeepEqual(fromURL, fromJSON) {
			t.Errorf("%s is %+v, but %s is %+v", c.url, fromURL, c.json, fromJSON)
		}
		page, err := fromURL.Page(signer, tenant)
		if err != nil {
			t.Fatal(err)
		}
		filter := ""
		if fromURL.Filter != nil {
			filter = fromURL.Filter.String()
		}
		args := query.Args{}
		where := fromURL.Where(&args)
		got := []string{filter, page.OrderBy(), where, fmt.Sprint(args)}
		if diff := cmp.Diff([]string{c.filter, c.order, c.where, c.args}, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.url, diff)
		}
	}
}

func TestParseRefused(t *testing.T) {
	t.Parallel()
	fifty := strings.TrimSuffix(strings.Repeat("size=1 or ", 50), " or ")
	for _, c := range []struct{ url, want string }{
		{`nope=1`, `malformed unknown_parameter nope`},
		{`custom=1`, `malformed unknown_parameter custom`},
		{`limit=1&limit=2`, `malformed repeated_parameter limit`},
		{`limit=0`, `invalid bad_value limit`},
		{`limit=501`, `invalid bad_value limit`},
		{`limit=ten`, `invalid bad_value limit`},
		{`limit=99999999999999999999`, `invalid bad_value limit`},
		{`sort=nope`, `invalid unknown_field sort`},
		{`sort=custom`, `invalid unknown_field sort`},
		{`sort=tags`, `invalid not_sortable sort`},
		{`sort=name,-name`, `invalid bad_value sort`},
		{`sort=name,size,stage,active`, `invalid bad_value sort`},
		{`sort=name,`, `invalid unknown_field sort`},
		{`sort=--name`, `invalid unknown_field sort`},
		{`deleted=yes`, `invalid bad_value deleted`},
		{`count=all`, `invalid bad_value count`},
		{`fields=nope`, `invalid unknown_field fields`},
		{`fields=price.amount`, `invalid unknown_field fields`},
		{`q=` + strings.Repeat("x", 257), `invalid bad_value q`},
		{`q=` + strings.Repeat("x+", 11), `invalid bad_value q`},
		{`q=%00`, `invalid bad_value q`},
		{`q=%ff`, `invalid bad_value q`},
		{`q=%25+-`, `invalid bad_value q`},
		{`size=x`, `invalid bad_value size`},
		{`stage=`, `invalid bad_value stage`},
		{`filter=size`, `malformed filter_syntax filter`},
		{`name=x&filter=` + url.QueryEscape(fifty), `invalid filter_too_large filter`},
		{`a=1&limit=x&sort=nope`, `malformed unknown_parameter a; invalid bad_value limit; invalid unknown_field sort`},
	} {
		values, err := url.ParseQuery(c.url)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := query.Parse(values, things); describe(err) != c.want {
			t.Errorf("%.80s is answered by %s", c.url, describe(err))
		}
	}
	for _, c := range []struct{ json, want string }{
		{``, `malformed invalid_json `},
		{`[]`, `malformed invalid_json `},
		{`null`, `malformed invalid_json `},
		{`{"limit":5`, `malformed invalid_json `},
		{`{"a/b~":1}`, `malformed unknown_parameter /a~1b~0`},
		{`{"limit":1.5}`, `invalid bad_value /limit`},
		{`{"limit":[1]}`, `invalid bad_value /limit`},
		{`{"sort":1}`, `invalid bad_value /sort`},
		{`{"sort":[1]}`, `invalid bad_value /sort`},
		{`{"fields":{}}`, `invalid bad_value /fields`},
		{`{"q":["x"]}`, `invalid bad_value /q`},
		{`{"cursor":{}}`, `malformed invalid_cursor /cursor`},
		{`{"deleted":true}`, `invalid bad_value /deleted`},
		{`{"size":[1]}`, `invalid bad_value /size`},
		{`{"size":null}`, `invalid bad_value /size`},
		{`{"filter":7}`, `malformed filter_syntax /filter`},
		{`{"filter":"size"}`, `malformed filter_syntax /filter`},
		{`{"filter":{"not":{"field":"size","op":"eq","value":"x"}}}`, `invalid bad_value /filter/not/value`},
	} {
		if _, err := query.ParseJSON([]byte(c.json), things); describe(err) != c.want {
			t.Errorf("%.80s is answered by %s", c.json, describe(err))
		}
	}
}

// describe returns the kind, code and pointer of all refusals in an error.
func describe(err error) string {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []string
		for _, e := range joined.Unwrap() {
			all = append(all, describe(e))
		}
		return strings.Join(all, "; ")
	}
	if e, ok := errors.AsType[*domain.Error](err); ok {
		return fmt.Sprintf("%s %s %s", e.Reason, e.Code, e.Pointer)
	}
	return fmt.Sprint(err)
}

// TestSilent checks that refusals do not repeat what was sent.
func TestSilent(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t"
	for _, parameter := range []string{"size", "limit", "sort", "fields", "deleted", "count", "cursor"} {
		q, err := query.Parse(url.Values{parameter: {secret}}, things)
		if err == nil {
			_, err = q.Page(signer, tenant)
		}
		if err == nil || strings.Contains(fmt.Sprintf("%#v %v", err, err), secret) {
			t.Errorf("%s: %#v", parameter, err)
		}
	}
	for _, text := range []string{"size = " + secret, secret + " = 1", "size " + secret, "size in (1, " + secret + ")"} {
		if _, err := things.Text(text); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestNewColumns(t *testing.T) {
	t.Parallel()
	id := query.Column{Name: "id", SQL: "id", Type: query.ID("x"), Sortable: true}
	for name, columns := range map[string][]query.Column{
		"no id":            {},
		"null id":          {{Name: "id", SQL: "id", Type: query.ID("x"), Sortable: true, Nullable: true}},
		"twice":            {id, id},
		"parameter":        {id, {Name: "limit", SQL: "limit", Type: query.Int}},
		"keyword":          {id, {Name: "not", SQL: "not", Type: query.Int}},
		"no word":          {id, {Name: "a b", SQL: "ab", Type: query.Int}},
		"order of arrays":  {id, {Name: "tags", SQL: "tags", Type: query.TextArray, Sortable: true}},
		"type of a column": {id, {Name: "x", SQL: "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("is taken")
				}
			}()
			query.NewColumns("x", columns...)
		})
	}
}
