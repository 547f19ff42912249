// Package client speaks the public HTTP API of Rowhouse, for the commands that
// work through it as anybody else could: no door is open to them that is closed
// to others.
//
// It knows how to ask, how to wait and how to ask again. It knows no kind of
// record; what is in one is up to the caller.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Config says whom a [Client] talks to, and as whom.
type Config struct {
	URL    string // of the server, without /v1
	Bearer string // an API key or an access token; empty for nobody
	Agent  string // the User-Agent; "rowhouse" if empty

	// Wait is how long a request is tried again while the server is away,
	// starting up or overloaded. 0 means that it is not.
	Wait time.Duration

	// OnWait, if set, is told of each failure that is waited out. It may be
	// called from several goroutines at once.
	OnWait func(reason error, delay time.Duration)

	// Transport, if set, carries the requests.
	Transport http.RoundTripper
}

// Client talks to one server. It may be used concurrently.
type Client struct {
	base   string
	cfg    Config
	client *http.Client
}

const (
	// attemptTimeout bounds one attempt, so that a server that hangs is noticed.
	attemptTimeout = time.Minute

	// maxAnswer bounds what an answer may weigh.
	maxAnswer = 64 << 20

	// firstDelay is doubled from attempt to attempt, up to maxDelay.
	firstDelay = 100 * time.Millisecond
	maxDelay   = 5 * time.Second

	// connections are kept open, as many as a caller could use at once.
	connections = 16
)

// New returns a client. The URL must be that of a web server.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(strings.TrimSpace(cfg.URL))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, errors.New("the server must be a URL such as http://127.0.0.1:8080")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the URL of the server must have neither a user nor a query")
	}
	if strings.ContainsAny(cfg.Bearer, " \r\n\t") {
		return nil, errors.New("the key must not contain spaces")
	}
	if cfg.Agent == "" {
		cfg.Agent = "rowhouse"
	}
	if cfg.Transport == nil {
		cfg.Transport = &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout: 10 * time.Second,
			ForceAttemptHTTP2:   true,
			MaxIdleConnsPerHost: connections,
			IdleConnTimeout:     90 * time.Second,
		}
	}
	base := strings.TrimSuffix(strings.TrimRight(u.String(), "/"), "/v1")
	return &Client{base: base, cfg: cfg, client: &http.Client{
		Transport: cfg.Transport,
		// A redirect would send the key and the records somewhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// As returns a client of the same server that acts with another key or token.
func (c *Client) As(bearer string) *Client {
	other := *c
	other.cfg.Bearer = bearer
	return &other
}

// URL returns the URL of the server, without /v1.
func (c *Client) URL() string { return c.base }

// Request is a request to the API.
type Request struct {
	Method string
	Path   string // from /v1 on, escaped, with the query if there is one
	Body   any    // sent as JSON; a json.RawMessage is sent as it is; nil is no body

	// Key is the Idempotency-Key. Requests that have one, and those whose
	// method is idempotent, are sent again if their answer got lost; others only
	// if the server has certainly not acted on them.
	Key string

	// Repeatable says that sending the request twice does no harm although it
	// has no key.
	Repeatable bool

	Header http.Header
}

// Answer is the part of an answer that is not in its body.
type Answer struct {
	Status   int
	Header   http.Header
	Replayed bool  // the server had done it before, and repeats itself
	Position int64 // of the tenant's log after the command, if it was one
}

// Do sends a request, waiting and trying again as [Config.Wait] allows, and
// decodes the answer into out unless that is nil. What the server refuses
// is returned as a [*Problem].
func (c *Client) Do(ctx context.Context, r Request, out any) (Answer, error) {
	body, err := encode(r.Body)
	if err != nil {
		return Answer{}, err
	}
	var giveUp time.Time
	for attempt := 0; ; attempt++ {
		answer, err := c.attempt(ctx, r, body, out)
		if err == nil {
			return answer, nil
		}
		hint, again := retry(r, err)
		if !again || c.cfg.Wait == 0 || ctx.Err() != nil {
			return answer, err
		}
		now := time.Now()
		if giveUp.IsZero() {
			giveUp = now.Add(c.cfg.Wait)
		}
		delay := max(hint, backoff(attempt))
		if now.Add(delay).After(giveUp) {
			return answer, err
		}
		if c.cfg.OnWait != nil {
			c.cfg.OnWait(err, delay)
		}
		if !sleep(ctx, delay) {
			return answer, err
		}
	}
}

func encode(body any) ([]byte, error) {
	switch b := body.(type) {
	case nil:
		return nil, nil
	case json.RawMessage:
		return b, nil
	default:
		return json.Marshal(b)
	}
}

// attempt sends the request once.
func (c *Client) attempt(ctx context.Context, r Request, body []byte, out any) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.Method, c.base+r.Path, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	maps.Copy(req.Header, r.Header)
	req.Header.Set("User-Agent", c.cfg.Agent)
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	} else {
		req.Body, req.GetBody, req.ContentLength = http.NoBody, nil, 0
	}
	if c.cfg.Bearer != "" {
		req.Header.Set("Authorization", "Bearer "+c.cfg.Bearer)
	}
	if r.Key != "" {
		req.Header.Set("Idempotency-Key", r.Key)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		sent := !isDial(err)
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // the caller knows the URL
		}
		return Answer{}, &LostError{Err: err, sent: sent}
	}
	defer resp.Body.Close() //nolint:errcheck // it was read to its end, or is of no use
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return Answer{}, &LostError{Err: err, sent: true}
	}
	if len(data) > maxAnswer {
		return Answer{}, errors.New("the server's answer is too large")
	}
	return c.read(r, resp, data, out)
}

func (*Client) read(r Request, resp *http.Response, data []byte, out any) (Answer, error) {
	answer := Answer{
		Status:   resp.StatusCode,
		Header:   resp.Header,
		Replayed: resp.Header.Get("Idempotent-Replayed") == "true",
	}
	// No position is no mistake: only commands have one.
	answer.Position, _ = strconv.ParseInt(resp.Header.Get("Event-Position"), 10, 64)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return answer, problemFrom(resp, data)
	}
	if out == nil || resp.StatusCode == http.StatusNoContent {
		return answer, nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return answer, fmt.Errorf("%s %s: the answer is not what a Rowhouse server says: %w", r.Method, pathOnly(r.Path), err)
	}
	return answer, nil
}

func pathOnly(path string) string {
	path, _, _ = strings.Cut(path, "?")
	return path
}

// backoff returns a delay before the next attempt: twice as long each time, and
// never the same, so that clients that failed together do not return together.
func backoff(attempt int) time.Duration {
	most := min(firstDelay<<min(attempt, 10), maxDelay)
	return most/2 + rand.N(most/2) //nolint:gosec // it is no secret
}

// sleep waits, and reports whether it was left to.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
