package main

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// turnAway keeps new connections out of a listener's queue, so that the queue can
// be emptied before the listener is closed: closing it resets all that is in the
// queue. What clients send to open a connection is dropped, so they try again a
// moment later, and are refused then or reach whoever listens next. Handshakes
// that have begun are completed.
func turnAway(l net.Listener) error {
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return errors.ErrUnsupported
	}
	conn, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var filter error
	if err := conn.Control(func(fd uintptr) { filter = attach(int(fd)) }); err != nil {
		return err
	}
	return filter
}

// attach has the kernel drop each segment that has SYN and no ACK (RFC 9293).
func attach(fd int) error {
	const flags, syn, ack = 13, 0x02, 0x10
	filter := []unix.SockFilter{
		{Code: syscall.BPF_LD | syscall.BPF_B | syscall.BPF_ABS, K: flags},
		{Code: syscall.BPF_ALU | syscall.BPF_AND | syscall.BPF_K, K: syn | ack},
		{Code: syscall.BPF_JMP | syscall.BPF_JEQ | syscall.BPF_K, K: syn, Jf: 1},
		{Code: syscall.BPF_RET | syscall.BPF_K, K: 0},
		{Code: syscall.BPF_RET | syscall.BPF_K, K: 0xffffffff},
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
}
