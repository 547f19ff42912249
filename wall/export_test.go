package wall

import (
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/keys"
)

// Seal makes a seal for any connection and time.
func Seal(root keys.Root, now time.Time, t domain.TenantID, pid uint32) string {
	return sealer{kid: KeyID(root), key: Key(root), now: func() time.Time { return now }}.seal(t, pid)
}
