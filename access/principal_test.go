package access

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/wall"
)

// A request that comes soon after another needs no database, and one that comes
// later does not go by what was true once.
func TestAuthenticateRemembersBriefly(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	_, key := h.key(t, h.owner, KeyRequest{Name: "k"})
	w, err := wall.Open(t.Context(), h.db.Config())
	if err != nil {
		t.Fatal(err)
	}
	cut := h.node(t, cheap)
	cut.wall = w
	bearers := []string{h.owner.AccessToken, key}
	for _, b := range bearers {
		if _, err := cut.Authenticate(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	h.clock.advance(freshness - time.Nanosecond)
	for _, b := range bearers {
		if _, err := cut.Authenticate(t.Context(), b); err != nil {
			t.Errorf("asked the database: %v", err)
		}
	}
	h.clock.advance(time.Nanosecond)
	for _, b := range bearers {
		if _, err := cut.Authenticate(t.Context(), b); err == nil || errors.Is(err, domain.Unauthenticated) {
			t.Errorf("got %v, want a fault", err)
		} else {
			silent(t, err, b, ownerEmail)
		}
	}
}

func TestRevocationTakesFiveSeconds(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	ctx := t.Context()
	other := h.node(t, cheap)
	token := h.member(t, h.owner.TenantID, Admin)
	user := h.origin(t, token).Actor.ID
	k, key := h.key(t, h.owner, KeyRequest{Name: "k"})
	may := func(bearer string, p domain.Permission) bool {
		t.Helper()
		who, err := other.Authenticate(ctx, bearer)
		if err != nil {
			t.Fatal(err)
		}
		return who.May(p)
	}
	if !may(token, "pipeline:create") || !may(key, "pipeline:create") {
		t.Fatal("may not from the start")
	}

	h.super(t, `update access.membership set role = 'read_only' where user_id = $1`, user.UUID)
	if err := h.RevokeKey(ctx, h.origin(t, h.owner.AccessToken), k.ID); err != nil {
		t.Fatal(err)
	}
	h.clock.advance(freshness)
	if may(token, "pipeline:create") {
		t.Error("a role that was taken away is still good")
	}
	_, err := other.Authenticate(ctx, key)
	unknown(t, err)

	h.super(t, `update access.membership set role = 'emperor' where user_id = $1`, user.UUID)
	h.clock.advance(freshness)
	if may(token, "pipeline:read") {
		t.Error("a role that there is not allows something")
	}
	h.super(t, `delete from access.membership where user_id = $1`, user.UUID)
	h.clock.advance(freshness)
	_, err = other.Authenticate(ctx, token)
	unknown(t, err)
	_, err = other.Authenticate(ctx, token)
	unknown(t, err)
}

// A clock that is set back does not make what is remembered last longer.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	token := h.member(t, h.owner.TenantID, Member)
	user := h.origin(t, token).Actor.ID
	h.super(t, `delete from access.membership where user_id = $1`, user.UUID)
	h.clock.advance(-time.Second)
	_, err := h.Authenticate(t.Context(), token)
	unknown(t, err)
}

// A caller who gives up does not wait, and does not take along those who wait
// for the same look-up.
func TestLookUpIsShared(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	s := subject{kind: userKind, tenant: h.owner.TenantID, id: h.owner.UserID.UUID}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Authenticate(impatient, h.owner.AccessToken); !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up got %v", err)
	}
	// Either the look-up is still under way, and we wait for it, or it is over.
	<-h.loads.DoChan(s.flight(), func() (any, error) { return (*standing)(nil), nil })
	if !h.standings.Contains(s) {
		t.Error("the look-up was given up as well")
	}
}

// All who ask for the same subject at once wait for one look-up.
func TestLookUpHappensOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := lone(t) // who looks up without a database panics
		s := subject{kind: userKind, tenant: domain.TenantID{UUID: newID()}, id: newID()}
		organization := newID()
		token, _, err := d.tokens.issue(d.now(), s.id, s.tenant, organization)
		if err != nil {
			t.Fatal(err)
		}
		end := make(chan struct{})
		ours := d.loads.DoChan(s.flight(), func() (any, error) {
			<-end
			return &standing{principal: Principal{Organization: domain.ID{Prefix: "org", UUID: organization}}}, nil
		})
		errs := make([]error, 100)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { _, errs[i] = d.Authenticate(t.Context(), token) })
		}
		synctest.Wait()
		close(end)
		<-ours
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
	})
}

func TestRoles(t *testing.T) {
	t.Parallel()
	for p, want := range map[domain.Permission][]Role{
		"contact:read":    {Owner, Admin, Member, ReadOnly},
		"contact:create":  {Owner, Admin, Member},
		"company:delete":  {Owner, Admin, Member},
		"deal:close":      {Owner, Admin, Member},
		"task:update":     {Owner, Admin, Member},
		"pipeline:read":   {Owner, Admin, Member, ReadOnly},
		"pipeline:create": {Owner, Admin},
		"event:read":      {Owner, Admin, Member, ReadOnly},
		"api_key:create":  {Owner, Admin},
		"api_key:read":    {Owner, Admin, ReadOnly},
		"tenant:delete":   {Owner},
		"unheard:of":      nil,
		"deal:unheard_of": nil,
		"*:*":             nil,
		"*:read":          nil,
		"deal:*":          nil,
		"":                nil,
		"contact":         nil,
		"contact:":        nil,
		":read":           nil,
	} {
		var got []Role
		for _, r := range append(Roles(), "", "emperor", "Owner", "*") {
			if r.Rights().Allows(p) {
				got = append(got, r)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %v may, want %v", p, got, want)
		}
	}
	for i, r := range Roles() {
		for j, other := range Roles() {
			if r.exceeds(other) != (i < j) {
				t.Errorf("%s exceeds %s: %v", r, other, i >= j)
			}
		}
		if !Role("emperor").exceeds(r) || !r.exceeds("emperor") {
			t.Error("a role that there is not has a place on the ladder")
		}
	}
}
