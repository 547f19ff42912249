package main

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// postmaster returns the process of the private PostgreSQL of a node.
func (n *node) postmaster() int {
	n.t.Helper()
	files, err := filepath.Glob(filepath.Join(n.dir, "pg*", "data", "postmaster.pid"))
	if err != nil || len(files) == 0 {
		return 0
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		return 0 // it is being started
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		return 0
	}
	return pid
}

// backends returns the processes of the private PostgreSQL but for the postmaster.
func (n *node) backends() (pids []int) {
	n.t.Helper()
	main := n.postmaster()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		n.t.Fatal(err)
	}
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		if words := strings.Fields(rest); len(words) > 1 && words[1] == strconv.Itoa(main) {
			pid, _ := strconv.Atoi(strings.Split(file, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

// repeat sends a batch under the same key until all of it is acknowledged. While
// the database is away some of its commands may be, and others not.
func (n *node) repeat(batch, rows int) bool {
	ops := make([]string, rows)
	for i := range ops {
		ops[i] = fmt.Sprintf(`{"op":"create","data":{"last_name":"n%d-%d"}}`, batch, i)
	}
	body := `{"operations":[` + strings.Join(ops, ",") + `]}`
	for range 2400 {
		status, data, err := n.ask("POST", n.tenant+"/contacts/batch", body, "Idempotency-Key", fmt.Sprint("batch-", batch))
		switch {
		case err != nil:
			n.t.Errorf("batch %d: the server itself has ended: %v", batch, err)
			return false
		case status == http.StatusOK:
			return true
		case status != http.StatusMultiStatus && status < 500 || bytes.Contains(data, []byte(`"status":500`)):
			n.t.Errorf("batch %d = %d\n%s", batch, status, data)
			return false
		}
		time.Sleep(10 * time.Millisecond) // until it is back
	}
	n.t.Errorf("batch %d was never acknowledged", batch)
	return false
}

// The private PostgreSQL of a server that works is ended in every way, and comes
// back by itself. Nothing that was acknowledged is lost, or done twice, and the
// server has been the same process all the time.
func TestPrivatePostgresComesBack(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	n.setUp()

	signal := func(sig syscall.Signal, pids ...int) {
		for _, pid := range pids {
			if pid > 1 {
				_ = syscall.Kill(pid, sig) // it may have ended
			}
		}
	}
	faults := []struct {
		name string
		do   func()
	}{
		{"the postmaster is killed", func() { signal(syscall.SIGKILL, n.postmaster()) }},
		{"a backend is killed", func() { signal(syscall.SIGKILL, n.backends()[0]) }},
		{"all of it is killed", func() { b := n.backends(); signal(syscall.SIGKILL, append(b, n.postmaster())...) }},
		{"somebody shuts it down", func() { signal(syscall.SIGINT, n.postmaster()) }},
		{"it is stopped for a while, and its postmaster killed", func() {
			b := n.backends()
			signal(syscall.SIGSTOP, b...)
			signal(syscall.SIGKILL, n.postmaster())
		}},
		{"all of it is stopped for a while", func() {
			all := append(n.backends(), n.postmaster())
			signal(syscall.SIGSTOP, all...)
			time.Sleep(time.Second) // that is the fault
			signal(syscall.SIGCONT, all...)
		}},
	}

	const rows, writers = 5, 2
	var wg sync.WaitGroup
	var next, acked atomic.Int64
	stop := make(chan struct{})
	for range writers {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if n.repeat(int(next.Add(1)-1), rows) {
						acked.Add(1)
					}
				}
			}
		})
	}
	for _, f := range faults {
		for before := acked.Load(); acked.Load() < before+2; { // while it works
			time.Sleep(5 * time.Millisecond) // another process cannot be waited for in a better way
		}
		began := time.Now()
		f.do()
		before := acked.Load() + writers // some may have been on their way
		for acked.Load() <= before {
			time.Sleep(time.Millisecond) // likewise
			if time.Since(began) > 2*time.Minute {
				t.Fatalf("%s: nothing is acknowledged any more", f.name)
			}
		}
		t.Logf("%s: commands were acknowledged again %v later", f.name, time.Since(began).Round(time.Millisecond))
		for {
			status, _, err := n.ask("GET", "/readyz", "")
			if err != nil {
				t.Fatalf("%s: the server itself has ended: %v", f.name, err)
			}
			if status == http.StatusOK {
				break
			}
		}
	}
	close(stop)
	wg.Wait()

	n.end(syscall.SIGTERM)
	n.start() // which reads all from the database, and nothing from memory
	n.checkLog(int(acked.Load()) * rows)
	docs := n.all(n.tenant + "/contacts?limit=500")
	if len(docs) != int(acked.Load())*rows {
		t.Errorf("there are %d contacts, want %d", len(docs), acked.Load()*rows)
	}
	if out, err := n.command("projections", "rebuild").CombinedOutput(); err != nil {
		t.Fatalf("rebuild: %v\n%s", err, out)
	}
	if again := n.all(n.tenant + "/contacts?limit=500"); !maps.Equal(docs, again) {
		t.Error("the read model built again from the log is another one")
	}
}
