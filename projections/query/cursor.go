package query

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/rowhouse/rowhouse/domain"
)

// A cursor is, in base 64 for URLs,
//
//	scope   16 bytes: of which list it is a place
//	values  a JSON array: the sort values of the last row
//	tag     32 bytes: HMAC-SHA-256 of a label and all before it
//
// It is signed, not sealed: whoever holds it can read the values, which they
// have just been shown.
const maxCursor = 4 << 10 // bytes, as text

const cursorLabel = "rowhouse list cursor 1\n"

var encoding = base64.RawURLEncoding.Strict()

// Signer signs cursors, so that nobody else can make one. Servers with the same
// key take one another's.
type Signer struct{ key [32]byte }

// NewSigner returns a signer with a key, which should serve no other purpose.
func NewSigner(key [32]byte) Signer { return Signer{key} }

func (s Signer) tag(payload []byte) []byte {
	h := hmac.New(sha256.New, s.key[:])
	h.Write([]byte(cursorLabel))
	h.Write(payload)
	return h.Sum(nil)
}

// scope identifies a list: its tenant, its table, which records it has and in
// what order.
type scope [16]byte

func (p Page) scopeOf(tenant domain.TenantID) scope {
	q, filter := p.query, ""
	if q.Filter != nil {
		filter = q.Filter.String()
	}
	b := make([]byte, 0, 256)
	for _, part := range []string{tenant.String(), q.columns.table, string(q.Deleted), strings.Join(q.Words, " "), p.OrderBy(), filter} {
		b = strconv.AppendQuote(b, part)
	}
	sum := sha256.Sum256(b)
	return scope(sum[:len(scope{})])
}

// Cursor returns the cursor with which to go on after a row, given what was
// scanned from it into the targets of [Page.Place]. An error is a fault of the
// table: its columns hold more text than goes into a cursor.
func (p Page) Cursor(place []any) (string, error) {
	b := bytes.NewBuffer(p.scope[:])
	values := json.NewEncoder(b)
	values.SetEscapeHTML(false)
	for i, k := range p.keys {
		if k.Column.Type.value(place[i]) == nil && !k.Column.Nullable {
			return "", fmt.Errorf("query: %s of %s is null, but not nullable", k.Column.Name, p.query.columns.table)
		}
	}
	if err := values.Encode(place); err != nil {
		return "", fmt.Errorf("query: sort values of %s: %w", p.query.columns.table, err)
	}
	b.Write(p.signer.tag(b.Bytes()))
	if size := encoding.EncodedLen(b.Len()); size > maxCursor {
		return "", fmt.Errorf("query: sort values of %s make a cursor of %d bytes", p.query.columns.table, size)
	}
	return encoding.EncodeToString(b.Bytes()), nil
}

// open returns the values in the cursor of the query.
func (p Page) open() ([]any, error) {
	cursor, invalid := p.query.Cursor, invalidCursor(p.query.cursorAt)
	if len(cursor) > maxCursor {
		return nil, invalid
	}
	b, err := encoding.DecodeString(cursor)
	if err != nil || len(b) < len(scope{})+sha256.Size {
		return nil, invalid
	}
	signed, tag := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if !hmac.Equal(tag, p.signer.tag(signed)) {
		return nil, invalid
	}
	if scope(signed[:len(scope{})]) != p.scope {
		return nil, refuse(domain.Malformed, "cursor_mismatch", p.query.cursorAt, "belongs to another list: other records or another order")
	}
	var written []json.RawMessage
	if json.Unmarshal(signed[len(scope{}):], &written) != nil || len(written) != len(p.keys) {
		return nil, invalid
	}
	values := p.Place()
	for i, k := range p.keys {
		if json.Unmarshal(written[i], values[i]) != nil {
			return nil, invalid
		}
		if values[i] = k.Column.Type.value(values[i]); values[i] == nil && !k.Column.Nullable {
			return nil, invalid
		}
	}
	return values, nil
}

func invalidCursor(pointer string) error {
	return refuse(domain.Malformed, "invalid_cursor", pointer, "is not a cursor of ours")
}
