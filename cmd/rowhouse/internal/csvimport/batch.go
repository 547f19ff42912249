package csvimport

import (
	"errors"
	"strings"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
	"github.com/rowhouse/rowhouse/domain"
)

// entry is a row on its way through the importer.
type entry struct {
	row    row
	faults []fault
	losses []fault

	id    string
	draft *draft
	first int // of its operations in the batch
	count int

	status  status
	problem *client.Problem // that stands against making the record
}

// changes are the values of the row that are stored in another form.
func (e *entry) changes() []changed {
	if e.draft == nil {
		return nil
	}
	return e.draft.changes
}

// status says what became of a row.
type status int

const (
	refused status = iota
	imported
	present
	updated
)

// batch is a run of rows that travel together: the good ones as operations, the
// bad ones as they are, all in the order of the file.
type batch struct {
	entries []*entry
	ops     []client.Operation
	size    int // of the operations, in bytes

	claims map[string]bool // what its rows want to hold alone
	news   []*newCompany   // to be made before it is sent
	waits  []<-chan struct{}

	err  error
	done chan struct{} // closed once the batch was answered, or cannot be
}

func newBatch() *batch { return &batch{claims: map[string]bool{}, done: make(chan struct{})} }

// A batch is full at this many bytes; a server takes 1 MiB and more.
const maxBatchBytes = 600 << 10

// maxEntries bounds a batch of rows that are all bad.
const maxEntries = 5000

func (b *batch) full(most int) bool {
	return len(b.ops) >= most || b.size >= maxBatchBytes || len(b.entries) >= maxEntries
}

// addBad adds a row that will not be sent.
func (b *batch) addBad(r row, faults []fault) {
	b.entries = append(b.entries, &entry{row: r, faults: faults})
}

// add adds a row that is to be sent.
func (b *batch) add(r row, d *draft, id string) {
	e := &entry{row: r, id: id, draft: d, losses: d.losses, first: len(b.ops)}
	d.data["id"] = id
	b.ops = append(b.ops, client.Operation{Op: "create", Data: mustJSON(d.data)})
	for _, op := range d.orders {
		// Only if it was made just now: nobody's work on it is to be undone.
		op.ID, op.IfMatch = id, 1
		b.ops = append(b.ops, op)
	}
	e.count = len(b.ops) - e.first
	for _, op := range b.ops[e.first:] {
		b.size += len(op.Data) + 100
	}
	b.entries = append(b.entries, e)
	b.news = append(b.news, d.news...)
	for _, c := range d.awaits {
		b.waits = append(b.waits, c.made)
	}
	for _, key := range d.claims() {
		b.claims[key] = true
	}
}

// arrived puts the companies that rows wait for into their records. They have
// other IDs than was thought if there was such a company and it is gone; without
// one that cannot be made a row is imported all the same.
func (b *batch) arrived() error {
	for _, e := range b.entries {
		if e.count == 0 {
			continue
		}
		changed := false
		for _, c := range e.draft.awaits {
			switch {
			case c.final == c.id:
				continue
			case c.final == "" && c.problem == nil:
				return errNotMade
			}
			c.place(c.final)
			changed = true
			if c.final == "" {
				e.losses = append(e.losses, fault{e.draft.plan.name(c.column), "company_not_made", "the company cannot be made: " + reasonOf(c.problem)})
			}
		}
		if changed {
			b.ops[e.first].Data = mustJSON(e.draft.data)
		}
	}
	return nil
}

// errNotMade says that the companies of a row were not made because the import
// is ending. Why it ends is said by the batch that was to make them.
var errNotMade = errors.New("the companies that the rows name were not made")

// reasonOf says in a few words why the server refuses something.
func reasonOf(p *client.Problem) string {
	if p == nil {
		return "the server does not say why"
	}
	var reasons []string
	for _, d := range p.Errors {
		reasons = append(reasons, strings.TrimSpace(strings.TrimPrefix(inRecord(d.Pointer), "/")+" "+d.Detail))
	}
	return firstOf(strings.Join(reasons, "; "), p.Detail, p.Title, p.Code)
}

// claims are what at most one record can have. Of two rows with the same one,
// it is the first that gets it, so they must not overtake each other.
func (d *draft) claims() []string {
	var keys []string
	if ids, ok := d.data["external_ids"].(map[string]any); ok {
		for source, id := range ids {
			keys = append(keys, "id\x00"+source+"\x00"+id.(string)) //nolint:forcetypeassert // it was made so
		}
	}
	if list, ok := d.data["emails"].([]any); ok {
		for _, e := range list {
			keys = append(keys, emailClaim(e.(map[string]any)["address"].(string))) //nolint:forcetypeassert // it was made so
		}
	}
	if list, ok := d.data["domains"].([]string); ok {
		for _, host := range list {
			keys = append(keys, domainClaim(host))
		}
	}
	return keys
}

// emailClaim and domainClaim are claims by the form that the server compares by.
func emailClaim(address string) string { return "email\x00" + domain.Email(address).Normalized() }

func domainClaim(host string) string { return "domain\x00" + domain.Hostname(host).Normalized() }
