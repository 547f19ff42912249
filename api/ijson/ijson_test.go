package ijson_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rowhouse/rowhouse/api/ijson"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]any{
		`null`:                      nil,
		` true `:                    true,
		"\t[false\r\n]":             []any{false},
		`[]`:                        []any{},
		`{}`:                        map[string]any{},
		`{"a":{"b":[1,-0.5e+10]}}`:  map[string]any{"a": map[string]any{"b": []any{json.Number("1"), json.Number("-0.5e+10")}}},
		`[0,-0,1E5]`:                []any{json.Number("0"), json.Number("-0"), json.Number("1E5")},
		`"a\"\\\/\b\f\n\r\tz"`:      "a\"\\/\b\f\n\r\tz",
		`"\u00e4ä\ud83d\uDE00ende"`: "ää😀ende",
		`{"":1,"\u0061":2}`:         map[string]any{"": json.Number("1"), "a": json.Number("2")},
	} {
		got, err := ijson.Parse([]byte(in))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", in, err, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", ijson.MaxDepth)
	for _, tt := range []struct{ name, in, code, pointer string }{
		{"nothing", "", ijson.Empty, ""},
		{"white space only", " \n", ijson.Empty, ""},
		{"invalid UTF-8", "{\"a\":\"\xff\"}", ijson.Encoding, ""},
		{"invalid UTF-8 outside of strings", "[1]\xc0", ijson.Encoding, ""},
		{"a byte order mark", "\ufeff{}", ijson.Broken, ""},
		{"an overlong NUL", "[\"\xc0\x80\"]", ijson.Encoding, ""},
		{"an escaped NUL", `{"a":["\u0000"]}`, ijson.NUL, "/a/0"},
		{"an escaped NUL in a name", `{"\u0000":1}`, ijson.NUL, ""},
		{"a raw NUL", "[\"\x00\"]", ijson.NUL, "/0"},
		{"a NUL outside of strings", "[\x00]", ijson.Broken, "/0"},
		{"a raw line break", "[\"\n\"]", ijson.Broken, "/0"},
		{"half a surrogate pair", `["\ud83d"]`, ijson.Encoding, "/0"},
		{"the wrong half", `["\ude00\ud83d"]`, ijson.Encoding, "/0"},
		{"a surrogate and something else", `["\ud83dabcdef"]`, ijson.Encoding, "/0"},
		{"a name twice", `{"a":{"b":1,"b":1}}`, ijson.Duplicate, "/a/b"},
		{"a name twice, escaped", `{"a/~":1,"\u0061/~":1}`, ijson.Duplicate, "/a~1~0"},
		{"one level too many", deep + "[" + strings.Repeat("]", ijson.MaxDepth+1), ijson.TooDeep, strings.Repeat("/0", ijson.MaxDepth)},
		{"ten thousand levels", strings.Repeat(`{"a":`, 10_000), ijson.TooDeep, strings.Repeat("/a", ijson.MaxDepth)},
		{"two values", `{} {}`, ijson.Trailing, ""},
		{"a broken literal", `[nul]`, ijson.Broken, "/0"},
		{"a longer literal", `[nulll]`, ijson.Broken, ""},
		{"a comma too many", `[1,]`, ijson.Broken, "/1"},
		{"a comma too many in an object", `{"a":1,}`, ijson.Broken, ""},
		{"a comma only", `[,]`, ijson.Broken, "/0"},
		{"no colon", `{"a" 1}`, ijson.Broken, ""},
		{"no quotes", `{a:1}`, ijson.Broken, ""},
		{"single quotes", `{'a':1}`, ijson.Broken, ""},
		{"a comment", `{}//`, ijson.Trailing, ""},
		{"no end of an object", `{"a":1`, ijson.Broken, ""},
		{"no end of a string", `["a`, ijson.Broken, "/0"},
		{"no end of an escape", `["\`, ijson.Broken, "/0"},
		{"a short escape", `["\u12"]`, ijson.Broken, "/0"},
		{"an unknown escape", `["\x41"]`, ijson.Broken, "/0"},
		{"a leading zero", `[01]`, ijson.Broken, ""},
		{"a plus sign", `[+1]`, ijson.Broken, "/0"},
		{"a sign only", `[-]`, ijson.Broken, "/0"},
		{"no decimals", `[1.]`, ijson.Broken, "/0"},
		{"no exponent", `[1e+]`, ijson.Broken, "/0"},
		{"not a number", `[NaN]`, ijson.Broken, "/0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v, err := ijson.Parse([]byte(tt.in))
			e, ok := errors.AsType[*ijson.Error](err)
			if !ok || v != nil {
				t.Fatalf("got %v, %v", v, err)
			}
			if e.Code != tt.code || e.Pointer != tt.pointer {
				t.Errorf("got %s at %q, want %s at %q", e.Code, e.Pointer, tt.code, tt.pointer)
			}
		})
	}
	if _, err := ijson.Parse([]byte(deep + strings.Repeat("]", ijson.MaxDepth))); err != nil {
		t.Errorf("at the limit: %v", err)
	}
}

// FuzzParse checks that what is taken is JSON, and means what encoding/json
// says; and that what encoding/json refuses is refused.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,-2.5e3,"x\u00e4\ud83d\ude00",true,null]}`, `{"a":1,"a":2}`, `[[[[]]]]`, `"\u0000"`, "\"\xff\"", `01`, `{}x`, `1e999999`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := ijson.Parse(data)
		if err != nil {
			if _, ok := errors.AsType[*ijson.Error](err); !ok {
				t.Fatalf("not an Error: %v", err)
			}
			return
		}
		dec := json.NewDecoder(strings.NewReader(string(data)))
		dec.UseNumber()
		var want any
		if err := dec.Decode(&want); err != nil || !json.Valid(data) {
			t.Fatalf("taken, but encoding/json says %v", err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %#v, want %#v", got, want)
		}
	})
}

