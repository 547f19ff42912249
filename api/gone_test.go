package api

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Whoever closes one direction of the connection after the request looks to
// net/http as if they had left, so the request ends. They are still there to hear
// that it was not carried out, or at least must not hear that it was.
func TestHalfClosed(t *testing.T) {
	t.Parallel()
	h, log, _ := newEdge(t, func(x *exchange) error {
		<-x.ctx().Done()
		return fmt.Errorf("wait for a turn: %w", x.ctx().Err())
	})
	server := httptest.NewServer(h)
	defer server.Close()
	conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // it was dialled to be broken
	if _, err = io.WriteString(conn, "POST /things/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err = conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if res, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
		_ = res.Body.Close()
		t.Errorf("answered %s", res.Status)
	} else if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("ended with %v", err)
	}
	server.Close() // so that all was logged
	if !strings.Contains(log.String(), "status=499") {
		t.Errorf("logged %s", log)
	}
}
