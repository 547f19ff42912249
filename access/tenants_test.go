package access

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/domain"
)

func TestCreateTenant(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	ctx := t.Context()
	o, org := h.origin(t, h.owner.AccessToken), h.owner.OrganizationID

	tn, err := h.CreateTenant(ctx, o.Origin, org, TenantRequest{Name: "Second client"})
	if err != nil {
		t.Fatal(err)
	}
	if tn.Name != "Second client" || tn.OrganizationID != org || !tn.CreatedAt.Equal(h.clock.Now()) {
		t.Errorf("made %+v", tn)
	}
	// It can be used at once: its log has a head, and its owner gets in.
	s, err := h.Login(ctx, here, ownerEmail, ownerPassword, tn.ID)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := h.Authenticate(ctx, s.AccessToken); err != nil || p.Tenant() != tn.ID || p.Role != Owner {
		t.Errorf("authenticated as %+v, %v", p, err)
	}
	if n := rows[int](t, h, `select count(*)::int from es.tenant_head where tenant_id = $1`, tn.ID.UUID); n[0] != 1 {
		t.Errorf("its log has %d heads", n[0])
	}

	// With an ID of the client's choice it can be asked for again.
	r := TenantRequest{ID: domain.TenantID{UUID: newID()}, Name: "Third client"}
	first, err := h.CreateTenant(ctx, o.Origin, org, r)
	if err != nil || first.ID != r.ID {
		t.Fatal(first, err)
	}
	h.clock.advance(time.Second)
	if again, err := h.CreateTenant(ctx, o.Origin, org, r); err != nil || !again.CreatedAt.Equal(first.CreatedAt) || again.ID != first.ID {
		t.Errorf("again: %+v, %v", again, err)
	}
	r.Name = "Fourth client"
	_, err = h.CreateTenant(ctx, o.Origin, org, r)
	refused(t, err, domain.Conflict, "id_in_use")

	var got []domain.TenantID
	for after := (domain.TenantID{}); ; after = got[len(got)-1] {
		page, err := h.ListTenants(ctx, o.Origin, org, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, tn := range page {
			got = append(got, tn.ID)
		}
		if len(page) < 2 {
			break
		}
	}
	if !slices.Equal(got, []domain.TenantID{h.owner.TenantID, tn.ID, first.ID}) {
		t.Errorf("listed %v", got)
	}
}

func TestCreateTenantIsRefused(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	_, key := h.key(t, h.owner, KeyRequest{Name: "k", Role: Owner})
	stranger := h.member(t, h.owner.TenantID, Owner) // of the tenant, but not of the organization
	colleague := h.member(t, h.owner.TenantID, Owner)
	foreign := newID()
	h.super(t, `insert into access.organization (id, name, created_at) values ($1, 'x', now())`, foreign)
	h.super(t, `insert into access.users (id, email, name, password, created_at) values ($1, 'bob@example.com', 'Bob', 'x', now())`,
		h.origin(t, colleague).Actor.ID.UUID)
	h.super(t, `insert into access.organization_member (organization_id, user_id, role) values ($1, $2, 'member')`,
		h.owner.OrganizationID.UUID, h.origin(t, colleague).Actor.ID.UUID)
	theirs := newID()
	h.super(t, `insert into access.tenant (id, organization_id, name, created_at) values ($1, $2, 'Theirs', now())`, theirs, foreign)

	own := h.owner.OrganizationID
	for name, c := range map[string]struct {
		bearer string
		org    domain.ID
		r      TenantRequest
		reason domain.Reason
		code   string
	}{
		"foreign organization": {h.owner.AccessToken, domain.ID{Prefix: "org", UUID: foreign}, TenantRequest{Name: "x"}, domain.NotFound, "not_found"},
		"no organization":      {h.owner.AccessToken, domain.ID{Prefix: "org", UUID: newID()}, TenantRequest{Name: "x"}, domain.NotFound, "not_found"},
		"stranger":             {stranger, own, TenantRequest{Name: "x"}, domain.NotFound, "not_found"},
		"key":                  {key, own, TenantRequest{Name: "x"}, domain.NotFound, "not_found"},
		"no owner":             {colleague, own, TenantRequest{Name: "x"}, domain.Forbidden, "forbidden"},
		"no name":              {h.owner.AccessToken, own, TenantRequest{}, domain.Invalid, "required"},
		"long name":            {h.owner.AccessToken, own, TenantRequest{Name: strings.Repeat("x", 201)}, domain.Invalid, "too_long"},
		"foreign tenant":       {h.owner.AccessToken, own, TenantRequest{ID: domain.TenantID{UUID: theirs}, Name: "Theirs"}, domain.Conflict, "id_in_use"},
	} {
		_, err := h.CreateTenant(t.Context(), h.origin(t, c.bearer).Origin, c.org, c.r)
		t.Log(name)
		refused(t, err, c.reason, c.code)
		if c.reason == domain.NotFound {
			_, err := h.ListTenants(t.Context(), h.origin(t, c.bearer).Origin, c.org, domain.TenantID{}, 10)
			refused(t, err, c.reason, c.code)
		}
	}
	if n := rows[int](t, h, `select count(*)::int from access.membership where tenant_id = $1`, theirs); n[0] != 0 {
		t.Error("somebody got into a foreign tenant")
	}
	list, err := h.ListTenants(t.Context(), h.origin(t, colleague).Origin, own, domain.TenantID{}, 10)
	if err != nil || len(list) != 1 || list[0].ID != h.owner.TenantID {
		t.Errorf("listed %v, %v", list, err)
	}
	if n := rows[int](t, h, `select count(*)::int from access.tenant`); n[0] != 2 {
		t.Errorf("there are %d tenants", n[0])
	}
}

func TestCreateTenantAtOnce(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	o := h.origin(t, h.owner.AccessToken)
	r := TenantRequest{ID: domain.TenantID{UUID: newID()}, Name: "Second client"}
	var wg sync.WaitGroup
	errs := make([]error, 50)
	for i := range errs {
		wg.Go(func() { _, errs[i] = h.CreateTenant(t.Context(), o.Origin, h.owner.OrganizationID, r) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := rows[int](t, h, `select count(*)::int from access.membership where tenant_id = $1`, r.ID.UUID); n[0] != 1 {
		t.Errorf("%d memberships", n[0])
	}
}
