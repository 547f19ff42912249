package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
)

// beMain makes the test binary behave as rowhouse, so that tests can kill one. Its
// passwords are cheap to check: tests log in often, and with the race detector one
// log-in would take a second.
const beMain = "ROWHOUSE_TEST_BE_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(beMain) != "" {
		start(access.Argon2{MemoryKiB: 64, Time: 1, Threads: 1})
		return
	}
	os.Exit(m.Run())
}

// node is a rowhouse in a process of its own.
type node struct {
	t       *testing.T
	dir     string
	addr    string
	events  string   // the event store, if there is one
	env     []string // more of the environment
	process *exec.Cmd
	bearer  string
	tenant  string
}

func newNode(t *testing.T) *node {
	t.Helper()
	dir, err := os.MkdirTemp("", "rowhouse-") //nolint:usetesting // t.TempDir is closed to the account that PostgreSQL runs as
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // only its address is wanted
	return &node{t: t, dir: dir, addr: l.Addr().String()}
}

// on has the node use a database that is migrated already, instead of a PostgreSQL of
// its own, which takes seconds to make.
func (n *node) on(database string) *node {
	n.t.Helper()
	key := filepath.Join(n.dir, "root.key")
	if err := os.WriteFile(key, []byte(dbtest.Root().Text()), 0o600); err != nil {
		n.t.Fatal(err)
	}
	n.env = append(n.env, "ROWHOUSE_DATABASE_URL="+database, "ROWHOUSE_ROOT_KEY_FILE="+key)
	return n
}

func (n *node) command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), beMain+"=1", "ROWHOUSE_DATA="+n.dir, "ROWHOUSE_LISTEN="+n.addr, "ROWHOUSE_EVENTS="+n.events)
	cmd.Env = append(cmd.Env, n.env...)
	return cmd
}

// start serves until the test ends or the node is stopped.
func (n *node) start() {
	n.t.Helper()
	n.process = n.command("serve")
	n.process.Stderr = n.t.Output()
	if err := n.process.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { n.end(syscall.SIGTERM) })
	for range 4800 {
		res, err := http.Get("http://" + n.addr + "/readyz")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(25 * time.Millisecond) // another process cannot be waited for in a better way
	}
	n.t.Fatal("the node did not become ready")
}

// end sends the process a signal and waits until it is gone.
func (n *node) end(sig syscall.Signal) {
	if n.process == nil {
		return
	}
	_ = n.process.Process.Signal(sig)
	err := n.process.Wait()
	n.process = nil
	if sig == syscall.SIGTERM && err != nil {
		n.t.Errorf("after SIGTERM: %v", err)
	}
}

// ask sends a request and returns the answer, or an error if there is none.
func (n *node) ask(method, path, body string, header ...string) (int, []byte, error) {
	req, err := http.NewRequest(method, "http://"+n.addr+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+n.bearer)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	data, err := io.ReadAll(res.Body)
	return res.StatusCode, data, err
}

func (n *node) want(status int, method, path, body string, into any, header ...string) {
	n.t.Helper()
	got, data, err := n.ask(method, path, body, header...)
	if err != nil || got != status {
		n.t.Fatalf("%s %s = %d, %v, want %d\n%s", method, path, got, err, status, data)
	}
	if into != nil {
		if err := json.Unmarshal(data, into); err != nil {
			n.t.Fatal(err)
		}
	}
}

// setUp makes the first user, and a key.
func (n *node) setUp() {
	n.t.Helper()
	token, err := os.ReadFile(filepath.Join(n.dir, "setup-token"))
	if err != nil {
		n.t.Fatal(err)
	}
	var me struct {
		Tenant string `json:"tenant_id"`
		Token  string `json:"access_token"`
	}
	n.want(http.StatusCreated, "POST", "/v1/setup", `{"token":"`+strings.TrimSpace(string(token))+`","organization":{"name":"O"},"tenant":{"name":"T"},
		"owner":{"email":"ann@example.com","password":"correct horse battery","name":"Ann"}}`, &me)
	n.bearer, n.tenant = me.Token, "/v1/tenants/"+me.Tenant
	var key struct {
		Key string `json:"key"`
	}
	n.want(http.StatusCreated, "POST", n.tenant+"/api_keys", `{"name":"test"}`, &key)
	n.bearer = key.Key
}

// all returns the documents of a whole list, by name.
func (n *node) all(path string) map[string]string {
	n.t.Helper()
	docs, cursor := map[string]string{}, ""
	for {
		var page struct {
			Data []json.RawMessage `json:"data"`
			Next string            `json:"next_cursor"`
		}
		n.want(http.StatusOK, "GET", path+"&cursor="+cursor, "", &page)
		for _, doc := range page.Data {
			var contact struct {
				Name string `json:"last_name"`
			}
			if err := json.Unmarshal(doc, &contact); err != nil {
				n.t.Fatal(err)
			}
			if _, twice := docs[contact.Name]; twice {
				n.t.Errorf("%s is there twice", contact.Name)
			}
			docs[contact.Name] = string(doc)
		}
		if cursor = page.Next; cursor == "" {
			return docs
		}
	}
}

