package api

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
	"github.com/rowhouse/rowhouse/eventstore"
)

// An operation is one thing that clients can ask for: what the document says of
// it, and the function that does it. There is no other way to serve anything, so
// what is not in the document does not exist.
type operation struct {
	huma.Operation
	who      audience
	may      domain.Permission // needed to ask at all; commands are permitted in package commands
	endless  bool              // goes on until somebody leaves
	problems []domain.Reason   // for which it can be refused, beside the common ones
	quiet    bool              // asked again and again by machines: not worth a line in the log
	waits    bool              // for the position in Min-Position
	own      bool              // takes fields of the tenant's own as parameters
	bulk     bool              // a large body is bulk work
	serve    func(*exchange) error
}

// An audience says who may ask.
type audience int

const (
	tenant    audience = iota // somebody of the tenant that the path names
	anybody                   // somebody, of whatever tenant
	everybody                 // whoever it is
)

const (
	maxBody    = 1 << 20
	maxStrange = 16 << 10 // of a body from whoever it is
	maxTime    = 30 * time.Second
)

// maxBody is the size of the largest body that the operation takes.
func (op *operation) maxBody() int64 {
	switch {
	case op.MaxBodyBytes > 0:
		return op.MaxBodyBytes
	case op.who == everybody:
		return maxStrange
	}
	return maxBody
}

// maxValues is how many values there may be in a body of the operation.
func (op *operation) maxValues() int { return min(int(op.maxBody())/bytesPerValue, maxValues) }

// handler serves an operation.
func (op *operation) handler() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		x := w.(*exchange) // the edge made it
		x.op = op
		if !op.endless {
			ctx, cancel := context.WithTimeout(r.Context(), maxTime)
			defer cancel()
			r = r.WithContext(ctx)
			// Whoever does not read the answer does not keep it for ever.
			_ = http.NewResponseController(x).SetWriteDeadline(x.s.Now().Add(2 * maxTime))
		}
		x.r = r
		r.Body = http.MaxBytesReader(x.ResponseWriter, r.Body, op.maxBody())
		if err := x.do(); err != nil { //nolint:contextcheck // the exchange has it
			x.refuse(err) //nolint:contextcheck // likewise
		}
	}
}

// do finds out who asks and whether the question can be understood, and then
// does what is asked for.
func (x *exchange) do() error {
	if err := x.onlyOnce(); err != nil {
		return err
	}
	if err := x.authenticate(); err != nil {
		return err
	}
	if err := x.checkQuery(); err != nil {
		return err
	}
	if err := x.noBody(); err != nil {
		return err
	}
	if err := x.noVersions(); err != nil {
		return err
	}
	if err := x.waitForPosition(); err != nil {
		return err
	}
	if err := x.learnClasses(); err != nil {
		return err
	}
	return x.op.serve(x)
}

// waitForPosition waits until what is read shows what the client asks it to.
func (x *exchange) waitForPosition() error {
	if !x.op.waits {
		return nil
	}
	least, err := x.minPosition()
	if err != nil {
		return err
	}
	if least == 0 {
		x.waitForOwn()
		return nil
	}
	if !x.s.Models.Shows(x.caller.Tenant(), least) {
		if err := x.notAhead(headerMinPosition, least); err != nil {
			return err
		}
	}
	return x.s.Models.Wait(x.ctx(), x.caller.Tenant(), least)
}

// notAhead refuses a position that the log has not reached. There is nothing to
// show or to wait for there: whoever has seen it read a log that was put back
// since, and would miss what is recorded up to it.
func (x *exchange) notAhead(parameter string, p eventstore.Position) error {
	if p == 0 {
		return nil
	}
	head, err := x.s.Store.Head(x.ctx(), x.caller.Tenant())
	if err != nil || p <= head {
		return err
	}
	return &domain.Error{
		Reason: domain.Conflict, Code: "position_ahead", Pointer: parameter, Data: map[string]any{"head": head},
		Detail: "the log ends at position " + strconv.FormatInt(int64(head), 10) + ", which is before this one",
	}
}

// waitForOwn waits, but not for long, until what is read shows what the same
// caller has just written here. Nobody else waits for it.
func (x *exchange) waitForOwn() {
	own := x.s.recent.of(x.writer())
	if own == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(x.ctx(), cmp.Or(x.s.OwnWait, recentWait))
	defer cancel()
	if x.s.Models.Wait(ctx, x.caller.Tenant(), own) == nil {
		x.s.recent.seen(x.writer(), own)
	}
}

