package query_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/projections/query"
)

// refused fails the test if an error is not a refusal that blames the client.
func refused(t *testing.T, err error) {
	t.Helper()
	e, ok := errors.AsType[*domain.Error](err)
	if !ok || e.Reason != domain.Invalid && e.Reason != domain.Malformed || e.Code == "" || e.Detail == "" {
		t.Errorf("%#v", err)
	}
}

// sound fails the test if a filter does not survive being written, or leaves
// something from outside in the text of its SQL.
func sound(t *testing.T, f query.Filter) {
	t.Helper()
	if text := f.String(); len(text) <= 4<<10 {
		if again, err := things.Text(text); err != nil || !reflect.DeepEqual(f, again) {
			t.Errorf("%s is read again as %v, %v", text, again, err)
		}
	}
	args := query.Args{}
	sql := f.SQL(&args)
	if strings.ContainsAny(sql, "'\"\\%\x00;-") || !utf8.ValidString(sql) || strings.Count(sql, "$") != len(args) {
		t.Errorf("%s with %v", sql, args)
	}
}

func FuzzText(f *testing.F) {
	for _, seed := range []string{
		`price.amount>=1000 and (stage in (won,lost) or name="e\"mea")`,
		`not (size is not null) or tags none ('a', b) and team_ids has ` + team.String(),
		`updated_at<2026-03-01T10:00:00+01:00 and due_on != 2026-03-01`,
		`name contains "50%" or nickname starts_with O`,
		`active = true and owner_id not in (` + user.String() + `)`,
		`((((((size=1`, `name = "\`, `size in (1,`, "name=\xff\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := things.Text(text)
		if err != nil {
			refused(t, err)
			return
		}
		sound(t, filter)
	})
}

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		`{"filter":{"and":[{"field":"price.amount","op":"gte","value":"1000"},{"or":[{"field":"stage","op":"in","value":["won","lost"]},{"not":{"field":"name","op":"eq","value":"x"}}]}]}}`,
		`{"filter":{"field":"tags","op":"none","value":["a"]},"sort":["-name","id"],"limit":5,"cursor":null}`,
		`{"filter":"size is null","sort":"-updated_at,name","q":"a b","deleted":"only","count":"exact","fields":["name"]}`,
		`{"size":5,"active":true,"stage":"won","tags":"x","due_on":"2026-03-01"}`,
		`{"filter":{"not":{"not":{"not":{"not":{"not":{"not":{}}}}}}}}`, `{"filter":{"field":1}}`, `{"a":`, `[]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := query.ParseJSON(body, things)
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				refused(t, e)
			}
			return
		}
		if err != nil {
			refused(t, err)
			return
		}
		if q.Filter != nil {
			sound(t, q.Filter)
		}
	})
}

// FuzzCursor reads cursors, and what might be in cursors that have our signature.
func FuzzCursor(f *testing.F) {
	const list = "sort=-size,name,due_on"
	good := cursor(f, list, int64(7), "x", day("2026-03-01"), id)
	f.Add(good, false)
	f.Add(cursor(f, "", id), false)
	f.Add("AAAA", false)
	f.Add(`[7,"x","2026-03-01T00:00:00Z","00000000-0000-0000-0000-000000000009"]`, true)
	f.Add(`[null,"",null,"00000000000000000000000000000009"]`, true)
	f.Add(`[7,null,null,null]`, true)
	f.Fuzz(func(t *testing.T, c string, signed bool) {
		q := parse(t, list)
		q.Cursor = c
		if signed {
			q.Cursor = sign(t, list, c)
		}
		page, err := q.Page(signer, tenant)
		if err != nil {
			refused(t, err)
			return
		}
		args := query.Args{}
		page.Select(&args, "id", "things where true", 51)
		if q.Cursor != "" && (len(args) < 2 || args[len(args)-1] == nil) {
			t.Errorf("%v", args)
		}
	})
}
