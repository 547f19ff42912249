package api

import (
	"net/http"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/domain"
)

// tenants serves the tenants of an organization, and their keys.
func (s *Server) tenants() []*operation {
	const tag = "Tenants"
	return []*operation{
		get("/v1/organizations/{org_id}/tenants", anybody, tag, "tenant.list", "The tenants of an organization",
			"In the order of their IDs.",
			params(limitParam, cursorParam), givesPage[access.Tenant](s), refuses(domain.NotFound, domain.Invalid), serve(listTenants)),
		post("/v1/organizations/{org_id}/tenants", anybody, tag, "tenant.create", "Make a tenant",
			"It can be used at once. Whoever makes it owns it, and logs in to it with its `tenant_id`. A client that chooses the `id` can safely ask again.",
			takes[access.TenantRequest](s, `{"name":"Initech"}`), gives[access.Tenant](s, http.StatusCreated, "The tenant."),
			refuses(domain.NotFound, domain.Conflict, domain.Invalid), serve(createTenant)),
		get("/v1/tenants/{tenant_id}/api_keys", tenant, tag, "api_key.list", "The API keys of a tenant",
			"In the order in which they were made, also those that were revoked.",
			params(limitParam, cursorParam), givesPage[access.Key](s), refuses(domain.Invalid), serve(listKeys)),
		post("/v1/tenants/{tenant_id}/api_keys", tenant, tag, "api_key.create", "Make an API key",
			"The key is shown once. It may do what its role may, as far as whoever made it may do that too. A key cannot make keys.",
			takes[access.KeyRequest](s, `{"name":"Nightly import","role":"member"}`), gives[newKey](s, http.StatusCreated, "The key."),
			refuses(domain.Invalid), serve(createKey)),
		remove("/v1/tenants/{tenant_id}/api_keys/{key_id}", tenant, tag, "api_key.revoke", "Revoke an API key",
			"It is worthless within five seconds, and for good.",
			givesNothing("The key is revoked."), refuses(domain.NotFound), serve(revokeKey)),
	}
}

func listTenants(x *exchange) error {
	org, err := x.pathID("org_id", "org")
	if err != nil {
		return err
	}
	return answerPage(x, org.String(), func(after domain.ID, limit int) ([]access.Tenant, error) {
		return x.s.Access.ListTenants(x.ctx(), x.origin.Origin, org, domain.TenantID{UUID: after.UUID}, limit)
	}, func(t access.Tenant) domain.ID { return t.ID.ID() })
}

func createTenant(x *exchange) error {
	org, err := x.pathID("org_id", "org")
	if err != nil {
		return err
	}
	in, err := decode[access.TenantRequest](x)
	if err != nil {
		return err
	}
	t, err := x.s.Access.CreateTenant(x.ctx(), x.origin.Origin, org, in)
	if err != nil {
		return err
	}
	return x.answerJSON(http.StatusCreated, t)
}

func listKeys(x *exchange) error {
	return answerPage(x, "", func(after domain.ID, limit int) ([]access.Key, error) {
		return x.s.Access.ListKeys(x.ctx(), x.origin, after, limit)
	}, func(k access.Key) domain.ID { return k.ID })
}

// newKey is a key together with its text.
type newKey struct {
	access.Key
	Text string `json:"key" doc:"The key itself, to be sent as \"Authorization: Bearer …\". It is not shown again."`
}

func createKey(x *exchange) error {
	in, err := decode[access.KeyRequest](x)
	if err != nil {
		return err
	}
	k, text, err := x.s.Access.CreateKey(x.ctx(), x.origin, in)
	if err != nil {
		return err
	}
	return x.answerSecret(http.StatusCreated, newKey{k, text})
}

func revokeKey(x *exchange) error {
	id, err := x.pathID("key_id", "key")
	if err == nil {
		err = x.s.Access.RevokeKey(x.ctx(), x.origin, id)
	}
	if err != nil {
		return err
	}
	x.WriteHeader(http.StatusNoContent)
	return nil
}
