package csvimport

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
)

// identities gives each row an ID of its own that follows from what is in it,
// and not from where it is or when it is imported. So a row that was imported
// before is recognised: after a crash, without the state file, and when the file
// was corrected or grew meanwhile. Rows that are equal are told apart by which
// of them they are.
type identities struct {
	tenant, prefix, generation string

	seen map[uint64]uint32 // how many rows there were with such a hash
}

func newIdentities(tenant, prefix, generation string) *identities {
	return &identities{tenant: tenant, prefix: prefix, generation: generation, seen: map[uint64]uint32{}}
}

// of returns the ID of a row. Rows must be given in the order of the file.
func (i *identities) of(cells []string) string {
	content := hashOf(cells...)
	short := binary.BigEndian.Uint64(content[:])
	nth := i.seen[short]
	i.seen[short] = nth + 1
	return newID(i.prefix, "import", i.tenant, i.generation, string(content[:]), string(binary.BigEndian.AppendUint32(nil, nth)))
}

// newID returns the ID of what the words name, the same one every time: a UUID
// of version 8 (RFC 9562), which is like version 5 with a better hash.
func newID(prefix string, words ...string) string {
	h := hashOf(append([]string{prefix}, words...)...)
	id := uuid.UUID(h[:16])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return domain.ID{Prefix: prefix, UUID: id}.String()
}

// hashOf hashes words in such a way that it matters where one ends.
func hashOf(words ...string) (sum [sha256.Size]byte) {
	h := sha256.New()
	var size [4]byte
	for _, w := range words {
		binary.BigEndian.PutUint32(size[:], uint32(len(w)))
		h.Write(size[:])
		h.Write([]byte(w))
	}
	h.Sum(sum[:0])
	return sum
}
