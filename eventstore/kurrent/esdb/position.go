package esdb

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Position is a place in the log of the whole server: byte offsets, which grow
// but have gaps. Zero is the start, before every event. Both numbers belong to
// it: two events may share a commit position, so both must be stored.
type Position struct{ Commit, Prepare uint64 }

// Compare orders positions as the log does.
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Commit, q.Commit), cmp.Compare(p.Prepare, q.Prepare))
}

// After says whether p is later than q.
func (p Position) After(q Position) bool { return p.Compare(q) > 0 }

// String is the form that the server's own tools use, "C:123/P:123".
func (p Position) String() string {
	return "C:" + strconv.FormatUint(p.Commit, 10) + "/P:" + strconv.FormatUint(p.Prepare, 10)
}

// ParsePosition reads what [Position.String] wrote, and nothing else.
func ParsePosition(s string) (Position, error) {
	c, p, ok := strings.Cut(s, "/")
	c, isCommit := strings.CutPrefix(c, "C:")
	p, isPrepare := strings.CutPrefix(p, "P:")
	commit, err1 := strconv.ParseUint(c, 10, 64)
	prepare, err2 := strconv.ParseUint(p, 10, 64)
	if !ok || !isCommit || !isPrepare || err1 != nil || err2 != nil {
		return Position{}, fmt.Errorf("esdb: %q is not a position such as C:123/P:123", s)
	}
	return Position{Commit: commit, Prepare: prepare}, nil
}
