package projections

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/company"
	"github.com/rowhouse/rowhouse/domain/contact"
	"github.com/rowhouse/rowhouse/domain/deal"
	"github.com/rowhouse/rowhouse/domain/pipeline"
	"github.com/rowhouse/rowhouse/domain/record"
	"github.com/rowhouse/rowhouse/domain/task"
	"github.com/rowhouse/rowhouse/eventstore"
)

// yearOfWork records what happens in a CRM, in the order in which it does: about
// n events of all kinds.
func (l *log) yearOfWork(tenant domain.TenantID, n int) {
	l.t.Helper()
	var events []streamEvent
	add := func(kind, prefix string, of ...any) domain.ID {
		id := domain.ID{Prefix: prefix, UUID: uuid.Must(uuid.NewV7())}
		for _, e := range of {
			events = append(events, streamEvent{eventstore.StreamID{Tenant: tenant, Kind: kind, ID: id.UUID}, e})
		}
		return id
	}
	more := func(id domain.ID, kind string, of ...any) {
		for _, e := range of {
			events = append(events, streamEvent{eventstore.StreamID{Tenant: tenant, Kind: kind, ID: id.UUID}, e})
		}
	}
	owner := id("usr", 1)
	pip := add("pipeline", "pip", pipeline.Created{Name: "Sales", Stages: []domain.Stage{leadStage, won}})
	var deals []domain.ID
	for i := 0; len(events) < n; i++ {
		name := fmt.Sprintf("Company %d", i)
		co := add("company", "cmp", company.Created{Fields: company.Fields{
			Name: name, Domains: []domain.Hostname{domain.Hostname(fmt.Sprintf("company%d.example", i))}, Industry: "Manufacturing",
			EmployeeCount: new(i), Phone: "+4930123456", Kind: company.Prospect, Common: record.Common{OwnerID: owner, Tags: []string{"berlin", "import"}},
			Addresses: []domain.Address{{Line1: "Unter den Linden 77", City: "Berlin", PostalCode: "10117", Country: "DE"}},
		}})
		for j := range 5 {
			email := domain.Email(fmt.Sprintf("person%d@company%d.example", j, i))
			con := add("contact", "con", contact.Created{Fields: contact.Fields{
				FirstName: "Ada", LastName: fmt.Sprintf("Person %d", j), JobTitle: "Head of Analysis", CompanyID: co, Lifecycle: contact.Lead,
				Emails: []contact.EmailAddress{{Address: email, Kind: "work", Primary: true}}, Phones: []contact.PhoneNumber{{Number: "+4930123456", Primary: true}},
				Common: record.Common{OwnerID: owner, ExternalIDs: record.ExternalIDs{"hubspot": strconv.Itoa(i*5 + j)}},
			}})
			if j%2 == 0 {
				more(con, "contact", contact.Updated{Changes: changes1("language", `"de"`)}, contact.LifecycleChanged{From: contact.Lead, To: contact.Customer})
			}
		}
		d := add("deal", "deal", deal.Opened{Fields: deal.Fields{Name: name + ": roof", CompanyID: co, CloseDate: "2026-12-31", Common: record.Common{OwnerID: owner}}, PipelineID: pip, StageKey: "lead", Probability: 10, At: noon},
			deal.AmountChanged{To: euros})
		deals = append(deals, d)
		more(deals[i/2], "deal", deal.StageChanged{From: "lead", To: "offer", Probability: 40, SecondsInFrom: 86400, At: noon})
		if i%2 == 0 {
			more(deals[i/2], "deal", deal.StageChanged{From: "offer", To: "won", Probability: 100, At: noon}, deal.Won{At: noon})
		}
		for range 2 {
			add("task", "task", task.Created{Fields: task.Fields{Title: "Call " + name, Kind: "call", Priority: "normal", DueAt: &noon, Related: record.RelatedTo{{Type: "deal", ID: d}}, Common: record.Common{OwnerID: owner}}},
				task.Completed{By: task.Complete{Outcome: "Wants an offer by Friday"}})
		}
	}
	for len(events) > 0 {
		n := min(len(events), 10_000)
		l.fill(tenant, events[:n])
		events = events[n:]
	}
}

func (f *fixture) benchmark(b *testing.B, n int) (domain.TenantID, int) {
	b.Helper()
	tenant := f.newTenant()
	f.log.yearOfWork(tenant, n)
	if _, err := f.log.super.Exec(b.Context(), "vacuum analyze"); err != nil {
		b.Fatal(err)
	}
	head, err := f.log.Head(b.Context(), tenant)
	if err != nil {
		b.Fatal(err)
	}
	size := 0
	for _, e := range f.log.all(tenant)[:1000] {
		size += len(e.Data) + len(e.Meta)
	}
	b.ReportMetric(float64(size)/1000, "bytes/event")
	return tenant, int(head)
}

// busyYear is how many events there are to catch up with. With -short it is few,
// to see that the benchmark works.
func busyYear() int {
	if testing.Short() {
		return 2_000
	}
	return 50_000
}

