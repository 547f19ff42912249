package api

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/wall"
)

// What only HTTP can be refused for, in addition to the kinds of the domain.
const (
	notAllowed    domain.Reason = "method_not_allowed"
	notAcceptable domain.Reason = "not_acceptable"
	tooSlow       domain.Reason = "too_slow"
	tooLarge      domain.Reason = "too_large"
	unsupported   domain.Reason = "unsupported_media_type"
	gone          domain.Reason = "gone"
	fault         domain.Reason = "internal"
)

// A problemKind is how a kind of refusal looks from outside.
type problemKind struct {
	status int
	title  string
}

var problemKinds = map[domain.Reason]problemKind{
	domain.Malformed:       {http.StatusBadRequest, "The request cannot be read"},
	domain.Unauthenticated: {http.StatusUnauthorized, "Nobody knows who is asking"},
	domain.Forbidden:       {http.StatusForbidden, "You may not ask for this"},
	domain.NotFound:        {http.StatusNotFound, "There is nothing here"},
	notAllowed:             {http.StatusMethodNotAllowed, "This cannot be done here"},
	notAcceptable:          {http.StatusNotAcceptable, "There is no such form of this"},
	tooSlow:                {http.StatusRequestTimeout, "The request comes too slowly"},
	domain.Conflict:        {http.StatusConflict, "The state does not allow it"},
	gone:                   {http.StatusGone, "It is not here any more"},
	domain.Stale:           {http.StatusPreconditionFailed, "It has changed since you looked"},
	tooLarge:               {http.StatusRequestEntityTooLarge, "The request is too large"},
	unsupported:            {http.StatusUnsupportedMediaType, "The body must be JSON"},
	domain.Invalid:         {http.StatusUnprocessableEntity, "The request makes no sense"},
	domain.RateLimited:     {http.StatusTooManyRequests, "Too many requests"},
	fault:                  {http.StatusInternalServerError, "Something went wrong here"},
	domain.Unavailable:     {http.StatusServiceUnavailable, "Not now, but soon"},
}

// Problem is a refusal as RFC 9457 has it.
type Problem struct {
	Type      string   `json:"type" doc:"What kind of problem it is, as a link to what the documentation says about it." example:"/docs#invalid"`
	Title     string   `json:"title" doc:"The kind of problem in a few words." example:"The request makes no sense"`
	Status    int      `json:"status" doc:"The HTTP status." example:"422"`
	Code      string   `json:"code" doc:"What is wrong, for programs." example:"validation_failed"`
	Detail    string   `json:"detail,omitempty" doc:"What is wrong, for people." example:"2 things are wrong with the request"`
	Instance  string   `json:"instance" doc:"Names this occurrence." example:"urn:request:01a9d2fc-7c6a-7b35-a4b5-9e7d5c2f1a80"`
	RequestID string   `json:"request_id" doc:"What to tell the operator. It is also in the header X-Request-Id." example:"01a9d2fc-7c6a-7b35-a4b5-9e7d5c2f1a80"`
	Errors    []Detail `json:"errors,omitempty" maxItems:"50" doc:"What is wrong with the input, each with its place."`
	More      bool     `json:"more_errors,omitempty" doc:"Whether more is wrong with the input than errors tells: nobody looked for the rest."`

	// Data holds further members, such as existing_id.
	Data map[string]any `json:"-"`
}

// Detail is one thing that is wrong with the input.
type Detail struct {
	Pointer   string `json:"pointer,omitempty" doc:"The place in the body, as a JSON pointer (RFC 6901)." example:"/emails/0/address"`
	Parameter string `json:"parameter,omitempty" doc:"The parameter or header, if it is not in the body." example:"limit"`
	Code      string `json:"code" doc:"What is wrong, for programs." example:"invalid_email"`
	Detail    string `json:"detail" doc:"What is wrong, for people." example:"is not an e-mail address"`
}

// MarshalJSON implements [json.Marshaler].
func (p Problem) MarshalJSON() ([]byte, error) {
	type plain Problem
	b, err := domain.Marshal(plain(p))
	if err != nil || len(p.Data) == 0 {
		return b, err
	}
	data, err := domain.Marshal(p.Data)
	if err != nil {
		return nil, err
	}
	b = bytes.TrimSuffix(b, []byte("}"))
	return append(append(b, ','), bytes.TrimPrefix(data, []byte("{"))...), nil
}

