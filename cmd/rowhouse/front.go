package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/rowhouse/rowhouse/api"
)

// front is the HTTP server. It answers from the moment that the process listens:
// at first, that the server is starting.
type front struct {
	*gate

	log      *slog.Logger
	listener net.Listener
	server   *http.Server
	served   chan error // what ended it
	addr     string

	stopping atomic.Bool
	open     atomic.Int64 // connections
}

func newFront(log *slog.Logger, l net.Listener) *front {
	f := &front{gate: newGate(api.Starting(newID)), log: log, listener: l, served: make(chan error, 1), addr: "http://" + l.Addr().String()}
	f.server = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f.ServeHTTP(&answer{ResponseWriter: w, last: &f.stopping}, r)
		}),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       60 * time.Second,
		IdleTimeout:       90 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ConnState:         f.count,
	}
	go func() { f.served <- f.server.Serve(l) }()
	return f
}

func (f *front) count(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		f.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		f.open.Add(-1)
	case http.StateActive, http.StateIdle:
	}
}

// turning is how long a connection may be on its way into the queue of the kernel
// when no new one is let in any more.
const turning = 250 * time.Millisecond

// drain ends the server so that no request is lost. For the grace time, or until
// nobody is connected any more, it serves as before, but each answer is the last
// on its connection: so clients that keep connections do not find them closed
// just when they send something, and load balancers have time to notice that the
// server is not ready any more. Then it lets in no new connections, takes those
// that are in the queue of the kernel, and waits until all requests under way are
// answered.
func (f *front) drain(ctx context.Context, grace time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace+drainTimeout)
	defer cancel()
	f.stopping.Store(true)
	f.lastAnswers(ctx, grace)
	if err := turnAway(f.listener); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		f.log.WarnContext(ctx, "connections that come at this very moment may be reset, because new ones cannot be kept out", "error", err)
	}
	pause(ctx, turning)
	if err := f.server.Shutdown(ctx); err != nil {
		return fmt.Errorf("%d connections were cut off, because their requests were not answered %s after the server was told to stop: %w", f.open.Load(), grace+drainTimeout, err)
	}
	return nil
}

// lastAnswers waits until the grace time is over or nobody is connected.
func (f *front) lastAnswers(ctx context.Context, grace time.Duration) {
	for end := time.Now().Add(grace); f.open.Load() > 0 && ctx.Err() == nil; {
		left := time.Until(end)
		if left <= 0 {
			return
		}
		pause(ctx, min(left, 25*time.Millisecond))
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// answer has the connection closed after it, if the server is about to stop when
// it begins.
type answer struct {
	http.ResponseWriter
	last  *atomic.Bool
	begun bool
}

// WriteHeader implements [http.ResponseWriter].
func (a *answer) WriteHeader(status int) {
	if !a.begun && status >= http.StatusOK {
		a.begun = true
		if a.last.Load() {
			a.Header().Set("Connection", "close")
		}
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (a *answer) Write(b []byte) (int, error) {
	if !a.begun {
		a.WriteHeader(http.StatusOK)
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap lets [http.ResponseController] reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
