package postgres_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/eventstore/storetest"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

// tenants returns a function that makes tenants.
func tenants(t *testing.T, w *wall.Wall) func() domain.TenantID {
	t.Helper()
	return func() domain.TenantID {
		t.Helper()
		id := domain.TenantID{UUID: uuid.Must(uuid.NewV7())}
		err := w.Outside(t.Context(), wall.Access, func(tx wall.Tx) error { return postgres.CreateTenant(t.Context(), tx, id, postgres.Here) })
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	w := dbtest.New(t)
	storetest.Run(t, func(t *testing.T) (eventstore.Store, func() domain.TenantID) {
		t.Helper()
		return postgres.New(postgres.Config{Wall: w}), tenants(t, w)
	})
}
