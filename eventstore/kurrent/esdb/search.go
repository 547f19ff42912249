package esdb

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
)

// search is one look for the leader, shared by all who wait for one.
type search struct {
	found chan struct{} // closed when it is over, with err set
	quiet chan struct{} // closed when the next one may begin
	err   error

	cancel context.CancelFunc
}

func (s *search) isOver() bool {
	select {
	case <-s.found:
		return true
	default:
		return false
	}
}

// startSearch begins to look for the leader. It is bounded by itself, and does
// not end with the caller who happened to be the first. The mutex is held.
func (c *Client) startSearch(ctx context.Context) *search {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.GossipTimeout)
	s := &search{found: make(chan struct{}), quiet: make(chan struct{}), cancel: cancel}
	addrs := slices.Clone(c.cfg.Seeds)
	for _, m := range c.members {
		if !slices.Contains(addrs, m) {
			addrs = append(addrs, m)
		}
	}
	c.work.Go(func() {
		defer cancel()
		leader, members, err := c.ask(ctx, addrs)
		if old := c.finish(s, leader, members, err); old != nil {
			c.release(old)
		}
		c.rest()
		c.mu.Lock()
		c.search = nil
		c.mu.Unlock()
		close(s.quiet)
	})
	return s
}

// finish publishes what a search has found. The current node may be right: the
// search may have been made because of a doubt. If not, it is returned, to be
// released.
func (c *Client) finish(s *search, leader string, members []string, err error) (old *node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(s.found)
	s.err = err
	if err != nil || c.shut {
		return nil
	}
	c.members = members
	if old = c.current; old != nil {
		if old.addr == leader {
			return nil
		}
		old.calls++
		c.retire(old)
	}
	s.err = c.replace(leader)
	return old
}

// rest keeps searches apart, so that an outage is not answered with a storm.
func (c *Client) rest() {
	timer := time.NewTimer(c.cfg.DiscoveryInterval/2 + rand.N(c.cfg.DiscoveryInterval)) //nolint:gosec // jitter
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.closed:
	}
}

// view is what one node says about the cluster.
type view struct {
	leader  string
	members []string
	err     error
}

// ask asks all at once. The first who knows a leader decides.
func (c *Client) ask(ctx context.Context, addrs []string) (leader string, members []string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	views := make(chan view, len(addrs))
	for _, addr := range addrs {
		c.work.Go(func() { views <- c.gossip(ctx, addr) })
	}
	var said []string
	for range addrs {
		v := <-views
		if v.err == nil {
			return v.leader, v.members, nil
		}
		said = append(said, v.err.Error())
	}
	return "", nil, fmt.Errorf("%w: no node names a leader: %s", ErrUnavailable, strings.Join(said, "; "))
}

// gossip asks one node, over a connection that is closed again.
func (c *Client) gossip(ctx context.Context, addr string) view {
	n, err := c.open(addr)
	if err != nil {
		return view{err: err}
	}
	defer func() { _ = n.conn.Close() }()
	info, err := gossip.NewGossipClient(n.conn).Read(ctx, &shared.Empty{})
	if err != nil {
		return view{err: fmt.Errorf("%s: %w", addr, err)}
	}
	var v view
	for _, m := range info.GetMembers() {
		end := m.GetHttpEndPoint()
		member := net.JoinHostPort(end.GetAddress(), strconv.FormatUint(uint64(end.GetPort()), 10))
		if !m.GetIsAlive() || !isAddress(member) {
			continue
		}
		v.members = append(v.members, member)
		if m.GetState() == gossip.MemberInfo_Leader {
			v.leader = member
		}
	}
	if v.leader == "" {
		v.err = fmt.Errorf("%s: knows of no leader", addr)
	}
	return v
}
