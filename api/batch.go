package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
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
	Op      string             `json:"op" maxLength:"50" doc:"create, update, upsert, delete, or the name of another command." example:"update"`
	ID      string             `json:"id,omitempty" maxLength:"100" doc:"The record; not for create, where it belongs into the data."`
	IfMatch eventstore.Version `json:"if_match,omitempty" minimum:"1" doc:"The version that the record must have."`
	MatchOn []string           `json:"match_on,omitempty" maxItems:"5" maxLength:"50" doc:"The members by which to find the record; only for upsert."`
	Lists   string             `json:"lists,omitempty" enum:"replace,add" doc:"Whether the lists in the data, such as emails, replace those of the record, or their items are added to them; replace, if left out. Only for update and upsert."`
	Data    json.RawMessage    `json:"data,omitempty" doc:"What the body would be if the command came alone."`
}

// batchResults says what became of the commands, in their order.
type batchResults struct {
	Results []batchResult `json:"results"`
	ToRetry int           `json:"to_retry,omitempty" doc:"How many were refused for a reason that may pass, such as an outage. Send the same batch again with the same Idempotency-Key, or those commands alone." example:"2"`
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
	return []*operation{post(r.path("/batch"), tenant, r.tag(), r.id("batch"), "Give several commands to "+r.many(), about,
		params(idempotencyParam), takes[batch](r.s, example), upTo(maxBatchBody), inTurns,
		gives[batchResults](r.s, http.StatusOK, "All were carried out.", headerPosition, headerReplayed),
		gives[batchResults](r.s, http.StatusMultiStatus, "Some were refused. If some of these may be accepted when they are sent again, there is a `Retry-After`.",
			headerPosition, headerRetryAfter, headerToRetry),
		refuses(domain.NotFound, domain.Conflict, domain.Stale, domain.Invalid), serve(r.batch))}
}

// order is one command of a batch: ready, or refused already.
type order struct {
	op     commands.Operation
	status int // of the answer, if it is carried out; 0 if that depends
	err    error
	beside bool // the error is about what is beside the data
}

// item is one operation of a batch on its way.
type item struct {
	batchOperation

	data  input
	brief bool // one mistake was looked for
	name  commandName
	match match
	found []domain.ID // the records that an upsert may be about
	order
	result commands.Result
}

func (r *resource) batch(x *exchange) error {
	whole, err := x.body()
	if err != nil {
		return err
	}
	var in batch
	if err := x.s.schemas.readAround(jsonBody(x.op.RequestBody), whole.tree, &in); err != nil {
		return err
	}
	if in.Atomic && len(in.Operations) > maxAtomic {
		return domain.Check(false, "/operations", "too_many", "must not have more than 100 items if atomic")
	}
	name, err := x.commandName(whole.tree)
	if err != nil {
		return err
	}
	if in.Atomic {
		outs, ok, err := r.s.Commands.Recall(x.ctx(), x.origin.Tenant, name.id, name.hash)
		if err != nil {
			return err
		}
		if ok { // whatever the operations would come to now
			return x.answerAll(name, outs)
		}
	}
	list, _ := whole.tree.(map[string]any)["operations"].([]any)
	items := make([]*item, len(in.Operations))
	for i, op := range in.Operations {
		members, _ := list[i].(map[string]any)
		items[i] = &item{batchOperation: op, data: input{tree: members["data"]}}
		if op.IfMatch != 0 {
			items[i].match = match{versions: []eventstore.Version{op.IfMatch}, there: true}
		}
		if !in.Atomic { // there it is the whole that has a name
			items[i].name = name.part(i, x.s.NewID)
		}
	}
	r.prepareAll(x, items)
	if in.Atomic {
		return r.allOrNone(x, name, items)
	}
	if err := r.each(x, name, items); err != nil {
		return err
	}
	return x.answerBatch(items)
}

