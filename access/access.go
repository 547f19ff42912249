// Package access says who asks. It keeps the organizations, users, memberships
// and API keys of an installation, lets users in, makes keys, and turns what a
// request brings along into a [Principal]: somebody who acts in exactly one
// tenant, and who may do there what a role says.
//
// It knows nothing of HTTP, nor of the records that permissions are about, and
// it writes no log: whatever it refuses, it refuses without saying what it was
// given.
package access

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/singleflight"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/keys"
	"github.com/rowhouse/rowhouse/viewer"
	"github.com/rowhouse/rowhouse/wall"
)

// Config says what a [Directory] works with.
type Config struct {
	Wall   *wall.Wall
	Root   keys.Root
	Now    func() time.Time
	Random io.Reader              // for secrets; must be safe for concurrent use, as crypto/rand.Reader is
	NewID  func() uuid.UUID       // a new UUID, version 7
	Kinds  viewer.Kinds           // the kinds of record that there are to see
	Rights func(Role) viewer.Role // what each role allows; [Role.Rights] if nil
	Engine string                 // what keeps the logs of new tenants; "postgres" if empty

	Issuer    string        // the iss of access tokens; "rowhouse" if empty
	Audience  string        // the aud of access tokens; the issuer if empty
	TokenLife time.Duration // of access tokens; 15 minutes if 0, and never more
	Password  Argon2        // what it costs to check a password; [DefaultArgon2] if zero
}

// Directory knows who is who. It may be used concurrently, and several nodes
// may have one on the same database.
type Directory struct {
	wall   *wall.Wall
	now    func() time.Time
	random io.Reader
	newID  func() uuid.UUID
	engine string
	kinds  viewer.Kinds
	rights func(Role) viewer.Role

	tokens  *signer
	secrets *hasher  // of passwords
	guesses *limiter // of passwords
	pepper  []byte   // of API keys
	founder founder

	proofs    *lru.Cache[string, proof]
	standings *lru.Cache[subject, *standing]
	loads     singleflight.Group
}

// New returns the directory that is kept in the database.
func New(cfg Config) (*Directory, error) {
	if cfg.Issuer == "" {
		cfg.Issuer = "rowhouse"
	}
	if cfg.Audience == "" {
		cfg.Audience = cfg.Issuer
	}
	if cfg.TokenLife <= 0 || cfg.TokenLife > maxTokenLife {
		cfg.TokenLife = maxTokenLife
	}
	tokens, err := newSigner(cfg)
	if err != nil {
		return nil, err
	}
	secrets, err := newHasher(cfg)
	if err != nil {
		return nil, err
	}
	guesses, err := newLimiter(cfg.Now)
	if err != nil {
		return nil, err
	}
	if cfg.Rights == nil {
		all := rights()
		cfg.Rights = func(r Role) viewer.Role { return all[r] }
	}
	for _, r := range Roles() {
		if err := cfg.Rights(r).Check(cfg.Kinds); err != nil {
			return nil, fmt.Errorf("access: role %s: %w", r, err)
		}
	}
	proofs, err := lru.New[string, proof](maxCached)
	if err != nil {
		return nil, err
	}
	standings, err := lru.New[subject, *standing](maxCached)
	if err != nil {
		return nil, err
	}
	return &Directory{
		wall:      cfg.Wall,
		now:       cfg.Now,
		random:    cfg.Random,
		newID:     cfg.NewID,
		engine:    cmp.Or(cfg.Engine, "postgres"),
		kinds:     cfg.Kinds,
		rights:    cfg.Rights,
		tokens:    tokens,
		secrets:   secrets,
		guesses:   guesses,
		pepper:    cfg.Root.Derive("access/api_key", sha256.Size),
		founder:   founder{key: cfg.Root.Derive("access/setup", sha256.Size), turn: make(chan struct{}, 1)},
		proofs:    proofs,
		standings: standings,
	}, nil
}

// The prefixes of the IDs that are made here.
const (
	organizationPrefix = "org"
	userPrefix         = "usr"
	keyPrefix          = "key"
	sessionPrefix      = "ses"
)

// time returns the present as the database can keep it.
func (d *Directory) time() time.Time { return d.now().UTC().Truncate(time.Microsecond) }

// errUnauthenticated is the one answer to everybody whom we do not know,
// whatever the reason.
var errUnauthenticated = domain.Unauthenticated.Refusef("unauthenticated", "the credentials are missing, wrong or no longer valid")

// noRows reports whether a query found nothing.
func noRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }
