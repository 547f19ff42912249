package dbtest

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/wall"
)

// TestSeparate gives two tests at a time the same table, and each sees its own.
func TestSeparate(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "b", "c"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := Open(t)
			owner := db.Owner(t)
			if _, err := owner.Exec(t.Context(), `create table crm.t (name text); insert into crm.t values ('`+name+`'); grant select on crm.t to rowhouse_reader`); err != nil {
				t.Fatal(err)
			}
			var got string
			err := db.Wall.Outside(t.Context(), wall.Reader, func(tx wall.Tx) error {
				return tx.QueryRow(t.Context(), `select string_agg(name, ',') from crm.t`).Scan(&got)
			})
			if err != nil || got != name {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // it was only read from
	var n int
	if err := conn.QueryRow(t.Context(), `select count(*) from pg_namespace where nspname in ('sec', 'es')`).Scan(&n); err != nil || n != 0 {
		t.Errorf("found %d of our schemas, %v", n, err)
	}
}
