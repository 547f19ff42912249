package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
)

// Two nodes share what has to be done. When one is killed, the other has all of
// it within 15 seconds, and whatever was under way is done once. A broker has by
// then every event, those of a record in order.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"postgres", "kurrent"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			store := ""
			if engine == "kurrent" {
				store = esdbtest.Start(t).URL()
			}
			takeOver(t, dbtest.Database(t), store)
		})
	}
}

func takeOver(t *testing.T, database, store string) {
	t.Helper()
	broker := startNATS(t, 1<<20)
	a, b := twoNodes(t, database, store, fmt.Sprintf("ROWHOUSE_BUS=nats://127.0.0.1:%d", broker.Addr().(*net.TCPAddr).Port))
	const tenants, before, after = 16, 12, 8 // enough tenants for nearly every shard
	all := a.newTenants(tenants)
	var busy sync.WaitGroup
	for i := range all {
		busy.Go(func() { all[i].fill(t, []*node{a, b}, before, "before") })
	}
	busy.Wait()

	a.end(syscall.SIGKILL)
	killed := time.Now()
	for i := range all {
		busy.Go(func() { all[i].fill(t, []*node{b}, after, "after") })
	}
	busy.Wait()
	until := killed.Add(15 * time.Second)
	for i := range all {
		all[i].wait(t, b, before+after, until)
	}
	t.Logf("everything is done %v after the kill", time.Since(killed).Round(time.Millisecond))
	log := make(map[string]bool)
	for i := range all {
		all[i].log(t, b, log)
	}
	if want := tenants * events(before+after); len(log) != want {
		t.Errorf("the log has %d events, want %d", len(log), want)
	}
	last := checkStream(t, consume(t, broker, "*"), log, until)
	t.Logf("the last event arrived %v after the kill", last.Sub(killed).Round(time.Millisecond))
}

// twoNodes starts two nodes on a database and an event store, if there is one, and
// makes the first user.
func twoNodes(t *testing.T, database, store string, env ...string) (a, b *node) {
	t.Helper()
	a, b = newNode(t), newNode(t)
	for _, n := range []*node{a, b} {
		n.events = store
		n.env = slices.Clone(env)
		n.on(database)
	}
	a.start()
	a.setUp()
	b.start()
	b.bearer = a.bearer
	return a, b
}

// newTenants makes tenants, with a key to each.
func (n *node) newTenants(count int) []tenantOf {
	n.t.Helper()
	var me struct {
		Token        string `json:"access_token"`
		Organization string `json:"organization_id"`
	}
	n.want(http.StatusOK, "POST", "/v1/auth/login", `{"email":"ann@example.com","password":"correct horse battery"}`, &me)
	owner := *n
	owner.bearer = me.Token
	all := make([]tenantOf, count)
	for i := range all {
		var made struct {
			ID string `json:"id"`
		}
		owner.want(http.StatusCreated, "POST", "/v1/organizations/"+me.Organization+"/tenants", fmt.Sprintf(`{"name":"T%d"}`, i), &made)
		all[i] = owner.keyOf(made.ID)
	}
	return all
}

// log adds the IDs of all events of a tenant.
func (o tenantOf) log(t *testing.T, via *node, ids map[string]bool) {
	t.Helper()
	n := *via
	n.bearer = o.key
	_, data, err := n.ask("GET", o.path+"/events?limit=5000", "", "Accept", "application/x-ndjson")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		var e struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(line, &e); err != nil || e.ID == "" {
			t.Fatalf("%v\n%s", err, line)
		}
		ids[e.ID] = true
	}
}

