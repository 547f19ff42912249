package access

import (
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/viewer"
	"github.com/rowhouse/rowhouse/wall"
)

const (
	ownerEmail    = "ada@example.com"
	ownerPassword = "a lovelace engine"
)

// cheap is what passwords cost in tests.
var cheap = Argon2{MemoryKiB: 64, Time: 1, Threads: 1}

// clock stands still unless it is told to go on.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// house is an installation.
type house struct {
	*Directory
	db    *dbtest.DB
	clock *clock
	owner Session // if it was set up
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// empty returns an installation that nobody has used yet.
func empty(t testing.TB) *house {
	t.Helper()
	h := &house{db: dbtest.Open(t), clock: newClock()}
	h.Directory = h.node(t, cheap)
	return h
}

// node returns another node of the same installation.
func (h *house) node(t testing.TB, cost Argon2) *Directory {
	t.Helper()
	d, err := New(Config{
		Wall: h.db.Wall, Root: h.db.Root, Now: h.clock.Now, Random: rand.Reader, NewID: newID, Password: cost,
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// setUp returns an installation with an owner and a tenant.
func setUp(t testing.TB) *house {
	t.Helper()
	h := empty(t)
	token, pending, err := h.EnsureSetup(t.Context())
	if err != nil || !pending {
		t.Fatal(pending, err)
	}
	if h.owner, err = h.Setup(t.Context(), setupRequest(token)); err != nil {
		t.Fatal(err)
	}
	return h
}

func setupRequest(token string) SetupRequest {
	return SetupRequest{
		Token:        token,
		Organization: Named{"Call Centre Ltd"},
		Tenant:       Named{"First client"},
		Owner:        NewUser{Email: ownerEmail, Password: ownerPassword, Name: "Ada"},
	}
}

// origin is that of a request with the credentials.
func (h *house) origin(t testing.TB, bearer string) viewer.Caller {
	t.Helper()
	p, err := h.Authenticate(t.Context(), bearer)
	if err != nil {
		t.Fatal(err)
	}
	return p.As(domain.Origin{Time: h.clock.Now()})
}

// tenant makes another tenant and logs the owner in to it.
func (h *house) tenant(t testing.TB, name string) Session {
	t.Helper()
	tn, err := h.CreateTenant(t.Context(), h.origin(t, h.owner.AccessToken).Origin, h.owner.OrganizationID, TenantRequest{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	s, err := h.Login(t.Context(), here, ownerEmail, ownerPassword, tn.ID)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// member adds a user with a role to a tenant, and returns a token of theirs.
func (h *house) member(t testing.TB, tenant domain.TenantID, role Role) string {
	t.Helper()
	user := newID()
	h.inTenant(t, tenant, `insert into access.membership (tenant_id, user_id, role, created_at) values ($1, $2, $3, now())`,
		tenant.UUID, user, role)
	token, _, err := h.tokens.issue(h.clock.Now(), user, tenant, h.owner.OrganizationID.UUID)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// key makes a key of the owner in the tenant of a session.
func (h *house) key(t testing.TB, s Session, r KeyRequest) (Key, string) {
	t.Helper()
	k, text, err := h.CreateKey(t.Context(), h.origin(t, s.AccessToken), r)
	if err != nil {
		t.Fatal(err)
	}
	return k, text
}

// inTenant runs a statement as the access role, inside a tenant.
func (h *house) inTenant(t testing.TB, tenant domain.TenantID, sql string, args ...any) {
	t.Helper()
	err := h.db.Wall.InTenant(t.Context(), wall.Scope{Tenant: tenant, Duty: wall.Access}, func(tx wall.Tx) error {
		_, err := tx.Exec(t.Context(), sql, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// super runs a statement that no role of ours could.
func (h *house) super(t testing.TB, sql string, args ...any) {
	t.Helper()
	if _, err := h.db.Superuser(t).Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// rows returns the rows of a query that no role of ours could ask.
func rows[T any](t testing.TB, h *house, sql string, args ...any) []T {
	t.Helper()
	r, err := h.db.Superuser(t).Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(r, pgx.RowTo[T])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// refused checks that an error is a refusal for a reason, with a code.
func refused(t testing.TB, err error, reason domain.Reason, code string) {
	t.Helper()
	e, ok := errors.AsType[*domain.Error](err)
	if !ok || e.Reason != reason || e.Code != code {
		t.Fatalf("got %v (%+v), want %s with code %s", err, e, reason, code)
	}
}

// unknown checks that an error is the one that everybody gets whom we do not
// know.
func unknown(t testing.TB, err error) {
	t.Helper()
	if err != errUnauthenticated { //nolint:errorlint // not even wrapped
		t.Fatalf("got %v, want the same as everybody", err)
	}
}

// silent checks that an error does not repeat what is nobody's business.
func silent(t testing.TB, err error, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		if strings.Contains(err.Error(), s) {
			t.Fatalf("the error %q repeats %q", err, s)
		}
	}
}

// lone returns a directory without a database.
func lone(t testing.TB) *Directory {
	t.Helper()
	d, err := New(Config{Root: dbtest.Root(), Now: newClock().Now, Random: rand.Reader, NewID: newID, Password: cheap})
	if err != nil {
		t.Fatal(err)
	}
	return d
}
