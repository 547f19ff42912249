package esdb

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
)

// node is a connection to a server. The fields below mu of the client's are its.
type node struct {
	addr    string
	conn    *grpc.ClientConn
	streams streams.StreamsClient
	retired chan struct{} // closed when another takes its place

	calls int // guarded by the client's mutex
}

// open makes a connection, which dials when it is first used. The address is
// left to the operating system, each time anew: a resolver of grpc's own would
// notice a name that moves only after 30 s.
func (c *Client) open(addr string, more ...grpc.DialOption) (*node, error) {
	conn, err := grpc.NewClient("passthrough:///"+addr, slices.Concat(c.dial, more)...)
	if err != nil {
		return nil, fmt.Errorf("esdb: %w", err)
	}
	return &node{addr: addr, conn: conn, streams: streams.NewStreamsClient(conn), retired: make(chan struct{})}, nil
}

// acquire returns the node to speak to, which must be released. It waits for a
// search that is under way, but not beyond the context.
func (c *Client) acquire(ctx context.Context) (*node, error) {
	for {
		if ctx.Err() != nil {
			return nil, contextError(ctx)
		}
		n, s, err := c.currentOr(ctx)
		if n != nil || err != nil {
			return n, err
		}
		wait := s.found
		if s.isOver() {
			wait = s.quiet
		}
		select {
		case <-wait:
			if wait == s.found && s.err != nil {
				return nil, s.err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", contextError(ctx), ErrUnavailable)
		case <-c.closed:
			return nil, ErrClosed
		}
	}
}

// currentOr returns the current node or the search for it.
func (c *Client) currentOr(ctx context.Context) (*node, *search, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shut {
		return nil, nil, ErrClosed
	}
	if c.current == nil && !c.cfg.discovers() {
		if err := c.replace(c.cfg.Seeds[0]); err != nil {
			return nil, nil, err
		}
	}
	if c.current != nil {
		c.current.calls++
		return c.current, nil, nil
	}
	if c.search == nil {
		c.search = c.startSearch(ctx)
	}
	return nil, c.search, nil
}

// replace makes an address the current node. The mutex is held.
func (c *Client) replace(addr string) error {
	opts := []grpc.DialOption{grpc.WithContextDialer(c.reach)}
	if c.isOnly(addr) {
		// Callers wait for the connection, instead of asking again and again.
		opts = append(opts, grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	}
	n, err := c.open(addr, opts...)
	if err != nil {
		return err
	}
	c.current = n
	c.nodes[n] = struct{}{}
	return nil
}

// reach makes a connection that is counted.
func (c *Client) reach(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c.links.Add(1)
	return &link{Conn: conn, client: c}, nil
}

// link is a connection that counts its end.
type link struct {
	net.Conn

	client *Client
	end    sync.Once
}

// Close ends the connection.
func (l *link) Close() error {
	l.end.Do(func() { l.client.links.Add(1) })
	return l.Conn.Close()
}

// Connection returns a number that changes when a connection is made and when it
// ends. As long as it stays the same, so does the server at the other end.
func (c *Client) Connection() uint64 { return c.links.Load() }

// release ends a call. The last call on a retired node closes it.
func (c *Client) release(n *node) {
	c.mu.Lock()
	n.calls--
	idle := n.calls == 0 && n != c.current
	if idle {
		delete(c.nodes, n)
	}
	c.mu.Unlock()
	if idle {
		_ = n.conn.Close() // fails only if it is closed already
	}
}

// retire takes a node out of use, if it still is in use. Its calls go on, and
// the last of them closes it; subscriptions move. The mutex is held, by somebody
// who has a call on it.
func (c *Client) retire(n *node) bool {
	if c.current != n || c.shut {
		return false
	}
	c.current = nil
	close(n.retired)
	return true
}

// redirect follows a server that has said who the leader is, if it has.
func (c *Client) redirect(n *node, leader string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	nobody := leader == "" && !c.cfg.discovers() // and there is nobody else to ask
	if nobody || leader == n.addr || !c.retire(n) {
		return
	}
	if leader != "" && c.replace(leader) != nil {
		c.current = nil // a search finds another
	}
}

// suspect draws the conclusion from a failed connection, which with a cluster
// is to look who the leader is.
func (c *Client) suspect(n *node) {
	if !c.isOnly(n.addr) {
		c.drop(n)
	}
}

// isOnly says whether there is no other server than the one at the address.
// grpc keeps trying to reach it.
func (c *Client) isOnly(addr string) bool { return !c.cfg.discovers() && addr == c.cfg.Seeds[0] }

// doubt looks whether another node leads by now, after a call that was given up
// before it was answered. Otherwise only the next pings would find out.
func (c *Client) doubt(ctx context.Context, n *node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cfg.discovers() && c.current == n && c.search == nil && !c.shut {
		c.search = c.startSearch(ctx)
	}
}

// drop gives up a connection, so that the next call makes a new one.
func (c *Client) drop(n *node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retire(n)
}
