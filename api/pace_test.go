package api

import (
	"bufio"
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/keys"
)

// piped is a listener of one connection, which is only in memory, so that time
// passes when everybody waits.
type piped struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p piped) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p piped) Close() error { close(p.done); return nil }
func (piped) Addr() net.Addr { return &net.TCPAddr{} }

// dribble sends a head, and then a body of 100 kB in pieces, to a server, and
// returns the status of the answer, whether it says that the connection is closed,
// and how long it took. It runs in a bubble.
func dribble(t *testing.T, h http.Handler, head string, piece int, every time.Duration) (status int, closing bool, took time.Duration) {
	t.Helper()
	listener := piped{make(chan net.Conn, 1), make(chan struct{})}
	server := &http.Server{Handler: h, ReadTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	client, conn := net.Pipe()
	listener.conns <- conn
	begin := time.Now()
	var sending sync.WaitGroup
	sending.Go(func() {
		_, _ = io.WriteString(client, head)
		piece := []byte(strings.Repeat("x", piece))
		for sent := 0; sent < 100_000 && len(piece) > 0; sent += len(piece) {
			time.Sleep(every)
			if _, err := client.Write(piece); err != nil {
				return
			}
		}
	})
	res, err := http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil {
		t.Fatal(err)
	}
	took = time.Since(begin)
	_, _, _ = res.Body.Close(), client.Close(), server.Close()
	sending.Wait()
	return res.StatusCode, res.Close, took
}

// TestSlowBody sends a body at several rates. Too slow a one is refused within
// seconds, and not when all the time for a request is over.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		piece    int
		every    time.Duration
		status   int
		atLeast  time.Duration
		within   time.Duration
		whenRead time.Duration // how long the answer takes after that
	}{
		{"nothing at all", 0, time.Second, 408, 4 * time.Second, 6 * time.Second, 0},
		{"a byte a second", 1, time.Second, 408, 4 * time.Second, 7 * time.Second, 0},
		{"a kilobyte a second", 1 << 10, time.Second, 408, 4 * time.Second, 10 * time.Second, 0},
		{"at once", 100_000, time.Millisecond, 200, 0, time.Second, 0},
		{"10 kB a second", 10_000, time.Second, 200, 9 * time.Second, 12 * time.Second, 0},
		{"an answer that takes longer than the body may", 100_000, time.Millisecond, 200, 20 * time.Second, 21 * time.Second, 20 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &Server{Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Now: time.Now, NewID: uuid.New}
				op := describe(http.MethodPost, "/things", everybody, "Things", "thing.do", "", "", []part{upTo(1 << 20), serve(func(x *exchange) error {
					if _, err := io.ReadAll(x.r.Body); err != nil {
						return unreadable(err)
					}
					select {
					case <-time.After(tt.whenRead):
					case <-x.ctx().Done():
						return x.ctx().Err()
					}
					return x.answerText("read")
				})})
				op.RequestBody = &huma.RequestBody{}
				h, err := s.edge(op.handler())
				if err != nil {
					t.Fatal(err)
				}
				status, closing, took := dribble(t, h, "POST /things HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", tt.piece, tt.every)
				if status != tt.status || took < tt.atLeast || took > tt.within {
					t.Errorf("answered %d after %s, closing: %t", status, took, closing)
				}
			})
		})
	}
}

// Whatever is refused before its body is read is answered at once, and does not
// keep the connection for as long as the body takes: at each route, and where
// there is none.
func TestSlowBodyOfNoInterest(t *testing.T) {
	t.Parallel()
	directory, err := access.New(access.Config{Root: keys.Root{}, Now: time.Now, Random: rand.Reader, NewID: uuid.New})
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Access: directory, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Now: time.Now, NewID: uuid.New}
	h, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	type question struct {
		h      http.Handler
		head   string // of the request, without its end
		status int    // 0 for any refusal
	}
	cases := []question{
		{h, "POST /nowhere HTTP/1.1", 404},
		{h, "PUT /v1/auth/login HTTP/1.1", 405},
		{h, "POST /v1/auth/login?x=1 HTTP/1.1", 400},
		{h, "POST /v1/auth/login HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Type: application/json", 415},
		{Starting(uuid.New), "POST /v1/auth/login HTTP/1.1", 503},
	}
	resources, err := s.resources()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range resources {
		for _, op := range r.operations() {
			cases = append(cases, question{h, op.Method + " " + op.Path + " HTTP/1.1", 401})
		}
	}
	for _, c := range cases {
		for _, framing := range []string{"Content-Length: 100000", "Content-Length: 1000000", "Transfer-Encoding: chunked"} {
			synctest.Test(t, func(t *testing.T) {
				piece := 1
				if framing == "Transfer-Encoding: chunked" {
					piece = 0 // a chunk would have to be one
				}
				status, closing, took := dribble(t, c.h, c.head+"\r\nHost: x\r\n"+framing+"\r\n\r\n", piece, time.Second)
				if status != c.status || took > time.Second || !closing {
					t.Errorf("%s, %s: answered %d after %s, closing: %t", c.head, framing, status, took, closing)
				}
			})
		}
	}
}
