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

// forge makes a token by hand.
func forge(header, payload string, sign func(string) []byte) string {
	text := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(payload))
	return text + "." + b64.EncodeToString(sign(text))
}

func TestForgedTokens(t *testing.T) {
	t.Parallel()
	h := setUp(t)
	second := h.tenant(t, "Second client")
	now := h.clock.Now().Unix()
	key := h.tokens.key
	public := key.Public().(ed25519.PublicKey)
	header := members{"alg": "EdDSA", "typ": "at+jwt", "kid": h.tokens.kid}
	payload := members{
		"iss": "rowhouse", "aud": []string{"rowhouse"}, "sub": h.owner.UserID.String(), "jti": "x",
		"iat": now, "nbf": now, "exp": now + 900,
		"tid": h.owner.TenantID, "oid": h.owner.OrganizationID, "sid": domain.ID{Prefix: "ses", UUID: newID()},
	}
	ours := func(s string) []byte { return ed25519.Sign(key, []byte(s)) }
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
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	theirJWK := members{"kty": "OKP", "crv": "Ed25519", "x": b64.EncodeToString(other.Public().(ed25519.PublicKey))}

	head := func(name string, value any) string {
		return forge(header.with(name, value).text(t), payload.text(t), ours)
	}
	claim := func(name string, value any) string {
		return forge(header.text(t), payload.with(name, value).text(t), ours)
	}
	raw := func(payload string) string { return forge(header.text(t), payload, ours) }
	good := raw(payload.text(t))
	part := strings.Split(good, ".")
	edited := b64.EncodeToString([]byte(payload.with("tid", second.TenantID).text(t)))
	twice := func(name, value string) string {
		return raw(strings.TrimSuffix(payload.text(t), "}") + fmt.Sprintf(`,%q:%s}`, name, value))
	}

	onlyTheDatabaseKnows := map[string]bool{"tenant that is not": true, "user who is not": true, "another organization": true}

	// First that a token made by hand is good at all: otherwise the rest of
	// the test would say nothing.
	if _, err := h.Authenticate(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"alg none":                      forge(header.with("alg", "none").text(t), payload.text(t), func(string) []byte { return nil }),
		"alg None":                      forge(header.with("alg", "None").text(t), payload.text(t), func(string) []byte { return nil }),
		"alg none, signed":              head("alg", "none"),
		"no alg":                        head("alg", nil),
		"alg of another type":           head("alg", 1),
		"HS256 with the public key":     forge(header.with("alg", "HS256").text(t), payload.text(t), hs(public)),
		"HS256 with the key as PEM":     forge(header.with("alg", "HS256").text(t), payload.text(t), hs(asPEM)),
		"HS256 with the kid":            forge(header.with("alg", "HS256").text(t), payload.text(t), hs([]byte(h.tokens.kid))),
		"HS256 in disguise":             forge(header.text(t), payload.text(t), hs(public)),
		"RS256":                         forge(header.with("alg", "RS256").text(t), payload.text(t), rs),
		"RS256 in disguise":             forge(header.text(t), payload.text(t), rs),
		"alg Ed25519":                   head("alg", "Ed25519"),
		"typ JWT":                       head("typ", "JWT"),
		"typ in another case":           head("typ", "AT+JWT"),
		"no typ":                        head("typ", nil),
		"another kid":                   head("kid", "k1"),
		"no kid":                        head("kid", nil),
		"kid that is a path":            head("kid", "../../dev/null"),
		"kid that is SQL":               head("kid", "' or '1'='1"),
		"jku":                           head("jku", "https://evil.example/jwks.json"),
		"jwk":                           head("jwk", theirJWK),
		"jwk and its key":               forge(header.with("jwk", theirJWK).text(t), payload.text(t), theirs),
		"x5u":                           head("x5u", "https://evil.example/cert"),
		"x5c":                           head("x5c", []string{b64.EncodeToString(der)}),
		"crit":                          head("crit", []string{"exp"}),
		"zip":                           head("zip", "DEF"),
		"header with a member twice":    forge(strings.Replace(header.text(t), "{", `{"alg":"none",`, 1), payload.text(t), ours),
		"header with space":             forge(header.text(t)+" ", payload.text(t), ours),
		"key of somebody else":          forge(header.text(t), payload.text(t), theirs),
		"another issuer":                claim("iss", "rowhouse.example"),
		"no issuer":                     claim("iss", nil),
		"another audience":              claim("aud", "billing"),
		"no audience":                   claim("aud", nil),
		"empty audience":                claim("aud", []string{}),
		"two audiences":                 claim("aud", []string{"rowhouse", "billing"}),
		"audience of another type":      claim("aud", 1),
		"not yet":                       claim("nbf", now+1),
		"no nbf":                        claim("nbf", nil),
		"nbf of another type":           claim("nbf", "soon"),
		"expired":                       claim("exp", now),
		"long expired":                  claim("exp", 0),
		"no exp":                        claim("exp", nil),
		"exp is null":                   raw(strings.Replace(payload.text(t), fmt.Sprintf(`"exp":%d`, now+900), `"exp":null`, 1)),
		"exp of another type":           claim("exp", "never"),
		"exp beyond numbers":            raw(strings.Replace(payload.text(t), fmt.Sprintf(`"exp":%d`, now+900), `"exp":1e999`, 1)),
		"exp at the end of time":        claim("exp", int64(1)<<62),
		"longer than any of ours":       claim("exp", now+901),
		"no iat":                        claim("iat", nil),
		"no sub":                        claim("sub", nil),
		"sub of another kind":           claim("sub", domain.ID{Prefix: "key", UUID: h.owner.UserID.UUID}.String()),
		"sub in capitals":               claim("sub", strings.ToUpper(h.owner.UserID.String())),
		"sub that is a UUID":            claim("sub", h.owner.UserID.UUID.String()),
		"sub with NUL":                  claim("sub", h.owner.UserID.String()+"\x00"),
		"sub that is zero":              claim("sub", "usr_00000000000000000000000000"),
		"no tid":                        claim("tid", nil),
		"tid is null":                   raw(strings.TrimSuffix(payload.without("tid").text(t), "}") + `,"tid":null}`),
		"tid is empty":                  claim("tid", ""),
		"tid of another kind":           claim("tid", h.owner.OrganizationID),
		"tid that is zero":              claim("tid", "ten_00000000000000000000000000"),
		"tenant that is not":            claim("tid", domain.TenantID{UUID: newID()}),
		"no oid":                        claim("oid", nil),
		"another organization":          claim("oid", domain.ID{Prefix: "org", UUID: newID()}),
		"no sid":                        claim("sid", nil),
		"no jti":                        claim("jti", nil),
		"user who is not":               claim("sub", domain.ID{Prefix: "usr", UUID: newID()}.String()),
		"tid twice":                     twice("tid", `"`+second.TenantID.String()+`"`),
		"exp twice":                     twice("exp", strconv.FormatInt(now+899, 10)),
		"tid in two cases":              twice("TID", `"`+second.TenantID.String()+`"`),
		"payload edited":                part[0] + "." + edited + "." + part[2],
		"payload null":                  raw("null"),
		"payload a list":                raw("[]"),
		"payload a string":              raw(`"x"`),
		"payload empty":                 raw(""),
		"payload not JSON":              raw("\xff\xfe"),
		"payload and more":              raw(payload.text(t) + "{}"),
		"payload deep":                  raw(strings.Repeat("[", 2000)),
		"signature of another token":    part[0] + "." + part[1] + "." + strings.Split(h.owner.AccessToken, ".")[2],
		"no signature":                  part[0] + "." + part[1] + ".",
		"two parts":                     part[0] + "." + part[1],
		"one part":                      part[0],
		"four parts":                    good + "." + part[2],
		"truncated":                     good[:len(good)-1],
		"one more":                      good + "A",
		"padded":                        good + "==",
		"line break at the end":         good + "\n",
		"line break inside":             part[0] + "." + part[1][:8] + "\r\n" + part[1][8:] + "." + part[2],
		"space around":                  " " + good + " ",
		"NUL at the end":                good + "\x00",
		"with its scheme":               "Bearer " + good,
		"empty":                         "",
		"dots":                          "..",
		"100,000 dots":                  strings.Repeat(".", 100_000),
		"1 MB":                          part[0] + "." + strings.Repeat("A", 1<<20) + "." + part[2],
		"longer than 4 kB, well signed": claim("note", strings.Repeat("x", 4096)),
		"not UTF-8":                     part[0] + ".\xff\xfe." + part[2],
	} {
		if token == good {
			t.Fatalf("%s: is no forgery", name)
		}
		p, err := h.Authenticate(t.Context(), token)
		if err != errUnauthenticated { //nolint:errorlint // exactly this one
			t.Errorf("%s: got %v, %v", name, p.Actor, err)
		}
		if _, err := h.read(token); (err == nil) != onlyTheDatabaseKnows[name] && len(token) <= maxBearer {
			t.Errorf("%s: the database was asked: %v", name, err == nil)
		}
	}
	// The last bits of a signature, which base 64 has no use for.
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
		if token := good[:len(good)-1] + string(c); token != good {
			if _, err := h.Authenticate(t.Context(), token); err == nil {
				t.Errorf("a token that ends in %c is good, too", c)
			}
		}
	}
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
