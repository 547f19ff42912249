package access

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rowhouse/rowhouse/domain"
)

func TestSetup(t *testing.T) {
	t.Parallel()
	h := empty(t)
	ctx := t.Context()

	if _, err := h.Setup(ctx, setupRequest("")); err == nil {
		t.Fatal("was set up before there was a token")
	} else {
		unknown(t, err)
	}
	token, pending, err := h.EnsureSetup(ctx)
	if err != nil || !pending || len(token) != 40 {
		t.Fatal(token, pending, err)
	}
	again, pending, err := h.node(t, cheap).EnsureSetup(ctx)
	if err != nil || !pending || again != token {
		t.Fatalf("after a restart the token is %q (%v, %v), was %q", again, pending, err, token)
	}
	for _, wrong := range []string{"", token[1:], token + "0", strings.ToUpper(token), strings.Repeat("0", 40)} {
		if wrong == token {
			continue
		}
		_, err := h.Setup(ctx, setupRequest(wrong))
		unknown(t, err)
	}

	s, err := h.Setup(ctx, setupRequest(token))
	if err != nil {
		t.Fatal(err)
	}
	p, err := h.Authenticate(ctx, s.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	if p.Tenant() != s.TenantID || p.Organization != s.OrganizationID || p.Actor() != (domain.Actor{Kind: "user", ID: s.UserID}) || p.Role != Owner {
		t.Errorf("authenticated as %+v, want %+v", p, s)
	}
	if got := s.ExpiresAt.Sub(h.clock.Now()); got != maxTokenLife {
		t.Errorf("the token is good for %v", got)
	}

	_, err = h.Setup(ctx, setupRequest(token))
	refused(t, err, domain.Conflict, "already_set_up")
	_, err = h.Setup(ctx, setupRequest("wrong"))
	unknown(t, err)
	token, pending, err = h.EnsureSetup(ctx)
	if err != nil || pending || token != "" {
		t.Errorf("after the first use: %q, %v, %v", token, pending, err)
	}
}

func TestSetupSaysAllThatIsWrong(t *testing.T) {
	t.Parallel()
	h := empty(t)
	token, _, err := h.EnsureSetup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*SetupRequest)
		want   []string
	}{
		"nothing given": {
			func(r *SetupRequest) { *r = SetupRequest{Token: r.Token} },
			[]string{"/organization required", "/owner required", "/tenant required"},
		},
		"no names": {
			func(r *SetupRequest) { r.Owner.Name, r.Tenant.Name = "", strings.Repeat("x", 201) },
			[]string{"/owner/name required", "/tenant/name too_long"},
		},
		"NUL": {
			func(r *SetupRequest) { r.Organization.Name = "a\x00b" },
			[]string{"/organization/name invalid_text"},
		},
		"no address": {
			func(r *SetupRequest) { r.Owner.Email = "ada" },
			[]string{"/owner/email invalid_email"},
		},
		"no password":       {func(r *SetupRequest) { r.Owner.Password = "" }, []string{"/owner/password required"}},
		"short password":    {func(r *SetupRequest) { r.Owner.Password = "elevenchars" }, []string{"/owner/password too_short"}},
		"long password":     {func(r *SetupRequest) { r.Owner.Password = strings.Repeat("xy", 65) }, []string{"/owner/password too_long"}},
		"common password":   {func(r *SetupRequest) { r.Owner.Password = "PassWord1234" }, []string{"/owner/password too_common"}},
		"typed full width":  {func(r *SetupRequest) { r.Owner.Password = "ｐassword1234" }, []string{"/owner/password too_common"}},
		"address twice":     {func(r *SetupRequest) { r.Owner.Password = "Ada@Example.com" }, []string{"/owner/password same_as_email"}},
		"password no UTF-8": {func(r *SetupRequest) { r.Owner.Password = "elevenchars\xff" }, []string{"/owner/password invalid_text"}},
	} {
		r := setupRequest(token)
		c.change(&r)
		_, err := h.Setup(t.Context(), r)
		var got []string
		for _, e := range domain.Refusals(err) {
			e, ok := errors.AsType[*domain.Error](e)
			if !ok || e.Reason != domain.Invalid {
				t.Fatalf("%s: %v", name, e)
			}
			got = append(got, e.Pointer+" "+e.Code)
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
		if r.Owner.Password != "" {
			silent(t, err, r.Owner.Password, token)
		}
	}
	if got := rows[int](t, h, `select count(*)::int from access.organization`); got[0] != 0 {
		t.Errorf("%d organizations were made", got[0])
	}
}

// All who have the token may try at once, on several nodes: one gets in.
func TestSetupHappensOnce(t *testing.T) {
	t.Parallel()
	h := empty(t)
	token, _, err := h.EnsureSetup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	nodes := []*Directory{h.Directory, h.node(t, cheap), h.node(t, cheap)}
	errs := make([]error, 100)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, errs[i] = nodes[i%len(nodes)].Setup(t.Context(), setupRequest(token)) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		refused(t, err, domain.Conflict, "already_set_up")
	}
	if won != 1 {
		t.Errorf("%d won", won)
	}
	for _, table := range []string{"organization", "users", "organization_member", "tenant", "membership"} {
		if got := rows[int](t, h, `select count(*)::int from access.`+table); got[0] != 1 {
			t.Errorf("%d rows in %s", got[0], table)
		}
	}
}

func TestSetupIsAllOrNothing(t *testing.T) {
	t.Parallel()
	h := empty(t)
	token, _, err := h.EnsureSetup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.super(t, `revoke execute on function es.create_tenant(uuid, text) from public, rowhouse_access`)
	_, err = h.Setup(t.Context(), setupRequest(token))
	if err == nil || len(domain.Refusals(err)) > 0 {
		t.Fatalf("got %v, want a fault", err)
	}
	silent(t, err, token, ownerEmail, ownerPassword)
	for _, table := range []string{"organization", "users", "organization_member", "tenant", "membership"} {
		if got := rows[int](t, h, `select count(*)::int from access.`+table); got[0] != 0 {
			t.Errorf("%d rows in %s", got[0], table)
		}
	}
	h.super(t, `grant execute on function es.create_tenant(uuid, text) to rowhouse_access`)
	if _, err := h.Setup(t.Context(), setupRequest(token)); err != nil {
		t.Error(err)
	}
}

// Whoever reads the database learns neither the token nor the password.
func TestNothingSecretIsStored(t *testing.T) {
	t.Parallel()
	h := empty(t)
	token, _, err := h.EnsureSetup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if h.owner, err = h.Setup(t.Context(), setupRequest(token)); err != nil {
		t.Fatal(err)
	}
	_, text := h.key(t, h.owner, KeyRequest{Name: "import"})
	for _, dump := range rows[string](t, h, `
		select x::text from access.setup x union all select x::text from access.users x union all select x::text from access.api_key x`) {
		if strings.Contains(dump, token) || strings.Contains(dump, ownerPassword) || strings.Contains(dump, text[len(text)-49:len(text)-6]) {
			t.Errorf("stored: %s", dump)
		}
	}
}
