package esdbtest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net"
	"net/url"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
)

// It runs alone, before the parallel tests, so that every goroutine of a node
// is one of its own.
//
//nolint:paralleltest // see above
func TestStopLeavesNothing(t *testing.T) {
	c, err := esdbtest.NewCluster(2)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(c.Nodes[0].Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	w := dial(t, c.Nodes[1])
	gate := esdbtest.NewGate()
	c.Nodes[1].Faults.Next(esdbtest.Append, gate.Hold())
	held := make(chan string)
	go func() { held <- w.append("s", none, event("a")) }()
	<-gate.Entered()
	subscription := w.open(query("$all", 0, live))
	w.must(receives(subscription, 2), "confirmed caught-up")
	conn.Connect()

	c.Nodes[1].Stop()
	w.must(<-held, "Unavailable")
	w.must(receive(subscription), "error: Unavailable")
	c.Close()
	c.Close()
	_ = conn.Close()
	deadline := time.Now().Add(5 * time.Second)
	for {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if !bytes.Contains(stacks, []byte("transport.(*http2Server)")) && !bytes.Contains(stacks, []byte("esdbtest.(")) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left over:\n%s", stacks)
		}
		runtime.Gosched()
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	s := esdbtest.Start(t)
	w := dial(t, s)
	w.append("s", none, event("a"))
	addr, at := s.Addr(), s.URL()
	s.Stop()
	s.Stop()
	w.must(w.append("s", 0, event("b")), "Unavailable")
	strict := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 0)
		})
	}}
	if l, err := strict.Listen(t.Context(), "tcp", addr); err == nil {
		_ = l.Close()
		t.Error("somebody else has got the port")
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if s.Addr() != addr || s.URL() != at {
		t.Errorf("%s has become %s", addr, s.Addr())
	}
	w = dial(t, s)
	w.must(w.append("s", 0, event("b")), "ok 1")
	w.must(w.read(query("s", 9)), "s/0 s/1")
}

func TestFeatures(t *testing.T) {
	t.Parallel()
	for want, opts := range map[string][]esdbtest.Option{
		"24.10.14": nil,
		"23.10.8":  {esdbtest.WithVersion("23.10.8")},
	} {
		s := esdbtest.Start(t, opts...)
		got, err := serverfeatures.NewServerFeaturesClient(dial(t, s).conn).GetSupportedMethods(t.Context(), nothing)
		if err != nil || got.GetEventStoreServerVersion() != want || len(got.GetMethods()) == 0 {
			t.Errorf("%v, %v", got, err)
		}
		if s.Calls(esdbtest.Features) != 1 {
			t.Errorf("%d calls", s.Calls(esdbtest.Features))
		}
	}
}

func TestAppendForeign(t *testing.T) {
	t.Parallel()
	s := esdbtest.Start(t)
	w := dial(t, s)
	w.append("s", none, event("a"))
	subscription := w.open(query("$all", 0, live))
	w.must(receives(subscription, 3), "confirmed s/0 caught-up")
	written := s.AppendForeign("s", event("b"), esdbtest.Event{Type: "c"})
	if len(written) != 2 || written[1].Number != 2 || written[1].Position != s.Log()[2].Position {
		t.Errorf("written %v", written)
	}
	w.must(receives(subscription, 2), "s/1 s/2")
	if s.Calls(esdbtest.Append) != 1 {
		t.Errorf("%d calls", s.Calls(esdbtest.Append))
	}
}

func TestCluster(t *testing.T) {
	t.Parallel()
	c := esdbtest.StartCluster(t, 3)
	leader, follower := dial(t, c.Nodes[0]), dial(t, c.Nodes[1])
	const refused = "NotFound not-leader"
	leader.must(leader.with("requires-leader", "true").append("s", none, event("a")), "ok 0")
	follower.must(follower.append("s", 0, event("b")), "ok 1") // forwarded
	strict := follower.with("requires-leader", "true")
	follower.must(strict.append("s", 1, event("c")), refused)
	follower.must(strict.tombstone("s"), refused)
	follower.must(strict.read(query("s", 9)), "error: "+refused)
	follower.must(follower.with("requires-leader", "false").read(query("s", 9)), "s/0 s/1")

	c.Elect(1)
	follower.must(strict.append("s", 1, event("c")), "ok 2")
	call, err := leader.with("requires-leader", "true").Append(leader.with("requires-leader", "true").ctx)
	if err != nil {
		t.Fatal(err)
	}
	_ = call.Send(appendOptions("s", 2))
	if _, err := call.CloseAndRecv(); err == nil {
		t.Fatal("accepted")
	}
	host, port, _ := net.SplitHostPort(c.Leader().Addr())
	want(t, call.Trailer(), "leader-endpoint-host", host)
	want(t, call.Trailer(), "leader-endpoint-port", port)

	c.Nodes[1].Stop()
	leader.must(leader.append("s", 2, event("d")), "Unknown") // nobody to forward to
	leader.must(leader.read(query("s", 1)), "s/0")
	c.Elect(2)
	leader.must(leader.append("s", 2, event("d")), "ok 3")

	info, err := gossip.NewGossipClient(leader.conn).Read(t.Context(), nothing)
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, m := range info.GetMembers() {
		state := m.GetState().String()
		if !m.GetIsAlive() {
			state = "dead " + state
		}
		states = append(states, state)
	}
	leader.must(strings.Join(states, ", "), "Follower, dead Follower, Leader")
	for _, n := range c.Nodes {
		if !strings.Contains(c.URL(), n.Addr()) {
			t.Errorf("%s is not in %s", n.Addr(), c.URL())
		}
	}
}

