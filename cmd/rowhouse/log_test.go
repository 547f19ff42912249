package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/projections"
)

// installation is two nodes on one database and one event store, and one who
// looks after them.
type installation struct {
	*testing.T

	database, events string
	nodes            []*node
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	in := &installation{T: t, database: dbtest.Database(t), events: esdbtest.Start(t).URL()}
	a, b := twoNodes(t, in.database, in.events)
	in.nodes = []*node{a, b}
	return in
}

func (in *installation) key() string { return filepath.Join(in.nodes[0].dir, "root.key") }

// rowhouse runs a command, and returns what it prints and its exit status.
func (in *installation) rowhouse(args ...string) (out string, code int) {
	in.Helper()
	var stdout, stderr bytes.Buffer
	args = append(args, "--data", in.nodes[0].dir, "--database-url", in.database, "--root-key-file", in.key())
	err := run(in.Context(), args, &stdout, &stderr)
	in.Logf("rowhouse %s: %v\n%s%s", strings.Join(args[:2], " "), err, &stdout, &stderr)
	if exit, ok := errors.AsType[exitCode](err); ok {
		return stdout.String() + stderr.String(), int(exit)
	}
	if err != nil {
		return stdout.String() + err.Error(), 1
	}
	return stdout.String() + stderr.String(), 0
}

// copy moves the log of a tenant, and must.
func (in *installation) copy(o tenantOf, from, to string) {
	in.Helper()
	if out, code := in.rowhouse("log", "copy", "--from", from, "--to", to, "--tenant", o.id(), "--yes"); code != 0 {
		in.Fatalf("exit status %d\n%s", code, out)
	}
}

func (o tenantOf) id() string { return strings.TrimPrefix(o.path, "/v1/tenants/") }

// sums returns the checksums of all read models of a tenant, when they have
// everything that is in its log.
func (in *installation) sums(o tenantOf) map[string]projections.Checksum {
	in.Helper()
	var t domain.TenantID
	if err := t.UnmarshalText([]byte(o.id())); err != nil {
		in.Fatal(err)
	}
	flags := databaseFlags{Data: in.nodes[0].dir, DatabaseURL: in.database, RootKeyFile: in.key()}
	all := make(map[string]projections.Checksum)
	err := flags.withReadModels(in.Context(), &env{log: slog.New(handler("text", in.Output()))}, logFlags{Events: in.events}, func(m readModels) error {
		head, err := m.store.Head(in.Context(), t)
		if err != nil {
			return err
		}
		for at := head - 1; at < head; time.Sleep(10 * time.Millisecond) { // another process cannot be waited for in a better way
			if at, err = m.Position(in.Context(), t); err != nil {
				return err
			}
		}
		for _, p := range projections.All {
			sum, err := m.Checksum(in.Context(), p, t)
			if err != nil {
				return err
			}
			all[p.Name()] = sum
		}
		return nil
	})
	if err != nil {
		in.Fatal(err)
	}
	return all
}

// same fails the test if read models have changed, or become others when they are
// built again.
func (in *installation) same(o tenantOf, want map[string]projections.Checksum) {
	in.Helper()
	if diff := cmp.Diff(want, in.sums(o)); diff != "" {
		in.Fatalf("the read models have changed: %s", diff)
	}
	if out, code := in.rowhouse("projections", "rebuild", "--tenant", o.id(), "--events", in.events); code != 0 {
		in.Fatal(out)
	}
	if diff := cmp.Diff(want, in.sums(o)); diff != "" {
		in.Fatalf("the read models were built from the log, and are others: %s", diff)
	}
}

// work makes records of all kinds, and changes them.
func (in *installation) work(o tenantOf) {
	in.Helper()
	n := *in.nodes[0]
	n.bearer = o.key
	create := func(path, body string) (id string) {
		in.Helper()
		var made struct {
			ID string `json:"id"`
		}
		n.want(http.StatusCreated, "POST", o.path+path, body, &made)
		return made.ID
	}
	pipeline := create("/pipelines", `{"name":"Sales","stages":[{"key":"lead","name":"Lead","kind":"open","probability":10},
		{"key":"won","name":"Won","kind":"won","probability":100},{"key":"lost","name":"Lost","kind":"lost"}]}`)
	for i := range 6 {
		company := create("/companies", fmt.Sprintf(`{"name":"Company %d"}`, i))
		contact := create("/contacts", fmt.Sprintf(`{"last_name":"Contact %d","emails":[{"address":"c%d@example.com","primary":true}]}`, i, i))
		deal := create("/deals", fmt.Sprintf(`{"name":"Deal %d","pipeline_id":%q,"company_id":%q,"amount":{"amount":"12.50","currency":"EUR"}}`, i, pipeline, company))
		create("/tasks", fmt.Sprintf(`{"title":"Task %d","related":[{"type":"deal","id":%q}]}`, i, deal))
		n.want(http.StatusOK, "POST", o.path+"/deals/"+deal+"/win", "", nil)
		if i%3 == 0 {
			n.want(http.StatusOK, "DELETE", o.path+"/contacts/"+contact, "", nil)
		}
	}
}

