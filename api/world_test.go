package api_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/api/apitest"
	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
	"github.com/rowhouse/rowhouse/projections"
)

// canary is in every text of the tenant that nobody else may see.
const canary = "kanarienvogel"

// world is a tenant with a record of each kind.
type world struct {
	apitest.Client

	ids     map[string]string // of a record, by the prefix of its ID
	cursors map[string]string // of the list, by collection
}

// collections has the path of each kind, by the prefix of its IDs.
var collections = func() map[string]string {
	all := map[string]string{}
	for _, p := range projections.All {
		all[p.Prefix()] = p.Name()
	}
	return all
}()

// recipes has, by the prefix of IDs, the bodies that make records which can be
// given any command of their kind, where the example of the kind is not enough.
// {deal} is the ID of the deal of the world, and %s a word.
var recipes = map[string]string{
	"cmp":  `{"name":"%s","domains":["%s.example"],"industry":"%s","tags":["%s"],"external_ids":{"%s":"%s"}}`,
	"con":  `{"first_name":"%s","last_name":"%s","emails":[{"address":"%s@example.org"}],"job_title":"%s","tags":["%s"],"company_id":"{cmp}"}`,
	"pip":  `{"name":"%s","stages":[{"key":"lead","name":"%s","kind":"open","probability":10},{"key":"offer","name":"Offer","kind":"open"},{"key":"won","name":"Won","kind":"won"},{"key":"lost","name":"Lost","kind":"lost"}]}`,
	"list": `{"name":"%s","object":"contact","kind":"static"}`,
	"objt": `{"key":"contact"}`,
	"deal": `{"name":"%s","source":"%s","pipeline_id":"{pip}","company_id":"{cmp}","primary_contact_id":"{con}","amount":{"amount":"10","currency":"EUR"}}`,
}

// recipe returns the body that makes a record of a kind.
func recipe(t *testing.T, kind commands.AnyPolicy) string {
	t.Helper()
	if body, ok := recipes[kind.Prefix()]; ok {
		return body
	}
	for _, o := range kind.Offers() {
		if o.Name == commands.Create {
			return generalized(t, o)
		}
	}
	t.Fatalf("no record of the kind %s can be made", kind.Kind())
	return ""
}

// generalized returns the example of a command with a word in the place of its
// texts, and with the records of the world in the place of those that it names.
func generalized(t *testing.T, o commands.Offer) string {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal([]byte(typeID.ReplaceAllString(o.Example, "{$1}")), &body); err != nil {
		t.Fatal(err)
	}
	for _, m := range domain.Members(o.Type) {
		f := o.Type.FieldByIndex(m.Index)
		switch {
		case m.Name == "tags":
			body["tags"] = []string{"%s"}
		case m.Name == "external_ids":
			body["external_ids"] = map[string]string{"%s": "%s"}
		case f.Type.Kind() == reflect.String && f.Type.PkgPath() == "" && f.Tag.Get("enum") == "" && len(f.Tag.Get("maxLength")) > len("20"):
			body[m.Name] = "%s"
		case f.Tag.Get("unique") == "true":
			body[m.Name] = "%s"
		}
	}
	return encode(t, body)
}

// placeholder is the place of a record in a body.
var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// filled returns a body with a word and with the records of a world in it.
func filled(body, word string, ids map[string]string) string {
	body = strings.ReplaceAll(body, "%s", word)
	for prefix, id := range ids {
		body = strings.ReplaceAll(body, "{"+prefix+"}", id)
	}
	return body
}

// furnish makes two records of each kind, with a word in their texts, so that
// lists go on. A kind comes after those that it refers to.
func furnish(t *testing.T, c apitest.Client, word string) world {
	t.Helper()
	w := world{Client: c, ids: map[string]string{}, cursors: map[string]string{}}
	for left := commands.All; len(left) > 0; {
		var later []commands.AnyPolicy
		for _, kind := range left {
			body := recipe(t, kind)
			if placeholder.MatchString(filled(body, word, w.ids)) {
				later = append(later, kind)
				continue
			}
			path := "/" + collections[kind.Prefix()]
			if kind.NamedBy() != "" {
				w.ids[kind.Prefix()] = defined(c, path)
				continue
			}
			made := c.Post(path, filled(body, word, w.ids)).Want(http.StatusCreated).ID()
			c.Post(path, filled(body, word+"2", w.ids)).Want(http.StatusCreated)
			w.ids[kind.Prefix()] = made
			var page struct {
				Next string `json:"next_cursor"`
			}
			c.Get(path + "?limit=1").Want(http.StatusOK).Into(&page)
			w.cursors[collections[kind.Prefix()]] = page.Next
		}
		if len(later) == len(left) {
			t.Fatalf("%d kinds refer to one another: give one of them a body in recipes that does without", len(left))
		}
		left = later
	}
	w.ids["key"] = c.Post("/api_keys", `{"name":"`+word+`"}`).Want(http.StatusCreated).ID()
	w.ids["ten"] = c.Tenant.String()
	return w
}

// defined returns the ID of an object type with fields of which the examples of its
// commands are. There is one of each in a tenant, so it may be there already.
func defined(c apitest.Client, path string) string {
	if r := c.Get(path + "/contact"); r.Status == http.StatusOK {
		return r.ID()
	}
	for _, key := range []string{"deal", "contact"} {
		c.Post(path, `{"key":"`+key+`"}`).Want(http.StatusCreated)
		c.Post(path+"/"+key+"/fields", `{"key":"tier","type":"select","options":[{"key":"gold"}]}`).Want(http.StatusOK)
		c.Post(path+"/"+key+"/fields", `{"key":"number","type":"text"}`).Want(http.StatusOK)
	}
	return c.Get(path + "/contact").Want(http.StatusOK).ID()
}

// triedElsewhere reports whether an operation is a command that every record takes,
// of a kind with which it need not be tried: what the mechanism does for all kinds
// is tried with contacts, and with tasks, so that tests do not grow with the kinds.
func triedElsewhere(op operation) bool {
	if p := prefixOf(op); p == "con" || p == "task" {
		return false
	}
	_, action, _ := strings.Cut(op.ID, ".")
	for _, o := range commands.Notes.Offers() {
		if o.Name == action && o.Type.PkgPath() == recordPackage {
			return true
		}
	}
	return false
}

// recordPackage has the commands that every record takes.
var recordPackage = reflect.TypeFor[record.Common]().PkgPath()