// BenchmarkCatchUp measures how fast the follower makes up for a long absence.
func BenchmarkCatchUp(b *testing.B) {
	f := setup(b, func(c *Config) { c.All, c.Facts = All, AllFacts })
	tenant, events := f.benchmark(b, busyYear())
	var cpu time.Duration
	for b.Loop() {
		b.StopTimer()
		if err := f.Reset(b.Context(), tenant); err != nil {
			b.Fatal(err)
		}
		f.forgetRows()
		b.StartTimer()
		cpu -= f.cpu(b)
		if err := catchUp(b.Context(), f.Models, tenant, 4000); err != nil {
			b.Fatal(err)
		}
		cpu += f.cpu(b)
	}
	b.ReportMetric(float64(events*b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(cpu.Seconds()*1e6/float64(events*b.N), "cpu-µs/event")
}

// BenchmarkRebuild measures how fast the rows of a tenant are made anew.
func BenchmarkRebuild(b *testing.B) {
	f := setup(b, func(c *Config) { c.All, c.Facts = All, AllFacts })
	tenant, events := f.benchmark(b, busyYear())
	if err := catchUp(b.Context(), f.Models, tenant, 4000); err != nil {
		b.Fatal(err)
	}
	cpu := -f.cpu(b)
	for b.Loop() {
		if err := f.Rebuild(b.Context(), tenant, nil, EveryModel()...); err != nil {
			b.Fatal(err)
		}
	}
	cpu += f.cpu(b)
	b.ReportMetric(float64(events*b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(cpu.Seconds()*1e6/float64(events*b.N), "cpu-µs/event")
}

// BenchmarkFold measures what an event costs without a database.
func BenchmarkFold(b *testing.B) {
	f := setup(b, func(c *Config) { c.All, c.Facts = All, AllFacts })
	tenant, _ := f.benchmark(b, 5_000)
	events := f.log.all(tenant)
	for b.Loop() {
		t := target{tenant: tenant, vers: map[string]int{}, cache: newCache(0)}
		for _, p := range All {
			t.vers[p.Name()] = 0
		}
		for _, facts := range AllFacts {
			t.vers[facts.Name()] = 0
		}
		d, err := f.sort(t, events)
		if err != nil {
			b.Fatal(err)
		}
		for _, s := range d.tables {
			s.missing()
			if err := s.fold(1); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(len(events)*b.N), "µs/event")
}

// BenchmarkReadYourWrites measures how long it takes, after a write was
// answered, until it can be seen, with 64 clients over some tenants.
func BenchmarkReadYourWrites(b *testing.B) {
	for _, tenants := range []int{1, 64} {
		for _, wait := range []bool{true, false} {
			b.Run(fmt.Sprintf("tenants=%d/wait=%t", tenants, wait), func(b *testing.B) {
				store := new(eventstore.Tail)
				f := setup(b, func(c *Config) { c.All, c.Facts, c.Store = All, AllFacts, store })
				store.Store, store.Appended = f.log.Store, f.Notify
				w := writers{fixture: f, store: store, wait: wait}
				for range tenants {
					w.tenants = append(w.tenants, f.newTenant())
				}
				stop := run(b, f.Models)
				defer stop()
				w.write(b, 2000) // all connections are open then
				b.ResetTimer()
				cpu := -f.cpu(b)
				took := w.write(b, b.N)
				b.StopTimer()
				cpu += f.cpu(b)
				b.ReportMetric(cpu.Seconds()*1e6/float64(b.N), "cpu-µs/write")
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
				b.ReportMetric(took[len(took)/2].Seconds()*1e3, "p50-ms")
				b.ReportMetric(took[len(took)*99/100].Seconds()*1e3, "p99-ms")
				s := f.follower.Stats()
				b.ReportMetric(float64(s.Events)/float64(max(1, s.Batches)), "events/batch")
			})
		}
	}
}

// writers are 64 clients, and the tenants they write to.
type writers struct {
	*fixture
	store   eventstore.Store
	tenants []domain.TenantID
	wait    bool // until what was written can be seen
}

// write makes n writes, and returns how long it took until they could be seen,
// sorted.
func (w writers) write(b *testing.B, n int) []time.Duration {
	b.Helper()
	took := make([]time.Duration, n)
	var next atomic.Int64
	var clients sync.WaitGroup
	for c := range 64 {
		clients.Go(func() {
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				d, err := w.writeOne(b.Context(), w.tenants[c%len(w.tenants)])
				if took[i-1] = d; err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
	slices.Sort(took)
	return took
}

func (w writers) writeOne(ctx context.Context, tenant domain.TenantID) (time.Duration, error) {
	s := eventstore.StreamID{Tenant: tenant, Kind: "contact", ID: uuid.Must(uuid.NewV7())}
	e := newEvent(contact.Created{Fields: contact.Fields{FirstName: "Ada", LastName: "Lovelace", Common: shared}})
	cmd := eventstore.Command{ID: uuid.New(), Writes: []eventstore.Write{{Stream: s, Events: []eventstore.Event{e}}}}
	r := w.store.Append(ctx, tenant, cmd)[0]
	begun := time.Now()
	if r.Err == nil && w.wait {
		r.Err = w.Wait(ctx, tenant, r.Receipt.Last)
	}
	return time.Since(begun), r.Err
}
