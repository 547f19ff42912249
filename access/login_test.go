package access

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/domain"
)

// here is where those come from of whom it does not matter.
var here = netip.MustParseAddr("127.0.0.1")

func TestLogin(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	second := h.tenant(t, "Second client")
	for name, c := range map[string]struct {
		email, password string
		tenant          domain.TenantID
		want            domain.TenantID
	}{
		"no tenant named":   {ownerEmail, ownerPassword, domain.TenantID{}, h.owner.TenantID},
		"tenant named":      {ownerEmail, ownerPassword, second.TenantID, second.TenantID},
		"another case":      {"ADA@Example.COM", ownerPassword, domain.TenantID{}, h.owner.TenantID},
		"space around":      {" ada@example.com ", ownerPassword, domain.TenantID{}, h.owner.TenantID},
		"another keyboard":  {ownerEmail, strings.Replace(ownerPassword, "e", "ｅ", 1), domain.TenantID{}, h.owner.TenantID},
		"non-breaking gaps": {ownerEmail, strings.ReplaceAll(ownerPassword, " ", "\u00a0"), domain.TenantID{}, h.owner.TenantID},
	} {
		s, err := h.Login(t.Context(), here, c.email, c.password, c.tenant)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if s.TenantID != c.want || s.UserID != h.owner.UserID || s.OrganizationID != h.owner.OrganizationID {
			t.Errorf("%s: got %+v", name, s)
		}
		if p, err := h.Authenticate(t.Context(), s.AccessToken); err != nil || p.Tenant() != c.want {
			t.Errorf("%s: authenticated for %v, %v", name, p.Tenant(), err)
		}
	}
}

func TestLoginIsRefusedInOneWay(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	for name, c := range map[string]struct{ email, password string }{
		"wrong password": {ownerEmail, ownerPassword + "!"},
		"no password":    {ownerEmail, ""},
		"long password":  {ownerEmail, strings.Repeat(ownerPassword, 1000)},
		"unknown":        {"eve@example.com", ownerPassword},
		"no address":     {"", ownerPassword},
		"not an address": {"ada", ownerPassword},
		"long address":   {strings.Repeat("a", 1<<20) + "@example.com", ownerPassword},
		"NUL":            {"ada@example.com\x00", ownerPassword},
		"not UTF-8":      {"ada\xff@example.com", "\xff\xfe"},
		"SQL":            {"' or 1=1 --@example.com", "' or '1'='1"},
	} {
		_, err := h.Login(t.Context(), here, c.email, c.password, domain.TenantID{})
		t.Log(name)
		unknown(t, err)
	}
}

// The password was right, so it is no secret who somebody is; but it is, which
// tenants there are.
func TestLoginToAForeignTenant(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	foreign := domain.TenantID{UUID: newID()}
	h.super(t, `insert into access.tenant (id, organization_id, name, created_at) values ($1, $2, 'x', now())`,
		foreign.UUID, h.owner.OrganizationID.UUID)
	for _, tenant := range []domain.TenantID{foreign, {UUID: newID()}} {
		_, err := h.Login(t.Context(), here, ownerEmail, ownerPassword, tenant)
		refused(t, err, domain.Forbidden, "not_a_member")
	}
	h.super(t, `delete from access.membership`)
	_, err := h.Login(t.Context(), here, ownerEmail, ownerPassword, domain.TenantID{})
	refused(t, err, domain.Forbidden, "not_a_member")
}

