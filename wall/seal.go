package wall

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/keys"
)

// sealLife is how long a seal opens a tenant. It covers the longest transaction.
// It is the clock of the database that it expires by.
const sealLife = 90 * time.Second

// sealer makes the seals that the database verifies in sec.tenant: the tenant,
// the connection, when it expires, the key, and a MAC over these four. SQL that
// slips in through a hole somewhere can set any context, but cannot make a seal.
type sealer struct {
	kid string
	key []byte
}

// KeyID names the seal key that a root key leads to, and Key returns it. They
// are what the table sec.key holds.
func KeyID(root keys.Root) string {
	sum := sha256.Sum256(Key(root))
	return hex.EncodeToString(sum[:4])
}

// Key returns the key that seals are made with.
func Key(root keys.Root) []byte { return root.Derive("wall/seal", sha256.Size) }

// seal makes a seal for a connection that the process pid of the server serves,
// good until a time of the database.
func (s sealer) seal(t domain.TenantID, pid uint32, until time.Time) string {
	b := make([]byte, 0, 36+10+12+8+64+4)
	b = append(b, t.UUID.String()...)
	b = append(b, '|')
	b = strconv.AppendUint(b, uint64(pid), 10)
	b = append(b, '|')
	b = strconv.AppendInt(b, until.Unix(), 10)
	b = append(b, '|')
	b = append(b, s.kid...)
	mac := hmac.New(sha256.New, s.key)
	mac.Write(b)
	b = append(b, '|')
	return string(hex.AppendEncode(b, mac.Sum(nil)))
}
