package apitest

import (
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

// Link leads a backend to its database, and can be cut.
type Link struct {
	server string

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]struct{}
}

// Fragile is like [On], with a database that can be away, and logs to out.
func Fragile(t testing.TB, engine string, out io.Writer) (*Server, *Link) {
	t.Helper()
	db := dbtest.Open(t)
	u, err := url.Parse(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	const name = ".s.PGSQL.5432"
	dir, err := os.MkdirTemp("", "link") //nolint:usetesting // TempDir is too deep for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) }) //nolint:errcheck // it is in the temporary directory
	l, err := net.Listen("unix", filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() }) //nolint:errcheck // nobody listens any more
	link := &Link{server: filepath.Join(u.Query().Get("host"), name), conns: map[net.Conn]struct{}{}}
	go link.listen(l)
	u.RawQuery = url.Values{"host": {dir}}.Encode()
	cfg := db.Config()
	cfg.URL = u.String()
	w, err := wall.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	s := unused(t, engine, postgres.Config{Wall: w, Patience: 50 * time.Millisecond}, out)
	s.setUp()
	return s, link
}

// Cut ends all connections, and lets none through until [Link.Mend].
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	for c := range l.conns {
		c.Close() //nolint:errcheck // it is to be broken
	}
}

// Mend lets connections through again.
func (l *Link) Mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = false
}

func (l *Link) listen(from net.Listener) {
	for {
		client, err := from.Accept()
		if err != nil {
			return
		}
		if l.enter(client) {
			go l.lead(client)
		}
	}
}

// enter takes note of a connection, or closes it if the link is cut.
func (l *Link) enter(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		c.Close() //nolint:errcheck // it was not used
		return false
	}
	l.conns[c] = struct{}{}
	return true
}

// lead carries bytes both ways until one side has enough.
func (l *Link) lead(client net.Conn) {
	defer func() {
		client.Close() //nolint:errcheck // there is nothing left to lose
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.conns, client)
	}()
	server, err := net.Dial("unix", l.server)
	if err != nil {
		return
	}
	go func() {
		io.Copy(server, client) //nolint:errcheck // ends with either
		server.Close()          //nolint:errcheck // likewise
	}()
	io.Copy(client, server) //nolint:errcheck // ends with either
}
