package access

import (
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/viewer"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	ctx := t.Context()
	k, text := h.key(t, h.owner, KeyRequest{Name: "import"})
	want := Key{ID: k.ID, Name: "import", Role: Admin, CreatedBy: h.owner.UserID, CreatedAt: h.clock.Now()}
	if d := cmp.Diff(want, k); d != "" {
		t.Error(d)
	}
	p, err := h.Authenticate(ctx, text)
	if err != nil {
		t.Fatal(err)
	}
	if p.Tenant() != h.owner.TenantID || p.Organization != h.owner.OrganizationID || p.Actor() != (domain.Actor{Kind: "api_key", ID: k.ID}) || p.Role != Admin {
		t.Errorf("authenticated as %+v", p)
	}
	if !p.May("contact:create") || !p.May("pipeline:create") || p.May("api_key:create") || p.May("api_key:read") || p.May("tenant:delete") {
		t.Error("may not do what it should, or may do what it should not")
	}

	// It is listed with the time of its use, and without its text.
	o := h.origin(t, h.owner.AccessToken)
	list, err := h.ListKeys(ctx, o, domain.ID{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	want.LastUsedAt = new(h.clock.Now())
	if d := cmp.Diff([]Key{want}, list); d != "" {
		t.Error(d)
	}
	h.clock.advance(59 * time.Second)
	h.origin(t, text)
	h.clock.advance(time.Second)
	h.origin(t, text)
	list, err = h.ListKeys(ctx, o, domain.ID{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	if got := list[0].LastUsedAt.Sub(*want.LastUsedAt); got != time.Minute {
		t.Errorf("last used %v later", got)
	}

	// It is worthless once it is revoked, and that can be said twice.
	if err := h.RevokeKey(ctx, o, k.ID); err != nil {
		t.Fatal(err)
	}
	_, err = h.Authenticate(ctx, text)
	unknown(t, err)
	revoked := h.clock.Now()
	h.clock.advance(time.Hour)
	if err := h.RevokeKey(ctx, o, k.ID); err != nil {
		t.Fatal(err)
	}
	list, err = h.ListKeys(ctx, o, domain.ID{}, 10)
	if err != nil || list[0].RevokedAt == nil || !list[0].RevokedAt.Equal(revoked) {
		t.Errorf("listed as %+v, %v", list, err)
	}
	refused(t, h.RevokeKey(ctx, o, domain.ID{Prefix: "key", UUID: newID()}), domain.NotFound, "not_found")
}

func TestListKeysInPages(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	var want, got []domain.ID
	for range 5 {
		k, _ := h.key(t, h.owner, KeyRequest{Name: "k"})
		want = append(want, k.ID)
	}
	for after := (domain.ID{}); ; {
		page, err := h.ListKeys(t.Context(), h.origin(t, h.owner.AccessToken), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, k := range page {
			got = append(got, k.ID)
		}
		after = got[len(got)-1]
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestKeyExpires(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	_, text := h.key(t, h.owner, KeyRequest{Name: "x", ExpiresAt: new(h.clock.Now().Add(time.Second))})
	h.origin(t, text)
	h.clock.advance(time.Second) // and what is remembered is still fresh
	_, err := h.Authenticate(t.Context(), text)
	unknown(t, err)
	_, err = h.node(t, cheap).Authenticate(t.Context(), text)
	unknown(t, err)
}

func TestKeyRequests(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	admin, member := h.member(t, h.owner.TenantID, Admin), h.member(t, h.owner.TenantID, Member)
	_, key := h.key(t, h.owner, KeyRequest{Name: "k", Role: Owner})
	past := h.clock.Now()
	for name, c := range map[string]struct {
		bearer string
		r      KeyRequest
		role   Role
		reason domain.Reason
		code   string
	}{
		"owner gives admin if not asked": {h.owner.AccessToken, KeyRequest{Name: "x"}, Admin, "", ""},
		"owner gives owner if asked":     {h.owner.AccessToken, KeyRequest{Name: "x", Role: Owner}, Owner, "", ""},
		"owner gives less":               {h.owner.AccessToken, KeyRequest{Name: "x", Role: ReadOnly}, ReadOnly, "", ""},
		"admin gives admin":              {admin, KeyRequest{Name: "x"}, Admin, "", ""},
		"admin gives more":               {admin, KeyRequest{Name: "x", Role: Owner}, "", domain.Forbidden, "role_exceeds_own"},
		"member":                         {member, KeyRequest{Name: "x", Role: ReadOnly}, "", domain.Forbidden, "forbidden"},
		"key":                            {key, KeyRequest{Name: "x", Role: ReadOnly}, "", domain.Forbidden, "forbidden"},
		"no name":                        {admin, KeyRequest{}, "", domain.Invalid, "required"},
		"long name":                      {admin, KeyRequest{Name: strings.Repeat("x", 201)}, "", domain.Invalid, "too_long"},
		"unknown role":                   {admin, KeyRequest{Name: "x", Role: "root"}, "", domain.Invalid, "unknown_value"},
		"expired":                        {admin, KeyRequest{Name: "x", ExpiresAt: &past}, "", domain.Invalid, "in_the_past"},
	} {
		k, text, err := h.CreateKey(t.Context(), h.origin(t, c.bearer), c.r)
		if c.reason != "" {
			t.Log(name)
			refused(t, err, c.reason, c.code)
			if text != "" {
				t.Errorf("%s: a key got out", name)
			}
			continue
		}
		if err != nil || k.Role != c.role {
			t.Errorf("%s: got %v, %v", name, k.Role, err)
		}
	}
	// Who may not make keys may not see or revoke them.
	for _, bearer := range []string{member, key} {
		_, err := h.ListKeys(t.Context(), h.origin(t, bearer), domain.ID{}, 10)
		refused(t, err, domain.Forbidden, "forbidden")
		refused(t, h.RevokeKey(t.Context(), h.origin(t, bearer), domain.ID{}), domain.Forbidden, "forbidden")
	}
	// Whatever the origin claims: a key gets no more than its maker has, and
	// nothing from who is not a member.
	o := h.origin(t, member)
	o.Viewer = viewer.Server(o.Tenant, o.Actor, "api_key:create")
	if k, _, err := h.CreateKey(t.Context(), o, KeyRequest{Name: "x"}); err != nil || k.Role != Member {
		t.Errorf("got %v, %v", k.Role, err)
	}
	o.Actor.ID.UUID = newID()
	_, _, err := h.CreateKey(t.Context(), o, KeyRequest{Name: "x"})
	refused(t, err, domain.Forbidden, "forbidden")
}

// A key may never do more than the one who made it, and goes with them.
func TestKeyFollowsItsMaker(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	admin := h.member(t, h.owner.TenantID, Admin)
	user := h.origin(t, admin).Actor.ID
	_, text, err := h.CreateKey(t.Context(), h.origin(t, admin), KeyRequest{Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if !h.origin(t, text).Viewer.May("pipeline:create") {
		t.Error("may not do what its maker may")
	}
	h.super(t, `update access.membership set role = 'read_only' where user_id = $1`, user.UUID)
	h.clock.advance(freshness)
	if o := h.origin(t, text); o.Viewer.May("pipeline:create") || !o.Viewer.May("pipeline:read") {
		t.Error("may still do what its maker may no longer")
	}
	h.super(t, `delete from access.membership where user_id = $1`, user.UUID)
	h.clock.advance(freshness)
	_, err = h.Authenticate(t.Context(), text)
	unknown(t, err)
}

func TestForgedKeys(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	second := h.tenant(t, "Second client")
	k, text := h.key(t, h.owner, KeyRequest{Name: "x"})
	h.origin(t, text)
	sum := func(s string) string { return s + checksum(s) }
	body := text[:keyLen-sumLen]
	tenantAt, idAt, secretAt := len(keyMark), len(keyMark)+idLen, len(keyMark)+2*idLen+1
	ofSecond := second.TenantID.String()[4:]
	onlyTheDatabaseKnows := map[string]bool{
		"of another tenant": true, "tenant that is not": true, "key that is not": true,
		"another secret": true, "one character of secret": true, "NUL": true, "not UTF-8": true, "SQL": true,
	}
	for name, forged := range map[string]string{
		"mark only":               keyMark,
		"truncated":               text[:keyLen-1],
		"one more":                text + "0",
		"no checksum":             body,
		"in capitals":             keyMark + strings.ToUpper(text[len(keyMark):]),
		"another mark":            "crm_" + text[4:],
		"of another tenant":       sum(body[:tenantAt] + ofSecond + body[idAt:]),
		"tenant that is not":      sum(body[:tenantAt] + (domain.ID{Prefix: "x", UUID: newID()}).String()[2:] + body[idAt:]),
		"key that is not":         sum(body[:idAt] + (domain.ID{Prefix: "x", UUID: newID()}).String()[2:] + body[idAt+idLen:]),
		"another secret":          sum(body[:secretAt] + strings.Repeat("a", secretLen)),
		"one character of secret": sum(body[:secretAt] + flip(body[secretAt:secretAt+1]) + body[secretAt+1:]),
		"no underscore":           sum(body[:secretAt-1] + "x" + body[secretAt:]),
		"id out of range":         sum(body[:idAt] + "z" + body[idAt+1:]),
		"space around":            " " + text + " ",
		"NUL":                     sum(body[:secretAt] + "\x00" + body[secretAt+1:]),
		"not UTF-8":               sum(body[:secretAt] + "\xff" + body[secretAt+1:]),
		"SQL":                     sum(body[:secretAt] + ("' or 1=1 --" + strings.Repeat("x", secretLen))[:secretLen]),
		"1 MB":                    text + strings.Repeat("a", 1<<20),
	} {
		if _, err := h.Authenticate(t.Context(), forged); err != errUnauthenticated { //nolint:errorlint // exactly this one
			t.Errorf("%s: %v", name, err)
		}
		if _, _, err := parseKey(forged); (err == nil) != onlyTheDatabaseKnows[name] {
			t.Errorf("%s: the database was asked: %v", name, err == nil)
		}
	}
	for i := range text {
		forged := text[:i] + flip(text[i:i+1]) + text[i+1:]
		if _, err := h.Authenticate(t.Context(), forged); err != errUnauthenticated { //nolint:errorlint // exactly this one
			t.Errorf("with another character at %d: %v", i, err)
		}
		// The checksum alone sees it: no database is asked.
		if _, _, err := parseKey(forged); err == nil {
			t.Errorf("the checksum does not see another character at %d", i)
		}
	}
	// A hash is good for its own row only.
	h.super(t, `insert into access.api_key (tenant_id, id, name, hash, role, created_by, created_at)
		select $1, id, name, hash, role, created_by, created_at from access.api_key where id = $2`, second.TenantID.UUID, k.ID.UUID)
	_, err := h.Authenticate(t.Context(), sum(body[:tenantAt]+ofSecond+body[idAt:]))
	unknown(t, err)
	h.origin(t, text)
}

func flip(c string) string {
	if c == "7" {
		return "8"
	}
	return "7"
}

func TestKeyText(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	count := make(map[rune]int)
	for range 1000 {
		tenant, id := domain.TenantID{UUID: newID()}, newID()
		text, err := newKey(tenant, id, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		gotTenant, gotID, err := parseKey(text)
		if err != nil || gotTenant != tenant || gotID != id {
			t.Fatalf("%s: %v %v %v", text, gotTenant, gotID, err)
		}
		secret := text[keyLen-sumLen-secretLen : keyLen-sumLen]
		if seen[secret] {
			t.Fatal("a secret came twice")
		}
		seen[secret] = true
		for _, c := range secret {
			count[c]++
		}
	}
	// 43,000 characters, so 694 of each; 6 standard deviations are 157.
	for _, c := range base62 {
		if n := count[c]; n < 530 || n > 860 {
			t.Errorf("%c comes %d times", c, n)
		}
	}
}
