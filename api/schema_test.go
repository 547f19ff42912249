package api

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/api/ijson"
	"github.com/rowhouse/rowhouse/domain"
)

// sample has a field of each shape.
type sample struct {
	Name    string            `json:"name" minLength:"2" maxLength:"5"`
	Kind    string            `json:"kind,omitempty" enum:"a,b"`
	Count   int               `json:"count,omitempty" minimum:"1" maximum:"10"`
	Small   int32             `json:"small,omitempty"`
	Ratio   float64           `json:"ratio,omitempty"`
	Yes     bool              `json:"yes,omitempty"`
	List    []entry           `json:"list,omitempty" maxItems:"2"`
	Map     map[string]string `json:"map,omitempty" maxProperties:"2"`
	Date    domain.Date       `json:"date,omitempty"`
	At      *time.Time        `json:"at,omitempty"`
	Company domain.ID         `json:"company_id,omitzero" prefix:"cmp"`
}

type entry struct {
	A string `json:"a"`
}

// TestRead checks that everything that is wrong is told at once, each with its
// place and a code.
func TestRead(t *testing.T) {
	t.Parallel()
	r := newSchemas()
	schema := r.of(reflect.TypeFor[sample]())
	for _, tt := range []struct{ name, in, want string }{
		{"all in order", `{"name":"Ada","kind":"a","count":10,"ratio":-1e3,"yes":true,"list":[{"a":""}],"map":{"k":"v"},"date":"2026-03-01","at":"2026-03-01T10:00:00Z"}`, ""},
		{"null is as good as nothing", `{"name":"Ada","kind":null,"count":null,"list":null,"map":null}`, ""},
		{"not an object", `[]`, " wrong_type"},
		{"nothing", `{}`, "/name required"},
		{"null where something is required", `{"name":null}`, "/name wrong_type"},
		{
			"several mistakes", `{"name":"Augusta","count":0,"small":3000000000,"list":[{},{"a":1}]}`,
			"/count too_small, /list/0/a required, /list/1/a wrong_type, /name too_long, /small wrong_type",
		},
		{"too short, in characters", `{"name":"é"}`, "/name too_short"},
		{"in bytes it would be too long", `{"name":"éééé"}`, ""},
		{"unknown member", `{"name":"Ada","naem":"x","a/b":1}`, "/a~1b unknown_member, /naem unknown_member"},
		{"another case is another member", `{"Name":"Ada"}`, "/name required, /Name unknown_member"},
		{"unknown member further in", `{"name":"Ada","list":[{"a":"","b":1}]}`, "/list/0/b unknown_member"},
		{"not in the vocabulary", `{"name":"Ada","kind":"c"}`, "/kind unknown_value"},
		{"an integer with an exponent", `{"name":"Ada","count":1e1}`, "/count wrong_type"},
		{"a huge integer", `{"name":"Ada","count":99999999999999999999}`, "/count wrong_type"},
		{"a huge number", `{"name":"Ada","ratio":1e999}`, "/ratio out_of_range"},
		{"a number as text", `{"name":"Ada","count":"1"}`, "/count wrong_type"},
		{"text as a number", `{"name":1}`, "/name wrong_type"},
		{"truth as a number", `{"name":"Ada","yes":1}`, "/yes wrong_type"},
		{"an object for a list", `{"name":"Ada","list":{}}`, "/list wrong_type"},
		{"too many items", `{"name":"Ada","list":[{},{},{}]}`, "/list too_many"},
		{"too many members", `{"name":"Ada","map":{"a":"","b":"","c":""}}`, "/map too_many"},
		{"a wrong value in a map", `{"name":"Ada","map":{"a":1}}`, "/map/a wrong_type"},
		{"a value with a syntax", `{"name":"A","date":"2026-02-30"}`, "/name too_short, /date invalid_date"},
		{"a time", `{"name":"Ada","at":"yesterday"}`, "/at invalid_time"},
		{"an ID", `{"name":"Ada","company_id":"x"}`, "/company_id invalid_id"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tree, err := ijson.Parse([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			var v sample
			var got []string
			for _, err := range domain.Refusals(r.read(schema, input{tree: tree, data: []byte(tt.in)}, &v)) {
				e, _ := errors.AsType[*domain.Error](err)
				got = append(got, e.Pointer+" "+e.Code)
				if unknown := e.Code == "unknown_member"; unknown != (e.Reason == domain.Malformed) {
					t.Errorf("%s is %s", e.Code, e.Reason)
				}
			}
			if s := strings.Join(got, ", "); s != tt.want {
				t.Errorf("got  %s\nwant %s", s, tt.want)
			}
		})
	}
}

// FuzzRead checks that whatever is read is refused with a place, or is in order.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`{"name":"Ada","list":[{"a":"x"}],"map":{"k":"v"},"company_id":"cmp_01jh2xk3v8e4t9p5w7y0z2b4d6"}`,
		`{"name":1,"ratio":1e999,"at":"2026-03-01T10:00:00Z","date":"x"}`, `[{}]`, `null`,
	} {
		f.Add([]byte(seed))
	}
	r := newSchemas()
	schema := r.of(reflect.TypeFor[sample]())
	f.Fuzz(func(t *testing.T, data []byte) {
		tree, err := ijson.Parse(data)
		if err != nil {
			return
		}
		var v sample
		if err := r.read(schema, input{tree: tree, data: data}, &v); err != nil {
			if p, isFault := problemOf(err, "id"); isFault || p.Status != 400 && p.Status != 422 || len(p.Errors) == 0 && p.Detail == "" {
				t.Fatalf("%v is told as %+v", err, p)
			}
			return
		}
		if members, _ := tree.(map[string]any); members["name"] != v.Name {
			t.Fatalf("read %+v", v)
		}
	})
}