// prepareAll makes commands of items. Upserts have to find out which. When much was
// found to be wrong, it looks for one mistake in each that is left, and not beyond.
func (r *resource) prepareAll(x *exchange, items []*item) {
	left := maxBatchErrors
	var upserts []*item
	for _, it := range items {
		it.order = order{}
		if it.data.enough = 0; left <= domain.MaxRefusals {
			it.data.enough = max(left+1, 1)
		}
		switch err := misplaced(it.batchOperation); {
		case x.ctx().Err() != nil: // nobody waits for the rest
			it.err = x.ctx().Err()
		case err != nil:
			it.order = order{err: err, beside: true}
		case it.Op == toUpsert:
			if it.err = r.readUpsert(x, it); it.err == nil {
				upserts = append(upserts, it)
			}
		default:
			it.order = r.order(x, it)
		}
		if it.err != nil {
			wrong := len(domain.Refusals(it.err))
			it.brief = left < 1 && wrong > 0
			left -= wrong
			it.data = input{} // what is refused takes no room any more
		}
	}
	r.upserts(x, upserts)
}

// order makes a command of an item of a batch that is no upsert.
func (r *resource) order(x *exchange, it *item) (o order) {
	v := r.verb(it.Op)
	if v == nil {
		o.err, o.beside = domain.Check(false, "/op", "unknown_value", "must be the name of a command"), true
		return o
	}
	data := it.data
	if data.tree == nil {
		data.tree = map[string]any{}
	}
	if v.Name == commands.Create {
		o.status = http.StatusCreated
		o.op, o.err = r.prepareNew(x, v, it.name, data)
		return o
	}
	id, ok := r.idOf(x, it.ID)
	if !ok {
		o.err = errNothing
		return o
	}
	o.status = http.StatusOK
	way, err := v.lists(it.Lists)
	if err != nil {
		o.err, o.beside = err, true
		return o
	}
	o.op, o.err = v.prepareAs(target(id, it.name, it.match), data, way)
	return o
}

// each carries out the commands that are ready, each by itself. Upserts of a
// record that has come to be in between find it the next time. Nothing is carried
// out if the name of the batch is that of another request.
func (r *resource) each(x *exchange, name commandName, items []*item) error {
	for attempt := 1; len(items) > 0; attempt++ {
		var ops []commands.Operation
		items = slices.DeleteFunc(slices.Clone(items), func(it *item) bool { return it.err != nil })
		for _, it := range items {
			ops = append(ops, it.op)
		}
		results, err := r.s.Commands.Parts(x.ctx(), x.origin, name.id, name.hash, ops)
		if err != nil {
			return err
		}
		var again []*item
		for i, res := range results {
			items[i].result, items[i].err = res, r.explain(res.Err)
			if items[i].Op == toUpsert && raced(res.Err) && attempt < maxRaces {
				again = append(again, items[i])
			}
		}
		r.prepareAll(x, again)
		items = again
	}
	return nil
}

// answerBatch answers with what became of each item. If none was carried out, and
// that is nobody's fault but ours, the whole is refused as one command would be.
func (x *exchange) answerBatch(items []*item) error {
	if err := oursAlone(items); err != nil {
		return err
	}
	out := batchResults{Results: make([]batchResult, len(items))}
	status, replayed, at := http.StatusOK, true, eventstore.Position(0)
	left := maxBatchErrors
	for i, it := range items {
		out.Results[i] = x.result(i, it)
		left -= shorten(out.Results[i].Problem, max(1, left))
		if it.brief {
			out.Results[i].Problem.More = true
		}
		if it.err != nil {
			status = http.StatusMultiStatus
		}
		if p := out.Results[i].Problem; p != nil && mayPass(p.Status) {
			out.ToRetry++
			x.set(headerRetryAfter, retryAfter(*p))
		}
		replayed = replayed && it.result.Outcome.Repeated
		if it.err == nil {
			at = max(at, x.consequences(it.result.Outcome))
		}
	}
	if at > 0 {
		x.s.recent.note(x.writer(), at)
		x.setPosition(at)
	}
	if replayed {
		x.set(headerReplayed, "true")
	}
	if out.ToRetry > 0 {
		x.set(headerToRetry, strconv.Itoa(out.ToRetry))
	}
	return x.answerJSON(status, out)
}

