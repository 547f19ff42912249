package csvimport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
	"github.com/rowhouse/rowhouse/domain"
	mould "github.com/rowhouse/rowhouse/domain/record"
)

// forecast is what an import would do, as far as that can be known without
// doing it: the server has the last word, and others work meanwhile.
type forecast struct {
	plan   *plan
	tenant client.Tenant

	held map[string]string // what at most one record can have, to the row before that wants it
	told map[string]*refusal
	kept []*refusal // of told, in the order of the file

	Tally
	findings
	companies int // that would be made
}

// refusal counts rows that would be refused, or lose a value, for one reason.
type refusal struct {
	result string
	fault
	count int
	lines []int // of some of them
}

// foretell goes through all rows as an import does, and writes nothing: neither
// on the server nor beside the file.
func (im *importer) foretell(ctx context.Context) (*forecast, error) {
	f := &forecast{plan: im.plan, tenant: im.sender.tenant, told: map[string]*refusal{}, held: map[string]string{}}
	var some []*entry
	err := im.walkKnown(ctx, 0, func(r row, id string) error {
		some = append(some, im.foreseen(r, id))
		if len(some) < maxKnown {
			return nil
		}
		err := f.add(ctx, some)
		some = nil
		return err
	})
	return f, errors.Join(err, f.add(ctx, some))
}

// foreseen makes an entry of a row, like [importer.add].
func (im *importer) foreseen(r row, id string) *entry {
	e := &entry{row: r, id: id}
	if r.fault != nil {
		e.faults = []fault{*r.fault}
		return e
	}
	d := im.plan.draft(r.cells)
	e.draft, e.losses = d, d.losses
	if e.faults = d.faults; len(e.faults) > 0 {
		return e
	}
	if err := im.plan.object.check(d.data); err != nil {
		e.faults = e.faultsIn(err)
	}
	return e
}

// faultsIn turns what the domain refuses into faults of columns.
func (e *entry) faultsIn(err error) (all []fault) {
	p := &client.Problem{Code: "invalid"}
	for _, r := range domain.Refusals(err) {
		if one, ok := errors.AsType[*domain.Error](r); ok {
			p.Errors = append(p.Errors, client.Detail{Pointer: one.Pointer, Code: one.Code, Detail: one.Detail})
		}
	}
	return e.faultsOf(p)
}

// theirs returns what some rows want and live records of the kind have, to the IDs of
// these.
func (f *forecast) theirs(ctx context.Context, some []*entry) (map[string]string, error) {
	held, of := map[string]string{}, map[string][]sought{} // by the member that has it
	for _, e := range some {
		if len(e.faults) > 0 {
			continue
		}
		for _, claim := range e.draft.claims() {
			kind, value, _ := strings.Cut(claim, "\x00")
			member := map[string]string{"id": "external_ids", "email": "emails", "domain": "domains"}[kind]
			of[member] = append(of[member], sought{text: strings.Replace(value, "\x00", ":", 1)})
		}
	}
	for member, all := range of {
		for _, q := range parts(all, maxValues, func(some []sought) filter {
			return where(member, "any", texts(some, func(w sought) []string { return []string{w.text} }))
		}) {
			err := ask(ctx, f.tenant, f.plan.object.collection, "id,"+member, q, func(r struct {
				named

				Domains []string `json:"domains"`
			},
			) {
				for source, id := range r.ExternalIDs {
					held["id\x00"+source+"\x00"+id] = r.ID
				}
				for _, e := range r.Emails {
					held[emailClaim(e.Address)] = r.ID
				}
				for _, host := range r.Domains {
					held[domainClaim(host)] = r.ID
				}
			})
			if err != nil {
				return nil, fmt.Errorf("the %s cannot be read: %w", f.plan.object.collection, err)
			}
		}
	}
	return held, nil
}

// add adds rows, in the order of the file.
func (f *forecast) add(ctx context.Context, some []*entry) error {
	var ids []string
	for _, e := range some {
		if len(e.faults) == 0 {
			ids = append(ids, e.id)
		}
	}
	known := map[string]client.Known{}
	if len(ids) > 0 {
		var err error
		if known, err = f.tenant.Known(ctx, f.plan.object.collection, ids); err != nil {
			return err
		}
	}
	held, err := f.theirs(ctx, some)
	if err != nil {
		return err
	}
	for _, e := range some {
		f.Rows++
		f.place(e, known, held)
		switch e.status {
		case imported:
			f.Imported++
			f.companies += len(e.draft.news)
		case present:
			f.Present++
		case updated:
			f.Updated++
		case refused:
			f.Refused++
			f.tell(notImported, e.row.line, e.faults)
			continue
		}
		f.count(e.row.line, e.changes())
		if len(e.losses) > 0 {
			f.Partial++
			f.tell(notAllImported, e.row.line, e.losses)
		}
	}
	return nil
}

