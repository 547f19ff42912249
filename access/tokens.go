package access

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
)

const (
	// maxTokenLife is how long an access token is good for at most. What its
	// holder may do is not in it, and is looked up.
	maxTokenLife = 15 * time.Minute

	// skew is how far apart the clocks of two nodes may be.
	skew = 30 * time.Second
)

// signer makes and verifies access tokens: JWTs as in RFC 9068, signed with
// Ed25519. All nodes of an installation have the same key.
type signer struct {
	key      ed25519.PrivateKey
	header   string // of all our tokens, encoded, with its dot
	kid      string
	jwks     []byte
	issuer   string
	audience string
	life     time.Duration
	newID    func() uuid.UUID
	parser   *jwt.Parser
}

// claims are what a token says. There is no role among them, because that may
// change while the token lives.
type claims struct {
	jwt.RegisteredClaims
	Tenant       domain.TenantID `json:"tid"`
	Organization domain.ID       `json:"oid"`
	Session      domain.ID       `json:"sid"`
}

func newSigner(cfg Config) (*signer, error) {
	s := &signer{
		key:      ed25519.NewKeyFromSeed(cfg.Root.Derive("access/token", ed25519.SeedSize)),
		issuer:   cfg.Issuer,
		audience: cfg.Audience,
		life:     cfg.TokenLife,
		newID:    cfg.NewID,
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
			jwt.WithIssuer(cfg.Issuer),
			jwt.WithAudience(cfg.Audience),
			jwt.WithExpirationRequired(),
			jwt.WithNotBeforeRequired(),
			jwt.WithStrictDecoding(),
			jwt.WithTimeFunc(cfg.Now),
		),
	}
	x := base64.RawURLEncoding.EncodeToString(s.key.Public().(ed25519.PublicKey))
	// The thumbprint of the key (RFC 7638, RFC 8037) is its name.
	sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":"Ed25519","kty":"OKP","x":"%s"}`, x))
	s.kid = base64.RawURLEncoding.EncodeToString(sum[:])
	s.jwks = fmt.Appendf(nil, `{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":"%s","x":"%s"}]}`, s.kid, x)
	text, err := s.token(claims{}).SigningString()
	if err != nil {
		return nil, err
	}
	s.header = text[:strings.IndexByte(text, '.')+1]
	return s, nil
}

func (s *signer) token(c claims) *jwt.Token {
	return &jwt.Token{
		Method: jwt.SigningMethodEdDSA,
		Header: map[string]any{"alg": jwt.SigningMethodEdDSA.Alg(), "typ": "at+jwt", "kid": s.kid},
		Claims: c,
	}
}

// issue returns a token for a user in a tenant, and when it expires.
func (s *signer) issue(now time.Time, user uuid.UUID, tenant domain.TenantID, organization uuid.UUID) (string, time.Time, error) {
	now = now.UTC().Truncate(time.Second) // as the token has it
	expires := now.Add(s.life)
	text, err := s.token(claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    s.issuer,
			Audience:  jwt.ClaimStrings{s.audience},
			Subject:   domain.ID{Prefix: userPrefix, UUID: user}.String(),
			ID:        s.newID().String(),
			IssuedAt:  jwt.NewNumericDate(now),
			NotBefore: jwt.NewNumericDate(now.Add(-skew)),
			ExpiresAt: jwt.NewNumericDate(expires),
		},
		Tenant:       tenant,
		Organization: domain.ID{Prefix: organizationPrefix, UUID: organization},
		Session:      domain.ID{Prefix: sessionPrefix, UUID: s.newID()},
	}).SignedString(s.key)
	return text, expires, err
}

// verify returns what a token proves. Whatever is wrong with it, the error is
// for nobody to see.
func (s *signer) verify(token string) (proof, error) {
	// All our tokens have the same header to the byte, so whatever a header
	// could try, another algorithm or type, a key that comes with the token or
	// is to be fetched from somewhere, is refused before anything is decoded.
	// Base 64 has it that line breaks mean nothing; we do not.
	if !strings.HasPrefix(token, s.header) || strings.ContainsAny(token, "\r\n") {
		return proof{}, jwt.ErrTokenUnverifiable
	}
	var c claims
	_, err := s.parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return s.key.Public(), nil })
	if err != nil {
		return proof{}, err
	}
	payload, err := s.parser.DecodeSegment(strings.Split(token, ".")[1])
	if err != nil {
		return proof{}, err
	}
	if err := saysAllOnce(payload); err != nil {
		return proof{}, err
	}
	user, err := domain.ParseID(c.Subject)
	if err != nil {
		return proof{}, err
	}
	return proof{
		subject:      subject{kind: userKind, tenant: c.Tenant, id: user.UUID},
		organization: c.Organization,
		until:        c.ExpiresAt.Time,
	}, nil
}

// Validate checks what the parser does not. The parser calls it.
func (c claims) Validate() error {
	user, err := domain.ParseID(c.Subject)
	if err != nil {
		return err
	}
	for _, ok := range []bool{
		user.Prefix == userPrefix, user.UUID != uuid.Nil,
		c.Tenant.UUID != uuid.Nil,
		c.Organization.Prefix == organizationPrefix, c.Organization.UUID != uuid.Nil,
		c.Session.Prefix == sessionPrefix,
		c.ID != "", c.IssuedAt != nil,
		len(c.Audience) == 1,
		c.IssuedAt != nil && c.ExpiresAt != nil && c.ExpiresAt.Sub(c.IssuedAt.Time) <= maxTokenLife,
	} {
		if !ok {
			return errClaims
		}
	}
	return nil
}

var errClaims = errors.New("a claim is missing or malformed")

// saysAllOnce refuses a JSON object that has a member twice, or in another case
// than ours, because two readers of it could see different things.
func saysAllOnce(object []byte) error {
	dec := json.NewDecoder(bytes.NewReader(object))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errClaims
	}
	seen := make(map[string]bool)
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		name, ok := t.(string)
		if !ok || seen[name] || name != strings.ToLower(name) {
			return errClaims
		}
		seen[name] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
	}
	return nil
}

// JWKS returns the JSON Web Key Set (RFC 7517) that access tokens can be
// verified with. The caller must not change it.
func (d *Directory) JWKS() []byte { return d.tokens.jwks }
