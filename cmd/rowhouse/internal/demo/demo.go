// Package demo fills a running server with a world to look around in: an
// outsourcer with three clients, their companies, contacts, deals and tasks, and
// what happened to them. Nobody in it exists: addresses are at example.com and
// its like, telephone numbers are from ranges that are kept free for fiction.
//
// It is a client of the public API. What it makes follows from a seed, IDs
// included, so it can be run again after whatever went wrong, and changes nothing
// that is there already. It knows no records but those that it makes.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
)

// Options are what a person may want to be otherwise. The tags are those of
// kong.
type Options struct {
	Token    string `placeholder:"TOKEN" env:"ROWHOUSE_SETUP_TOKEN" help:"The setup token of a fresh server. By default it is read from the data directory."`
	Email    string `default:"demo@example.com" help:"Who owns the demo, or logs in to a server that is set up."`
	Password string `env:"ROWHOUSE_PASSWORD" help:"Their password. For a server on this machine there is a default."`
	Seed     uint64 `default:"1" help:"Another seed makes another world."`
}

// Config says where to make the demo.
type Config struct {
	Server string // URL
	Data   string // the data directory of the server, to find its setup token in; may be empty
	Options

	Out io.Writer // what was done; nowhere if nil

	sizes []size // of the tenants; those of [tenants] if nil
}

// Summary says what is there now.
type Summary struct {
	Organization string
	Tenants      []Tenant
	Made         int // records made, and commands given
	Present      int // records that were there already
	Left         int // records that somebody has changed meanwhile; they were left as they are
	Took         time.Duration
}

// Tenant is one client of the outsourcer.
type Tenant struct {
	ID, Name string
	Key      string // an API key; empty if there was one already
	Counts   map[string]int

	inside client.Tenant
}

// defaultPassword is that of servers which only this machine can reach.
const defaultPassword = "try-the-rowhouse-demo"

// organization is the outsourcer, and tenants are its clients.
const organization = "Harbour Line Outsourcing"

var tenants = []struct {
	name string
	size size
}{
	{"Alpenrad Bikes", size{companies: 800, people: 5000, deals: 600, tasks: 900}},
	{"Kestrel Insurance", size{companies: 90, people: 600, deals: 80, tasks: 120}},
	{"Maison Lumière", size{companies: 60, people: 400, deals: 50, tasks: 80}},
}

// wait is how long to wait for a server that is away.
const wait = time.Minute

// Run makes the demo, or what is missing of it.
func Run(ctx context.Context, cfg Config) (Summary, error) {
	began := time.Now()
	if cfg.Out == nil {
		cfg.Out = io.Discard
	}
	if cfg.Email == "" {
		cfg.Email = "demo@example.com"
	}
	if cfg.Seed == 0 {
		cfg.Seed = 1
	}
	say := func(format string, args ...any) { fmt.Fprintf(cfg.Out, format+"\n", args...) } //nolint:errcheck // nobody is there to read it
	c, err := client.New(client.Config{
		URL: cfg.Server, Agent: "rowhouse-demo", Wait: wait,
		OnWait: func(reason error, _ time.Duration) { say("waiting: %v", reason) },
	})
	if err != nil {
		return Summary{}, err
	}
	if cfg.Password == "" {
		if !isLocal(c.URL()) {
			return Summary{}, errors.New("a server that others can reach needs a password of its own: --password, or ROWHOUSE_PASSWORD")
		}
		cfg.Password = defaultPassword
	}
	session, err := enter(ctx, c, cfg, say)
	if err != nil {
		return Summary{}, err
	}
	s := Summary{Organization: session.OrganizationID}
	for i, t := range tenants {
		n := t.size
		if cfg.sizes != nil {
			n = cfg.sizes[i]
		}
		made, err := makeTenant(ctx, c, cfg, session, i, t.name, n, &s)
		if err != nil {
			return s, fmt.Errorf("%s: %w", t.name, err)
		}
		s.Tenants = append(s.Tenants, made)
		say("%-18s %5d contacts %4d companies %4d deals %4d tasks in %d pipelines", t.name, n.people, n.companies, n.deals, n.tasks, len(pipelines))
	}
	s.Took = time.Since(began)
	return s, tell(ctx, say, cfg, s)
}

