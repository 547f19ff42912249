package apitest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/domain"
)

// Client makes requests for somebody, and sees whatever any client of the same
// tenant was answered before. Paths that do not begin with /v1 are under the
// client's tenant.
type Client struct {
	Tenant domain.TenantID

	t      testing.TB
	url    string
	header http.Header
	seen   *atomic.Int64
}

// In returns a client that reports to another test, such as a part of one.
func (c Client) In(t testing.TB) Client {
	t.Helper()
	c.t = t
	return c
}

// Key returns a client of the same tenant that holds an API key with a role.
func (c Client) Key(role access.Role) Client {
	c.t.Helper()
	var k struct{ Key string }
	c.Post("/api_keys", `{"name":"test","role":"`+string(role)+`"}`).Want(http.StatusCreated).Into(&k)
	return c.With("Authorization", "Bearer "+k.Key)
}

// With returns a client that sends one more header.
func (c Client) With(key, value string) Client {
	c.header = c.header.Clone()
	c.header.Set(key, value)
	return c
}

// Also returns a client that sends a header beside others of the same name.
func (c Client) Also(key, value string) Client {
	c.header = c.header.Clone()
	c.header.Add(key, value)
	return c
}

// Forgetful returns a client that does not ask to see what any was answered.
func (c Client) Forgetful() Client {
	c.seen = nil
	return c
}

// Bearer returns the credentials of the client, as a header.
func (c Client) Bearer() string { return c.header.Get("Authorization") }

// outside are the paths that are not under a tenant.
var outside = []string{"/v1/", "/docs", "/livez", "/readyz"}

// Path returns a path under the client's tenant, unless it is outside of all.
func (c Client) Path(path string) string {
	isOutside := func(prefix string) bool { return strings.HasPrefix(path, prefix) }
	if c.Tenant == (domain.TenantID{}) || slices.ContainsFunc(outside, isOutside) {
		return path
	}
	return "/v1/tenants/" + c.Tenant.String() + path
}

// Get looks at something.
func (c Client) Get(path string) Response { return c.Do(http.MethodGet, path, "") }

// Post asks for something.
func (c Client) Post(path, body string) Response { return c.Do(http.MethodPost, path, body) }

// Patch asks for a change.
func (c Client) Patch(path, body string) Response { return c.Do(http.MethodPatch, path, body) }

// Delete asks for something to go.
func (c Client) Delete(path string) Response { return c.Do(http.MethodDelete, path, "") }

// Do makes any request.
func (c Client) Do(method, path, body string) Response {
	t := c.t
	t.Helper()
	res, err := http.DefaultClient.Do(c.Request(method, path, body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read to the end
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if at, err := strconv.ParseInt(res.Header.Get("Event-Position"), 10, 64); err == nil && c.seen != nil {
		for old := c.seen.Load(); at > old && !c.seen.CompareAndSwap(old, at); old = c.seen.Load() {
		}
	}
	return Response{t: t, what: method + " " + path, Status: res.StatusCode, Header: res.Header, Body: string(got)}
}

// Request returns a request, for those who want to send it in their own way.
func (c Client) Request(method, path, body string) *http.Request {
	t := c.t
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.url+c.Path(path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = c.header.Clone()
	if body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if req.Header["Min-Position"] == nil && c.seen != nil && c.seen.Load() > 0 {
		req.Header.Set("Min-Position", strconv.FormatInt(c.seen.Load(), 10))
	}
	return req
}

// Response is what came back.
type Response struct {
	Status int
	Header http.Header
	Body   string

	t    testing.TB
	what string
}

// Want checks the status and what the body must contain.
func (r Response) Want(status int, contains ...string) Response {
	r.t.Helper()
	if r.Status != status {
		r.t.Fatalf("%s = %d, want %d\n%s", r.what, r.Status, status, r.Body)
	}
	for _, part := range contains {
		if !strings.Contains(r.Body, part) {
			r.t.Errorf("%s: no %s in\n%s", r.what, part, r.Body)
		}
	}
	return r
}

// WantProblem checks that the request was refused, with a code, and with errors
// at places, each written as pointer and code.
func (r Response) WantProblem(status int, code string, errors ...string) Response {
	r.t.Helper()
	r.Want(status)
	var p struct {
		Code   string
		Status int
		Errors []struct{ Pointer, Parameter, Code string }
	}
	r.Into(&p)
	if got := r.Header.Get("Content-Type"); got != "application/problem+json" || p.Status != status || p.Code != code {
		r.t.Errorf("%s: %s %d %s, want %d %s\n%s", r.what, got, p.Status, p.Code, status, code, r.Body)
	}
	for _, want := range errors {
		found := false
		for _, e := range p.Errors {
			found = found || want == e.Pointer+e.Parameter+" "+e.Code
		}
		if !found {
			r.t.Errorf("%s: no error %q in\n%s", r.what, want, r.Body)
		}
	}
	return r
}

// WantHeader checks a header.
func (r Response) WantHeader(name, value string) Response {
	r.t.Helper()
	if got := r.Header.Get(name); got != value {
		r.t.Errorf("%s: %s is %q, want %q", r.what, name, got, value)
	}
	return r
}

// Into decodes the body.
func (r Response) Into(v any) Response {
	r.t.Helper()
	if err := json.NewDecoder(bytes.NewReader([]byte(r.Body))).Decode(v); err != nil {
		r.t.Fatalf("%s: %v\n%s", r.what, err, r.Body)
	}
	return r
}

// ID returns the id in the body.
func (r Response) ID() string {
	r.t.Helper()
	var v struct{ ID string }
	r.Into(&v)
	return v.ID
}

// Path returns the path of what was made.
func (r Response) Path() string {
	r.t.Helper()
	if r.Header.Get("Location") == "" {
		r.t.Errorf("%s: no Location", r.what)
	}
	return r.Header.Get("Location")
}