func (x *exchange) writer() writer { return writer{x.caller.Tenant(), x.caller.Actor().ID} }

// single are the headers that count as a whole. One that comes twice was put
// together by two who did not know of each other, and each reader may believe
// another of them. Lists are not among them (If-Match), nor are those whose
// readers refuse repetitions in words of their own (Idempotency-Key, Min-Position).
var single = []string{"Authorization", "Content-Type", "Last-Event-Id"}

// onlyOnce refuses requests with two headers of which there must be one.
func (x *exchange) onlyOnce() error {
	for _, name := range single {
		if len(x.r.Header[name]) > 1 {
			return badParameter(name, "repeated_header", "is given more than once")
		}
	}
	return nil
}

// authenticate finds out who asks. That comes before everything else, so that
// nobody learns anything without saying who it is.
func (x *exchange) authenticate() (err error) {
	if x.op.who == everybody {
		return nil
	}
	if x.caller, err = x.s.Access.Authenticate(x.ctx(), bearer(x.r)); err != nil {
		return err
	}
	x.origin = x.viewer().As(domain.Origin{Time: x.s.Now().UTC().Truncate(time.Microsecond), Correlation: x.id})
	if x.op.who != tenant {
		return nil
	}
	// What is not the tenant of the caller is refused in one way, whether it is
	// somebody else's, nobody's or no ID at all.
	if x.path("tenant_id") != x.caller.Tenant().String() {
		return domain.Forbidden.Refusef("tenant_mismatch", "the credentials are for another tenant than the path")
	}
	if x.op.may != "" && !x.viewer().May(x.op.may) {
		return domain.Forbidden.Refusef("forbidden", "this takes the permission %s", x.op.may)
	}
	return nil
}

// identify is authenticate, and learns what the viewer has to know. Whoever asks for a long
// time is identified again.
func (x *exchange) identify() error {
	if err := x.authenticate(); err != nil {
		return err
	}
	return x.learnClasses()
}

// learnClasses tells the viewer of which class fields of the tenant's own are, if it makes a
// difference to it.
func (x *exchange) learnClasses() error {
	if x.op.who != tenant || !x.viewer().AsksOwnClasses() {
		return nil
	}
	fields, err := x.s.Models.OwnFields(x.ctx(), x.caller.Tenant())
	if err != nil {
		return err
	}
	x.caller.Viewer = x.caller.Knowing(fields.Classes())
	x.origin = x.viewer().As(x.origin.Origin)
	return nil
}

// bearer returns the credentials of a request (RFC 6750).
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimLeft(token, " ") // 1*SP, says RFC 9110, 11.4
}

// checkQuery refuses parameters that the operation does not have, and those that
// are given more than once.
func (op *operation) checkQuery(values url.Values) error {
	var wrong domain.Mistakes
	for _, name := range slices.Sorted(maps.Keys(values)) {
		i := slices.IndexFunc(op.Parameters, func(p *huma.Param) bool { return p.In == "query" && p.Name == name })
		switch {
		case i < 0 && op.own && own.IsName(name): // whether there is such a field is looked at when it is read
		case i < 0:
			wrong.Add(badParameter(name, "unknown_parameter", "is not a parameter of this operation"))
		case len(values[name]) > 1:
			wrong.Add(badParameter(name, "repeated_parameter", "is given more than once"))
		}
		if wrong.Full() {
			break
		}
	}
	return wrong.Err()
}

// number reads a parameter that is a whole number, if it is there. Its bounds
// are what the document says.
func (x *exchange) number(name string, otherwise int64) (int64, error) {
	text := x.query.Get(name)
	if text == "" {
		return otherwise, nil
	}
	i := slices.IndexFunc(x.op.Parameters, func(p *huma.Param) bool { return p.Name == name })
	n, ok := domain.ParseInteger(text)
	s := x.op.Parameters[i].Schema
	if !ok || float64(n) < *s.Minimum || float64(n) > *s.Maximum {
		return 0, &domain.Error{
			Reason: domain.Invalid, Code: "bad_value", Pointer: name,
			Detail: "must be a number from " + strconv.FormatFloat(*s.Minimum, 'f', -1, 64) + " to " + strconv.FormatFloat(*s.Maximum, 'f', -1, 64),
		}
	}
	return n, nil
}