// isLocal reports whether only this machine can reach a server.
func isLocal(server string) bool {
	u, err := url.Parse(server)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// enter sets a fresh server up, and logs in to one that is.
func enter(ctx context.Context, c *client.Client, cfg Config, say func(string, ...any)) (client.Session, error) {
	token := cfg.Token
	if token == "" && cfg.Data != "" {
		text, err := os.ReadFile(filepath.Join(cfg.Data, "setup-token"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return client.Session{}, err
		}
		token = strings.TrimSpace(string(text))
	}
	if token != "" {
		session, err := c.Setup(ctx, client.Founding{
			Token: token, Organization: client.Named{Name: organization}, Tenant: client.Named{Name: tenants[0].name},
			Owner: client.Owner{Email: cfg.Email, Password: cfg.Password, Name: "Robin Harper"},
		})
		if err == nil {
			say("set up: %s", organization)
			return session, nil
		}
		if !client.IsStatus(err, http.StatusConflict) && (!client.IsStatus(err, http.StatusUnauthorized) || cfg.Token != "") {
			return client.Session{}, fmt.Errorf("the server cannot be set up: %w", err)
		}
	}
	session, err := c.Login(ctx, cfg.Email, cfg.Password, "")
	if client.IsStatus(err, http.StatusUnauthorized) {
		return session, fmt.Errorf("nobody with this address and password can log in; a fresh server needs --token, or --data where its setup-token is, and one that is set up needs --email and --password: %w", err)
	}
	return session, err
}

// makeTenant makes a tenant and what is in it.
func makeTenant(ctx context.Context, c *client.Client, cfg Config, session client.Session, i int, name string, n size, s *Summary) (Tenant, error) {
	id, err := findTenant(ctx, c.As(session.AccessToken), session.OrganizationID, name, cfg.Seed)
	if err != nil {
		return Tenant{}, err
	}
	inside, err := c.Login(ctx, cfg.Email, cfg.Password, id)
	if err != nil {
		return Tenant{}, err
	}
	t := c.As(inside.AccessToken).Tenant(id)
	key, err := makeKey(ctx, t)
	if err != nil {
		return Tenant{}, err
	}
	l := &loader{tenant: t, seed: cfg.Seed, summary: s}
	if err := l.load(ctx, makeWorld(cfg.Seed*1000+uint64(i), n)); err != nil {
		return Tenant{}, err
	}
	return Tenant{ID: id, Name: name, Key: key, inside: t, Counts: map[string]int{
		"companies": n.companies, "contacts": n.people, "deals": n.deals, "tasks": n.tasks, "pipelines": len(pipelines),
	}}, nil
}

// findTenant returns the tenant of that name, and makes it if there is none.
func findTenant(ctx context.Context, c *client.Client, organization, name string, seed uint64) (string, error) {
	for t, err := range c.Tenants(ctx, organization) {
		if err != nil {
			return "", err
		}
		if t.Name == name {
			return t.ID, nil
		}
	}
	id := newID("ten", organization, name, strconv.FormatUint(seed, 10))
	return id, c.NewTenant(ctx, organization, id, name)
}

// keyName is what the keys of the demo are called.
const keyName = "rowhouse demo"

// makeKey makes an API key, unless there is one. A key is shown once.
func makeKey(ctx context.Context, t client.Tenant) (string, error) {
	for k, err := range t.Keys(ctx) {
		if err != nil || k.Name == keyName && k.RevokedAt == nil {
			return "", err
		}
	}
	return t.NewKey(ctx, keyName)
}

// tell says how to look around.
func tell(ctx context.Context, say func(string, ...any), cfg Config, s Summary) error {
	say("%d records and changes made, %d were there, in %s", s.Made, s.Present, s.Took.Round(100*time.Millisecond))
	if s.Left > 0 {
		say("%d records were changed since, and left as they are", s.Left)
	}
	say("\nLog in as %s with the password %s", cfg.Email, shown(cfg.Password))
	for _, t := range s.Tenants {
		key := t.Key
		if key == "" {
			key = "was shown when the demo was made first"
		}
		say("  %-18s %s  key %s", t.Name, t.ID, key)
	}
	t := s.Tenants[0]
	deal, position, err := aDeal(ctx, t.inside)
	if err != nil {
		return err
	}
	server := t.inside.Client().URL()
	say("\nTry:\n  T=%s/v1/tenants/%s", server, t.ID)
	if t.Key != "" {
		say("  A='Authorization: Bearer %s'", t.Key)
	} else {
		say("  %s", logIn(server, cfg, t.ID))
	}
	for _, path := range []string{
		"/contacts?limit=3&sort=last_name", "/deals?status=won&sort=-amount.amount&limit=3", "/deals/" + deal + "/history",
		fmt.Sprintf("/deals/%s?as_of=%d", deal, position), "/events?types=deal.won",
	} {
		say("  curl -sH \"$A\" \"$T%s\"", path)
	}
	return nil
}

// logIn returns the line of shell that gets a token, for those whose key was
// shown before. A password that somebody chose is not in it.
func logIn(server string, cfg Config, tenant string) string {
	password := quoted(cfg.Password)
	if cfg.Password != defaultPassword {
		password = `"'"$ROWHOUSE_PASSWORD"'"` //nolint:gosec // it names a variable
	}
	return fmt.Sprintf(`A="Authorization: Bearer $(curl -s %s/v1/auth/login -H 'Content-Type: application/json' -d '{"email":%s,"password":%s,"tenant_id":%s}' | jq -r .access_token)"`,
		server, quoted(cfg.Email), password, quoted(tenant))
}

// quoted returns the JSON of a text, for a shell's single quotes.
func quoted(text string) string {
	data, err := json.Marshal(text)
	if err != nil {
		panic(err) // no text is without
	}
	return strings.ReplaceAll(string(data), "'", `'\''`)
}

// aDeal returns a deal that was won, and the position at which it was opened.
func aDeal(ctx context.Context, t client.Tenant) (id string, position int64, err error) {
	head, err := t.Head(ctx)
	if err != nil {
		return "", 0, err
	}
	for doc, err := range t.Since(head).List(ctx, "deals", url.Values{"status": {"won"}, "limit": {"1"}}) {
		if err != nil {
			return "", 0, err
		}
		var d client.Known
		if err := json.Unmarshal(doc, &d); err != nil {
			return "", 0, err
		}
		var events struct {
			Data []struct {
				Position int64 `json:"position"`
			} `json:"data"`
		}
		if err := t.Get(ctx, "deals", d.ID, "events", &events); err != nil || len(events.Data) == 0 {
			return "", 0, err
		}
		return d.ID, events.Data[0].Position, nil
	}
	return "", 0, errors.New("no deal was won")
}

// shown keeps a password that somebody chose to themselves.
func shown(password string) string {
	if password == defaultPassword {
		return password
	}
	return "that you gave"
}
