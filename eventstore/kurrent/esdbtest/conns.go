package esdbtest

import (
	"fmt"
	"net"
	"sync"
	"syscall"
)

// place is a port that nobody else gets while its node is stopped: a socket
// that is bound to it, but does not listen.
type place struct {
	addr *net.TCPAddr
	fd   int
	once sync.Once
}

func reserve() (*place, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, err
	}
	syscall.CloseOnExec(fd)
	fail := func(err error) (*place, error) {
		_ = syscall.Close(fd)
		return nil, err
	}
	// Go's listeners have it too, so they may share the port.
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return fail(err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return fail(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return fail(err)
	}
	bound, ok := name.(*syscall.SockaddrInet4)
	if !ok {
		return fail(fmt.Errorf("bound to a %T", name))
	}
	return &place{addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: bound.Port}, fd: fd}, nil
}

func (p *place) release() { p.once.Do(func() { _ = syscall.Close(p.fd) }) }

// conns knows the connections of a node by the address of the client.
type conns struct {
	mu   sync.Mutex
	open map[string]net.Conn
}

func (c *conns) watch(l net.Listener) net.Listener { return &watched{l, c} }

func (c *conns) cut(client net.Addr) {
	c.mu.Lock()
	conn := c.open[client.String()]
	c.mu.Unlock()
	if conn != nil {
		reset(conn)
	}
}

func (c *conns) cutAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.open {
		reset(conn)
	}
}

// reset closes with RST: the client must not take it for an orderly end.
func reset(conn net.Conn) {
	if w, ok := conn.(*watchedConn); ok {
		_ = w.SetLinger(0)
		_ = w.TCPConn.Close()
	}
}

type watched struct {
	net.Listener
	conns *conns
}

func (w *watched) Accept() (net.Conn, error) {
	conn, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn, nil
	}
	known := &watchedConn{TCPConn: tcp, conns: w.conns}
	w.conns.mu.Lock()
	defer w.conns.mu.Unlock()
	if w.conns.open == nil {
		w.conns.open = map[string]net.Conn{}
	}
	w.conns.open[conn.RemoteAddr().String()] = known
	return known, nil
}

type watchedConn struct {
	*net.TCPConn
	conns *conns
}

func (c *watchedConn) Close() error {
	c.conns.mu.Lock()
	if name := c.RemoteAddr().String(); c.conns.open[name] == c {
		delete(c.conns.open, name)
	}
	c.conns.mu.Unlock()
	return c.TCPConn.Close()
}
