package access

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/keys"
)

var b64 = base64.RawURLEncoding

// members are those of a JSON object; nil ones are left out.
type members map[string]any

func (m members) with(name string, value any) members {
	m = maps.Clone(m)
	m[name] = value
	if value == nil {
		delete(m, name)
	}
	return m
}

func (m members) without(name string) members { return m.with(name, nil) }

func (m members) text(t testing.TB) string {
	t.Helper()
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// forger makes tokens by hand, with our key, so that they differ from good ones
// in one thing only.
type forger struct {
	*house
	now             int64
	header, payload members
	good            string
}

func newForger(t testing.TB) forger {
	t.Helper()
	f := forger{house: setUp(t)}
	f.now = f.clock.Now().Unix()
	f.header = members{"alg": "EdDSA", "typ": "at+jwt", "kid": f.tokens.kid}
	f.payload = members{
		"iss": "rowhouse", "aud": []string{"rowhouse"}, "sub": f.owner.UserID.String(), "jti": "x",
		"iat": f.now, "nbf": f.now, "exp": f.now + 900,
		"tid": f.owner.TenantID, "oid": f.owner.OrganizationID, "sid": domain.ID{Prefix: "ses", UUID: newID()},
	}
	f.good = f.raw(t, f.payload.text(t))
	// A token made by hand is good at all: otherwise those that are not would
	// say nothing.
	if _, err := f.Authenticate(t.Context(), f.good); err != nil {
		t.Fatal(err)
	}
	return f
}

func forge(header, payload string, sign func(string) []byte) string {
	text := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(payload))
	return text + "." + b64.EncodeToString(sign(text))
}

func (f forger) ours(text string) []byte { return ed25519.Sign(f.tokens.key, []byte(text)) }

func (f forger) public() ed25519.PublicKey { return f.tokens.key.Public().(ed25519.PublicKey) }

// head changes a member of the header.
func (f forger) head(t testing.TB, name string, value any) string {
	t.Helper()
	return forge(f.header.with(name, value).text(t), f.payload.text(t), f.ours)
}

// claim changes a claim.
func (f forger) claim(t testing.TB, name string, value any) string {
	t.Helper()
	return f.raw(t, f.payload.with(name, value).text(t))
}

// raw changes the payload.
func (f forger) raw(t testing.TB, payload string) string {
	t.Helper()
	return forge(f.header.text(t), payload, f.ours)
}

// twice adds a claim that may be there already.
func (f forger) twice(t testing.TB, name, value string) string {
	t.Helper()
	return f.raw(t, strings.TrimSuffix(f.payload.text(t), "}")+fmt.Sprintf(`,%q:%s}`, name, value))
}

// refuse checks that tokens are refused, and that the database is asked for none
// of them but those that are listed.
func (f forger) refuse(t *testing.T, tokens map[string]string, known ...string) {
	t.Helper()
	for name, token := range tokens {
		if token == f.good {
			t.Fatalf("%s: is no forgery", name)
		}
		p, err := f.Authenticate(t.Context(), token)
		if err != errUnauthenticated { //nolint:errorlint // exactly this one
			t.Errorf("%s: got %v, %v", name, p.Actor(), err)
		}
		if _, err := f.read(token); (err == nil) != slices.Contains(known, name) && len(token) <= maxBearer {
			t.Errorf("%s: the database was asked: %v", name, err == nil)
		}
	}
}

