package access

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed" // for the block list
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/rowhouse/rowhouse/domain"
)

// Argon2 says what it costs to check a password, with Argon2id (RFC 9106).
type Argon2 struct {
	MemoryKiB uint32
	Time      uint32
	Threads   uint8
}

// DefaultArgon2 takes 0.1 to 0.25 s on a server of today, and 64 MiB.
var DefaultArgon2 = Argon2{MemoryKiB: 64 << 10, Time: 3, Threads: 1}

const (
	saltSize = 16
	hashSize = 32

	// maxPassword is the length in bytes of the longest password that is ever
	// accepted: 128 characters (see [NewUser]).
	maxPassword = 128 * utf8.UTFMax

	// queued is how many wait for each password that is being checked.
	queued = 8
)

// hasher makes and checks what is stored of passwords. It checks as many at a
// time as there are processors, and lets a few wait.
type hasher struct {
	cost    Argon2
	pepper  []byte
	random  io.Reader
	dummy   string // what the password of a user who does not exist is checked against
	blocked map[string]bool
	slots   chan struct{}
	queue   chan struct{}
}

//go:embed passwords.txt
var blockList string

func newHasher(cfg Config) (*hasher, error) {
	n := runtime.GOMAXPROCS(0)
	h := &hasher{
		cost:    cfg.Password,
		pepper:  cfg.Root.Derive("access/password", sha256.Size),
		random:  cfg.Random,
		blocked: make(map[string]bool),
		slots:   make(chan struct{}, n),
		queue:   make(chan struct{}, n*(1+queued)),
	}
	if h.cost == (Argon2{}) {
		h.cost = DefaultArgon2
	}
	if h.cost.Time < 1 || h.cost.Threads < 1 {
		return nil, errors.New("access: Argon2 needs a time and threads of at least 1")
	}
	for line := range strings.Lines(blockList) {
		h.blocked[strings.TrimSpace(line)] = true
	}
	raw := make([]byte, saltSize+hashSize)
	if _, err := io.ReadFull(h.random, raw); err != nil {
		return nil, fmt.Errorf("access: draw a salt: %w", err)
	}
	h.dummy = phc(h.cost, raw[:saltSize], raw[saltSize:])
	return h, nil
}

// check refuses passwords that are easy to guess although they are long enough.
func (h *hasher) check(password string, email domain.Email) error {
	lower := strings.ToLower(norm.NFKC.String(password))
	local, _, _ := strings.Cut(email.Normalized(), "@")
	return errors.Join(
		domain.Check(!h.blocked[lower], "", "too_common", "is known to everybody who guesses passwords"),
		domain.Check(password == "" || lower != email.Normalized() && lower != local, "", "same_as_email", "is the e-mail address"),
	)
}

// hash returns the PHC string of a password.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	salt := make([]byte, saltSize)
	if _, err := io.ReadFull(h.random, salt); err != nil {
		return "", fmt.Errorf("access: draw a salt: %w", err)
	}
	return phc(h.cost, salt, h.derive(h.cost, salt, password, hashSize)), nil
}

// verify reports whether a password is the one of a PHC string. With an empty
// string it does the same work, and it is not.
func (h *hasher) verify(ctx context.Context, password, stored string) (ok bool, err error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	if stored == "" {
		stored = h.dummy
	}
	cost, salt, want, err := parsePHC(stored)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(h.derive(cost, salt, password, len(want)), want) == 1 && stored != h.dummy, nil
}

// outdated reports whether a password was stored at another cost than now.
func (h *hasher) outdated(stored string) bool {
	cost, _, _, err := parsePHC(stored)
	return err == nil && cost != h.cost
}

// derive puts a password through Argon2id. It is keyed first, so whoever has the
// database but not the root key cannot even start to guess; and normalised, so
// that it does not matter on which keyboard it was typed.
func (h *hasher) derive(cost Argon2, salt []byte, password string, n int) []byte {
	if len(password) > maxPassword {
		password = "" // it was never accepted
	}
	mac := hmac.New(sha256.New, h.pepper)
	mac.Write(norm.NFKC.Bytes([]byte(password)))
	return argon2.IDKey(mac.Sum(nil), salt, cost.Time, cost.MemoryKiB, cost.Threads, uint32(n))
}

var errBusy = domain.Unavailable.Refusef("busy", "too many are signing in right now")

// enter waits for a turn to do expensive work, if not too many wait already.
func (h *hasher) enter(ctx context.Context) (leave func(), err error) {
	select {
	case h.queue <- struct{}{}:
	default:
		return nil, errBusy
	}
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots; <-h.queue }, nil
	case <-ctx.Done():
		<-h.queue
		return nil, ctx.Err()
	}
}

// phc writes a hash in the format of the Password Hashing Competition.
func phc(c Argon2, salt, hash []byte) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.MemoryKiB, c.Time, c.Threads, b64(salt), b64(hash))
}

var errNotPHC = errors.New("access: a stored password cannot be read") // and not what it is

func parsePHC(s string) (c Argon2, salt, hash []byte, err error) {
	p := strings.Split(s, "$")
	if len(p) != 6 || p[0] != "" || p[1] != "argon2id" || p[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, nil, nil, errNotPHC
	}
	_, err1 := fmt.Sscanf(p[3], "m=%d,t=%d,p=%d", &c.MemoryKiB, &c.Time, &c.Threads)
	salt, err2 := base64.RawStdEncoding.Strict().DecodeString(p[4])
	hash, err3 := base64.RawStdEncoding.Strict().DecodeString(p[5])
	if err1 != nil || err2 != nil || err3 != nil || c.Time < 1 || c.Threads < 1 || len(hash) < saltSize {
		return c, nil, nil, errNotPHC
	}
	return c, salt, hash, nil
}