// keepWriting makes contacts at all nodes in turns until the returned function is
// called, which returns how many that were, and how many were refused for a while.
// The pause after each keeps the log from outgrowing the test.
func (in *installation) keepWriting(o tenantOf, pause time.Duration) (stop func() (made, refused int)) {
	ctx, cancel := context.WithCancel(in.Context())
	var running sync.WaitGroup
	made, refused := 0, 0
	running.Go(func() {
		for ctx.Err() == nil {
			n := *in.nodes[(made+refused)%len(in.nodes)]
			n.bearer = o.key
			status, data, err := n.ask("POST", o.path+"/contacts", fmt.Sprintf(`{"last_name":"Writer %d"}`, made))
			switch {
			case err == nil && status == http.StatusCreated:
				made++
				time.Sleep(pause)
			case err == nil && status == http.StatusServiceUnavailable && bytes.Contains(data, []byte(`"tenant_sealed"`)):
				refused++
				time.Sleep(20 * time.Millisecond) // as a client does
			default:
				in.Errorf("create = %d, %v\n%s", status, err, data)
				return
			}
		}
	})
	return func() (int, int) {
		cancel()
		running.Wait()
		return made, refused
	}
}

// written counts the contacts that keepWriting made; none may be there twice.
func (in *installation) written(o tenantOf) (count int) {
	in.Helper()
	for _, n := range in.nodes {
		of := *n
		of.bearer = o.key
		count = 0
		for name := range of.all(o.path + "/contacts?limit=500") {
			if strings.HasPrefix(name, "Writer ") {
				count++
			}
		}
	}
	return count
}

// A log moves to and fro between the engines while two nodes serve, and nobody
// notices but for a moment of 503.
func TestLogCopy(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	tenants := in.nodes[0].newTenants(2)
	a, b := tenants[0], tenants[1]
	in.work(a)
	in.work(b)
	busy := in.keepWriting(b, 250*time.Millisecond)
	before := in.sums(a)
	in.copy(a, in.events, "postgres")
	in.same(a, before)

	moving := in.keepWriting(a, 10*time.Millisecond) // package transfer tries both ways with and without writers
	in.copy(a, "postgres", in.events)
	made, refused := moving()
	in.same(a, in.sums(a))
	if n := in.written(a); n != made || refused == 0 {
		t.Errorf("%d contacts are there, %d were made, %d refused", n, made, refused)
	}
	made, refused = busy()
	in.same(b, in.sums(b))
	if n := in.written(b); n != made || refused > 0 {
		t.Errorf("the other tenant: %d contacts are there, %d were made, %d refused", n, made, refused)
	}
	in.checkCommands(a, b)
}

// checkCommands goes through what commands say about a log that is in the event
// store.
func (in *installation) checkCommands(a, b tenantOf) {
	in.Helper()
	check := func(wantCode int, want string, args ...string) {
		in.Helper()
		if out, code := in.rowhouse(args...); code != wantCode || !strings.Contains(out, want) {
			in.Errorf("%v: exit status %d, want %d and %q\n%s", args, code, wantCode, want, out)
		}
	}
	to, back := []string{"--from", "postgres", "--to", in.events}, []string{"--from", in.events, "--to", "postgres"}
	log := func(of string, how []string, more ...string) []string {
		return append(append([]string{"log", of}, how...), more...)
	}
	check(0, "kurrent", "log", "status")
	check(0, "is in kurrent already", log("copy", to, "--all", "--yes")...)
	check(2, "not the event store that the logs are kept in", "log", "copy", "--from", "postgres", "--to", esdbtest.Start(in.T).URL(), "--all", "--yes")
	check(2, "say --yes", log("copy", back, "--tenant", a.id())...)
	check(0, "from kurrent to postgres", log("copy", back, "--all", "--dry-run")...)
	check(2, "one must be postgres", "log", "copy", "--from", "postgres", "--to", "postgres", "--all")
	drop := []string{"--tenant", a.id(), "--events", in.events}
	check(1, "is kept in the event store", log("drop", drop, "--yes")...)
	check(0, "3 of 3 logs were moved", log("copy", back, "--all", "--yes")...)
	check(1, "say so with --yes", log("drop", drop)...)
	check(0, "/admin/scavenge", log("drop", drop, "--yes")...)
	check(2, "deleted for good", log("copy", to, "--tenant", a.id(), "--yes")...)
	check(1, "2 of 2 logs", log("copy", to, "--all", "--yes")...)
	in.same(a, in.sums(a))
	in.same(b, in.sums(b))
	check(0, "/admin/scavenge", "log", "drop", "--tenant", b.id(), "--events", in.events, "--purge", "--yes")
	check(0, "closed", "log", "status", "--tenant", b.id())
	check(0, "stands", "doctor")
}

// A node that does not know the event store would go on reading where a log was.
func TestLogCopyNeedsAllNodes(t *testing.T) {
	t.Parallel()
	in := &installation{t, dbtest.Database(t), esdbtest.Start(t).URL(), []*node{newNode(t)}}
	n := in.nodes[0]
	n.on(in.database).start()
	out, code := in.rowhouse("log", "copy", "--from", "postgres", "--to", in.events, "--all", "--yes")
	if code != 2 || !strings.Contains(out, "serve without --events") {
		t.Errorf("exit status %d\n%s", code, out)
	}
}
