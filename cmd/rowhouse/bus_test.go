package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rowhouse/rowhouse/migrations/dbtest"
)

// startNATS starts a real server with JetStream on disk.
func startNATS(t *testing.T, largest int32) *natsserver.Server {
	t.Helper()
	s, err := natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true, MaxPayload: largest,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

// consume returns what comes in for a tenant.
func consume(t *testing.T, s *natsserver.Server, tenant string) <-chan jetstream.Msg {
	t.Helper()
	conn, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan jetstream.Msg, 100)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := js.OrderedConsumer(t.Context(), "ROWHOUSE", jetstream.OrderedConsumerConfig{FilterSubjects: []string{"rowhouse." + tenant + ".>"}})
		if err == nil {
			consuming, err := c.Consume(func(m jetstream.Msg) { out <- m })
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(consuming.Stop)
			return out
		}
		if time.Now().After(deadline) {
			t.Fatal(err) // the stream is made by the first who publishes
		}
	}
}

func next(t *testing.T, in <-chan jetstream.Msg, eventType, name string) {
	t.Helper()
	select {
	case m := <-in:
		var data map[string]any
		if err := json.Unmarshal(m.Data(), &data); err != nil {
			t.Fatal(err)
		}
		if got := m.Headers().Get("ce-type"); got != eventType || !strings.Contains(string(m.Data()), name) {
			t.Fatalf("got %s on %s: %s\nwant %s with %s", got, m.Subject(), m.Data(), eventType, name)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("%s of %s did not arrive", eventType, name)
	}
}

// What is posted here arrives there, also when the server is killed; what the
// broker does not take can be looked at, published again, and given up.
func TestBus(t *testing.T) {
	t.Parallel()
	broker := startNATS(t, 3000)
	n := newNode(t).on(dbtest.Database(t))
	// The second broker never works, which is nothing to the first one.
	n.env = append(n.env, fmt.Sprintf("ROWHOUSE_BUS= nats://127.0.0.1:%d?name=out \n nats://127.0.0.1:1?name=gone ", broker.Addr().(*net.TCPAddr).Port))
	n.start()
	n.setUp()
	post := func(body string) (id string) {
		t.Helper()
		var doc struct {
			ID string `json:"id"`
		}
		n.want(http.StatusCreated, "POST", n.tenant+"/contacts", body, &doc)
		return doc.ID
	}
	post(`{"last_name":"First"}`)
	tenant := strings.TrimPrefix(n.tenant, "/v1/tenants/")
	in := consume(t, broker, tenant)
	next(t, in, "contact.created", "First")

	tags := make([]string, 45)
	for i := range tags {
		tags[i] = fmt.Sprintf(`"%s%d"`, strings.Repeat("t", 45), i)
	}
	large := post(`{"last_name":"Large","tags":[` + strings.Join(tags, ",") + `],"job_title":"` + strings.Repeat("x", 200) + `"}`)
	n.want(http.StatusOK, "PATCH", n.tenant+"/contacts/"+large, `{"last_name":"Behind"}`, nil, "Content-Type", "application/merge-patch+json")
	post(`{"last_name":"Second"}`)
	next(t, in, "contact.created", "Second")

	n.end(syscall.SIGKILL)
	n.start()
	post(`{"last_name":"Third"}`)
	next(t, in, "contact.created", "Third")

	rowhouse := func(ok bool, args ...string) string {
		t.Helper()
		out, err := n.command(append([]string{"bus"}, args...)...).CombinedOutput()
		if (err == nil) != ok {
			t.Fatalf("rowhouse bus %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		lines := strings.Split(rowhouse(true, "status"), "\n")
		if got := strings.Join(strings.Fields(strings.Join(lines[1:], " ")), " "); got == "gone "+tenant+" 5 0 5 0 out "+tenant+" 5 5 0 1" {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("status = %q", got)
		}
	}
	status, metrics, err := n.ask("GET", "/metrics", "")
	if err != nil || status != http.StatusOK || !strings.Contains(string(metrics), `rowhouse_bus_parked_records{target="out"} 1`) ||
		!strings.Contains(string(metrics), `rowhouse_follower_lag_events{group="bus:out"} 0`) {
		t.Errorf("metrics = %d, %v\n%s", status, err, metrics)
	}
	record := "contact/" + large
	if out := rowhouse(true, "parked", "--target", "out"); !strings.Contains(out, record) || !strings.Contains(out, "too_large") {
		t.Errorf("parked = %s", out)
	}
	if out := rowhouse(false, "replay"); !strings.Contains(out, "1 records are still parked") {
		t.Errorf("replay = %s", out)
	}
	for _, command := range []string{"status", "parked", "replay"} {
		if out := rowhouse(false, command, "--target", "other"); !strings.Contains(out, "other") {
			t.Errorf("%s of a target that is not there = %s", command, out)
		}
	}
	only := []string{"--target", "out", "--tenant", tenant, "--record", record}
	rowhouse(false, "skip", "--record", record, "--record-version", "1")
	rowhouse(false, append([]string{"skip"}, only...)...)
	rowhouse(false, append([]string{"skip", "--record-version", "2"}, only...)...)
	if out := rowhouse(true, append([]string{"skip", "--record-version", "1"}, only...)...); !strings.Contains(out, "rowhouse bus replay") {
		t.Errorf("skip = %s", out)
	}
	if out := rowhouse(true, append([]string{"replay"}, only...)...); !strings.Contains(out, "1 events were published") {
		t.Errorf("replay = %s", out)
	}
	next(t, in, "contact.updated", "Behind")
	n.want(http.StatusOK, "PATCH", n.tenant+"/contacts/"+large, `{"last_name":"Later"}`, nil, "Content-Type", "application/merge-patch+json")
	next(t, in, "contact.updated", "Later")
}
