package esdb

import (
	"context"
	"sync"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
)

// inboxBytes is how much a subscription receives ahead of its handler.
const inboxBytes = 4 << 20

// inbox holds what has arrived until it is handled, so that what arrives
// meanwhile is handled together. What does not fit stays with the server.
type inbox struct {
	ready chan struct{} // has a value when there is something to take
	space chan struct{} // has a value when something was taken

	mu    sync.Mutex
	queue []*streams.ReadResp
	bytes int
	err   error
}

func newInbox() *inbox {
	return &inbox{ready: make(chan struct{}, 1), space: make(chan struct{}, 1)}
}

// fill receives until an error, which is the last thing to be taken.
func (in *inbox) fill(ctx context.Context, from streams.Streams_ReadClient) {
	for {
		m, err := from.Recv()
		if err != nil {
			err = translate(err, from.Trailer())
		}
		full := in.put(m, err)
		signal(in.ready)
		for full && err == nil {
			select {
			case <-in.space:
				full = in.full()
			case <-ctx.Done(): // so does the stream
				full = false
			}
		}
		if err != nil {
			return
		}
	}
}

func (in *inbox) put(m *streams.ReadResp, err error) (full bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if err != nil {
		in.err = err
		return false
	}
	in.queue = append(in.queue, m)
	in.bytes += size(m)
	return in.bytes >= inboxBytes
}

func (in *inbox) full() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.bytes >= inboxBytes
}

// take returns what has arrived, up to a number of messages, and the error that
// came after all of them.
func (in *inbox) take(limit int) ([]*streams.ReadResp, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	n := min(limit, len(in.queue))
	taken := in.queue[:n:n]
	for _, m := range taken {
		in.bytes -= size(m)
	}
	in.queue = in.queue[n:]
	signal(in.space)
	if len(in.queue) > 0 {
		signal(in.ready)
		return taken, nil
	}
	in.queue = nil
	return taken, in.err
}

func size(m *streams.ReadResp) int {
	e := m.GetEvent().GetEvent()
	return 256 + len(e.GetData()) + len(e.GetCustomMetadata())
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
