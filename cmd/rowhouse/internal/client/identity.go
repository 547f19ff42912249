package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Me says who the bearer of the key or token is.
type Me struct {
	OrganizationID string `json:"organization_id"`
	TenantID       string `json:"tenant_id"`
	Role           string `json:"role"`
}

// Me asks the server who we are.
func (c *Client) Me(ctx context.Context) (Me, error) {
	var me Me
	_, err := c.Do(ctx, Request{Method: http.MethodGet, Path: "/v1/me"}, &me)
	return me, err
}

// Founding is what a fresh server is set up with.
type Founding struct {
	Token        string `json:"token"`
	Organization Named  `json:"organization"`
	Tenant       Named  `json:"tenant"`
	Owner        Owner  `json:"owner"`
}

// Named is something that has a name.
type Named struct {
	Name string `json:"name"`
}

// Owner is the first user.
type Owner struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	Name     string `json:"name"`
}

// Session lets a user act in a tenant for a quarter of an hour.
type Session struct {
	OrganizationID string    `json:"organization_id"`
	TenantID       string    `json:"tenant_id"`
	UserID         string    `json:"user_id"`
	AccessToken    string    `json:"access_token"`
	ExpiresAt      time.Time `json:"expires_at"`
}

// Setup sets a fresh server up. It works once.
func (c *Client) Setup(ctx context.Context, f Founding) (Session, error) {
	var out Session
	_, err := c.Do(ctx, Request{Method: http.MethodPost, Path: "/v1/setup", Body: f}, &out)
	return out, err
}

// Login returns an access token for a user in a tenant; in one of theirs if
// none is named.
func (c *Client) Login(ctx context.Context, email, password, tenant string) (Session, error) {
	body := struct {
		Email    string `json:"email"`
		Password string `json:"password"`
		TenantID string `json:"tenant_id,omitempty"`
	}{email, password, tenant}
	var out Session
	_, err := c.Do(ctx, Request{Method: http.MethodPost, Path: "/v1/auth/login", Body: body, Repeatable: true}, &out)
	return out, err
}

// NewTenant makes a tenant of an organization. The caller chooses its ID, so it
// can be asked for again.
func (c *Client) NewTenant(ctx context.Context, organization, id, name string) error {
	body := struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}{id, name}
	path := "/v1/organizations/" + url.PathEscape(organization) + "/tenants"
	_, err := c.Do(ctx, Request{Method: http.MethodPost, Path: path, Body: body, Repeatable: true}, nil)
	return err
}

// TenantInfo is what an organization knows of one of its tenants.
type TenantInfo struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Tenants yields the tenants of an organization.
func (c *Client) Tenants(ctx context.Context, organization string) iter.Seq2[TenantInfo, error] {
	return pages[TenantInfo](ctx, c, "/v1/organizations/"+url.PathEscape(organization)+"/tenants", nil, nil)
}

// KeyInfo is what is known of an API key, but for its text.
type KeyInfo struct {
	Name      string  `json:"name"`
	RevokedAt *string `json:"revoked_at"`
}

// Keys yields the API keys of the tenant.
func (t Tenant) Keys(ctx context.Context) iter.Seq2[KeyInfo, error] {
	return pages[KeyInfo](ctx, t.client, t.path("api_keys"), nil, nil)
}

// NewKey makes an API key of the tenant and returns its text, which the server
// tells only once.
func (t Tenant) NewKey(ctx context.Context, name string) (string, error) {
	var out struct {
		Key string `json:"key"`
	}
	_, err := t.client.Do(ctx, Request{Method: http.MethodPost, Path: t.path("api_keys"), Body: Named{name}}, &out)
	return out.Key, err
}
