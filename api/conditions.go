package api

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// The headers by which clients make requests depend on something.
var (
	ifMatchParam = headerParam("If-Match",
		`The ETag that the record must still have, such as "7", a list of such tags, or * for any. Otherwise the answer is 412, also for a weak tag (W/"7"), which names no exact version.`, text(), `"7"`)
	ifNoneMatchParam = headerParam("If-None-Match",
		"The ETag that the client has already, a list of them, or * for any. If it still is one of them, the answer is 304; a weak tag (W/\"7\") is as good.", text(), `"7"`)
	ifNoneMatchWriteParam = headerParam("If-None-Match",
		"* for a record that must not be there, or ETags that it must not have. Otherwise the answer is 412. Weak tags (W/\"7\") count.", text(), `"7"`)
	preferParam = headerParam(headerPrefer,
		"merge=disjoint lets a change through although the record does not have the ETag any more, if what changed since is something else.", text(), "merge=disjoint")
	idempotencyParam = headerParam(headerIdempotency,
		"A name for the request of up to 255 printable characters. Sending the request again under the same name has no further effect, and gets the same answer.",
		text(), "7f2c1f9e-order-118")
	minPositionParam = headerParam(headerMinPosition,
		"The Event-Position of a change that the answer must show. If it does not after 2 seconds, the answer is 503. A position that the log has not reached is refused with 409, which names its head.", whole(0, 1<<53), 18240)
)

// match is what a client asks of the version that a record has.
type match struct {
	versions []eventstore.Version // any of them will do; nil if any at all
	seen     []eventstore.Version // none of these will, but the client has seen them
	unless   []eventstore.Version // any of them will not do
	absent   bool                 // no version will do
	there    bool                 // the record must be there, if at any version
	merge    bool                 // other changes since may be overlooked
}

// errNoVersion is the answer to whoever asks for a version of what has none.
var errNoVersion = domain.Stale.Refusef("version_conflict", "there is nothing here yet that could have this version")

// noVersions refuses the tags in If-Match of a request that changes something
// which has no versions, or is not there yet: none of them can match.
func (x *exchange) noVersions() error {
	taken := slices.ContainsFunc(x.op.Parameters, func(p *huma.Param) bool { return p.Name == ifMatchParam.Name })
	if taken || x.r.Method == http.MethodGet || x.r.Method == http.MethodHead {
		return nil
	}
	tags, err := x.tags("If-Match")
	if err == nil && tags != nil && !tags.any {
		return errNoVersion
	}
	return err
}

func (x *exchange) match() (match, error) {
	tags, err := x.tags("If-Match")
	m := match{merge: prefers(x.r.Header.Values(headerPrefer), "merge", "disjoint")}
	m.there = tags != nil
	if tags != nil && !tags.any { // there must be a record anyway, so * asks for nothing
		m.versions, m.seen = tags.versions()
	}
	if err != nil {
		return m, err
	}
	not, err := x.tags("If-None-Match")
	if not != nil {
		m.absent = not.any
		strong, weak := not.versions()
		m.unless = append(strong, weak...)
	}
	return m, err
}

// prefers reports whether a preference (RFC 7240) is among those given. Others
// are nothing to complain about.
func prefers(headers []string, name, value string) bool {
	for _, h := range headers {
		for p := range strings.SplitSeq(h, ",") {
			k, v, _ := strings.Cut(strings.TrimSpace(p), "=")
			if strings.EqualFold(strings.TrimSpace(k), name) && strings.Trim(strings.TrimSpace(v), `"`) == value {
				return true
			}
		}
	}
	return false
}

// maxKey is how long an idempotency key may be.
const maxKey = 255

// idempotencyKey returns the key of a request, if it has one.
func (x *exchange) idempotencyKey() (string, error) {
	values := x.r.Header.Values(headerIdempotency)
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	ok := len(values) == 1 && key != "" && len(key) <= maxKey
	for _, c := range []byte(key) {
		ok = ok && c >= ' ' && c <= '~'
	}
	if !ok {
		return "", badParameter(headerIdempotency, "invalid_key", "must be one value of 1 to 255 printable ASCII characters")
	}
	return key, nil
}

// commandSpace makes the IDs of commands with a key different from all others.
var commandSpace = uuid.MustParse("5f0e9c3a-6c5e-5d0b-9a55-1d3f2c7b8e90")

// commandName is the ID of a command, and a hash of what was asked, by which a
// repetition is told from another command of the same name.
type commandName struct {
	id   uuid.UUID
	hash []byte // nil if the client gave no key
}

// commandName names the command that a request asks for. Whoever asks for the same
// under the same key, in the same tenant, means the same command.
func (x *exchange) commandName(tree any) (commandName, error) {
	key, err := x.idempotencyKey()
	if key == "" || err != nil {
		return commandName{id: x.s.NewID()}, err
	}
	hash, err := x.hash(tree)
	return commandName{id: uuid.NewSHA1(commandSpace, x.scoped(key)), hash: hash}, err
}

// scoped returns a key together with whose it is.
func (x *exchange) scoped(key string) []byte {
	return []byte(x.caller.Tenant().String() + " " + x.caller.Actor().ID.String() + " " + key)
}

// hash returns the hash of a request: of its method, its path and what its body
// means, however that is written.
func (x *exchange) hash(tree any) ([]byte, error) {
	body, err := json.Marshal(tree) // with the members of objects in order
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	for _, part := range []string{x.r.Method, x.r.URL.Path} {
		h.Write([]byte(part + "\n"))
	}
	h.Write(body)
	return h.Sum(nil), nil
}

// part names one of several commands of a request.
func (c commandName) part(n int, newID func() uuid.UUID) commandName {
	if c.hash == nil {
		return commandName{id: newID()}
	}
	return commandName{id: uuid.NewSHA1(c.id, []byte(strconv.Itoa(n))), hash: c.hash}
}

// minPosition returns the position that an answer must show, or 0.
func (x *exchange) minPosition() (eventstore.Position, error) {
	texts := x.r.Header.Values(headerMinPosition)
	if len(texts) == 0 {
		return 0, nil
	}
	n, ok := domain.ParseInteger(texts[0])
	if len(texts) > 1 || !ok || n < 0 || n > 1<<53 {
		return 0, badParameter(headerMinPosition, "invalid_position", "must be a position")
	}
	return eventstore.Position(n), nil
}
