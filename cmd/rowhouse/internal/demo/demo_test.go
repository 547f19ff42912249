package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rowhouse/rowhouse/api/apitest"
	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
	"github.com/rowhouse/rowhouse/domain"
)

// small is a demo that is quickly made.
var small = []size{{companies: 20, people: 120, deals: 40, tasks: 30}, {companies: 5, people: 10, deals: 5, tasks: 5}, {companies: 5, people: 10, deals: 10, tasks: 5}}

// contents returns all records of a tenant, without what differs from run to
// run.
func contents(t *testing.T, tenant client.Tenant) map[string]string {
	t.Helper()
	head, err := tenant.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, collection := range []string{"pipelines", "companies", "contacts", "deals", "tasks"} {
		for doc, err := range tenant.Since(head).List(t.Context(), collection, url.Values{}) {
			if err != nil {
				t.Fatal(err)
			}
			var r struct {
				ID      string `json:"id"`
				Version int    `json:"version"`
			}
			if err := json.Unmarshal(doc, &r); err != nil {
				t.Fatal(err)
			}
			all[collection+" "+r.ID] = string(doc)
		}
	}
	return all
}

func TestDemo(t *testing.T) {
	t.Parallel()
	server := apitest.Unused(t)
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "setup-token"), []byte(server.Token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cfg := Config{Server: server.URL, Data: data, Out: &out, sizes: small}
	s, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{"Alpenrad Bikes", "Maison Lumière", "demo@example.com", "curl -sH", "/history", "?as_of="} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("does not say %q:\n%s", want, out.String())
		}
	}
	c, err := client.New(client.Config{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for line := range strings.Lines(out.String()) {
		if _, path, ok := strings.Cut(line, `"$T`); ok {
			tried++
			path = "/v1/tenants/" + s.Tenants[0].ID + strings.TrimSuffix(path, "\"\n")
			if _, err := c.As(s.Tenants[0].Key).Do(t.Context(), client.Request{Method: http.MethodGet, Path: path}, nil); err != nil {
				t.Errorf("it says to try %s: %v", path, err)
			}
		}
	}
	if tried != 5 {
		t.Errorf("it says to try %d requests", tried)
	}
	before := make([]map[string]string, len(s.Tenants))
	for i, tenant := range s.Tenants {
		if tenant.Key == "" {
			t.Fatalf("%s has no key", tenant.Name)
		}
		before[i] = contents(t, c.As(tenant.Key).Tenant(tenant.ID))
		n := small[i]
		if want := n.companies + n.people + n.deals + n.tasks + 2; len(before[i]) != want {
			t.Errorf("%s has %d records, want %d", tenant.Name, len(before[i]), want)
		}
	}
	won, lost := 0, 0
	for _, doc := range before[0] {
		if strings.Contains(doc, `"status":"won"`) {
			won++
		}
		if strings.Contains(doc, `"status":"lost"`) {
			lost++
		}
	}
	if won < 5 || lost < 3 {
		t.Errorf("%d won, %d lost", won, lost)
	}

	out.Reset()
	again, err := Run(t.Context(), cfg)
	_, login, _ := strings.Cut(out.String(), "-d '")
	login, _, _ = strings.Cut(login, "'")
	if _, err := c.Do(t.Context(), client.Request{Method: http.MethodPost, Path: "/v1/auth/login", Body: json.RawMessage(login)}, nil); err != nil {
		t.Errorf("it says to log in with %s: %v", login, err)
	}
	if err != nil || again.Made != 0 || again.Left != 0 || again.Present != 271 {
		t.Errorf("%v %+v", err, again)
	}
	for i, tenant := range s.Tenants {
		if diff := cmp.Diff(before[i], contents(t, c.As(tenant.Key).Tenant(tenant.ID))); diff != "" {
			t.Errorf("%s changed: %s", tenant.Name, diff)
		}
		if again.Tenants[i].Key != "" || again.Tenants[i].ID != tenant.ID {
			t.Errorf("%+v", again.Tenants[i])
		}
	}
}

func TestDemoGoesOn(t *testing.T) {
	t.Parallel()
	server := apitest.Unused(t)
	cfg := Config{Server: server.URL, Options: Options{Token: server.Token}, sizes: small}
	stopped := 0
	for after := time.Millisecond; ; after = after * 3 / 2 {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		s, err := Run(ctx, cfg)
		cancel()
		if err == nil {
			if s.Left != 0 {
				t.Errorf("%+v", s)
			}
			break
		}
		if stopped++; ctx.Err() == nil {
			t.Fatal(err)
		}
	}
	s, err := Run(t.Context(), cfg)
	if err != nil || s.Made != 0 || s.Present != 271 || stopped < 5 {
		t.Errorf("after %d times: %v %+v", stopped, err, s)
	}
}

func TestDemoLeavesWhatOthersChanged(t *testing.T) {
	t.Parallel()
	server := apitest.Unused(t)
	cfg := Config{Server: server.URL, Options: Options{Token: server.Token}, sizes: small}
	s, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(client.Config{URL: server.URL, Bearer: s.Tenants[0].Key})
	if err != nil {
		t.Fatal(err)
	}
	tenant := c.Tenant(s.Tenants[0].ID)
	var ops []client.Operation
	l := &loader{tenant: tenant, seed: 1}
	for i := range 10 {
		ops = append(ops, client.Operation{Op: "update", ID: l.id("con", i), Data: json.RawMessage(`{"job_title":"Changed"}`)})
	}
	if _, _, err := tenant.Batch(t.Context(), "contacts", "change", ops); err != nil {
		t.Fatal(err)
	}
	if _, _, err := tenant.Batch(t.Context(), "tasks", "delete", []client.Operation{{Op: "delete", ID: l.id("task", 0)}}); err != nil {
		t.Fatal(err)
	}
	before := contents(t, tenant)
	if _, err := Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, contents(t, tenant)); diff != "" {
		t.Error(diff)
	}
}