// A server that is killed while it works, three times, has lost nothing that it
// acknowledged, and done nothing twice.
func TestKill(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		newNode(t).survive([]int{15, 30, 45}, func() {})
	})
	t.Run("kurrent", func(t *testing.T) {
		t.Parallel()
		events := esdbtest.Start(t)
		n := newNode(t)
		n.events = events.URL()
		n.survive([]int{15, 30}, func() { // the event store is ended, too
			events.Stop()
			if err := events.Restart(); err != nil {
				t.Error(err)
			}
		})
	})
}

// survive has a node killed while it works.
func (n *node) survive(kills []int, disturb func()) {
	t := n.t
	n.start()
	n.setUp()

	const rows, writers = 5, 4
	batches := kills[len(kills)-1] + 15
	var (
		mu    sync.Mutex
		acked int
		next  int
		wg    sync.WaitGroup
		kill  = make(chan struct{}, len(kills))
	)
	for range writers {
		wg.Go(func() {
			for {
				mu.Lock()
				batch := next
				next++
				mu.Unlock()
				if batch >= batches {
					return
				}
				n.insist(batch, rows)
				mu.Lock()
				if acked++; slices.Contains(kills, acked) {
					kill <- struct{}{}
				}
				mu.Unlock()
			}
		})
	}
	for range kills {
		<-kill
		disturb()
		n.end(syscall.SIGKILL)
		n.start()
	}
	wg.Wait()

	n.checkLog(batches * rows)
	docs := n.all(n.tenant + "/contacts?limit=500")
	if len(docs) != batches*rows {
		t.Errorf("there are %d contacts, want %d", len(docs), batches*rows)
	}
	if out, err := n.command("projections", "rebuild").CombinedOutput(); err != nil {
		t.Fatalf("rebuild: %v\n%s", err, out)
	}
	if again := n.all(n.tenant + "/contacts?limit=500"); !maps.Equal(docs, again) {
		t.Error("the read model built again from the log is another one")
	}
	if out, err := n.command("doctor").CombinedOutput(); err != nil {
		t.Errorf("doctor: %v\n%s", err, out)
	}
}

// insist sends a batch until it is acknowledged, under the same key each time.
func (n *node) insist(batch, rows int) {
	ops := make([]string, rows)
	for i := range ops {
		ops[i] = fmt.Sprintf(`{"op":"create","data":{"last_name":"n%d-%d"}}`, batch, i)
	}
	body := `{"operations":[` + strings.Join(ops, ",") + `]}`
	for range 2400 {
		status, data, err := n.ask("POST", n.tenant+"/contacts/batch", body, "Idempotency-Key", fmt.Sprint("batch-", batch))
		if err == nil && status == http.StatusOK {
			return
		}
		if err == nil && status < 500 {
			n.t.Errorf("batch %d = %d\n%s", batch, status, data)
			return
		}
		time.Sleep(25 * time.Millisecond) // until somebody has started the server again
	}
	n.t.Errorf("batch %d was never acknowledged", batch)
}

// checkLog checks that the log has as many contacts as it should, and no gap,
// and waits until the read models show all of it.
func (n *node) checkLog(contacts int) {
	n.t.Helper()
	_, data, err := n.ask("GET", n.tenant+"/events?limit=5000", "", "Accept", "application/x-ndjson")
	if err != nil {
		n.t.Fatal(err)
	}
	made, last := 0, 0
	for line := range bytes.Lines(data) {
		var e struct {
			Type     string `json:"type"`
			Position int    `json:"position"`
		}
		if err := json.Unmarshal(line, &e); err != nil {
			n.t.Fatalf("%v\n%s", err, line)
		}
		if e.Position != last+1 {
			n.t.Fatalf("position %d comes after %d", e.Position, last)
		}
		last = e.Position
		if e.Type == "contact.created" {
			made++
		}
	}
	if made != contacts {
		n.t.Errorf("the log has %d contacts, want %d", made, contacts)
	}
	n.want(http.StatusOK, "GET", n.tenant+"/contacts?limit=1", "", nil, "Min-Position", strconv.Itoa(last))
}

// What is asked of a server that is told to stop is answered.
func TestDrain(t *testing.T) {
	t.Parallel()
	n := newNode(t).on(dbtest.Database(t))
	n.start()
	n.setUp()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var acked []string
	begun := make(chan struct{}, 8)
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("d%d-%d", w, i)
				status, data, err := n.ask("POST", n.tenant+"/contacts", `{"last_name":"`+name+`"}`)
				if err != nil {
					return // no connection is taken any more
				}
				if status != http.StatusCreated {
					t.Errorf("create = %d\n%s", status, data)
					return
				}
				mu.Lock()
				acked = append(acked, name)
				mu.Unlock()
				if i == 20 {
					begun <- struct{}{}
				}
			}
		})
	}
	for range 8 {
		<-begun
	}
	n.end(syscall.SIGTERM)
	wg.Wait()
	n.start()
	n.checkLog(len(acked))
	docs := n.all(n.tenant + "/contacts?limit=500")
	if got := slices.Sorted(maps.Keys(docs)); len(got) != len(acked) {
		t.Errorf("%d contacts were acknowledged, and there are %d", len(acked), len(got))
	}
	for _, name := range acked {
		if docs[name] == "" {
			t.Errorf("%s was acknowledged and is not there", name)
		}
	}
}
