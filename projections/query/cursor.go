package query

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/rowhouse/rowhouse/domain"
)

// A cursor is, in base 64 for URLs,
//
//	place  where in the list: of records, the sort values of the last row as JSON
//	tag    32 bytes: HMAC-SHA-256 of a label, the scope of the list and the place
//
// It is signed, not sealed: whoever holds it can read the values, which they
// have just been shown. The scope is of which list it is a place. It is in the
// tag only, so a cursor of another list looks like one that somebody made up.
const maxCursor = 8 << 10 // bytes, as text; what may be sorted by keeps far below it

const cursorLabel = "rowhouse list cursor 2\n"

var encoding = base64.RawURLEncoding.Strict()

// Signer signs cursors, so that nobody else can make one. Servers with the same
// key take one another's.
type Signer struct{ key [32]byte }

// NewSigner returns a signer with a key, which should serve no other purpose.
func NewSigner(key [32]byte) Signer { return Signer{key} }

// Scope names a list: by whose it is, what is listed, and whatever else makes it
// another list than others, such as a filter. A cursor is good for one scope.
func Scope(parts ...string) []byte {
	b := make([]byte, 0, 256)
	for _, part := range parts {
		b = strconv.AppendQuote(b, part)
	}
	return b
}

// Seal returns the cursor of a place in the list of a scope.
func (s Signer) Seal(scope, place []byte) string {
	return encoding.EncodeToString(append(bytes.Clone(place), s.tag(scope, place)...))
}

// Open returns the place that a cursor is of, if it is one of the scope.
func (s Signer) Open(scope []byte, cursor string) (place []byte, ok bool) {
	if len(cursor) > maxCursor {
		return nil, false
	}
	b, err := encoding.DecodeString(cursor)
	if err != nil || len(b) < sha256.Size {
		return nil, false
	}
	place, tag := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	return place, hmac.Equal(tag, s.tag(scope, place))
}

func (s Signer) tag(scope, place []byte) []byte {
	inner := sha256.Sum256(scope)
	h := hmac.New(sha256.New, s.key[:])
	h.Write([]byte(cursorLabel))
	h.Write(inner[:])
	h.Write(place)
	return h.Sum(nil)
}

// scopeOf identifies a list of records: its tenant, its table, which records it
// has and in what order.
func (p Page) scopeOf(tenant domain.TenantID) []byte {
	q, filter := p.query, ""
	if q.Filter != nil {
		filter = q.Filter.String()
	}
	parts := []string{"records", tenant.String(), q.columns.table, string(q.Deleted), q.search.text, p.OrderBy(), filter}
	if q.rows != nil {
		parts = append(parts, q.rows.String())
	}
	return Scope(append(parts, q.moment()...)...)
}

// Cursor returns the cursor with which to go on after a row, given what was
// scanned from it into the targets of [Page.Place]. An error is a fault of the
// table: its columns hold more text than goes into a cursor.
func (p Page) Cursor(place []any) (string, error) {
	var b bytes.Buffer
	values := json.NewEncoder(&b)
	values.SetEscapeHTML(false)
	for i, k := range p.keys {
		if k.Column.Type.value(place[i]) == nil && !k.Column.Nullable {
			return "", fmt.Errorf("query: %s of %s is null, but not nullable", k.Column.Name, p.query.columns.table)
		}
	}
	if p.query.AsOf != (Moment{}) {
		place = append(slices.Clip(place), p.position)
	}
	if err := values.Encode(place); err != nil {
		return "", fmt.Errorf("query: sort values of %s: %w", p.query.columns.table, err)
	}
	cursor := p.signer.Seal(p.scope, b.Bytes())
	if len(cursor) > maxCursor {
		return "", fmt.Errorf("query: sort values of %s make a cursor of %d bytes", p.query.columns.table, len(cursor))
	}
	return cursor, nil
}

// open returns the values in the cursor of the query.
func (p Page) open() (values []any, position int64, err error) {
	invalid := invalidCursor(p.query.cursorAt)
	place, ok := p.signer.Open(p.scope, p.query.Cursor)
	if !ok {
		return nil, 0, invalid
	}
	var written []json.RawMessage
	if json.Unmarshal(place, &written) != nil {
		return nil, 0, invalid
	}
	if position, ok = p.positionIn(written); !ok {
		return nil, 0, invalid
	}
	values = p.Place()
	for i, k := range p.keys {
		if json.Unmarshal(written[i], values[i]) != nil {
			return nil, 0, invalid
		}
		if values[i] = k.Column.Type.value(values[i]); values[i] == nil && !k.Column.Nullable {
			return nil, 0, invalid
		}
	}
	return values, position, nil
}

func invalidCursor(pointer string) error {
	return refuse(domain.Malformed, "invalid_cursor", pointer, "is not a cursor of this list")
}
