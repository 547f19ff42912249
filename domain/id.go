package domain

import (
	"encoding/base32"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// ID names a record, a tenant, a user or anything else that has a name, in the
// form of TypeID (github.com/jetify-com/typeid): a prefix that says what it
// names, an underscore, and a UUID in 26 characters of Crockford's base 32. The
// zero ID names nothing and is the empty string. IDs compare with ==.
type ID struct {
	Prefix string    `json:"-"` // as JSON an ID is text
	UUID   uuid.UUID `json:"-"`
}

// crockford is the alphabet of https://www.crockford.com/base32.html, in the
// lower case that TypeID prescribes.
var crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// ParseID reads an ID. What is not exactly the text of an ID is refused.
func ParseID(s string) (ID, error) {
	i := strings.LastIndexByte(s, '_')
	if i < 1 || len(s)-i-1 != 26 {
		return ID{}, errNotID
	}
	// 26 characters hold 130 bits. The encoding works in groups of 40 bits, so
	// six zeros in front make 160: 20 bytes, of which the last 16 are the UUID.
	raw, err := crockford.DecodeString("000000" + s[i+1:])
	if err != nil || raw[0]|raw[1]|raw[2]|raw[3] != 0 {
		return ID{}, errNotID
	}
	for _, c := range s[:i] {
		if c != '_' && (c < 'a' || c > 'z') {
			return ID{}, errNotID
		}
	}
	return ID{Prefix: s[:i], UUID: uuid.UUID(raw[4:])}, nil
}

var errNotID error = &Error{Reason: Invalid, Code: "invalid_id", Detail: "is not an id"}

// String returns the text of the ID, such as con_01jh2xk3v8e4t9p5w7y0z2b4d6.
func (id ID) String() string {
	if id == (ID{}) {
		return ""
	}
	var raw [20]byte
	copy(raw[4:], id.UUID[:])
	return id.Prefix + "_" + crockford.EncodeToString(raw[:])[6:]
}

// IsZero reports whether the ID names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText implements [encoding.TextMarshaler].
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (id *ID) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*id = ID{}
		return nil
	}
	*id, err = ParseID(string(text))
	return err
}

// TenantID names a tenant. It is a type of its own so that no other ID can ever
// be passed where a tenant is meant.
type TenantID struct{ uuid.UUID }

// ID returns the tenant's ID as clients see it, such as ten_01jh2xk3….
func (t TenantID) ID() ID { return ID{Prefix: "ten", UUID: t.UUID} }

// String returns the text of [TenantID.ID].
func (t TenantID) String() string { return t.ID().String() }

// MarshalText implements [encoding.TextMarshaler].
func (t TenantID) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (t *TenantID) UnmarshalText(text []byte) error {
	id, err := ParseID(string(text))
	if err != nil || id.Prefix != "ten" {
		return fmt.Errorf("tenant: %w", errNotID)
	}
	t.UUID = id.UUID
	return nil
}
