package domain_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/domain"
)

type person struct {
	ID     domain.ID         `json:"id"`
	Name   string            `json:"name" class:"personal" of:"self"`
	Places []domain.Address  `json:"places" class:"personal" of:"self"`
	Mixed  []mixed           `json:"mixed"`
	Words  map[string]string `json:"words" class:"internal"`
	Paid   domain.Money      `json:"paid"`
	Born   domain.Date       `json:"born" class:"sensitive" of:"self"`
	At     *time.Time        `json:"at"`
	Hidden string            `json:"-"`
}

type mixed struct {
	Code    string    `json:"code" class:"public"`
	About   string    `json:"about" class:"personal" of:"who"`
	Who     domain.ID `json:"who"`
	Friends []mixed   `json:"friends"`
}

// changed is an event that changes members of a person.
type changed struct {
	Changes map[string]change `json:"changes" class:"field"`
}

type change struct {
	Old, New json.RawMessage
}

func (changed) FieldNames() reflect.Type { return reflect.TypeFor[person]() }

// wrapped is an event whose JSON is that of something else.
type wrapped struct{ By mixed }

func (wrapped) Shape() reflect.Type            { return reflect.TypeFor[mixed]() }
func (w wrapped) MarshalJSON() ([]byte, error) { return json.Marshal(w.By) }

// The class of a value is that of the nearest line that has one.
func TestClasses(t *testing.T) {
	t.Parallel()
	got := map[string]string{}
	for _, c := range domain.Classes(reflect.TypeFor[person]()) {
		got[c.Path] = strings.TrimSpace(string(c.Class) + " " + c.Of)
	}
	for path, want := range map[string]string{
		"/id": "internal", "/name": "personal self", "/places/*/line1": "personal self", "/places/*/country": "personal self",
		"/mixed/*/code": "public", "/mixed/*/about": "personal who", "/mixed/*/who": "internal",
		"/words/*": "internal", "/paid": "internal", "/born": "sensitive self", "/at": "internal", "/Hidden": "",
	} {
		if got[path] != want {
			t.Errorf("%s is %q, not %q", path, got[path], want)
		}
	}
	for _, tt := range []struct {
		of     reflect.Type
		member string
		want   domain.Class
		path   string
	}{
		{reflect.TypeFor[person](), "mixed", domain.Personal, "/mixed/*/about"}, // what needs most care in it
		{reflect.TypeFor[person](), "places", domain.Personal, "/places/*/kind"},
		{reflect.TypeFor[person](), "paid", domain.Internal, "/paid"},
		{reflect.TypeFor[changed](), "changes", domain.Sensitive, "/changes/born/Old"},
		{reflect.TypeFor[wrapped](), "about", domain.Personal, "/about"},
	} {
		if c, ok := domain.ClassOf(tt.of, tt.member); !ok || c.Class != tt.want || c.Path != tt.path {
			t.Errorf("%s of %s: %+v", tt.member, tt.of, c)
		}
	}
	if c, ok := domain.ClassOf(reflect.TypeFor[person](), "plac"); ok {
		t.Errorf("a member that is not there has a class: %+v", c)
	}
	i := slices.IndexFunc(domain.Classes(reflect.TypeFor[changed]()), func(c domain.Classified) bool { return c.Path == "/changes/places/New/*/line1" })
	if i < 0 || domain.Classes(reflect.TypeFor[changed]())[i].Class != domain.Personal {
		t.Error("what is in a changed field has not the class of the field")
	}
	for _, of := range []reflect.Type{reflect.TypeFor[person](), reflect.TypeFor[changed](), reflect.TypeFor[wrapped]()} {
		if wrong := domain.CheckClasses(of, reflect.TypeFor[person]()); len(wrong) > 0 {
			t.Errorf("%s: %v", of, wrong)
		}
	}
}

type generic[T any] struct {
	Fields T `json:"fields"`
}

type outer struct{ inner }

type inner struct {
	Text string `json:"text"`
}

// Each mistake is named, with the line that it is on.
func TestForgottenClasses(t *testing.T) {
	t.Parallel()
	type (
		text struct {
			Text string `json:"text"`
		}
		unnamed struct{ Text string }
		list    struct {
			Texts []string `json:"texts"`
		}
		blob struct {
			Blob json.RawMessage `json:"blob"`
		}
		octets struct {
			Blob []byte `json:"blob"`
		}
		anything struct {
			Any any `json:"any"`
		}
		keys struct {
			Keys map[string]int `json:"keys"`
		}
		values struct {
			Values map[domain.ID]string `json:"values"`
		}
		held struct {
			Holder []*text `json:"holder"`
		}
		inMap struct {
			Map map[string]text `json:"map" class:"field"`
		}
		email struct {
			Email domain.Email `json:"email"`
		}
		unknown struct {
			Text string `json:"text" class:"private"`
		}
		nobody struct {
			Text string `json:"text" class:"personal"`
		}
		needless struct {
			Text string `json:"text" class:"internal" of:"self"`
		}
		ownerless struct {
			N int `json:"n" of:"self"`
		}
		nowhere struct {
			Text string `json:"text" class:"personal" of:"whom"`
		}
		noID struct {
			Text string `json:"text" class:"personal" of:"name"`
			Name string `json:"name" class:"internal"`
		}
		secret struct {
			Text string `json:"text" class:"secret"`
		}
	)
	for _, tt := range []struct {
		of   reflect.Type
		want string
	}{
		{reflect.TypeFor[text](), "domain_test.text.Text has no class"},
		{reflect.TypeFor[unnamed](), "domain_test.unnamed.Text has no class"},
		{reflect.TypeFor[list](), "domain_test.list.Texts has no class"},
		{reflect.TypeFor[blob](), "domain_test.blob.Blob has no class"},
		{reflect.TypeFor[octets](), "domain_test.octets.Blob has no class"},
		{reflect.TypeFor[anything](), "domain_test.anything.Any has no class"},
		{reflect.TypeFor[keys](), "domain_test.keys.Keys has no class"},
		{reflect.TypeFor[values](), "domain_test.values.Values has no class"},
		{reflect.TypeFor[held](), "domain_test.held.Holder has no class"},
		{reflect.TypeFor[inMap](), `domain_test.inMap.Map has class:"field"`},
		{reflect.TypeFor[email](), "domain_test.email.Email has no class"},
		{reflect.TypeFor[outer](), "domain_test.inner.Text has no class"},
		{reflect.TypeFor[generic[text]](), "domain_test.text.Text has no class"}, // and not the line of a type that others use, too
		{reflect.TypeFor[unknown](), `domain_test.unknown.Text has the tags class:"private"`},
		{reflect.TypeFor[nobody](), "domain_test.nobody.Text does not say whose it is"},
		{reflect.TypeFor[needless](), "only personal and sensitive are of somebody"},
		{reflect.TypeFor[ownerless](), "only personal and sensitive are of somebody"},
		{reflect.TypeFor[nowhere](), `domain_test.nowhere.Text is of:"whom", which is no member with an ID`},
		{reflect.TypeFor[noID](), `domain_test.noID.Text is of:"name", which is no member with an ID`},
		{reflect.TypeFor[secret](), "domain_test.secret.Text is secret"},
	} {
		if wrong := domain.CheckClasses(tt.of, tt.of); len(wrong) != 1 || !strings.Contains(wrong[0], tt.want) {
			t.Errorf("%s: %q", tt.of, wrong)
		}
	}
}
