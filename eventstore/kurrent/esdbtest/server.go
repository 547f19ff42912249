package esdbtest

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
)

// Server is one node. Its methods may be called from any goroutine, except that
// Stop, Restart and Close want to be called one after the other.
type Server struct {
	// Faults are the orders of what shall go wrong.
	Faults Faults

	config  config
	store   *store
	cluster *Cluster // nil for a node on its own
	id      uuid.UUID
	limit   atomic.Uint64 // what of the log the node has
	calls   map[Method]*atomic.Int64
	conns   conns
	ca      *authority // nil without TLS
	dir     string     // with the CA's certificate

	place  *place
	serves sync.WaitGroup
	up     atomic.Bool
	grpc   *grpc.Server
}

// New starts a node on a free port of 127.0.0.1. Close it.
func New(opts ...Option) (*Server, error) {
	c := newConfig(opts)
	s, err := newServer(c, newStoreOf(c), nil)
	if err != nil {
		return nil, err
	}
	if err := s.Restart(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Start is New for tests: the node ends with the test, and a handler that
// panics fails it.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	s, err := New(slices.Concat(opts, []Option{reportTo(t)})...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func newServer(c config, log *store, ca *authority) (*Server, error) {
	s := &Server{config: c, store: log, id: uuid.New(), ca: ca, calls: map[Method]*atomic.Int64{}}
	s.limit.Store(everything)
	for _, m := range []Method{Append, Read, Subscribe, Delete, Tombstone, Gossip, Features} {
		s.calls[m] = new(atomic.Int64)
	}
	var err error
	if s.place, err = reserve(); err != nil {
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	if !c.secure {
		return s, nil
	}
	if s.ca == nil {
		if s.ca, err = newAuthority(c.now()); err != nil {
			s.Close()
			return nil, fmt.Errorf("make certificates: %w", err)
		}
	}
	if s.dir, err = os.MkdirTemp("", "esdbtest-"); err != nil {
		return nil, err
	}
	if err := os.WriteFile(s.CAFile(), s.ca.pem, 0o600); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Restart starts a node that was stopped: at the same address, with the same
// log, but without the memory that recognizes repeated appends of any revision.
func (s *Server) Restart() error {
	if s.up.Load() {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", s.Addr())
	if err != nil {
		return err
	}
	if s.leader() == s {
		s.store.restart()
	}
	opts := []grpc.ServerOption{
		// The stock client pings every 10 s, with or without a call. Kestrel
		// takes it; grpc-go by itself does not.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
		grpc.MaxRecvMsgSize(16 << 20), // TFConsts.EffectiveMaxLogRecordSize
		grpc.MaxSendMsgSize(math.MaxInt32),
		grpc.WaitForHandlers(true),
		grpc.UnaryInterceptor(s.unary),
		grpc.StreamInterceptor(s.streaming),
	}
	if s.ca != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(s.ca.config)))
	}
	s.grpc = grpc.NewServer(opts...)
	streams.RegisterStreamsServer(s.grpc, service{Server: s})
	gossip.RegisterGossipServer(s.grpc, gossiper{server: s})
	serverfeatures.RegisterServerFeaturesServer(s.grpc, features{server: s})
	s.up.Store(true)
	s.serves.Go(func() { _ = s.grpc.Serve(s.conns.watch(listener)) })
	return nil
}

// Stop ends the node at once, as kill -9 would: calls are cut off. It returns
// when all of its goroutines are gone. The port stays reserved.
func (s *Server) Stop() {
	if s.up.CompareAndSwap(true, false) {
		s.grpc.Stop()
		s.serves.Wait()
	}
}

// Close ends the node for good.
func (s *Server) Close() {
	s.Stop()
	s.place.release()
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// Addr is host:port, the same for all of the server's life.
func (s *Server) Addr() string { return s.place.addr.String() }

func (s *Server) host() string { return s.place.addr.IP.String() }
func (s *Server) port() int    { return s.place.addr.Port }
func (s *Server) alive() bool  { return s.up.Load() }

// URL is the connection string of the node, for its first account.
func (s *Server) URL() string { return s.url(s.Addr()) }

func (s *Server) url(hosts string) string {
	u := url.URL{Scheme: "esdb", Host: hosts, RawQuery: "tls=false"}
	if s.ca != nil {
		u.RawQuery = url.Values{"tls": {"true"}, "tlsCaFile": {s.CAFile()}}.Encode()
		if len(s.config.accounts) > 0 {
			u.User = url.UserPassword(s.config.accounts[0].Name, s.config.accounts[0].Password)
		}
	}
	return u.String()
}

// CA is the certificate, as PEM, that vouches for the server's; nil without TLS.
func (s *Server) CA() []byte {
	if s.ca == nil {
		return nil
	}
	return s.ca.pem
}

// CAFile is a file with the CA, until Close.
func (s *Server) CAFile() string {
	if s.dir == "" {
		return ""
	}
	return filepath.Join(s.dir, "ca.pem")
}

// Calls counts the calls of m that have arrived since the node was made.
func (s *Server) Calls(m Method) int { return int(s.count(m).Load()) }

func (s *Server) count(m Method) *atomic.Int64 { return s.calls[m] }

// DropConnections cuts all connections. The node goes on.
func (s *Server) DropConnections() { s.conns.cutAll() }

func (s *Server) view() view { return view{s.store, s.limit.Load()} }

func (s *Server) leader() *Server {
	if s.cluster == nil {
		return s
	}
	return s.cluster.Leader()
}

func (s *Server) recovered(err *error) {
	if s.config.tb == nil {
		return
	}
	if p := recover(); p != nil {
		s.config.tb.Errorf("esdbtest: a handler panicked: %v\n%s", p, debug.Stack())
		*err = thrown()
	}
}