// shorten makes a problem tell of at most so many mistakes, and returns of how
// many it does. There may be no problem.
func shorten(p *Problem, most int) int {
	if p == nil {
		return 0
	}
	if len(p.Errors) > most {
		p.Errors, p.More = p.Errors[:most], true
	}
	return len(p.Errors)
}

// badParameter refuses a parameter or a header. What has no slash in front is
// the name of one, and not a JSON pointer.
func badParameter(name, code, detail string) error {
	return &domain.Error{Reason: domain.Malformed, Code: code, Pointer: name, Detail: detail}
}

// problemOf says what an error looks like from outside, and whether it is a
// fault of ours.
func problemOf(err error, requestID string) (p Problem, isFault bool) {
	refusals := domain.Distinct(refusalsIn(err))
	worst := refusals[0]
	for _, e := range refusals {
		if problemKinds[e.Reason].status < problemKinds[worst.Reason].status {
			worst = e
		}
	}
	kind, known := problemKinds[worst.Reason]
	if !known {
		worst = &domain.Error{Reason: fault}
		kind = problemKinds[fault]
	}
	p = Problem{
		Type: "/docs#" + string(worst.Reason), Title: kind.title, Status: kind.status, Code: codeOf(worst), Detail: worst.Detail,
		Instance: "urn:request:" + requestID, RequestID: requestID,
	}
	for _, e := range refusals {
		if p.More = len(p.Errors) == domain.MaxRefusals; p.More {
			break
		}
		if e.Reason == worst.Reason && (e.Pointer != "" || len(refusals) > 1) {
			p.Errors = append(p.Errors, detailOf(e))
		}
		for k, v := range e.Data {
			if p.Data == nil {
				p.Data = map[string]any{}
			}
			p.Data[k] = v
		}
	}
	p.More = p.More || len(refusals) > domain.MaxRefusals // whoever looked for them stopped
	if n := len(p.Errors); n > 1 {
		p.Detail = strconv.Itoa(n) + " things are wrong with the request"
		if p.More {
			p.Detail = "more than " + p.Detail
		}
		if worst.Reason == domain.Invalid {
			p.Code = "validation_failed"
		}
	}
	return p, worst.Reason == fault
}

func detailOf(e *domain.Error) Detail {
	d := Detail{Code: codeOf(e), Detail: e.Detail}
	if name := clip(e.Pointer); strings.HasPrefix(name, "/") {
		d.Pointer = name
	} else {
		d.Parameter = name
	}
	return d
}

func codeOf(e *domain.Error) string {
	if e.Code != "" {
		return e.Code
	}
	return string(e.Reason)
}

// clip keeps names that came from outside from filling the answer.
func clip(name string) string {
	const most = 256
	if len(name) > most {
		return string(bytes.ToValidUTF8([]byte(name[:most]), nil)) + "…"
	}
	return name
}

// refusalsIn returns the refusals that err is made of; a fault counts as one.
func refusalsIn(err error) (all []*domain.Error) {
	for _, one := range domain.Refusals(err) {
		if e, ok := errors.AsType[*domain.Error](one); ok {
			all = append(all, e)
		}
	}
	if all == nil {
		all = append(all, translate(err))
	}
	return all
}

// translate says what an error of another layer means to a client.
func translate(err error) *domain.Error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &domain.Error{Reason: tooLarge, Detail: "the body is larger than this operation takes"}
	}
	trouble := wall.TroubleOf(err)
	switch {
	case isNewer(err):
		return errNewer
	case errors.Is(err, eventstore.ErrTooLarge):
		return &domain.Error{Reason: tooLarge, Detail: "the change is larger than the log takes"}
	case errors.Is(err, eventstore.ErrSealed):
		return &domain.Error{Reason: domain.Unavailable, Code: "tenant_sealed", Detail: "the tenant takes no changes now"}
	case trouble != "" && trouble != wall.Away: // the reason, if it is known
		return troubles[trouble]
	case errors.Is(err, eventstore.ErrUnavailable): // before what it may have come of
		return &domain.Error{Reason: domain.Unavailable, Code: "log_unavailable", Detail: "the log cannot be reached now; with an Idempotency-Key it is safe to ask again"}
	case errors.Is(err, eventstore.ErrClosed), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), wall.IsTooSlow(err):
		return &domain.Error{Reason: domain.Unavailable, Detail: "the server could not answer in time"}
	case trouble != "":
		return troubles[trouble]
	}
	return &domain.Error{Reason: fault, Detail: "the operator will find out with the request_id"}
}