func TestGuessesAreLimited(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	for _, account := range []string{ownerEmail, "nobody@example.com"} {
		spellings := []string{account, strings.ToUpper(account), " " + account}
		login := func(password string) error {
			spellings = append(spellings[1:], spellings[0])
			_, err := h.Login(t.Context(), here, spellings[0], password, domain.TenantID{})
			return err
		}
		if account == ownerEmail {
			for range 20 {
				if err := login(ownerPassword); err != nil {
					t.Fatalf("right passwords were counted: %v", err)
				}
			}
		}
		for range 5 {
			unknown(t, login("wrong"))
		}
		err := login("wrong")
		refused(t, err, domain.RateLimited, "too_many_attempts")
		if e, _ := errors.AsType[*domain.Error](err); e.Data["retry_after"] != 30 {
			t.Errorf("retry after %v", e.Data["retry_after"])
		}
		refused(t, login(ownerPassword), domain.RateLimited, "too_many_attempts")
		h.clock.advance(29 * time.Second)
		refused(t, login("wrong"), domain.RateLimited, "too_many_attempts")
		h.clock.advance(time.Second)
		unknown(t, login("wrong"))
		refused(t, login("wrong"), domain.RateLimited, "too_many_attempts")
		h.clock.advance(time.Hour)
		for range 5 {
			unknown(t, login("wrong"))
		}
		refused(t, login("wrong"), domain.RateLimited, "too_many_attempts")
	}
	// Who guessed at one account did not shut out another.
	if _, err := h.Login(t.Context(), here, ownerEmail, ownerPassword, domain.TenantID{}); err != nil {
		t.Error(err)
	}
}

// A stranger who guesses, from wherever, does not shut out who has the password:
// not from another address as long as few guess, and never from an address that
// was right before.
func TestGuessesOfStrangers(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	login := func(from, password string) error {
		_, err := h.Login(t.Context(), netip.MustParseAddr(from), ownerEmail, password, domain.TenantID{})
		return err
	}
	if err := login("192.0.2.1", ownerPassword); err != nil {
		t.Fatal(err)
	}
	for range fromOne.burst {
		unknown(t, login("198.51.100.1", "wrong"))
	}
	for _, same := range []string{"198.51.100.1", "::ffff:198.51.100.1"} {
		refused(t, login(same, "wrong"), domain.RateLimited, "too_many_attempts")
	}
	if err := login("203.0.113.1", ownerPassword); err != nil {
		t.Errorf("from another address: %v", err)
	}
	for i := range fromAll.burst - fromOne.burst {
		unknown(t, login(fmt.Sprintf("2001:db8:0:%x::1", i), "wrong"))
	}
	refused(t, login("2001:db8:1::1", "wrong"), domain.RateLimited, "too_many_attempts")
	refused(t, login("2001:db8:1::1", ownerPassword), domain.RateLimited, "too_many_attempts")
	for range 2 * fromOne.burst { // a right guess does not count
		if err := login("192.0.2.1", ownerPassword); err != nil {
			t.Fatalf("from where it was known: %v", err)
		}
	}
	h.clock.advance(fromAll.every)
	if err := login("2001:db8:1::1", ownerPassword); err != nil {
		t.Errorf("a moment later: %v", err)
	}
	for i := range fromOne.burst {
		unknown(t, login(fmt.Sprintf("2001:db8:1::%x", i), "wrong")) // one network
	}
	refused(t, login("2001:db8:1::ff", "wrong"), domain.RateLimited, "too_many_attempts")
}

// What is allowed to come in a moment is not known before the work is done, so
// many guesses at once get no further than one after the other.
func TestGuessesAtOnce(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	errs := make(chan error, 200)
	for range cap(errs) {
		go func() {
			_, err := h.Login(t.Context(), here, ownerEmail, "wrong", domain.TenantID{})
			errs <- err
		}()
	}
	looked := 0
	for range cap(errs) {
		if err := <-errs; errors.Is(err, domain.Unauthenticated) {
			looked++
		} else if !errors.Is(err, domain.RateLimited) && !errors.Is(err, domain.Unavailable) {
			t.Error(err)
		}
	}
	if looked > fromOne.burst {
		t.Errorf("looked at %d guesses", looked)
	}
}