// checkStream checks that a stream has the events of a log, those of a record in
// order, and none else, and returns when the last one arrived.
func checkStream(t *testing.T, in <-chan jetstream.Msg, log map[string]bool, until time.Time) (last time.Time) {
	t.Helper()
	seen, at := make(map[string]bool), make(map[string]int)
	timeout := time.After(max(0, time.Until(until)) + 15*time.Second) // to read what is there
	for len(seen) < len(log) {
		var m jetstream.Msg
		select {
		case m = <-in:
		case <-timeout:
			t.Fatalf("%d events of %d arrived", len(seen), len(log))
		}
		h := m.Headers()
		id, record := h.Get("ce-id"), h.Get("ce-partitionkey")
		if seen[id] {
			continue
		}
		seen[id] = true
		if version, err := strconv.Atoi(h.Get("ce-version")); err != nil || version != at[record]+1 || !log[id] {
			t.Errorf("version %d of %s came after %d; in the log: %t, %v", version, record, at[record], log[id], err)
		}
		at[record]++
		meta, err := m.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		last = meta.Timestamp
	}
	if last.After(until) {
		t.Errorf("the last event arrived %v too late", last.Sub(until))
	}
	return last
}

// tenantOf is a tenant, with a key to it.
type tenantOf struct {
	path, key string
}

func (n *node) keyOf(tenant string) tenantOf {
	n.t.Helper()
	var session struct {
		Token string `json:"access_token"`
	}
	n.want(http.StatusOK, "POST", "/v1/auth/login", `{"email":"ann@example.com","password":"correct horse battery","tenant_id":"`+tenant+`"}`, &session)
	of := *n
	of.bearer = session.Token
	var key struct {
		Key string `json:"key"`
	}
	of.want(http.StatusCreated, "POST", "/v1/tenants/"+tenant+"/api_keys", `{"name":"test"}`, &key)
	return tenantOf{"/v1/tenants/" + tenant, key.Key}
}

// events is how many events fill makes of so many contacts.
func events(contacts int) int { return contacts + contacts/4 }

// fill makes contacts by way of some nodes, in turns, and changes one in four.
func (o tenantOf) fill(t *testing.T, nodes []*node, count int, name string) {
	for i := range count {
		n := *nodes[i%len(nodes)]
		n.bearer = o.key
		status, data, err := n.ask("POST", o.path+"/contacts", fmt.Sprintf(`{"last_name":"%s %d"}`, name, i))
		if err != nil || status != http.StatusCreated {
			t.Errorf("create = %d, %v\n%s", status, err, data)
			return
		}
		if i%4 > 0 {
			continue
		}
		var made struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(data, &made); err != nil {
			t.Error(err)
		}
		status, data, err = n.ask("PATCH", o.path+"/contacts/"+made.ID, `{"job_title":"Engineer"}`, "Content-Type", "application/merge-patch+json")
		if err != nil || status != http.StatusOK {
			t.Errorf("change = %d, %v\n%s", status, err, data)
			return
		}
	}
}

// wait waits until the read models and the usage counts of a tenant show what was
// made, and no more.
func (o tenantOf) wait(t *testing.T, via *node, contacts int, until time.Time) {
	t.Helper()
	n := *via
	n.bearer = o.key
	for {
		shown := len(n.all(o.path + "/contacts?limit=500"))
		var usage struct {
			Data []struct {
				Dimension string `json:"dimension"`
				Quantity  int    `json:"quantity"`
			} `json:"data"`
		}
		_, data, err := n.ask("GET", o.path+"/usage", "")
		if err == nil {
			err = json.Unmarshal(data, &usage)
		}
		counted := 0
		for _, line := range usage.Data {
			if line.Dimension == "events" {
				counted += line.Quantity
			}
		}
		switch {
		case err == nil && shown == contacts && counted == events(contacts):
			return
		case shown > contacts || counted > events(contacts):
			t.Fatalf("%d contacts are shown and %d events counted of %d and %d: something was done twice", shown, counted, contacts, events(contacts))
		case time.Now().After(until):
			t.Fatalf("%d contacts are shown and %d events counted of %d and %d, %v\n%s", shown, counted, contacts, events(contacts), err, data)
		}
		time.Sleep(50 * time.Millisecond) // another process cannot be waited for in a better way
	}
}
