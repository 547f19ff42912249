package main

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
)

// byteSize is how many bytes there are, written as 512MB or 2GB, in powers of 1024 as the
// limits of containers are.
type byteSize int64

const (
	mebibyte byteSize = 1 << 20
	gibibyte byteSize = 1 << 30

	// leastMemory is what a server can do with. With less it would do nothing but make
	// room.
	leastMemory = 128 * mebibyte

	// programMemory is what a server takes beside what Go counts: the part of its
	// program that is loaded, and what was just given back.
	programMemory = 64 * mebibyte
)

// UnmarshalText implements [encoding.TextUnmarshaler].
func (b *byteSize) UnmarshalText(text []byte) error {
	number := strings.ToUpper(strings.TrimSpace(string(text)))
	for _, unit := range []struct {
		names []string
		size  byteSize
	}{{[]string{"GIB", "GB", "G"}, gibibyte}, {[]string{"MIB", "MB", "M"}, mebibyte}} {
		for _, name := range unit.names {
			rest, ok := strings.CutSuffix(number, name)
			if !ok {
				continue
			}
			n, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 32)
			if err != nil || n < 0 {
				return errSize
			}
			*b = byteSize(n) * unit.size
			return nil
		}
	}
	return errSize
}

var errSize = errors.New("give a size such as 512MB or 2GB")

// String returns the size as it is written.
func (b byteSize) String() string {
	if b%gibibyte == 0 {
		return fmt.Sprintf("%dGB", b/gibibyte)
	}
	return fmt.Sprintf("%dMB", b/mebibyte)
}

// boundMemory makes the process collect what it does not use any more as often as it
// takes to stay within a size, and otherwise seldom: what is live is small and what a
// request leaves behind is not. Who has set GOGC or GOMEMLIMIT knows better.
func boundMemory(size byteSize, getenv func(string) string) {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(size - programMemory))
	}
}
