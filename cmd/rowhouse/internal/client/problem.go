package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Problem is what the server says when it refuses a request (RFC 9457).
type Problem struct {
	Status     int      `json:"status"`
	Code       string   `json:"code"`
	Title      string   `json:"title"`
	Detail     string   `json:"detail"`
	RequestID  string   `json:"request_id"`
	Errors     []Detail `json:"errors"`
	ExistingID string   `json:"existing_id"` // of the record that stands in the way

	retryAfter    time.Duration
	hasRetryAfter bool
}

// Detail is one thing that is wrong with the input.
type Detail struct {
	Pointer   string `json:"pointer"`   // into the body (RFC 6901)
	Parameter string `json:"parameter"` // or the name of a parameter
	Code      string `json:"code"`
	Detail    string `json:"detail"`
}

func (p *Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the server answers %d", p.Status)
	if p.Code != "" {
		fmt.Fprintf(&b, " %s", p.Code)
	}
	if p.Detail != "" {
		fmt.Fprintf(&b, ": %s", p.Detail)
	} else if p.Title != "" {
		fmt.Fprintf(&b, ": %s", p.Title)
	}
	for _, d := range p.Errors {
		fmt.Fprintf(&b, "; %s%s %s", d.Pointer, d.Parameter, d.Detail)
	}
	if p.RequestID != "" {
		fmt.Fprintf(&b, " (request %s)", p.RequestID)
	}
	return b.String()
}

// IsStatus reports whether err is a problem with the given status.
func IsStatus(err error, status int) bool {
	p, ok := errors.AsType[*Problem](err)
	return ok && p.Status == status
}

// Transient reports whether the same request may work later: the server is
// away, starting up, overloaded or at it already.
func (p *Problem) Transient() bool {
	switch p.Status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable,
		http.StatusBadGateway, http.StatusGatewayTimeout:
		return true
	case http.StatusConflict: // the first attempt is still in flight
		return p.hasRetryAfter
	}
	return false
}

// After returns how long the server asks to wait before the same request is sent
// again; 0 if it does not say.
func (p *Problem) After() time.Duration { return p.retryAfter }

// problemFrom reads a refusal. What stands between us and the server may have
// refused in words of its own, which are not repeated.
func problemFrom(resp *http.Response, body []byte) *Problem {
	p := &Problem{}
	if json.Unmarshal(body, p) != nil {
		*p = Problem{}
	}
	if p.Title == "" && p.Detail == "" {
		p.Title = http.StatusText(resp.StatusCode)
	}
	p.Status = resp.StatusCode
	p.retryAfter, p.hasRetryAfter = retryAfter(resp.Header)
	return p
}

// retryAfter reads how long the server asks to wait, which is never more than an
// hour to us.
func retryAfter(h http.Header) (d time.Duration, ok bool) {
	after := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(after); err == nil && seconds >= 0 {
		d = time.Duration(min(seconds, 3600)) * time.Second
	} else if at, err := http.ParseTime(after); err == nil {
		d = max(0, min(time.Until(at), time.Hour))
	}
	return d, after != ""
}

// LostError says that no answer arrived. The server may have done what it was
// asked for, unless it was not even reached.
type LostError struct {
	Err  error
	sent bool
}

func (e *LostError) Error() string {
	if !e.sent {
		return fmt.Sprintf("the server cannot be reached: %v", e.Err)
	}
	return fmt.Sprintf("the server's answer got lost: %v", e.Err)
}

func (e *LostError) Unwrap() error { return e.Err }

// isDial reports whether there was no connection to send anything over.
func isDial(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// retry says whether a request may be sent again after err, and how long the
// server asks to wait until then.
func retry(r Request, err error) (hint time.Duration, again bool) {
	repeatable := r.Key != "" || r.Repeatable || isIdempotent(r.Method)
	if lost, ok := errors.AsType[*LostError](err); ok {
		return 0, repeatable || !lost.sent
	}
	p, ok := errors.AsType[*Problem](err)
	if !ok || !p.Transient() {
		return 0, false
	}
	// 429 and 503 are the server's own word that it did nothing; a gateway
	// cannot know.
	refused := p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable
	return p.retryAfter, repeatable || refused
}

func isIdempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}
