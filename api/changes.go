package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections"
)

// create makes a record.
func (r *resource) create(x *exchange, v *verb) error {
	in, err := x.body()
	if err != nil {
		return err
	}
	name, err := x.commandName(in.tree)
	if err != nil {
		return err
	}
	op, err := r.prepareNew(x, v, name, in)
	if err != nil {
		return err
	}
	return r.carryOut(x, op)
}

// prepareNew returns a command that makes a record.
func (r *resource) prepareNew(x *exchange, v *verb, name commandName, in input) (commands.Operation, error) {
	id, in, err := r.takeID(in)
	to := commands.Target{ID: id.UUID, Fresh: true, Command: name.id, Hash: name.hash}
	if name := r.nameIn(x, in); id.IsZero() && !name.IsZero() {
		to.ID, to.Fresh = name.UUID, false
	} else if id.IsZero() {
		to.ID, to.New, to.Fresh = r.s.NewID(), true, false
	}
	op, wrong := v.prepare(to, in)
	return op, errors.Join(err, wrong)
}

// nameIn returns the ID that follows from the name in the data of create, if the kind has
// such names.
func (r *resource) nameIn(x *exchange, in input) domain.ID {
	members, _ := in.tree.(map[string]any)
	text, _ := members[r.kind.NamedBy()].(string)
	id, _ := r.kind.Named(x.caller.Tenant(), text)
	return id
}

// pathID returns the ID of the record in the path, which is named by that or, in some
// kinds, by a name.
func (r *resource) pathID(x *exchange) (domain.ID, error) {
	id, ok := r.idOf(x, x.path("id"))
	if !ok {
		return domain.ID{}, errNothing
	}
	return id, nil
}

// idOf returns the ID of a record that is named by a text, if it can be one.
func (r *resource) idOf(x *exchange, text string) (domain.ID, bool) {
	if id, ok := r.kind.Named(x.caller.Tenant(), text); ok {
		return id, true
	}
	id, err := domain.ParseID(text)
	return id, err == nil && id.Prefix == r.view.Prefix()
}

// change gives a command to the record in the path.
func (r *resource) change(x *exchange, v *verb) error {
	id, err := r.pathID(x)
	if err != nil {
		return err
	}
	in := input{tree: map[string]any{}}
	if x.op.RequestBody != nil {
		if in, err = x.body(); err != nil {
			return err
		}
	}
	m, err := x.match()
	if err != nil {
		return err
	}
	name, err := x.commandName(in.tree)
	if err != nil {
		return err
	}
	op, err := v.prepare(target(id, name, m), in)
	if err != nil {
		return err
	}
	return r.carryOut(x, op)
}

// target says which record a command is for, and on what terms.
func target(id domain.ID, name commandName, m match) commands.Target {
	to := commands.Target{ID: id.UUID, Disjoint: m.merge, Command: name.id, Hash: name.hash}
	to.Match, to.Seen, to.Unless, to.Absent = m.versions, m.seen, m.unless, m.absent
	return to
}

// carryOut carries out one command and answers with what became of the record.
func (r *resource) carryOut(x *exchange, op commands.Operation) error {
	res := r.s.Commands.All(x.ctx(), x.origin, []commands.Operation{op})[0]
	if res.Err != nil {
		return r.explain(res.Err)
	}
	out, status := res.Outcome, statusOf(res.Outcome)
	last := x.consequences(out)
	x.s.recent.note(x.writer(), last)
	doc, err := r.after(x, out)
	unseen := errors.Is(err, projections.ErrUnseen) // such as a record of one's own that was given away
	isGone := errors.Is(err, domain.NotFound)
	if err != nil && !isGone {
		return err
	}
	x.set(headerCommandID, out.Command.String())
	if out.Repeated {
		x.set(headerReplayed, "true")
	}
	if isGone && !unseen && !isPurge(out) {
		x.setPosition(last)
		return errPurged
	}
	if isGone {
		x.setPosition(last)
		x.WriteHeader(http.StatusNoContent)
		return nil
	}
	if status == http.StatusCreated {
		x.set("Location", "/v1/tenants/"+x.origin.Tenant.String()+"/"+r.view.Name()+"/"+out.ID.String())
	}
	return x.answerRecord(status, doc, max(last, doc.Position))
}

// followUp is how long a caller waits at most for what follows from a command.
const followUp = 10 * time.Second

// consequences does what follows from commands that were carried out, such as
// to move the deals of a stage that was archived, and returns the position from
// which on the caller sees it. The commands are done, so nothing that goes wrong
// here is the caller's concern: it is done later.
func (x *exchange) consequences(outs ...commands.Outcome) (last eventstore.Position) {
	ctx, cancel := context.WithTimeout(x.ctx(), followUp)
	defer cancel()
	for _, out := range outs {
		last = max(last, out.Position)
		if x.s.React == nil || out.Repeated {
			continue
		}
		at, err := x.s.React(ctx, x.origin.Tenant, slices.Concat(out.Events, out.Others))
		if last = max(last, at); err != nil {
			x.s.Log.WarnContext(ctx, "what follows from a command is done later", "request_id", x.id, "error", err)
		}
	}
	return last
}

// statusOf says whether a command made a record or changed it. It says the same
// when the command is repeated.
func statusOf(out commands.Outcome) int {
	if len(out.Events) > 0 && out.Events[0].Version == 1 {
		return http.StatusCreated
	}
	return http.StatusOK
}

// explain gives one answer about records that are not there, whoever found out.
func (*resource) explain(err error) error {
	if errors.Is(err, domain.NotFound) {
		return errNothing
	}
	return err
}

// isPurge reports whether a command has removed its record for good.
func isPurge(out commands.Outcome) bool {
	return len(out.Events) > 0 && domain.IsPurge(out.Events[len(out.Events)-1].Type)
}

// errPurged is the answer to a command that was carried out, when the record that
// would be shown has been removed for good since.
var errPurged = gone.Refusef("purged", "the command was carried out, and the record was purged since")

// after returns the record as it is after a command. That of a repeated command
// may be gone meanwhile: then it is shown to nobody any more, as it was or
// otherwise.
func (r *resource) after(x *exchange, out commands.Outcome) (projections.Document, error) {
	if out.Repeated {
		if err := r.notPurged(x, out.ID); err != nil {
			return projections.Document{}, err
		}
	}
	prior := out.Version - eventstore.Version(len(out.Events))
	return r.s.Models.View(x.ctx(), x.viewer(), r.view, out.ID.UUID, prior, out.Events)
}

// answerRecord answers with a record.
func (x *exchange) answerRecord(status int, doc projections.Document, at eventstore.Position) error {
	x.set("Etag", etag(doc.Version))
	x.setPosition(at)
	return x.answer(status, doc.JSON)
}

// noBody refuses a body where none means anything.
func (x *exchange) noBody() error {
	if x.op.RequestBody != nil || x.r.ContentLength == 0 {
		return nil
	}
	// How long it is may not be known yet; whatever it is that ends it.
	n, err := io.ReadFull(x.r.Body, make([]byte, 1))
	switch {
	case n > 0 || x.r.ContentLength > 0:
		return domain.Malformed.Refusef("unexpected_body", "this operation takes no body")
	case !errors.Is(err, io.EOF):
		return unreadable(err)
	}
	return nil
}
