// Package keys holds the root key of an installation and what is derived from
// it. It knows nothing of what the derived keys are used for; whoever needs one
// names its purpose.
package keys

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
)

// Root is the secret that an installation has one of. Whoever holds it can read
// and forge everything; it never leaves the process, and is never logged. All
// nodes of an installation have the same.
type Root struct{ secret []byte }

// RootSize is the number of bytes of a root key.
const RootSize = 32

var errNotRoot = errors.New("a root key is 64 hexadecimal digits")

// ParseRoot reads a root key from its text form.
func ParseRoot(text string) (Root, error) {
	secret, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(secret) != RootSize {
		return Root{}, errNotRoot // and not err, which would quote the key
	}
	return Root{secret}, nil
}

// NewRoot makes a root key of random bytes.
func NewRoot(random [RootSize]byte) Root { return Root{random[:]} }

// Text returns the form that [ParseRoot] reads: for a file that only its owner
// can read.
func (r Root) Text() string { return hex.EncodeToString(r.secret) }

// String keeps the key out of logs.
func (Root) String() string { return "root key" }

// GoString keeps the key out of logs.
func (Root) GoString() string { return "root key" }

// Derive returns n bytes for a purpose, the same ones every time (HKDF-SHA-256,
// RFC 5869). Keys for different purposes tell nothing of one another.
func (r Root) Derive(purpose string, n int) []byte {
	key, err := hkdf.Key(sha256.New, r.secret, nil, "rowhouse/v1/"+purpose, n)
	if err != nil {
		panic(err) // only for more than 8,160 bytes, which nobody asks for
	}
	return key
}
