package access

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
)

// Whatever somebody sends as credentials, it is refused unless it is, to the
// byte, something that we could have given out.
func FuzzRead(f *testing.F) {
	d := lone(f)
	id := uuid.MustParse("019ca8d4-5500-7000-8000-000000000001") // the same in all processes of the fuzzer
	tenant := domain.TenantID{UUID: id}
	d.tokens.newID = func() uuid.UUID { return id }
	token, _, err := d.tokens.issue(d.now(), id, tenant, id)
	if err != nil {
		f.Fatal(err)
	}
	key, err := newKey(tenant, id, zeros{})
	if err != nil {
		f.Fatal(err)
	}
	part := strings.Split(token, ".")
	for _, seed := range []string{
		"", ".", "..", keyMark, token, key, part[0], part[0] + "." + part[1] + ".", part[0] + "..", key[:keyLen-1],
		part[0] + ".bnVsbA." + part[2], strings.ToUpper(key), token + "\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, bearer string) {
		p, err := d.read(bearer)
		switch {
		case err != nil:
			if p != (proof{}) {
				t.Errorf("refused, and yet %+v", p)
			}
		case p.kind == userKind:
			if bearer != token {
				t.Errorf("a forged token is good: %q", bearer)
			}
		case p.kind == keyKind:
			// Anybody can name a key. What is read must be what is written.
			body := keyMark + p.tenant.String()[4:] + domain.ID{Prefix: "x", UUID: p.id}.String()[2:] + "_"
			if !strings.HasPrefix(bearer, body) || checksum(bearer[:keyLen-sumLen]) != bearer[keyLen-sumLen:] {
				t.Errorf("read %q as %+v", bearer, p.subject)
			}
		default:
			t.Errorf("read %q as %+v", bearer, p)
		}
	})
}
