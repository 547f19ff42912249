package esdbtest

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
)

// Cluster is a set of nodes with one log. One of them leads.
type Cluster struct {
	// Nodes never changes.
	Nodes []*Server

	store  *store
	leader atomic.Int32
}

// NewCluster starts n nodes on 127.0.0.1; the first leads. Close it.
func NewCluster(n int, opts ...Option) (*Cluster, error) {
	config := newConfig(opts)
	c := &Cluster{store: newStoreOf(config)}
	var ca *authority
	for range n {
		s, err := newServer(config, c.store, ca)
		if err != nil {
			c.Close()
			return nil, err
		}
		s.cluster, ca = c, s.ca
		c.Nodes = append(c.Nodes, s)
	}
	for _, s := range c.Nodes {
		if err := s.Restart(); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// StartCluster is NewCluster for tests: the nodes end with the test, and a
// handler that panics fails it.
func StartCluster(t testing.TB, n int, opts ...Option) *Cluster {
	t.Helper()
	c, err := NewCluster(n, slices.Concat(opts, []Option{reportTo(t)})...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Close ends all nodes for good.
func (c *Cluster) Close() {
	for _, s := range c.Nodes {
		s.Close()
	}
}

// Elect makes node i the leader. Connections stay as they are; what the old
// leader had in memory to recognize repeated appends is forgotten.
func (c *Cluster) Elect(i int) {
	c.Nodes[i].Thaw()
	c.leader.Store(int32(i))
	c.store.restart()
}

// Leader is the node that was elected last, whether it runs or not.
func (c *Cluster) Leader() *Server { return c.Nodes[c.leader.Load()] }

// URL is the connection string with all nodes as seeds.
func (c *Cluster) URL() string {
	var hosts []string
	for _, s := range c.Nodes {
		hosts = append(hosts, s.Addr())
	}
	return c.Nodes[0].url(strings.Join(hosts, ","))
}

// Freeze lets the node fall behind: its reads and subscriptions end with what
// is in the log now, until Thaw. For followers: what a leader writes it reads.
func (s *Server) Freeze() {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	s.limit.Store(s.store.next)
}

// Thaw lets the node have the whole log again.
func (s *Server) Thaw() {
	s.limit.Store(everything)
	s.store.wake()
}

type gossiper struct {
	gossip.UnimplementedGossipServer
	server *Server
}

// Read tells of all nodes, those that are down too.
func (g gossiper) Read(ctx context.Context, _ *shared.Empty) (*gossip.ClusterInfo, error) {
	if _, err := g.server.admit(ctx, Gossip, ""); err != nil {
		return nil, err
	}
	nodes := []*Server{g.server}
	if g.server.cluster != nil {
		nodes = g.server.cluster.Nodes
	}
	info := &gossip.ClusterInfo{}
	for _, n := range nodes {
		state := gossip.MemberInfo_Follower
		if n == g.server.leader() {
			state = gossip.MemberInfo_Leader
		}
		info.Members = append(info.Members, &gossip.MemberInfo{
			InstanceId:   structured(n.id),
			TimeStamp:    g.server.config.now().UnixNano() / 100,
			State:        state,
			IsAlive:      n.alive(),
			HttpEndPoint: &gossip.EndPoint{Address: n.host(), Port: uint32(n.port())},
		})
	}
	return info, nil
}

type features struct {
	serverfeatures.UnimplementedServerFeaturesServer
	server *Server
}

// GetSupportedMethods tells the version, and of the methods those that are here.
func (f features) GetSupportedMethods(ctx context.Context, _ *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	if _, err := f.server.admit(ctx, Features, ""); err != nil {
		return nil, err
	}
	supported := &serverfeatures.SupportedMethods{EventStoreServerVersion: f.server.config.version}
	add := func(service, method string, features ...string) {
		supported.Methods = append(supported.Methods,
			&serverfeatures.SupportedMethod{ServiceName: service, MethodName: method, Features: features})
	}
	const streams = "event_store.client.streams.streams"
	add(streams, "append")
	add(streams, "delete")
	add(streams, "read", "position", "events")
	add(streams, "tombstone")
	add("event_store.client.gossip.gossip", "read")
	add("event_store.client.server_features.serverfeatures", "getsupportedmethods")
	return supported, nil
}
