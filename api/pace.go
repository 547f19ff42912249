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
	bodyLeft   = 250 * time.Millisecond // how long an answer waits for a body that nobody reads
	readTwice  = 100 * time.Millisecond // how often the deadline is moved at most
	bodyChunks = int64(time.Second) / bodyRate
)

// paced is a body that must come at a rate: the deadline of its connection moves
// on with the bytes, from the moment that the request has come, whoever reads the
// body and whether anybody does. What a client does not send in time is not waited
// for, so nobody holds a connection with a byte now and then. Once it was read to
// its end there is no deadline any more: the answer may take longer than the
// question.
type paced struct {
	io.ReadCloser
	rc    *http.ResponseController
	now   func() time.Time
	begin time.Time
	until time.Time
	bytes int64
	begun bool // somebody reads it
	ended bool
}

// paced returns a request whose body is paced. A connection that cannot have a
// deadline works without.
func (x *exchange) paced(r *http.Request) *http.Request {
	rc := http.NewResponseController(x)
	if r.ContentLength == 0 {
		_ = rc.SetReadDeadline(time.Time{})
		return r
	}
	x.coming = &paced{ReadCloser: r.Body, rc: rc, now: x.s.Now, begin: x.s.Now()}
	x.coming.move()
	r = r.WithContext(r.Context()) // net/http looks at the body of its own request
	r.Body = x.coming
	return r
}

// move puts the deadline where it belongs after the bytes that have come.
func (p *paced) move() {
	until := p.begin.Add(min(bodyMost, bodyGrace+time.Duration(p.bytes*bodyChunks)))
	if until.Sub(p.until) > readTwice {
		p.until = until
		_ = p.rc.SetReadDeadline(until)
	}
}

// Read implements [io.Reader].
func (p *paced) Read(b []byte) (int, error) {
	if !p.begun { // what was done before, such as to find out who asks, is not the client's time
		p.begun, p.begin = true, p.now()
	}
	p.move()
	n, err := p.ReadCloser.Read(b)
	p.bytes += int64(n)
	if err == io.EOF {
		p.ended = true
		_ = p.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}

// leave gives up what was not read of the body, because the answer begins.
// net/http reads on before it sends an answer, so that the connection can be used
// again: that is worth a moment. After that it closes the connection, and says so.
// There may be no body.
func (p *paced) leave() {
	if p != nil && !p.ended {
		_ = p.rc.SetReadDeadline(p.now().Add(bodyLeft))
	}
}