func TestRefusingFollowers(t *testing.T) {
	t.Parallel()
	c := esdbtest.StartCluster(t, 2, esdbtest.WithRefusingFollowers())
	w := dial(t, c.Nodes[1])
	w.must(w.append("s", none, event("a")), "NotFound not-leader")
	w.must(w.read(query("s", 1)), "not-found")
	c.Nodes[0].Faults.Next(esdbtest.Append, esdbtest.NotLeader)
	w = dial(t, c.Nodes[0])
	w.must(w.append("s", none, event("a")), "NotFound not-leader")
	w.must(w.append("s", none, event("a")), "ok 0")
}

func TestFreeze(t *testing.T) {
	t.Parallel()
	c := esdbtest.StartCluster(t, 2)
	leader, follower := dial(t, c.Nodes[0]), dial(t, c.Nodes[1])
	leader.append("s", none, event("a"))
	leader.append("t", none, event("b"))
	subscription := follower.open(query("$all", 0, live))
	follower.must(receives(subscription, 4), "confirmed s/0 t/0 caught-up")
	c.Nodes[1].Freeze()
	leader.append("s", 0, event("c"))
	leader.tombstone("t")
	follower.must(follower.read(query("s", 9)), "s/0")
	follower.must(follower.read(query("t", 9)), "t/0")
	follower.must(follower.read(query("$all", 9)), "s/0 t/0")
	leader.must(leader.read(query("s", 9)), "s/0 s/1")
	c.Nodes[1].Thaw()
	follower.must(receives(subscription, 2), "s/1 t/9223372036854775807")
	follower.must(follower.read(query("s", 9)), "s/0 s/1")
}

// basic are credentials for each call, as clients send them.
type basic string

func (b basic) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(b))}, nil
}

func (basic) RequireTransportSecurity() bool { return true }

func TestTLS(t *testing.T) {
	t.Parallel()
	s := esdbtest.Start(t, esdbtest.WithTLS(
		esdbtest.Account{Name: "ops", Password: "p@ss:word", Admin: true},
		esdbtest.Account{Name: "crm", Password: "secret"},
	))
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(s.CA()) {
		t.Fatal("no certificate")
	}
	file, err := os.ReadFile(s.CAFile())
	if err != nil || !bytes.Equal(file, s.CA()) {
		t.Errorf("%s, %v", file, err)
	}
	secure := grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots}))
	as := func(who basic) wire { return dial(t, s, secure, grpc.WithPerRPCCredentials(who)) }
	const denied = "PermissionDenied access-denied"

	nobody := dial(t, s, secure)
	nobody.must(nobody.append("s", none, event("a")), denied)
	if _, err := gossip.NewGossipClient(nobody.conn).Read(t.Context(), nothing); err != nil {
		t.Errorf("gossip: %v", err)
	}
	stranger := as("crm:wrong")
	stranger.must(stranger.append("s", none, event("a")), "Unauthenticated")

	crm, ops := as("crm:secret"), as("ops:p@ss:word")
	crm.must(crm.append("s", none, event("a")), "ok 0")
	crm.must(crm.read(query("s", 1)), "s/0")
	crm.must(crm.append("$$s", none, metadataEvent(`{}`)), "ok 0")
	crm.must(crm.append("$settings", none, event("a")), denied)
	crm.must(crm.append("$$$all", none, metadataEvent(`{}`)), denied)
	crm.must(crm.read(query("$all", 1)), "error: "+denied)
	ops.must(ops.read(query("$all", 1)), "s/0")
	ops.must(ops.append("$$$all", none, metadataEvent(`{"$acl":{"$r":["$admins","crm"]}}`)), "ok 0")
	crm.must(crm.read(query("$all", 1)), "s/0")
	crm.must(crm.append("$all", anyOne, event("a")), denied)

	u, err := url.Parse(s.URL())
	if password, _ := u.User.Password(); err != nil || u.User.Username() != "ops" || password != "p@ss:word" {
		t.Errorf("%s, %v", s.URL(), err)
	}
	plain := dial(t, s)
	plain.must(plain.append("s", 0, event("b")), "Unavailable")
}
