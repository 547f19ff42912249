package domain_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
)

type common struct {
	Owner domain.ID `json:"owner_id,omitzero" prefix:"usr"`
}

type shaped struct {
	common

	Name    string            `json:"name" minLength:"2" maxLength:"5"`
	Kind    string            `json:"kind,omitzero" enum:"a,b"`
	Count   *int              `json:"count,omitzero" minimum:"0" maximum:"9"`
	Tags    []string          `json:"tags,omitzero" maxItems:"2" maxLength:"3"`
	Labels  map[string]string `json:"labels,omitzero" maxProperties:"1"`
	Mail    []mail            `json:"mail,omitzero"`
	Due     time.Time         `json:"due,omitzero"`
	Price   domain.Money      `json:"price,omitzero"`
	Raw     json.RawMessage   `json:"raw,omitzero"`
	Hidden  string            `json:"-"`
	private string
}

type mail struct {
	Address domain.Email `json:"address"`
	Primary bool         `json:"primary"`
}

func (s shaped) Check() error { return domain.Check(s.Name != "evil", "/name", "evil", "is evil") }

func TestCheckShape(t *testing.T) {
	t.Parallel()
	user := domain.ID{Prefix: "usr", UUID: uuid.UUID{1}}
	for _, c := range []struct {
		name   string
		change func(*shaped)
		want   string
	}{
		{"is in order", func(*shaped) {}, ""},
		{"a required member is missing", func(s *shaped) { s.Name = "" }, "/name required"},
		{"text is too short", func(s *shaped) { s.Name = "x" }, "/name too_short"},
		{"text is too long", func(s *shaped) { s.Name = "xxxxxx" }, "/name too_long"},
		{"length counts characters", func(s *shaped) { s.Name = "ÄÖÜßé" }, ""},
		{"NUL", func(s *shaped) { s.Name = "a\x00b" }, "/name invalid_text"},
		{"broken UTF-8", func(s *shaped) { s.Name = "a\xffb" }, "/name invalid_text"},
		{"not one of the choices", func(s *shaped) { s.Kind = "c" }, "/kind unknown_value"},
		{"too small", func(s *shaped) { s.Count = new(-1) }, "/count too_small"},
		{"zero is a number", func(s *shaped) { s.Count = new(0) }, ""},
		{"too large", func(s *shaped) { s.Count = new(10) }, "/count too_large"},
		{"too many items", func(s *shaped) { s.Tags = []string{"a", "b", "c"} }, "/tags too_many"},
		{"an item is too long", func(s *shaped) { s.Tags = []string{"a", "bbbb"} }, "/tags/1 too_long"},
		{"an item is empty", func(s *shaped) { s.Tags = []string{""} }, "/tags/0 required"},
		{"too many members", func(s *shaped) { s.Labels = map[string]string{"a": "", "b": ""} }, "/labels too_many"},
		{"NUL in a name", func(s *shaped) { s.Labels = map[string]string{"a/\x00": "b"} }, "/labels/a~1\x00 invalid_text"},
		{"NUL in a member", func(s *shaped) { s.Labels = map[string]string{"a": "\x00"} }, "/labels/a invalid_text"},
		{"deep down", func(s *shaped) { s.Mail = []mail{{Address: "a@b.example"}, {Address: "nope"}} }, "/mail/1/address invalid_email"},
		{"deep down, and missing", func(s *shaped) { s.Mail = []mail{{}} }, "/mail/0/address required"},
		{"a year that JSON cannot say", func(s *shaped) { s.Due = time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -7200)) }, "/due invalid_time"},
		{"a value made by hand", func(s *shaped) { s.Price = domain.Money{Amount: "x", Currency: "EUR"} }, "/price/amount invalid_decimal"},
		{"an ID of something else", func(s *shaped) { s.Owner = domain.ID{Prefix: "con", UUID: user.UUID} }, "/owner_id invalid_id"},
		{"an ID", func(s *shaped) { s.Owner = user }, ""},
		{"a rule in code", func(s *shaped) { s.Name = "evil" }, "/name evil"},
		{"several at once", func(s *shaped) { s.Name, s.Kind = "", "c" }, "/name required, /kind unknown_value"},
		{"what is not on the wire", func(s *shaped) { s.Hidden, s.private = "\x00", "\x00" }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := shaped{Name: "good"}
			c.change(&s)
			if got := complaints(domain.CheckShape(s)); got != c.want {
				t.Errorf("complaints: %q, want %q", got, c.want)
			}
		})
	}
}

func TestCheckShapeDoesNotGoOnForever(t *testing.T) {
	t.Parallel()
	s := shaped{Name: "good", Mail: make([]mail, 10_000)}
	if got := len(domain.Refusals(domain.CheckShape(s))); got != domain.MaxRefusals+1 {
		t.Errorf("%d complaints", got)
	}
}

func TestUnmarshal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ data, want string }{
		{`{"name":"ok","count":3,"mail":[{"address":"a@b.example"}],"due":"2026-03-01T10:00:00Z"}`, ""},
		{`{"name":"ok","count":null,"tags":null}`, ""},
		{`{"name":1,"kind":true,"count":"3","count2":4}`, "/count wrong_type, /count2 unknown_member, /kind wrong_type, /name wrong_type"},
		{`{"count":1.5}`, "/count wrong_type"},
		{`{"count":99999999999999999999}`, "/count wrong_type"},
		{`{"tags":"a","labels":{"a":1},"mail":[{"address":"nope"},{"wrong":""},7]}`, "/labels/a wrong_type, /mail/0/address invalid_email, /mail/1/wrong unknown_member, /mail/2 wrong_type, /tags wrong_type"},
		{`{"due":"yesterday"}`, "/due invalid_time"},
		{`{"owner_id":"usr_1"}`, "/owner_id invalid_id"},
		{`{"owner_id":17,"price":{"amount":"1"}}`, "/owner_id wrong_type, /price/currency required"},
		{`{"name":"ok","a/b":1}`, "/a~1b unknown_member"},
		{`[]`, " wrong_type"},
		{`{"name":"ok"} {}`, " invalid_json"},
		{`{"name":`, " invalid_json"},
		{``, " invalid_json"},
		{strings.Repeat("[", 100_000), " invalid_json"},
	} {
		var s shaped
		if got := complaints(domain.Unmarshal([]byte(c.data), &s)); got != c.want {
			t.Errorf("%.80s: %q, want %q", c.data, got, c.want)
		}
	}
}
