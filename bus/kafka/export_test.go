package kafka

import "github.com/rowhouse/rowhouse/bus"

// Buffered returns how many messages a target has in hand.
func Buffered(t bus.Target) int64 { return t.(*Target).client.BufferedProduceRecords() }
