package access

import (
	"crypto/sha256"
	"math"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/rowhouse/rowhouse/domain"
)

// rate allows a burst, and then one every so often.
type rate struct {
	burst int
	every time.Duration
}

// How often the password of an account may be guessed at: from one address, and
// from all addresses together from which nobody has known it yet.
var (
	fromOne = rate{5, 30 * time.Second}
	fromAll = rate{50, 6 * time.Second}
)

// maxGuessed is how many accounts, and addresses that guess at them, are
// remembered.
const maxGuessed = 65536

// limiter allows a few guesses of the password of an account from one address,
// and then one every 30 seconds. A right guess does not count. Because addresses
// are cheap, there is also a limit for all of them together; it does not bind
// those from which somebody has known the password, or else a stranger could shut
// its owner out.
//
// Each node counts by itself. What is beyond the last 65,536 accounts and
// addresses is forgotten; it takes longer to guess at so many accounts than for
// their buckets to fill up.
type limiter struct {
	now   func() time.Time
	mu    sync.Mutex
	one   buckets                                     // by account and address
	all   buckets                                     // by account
	known *simplelru.LRU[[sha256.Size]byte, struct{}] // by account and address
}

func newLimiter(now func() time.Time) (*limiter, error) {
	l := &limiter{now: now, one: buckets{rate: fromOne}, all: buckets{rate: fromAll}}
	var err error
	for _, b := range []*buckets{&l.one, &l.all} {
		if b.full, err = simplelru.NewLRU[[sha256.Size]byte, time.Time](maxGuessed, nil); err != nil {
			return nil, err
		}
	}
	l.known, err = simplelru.NewLRU[[sha256.Size]byte, struct{}](maxGuessed, nil)
	return l, err
}

// guess is a guess that was allowed.
type guess struct {
	limiter    *limiter
	one, all   [sha256.Size]byte
	fromAnyone bool // it counts for all addresses together
}

// take refuses, or allows one guess.
func (l *limiter) take(account string, from netip.Addr) (*guess, error) {
	g := &guess{limiter: l, one: sha256.Sum256([]byte(network(from) + " " + account)), all: sha256.Sum256([]byte(account))}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if wait := l.one.take(g.one, now); wait > 0 {
		return nil, tooMany(wait)
	}
	if l.known.Contains(g.one) {
		return g, nil
	}
	if wait := l.all.take(g.all, now); wait > 0 {
		l.one.giveBack(g.one, now)
		return nil, tooMany(wait)
	}
	g.fromAnyone = true
	return g, nil
}

func tooMany(wait time.Duration) error {
	return &domain.Error{
		Reason: domain.RateLimited, Code: "too_many_attempts", Detail: "too many wrong passwords; wait a little",
		Data: map[string]any{"retry_after": int(math.Ceil(wait.Seconds()))},
	}
}

// giveBack takes a guess back that was not looked at.
func (g *guess) giveBack() {
	g.limiter.mu.Lock()
	defer g.limiter.mu.Unlock()
	g.takeBack()
}

// right takes a guess back that was none, and remembers where it came from.
func (g *guess) right() {
	g.limiter.mu.Lock()
	defer g.limiter.mu.Unlock()
	g.takeBack()
	g.limiter.known.Add(g.one, struct{}{})
}

func (g *guess) takeBack() {
	now := g.limiter.now()
	g.limiter.one.giveBack(g.one, now)
	if g.fromAnyone {
		g.limiter.all.giveBack(g.all, now)
	}
}

// network returns what addresses of one hand have in common: whoever has one of
// version 6 has 2⁶⁴ of them.
func network(from netip.Addr) string {
	from = from.Unmap().WithZone("")
	if !from.Is6() {
		return from.String()
	}
	p, err := from.Prefix(64)
	if err != nil {
		return from.String()
	}
	return p.String()
}

// buckets are token buckets, kept as in GCRA: only when each will be full again.
type buckets struct {
	rate
	full *simplelru.LRU[[sha256.Size]byte, time.Time] // absent means now
}

// take takes one from a bucket, or says how long to wait until there is one.
func (b *buckets) take(key [sha256.Size]byte, now time.Time) (wait time.Duration) {
	full, ok := b.full.Get(key)
	if !ok || full.Before(now) {
		full = now
	}
	if wait := full.Sub(now) - time.Duration(b.burst-1)*b.every; wait > 0 {
		return wait
	}
	b.full.Add(key, full.Add(b.every))
	return 0
}

func (b *buckets) giveBack(key [sha256.Size]byte, now time.Time) {
	full, ok := b.full.Peek(key)
	if !ok {
		return
	}
	if full = full.Add(-b.every); full.After(now) {
		b.full.Add(key, full)
	} else {
		b.full.Remove(key)
	}
}
