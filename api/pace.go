package api

import (
	"io"
	"net/http"
	"time"
)

// How slowly a body may come: the first bytes within some seconds, the others at
// a rate that any line has, and all of it while there is time to answer.
const (
	bodyGrace  = 5 * time.Second
	bodyRate   = 8 << 10 // bytes a second
	bodyMost   = 60 * time.Second
	readTwice  = 100 * time.Millisecond // how often the deadline is moved at most
	bodyChunks = int64(time.Second) / bodyRate
)

// paced is a body that must come at a rate: the deadline of its connection moves
// on with the bytes. What a client does not send in time is not waited for, so
// nobody holds a connection with a byte now and then. Once it was read to its end
// there is no deadline any more: the answer may take longer than the question.
type paced struct {
	io.ReadCloser
	rc    *http.ResponseController
	now   func() time.Time
	begin time.Time
	until time.Time
	bytes int64
}

// newPaced returns the body of a request. A connection that cannot have a deadline
// works without.
func newPaced(x *exchange, body io.ReadCloser) io.ReadCloser {
	p := &paced{ReadCloser: body, rc: http.NewResponseController(x), now: x.s.Now}
	if x.r.ContentLength == 0 {
		_ = p.rc.SetReadDeadline(time.Time{})
	}
	return p
}

// Read implements [io.Reader].
func (p *paced) Read(b []byte) (int, error) {
	if p.begin.IsZero() {
		p.begin = p.now()
	}
	until := p.begin.Add(min(bodyMost, bodyGrace+time.Duration(p.bytes*bodyChunks)))
	if until.Sub(p.until) > readTwice {
		p.until = until
		_ = p.rc.SetReadDeadline(until)
	}
	n, err := p.ReadCloser.Read(b)
	p.bytes += int64(n)
	if err == io.EOF {
		_ = p.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}
