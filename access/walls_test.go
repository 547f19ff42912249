package access

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/wall"
)

// count returns how many rows of a table a duty sees without a predicate.
func (h *house) count(t *testing.T, duty wall.Duty, tenant domain.TenantID, table string) (n int, err error) {
	t.Helper()
	err = h.db.Wall.InTenant(t.Context(), wall.Scope{Tenant: tenant, Duty: duty}, func(tx wall.Tx) error {
		return tx.QueryRow(t.Context(), `select count(*)::int from `+table).Scan(&n)
	})
	return n, err
}

// Two tenants of one owner: neither sees a key or a member of the other, not
// even with queries that forget to ask for the tenant.
func TestTenantsDoNotSeeOneAnother(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	ctx := t.Context()
	second := h.tenant(t, "Second client")
	mine, _ := h.key(t, h.owner, KeyRequest{Name: "mine"})
	for range 3 {
		h.key(t, second, KeyRequest{Name: "theirs"})
		h.member(t, second.TenantID, Member)
	}

	o := h.origin(t, h.owner.AccessToken)
	list, err := h.ListKeys(ctx, o, domain.ID{}, 10)
	if err != nil || len(list) != 1 || list[0].ID != mine.ID {
		t.Errorf("listed %v, %v", list, err)
	}
	refused(t, h.RevokeKey(ctx, h.origin(t, second.AccessToken), mine.ID), domain.NotFound, "not_found")
	if list, err = h.ListKeys(ctx, o, domain.ID{}, 10); err != nil || list[0].RevokedAt != nil {
		t.Errorf("revoked by another tenant: %v, %v", list, err)
	}

	tables := map[string]int{"access.api_key": 1, "access.membership": 1}
	for table, want := range tables {
		if n, err := h.count(t, wall.Access, h.owner.TenantID, table); n != want || err != nil {
			t.Errorf("%s: sees %d rows, %v", table, n, err)
		}
		if n, err := h.count(t, wall.Access, domain.TenantID{UUID: newID()}, table); n != 0 || err != nil {
			t.Errorf("%s: a tenant that is not sees %d rows, %v", table, n, err)
		}
		err := h.db.Wall.Outside(ctx, wall.Access, func(tx wall.Tx) error {
			_, err := tx.Exec(ctx, `select from `+table)
			return err
		})
		if !wall.IsDenied(err) {
			t.Errorf("%s: can be seen outside of a tenant: %v", table, err)
		}
	}
	// Without the wall these queries see all, so it is the wall that they saw.
	for table, want := range tables {
		h.super(t, fmt.Sprintf(`drop policy tenant_wall on %s`, table))
		if n, err := h.count(t, wall.Access, h.owner.TenantID, table); n <= want || err != nil {
			t.Errorf("%s: sees %d rows without a wall, so the test says nothing (%v)", table, n, err)
		}
	}
	// And then the predicates still hold.
	if list, err := h.ListKeys(ctx, o, domain.ID{}, 10); err != nil || len(list) != 1 {
		t.Errorf("listed %v, %v", list, err)
	}
	refused(t, h.RevokeKey(ctx, h.origin(t, second.AccessToken), mine.ID), domain.NotFound, "not_found")
}

func TestTenantsDoNotWriteIntoOneAnother(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	second := h.tenant(t, "Second client")
	into := h.owner.TenantID.UUID
	for _, write := range []string{
		`insert into access.membership (tenant_id, user_id, role, created_at) values ($1, $1, 'owner', now())`,
		`insert into access.api_key (tenant_id, id, name, hash, role, created_by, created_at) values ($1, $1, '', '', 'owner', $1, now())`,
	} {
		err := h.db.Wall.InTenant(t.Context(), wall.Scope{Tenant: second.TenantID, Duty: wall.Access}, func(tx wall.Tx) error {
			_, err := tx.Exec(t.Context(), write, into)
			return err
		})
		if !wall.IsDenied(err) {
			t.Errorf("wrote into another tenant: %v", err)
		}
	}
}

// The identities are the business of one role.
func TestNobodyElseTouchesIdentities(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	tables := rows[string](t, h, `select oid::regclass::text from pg_class where relnamespace = 'access'::regnamespace and relkind in ('r', 'p', 'v', 'm')`)
	if len(tables) < 7 {
		t.Fatalf("found only %v", tables)
	}
	for _, table := range tables {
		for _, duty := range []wall.Duty{wall.Reader, wall.Writer, wall.Projector, wall.Dispatcher} {
			if n, err := h.count(t, duty, h.owner.TenantID, table); !wall.IsDenied(err) {
				t.Errorf("%s sees %d rows of %s: %v", duty, n, table, err)
			}
		}
		for _, destroy := range []string{`delete from `, `truncate `, `drop table `} {
			err := h.db.Wall.InTenant(t.Context(), wall.Scope{Tenant: h.owner.TenantID, Duty: wall.Access}, func(tx wall.Tx) error {
				_, err := tx.Exec(t.Context(), destroy+table)
				return err
			})
			if !wall.IsDenied(err) {
				t.Errorf("access can %s%s: %v", destroy, table, err)
			}
		}
		if owner := rows[string](t, h, `select relowner::regrole::text from pg_class where oid = $1::regclass`, table); owner[0] != "rowhouse_owner" {
			t.Errorf("%s belongs to %s", table, owner[0])
		}
	}
}

// The one look over the wall tells the id of one tenant of one user.
func TestHome(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	second := h.tenant(t, "Second client")
	h.member(t, second.TenantID, Member)
	for _, duty := range []wall.Duty{wall.Reader, wall.Writer, wall.Projector, wall.Dispatcher} {
		err := h.db.Wall.Outside(t.Context(), duty, func(tx wall.Tx) error {
			_, err := tx.Exec(t.Context(), `select access.home($1)`, h.owner.UserID.UUID)
			return err
		})
		if !wall.IsDenied(err) || rows[bool](t, h, `select has_function_privilege($1::name, 'access.home(uuid)', 'execute')`, duty.Role())[0] {
			t.Errorf("%s can look over the wall: %v", duty, err)
		}
	}
	err := h.db.Wall.Outside(t.Context(), wall.Access, func(tx wall.Tx) error {
		r, err := tx.Query(t.Context(), `select access.home($1)`, h.owner.UserID.UUID)
		if err != nil {
			return err
		}
		got, err := pgx.CollectRows(r, pgx.RowTo[uuid.UUID])
		if len(got) != 1 || got[0] != h.owner.TenantID.UUID {
			t.Errorf("got %v", got)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	definer := rows[string](t, h, `select p.proowner::regrole || ' ' || r.rolcanlogin || ' ' || p.prosecdef || ' ' || array_to_string(p.proconfig, ',')
		from pg_proc p join pg_roles r on r.oid = p.proowner where p.pronamespace = 'access'::regnamespace`)
	if want := "rowhouse_directory false true search_path=pg_catalog, pg_temp"; strings.Join(definer, "\n") != want {
		t.Errorf("functions: %q, want %q", definer, want)
	}
	for _, column := range []string{"role", "created_at", "*"} {
		conn := h.db.Superuser(t)
		if _, err := conn.Exec(t.Context(), `set role rowhouse_directory`); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), `select `+column+` from access.membership`); !wall.IsDenied(err) {
			t.Errorf("the owner of the function can read %s: %v", column, err)
		}
	}
}
