package nats

import (
	"errors"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rowhouse/rowhouse/bus"
)

// Names of headers, from the binding of CloudEvents to NATS.
const (
	prefix          = "ce-"
	dataContentType = prefix + "datacontenttype"
)

// encode returns what is sent of a message. Metadata that are no attributes are
// sent as they are.
func encode(subject string, m *message.Message) *nats.Msg {
	header := make(nats.Header, len(m.Metadata)+2)
	for name, value := range m.Metadata {
		if attribute, ok := strings.CutPrefix(name, bus.Prefix); ok {
			header[prefix+attribute] = []string{escape(value)}
			continue
		}
		header[name] = []string{value}
		if name == bus.ContentType {
			header[dataContentType] = []string{escape(value)}
		}
	}
	header[jetstream.MsgIDHeader] = []string{m.UUID}
	return &nats.Msg{Subject: subject, Header: header, Data: m.Payload}
}

// validSubject reports whether a message can have the subject.
func validSubject(subject string) bool {
	for token := range strings.SplitSeq(subject, ".") {
		if token == "" || strings.ContainsAny(token, " \t\r\n*>") {
			return false
		}
	}
	return true
}

// escape encodes a value for a header, by the rules of the binding: what is not
// printable ASCII, and space, " and %, byte by byte.
func escape(value string) string {
	plain := func(c byte) bool { return c > ' ' && c <= '~' && c != '"' && c != '%' }
	n := 0
	for n < len(value) && plain(value[n]) {
		n++
	}
	if n == len(value) {
		return value
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(value) {
		if plain(c) {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

// What a server says of messages that are too large for a stream, and of
// headers that are; the client has no names for them.
const (
	codeMessageTooLarge jetstream.ErrorCode = 10054
	codeHeaderTooLarge  jetstream.ErrorCode = 10097
)

// refusal reports why no server will ever take a message.
func refusal(err error) (bus.Reason, bool) {
	if errors.Is(err, nats.ErrMaxPayload) {
		return bus.TooLarge, true
	}
	if errors.Is(err, nats.ErrBadSubject) || errors.Is(err, nats.ErrBadHeaderMsg) {
		return bus.Invalid, true
	}
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		if api.ErrorCode == codeMessageTooLarge || api.ErrorCode == codeHeaderTooLarge {
			return bus.TooLarge, true
		}
	}
	return "", false
}
