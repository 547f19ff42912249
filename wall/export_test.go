package wall

import (
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/keys"
)

// Seal makes a seal for any connection and time.
func Seal(root keys.Root, now time.Time, t domain.TenantID, pid uint32) string {
	return sealer{kid: KeyID(root), key: Key(root)}.seal(t, pid, now.Add(sealLife))
}

// Behind returns a function that makes the wall believe that the clock of the
// database was behind by so much when it was last looked at.
func Behind(w *Wall, by time.Duration) func() {
	return func() {
		r := w.clock.last.Load()
		w.clock.last.Store(&reading{r.here, r.there.Add(-by)})
	}
}
