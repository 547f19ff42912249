package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
)

// Two nodes share what has to be done. When one is killed, the other has all of
// it within 15 seconds, and whatever was under way is done once.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"postgres", "kurrent"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			events := ""
			if engine == "kurrent" {
				events = esdbtest.Start(t).URL()
			}
			takeOver(t, dbtest.Server(t), events)
		})
	}
}

func takeOver(t *testing.T, database, events string) {
	t.Helper()
	a, b := newNode(t), newNode(t)
	for _, n := range []*node{a, b} {
		n.events = events
		n.env = []string{"ROWHOUSE_DATABASE_URL=" + database, "ROWHOUSE_ROOT_KEY_FILE=" + filepath.Join(a.dir, "root.key")}
	}
	a.start()
	a.setUp()
	b.start()
	b.bearer = a.bearer

	var me struct {
		Token        string `json:"access_token"`
		Organization string `json:"organization_id"`
	}
	a.want(http.StatusOK, "POST", "/v1/auth/login", `{"email":"ann@example.com","password":"correct horse battery"}`, &me)
	a.bearer = me.Token
	const tenants, before, after = 16, 40, 20 // enough tenants for nearly every shard
	all := make([]tenantOf, tenants)
	for i := range all {
		var made struct {
			ID string `json:"id"`
		}
		a.want(http.StatusCreated, "POST", "/v1/organizations/"+me.Organization+"/tenants", fmt.Sprintf(`{"name":"T%d"}`, i), &made)
		all[i] = a.keyOf(made.ID)
	}
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
	for i := range all {
		all[i].wait(t, b, before+after, killed.Add(15*time.Second))
	}
	t.Logf("everything is done %v after the kill", time.Since(killed).Round(time.Millisecond))
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

// fill makes contacts by way of some nodes, in turns.
func (o tenantOf) fill(t *testing.T, nodes []*node, count int, name string) {
	for i := range count {
		n := *nodes[i%len(nodes)]
		n.bearer = o.key
		if status, data, err := n.ask("POST", o.path+"/contacts", fmt.Sprintf(`{"last_name":"%s %d"}`, name, i)); err != nil || status != http.StatusCreated {
			t.Errorf("create = %d, %v\n%s", status, err, data)
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
		case err == nil && shown == contacts && counted == contacts:
			return
		case shown > contacts || counted > contacts:
			t.Fatalf("%d contacts are shown and %d events counted of %d: something was done twice", shown, counted, contacts)
		case time.Now().After(until):
			t.Fatalf("%d contacts are shown and %d events counted of %d, %v\n%s", shown, counted, contacts, err, data)
		}
		time.Sleep(50 * time.Millisecond) // another process cannot be waited for in a better way
	}
}