// TestParsePlain bounds how many values there are, wherever they are, and says
// where there is one too many.
func TestParsePlain(t *testing.T) {
	t.Parallel()
	names := make([]string, ijson.MaxMembers+1)
	for i := range names {
		names[i] = fmt.Sprintf(`"%d":1`, i)
	}
	for _, tt := range []struct{ in, pointer string }{
		{`[1,2,3,4]`, ""},
		{`{"a":{"b":[{"c":1},2]}}`, "/a/b/0"},
		{`{"a":[],"b":[],"c":{"d":4}}`, "/c"},
		{`{"a":[[[[]]]]}`, "/a/0/0"},
	} {
		_, _, err := ijson.ParsePlain([]byte(tt.in), 3)
		if e, ok := errors.AsType[*ijson.Error](err); !ok || e.Code != ijson.TooMany || e.Pointer != tt.pointer {
			t.Errorf("%s: %v", tt.in, err)
		}
		if _, _, err := ijson.ParsePlain([]byte(tt.in), 6); err != nil {
			t.Errorf("%s: %v", tt.in, err)
		}
	}
	for n, ok := range map[int]bool{ijson.MaxMembers: true, ijson.MaxMembers + 1: false} {
		if _, _, err := ijson.ParsePlain([]byte("{"+strings.Join(names[:n], ",")+"}"), 1<<20); (err == nil) != ok {
			t.Errorf("%d members: %v", n, err)
		}
	}
	got, rewritten, err := ijson.ParsePlain([]byte(`[40.0,{"a":4e1},-0,1.5]`), 10)
	want := []any{json.Number("40"), map[string]any{"a": json.Number("40")}, json.Number("0"), json.Number("1.5")}
	if diff := cmp.Diff(want, got); diff != "" || err != nil || !rewritten {
		t.Errorf("%t, %v\n%s", rewritten, err, diff)
	}
	if _, rewritten, err := ijson.ParsePlain([]byte(`[40,1.5,-1]`), 10); err != nil || rewritten {
		t.Errorf("%t, %v", rewritten, err)
	}
}

func BenchmarkParse(b *testing.B) {
	data := []byte(`{"first_name":"Ada","last_name":"Lovelace","emails":[{"address":"ada@example.org","kind":"work","primary":true}],"job_title":"Analyst","company_id":"cmp_01jh2xk3v8e4t9p5w7y0z2b4d6","do_not_call":false}`)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ijson.Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}
