package nats

import "github.com/rowhouse/rowhouse/bus"

// Pending returns how many messages of a target are not acknowledged yet.
func Pending(t bus.Target) int { return t.(*Target).js.PublishAsyncPending() }

// Looked reports whether a target has looked at the stream since it is connected.
func Looked(t bus.Target) bool { return t.(*Target).stream.ready.Load() }
