package api

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
)

func TestRecent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecent(time.Now)
		tenant := domain.TenantID{UUID: uuid.New()}
		ann, bob := writer{tenant, domain.ID{Prefix: "usr", UUID: uuid.New()}}, writer{tenant, domain.ID{Prefix: "key", UUID: uuid.New()}}
		r.note(ann, 7)
		r.note(ann, 5) // of a request that took longer
		r.note(bob, 0) // nothing was changed
		if a, b := r.of(ann), r.of(bob); a != 7 || b != 0 {
			t.Errorf("they wait for %d and %d", a, b)
		}
		r.seen(ann, 6)
		if p := r.of(ann); p != 7 {
			t.Errorf("waits for %d although 7 was not seen", p)
		}
		r.seen(ann, 7)
		if p := r.of(ann); p != 0 {
			t.Errorf("waits for %d again", p)
		}
		r.note(ann, 8)
		time.Sleep(recentLife + 1)
		if p := r.of(ann); p != 0 || r.last.Len() != 0 {
			t.Errorf("waits for %d for ever", p)
		}
		for range maxRecent + 10 {
			r.note(writer{tenant, domain.ID{UUID: uuid.New()}}, 1)
		}
		if n := r.last.Len(); n != maxRecent {
			t.Errorf("%d are remembered", n)
		}
	})
}
