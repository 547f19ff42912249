package kafka

import "github.com/rowhouse/rowhouse/bus"

// Buffered returns how many messages a target has in hand.
func Buffered(t bus.Target) int64 { return current(t).client.BufferedProduceRecords() }

// KeepTopics has a target know that many topics at a time.
func KeepTopics(t bus.Target, n int) { t.(*Target).kept = n }

// Topics returns how many topics a target knows.
func Topics(t bus.Target) int { return current(t).topics.count() }

func current(t bus.Target) *producer {
	target := t.(*Target)
	target.mu.Lock()
	defer target.mu.Unlock()
	return target.producer
}
