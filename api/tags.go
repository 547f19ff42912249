package api

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/rowhouse/rowhouse/eventstore"
)

// etag writes a version as an entity tag.
func etag(v eventstore.Version) string { return `"` + strconv.Itoa(int(v)) + `"` }

// errETag refuses what is no list of entity tags.
func errETag(header string) error {
	return badParameter(header, "invalid_etag", `must be * or ETags such as "7", separated by commas`)
}

// A tagList is the value of If-Match or If-None-Match (RFC 9110, 13.1.1 and
// 13.1.2).
type tagList struct {
	any  bool // *
	tags []tag
}

// A tag is an entity tag: its text with the quotes, and whether it is weak.
type tag struct {
	text string
	weak bool
}

// tags reads the entity tags of a header, on however many lines they come. It
// returns nil if there is no such header.
func (x *exchange) tags(header string) (*tagList, error) {
	lines := x.r.Header.Values(header)
	if len(lines) == 0 {
		return nil, nil //nolint:nilnil // no header is no mistake
	}
	rest := strings.Join(lines, ",")
	if strings.Trim(rest, " \t") == "*" {
		return &tagList{any: true}, nil
	}
	list := &tagList{}
	for {
		rest = strings.TrimLeft(rest, " \t,") // a list may have empty elements (5.6.1.2)
		if rest == "" {
			break
		}
		t, after, ok := cutTag(rest)
		if after = strings.TrimLeft(after, " \t"); !ok || after != "" && after[0] != ',' {
			return nil, errETag(header)
		}
		list.tags, rest = append(list.tags, t), after
	}
	if len(list.tags) == 0 {
		return nil, errETag(header)
	}
	return list, nil
}

// cutTag reads the entity tag that a text begins with (8.8.3).
func cutTag(s string) (t tag, rest string, ok bool) {
	s, t.weak = strings.CutPrefix(s, "W/")
	if !strings.HasPrefix(s, `"`) {
		return t, "", false
	}
	end := strings.IndexByte(s[1:], '"') + 2
	if end < 2 || strings.ContainsFunc(s[1:end-1], func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return t, "", false
	}
	t.text = s[:end]
	return t, s[end:], true
}

// matchesWeakly reports whether a tag is among those of If-None-Match: whether a
// tag is weak does not count. No header has no tag.
func (l *tagList) matchesWeakly(etag string) bool {
	return l != nil && (l.any || slices.ContainsFunc(l.tags, func(t tag) bool { return t.text == etag }))
}

// matchesStrongly reports whether a tag is among those of If-Match: a weak one is
// not equal to anything. No header asks for nothing.
func (l *tagList) matchesStrongly(etag string) bool {
	return l == nil || l.any || slices.Contains(l.tags, tag{text: etag})
}

// noVersion is a version that no record ever has.
const noVersion = eventstore.Version(math.MaxInt32)

// versions returns the versions that the tags name, which may be one that no
// record has: there is at least one. Those of weak tags are apart: they match
// nothing, but say what the client has seen.
func (l *tagList) versions() (strong, weak []eventstore.Version) {
	for _, t := range l.tags {
		n, err := strconv.ParseInt(strings.Trim(t.text, `"`), 10, 32)
		v := eventstore.Version(n)
		switch {
		case err != nil || n <= 0 || t.text != etag(v):
		case t.weak:
			weak = append(weak, v)
		default:
			strong = append(strong, v)
		}
	}
	if strong == nil {
		strong = []eventstore.Version{noVersion}
	}
	return strong, weak
}
