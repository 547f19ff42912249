package api

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/domain"
)

// loginOperations serves setup, login and who is who.
func (s *Server) loginOperations() []*operation {
	const tag = "Identity"
	return []*operation{
		post("/v1/setup", everybody, tag, "setup.complete", "Set up a new installation",
			"Makes the organization, its first tenant, and a user who owns both. The token is in the log of the server, and in the file `setup-token` in its data directory. It works once.",
			takes[access.SetupRequest](s, `{"token":"5b0f6c1de9a54c3e8f7a21d0c4b39e6f12d8a7b0","organization":{"name":"Acme Outsourcing"},"tenant":{"name":"Globex"},"owner":{"email":"ada@example.org","password":"correct horse battery staple","name":"Ada Lovelace"}}`),
			gives[access.Session](s, http.StatusCreated, "An access token of the owner."),
			refuses(domain.Unauthenticated, domain.Conflict, domain.Invalid), serve(setup)),
		post("/v1/auth/login", everybody, tag, "auth.login", "Log in",
			"Gives an access token that is good for one tenant and a quarter of an hour. Without `tenant_id` it is for the tenant that the user has belonged to for longest.",
			takes[login](s, `{"email":"ada@example.org","password":"correct horse battery staple"}`),
			gives[access.Session](s, http.StatusOK, "An access token."),
			refuses(domain.Unauthenticated, domain.Forbidden, domain.Invalid, domain.RateLimited), serve(logIn)),
		get("/v1/auth/jwks.json", everybody, tag, "auth.jwks", "The keys that access tokens are signed with",
			"A JSON Web Key Set (RFC 7517).",
			gives[map[string]any](s, http.StatusOK, "The keys."), serve(jwks)),
		get("/v1/me", anybody, tag, "me.get", "Who you are",
			"Tells what the credentials of the request stand for.",
			gives[me](s, http.StatusOK, "Who asks."), serve(whoami)),
	}
}

func setup(x *exchange) error {
	in, err := decode[access.SetupRequest](x)
	if err != nil {
		return err
	}
	session, err := x.s.Access.Setup(x.ctx(), in)
	if err != nil {
		return err
	}
	return x.answerSecret(http.StatusCreated, session)
}

// login is what a user says to be let in.
type login struct {
	Email    string          `json:"email" maxLength:"254"`
	Password string          `json:"password" maxLength:"128" text:"raw"`
	TenantID domain.TenantID `json:"tenant_id,omitzero" doc:"The tenant that the token shall be good for."`
}

func logIn(x *exchange) error {
	in, err := decode[login](x)
	if err != nil {
		return err
	}
	session, err := x.s.Access.Login(x.ctx(), clientOf(x.r), in.Email, in.Password, in.TenantID)
	if err != nil {
		return err
	}
	return x.answerSecret(http.StatusOK, session)
}

// clientOf returns where a request comes from. What a proxy says of that is
// believed if it is on this machine or in a private network; it only decides who
// shares a limit with whom.
func clientOf(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap()
	if !addr.IsLoopback() && !addr.IsPrivate() {
		return addr
	}
	said := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	last := said[strings.LastIndex(said, ",")+1:] // the others came from the client
	if client, err := netip.ParseAddr(strings.TrimSpace(last)); err == nil {
		return client
	}
	return addr
}

// answerSecret answers with something that nobody on the way may keep.
func (x *exchange) answerSecret(status int, v any) error {
	x.set("Cache-Control", "no-store")
	return x.answerJSON(status, v)
}

func jwks(x *exchange) error {
	x.set("Cache-Control", "public, max-age=300")
	return x.answer(http.StatusOK, x.s.Access.JWKS())
}

// me is what credentials stand for.
type me struct {
	Actor          domain.Actor    `json:"actor" doc:"The user or the API key."`
	OrganizationID domain.ID       `json:"organization_id"`
	TenantID       domain.TenantID `json:"tenant_id"`
	Role           access.Role     `json:"role" doc:"Says what the caller may do in the tenant."`
}

func whoami(x *exchange) error {
	p := x.caller
	return x.answerJSON(http.StatusOK, me{Actor: p.Actor(), OrganizationID: p.Organization, TenantID: p.Tenant(), Role: p.Role})
}
