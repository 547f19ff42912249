package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/migrations/dbtest"
)

// caller sends requests over connections of its own, and hides nothing: clients of
// net/http send a request again if the connection was closed under it.
type caller struct {
	addr string
	keep bool // connections

	conn net.Conn
	in   *bufio.Reader
}

// ask sends a request. closed says that the server wants no more on the connection.
func (c *caller) ask(path string) (status int, closed bool, err error) {
	if c.conn == nil {
		if c.conn, err = net.DialTimeout("tcp", c.addr, 10*time.Second); err != nil {
			return 0, false, err
		}
		c.in = bufio.NewReader(c.conn)
	}
	if _, err := fmt.Fprintf(c.conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", path); err != nil {
		return 0, false, err
	}
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, false, err
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0, false, err
	}
	_ = res.Body.Close()
	if res.Close || !c.keep {
		c.conn.Close() //nolint:errcheck // it has done its duty
		c.conn = nil
	}
	return res.StatusCode, res.Close, nil
}

// TestDrainDropsNothing stops a server under load of clients that keep their
// connections and of clients that open new ones: each request has its answer, until
// connections are refused.
func TestDrainDropsNothing(t *testing.T) {
	t.Parallel()
	l, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := newFront(slog.New(slog.NewTextHandler(t.Output(), nil)), l)
	var served atomic.Int64
	f.lead(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		served.Add(1)
		time.Sleep(time.Millisecond)
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write([]byte("ok"))
	}))
	const clients = 64
	var answered, last atomic.Int64
	var running sync.WaitGroup
	for i := range clients {
		c := &caller{addr: l.Addr().String(), keep: i%2 == 0}
		running.Go(func() {
			for {
				status, closed, err := c.ask("/")
				switch {
				case errors.Is(err, syscall.ECONNREFUSED):
					return
				case err != nil || status != http.StatusOK:
					t.Errorf("client %d: %d, %v", i, status, err)
					return
				}
				answered.Add(1)
				if closed {
					last.Add(1)
				}
			}
		})
	}
	for served.Load() < 20*clients {
		time.Sleep(time.Millisecond)
	}
	if err := f.drain(context.Background(), 300*time.Millisecond); err != nil {
		t.Error(err)
	}
	if open := f.open.Load(); open > 0 {
		t.Errorf("%d connections are open", open)
	}
	running.Wait()
	if answered.Load() != served.Load() || last.Load() < clients {
		t.Errorf("%d requests were served and %d answered, %d of these as the last on their connection", served.Load(), answered.Load(), last.Load())
	}
	if err := <-f.served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

// A server that nobody is connected to does not wait.
func TestDrainIdle(t *testing.T) {
	t.Parallel()
	l, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := newFront(slog.New(slog.DiscardHandler), l)
	began := time.Now()
	if err := f.drain(t.Context(), time.Minute); err != nil || time.Since(began) > 30*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	if _, err := net.Dial("tcp", l.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial: %v", err)
	}
}

// While a server drains it says that it is not ready, streams end with a word on
// how to come back, and a second signal ends it at once.
func TestStopping(t *testing.T) {
	t.Parallel()
	n := newNode(t).on(dbtest.Database(t))
	n.env = append(n.env, "ROWHOUSE_DRAIN=1m")
	n.start()
	n.setUp()
	req, err := http.NewRequest(http.MethodGet, "http://"+n.addr+n.tenant+"/events/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+n.bearer)
	stream, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	idle, err := net.Dial("tcp", n.addr) // so that somebody is connected
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close() //nolint:errcheck // nothing was sent
	if err := n.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	told, err := io.ReadAll(stream.Body)
	if err != nil || !strings.HasSuffix(string(told), "retry: 1000\n\n") {
		t.Errorf("the stream ends with %q, %v", told, err)
	}
	_ = stream.Body.Close()
	res, err := http.Get("http://" + n.addr + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable || !res.Close || !strings.Contains(string(body), `"reason":"stopping"`) {
		t.Errorf("readyz: %d, close %t\n%s", res.StatusCode, res.Close, body)
	}
	n.want(http.StatusCreated, "POST", n.tenant+"/contacts", `{"last_name":"Late"}`, nil)
	began := time.Now()
	_ = n.process.Process.Signal(syscall.SIGTERM)
	_ = n.process.Wait() // the signal ends it
	n.process = nil
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the second signal ended it after %s", took)
	}
}
