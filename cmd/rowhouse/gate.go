package main

import (
	"net/http"
	"sync/atomic"
)

// gate lets requests to one handler, and to another one once that is there. It
// may be used concurrently.
type gate struct{ to atomic.Pointer[http.Handler] }

// newGate returns a gate that leads to a handler.
func newGate(first http.Handler) *gate {
	g := new(gate)
	g.lead(first)
	return g
}

// lead lets the requests that come from now on to another handler.
func (g *gate) lead(to http.Handler) { g.to.Store(&to) }

// ServeHTTP implements [http.Handler].
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) { (*g.to.Load()).ServeHTTP(w, r) }
