// Package calls lets something that can be closed wait for the calls that it has
// accepted. It knows nothing of what they do.
package calls

import (
	"context"
	"fmt"
	"sync"
)

// Calls are those that are under way. The zero value is open.
type Calls struct {
	mu     sync.RWMutex // guards closed, and Enter against Close
	closed bool
	wg     sync.WaitGroup
}

// Enter reports whether calls are accepted. Whoever was accepted must [Calls.Leave].
func (c *Calls) Enter() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if !c.closed {
		c.wg.Add(1)
	}
	return !c.closed
}

// Leave ends a call that was accepted.
func (c *Calls) Leave() { c.wg.Done() }

// Close accepts no more calls, and waits until all have left or ctx is done. It
// may be called again.
func (c *Calls) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	left := make(chan struct{})
	go func() {
		c.wg.Wait()
		close(left)
	}()
	select {
	case <-left:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("commands were not answered yet: %w", ctx.Err())
	}
}
