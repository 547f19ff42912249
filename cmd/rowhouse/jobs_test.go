package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/migrations/dbtest"
)

// Two nodes share jobs and timers. When one is killed in the middle of them, those of
// all tenants go on within 15 seconds, and each is done once: those that are due, those that it had begun,
// and those whose time comes later.
func TestJobsTakeOver(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t, dbtest.Database(t), "")
	const tenants, tasks = 6, 60
	all := a.newTenants(tenants)
	due := time.Now().Add(3 * time.Second)
	for i, o := range all {
		var ops []string
		for k := range tasks { // half of them are late already, the others become so while nodes come and go
			at := due.Add(time.Duration(k*10) * time.Millisecond)
			if k%2 == 0 {
				at = due.Add(-time.Hour)
			}
			ops = append(ops, fmt.Sprintf(`{"op":"create","data":{"title":"%d","due_at":%q,"remind_at":%q}}`, k, at.UTC().Format(time.RFC3339Nano), due.Add(-time.Minute).UTC().Format(time.RFC3339)))
		}
		n := *[]*node{a, b}[i%2]
		n.bearer = o.key
		n.want(http.StatusOK, "POST", o.path+"/tasks/batch", `{"operations":[`+strings.Join(ops, ",")+`]}`, nil)
	}
	counts := func(o tenantOf) map[string]int {
		n := *b
		n.bearer = o.key
		types := map[string]int{}
		for after, more := int64(0), true; more; {
			_, data, err := n.ask("GET", fmt.Sprintf("%s/events?limit=5000&after=%d", o.path, after), "", "Accept", "application/x-ndjson")
			if err != nil {
				t.Fatal(err)
			}
			more = false
			for line := range bytes.Lines(data) {
				var e struct {
					Type     string `json:"type"`
					Position int64  `json:"position"`
				}
				if err := json.Unmarshal(line, &e); err != nil {
					t.Fatalf("%v\n%s", err, line)
				}
				types[e.Type]++
				after, more = e.Position, true
			}
		}
		return types
	}
	for _, o := range all { // until jobs of all of them are ordered, and some are done
		for patience := time.Now().Add(2 * time.Minute); counts(o)["task.reminded"] == 0; {
			if time.Now().After(patience) {
				t.Fatal("jobs are not done: ", counts(o))
			}
			time.Sleep(5 * time.Millisecond) // another process cannot be waited for in a better way
		}
	}
	a.end(syscall.SIGKILL)
	killed := time.Now()
	before := make([]int, len(all))
	for i, o := range all {
		before[i] = sum(t, counts(o), tasks)
	}
	for i, o := range all {
		for goesOn := false; ; time.Sleep(50 * time.Millisecond) { // likewise
			n := sum(t, counts(o), tasks)
			if n == 2*tasks {
				break
			}
			goesOn = goesOn || n > before[i]
			if since := time.Since(killed); !goesOn && since > 15*time.Second || since > 5*time.Minute {
				t.Fatalf("after %v %d jobs of a tenant are done, and there were %d before", since, n, before[i])
			}
		}
	}
	t.Logf("everything was done %v after the kill, when %v of %d were", time.Since(killed).Round(time.Millisecond), before, 2*tasks)
	out, err := b.command("jobs", "list").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("parked")) || strings.Count(string(out), "ten_") < tenants || bytes.Contains(out, []byte("failed")) {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := b.command("jobs", "drop", "--tenant", strings.TrimPrefix(all[0].path, "/v1/tenants/"), "job_00000000000000000000000001").CombinedOutput(); err == nil || !bytes.Contains(out, []byte("no such job")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// sum returns how many of the jobs for tasks were done. None must be done twice.
func sum(t *testing.T, types map[string]int, tasks int) int {
	t.Helper()
	overdue, reminded := types["task.became_overdue"], types["task.reminded"]
	if overdue > tasks || reminded > tasks {
		t.Fatalf("something was done twice: %v", types)
	}
	return overdue + reminded
}
