package own_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
)

type fields []own.Field

func (fs fields) Field(key string) (own.Field, bool) {
	for _, f := range fs {
		if f.Key == key {
			return f, true
		}
	}
	return own.Field{}, false
}

// Each type takes what built-in fields of the type take, in the form that these have.
func TestRead(t *testing.T) {
	t.Parallel()
	options := []own.Option{{Key: "gold"}, {Key: "silver"}, {Key: "tin", Archived: true}}
	for _, c := range []struct {
		of       own.Type
		in, want string // want begins with a bang if it is the code of a refusal
	}{
		{own.Text, `" A-1 "`, `"A-1"`},
		{own.Text, `""`, ``},
		{own.Text, `" \u200b"`, ``},
		{own.Text, `7`, `!wrong_type`},
		{own.Text, `["a"]`, `!wrong_type`},
		{own.Text, `"` + strings.Repeat("x", 501) + `"`, `!too_long`},
		{own.Text, `"a\nb"`, `"a b"`},
		{own.Text, `"a & <b>"`, `"a & <b>"`},
		{own.Text, `"a\u0000b"`, `!invalid_text`},
		{own.LongText, `"a\nb"`, `"a\nb"`},
		{own.LongText, `"` + strings.Repeat("x", 20001) + `"`, `!too_long`},
		{own.Number, `42`, `42`},
		{own.Number, `0`, `0`},
		{own.Number, `-3`, `-3`},
		{own.Number, `4.5`, `!wrong_type`},
		{own.Number, `"42"`, `!wrong_type`},
		{own.Number, `9007199254740992`, `!too_large`},
		{own.Number, `true`, `!wrong_type`},
		{own.Decimal, `"1.50"`, `"1.5"`},
		{own.Decimal, `"1.23456"`, `!invalid_decimal`},
		{own.Decimal, `1.5`, `!wrong_type`},
		{own.Decimal, `"x"`, `!invalid_decimal`},
		{own.Money, `{"amount":"5","currency":"eur"}`, `{"amount":"5.00","currency":"EUR"}`},
		{own.Money, `{"amount":"5"}`, `!required`},
		{own.Money, `{"amount":"5","currency":"XXZ"}`, `!invalid_currency`},
		{own.Money, `"5"`, `!wrong_type`},
		{own.Bool, `true`, `true`},
		{own.Bool, `false`, `false`},
		{own.Bool, `"true"`, `!wrong_type`},
		{own.Date, `"2026-02-28"`, `"2026-02-28"`},
		{own.Date, `"2026-02-30"`, `!invalid_date`},
		{own.Date, `""`, `!invalid_date`},
		{own.Date, `20260228`, `!wrong_type`},
		{own.DateTime, `"2026-02-28T10:00:00+02:00"`, `"2026-02-28T08:00:00Z"`},
		{own.DateTime, `"2026-02-28 10:00:00.1234567z"`, `"2026-02-28T10:00:00.123456Z"`},
		{own.DateTime, `"2026-02-28"`, `!invalid_time`},
		{own.DateTime, `7`, `!wrong_type`},
		{own.Select, `"gold"`, `"gold"`},
		{own.Select, `"lead"`, `!unknown_option`},
		{own.Select, `"tin"`, `!archived_option`},
		{own.Select, `["gold"]`, `!wrong_type`},
		{own.Select, `""`, ``},
		{own.MultiSelect, `["silver","gold","gold"]`, `["gold","silver"]`},
		{own.MultiSelect, `[]`, ``},
		{own.MultiSelect, `["lead"]`, `!unknown_option`},
		{own.MultiSelect, `["tin"]`, `!archived_option`},
		{own.MultiSelect, `"gold"`, `!wrong_type`},
		{own.Email, `"Ada@Example.org"`, `"Ada@Example.org"`},
		{own.Email, `"ada"`, `!invalid_email`},
		{own.Phone, `"+49 30 123456"`, `"+4930123456"`},
		{own.Phone, `"123"`, `!invalid_phone`},
		{own.URL, `" HTTPS://Example.ORG/A?b=C "`, `"https://example.org/A?b=C"`},
		{own.URL, `"javascript:alert(1)"`, `!invalid_url`},
		{own.URL, `"https://u:p@example.org"`, `!invalid_url`},
		{own.URL, `"https://[::1]:8080/x"`, `"https://[::1]:8080/x"`},
		{own.URL, `"https://bücher.example/é"`, `"https://bücher.example/é"`},
		{own.URL, `"https://"`, `!invalid_url`},
		{own.URL, `"https://a b.example"`, `!invalid_url`},
		{own.Reference, `"con_01jh2xk3v8e4t9p5w7y0z2b4d6"`, `"con_01jh2xk3v8e4t9p5w7y0z2b4d6"`},
		{own.Reference, `"x"`, `!invalid_id`},
		{own.User, `"usr_01jh2xk3v8e4t9p5w7y0z2b4d6"`, `"usr_01jh2xk3v8e4t9p5w7y0z2b4d6"`},
		{own.User, `"con_01jh2xk3v8e4t9p5w7y0z2b4d6"`, `!invalid_id`},
	} {
		f := own.Field{Key: "x", Type: c.of, Options: options, Object: "contact"}
		var in own.Values
		if err := json.Unmarshal([]byte(`{"x":`+c.in+`}`), &in); err != nil {
			t.Errorf("%s %s: %v", c.of, c.in, err)
			continue
		}
		got, err := own.Take(fields{f}, nil, in)
		e, refused := errors.AsType[*domain.Error](err)
		code, bad := strings.CutPrefix(c.want, "!")
		switch {
		case bad && (!refused || e.Code != code || !strings.HasPrefix(e.Pointer, "/custom/x")):
			t.Errorf("%s %s: %v, want %s at /custom/x", c.of, c.in, err, code)
		case !bad && (err != nil || string(got["x"]) != c.want):
			t.Errorf("%s %s: %s, %v; want %s", c.of, c.in, got["x"], err, c.want)
		case !bad:
			again, err := own.Take(fields{f}, nil, got)
			if diff := cmp.Diff(got, again); diff != "" || err != nil {
				t.Errorf("%s %s is something else when it is read again: %v %s", c.of, c.in, err, diff)
			}
		}
	}
}

