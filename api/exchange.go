package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/api/ijson"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/viewer"
)

// exchange is a request and what is answered to it. It is also the
// [http.ResponseWriter] that its handler gets, so that the edge knows in the end
// what was said. It belongs to one goroutine.
type exchange struct {
	http.ResponseWriter
	s  *Server
	r  *http.Request
	op *operation // nil if nothing is served there
	id string     // of the request

	query  url.Values
	caller access.Principal // who asks, unless anybody may
	origin viewer.Caller    // likewise, as commands take it

	coming *paced // the body as it comes; nil if there is none
	turn   func() // ends its turn, if it is bulk work
	status int
	bytes  int64
	begun  bool
}

func (x *exchange) ctx() context.Context { return x.r.Context() }

// viewer returns who looks.
func (x *exchange) viewer() *viewer.Viewer { return x.caller.Viewer }

// WriteHeader implements [http.ResponseWriter].
func (x *exchange) WriteHeader(status int) {
	if !x.begun {
		x.status, x.begun = status, status >= http.StatusOK
		if x.begun {
			x.endTurn()
			x.coming.leave()
		}
	}
	x.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (x *exchange) Write(b []byte) (int, error) {
	if !x.begun {
		x.WriteHeader(http.StatusOK)
	}
	n, err := x.ResponseWriter.Write(b)
	x.bytes += int64(n)
	return n, err
}

// Unwrap lets [http.ResponseController] reach the connection.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// set sets a header. The name must be in canonical form.
func (x *exchange) set(name, value string) { x.Header()[name] = []string{value} }

// The headers that are neither standard nor common.
const (
	headerRequestID   = "X-Request-Id"
	headerPosition    = "Event-Position"
	headerMinPosition = "Min-Position"
	headerCommandID   = "Command-Id"
	headerIdempotency = "Idempotency-Key"
	headerReplayed    = "Idempotent-Replayed"
	headerPrefer      = "Prefer"
	headerRetryAfter  = "Retry-After"
	headerToRetry     = "Results-To-Retry"
)

func (x *exchange) setPosition(p eventstore.Position) {
	x.set(headerPosition, strconv.FormatInt(int64(p), 10))
}

// answer sends finished JSON.
func (x *exchange) answer(status int, body []byte) error {
	x.set("Content-Type", "application/json")
	x.set("Content-Length", strconv.Itoa(len(body)))
	x.WriteHeader(status)
	_, err := x.Write(body)
	return ignoreGone(err)
}

// answerJSON sends a value.
func (x *exchange) answerJSON(status int, v any) error {
	body, err := domain.Marshal(v)
	if err != nil {
		return err
	}
	return x.answer(status, body)
}

// ignoreGone drops the complaint that an answer could not be sent: nobody is
// there to hear about it.
func ignoreGone(error) error { return nil }

// statusGone is what is counted when the client went away. It is never sent.
const statusGone = 499

// refuse answers with what went wrong. Refusals are told in full; faults are
// logged, and told of only by the request's ID.
func (x *exchange) refuse(err error) {
	if errors.Is(err, context.Canceled) && errors.Is(x.ctx().Err(), context.Canceled) {
		// There is nobody to answer, or somebody who has only said that no more
		// requests come: to end without a word would tell them that all went well.
		x.status, x.begun = statusGone, true
		panic(http.ErrAbortHandler)
	}
	p, isFault := problemOf(err, x.id)
	if isFault {
		x.s.Log.ErrorContext(x.ctx(), "request failed for a reason that is not the client's, and was answered with 500", "route", x.route(), "request_id", x.id, "error", err)
	}
	x.s.noteSlow(x.ctx(), x.id, err)
	if x.begun {
		panic(http.ErrAbortHandler) // so that the client sees that the answer is not whole
	}
	switch p.Status {
	case http.StatusUnauthorized:
		x.set("Www-Authenticate", `Bearer realm="rowhouse"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		x.set(headerRetryAfter, retryAfter(p))
	}
	body, err := domain.Marshal(p)
	if err != nil { // a data member that is no JSON: a mistake of ours
		body = []byte(`{"type":"/docs#internal","title":"Something went wrong here","status":500,"code":"internal"}`)
	}
	x.set("Content-Type", "application/problem+json")
	x.set("Cache-Control", "no-store")
	x.WriteHeader(p.Status)
	_, err = x.Write(body)
	_ = ignoreGone(err)
}

// retryAfter returns after how many seconds to ask again.
func retryAfter(p Problem) string {
	if seconds, ok := p.Data["retry_after"]; ok {
		return fmt.Sprint(seconds)
	}
	return "1"
}

// route names what was asked for, without what is in the path.
func (x *exchange) route() string {
	if x.op == nil {
		return "none"
	}
	return x.op.Method + " " + x.op.Path
}

// path returns a part of the path.
func (x *exchange) path(name string) string { return chi.URLParam(x.r, name) }

// checkQuery refuses parameters that the operation does not have, and values
// that they cannot have.
func (x *exchange) checkQuery() error {
	values, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		return domain.Malformed.Refusef("invalid_query", "the query of the URL is not well-formed")
	}
	x.query = values
	return x.op.checkQuery(values)
}

// maxValues is how many values there may be in a body, however large it may be. A
// batch of a thousand commands with some hundred values each has fewer.
const maxValues = 1 << 18

// bytesPerValue says how many bytes of the largest body there are for each value
// in it. What is denser than that serves nobody, and would take memory many times
// its own size.
const bytesPerValue = 16

// body reads the whole body, and parses it as JSON. An operation whose body may
// be left out sees an empty object then. Numbers in it are written in the plain
// way, in what it was parsed into and in the data.
func (x *exchange) body() (input, error) {
	if err := x.noCoding(); err != nil {
		return input{}, err
	}
	var read bytes.Buffer // which takes less memory on the way than io.ReadAll
	if _, err := read.ReadFrom(x.r.Body); err != nil {
		return input{}, unreadable(err)
	}
	if err := x.takeTurn(read.Len()); err != nil {
		return input{}, err
	}
	data := read.Bytes()
	if len(data) == 0 && !x.op.RequestBody.Required {
		data = []byte("{}")
	} else if len(data) > 0 || x.r.Header.Get("Content-Type") != "" {
		if err := x.checkContentType(); err != nil {
			return input{}, err
		}
	}
	tree, rewritten, err := ijson.ParsePlain(data, x.op.maxValues())
	if err != nil {
		return input{}, illegible(err.(*ijson.Error)) //nolint:errorlint // the parser makes no other
	}
	if rewritten {
		data = nil
	}
	return input{tree: tree, data: data}, nil
}

func illegible(e *ijson.Error) error {
	if e.Code == ijson.TooMany {
		return &domain.Error{Reason: domain.Invalid, Code: e.Code, Pointer: e.Pointer, Detail: "has more values than are taken here"}
	}
	return &domain.Error{Reason: domain.Malformed, Code: e.Code, Pointer: e.Pointer, Detail: e.Error()}
}

// unreadable says what it means that a body could not be read to its end: it is
// too large or too slow, or the client has gone or broken off.
func unreadable(err error) error {
	if e := translate(err); e.Reason == tooLarge {
		return e
	}
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		return tooSlow.Refusef("body_too_slow", "the body comes too slowly")
	}
	return domain.Malformed.Refusef("incomplete_body", "the body ended too early")
}

// noCoding refuses a body with a content coding (RFC 9110, 8.4), whatever it
// looks like.
func (x *exchange) noCoding() error {
	for _, line := range x.r.Header.Values("Content-Encoding") {
		for coding := range strings.SplitSeq(line, ",") {
			if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
				x.set("Accept-Encoding", "identity")
				return unsupported.Refusef("unsupported_content_coding", "the body must have no content coding")
			}
		}
	}
	return nil
}

// checkContentType refuses a body that is not said to be JSON in UTF-8.
func (x *exchange) checkContentType() error {
	content := x.op.RequestBody.Content
	media, params, err := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	charset, ok := params["charset"]
	if err != nil || content[media] == nil || ok && !strings.EqualFold(charset, "utf-8") {
		x.set("Accept", strings.Join(slices.Sorted(maps.Keys(content)), ", "))
		return unsupported.Refusef("", "the body must be application/json in UTF-8, and say so in Content-Type")
	}
	return nil
}

// decode reads the body into a T, and says everything that is wrong with it.
func decode[T any](x *exchange) (T, error) {
	var v T
	in, err := x.body()
	if err == nil {
		err = x.s.schemas.read(jsonBody(x.op.RequestBody), in, &v)
	}
	return v, err
}
