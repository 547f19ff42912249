package apitest

import (
	"io"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
)

// Troubled is like [On], with a database that refuses every change with an
// SQLSTATE when it is told to, and logs to out. An empty one lets changes be made
// again.
func Troubled(t testing.TB, engine string, out io.Writer) (_ *Server, refuse func(sqlstate string)) {
	t.Helper()
	db := dbtest.Open(t)
	super := db.Superuser(t)
	do := func(sql string, args ...any) {
		t.Helper()
		if _, err := super.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	do(`create schema trouble`)
	do(`create table trouble.now (code text not null)`)
	do(`create function trouble.refuse() returns trigger language plpgsql security definer as $$
		declare c text := (select code from trouble.now);
		begin
			if c is not null then raise exception 'could not extend file' using errcode = c; end if;
			return null;
		end $$`)
	do(`do $$ declare t regclass; begin
		for t in select oid from pg_class where relkind in ('r', 'p') and relnamespace in ('es'::regnamespace, 'crm'::regnamespace, 'access'::regnamespace) loop
			execute format('create trigger trouble before insert or update or delete on %s for each statement execute function trouble.refuse()', t);
		end loop; end $$`)
	s := unused(t, engine, postgres.Config{Wall: db.Wall, Patience: 50 * time.Millisecond}, out)
	s.setUp()
	return s, func(sqlstate string) {
		t.Helper()
		do(`delete from trouble.now`)
		if sqlstate != "" {
			do(`insert into trouble.now values ($1)`, sqlstate)
		}
	}
}