// place finds out what would become of a row.
func (f *forecast) place(e *entry, known map[string]client.Known, held map[string]string) {
	if len(e.faults) > 0 {
		return
	}
	there := present
	if f.plan.options.Update {
		there = updated
	}
	if k, ok := known[e.id]; ok {
		if k.DeletedAt == nil {
			e.status = there
		} else {
			e.faults = []fault{inTheBin}
		}
		return
	}
	for _, key := range e.draft.claims() {
		holder, taken := held[key]
		if !taken {
			holder, taken = f.held[key]
		}
		switch {
		case !taken:
		case f.plan.options.Update:
			e.status = updated
			return
		default:
			e.faults = append(e.faults, fault{f.plan.name(e.draft.columnOf(key)), "duplicate", "belongs to another record (" + holder + ")"})
		}
	}
	if len(e.faults) > 0 {
		return
	}
	for _, key := range e.draft.claims() {
		f.held[key] = fmt.Sprintf("line %d of the file", e.row.line)
	}
	e.status = imported
}

// tell counts reasons.
func (f *forecast) tell(result string, line int, faults []fault) {
	for _, one := range faults {
		if i := strings.LastIndex(one.reason, " ("); one.code == "duplicate" && i > 0 {
			one.reason = one.reason[:i] // which one it is differs from row to row
		}
		key := strings.Join([]string{result, one.column, one.code, one.reason}, "\x00")
		r := f.told[key]
		if r == nil {
			r = &refusal{result: result, fault: one}
			f.told[key] = r
			f.kept = append(f.kept, r)
		}
		if r.count++; len(r.lines) < maxSamples {
			r.lines = append(r.lines, line)
		}
	}
}

// report says what would happen.
func (f *forecast) report(say func(format string, args ...any)) {
	for _, c := range f.Changes {
		say("changed: %s", c)
	}
	most := 30
	for _, r := range slices.SortedStableFunc(slices.Values(f.kept), func(a, b *refusal) int { return b.count - a.count }) {
		what := "would be refused"
		if r.result == notAllImported {
			what = "would be imported without a value"
		}
		if most--; most < 0 {
			say("… and more reasons")
			break
		}
		say("%s %s %s: %s (%s), line %s", grouped(r.count), plural("row", r.count), what, r.Error(), r.code, lines(r.lines, r.count))
	}
	if f.companies > 0 {
		say("%s %s would be made, because rows name them", grouped(f.companies), map[bool]string{true: "company", false: "companies"}[f.companies == 1])
	}
	say("nothing was written. Of %s %s, %s would be imported, %s are there already, %s would be updated, %s refused; %s would lose a value",
		grouped(f.Rows), plural("row", f.Rows), grouped(f.Imported), grouped(f.Present), grouped(f.Updated), grouped(f.Refused), grouped(f.Partial))
	say("the same command without --dry-run does it")
}

// lines lists some of the lines that something is about.
func lines(some []int, all int) string {
	var parts []string
	for _, n := range some {
		parts = append(parts, grouped(n))
	}
	if all > len(some) {
		parts = append(parts, "…")
	}
	return strings.Join(parts, ", ")
}

// checker returns what says whether the fields of a record may be so, going by
// the rules that this version has.
func checker[F mould.Fields[F]](own ...string) func(data map[string]any) error {
	return func(data map[string]any) error {
		rest := map[string]any{}
		for name, v := range data {
			if name != "id" && !slices.Contains(own, name) {
				rest[name] = v
			}
		}
		var f F
		if err := domain.Unmarshal(mustJSON(rest), &f); err != nil {
			return err
		}
		return domain.CheckShape(mould.Normal(f))
	}
}

// walkKnown is walk, some rows ahead of which it was asked for what these refer to.
func (im *importer) walkKnown(ctx context.Context, skip int, each func(row, string) error) error {
	type next struct {
		row row
		id  string
	}
	var ahead []next
	pass := func() error {
		rows := make([]row, len(ahead))
		for i, n := range ahead {
			rows[i] = n.row
		}
		if err := im.plan.learn(ctx, rows); err != nil {
			return err
		}
		for _, n := range ahead {
			if err := each(n.row, n.id); err != nil {
				return err
			}
		}
		ahead = ahead[:0]
		return nil
	}
	err := im.walk(ctx, skip, func(r row, id string) error {
		if ahead = append(ahead, next{r, id}); len(ahead) < maxKnown {
			return nil
		}
		return pass()
	})
	if err != nil {
		return err
	}
	return pass()
}

// walk goes through the rows of the file after the first skip ones, each with
// the ID that follows from it: "" if it cannot be read.
func (im *importer) walk(ctx context.Context, skip int, each func(row, string) error) error {
	rows, in, err := im.plan.file.rows()
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // it was only read
	ids := newIdentities(im.sender.tenant.ID, im.plan.object.prefix, im.state.Generation)
	own := 0 // columns of ours, in an errors file
	if isErrorsFile(im.plan.header) {
		own = len(reportColumns)
	}
	for {
		r, err := rows.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		id := ""
		if r.fault == nil {
			id = ids.of(r.cells[own:])
		}
		if skip > 0 {
			skip--
			continue
		}
		if err := each(r, id); err != nil {
			return err
		}
	}
}