func TestDemoThatCannotBeMade(t *testing.T) {
	t.Parallel()
	server := apitest.New(t) // set up by somebody else
	for name, test := range map[string]struct {
		cfg  Config
		want string
	}{
		"nobody's password":    {Config{Server: server.URL}, "--email and --password"},
		"wrong token":          {Config{Server: server.URL, Options: Options{Token: "wrong"}}, "cannot be set up"},
		"a server for others":  {Config{Server: "https://crm.example"}, "password of its own"},
		"no URL":               {Config{Server: "crm"}, "URL"},
		"a directory for file": {Config{Server: server.URL, Data: "demo.go"}, "demo.go"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := Run(t.Context(), test.cfg); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
	t.Run("somebody who is there", func(t *testing.T) {
		t.Parallel()
		cfg := Config{Server: server.URL, Options: Options{Email: apitest.Email, Password: apitest.Password, Token: ""}, sizes: small}
		if s, err := Run(t.Context(), cfg); err != nil || len(s.Tenants) != 3 {
			t.Errorf("%v %+v", err, s)
		}
	})
}

func TestWorldIsFictional(t *testing.T) {
	t.Parallel()
	w := makeWorld(1, tenants[0].size)
	if !reflect.DeepEqual(w, makeWorld(1, tenants[0].size)) {
		t.Error("the same seed makes another world")
	}
	if reflect.DeepEqual(w.People, makeWorld(2, tenants[0].size).People) {
		t.Error("another seed makes the same world")
	}
	seen := map[string]bool{}
	for _, p := range w.People {
		e, err := domain.ParseEmail(p.Email)
		host := p.Email[strings.IndexByte(p.Email, '@')+1:]
		ok := strings.HasSuffix("."+host, ".example.com") || host == "example.org" || host == "example.net"
		if err != nil || !ok || seen[e.Normalized()] {
			t.Errorf("address %s: %v", p.Email, err)
		}
		seen[e.Normalized()] = true
		for _, n := range []string{p.Phone, p.Mobile} {
			if n != "" && !fictional(n) {
				t.Errorf("number %s", n)
			}
		}
		if _, err := domain.ParseLanguage(p.Language); err != nil {
			t.Errorf("language %s", p.Language)
		}
	}
	for _, c := range w.Companies {
		if _, err := domain.ParseHostname(c.Domain); err != nil || !fictional(c.Phone) || c.Revenue <= 0 || c.Employees <= 0 {
			t.Errorf("%+v", c)
		}
	}
	closed := 0
	for _, d := range w.Deals {
		if d.closed() {
			closed++
		}
		if d.Amount <= 0 || d.Amount > 10_000_000 {
			t.Errorf("amount %d", d.Amount)
		}
	}
	if closed < len(w.Deals)/2 || closed > len(w.Deals)*3/4 {
		t.Errorf("%d of %d deals are closed", closed, len(w.Deals))
	}
}

// fictional reports whether a number is one that regulators keep for fiction.
func fictional(n string) bool {
	for _, prefix := range []string{
		"+442079460", "+4411349", "+4416149", "+4413149", "+4412149", "+447700900",
		"+493023125", "+494066969", "+498999998", "+492214710", "+496990009",
		"+3319900", "+3346571", "+3326191", "+3363998", "+468465004", "+463139006",
	} {
		if strings.HasPrefix(n, prefix) {
			return true
		}
	}
	return strings.HasPrefix(n, "+1") && len(n) == 12 && n[5:10] == "55501"
}
