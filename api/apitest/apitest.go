// Package apitest runs the whole backend in a test, on a database of its own
// behind the wall, and talks to it over HTTP.
package apitest

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/api"
	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/projections"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/reactions"
	"github.com/rowhouse/rowhouse/viewer"
	"github.com/rowhouse/rowhouse/wall"
)

// Server is a backend that nobody else uses. Its read models follow its log as
// they do in earnest.
type Server struct {
	URL     string
	Store   eventstore.Store
	Models  *projections.Models
	Wall    *wall.Wall
	Metrics *prometheus.Registry
	Token   string           // for the first use; see [Unused]
	Close   chan struct{}    // to be closed to tell streams to end
	Double  *esdbtest.Server // what keeps the log, if a double of an event store does

	t            testing.TB
	organization domain.ID
	home         domain.TenantID
	mu           sync.Mutex
	seen         map[domain.TenantID]*atomic.Int64 // the last position that anybody has seen
	rights       sync.Map                          // [viewer.Role] by [access.Role], see Let
}

// Let makes a role allow something else than it does in earnest, to keys that are
// made from now on.
func (s *Server) Let(r access.Role, allow viewer.Role) { s.rights.Store(r, allow) }

func (s *Server) rightsOf(r access.Role) viewer.Role {
	if other, ok := s.rights.Load(r); ok {
		return other.(viewer.Role) //nolint:forcetypeassert // Let stores nothing else
	}
	return r.Rights()
}

// The owner of the organization that [New] makes.
const (
	Email    = "ada@example.org"
	Password = "the analytical engine"
)

// patience is for how long an answer waits for the read models: longer than in
// earnest, because other tests may have the processors.
const patience = 10 * time.Second

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// Unused starts a backend that was not set up yet. It goes away with the test.
func Unused(t testing.TB) *Server {
	t.Helper()
	return unused(t, Engine(), postgres.Config{Wall: dbtest.New(t)}, t.Output())
}

// unused starts a backend that logs warnings, and what is worse.
func unused(t testing.TB, keeper string, engine postgres.Config, out io.Writer) *Server {
	t.Helper()
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelWarn}))
	engine.Wall.Tell(log)
	s := &Server{t: t, Wall: engine.Wall, Metrics: prometheus.NewRegistry(), Close: make(chan struct{}), seen: map[domain.TenantID]*atomic.Int64{}}
	s.Metrics.MustRegister(engine.Wall)

	// The store tells the others what is new, and they read from the store.
	var notify func(domain.TenantID, eventstore.Position)
	store := &eventstore.Tail{Store: s.openLog(keeper, engine, log), Appended: func(t domain.TenantID, p eventstore.Position) { notify(t, p) }}
	s.Store = store
	s.Models = projections.New(projections.Config{
		Wall: engine.Wall, Store: store, Tracker: postgres.NewTracker(engine.Wall), All: projections.All, Facts: projections.AllFacts, Kinds: commands.Kinds(),
		Owner: "test", Build: "test", Signer: query.NewSigner([32]byte{1}), Log: log, Now: time.Now,
		Patience: patience,
	})
	directory, err := access.New(access.Config{
		Wall: engine.Wall, Root: dbtest.Root(), Now: time.Now, Random: rand.Reader, NewID: newID,
		Password: access.Argon2{MemoryKiB: 64, Time: 1, Threads: 1},
		Engine:   keeper,
		Kinds:    projections.Kinds(projections.All),
		Rights:   s.rightsOf,
	})
	if err != nil {
		t.Fatal(err)
	}
	services := reactions.Services{Wall: engine.Wall, Models: s.Models, Commands: commands.NewRunner(commands.Config{Store: store, NewID: newID, Cache: 1 << 20, Selector: s.Models, Snapshots: s.Models.Snapshots(), Build: "test"}), Now: time.Now}
	server := &api.Server{
		Access: directory, Commands: services.Commands, Models: s.Models, Store: store, Wall: engine.Wall, React: services.MoveDeals,
		Log: log, Metrics: s.Metrics, Now: time.Now, NewID: newID, Version: "test",
		Ready: engine.Wall.Ready, Closing: s.Close, OwnWait: patience,
	}
	notify = func(t domain.TenantID, p eventstore.Position) {
		s.Models.Notify(t, p)
		server.Notify(t, p)
	}
	h, err := server.Handler()
	if err != nil {
		t.Fatal(err)
	}
	if s.Token, _, err = directory.EnsureSetup(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.serve(h)
	return s
}

// serve serves and projects until the test ends.
func (s *Server) serve(h http.Handler) {
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.Models.Run(ctx) })
	web := httptest.NewServer(h)
	s.URL = web.URL
	s.t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
		stop()
		running.Wait()
	})
}

// New starts a backend with an organization that has one tenant, and goes away
// with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := Unused(t)
	s.setUp()
	return s
}

// On is New for a backend that keeps its logs in an engine.
func On(t testing.TB, engine string) *Server {
	t.Helper()
	s := unused(t, engine, postgres.Config{Wall: dbtest.New(t)}, t.Output())
	s.setUp()
	return s
}

func (s *Server) setUp() {
	s.t.Helper()
	var session access.Session
	s.Nobody().Post("/v1/setup", `{"token":"`+s.Token+`","organization":{"name":"Acme"},"tenant":{"name":"First"},
		"owner":{"email":"`+Email+`","password":"`+Password+`","name":"Ada"}}`).Want(http.StatusCreated).Into(&session)
	s.organization, s.home = session.OrganizationID, session.TenantID
}

// Dial opens a connection to the server, for those who do not want to be
// understood. It is closed with the test.
func (s *Server) Dial() *net.TCPConn {
	s.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() }) //nolint:errcheck // it was dialled to be broken
	return conn.(*net.TCPConn)
}

// Nobody returns a client without credentials.
func (s *Server) Nobody() Client {
	return Client{t: s.t, url: s.URL, header: http.Header{}, seen: new(atomic.Int64)}
}

// Home returns the owner of the first tenant.
func (s *Server) Home() Client { return s.login(s.home) }

// Tenant makes a tenant and returns its owner.
func (s *Server) Tenant() Client {
	s.t.Helper()
	var t access.Tenant
	s.Home().Post("/v1/organizations/"+s.organization.String()+"/tenants", `{"name":"Another"}`).Want(http.StatusCreated).Into(&t)
	return s.login(t.ID)
}

func (s *Server) login(t domain.TenantID) Client {
	s.t.Helper()
	var session access.Session
	s.Nobody().Post("/v1/auth/login", `{"email":"`+Email+`","password":"`+Password+`","tenant_id":"`+t.String()+`"}`).
		Want(http.StatusOK).Into(&session)
	return s.client(t, session.AccessToken)
}

func (s *Server) client(t domain.TenantID, bearer string) Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[t] == nil {
		s.seen[t] = new(atomic.Int64)
	}
	return Client{t: s.t, url: s.URL, Tenant: t, header: http.Header{"Authorization": {"Bearer " + bearer}}, seen: s.seen[t]}
}
