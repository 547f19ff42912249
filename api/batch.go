package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

const (
	maxBatch     = 1000
	maxAtomic    = 100
	maxBatchBody = 8 << 20
)

// batch is several commands for records of one kind.
type batch struct {
	Atomic     bool             `json:"atomic,omitempty" doc:"All of them or none; then there may be 100."`
	Operations []batchOperation `json:"operations" minItems:"1" maxItems:"1000"`
}

type batchOperation struct {
	Op      string             `json:"op" maxLength:"50" doc:"create, update, delete, or the name of another command." example:"update"`
	ID      string             `json:"id,omitempty" maxLength:"100" doc:"The record; not for create, where it belongs into the data."`
	IfMatch eventstore.Version `json:"if_match,omitempty" minimum:"1" doc:"The version that the record must have."`
	Data    json.RawMessage    `json:"data,omitempty" doc:"What the body would be if the command came alone."`
}

// batchResults says what became of the commands, in their order.
type batchResults struct {
	Results []batchResult `json:"results"`
}

type batchResult struct {
	Index   int                `json:"index"`
	Status  int                `json:"status" doc:"As if the command had come alone." example:"201"`
	ID      domain.ID          `json:"id,omitzero"`
	Version eventstore.Version `json:"version,omitempty"`
	Problem *Problem           `json:"problem,omitempty"`
}

func (r *resource) batchOperations() []*operation {
	about := "Up to 1,000 commands, each by itself, or with `atomic` up to 100, all or none. Those for one record are carried out in their order."
	example := `{"operations":[{"op":"delete","id":"` + r.exampleID() + `"}]}`
	return []*operation{post(r.path("/batch"), tenant, r.tag(), r.id("batch"), "Give several commands", about,
		params(idempotencyParam), takes[batch](r.s, example), upTo(maxBatchBody),
		gives[batchResults](r.s, http.StatusOK, "All were carried out.", headerPosition, headerReplayed),
		gives[batchResults](r.s, http.StatusMultiStatus, "Some were refused.", headerPosition),
		refuses(domain.NotFound, domain.Conflict, domain.Stale, domain.Invalid), serve(r.batch))}
}

// order is one command of a batch: ready, or refused already.
type order struct {
	op     commands.Operation
	status int
	err    error
}

func (r *resource) batch(x *exchange) error {
	data, tree, err := x.body()
	if err != nil {
		return err
	}
	var in batch
	if err := x.s.schemas.read(jsonBody(x.op.RequestBody), tree, data, &in); err != nil {
		return err
	}
	if in.Atomic && len(in.Operations) > maxAtomic {
		return domain.Check(false, "/operations", "too_many", "must not have more than 100 items if atomic")
	}
	name, err := x.identity(tree)
	if err != nil {
		return err
	}
	list, _ := tree.(map[string]any)["operations"].([]any)
	orders := make([]order, len(in.Operations))
	for i, op := range in.Operations {
		as := name.part(i, x.s.NewID)
		if in.Atomic {
			as = identity{} // the whole has a name
		}
		orders[i] = r.order(op, list[i].(map[string]any)["data"], as, match{version: op.IfMatch})
	}
	if in.Atomic {
		return r.allOrNone(x, name, orders)
	}
	return r.each(x, orders)
}

// order makes a command of an item of a batch. The tree is what its data was
// parsed into.
func (r *resource) order(in batchOperation, tree any, name identity, m match) (o order) {
	v := r.verb(in.Op)
	if v == nil {
		o.err = domain.Check(false, "/op", "unknown_value", "must be the name of a command")
		return o
	}
	data := []byte(in.Data)
	if tree == nil {
		tree, data = map[string]any{}, []byte("{}")
	}
	if v.name == toCreate {
		o.status = http.StatusCreated
		o.op, o.err = r.prepareNew(v, name, tree, data)
		return o
	}
	id, err := domain.ParseID(in.ID)
	if err != nil || id.Prefix != r.view.Prefix() {
		o.err = errNothing
		return o
	}
	o.status = http.StatusOK
	o.op, o.err = v.prepare(target(id, name, m), tree, data)
	return o
}

// each carries out the commands that are ready, each by itself.
func (r *resource) each(x *exchange, orders []order) error {
	var ready []commands.Operation
	for _, o := range orders {
		if o.err == nil {
			ready = append(ready, o.op)
		}
	}
	done := r.s.Commands.All(x.ctx(), x.origin, ready)
	out := batchResults{Results: make([]batchResult, len(orders))}
	status, replayed, at := http.StatusOK, len(ready) > 0, eventstore.Position(0)
	for i, o := range orders {
		var res commands.Result
		if o.err == nil {
			res, done = done[0], done[1:]
			o.err = r.explain(res.Err)
		}
		out.Results[i] = x.result(i, o, res.Outcome)
		if o.err != nil {
			status = http.StatusMultiStatus
		}
		replayed = replayed && res.Outcome.Repeated
		at = max(at, res.Outcome.Position)
	}
	return x.answerBatch(status, out, replayed, at)
}

// result says what became of one command.
func (x *exchange) result(i int, o order, out commands.Outcome) batchResult {
	if o.err == nil {
		return batchResult{Index: i, Status: o.status, ID: out.ID, Version: out.Version}
	}
	p, isFault := problemOf(o.err, x.id)
	if isFault {
		x.s.Log.ErrorContext(x.ctx(), "operation of a batch failed", "request_id", x.id, "index", i, "error", o.err)
	}
	return batchResult{Index: i, Status: p.Status, Problem: &p}
}

// allOrNone carries out all of the commands, or none.
func (r *resource) allOrNone(x *exchange, name identity, orders []order) error {
	var errs []error
	ops := make([]commands.Operation, len(orders))
	for i, o := range orders {
		ops[i] = o.op
		errs = append(errs, inData(i, o.err))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	outs, err := r.s.Commands.Atomic(x.ctx(), x.origin, name.id, name.hash, ops)
	if err != nil {
		return placed(err)
	}
	res, at := batchResults{Results: make([]batchResult, len(outs))}, eventstore.Position(0)
	for i, out := range outs {
		res.Results[i] = x.result(i, orders[i], out)
		at = max(at, out.Position)
	}
	x.set(headerCommandID, name.id.String())
	return x.answerBatch(http.StatusOK, res, outs[0].Repeated, at)
}

// inData puts what is wrong with the data of a command where the data is in the
// batch.
func inData(i int, err error) error {
	return domain.At("/operations/"+strconv.Itoa(i)+"/data", err)
}

// placed does the same for a refusal that says itself which command it is about:
// what is wrong at /3/name is wrong at /operations/3/data/name.
func placed(err error) error {
	var all []error
	for _, one := range domain.Refusals(err) {
		e := *one.(*domain.Error) //nolint:errorlint // Refusals returns nothing else
		index, rest, inside := strings.Cut(strings.TrimPrefix(e.Pointer, "/"), "/")
		if _, atoi := strconv.Atoi(index); atoi == nil {
			e.Pointer = "/operations/" + index
			if inside {
				e.Pointer += "/data/" + rest
			}
		}
		all = append(all, &e)
	}
	if all == nil {
		return err
	}
	return errors.Join(all...)
}

func (x *exchange) answerBatch(status int, out batchResults, replayed bool, at eventstore.Position) error {
	if at > 0 {
		x.setPosition(at)
	}
	if replayed {
		x.set(headerReplayed, "true")
	}
	return x.answerJSON(status, out)
}

// exampleUUID is in the IDs of examples.
var exampleUUID = uuid.MustParse("01940a5f-8d3b-7c1e-9f42-3a6b8c0d2e4f")
