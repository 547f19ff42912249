package wall_test

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/migrations"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

// TestCheck has databases that break a promise, each by a setting of its own.
func TestCheck(t *testing.T) {
	t.Parallel()
	server := dbtest.Server(t)
	admin := (&dbtest.DB{URL: server}).Superuser(t)
	for name, c := range map[string]struct {
		make []string // after "create database NAME"
		says string   // the object of the finding
		does string   // what it advises
	}{
		"plain":            {says: ""},
		"latin":            {make: []string{` encoding 'LATIN1' locale 'C' template template0`}, says: "server_encoding", does: "encoding 'UTF8'"},
		"bytes":            {make: []string{` encoding 'SQL_ASCII' locale 'C' template template0`}, says: "server_encoding", does: "encoding 'UTF8'"},
		"small_letters":    {make: []string{` encoding 'UTF8' lc_ctype 'C' lc_collate 'C' template template0`}, says: "lc_ctype", does: "C.UTF-8"},
		"replica":          {make: []string{"", `alter database $ set session_replication_role = replica`}, says: "session_replication_role", does: "reset it"},
		"few_connections":  {make: []string{` connection limit 5`}, says: "max_connections", does: "raise"},
		"some_connections": {make: []string{` connection limit 20`}, says: "max_connections", does: "raise"},
		"other_client":     {make: []string{"", `alter database $ set client_encoding = 'LATIN1'`, `alter database $ set standard_conforming_strings = off`}, says: ""},
	} {
		exec(t, admin, `create database `+name+strings.Join(c.make[:min(1, len(c.make))], ""))
		for _, sql := range c.make[min(1, len(c.make)):] {
			exec(t, admin, strings.ReplaceAll(sql, "$", name))
		}
		u, err := url.Parse(server)
		if err != nil {
			t.Fatal(err)
		}
		u.Path = "/" + name
		findings, err := wall.Check(t.Context(), wall.Config{URL: u.String(), Root: dbtest.Root(), Now: time.Now})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var objects []string
		for _, f := range findings {
			if f.Object == "fsync" || f.Object == "full_page_writes" {
				if !f.Minor {
					t.Errorf("%s: refused for %s", name, f)
				}
				continue // the servers of tests have them off
			}
			objects = append(objects, f.Object)
			if !strings.Contains(f.Detail, c.does) || f.Minor != (name == "some_connections") {
				t.Errorf("%s: %s", name, f)
			}
		}
		if !slices.Equal(objects, slices.DeleteFunc([]string{c.says}, func(s string) bool { return s == "" })) {
			t.Errorf("%s: it finds %v", name, findings)
		}
	}
}

// TestCheckClock names how far the clocks are apart.
func TestCheckClock(t *testing.T) {
	t.Parallel()
	for shift, says := range map[time.Duration]string{time.Hour: "1h0m0s behind", -24 * time.Hour: "24h0m0s ahead", 0: ""} {
		cfg := (&dbtest.DB{URL: dbtest.Empty(t), Root: dbtest.Root()}).Config()
		cfg.Now = func() time.Time { return time.Now().Add(shift) }
		findings, err := wall.Check(t.Context(), cfg)
		i := slices.IndexFunc(findings, func(f wall.Finding) bool { return f.Object == "clock" })
		if err != nil || (i >= 0) != (says != "") || i >= 0 && (!strings.Contains(findings[i].Detail, says) || !findings[i].Minor) {
			t.Errorf("%s: %v, %v", shift, findings, err)
		}
	}
}

// TestOwnSettings gives a database every default that we could stumble over.
// Nothing of ours depends on them.
func TestOwnSettings(t *testing.T) {
	t.Parallel()
	db := open(t)
	admin := db.Superuser(t)
	var name string
	if err := admin.QueryRow(t.Context(), `select current_database()`).Scan(&name); err != nil {
		t.Fatal(err)
	}
	for setting, value := range map[string]string{
		"default_transaction_read_only": "on", "default_transaction_isolation": "serializable", "row_security": "off",
		"search_path": "nowhere", "TimeZone": "Asia/Kathmandu", "DateStyle": "SQL, DMY", "statement_timeout": "1s",
		"idle_session_timeout": "1s", "standard_conforming_strings": "off", "client_encoding": "LATIN1", "bytea_output": "escape",
		"transform_null_equals": "on", "array_nulls": "off", "lock_timeout": "1s", "synchronous_commit": "off", "IntervalStyle": "sql_standard",
	} {
		exec(t, admin, `alter database `+name+` set `+setting+` = '`+value+`'`)
	}
	if err := migrations.Up(t.Context(), db.URL, db.Root); err != nil {
		t.Errorf("the schema cannot be brought up to date: %v", err)
	}
	w, err := wall.Open(t.Context(), db.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for name, way := range ways(t.Context(), w) {
		if err := way(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	isolations := map[wall.Duty]string{wall.Reader: "repeatable read"}
	for duty, commits := range map[wall.Duty]string{wall.Reader: "on", wall.Writer: "on", wall.Access: "on", wall.Projector: "off"} {
		err := w.Outside(t.Context(), duty, func(tx wall.Tx) error {
			var got, isolation, zone, idle, lock string
			err := tx.QueryRow(t.Context(), `select current_setting('synchronous_commit'), current_setting('transaction_isolation'),
				current_setting('TimeZone'), current_setting('idle_session_timeout'), current_setting('lock_timeout')`).Scan(&got, &isolation, &zone, &idle, &lock)
			if got != commits || isolation != cmp.Or(isolations[duty], "read committed") || zone != "UTC" || idle != "0" || lock != "2s" {
				t.Errorf("%s: synchronous_commit is %s, isolation %s, zone %s, timeouts %s and %s", duty, got, isolation, zone, idle, lock)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	err = w.InTenant(t.Context(), wall.Scope{Tenant: alice, Duty: wall.Projector}, func(tx wall.Tx) error {
		_, err := tx.Exec(t.Context(), `insert into crm.note values ($1, 100, $2)`, alice.UUID, `Grüße \ 'Ж'`)
		return err
	})
	var body string
	if err == nil {
		err = w.InTenant(t.Context(), wall.Scope{Tenant: alice, Duty: wall.Reader}, func(tx wall.Tx) error {
			return tx.QueryRow(t.Context(), `select body from crm.note where id = 100`).Scan(&body)
		})
	}
	if err != nil || body != `Grüße \ 'Ж'` {
		t.Errorf("read %q, %v", body, err)
	}
}
