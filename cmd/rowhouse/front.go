package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/rowhouse/rowhouse/api"
)

// front is the HTTP server. It answers from the moment that the process listens:
// at first, that the server is starting.
type front struct {
	*gate

	server *http.Server
	served chan error // what ended it
	addr   string
}

func newFront(log *slog.Logger, l net.Listener) *front {
	f := &front{gate: newGate(api.Starting(newID)), served: make(chan error, 1), addr: "http://" + l.Addr().String()}
	f.server = &http.Server{
		Handler:           f.gate,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       60 * time.Second,
		IdleTimeout:       90 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	go func() { f.served <- f.server.Serve(l) }()
	return f
}

// drain takes no new requests, and waits until those under way are answered.
func (f *front) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := f.server.Shutdown(ctx); err != nil {
		return fmt.Errorf("requests were cut off: %w", err)
	}
	return nil
}
