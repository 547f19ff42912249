package csvimport

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
)

// sender sends batches, and finds out what became of each row. It may be used
// concurrently.
type sender struct {
	tenant     client.Tenant
	collection string
	run        string // names this run, so that a later one is not answered with what this one was told
	process    string // names this process, likewise: what was made before may be gone when the run goes on
	update     bool
	replaces   []string // lists that an update replaces
	clears     bool     // an update clears what has an empty cell
	wait       time.Duration
	faults     atomic.Int32 // of single operations, in a row
}

// A batch that ends in a fault of the server is tried this often, and a server
// that has so many faults in a row, each with a single row, is given up.
const (
	faultAttempts = 2
	faultsAllowed = 10
)

// send sends a batch once it may go.
func (s *sender) send(ctx context.Context, b *batch) error {
	if err := s.makeCompanies(ctx, b.news); err != nil { // before anything else: others wait for them
		return err
	}
	for _, c := range b.waits {
		select {
		case <-c:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if len(b.ops) == 0 {
		return nil
	}
	if err := b.arrived(); err != nil {
		return err
	}
	results, err := s.persist(ctx, b)
	if err != nil {
		return err
	}
	var known []*entry
	for _, e := range b.entries {
		if e.count > 0 && e.settle(results[e.first:e.first+e.count]) {
			known = append(known, e)
		}
	}
	if err := s.recognise(ctx, known); err != nil {
		return err
	}
	if s.update {
		return s.updateAll(ctx, known)
	}
	return nil
}

// persist sends the operations of a batch until each has an answer that is
// worth having: what the server could not do just then is sent again.
func (s *sender) persist(ctx context.Context, b *batch) ([]client.Result, error) {
	results, err := s.batch(ctx, s.collection, b.ops)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(s.wait)
	delay := 100 * time.Millisecond
	for attempt := 1; ; attempt++ {
		var again []*entry
		var ops []client.Operation
		for _, e := range b.entries {
			if slices.ContainsFunc(results[e.first:e.first+e.count], func(r client.Result) bool { return mayPass(r.Problem, attempt) }) {
				again = append(again, e)
				ops = append(ops, b.ops[e.first:e.first+e.count]...)
			}
		}
		if len(again) == 0 || time.Now().After(deadline) {
			return results, nil
		}
		for _, r := range results {
			if r.Problem != nil {
				delay = max(delay, r.Problem.After())
			}
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		delay = min(2*delay, 5*time.Second)
		some, err := s.batch(ctx, s.collection, ops)
		if err != nil {
			return nil, err
		}
		for _, e := range again {
			copy(results[e.first:], some[:e.count])
			some = some[e.count:]
		}
	}
}

// mayPass reports whether an operation that was refused may be accepted if it is
// sent again.
func mayPass(p *client.Problem, attempt int) bool {
	if p == nil {
		return false
	}
	const busy = "busy" // others change what the record depends on
	fault := p.Status == http.StatusInternalServerError
	return p.Transient() || p.Code == busy || fault && attempt < faultAttempts
}

// batch sends operations. A batch that is refused as a whole, because of one of
// its operations or because it is too large, is halved until only the operation
// at fault is refused.
func (s *sender) batch(ctx context.Context, collection string, ops []client.Operation) ([]client.Result, error) {
	results, err := s.patiently(ctx, collection, ops)
	if err == nil {
		s.faults.Store(0)
		return results, nil
	}
	p, ok := errors.AsType[*client.Problem](err)
	if !ok || !slices.Contains(ofOne, p.Status) {
		return nil, err
	}
	if len(ops) == 1 {
		if p.Status == http.StatusInternalServerError && s.faults.Add(1) > faultsAllowed {
			return nil, fmt.Errorf("the server cannot do what it should, time after time: %w", err)
		}
		return []client.Result{{Status: p.Status, Problem: p}}, nil
	}
	half := len(ops) / 2
	for half > 1 && ops[half].ID != "" && (ops[half-1].Op == "create" || ops[half-1].ID == ops[half].ID) {
		half-- // what belongs together stays together
	}
	first, err := s.batch(ctx, collection, ops[:half])
	if err != nil {
		return nil, err
	}
	rest, err := s.batch(ctx, collection, ops[half:])
	return append(first, rest...), err
}

// patiently sends operations, once more if the server is at fault.
func (s *sender) patiently(ctx context.Context, collection string, ops []client.Operation) ([]client.Result, error) {
	key := s.key(collection, ops)
	for attempt := 1; ; attempt++ {
		results, _, err := s.tenant.Batch(ctx, collection, key, ops)
		if attempt == faultAttempts || !client.IsStatus(err, http.StatusInternalServerError) {
			return results, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// ofOne are statuses of a batch that may be the fault of one operation.
var ofOne = []int{
	http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity, http.StatusInternalServerError,
}

// key returns the Idempotency-Key of a batch. It follows from all that is in the
// batch, so a batch that was sent before is recognised, and no other is taken for
// it.
func (s *sender) key(collection string, ops []client.Operation) string {
	words := []string{s.run, collection}
	if collection != s.collection { // IDs of companies are used again by other rows
		words = append(words, s.process)
	}
	for _, op := range ops {
		words = append(words, op.Op, op.ID, op.Lists, string(op.Data))
	}
	sum := hashOf(words...)
	return "rowhouse-import-" + hex.EncodeToString(sum[:16])
}

// settle says what became of a row, going by the answers to its operations. It
// reports whether the record was there before, or something else is in its
// place.
func (e *entry) settle(results []client.Result) (known bool) {
	p := results[0].Problem
	if p == nil {
		e.status = imported
		for _, r := range results[1:] {
			if r.Problem != nil {
				e.losses = append(e.losses, e.faultsOf(r.Problem)...)
			}
		}
		return false
	}
	e.status, e.problem, e.faults = refused, p, e.faultsOf(p)
	if p.Status == http.StatusConflict && p.ExistingID == e.id {
		e.arrive(present)
	}
	return p.Status == http.StatusConflict
}

// arrive says that the record is there after all.
func (e *entry) arrive(s status) { e.status, e.faults = s, nil }

// recognise finds out which of the rows that something stands against were
// imported before. Their IDs follow from what is in them, so a record with
// such an ID is the row.
func (s *sender) recognise(ctx context.Context, known []*entry) error {
	var unsure []*entry
	for _, e := range known {
		if e.status == refused && e.problem.ExistingID == "" {
			unsure = append(unsure, e)
		}
	}
	if len(unsure) == 0 {
		return nil
	}
	head, err := s.tenant.Head(ctx) // what was made a moment ago must be seen
	if err != nil {
		return err
	}
	return s.lookUp(ctx, s.tenant.Since(head), unsure)
}

// lookUp finds rows that are there, or were.
func (s *sender) lookUp(ctx context.Context, t client.Tenant, unsure []*entry) error {
	for part := range slices.Chunk(unsure, maxKnown) {
		ids := make([]string, len(part))
		for i, e := range part {
			ids[i] = e.id
		}
		found, err := t.Known(ctx, s.collection, ids)
		if err != nil {
			return err
		}
		for _, e := range part {
			switch r, ok := found[e.id]; {
			case !ok:
				e.faults = []fault{purged}
			case r.DeletedAt != nil:
				e.faults = []fault{inTheBin}
			default:
				e.arrive(present)
			}
		}
	}
	return nil
}

// Why a row that was imported before is not there, and not imported again by
// itself: somebody has removed it on purpose.
var (
	inTheBin = fault{"", "deleted", "the row was imported before, and its record was deleted then; restore it, or import the errors file with --again"}
	purged   = fault{"", "purged", "the row was imported before, and its record was removed for good then; to have it again, import the errors file with --again"}
)

// maxKnown is how many records can be asked for at once.
const maxKnown = 500

// inRecord returns the part of a JSON pointer that points into the record.
func inRecord(pointer string) string {
	if rest, ok := strings.CutPrefix(pointer, "/operations/"); ok {
		_, pointer, _ = strings.Cut(rest, "/")
		pointer = "/" + pointer
	}
	if rest, ok := strings.CutPrefix(pointer, "/data/"); ok {
		return "/" + rest
	}
	return pointer
}

// faultsOf turns what the server refuses into faults of columns.
func (e *entry) faultsOf(p *client.Problem) []fault {
	code := p.Code
	if code == "" {
		code = fmt.Sprintf("status_%d", p.Status)
	}
	if len(p.Errors) == 0 {
		reason := firstOf(p.Detail, p.Title)
		if p.ExistingID != "" {
			reason = fmt.Sprintf("%s (%s)", reason, p.ExistingID)
		}
		return []fault{{"", code, reason}}
	}
	var all []fault
	for _, d := range p.Errors {
		f := fault{code: firstOf(d.Code, code), reason: firstOf(d.Detail, p.Detail)}
		if p.ExistingID != "" {
			f.reason = fmt.Sprintf("%s (%s)", f.reason, p.ExistingID)
		}
		pointer := inRecord(d.Pointer)
		if c := e.draft.columnAt(pointer); c >= 0 {
			f.column = e.draft.plan.name(c)
		} else if pointer != "" {
			f.reason = pointer + " " + f.reason
		}
		all = append(all, f)
	}
	return all
}
