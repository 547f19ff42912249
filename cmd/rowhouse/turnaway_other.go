//go:build !linux

package main

import (
	"errors"
	"net"
)

// turnAway cannot be done here: what is in the queue of a listener when it is
// closed is reset.
func turnAway(net.Listener) error { return errors.ErrUnsupported }
