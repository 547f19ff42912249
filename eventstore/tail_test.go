package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

func openTail(t *testing.T) (*eventstore.Tail, func() domain.TenantID) {
	t.Helper()
	w := dbtest.New(t)
	newTenant := func() domain.TenantID {
		tenant := domain.TenantID{UUID: uuid.Must(uuid.NewV7())}
		err := w.Outside(t.Context(), wall.Access, func(tx wall.Tx) error { return postgres.CreateTenant(t.Context(), tx, tenant, postgres.Here) })
		if err != nil {
			t.Fatal(err)
		}
		return tenant
	}
	return &eventstore.Tail{Store: postgres.New(postgres.Config{Wall: w})}, newTenant
}

// What a Tail remembers is, to the byte, what the engine has stored.
func TestTail(t *testing.T) {
	t.Parallel()
	tail, newTenant := openTail(t)
	var mu sync.Mutex
	told := map[domain.TenantID]eventstore.Position{}
	tail.Appended = func(t domain.TenantID, p eventstore.Position) {
		mu.Lock()
		defer mu.Unlock()
		told[t] = max(told[t], p)
	}
	tenants := []domain.TenantID{newTenant(), newTenant()}
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 50 {
				tenant := tenants[rand.N(2)]
				cmd := eventstore.Command{ID: uuid.New(), Hash: []byte("hash")}
				for range 1 + rand.N(2) {
					w := eventstore.Write{Stream: eventstore.StreamID{Tenant: tenant, Kind: "deal", ID: uuid.New()}}
					for i := range 1 + rand.N(3) {
						w.Events = append(w.Events, eventstore.Event{
							ID: uuid.New(), Type: "deal.won", Schema: 1, Data: fmt.Appendf(nil, `{"n":%d}`, i), Meta: []byte("{}"),
						})
					}
					cmd.Writes = append(cmd.Writes, w)
				}
				if r := tail.Append(context.Background(), tenant, cmd)[0]; r.Err != nil {
					t.Error(r.Err)
				}
				// A repeated command need not have come to the same decision.
				cmd.Writes[0].Events = []eventstore.Event{{ID: uuid.New(), Type: "deal.lost", Schema: 1, Data: []byte("{}"), Meta: []byte("{}")}}
				if r := tail.Append(context.Background(), tenant, cmd)[0]; r.Err != nil || !r.Receipt.Repeated {
					t.Errorf("repeated: %+v", r)
				}
			}
		})
	}
	writers.Wait()
	engine := tail.Store
	for _, tenant := range tenants {
		stored, err := engine.Read(t.Context(), tenant, 0, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		if head := eventstore.Position(len(stored)); told[tenant] != head {
			t.Errorf("told %d, head is %d", told[tenant], head)
		}
		tail.Store = silent{engine} // so that it has to remember
		for after := range stored {
			got, err := tail.Read(t.Context(), tenant, eventstore.Position(after), 7)
			if diff := cmp.Diff(stored[after:min(after+7, len(stored))], got); diff != "" || err != nil {
				t.Fatalf("after %d (-stored +remembered):\n%s%v", after, diff, err)
			}
		}
		if _, err := tail.Read(t.Context(), tenant, eventstore.Position(len(stored)), 7); !errors.Is(err, errSilent) {
			t.Errorf("after the end: %v", err)
		}
	}
}

// silent is an engine that does not answer readers.
type silent struct{ eventstore.Store }

var errSilent = errors.New("silent")

func (silent) Read(context.Context, domain.TenantID, eventstore.Position, int) ([]eventstore.Recorded, error) {
	return nil, errSilent
}
