package access

import (
	"testing"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/viewer"
)

// What a request pays to be known, once it was seen before.
func BenchmarkAuthenticate(b *testing.B) {
	h := setUp(b)
	_, key := h.key(b, h.owner, KeyRequest{Name: "k"})
	for name, bearer := range map[string]string{"token": h.owner.AccessToken, "key": key} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := h.Authenticate(b.Context(), bearer); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+" in parallel", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := h.Authenticate(b.Context(), bearer); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
		b.Run(name+" first seen", func(b *testing.B) {
			for b.Loop() {
				if _, err := h.read(bearer); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+" looked up", func(b *testing.B) {
			for b.Loop() {
				h.clock.advance(1)
				h.standings.Purge()
				if _, err := h.Authenticate(b.Context(), bearer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMay(b *testing.B) {
	member := viewer.New(nil, domain.TenantID{}, domain.Actor{}, Member.Rights())
	for b.Loop() {
		member.May("deal:close")
	}
}

// What it costs to log in with the password as it is stored by default.
func BenchmarkLogin(b *testing.B) {
	h := setUp(b)
	d := h.node(b, DefaultArgon2)
	for b.Loop() {
		if _, err := d.Login(b.Context(), here, ownerEmail, ownerPassword, domain.TenantID{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCreateTenant(b *testing.B) {
	h := setUp(b)
	o := h.origin(b, h.owner.AccessToken)
	for b.Loop() {
		if _, err := h.CreateTenant(b.Context(), o.Origin, h.owner.OrganizationID, TenantRequest{Name: "x"}); err != nil {
			b.Fatal(err)
		}
	}
}
