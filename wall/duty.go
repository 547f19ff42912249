package wall

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/rowhouse/rowhouse/keys"
)

// A Duty is one kind of work. Each has a database role of its own, which can do
// that work and nothing else, and connections of its own, so that one cannot
// starve another.
type Duty string

// The duties.
const (
	Reader     Duty = "reader"     // sees the events and read models of one tenant
	Writer     Duty = "writer"     // appends to the log, through one function
	Projector  Duty = "projector"  // makes the read models of one tenant
	Dispatcher Duty = "dispatcher" // sees positions of all tenants, and no content
	Access     Duty = "access"     // knows users, keys and memberships
	Worker     Duty = "worker"     // does the jobs of one tenant
	Queue      Duty = "queue"      // hands out turns to do jobs, and sees no row of any tenant
)

// Duties lists all of them.
func Duties() []Duty { return []Duty{Reader, Writer, Projector, Dispatcher, Access, Worker, Queue} }

// Role returns the name of the database role for a duty.
func (d Duty) Role() string { return "rowhouse_" + string(d) }

// password returns the password of the role. A server that trusts its socket
// never asks for it.
func (d Duty) password(root keys.Root) string {
	return hex.EncodeToString(root.Derive("wall/role/"+string(d), 24))
}

// Verifier returns what the database keeps of the role's password, which it can
// be checked against, and which it cannot be told from (SCRAM-SHA-256, RFC 5802
// and 7677). A role is created with it, so that the password itself reaches
// neither the server nor its log.
func (d Duty) Verifier(root keys.Root) string {
	const rounds = 4096
	salt := root.Derive("wall/salt/"+string(d), 16)
	salted, err := pbkdf2.Key(sha256.New, d.password(root), salt, rounds, sha256.Size)
	if err != nil {
		panic(err) // only for sizes that are not these
	}
	sum := func(text string) []byte {
		mac := hmac.New(sha256.New, salted)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	stored := sha256.Sum256(sum("Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", rounds, b64(salt), b64(stored[:]), b64(sum("Server Key")))
}

// limits says how many connections a duty has, and for how long the database
// bears with one of its statements.
var limits = map[Duty]struct {
	conns     int32
	statement time.Duration
}{
	Reader:     {16, 5 * time.Second},
	Writer:     {4, 10 * time.Second},
	Projector:  {6, 30 * time.Second},
	Dispatcher: {2, 10 * time.Second},
	Access:     {4, 5 * time.Second},
	Worker:     {4, 10 * time.Second},
	Queue:      {3, 10 * time.Second},
}
