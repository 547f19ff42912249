package esdbtest

import "testing"

// Option adjusts a server before it starts.
type Option func(*Server)

// New starts a node on a free port of 127.0.0.1. Close it.
func New(opts ...Option) (*Server, error) {
	s := newServer()
	for _, o := range opts {
		o(s)
	}
	if _, err := s.listen("127.0.0.1:0"); err != nil {
		return nil, err
	}
	return s, nil
}

// Start is New for tests: the node ends with the test.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	s, err := New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// URL is the connection string of the node.
func (s *Server) URL() string { return "esdb://" + s.lis.Addr().String() + "?tls=false" }

// Close ends the node.
func (s *Server) Close() { s.grpc.Stop() }

// Stop ends the node; Restart brings it back at the same address with the same log.
func (s *Server) Stop() { s.grpc.Stop() }

// Restart brings a stopped node back.
func (s *Server) Restart() error {
	_, err := s.listen(s.lis.Addr().String())
	return err
}
