package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/api/apitest"
)

func TestSetup(t *testing.T) {
	t.Parallel()
	s := apitest.Unused(t)
	nobody := s.Nobody()
	body := func(token, email string) string {
		return `{"token":"` + token + `","organization":{"name":"Acme"},"tenant":{"name":"First"},"owner":{"email":"` + email + `","password":"the analytical engine","name":"Ada"}}`
	}
	nobody.Post("/v1/setup", body("wrong", "ada@example.org")).WantProblem(http.StatusUnauthorized, "unauthenticated")
	nobody.Post("/v1/setup", body(s.Token, "x")).WantProblem(http.StatusUnprocessableEntity, "invalid_email", "/owner/email invalid_email")
	nobody.Post("/v1/setup", `{}`).WantProblem(http.StatusUnprocessableEntity, "validation_failed",
		"/token required", "/organization required", "/tenant required", "/owner required")
	nobody.Post("/v1/setup", body(s.Token, "ada@example.org")).
		Want(http.StatusCreated, `"organization_id":"org_`, `"tenant_id":"ten_`, `"user_id":"usr_`, `"access_token":"`).WantHeader("Cache-Control", "no-store")
	nobody.Post("/v1/setup", body(s.Token, "ada@example.org")).WantProblem(http.StatusConflict, "already_set_up")
}

func TestLogin(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	nobody, ann := s.Nobody(), s.Tenant()
	login := func(email, password string) apitest.Response {
		return nobody.Post("/v1/auth/login", `{"email":"`+email+`","password":"`+password+`"}`)
	}
	login(apitest.Email, apitest.Password).Want(http.StatusOK, `"access_token":"`)
	login(apitest.Email, "wrong").WantProblem(http.StatusUnauthorized, "unauthenticated")
	login("nobody@example.org", "wrong").WantProblem(http.StatusUnauthorized, "unauthenticated")
	nobody.Post("/v1/auth/login", `{"email":"`+apitest.Email+`","password":"`+apitest.Password+`","tenant_id":"ten_01jh2xk3v8e4t9p5w7y0z2b4d6"}`).
		WantProblem(http.StatusForbidden, "not_a_member")
	for range 20 {
		if r := login(apitest.Email, "wrong"); r.Status == http.StatusTooManyRequests {
			if r.Header.Get("Retry-After") == "" {
				t.Error("does not say when to try again")
			}
			break
		}
	}
	login(apitest.Email, "wrong").WantProblem(http.StatusTooManyRequests, "too_many_attempts")
	nobody.Get("/v1/auth/jwks.json").Want(http.StatusOK, `"keys"`, `"Ed25519"`)
	ann.Get("/v1/me").Want(http.StatusOK, ann.Tenant.String(), `"role":"owner"`, `"kind":"user"`)
	nobody.Get("/v1/me").WantProblem(http.StatusUnauthorized, "unauthenticated")
}

func TestTenantsAndKeys(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	home := s.Home()
	var me struct {
		Organization string `json:"organization_id"`
	}
	home.Get("/v1/me").Want(http.StatusOK).Into(&me)
	tenants := "/v1/organizations/" + me.Organization + "/tenants"
	chosen := `{"id":"ten_01jh2xk3v8e4t9p5w7y0z2b4d6","name":"Globex"}`
	home.Post(tenants, chosen).Want(http.StatusCreated, `"name":"Globex"`)
	home.Post(tenants, chosen).Want(http.StatusCreated) // asked again
	home.Post(tenants, strings.Replace(chosen, "Globex", "Initech", 1)).WantProblem(http.StatusConflict, "id_in_use", "/id id_in_use")
	home.Post(tenants, `{"name":""}`).WantProblem(http.StatusUnprocessableEntity, "required", "/name required")
	home.Post("/v1/organizations/org_01jh2xk3v8e4t9p5w7y0z2b4d6/tenants", `{"name":"x"}`).WantProblem(http.StatusNotFound, "not_found")
	home.Post("/v1/organizations/x/tenants", `{"name":"x"}`).WantProblem(http.StatusNotFound, "not_found")
	var page struct {
		Data []struct{ ID string }
		Next string `json:"next_cursor"`
	}
	home.Get(tenants + "?limit=1").Want(http.StatusOK).Into(&page)
	if len(page.Data) != 1 || page.Next == "" {
		t.Fatalf("the first page: %+v", page)
	}
	home.Get(tenants+"?cursor="+page.Next).Want(http.StatusOK, `"next_cursor":null`)
	home.Get(tenants+"?cursor=x").WantProblem(http.StatusBadRequest, "invalid_cursor", "cursor invalid_cursor")

	ann, bob := s.Tenant(), s.Tenant()
	made := ann.Post("/api_keys", `{"name":"Import","role":"member"}`).Want(http.StatusCreated, `"key":"rwh_`).WantHeader("Cache-Control", "no-store")
	ann.Post("/api_keys", `{"name":"Import","role":"emperor"}`).WantProblem(http.StatusUnprocessableEntity, "unknown_value", "/role unknown_value")
	ann.Post("/api_keys", `{"name":"Import","expires_at":"2020-01-01T00:00:00Z"}`).Want(http.StatusUnprocessableEntity, "/expires_at")
	if list := ann.Get("/api_keys").Want(http.StatusOK, made.ID()); strings.Contains(list.Body, "rwh_") {
		t.Errorf("a list shows a key: %s", list.Body)
	}
	member := ann.Key(access.Member)
	member.Post("/api_keys", `{"name":"x"}`).WantProblem(http.StatusForbidden, "forbidden")
	member.Post(tenants, `{"name":"x"}`).WantProblem(http.StatusNotFound, "not_found")
	member.Get("/v1/me").Want(http.StatusOK, `"kind":"api_key"`, `"role":"member"`)
	bob.Delete("/api_keys/"+made.ID()).WantProblem(http.StatusNotFound, "not_found")
	ann.Delete("/api_keys/" + made.ID()).Want(http.StatusNoContent)
	ann.Get("/api_keys").Want(http.StatusOK, `"revoked_at":"2`)
	ann.Get("/usage").Want(http.StatusOK, `"data":[`)
	ann.Get("/usage?from=2026-03-31&to=2026-03-01").WantProblem(http.StatusUnprocessableEntity, "bad_value")
	ann.Get("/usage?from=x").WantProblem(http.StatusUnprocessableEntity, "invalid_date", "from invalid_date")
}