func TestLoginWhenBusy(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	for range cap(h.secrets.slots) {
		if _, err := h.secrets.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := h.Login(ctx, here, ownerEmail, ownerPassword, domain.TenantID{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("did not wait: %v", err)
	}
	for len(h.secrets.queue) < cap(h.secrets.queue) {
		h.secrets.queue <- struct{}{}
	}
	for range 2 * fromOne.burst {
		_, err := h.Login(t.Context(), here, ownerEmail, "wrong", domain.TenantID{})
		refused(t, err, domain.Unavailable, "busy")
	}
}

// A guess that was not looked at does not count.
func TestLoginWithoutDatabase(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	h.db.Wall.Close()
	for range 2 * fromOne.burst {
		_, err := h.Login(t.Context(), here, ownerEmail, ownerPassword, domain.TenantID{})
		if err == nil || len(domain.Refusals(err)) > 0 {
			t.Fatalf("got %v, want a fault", err)
		}
		silent(t, err, ownerEmail, ownerPassword)
	}
}

func TestPasswordsAreRenewedAtLogin(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	stored := func() string { return rows[string](t, h, `select password from access.users`)[0] }
	before := stored()
	if _, err := h.Login(t.Context(), here, ownerEmail, ownerPassword, domain.TenantID{}); err != nil || stored() != before {
		t.Errorf("renewed without need (%v)", err)
	}
	dearer := h.node(t, Argon2{MemoryKiB: 128, Time: 2, Threads: 1})
	unknownTo(t, dearer, "wrong")
	if stored() != before {
		t.Error("renewed after a wrong password")
	}
	if _, err := dearer.Login(t.Context(), here, ownerEmail, ownerPassword, domain.TenantID{}); err != nil {
		t.Fatal(err)
	}
	after := stored()
	if !strings.HasPrefix(after, "$argon2id$v=19$m=128,t=2,p=1$") {
		t.Errorf("stored %.32s…", after)
	}
	unknownTo(t, dearer, "wrong")
	if _, err := dearer.Login(t.Context(), here, ownerEmail, ownerPassword, domain.TenantID{}); err != nil || stored() != after {
		t.Errorf("renewed twice (%v)", err)
	}
}

func unknownTo(t *testing.T, d *Directory, password string) {
	t.Helper()
	_, err := d.Login(t.Context(), here, ownerEmail, password, domain.TenantID{})
	unknown(t, err)
}

// A user who does not exist costs what one who does costs, and has no password.
func TestTheDummy(t *testing.T) {
	t.Parallel()
	h, err := newHasher(Config{Password: Argon2{MemoryKiB: 100, Time: 2, Threads: 1}, Random: zeros{}})
	if err != nil {
		t.Fatal(err)
	}
	if h.outdated(h.dummy) {
		t.Error("the dummy has another cost")
	}
	for _, stored := range []string{"", h.dummy} {
		if ok, err := h.verify(t.Context(), "", stored); ok || err != nil {
			t.Error(ok, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestUnreadablePasswords(t *testing.T) {
	t.Parallel()
	h, err := newHasher(Config{Password: cheap, Random: zeros{}})
	if err != nil {
		t.Fatal(err)
	}
	good, err := h.hash(t.Context(), ownerPassword)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := h.verify(t.Context(), ownerPassword, good); !ok || err != nil {
		t.Fatal(ok, err)
	}
	for _, bad := range []string{
		"x", "$", "$$$$$", good[1:], good + "$", strings.Replace(good, "argon2id", "argon2i", 1),
		strings.Replace(good, "v=19", "v=18", 1), strings.Replace(good, "t=1", "t=0", 1), strings.Replace(good, "p=1", "p=0", 1),
		strings.Replace(good, "p=1", "p=999", 1), strings.Replace(good, "m=64", "m=", 1), good[:len(good)-40], good[:len(good)-1] + "!",
	} {
		if ok, err := h.verify(t.Context(), ownerPassword, bad); ok || !errors.Is(err, errNotPHC) {
			t.Errorf("%q: %v, %v", bad, ok, err)
		}
	}
}