func TestForgedHeaders(t *testing.T) {
	t.Parallel()
	f := newForger(t)
	hs := func(key []byte) func(string) []byte {
		return func(s string) []byte {
			m := hmac.New(sha256.New, key)
			m.Write([]byte(s))
			return m.Sum(nil)
		}
	}
	_, other, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	theirs := func(s string) []byte { return ed25519.Sign(other, []byte(s)) }
	theirJWK := members{"kty": "OKP", "crv": "Ed25519", "x": b64.EncodeToString(other.Public().(ed25519.PublicKey))}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rs := func(s string) []byte {
		sig, err := jwt.SigningMethodRS256.Sign(s, rsaKey)
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	der, err := x509.MarshalPKIXPublicKey(f.public())
	if err != nil {
		t.Fatal(err)
	}
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	f.refuse(t, map[string]string{
		"alg none":                   forge(f.header.with("alg", "none").text(t), f.payload.text(t), func(string) []byte { return nil }),
		"alg None":                   forge(f.header.with("alg", "None").text(t), f.payload.text(t), func(string) []byte { return nil }),
		"alg none, signed":           f.head(t, "alg", "none"),
		"no alg":                     f.head(t, "alg", nil),
		"alg of another type":        f.head(t, "alg", 1),
		"HS256 with the public key":  forge(f.header.with("alg", "HS256").text(t), f.payload.text(t), hs(f.public())),
		"HS256 with the key as PEM":  forge(f.header.with("alg", "HS256").text(t), f.payload.text(t), hs(asPEM)),
		"HS256 with the kid":         forge(f.header.with("alg", "HS256").text(t), f.payload.text(t), hs([]byte(f.tokens.kid))),
		"HS256 in disguise":          forge(f.header.text(t), f.payload.text(t), hs(f.public())),
		"RS256":                      forge(f.header.with("alg", "RS256").text(t), f.payload.text(t), rs),
		"RS256 in disguise":          forge(f.header.text(t), f.payload.text(t), rs),
		"alg Ed25519":                f.head(t, "alg", "Ed25519"),
		"typ JWT":                    f.head(t, "typ", "JWT"),
		"typ in another case":        f.head(t, "typ", "AT+JWT"),
		"no typ":                     f.head(t, "typ", nil),
		"another kid":                f.head(t, "kid", "k1"),
		"no kid":                     f.head(t, "kid", nil),
		"kid that is a path":         f.head(t, "kid", "../../dev/null"),
		"kid that is SQL":            f.head(t, "kid", "' or '1'='1"),
		"jku":                        f.head(t, "jku", "https://evil.example/jwks.json"),
		"jwk":                        f.head(t, "jwk", theirJWK),
		"jwk and its key":            forge(f.header.with("jwk", theirJWK).text(t), f.payload.text(t), theirs),
		"x5u":                        f.head(t, "x5u", "https://evil.example/cert"),
		"x5c":                        f.head(t, "x5c", []string{b64.EncodeToString(der)}),
		"crit":                       f.head(t, "crit", []string{"exp"}),
		"zip":                        f.head(t, "zip", "DEF"),
		"header with a member twice": forge(strings.Replace(f.header.text(t), "{", `{"alg":"none",`, 1), f.payload.text(t), f.ours),
		"header with space":          forge(f.header.text(t)+" ", f.payload.text(t), f.ours),
		"key of somebody else":       forge(f.header.text(t), f.payload.text(t), theirs),
	})
}

func TestForgedClaims(t *testing.T) {
	t.Parallel()
	f := newForger(t)
	second := f.tenant(t, "Second client")
	f.refuse(t, map[string]string{
		"another issuer":           f.claim(t, "iss", "rowhouse.example"),
		"no issuer":                f.claim(t, "iss", nil),
		"another audience":         f.claim(t, "aud", "billing"),
		"no audience":              f.claim(t, "aud", nil),
		"empty audience":           f.claim(t, "aud", []string{}),
		"two audiences":            f.claim(t, "aud", []string{"rowhouse", "billing"}),
		"audience of another type": f.claim(t, "aud", 1),
		"not yet":                  f.claim(t, "nbf", f.now+1),
		"no nbf":                   f.claim(t, "nbf", nil),
		"nbf of another type":      f.claim(t, "nbf", "soon"),
		"expired":                  f.claim(t, "exp", f.now),
		"long expired":             f.claim(t, "exp", 0),
		"no exp":                   f.claim(t, "exp", nil),
		"exp is null":              f.raw(t, strings.Replace(f.payload.text(t), fmt.Sprintf(`"exp":%d`, f.now+900), `"exp":null`, 1)),
		"exp of another type":      f.claim(t, "exp", "never"),
		"exp beyond numbers":       f.raw(t, strings.Replace(f.payload.text(t), fmt.Sprintf(`"exp":%d`, f.now+900), `"exp":1e999`, 1)),
		"exp at the end of time":   f.claim(t, "exp", int64(1)<<62),
		"longer than any of ours":  f.claim(t, "exp", f.now+901),
		"no iat":                   f.claim(t, "iat", nil),
		"no sub":                   f.claim(t, "sub", nil),
		"sub of another kind":      f.claim(t, "sub", domain.ID{Prefix: "key", UUID: f.owner.UserID.UUID}.String()),
		"sub in capitals":          f.claim(t, "sub", strings.ToUpper(f.owner.UserID.String())),
		"sub that is a UUID":       f.claim(t, "sub", f.owner.UserID.UUID.String()),
		"sub with NUL":             f.claim(t, "sub", f.owner.UserID.String()+"\x00"),
		"sub that is zero":         f.claim(t, "sub", "usr_00000000000000000000000000"),
		"no tid":                   f.claim(t, "tid", nil),
		"tid is null":              f.raw(t, strings.TrimSuffix(f.payload.without("tid").text(t), "}")+`,"tid":null}`),
		"tid is empty":             f.claim(t, "tid", ""),
		"tid of another kind":      f.claim(t, "tid", f.owner.OrganizationID),
		"tid that is zero":         f.claim(t, "tid", "ten_00000000000000000000000000"),
		"tenant that is not":       f.claim(t, "tid", domain.TenantID{UUID: newID()}),
		"no oid":                   f.claim(t, "oid", nil),
		"another organization":     f.claim(t, "oid", domain.ID{Prefix: "org", UUID: newID()}),
		"no sid":                   f.claim(t, "sid", nil),
		"no jti":                   f.claim(t, "jti", nil),
		"user who is not":          f.claim(t, "sub", domain.ID{Prefix: "usr", UUID: newID()}.String()),
		"tid twice":                f.twice(t, "tid", `"`+second.TenantID.String()+`"`),
		"exp twice":                f.twice(t, "exp", strconv.FormatInt(f.now+899, 10)),
		"tid in two cases":         f.twice(t, "TID", `"`+second.TenantID.String()+`"`),
	}, "tenant that is not", "user who is not", "another organization")
}

func TestMutilatedTokens(t *testing.T) {
	t.Parallel()
	f := newForger(t)
	second := f.tenant(t, "Second client")
	part := strings.Split(f.good, ".")
	edited := b64.EncodeToString([]byte(f.payload.with("tid", second.TenantID).text(t)))
	tokens := map[string]string{
		"payload edited":                part[0] + "." + edited + "." + part[2],
		"payload null":                  f.raw(t, "null"),
		"payload a list":                f.raw(t, "[]"),
		"payload a string":              f.raw(t, `"x"`),
		"payload empty":                 f.raw(t, ""),
		"payload not JSON":              f.raw(t, "\xff\xfe"),
		"payload and more":              f.raw(t, f.payload.text(t)+"{}"),
		"payload deep":                  f.raw(t, strings.Repeat("[", 2000)),
		"signature of another token":    part[0] + "." + part[1] + "." + strings.Split(f.owner.AccessToken, ".")[2],
		"no signature":                  part[0] + "." + part[1] + ".",
		"two parts":                     part[0] + "." + part[1],
		"one part":                      part[0],
		"four parts":                    f.good + "." + part[2],
		"truncated":                     f.good[:len(f.good)-1],
		"one more":                      f.good + "A",
		"padded":                        f.good + "==",
		"line break at the end":         f.good + "\n",
		"line break inside":             part[0] + "." + part[1][:8] + "\r\n" + part[1][8:] + "." + part[2],
		"space around":                  " " + f.good + " ",
		"NUL at the end":                f.good + "\x00",
		"with its scheme":               "Bearer " + f.good,
		"empty":                         "",
		"dots":                          "..",
		"100,000 dots":                  strings.Repeat(".", 100_000),
		"1 MB":                          part[0] + "." + strings.Repeat("A", 1<<20) + "." + part[2],
		"longer than 4 kB, well signed": f.claim(t, "note", strings.Repeat("x", 4096)),
		"not UTF-8":                     part[0] + ".\xff\xfe." + part[2],
	}
	// The last bits of a signature, which base 64 has no use for.
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
		if token := f.good[:len(f.good)-1] + string(c); token != f.good {
			tokens["that ends in "+string(c)] = token
		}
	}
	f.refuse(t, tokens)
}