// maxBatchErrors is of how many mistakes the answer to a batch tells, and after
// that of one for each command: what is wrong with a thousand commands in fifty
// ways must neither make an answer that is much larger than the question, nor be
// looked for.
const maxBatchErrors = 200

// oursAlone returns why none of the items was carried out, if that is no fault of
// any of them: an outage, or else a fault of ours.
func oursAlone(items []*item) (why error) {
	again := false
	for _, it := range items {
		if it.err == nil {
			return nil
		}
		p, isFault := problemOf(it.err, "")
		passes := mayPass(p.Status)
		if !passes && !isFault {
			return nil
		}
		if why == nil || passes && !again {
			why = it.err
		}
		again = again || passes
	}
	return why
}

// result says what became of one item.
func (x *exchange) result(i int, it *item) batchResult {
	if out := it.result.Outcome; it.err == nil {
		return batchResult{Index: i, Status: cmp.Or(it.status, statusOf(out)), ID: out.ID, Version: out.Version}
	}
	p, isFault := problemOf(it.err, x.id)
	if isFault {
		x.s.Log.ErrorContext(x.ctx(), "operation of a batch failed for a reason that is not the client's, and was answered with 500",
			"route", x.route(), "request_id", x.id, "index", i, "error", it.err)
	}
	x.s.noteSlow(x.ctx(), x.id, it.err)
	return batchResult{Index: i, Status: p.Status, Problem: &p}
}

// allOrNone carries out all items, or none.
func (r *resource) allOrNone(x *exchange, name commandName, items []*item) error {
	var wrong domain.Mistakes
	ops := make([]commands.Operation, len(items))
	for i, it := range items {
		ops[i] = it.op
		wrong.Add(inOperation(i, it.order))
	}
	if err := wrong.Err(); err != nil {
		return err
	}
	outs, err := r.s.Commands.Atomic(x.ctx(), x.origin, name.id, name.hash, ops)
	if err != nil {
		return placed(err)
	}
	return x.answerAll(name, outs)
}

// answerAll answers with what became of operations that were carried out as one.
func (x *exchange) answerAll(name commandName, outs []commands.Outcome) error {
	items := make([]*item, len(outs))
	for i, out := range outs {
		items[i] = &item{result: commands.Result{Outcome: out}}
	}
	x.set(headerCommandID, name.id.String())
	return x.answerBatch(items)
}

// misplaced refuses what is beside the data of an operation, and has no meaning
// for it: whoever sent it relies on something that would not be kept.
func misplaced(in batchOperation) error {
	isNew, finds := in.Op == commands.Create, in.Op == toUpsert
	return errors.Join(
		domain.Check(in.ID == "" || !isNew && !finds, "/id", "not_applicable", "has no meaning for "+in.Op+": an ID that is chosen belongs into the data"),
		domain.Check(in.IfMatch == 0 || !isNew, "/if_match", "not_applicable", "has no meaning for "+in.Op+", which makes a record"),
		domain.Check(in.Lists != toAdd || !isNew, "/lists", "not_a_patch", "is only for updates and upserts"),
		domain.Check(in.MatchOn == nil || finds, "/match_on", "not_applicable", "is only for upserts"),
	)
}

// inOperation puts what is wrong with a command where it is in the batch.
func inOperation(i int, o order) error {
	at := "/operations/" + strconv.Itoa(i)
	if !o.beside {
		at += "/data"
	}
	return domain.At(at, o.err)
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

// exampleUUID is in the IDs of examples.
var exampleUUID = uuid.MustParse("01940a5f-8d3b-7c1e-9f42-3a6b8c0d2e4f")