// What there is stays, whatever has become of the definition.
func TestTake(t *testing.T) {
	t.Parallel()
	defined := fields{
		{Key: "old", Type: own.Text, Archived: true},
		{Key: "name", Type: own.Text},
		{Key: "tier", Type: own.Select, Options: []own.Option{{Key: "tin", Archived: true}}},
		{Key: "many", Type: own.MultiSelect, Options: []own.Option{{Key: "tin", Archived: true}, {Key: "gold"}}},
	}
	has := own.Values{"old": `"x"`, "gone": `7`, "tier": `"tin"`, "many": `["tin"]`}
	for _, c := range []struct {
		name string
		to   own.Values
		code string
	}{
		{"something else is changed", has.With("name", `"y"`), ""},
		{"an archived option stays beside a new one", has.With("many", `["tin","gold"]`), ""},
		{"an archived field is changed", has.With("old", `"y"`), "archived_field"},
		{"an archived field is emptied", has.With("old", ""), "archived_field"},
		{"a field that is none is changed", has.With("gone", `8`), "unknown_field"},
		{"all is too much", has.With("name", own.Value(`"`+strings.Repeat("x", own.MostBytes)+`"`)), "too_long"},
	} {
		_, err := own.Take(defined, has, c.to)
		if e, ok := errors.AsType[*domain.Error](err); (err != nil) != (c.code != "") || ok && e.Code != c.code {
			t.Errorf("%s: %v, want %q", c.name, err, c.code)
		}
	}
	then := own.Values{"old": `"was"`, "name": `"was"`, "tier": `"tin"`}
	want := own.Values{"old": `"x"`, "name": `"was"`, "tier": `"tin"`, "gone": `7`}
	if diff := cmp.Diff(want, own.Restore(defined, has, then)); diff != "" {
		t.Error(diff)
	}
}

// What no build could have recorded is no value.
func TestUnknownForms(t *testing.T) {
	t.Parallel()
	for _, form := range []string{`{"a":1}`, `{"deep":{}}`, `[1]`, `[[]]`, `[{}]`, `{"amount":5}`} {
		var v own.Values
		if err := domain.UnmarshalStored([]byte(`{"x":`+form+`}`), &v); err == nil {
			t.Errorf("%s is taken for a value: %v", form, v)
		}
	}
	var v own.Values
	if err := domain.UnmarshalStored([]byte(`{"x":null}`), &v); err != nil || v != nil {
		t.Errorf("%v %v: what cannot be opened any more is nothing", v, err)
	}
}