func TestTokenOfAnotherInstallation(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	cfg := Config{Root: keys.NewRoot([keys.RootSize]byte{'x'}), Now: h.clock.Now, NewID: newID, Issuer: "rowhouse", Audience: "rowhouse", TokenLife: time.Minute}
	s, err := newSigner(cfg)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := s.issue(h.clock.Now(), h.owner.UserID.UUID, h.owner.TenantID, h.owner.OrganizationID.UUID)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Authenticate(t.Context(), token)
	unknown(t, err)
}

func TestTokensExpire(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	for range 2 { // before and after it is remembered
		if _, err := h.Authenticate(t.Context(), h.owner.AccessToken); err != nil {
			t.Fatal(err)
		}
	}
	h.clock.advance(maxTokenLife - time.Nanosecond)
	if _, err := h.Authenticate(t.Context(), h.owner.AccessToken); err != nil {
		t.Fatal(err)
	}
	h.clock.advance(time.Nanosecond)
	_, err := h.Authenticate(t.Context(), h.owner.AccessToken)
	unknown(t, err)
	_, err = h.node(t, cheap).Authenticate(t.Context(), h.owner.AccessToken)
	unknown(t, err)
}

// A node whose clock is a little behind takes the tokens of one that is ahead.
func TestTokensAllowForSkew(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	h.clock.advance(-skew)
	if _, err := h.Authenticate(t.Context(), h.owner.AccessToken); err != nil {
		t.Error(err)
	}
	h.clock.advance(-time.Second)
	_, err := h.node(t, cheap).Authenticate(t.Context(), h.owner.AccessToken)
	unknown(t, err)
}

