package commands_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/company"
	"github.com/rowhouse/rowhouse/domain/contact"
	"github.com/rowhouse/rowhouse/domain/pipeline"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/viewer"
	"github.com/rowhouse/rowhouse/wall"
)

// world is a log with a tenant in it, somebody who may do anything there, and
// what carries out their commands.
type world struct {
	*testing.T

	wall *wall.Wall
	log  *watched
	run  *commands.Runner
	ann  viewer.Caller
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := dbtest.New(t)
	log := &watched{Store: postgres.New(postgres.Config{Wall: w}), reads: map[eventstore.StreamID]int{}}
	all := &world{T: t, wall: w, log: log, run: commands.NewRunner(commands.Config{Store: log, NewID: newID, Cache: 1 << 20})}
	log.elsewhere = func(f func()) {
		here := all.run
		all.run = commands.NewRunner(commands.Config{Store: log, NewID: newID, Cache: 1 << 20})
		defer func() { all.run = here }()
		f()
	}
	all.ann = all.somebody(newID())
	return all
}

// somebody makes a tenant, and returns who may do anything there.
func (w *world) somebody(tenant uuid.UUID) viewer.Caller {
	w.Helper()
	id := domain.TenantID{UUID: tenant}
	if err := w.wall.Outside(w.Context(), wall.Access, func(tx wall.Tx) error { return postgres.CreateTenant(w.Context(), tx, id, postgres.Here) }); err != nil {
		w.Fatal(err)
	}
	ann := domain.Actor{Kind: "user", ID: domain.ID{Prefix: "usr", UUID: uuid.UUID{15: 1}}}
	return viewer.Server(id, ann, everyPermission()...).As(domain.Origin{Time: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)})
}

// everyPermission returns what there is to permit.
func everyPermission() (all []domain.Permission) {
	for _, p := range commands.All {
		for _, o := range p.Offers() {
			all = append(all, o.Permission)
		}
	}
	return all
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// watched is a log that is looked at, and interfered with.
type watched struct {
	eventstore.Store

	mu      sync.Mutex
	before  func(n int) // called before each append but those that it makes itself
	appends int
	reads   map[eventstore.StreamID]int
	recalls int
	events  atomic.Int64 // that were read from streams

	elsewhere func(func()) // does something as another node would
}

func (l *watched) Append(ctx context.Context, t domain.TenantID, c ...eventstore.Command) []eventstore.Result {
	l.mu.Lock()
	l.appends++
	n, f := l.appends, l.before
	l.before = nil
	l.mu.Unlock()
	if f != nil {
		l.elsewhere(func() { f(n) })
		l.interfere(f)
	}
	return l.Store.Append(ctx, t, c...)
}

func (l *watched) ReadStream(ctx context.Context, s eventstore.StreamID, after eventstore.Version) iter.Seq2[eventstore.Recorded, error] {
	l.mu.Lock()
	l.reads[s]++
	l.mu.Unlock()
	return func(yield func(eventstore.Recorded, error) bool) {
		for e, err := range l.Store.ReadStream(ctx, s, after) {
			l.events.Add(1)
			if !yield(e, err) {
				return
			}
		}
	}
}

func (l *watched) Recall(ctx context.Context, t domain.TenantID, command uuid.UUID, hash []byte) (eventstore.Receipt, bool, error) {
	l.mu.Lock()
	l.recalls++
	l.mu.Unlock()
	return l.Store.Recall(ctx, t, command, hash)
}

// asked returns how often the log was asked for a record, and for commands.
func (l *watched) asked(s eventstore.StreamID) (reads, recalls int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reads[s], l.recalls
}

// interfere lets something happen between a decision and its append.
func (l *watched) interfere(f func(n int)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.before = f
}

func (l *watched) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.appends
}

// give carries out a command that must go through.
func give[S any](w *world, p *commands.Policy[S], id uuid.UUID, cmd domain.Command[S]) commands.Outcome {
	w.Helper()
	out, err := commands.Do(w.Context(), w.run, p, w.ann, commands.Target{ID: id}, cmd)
	if err != nil {
		w.Fatalf("%T: %v", cmd, err)
	}
	return out
}

// try carries out a command, and returns what it is refused for: kind, code and
// pointer.
func try[S any](w *world, p *commands.Policy[S], o viewer.Caller, to commands.Target, cmd domain.Command[S]) string {
	w.Helper()
	_, err := commands.Do(w.Context(), w.run, p, o, to, cmd)
	return refusal(err)
}

func refusal(err error) string {
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*domain.Error](err)
	if !ok {
		return "fault: " + err.Error()
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Reason, e.Code, e.Pointer))
}

func (w *world) newCompany(f company.Fields) domain.ID {
	w.Helper()
	if f.Name == "" {
		f.Name = "Acme"
	}
	return give(w, commands.Companies, newID(), company.Create{Fields: f}).ID
}

func (w *world) newContact(f contact.Fields) domain.ID {
	w.Helper()
	if f.FirstName == "" {
		f.FirstName = "Ada"
	}
	return give(w, commands.Contacts, newID(), contact.Create{Fields: f}).ID
}

func (w *world) newPipeline() domain.ID {
	w.Helper()
	return give(w, commands.Pipelines, newID(), pipeline.Create{Name: "Sales", Stages: []domain.Stage{
		{Key: "lead", Name: "Lead", Kind: domain.StageOpen}, {Key: "won", Name: "Won", Kind: domain.StageWon}, {Key: "lost", Name: "Lost", Kind: domain.StageLost},
	}}).ID
}

// history returns the types of the events of a record, in order.
func (w *world) history(id domain.ID, kind string) string {
	w.Helper()
	var types []string
	for e, err := range w.log.Store.ReadStream(w.Context(), eventstore.StreamID{Tenant: w.ann.Tenant, Kind: kind, ID: id.UUID}, 0) {
		if err != nil {
			w.Fatal(err)
		}
		types = append(types, strings.TrimPrefix(e.Type, kind+"."))
	}
	return strings.Join(types, " ")
}

func (w *world) head() eventstore.Position {
	w.Helper()
	head, err := w.log.Head(w.Context(), w.ann.Tenant)
	if err != nil {
		w.Fatal(err)
	}
	return head
}

func patchContact(text string) (u contact.Update) {
	if err := json.Unmarshal([]byte(text), &u); err != nil {
		panic(err)
	}
	return u
}

func emails(addresses ...domain.Email) (all []contact.EmailAddress) {
	for _, a := range addresses {
		all = append(all, contact.EmailAddress{Address: a})
	}
	return all
}

// fold reads a record from the log.
func fold[S any](w *world, agg *domain.Aggregate[S], s *S, id domain.ID) {
	w.Helper()
	for e, err := range w.log.Store.ReadStream(w.Context(), eventstore.StreamID{Tenant: w.ann.Tenant, Kind: agg.Name(), ID: id.UUID}, 0) {
		if err == nil {
			err = agg.Apply(s, e.Time, e.Type, e.Schema, e.Data)
		}
		if err != nil {
			w.Fatal(err)
		}
	}
}
