package api

import (
	"mime"
	"strconv"
	"strings"
)

// prefersMedia reports whether a client asks for one of two media types rather
// than for the other, which is what it gets if it does not care (RFC 9110, 12.5.1).
func (x *exchange) prefersMedia(rather, than string) bool {
	ranges := strings.Join(x.r.Header.Values("Accept"), ",")
	q, named := quality(ranges, rather)
	other, _ := quality(ranges, than)
	return q > other || named && q == other && q > 0
}

// quality returns how much a media type is wanted, from 0 to 1, and whether it is
// named as such, and not only by a range that it is in. Of the ranges that it is
// in, the most specific one counts.
func quality(ranges, media string) (q float64, named bool) {
	kind, _, _ := strings.Cut(media, "/")
	best := 0
	for r := range strings.SplitSeq(ranges, ",") {
		name, params, err := mime.ParseMediaType(r)
		if err != nil {
			continue
		}
		specific := map[string]int{"*/*": 1, kind + "/*": 2, media: 3}[name]
		if specific <= best {
			continue
		}
		best, q = specific, 1
		if text, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(text, 64); err != nil || q < 0 || q > 1 {
				q = 0
			}
		}
	}
	return q, best == 3
}