// What a token says is what RFC 9068 asks for, and neither a role nor a name.
func TestTokenContents(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	part := strings.Split(h.owner.AccessToken, ".")
	var header, payload map[string]any
	for i, into := range []*map[string]any{&header, &payload} {
		b, err := b64.DecodeString(part[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, into); err != nil {
			t.Fatal(err)
		}
	}
	var jwks map[string][]map[string]string
	if err := json.Unmarshal(h.JWKS(), &jwks); err != nil || len(jwks["keys"]) != 1 {
		t.Fatal(err, string(h.JWKS()))
	}
	k := jwks["keys"][0]
	if k["kty"] != "OKP" || k["crv"] != "Ed25519" || k["alg"] != "EdDSA" || k["use"] != "sig" || len(k) != 6 {
		t.Errorf("published %+v", k)
	}
	if header["alg"] != "EdDSA" || header["typ"] != "at+jwt" || header["kid"] != k["kid"] || len(header) != 3 {
		t.Errorf("header %v", header)
	}
	for _, name := range []string{"iss", "aud", "sub", "tid", "oid", "sid", "jti", "iat", "nbf", "exp"} {
		if payload[name] == nil {
			t.Errorf("no %s", name)
		}
		delete(payload, name)
	}
	if len(payload) != 0 {
		t.Errorf("also says %v", payload)
	}
	// Whoever has the published key can verify.
	x, err := b64.DecodeString(k["x"])
	if err != nil {
		t.Fatal(err)
	}
	sig, err := b64.DecodeString(part[2])
	if err != nil {
		t.Fatal(err)
	}
	if !ed25519.Verify(x, []byte(part[0]+"."+part[1]), sig) {
		t.Error("the published key does not verify")
	}
}
