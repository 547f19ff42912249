package access

import (
	"crypto/sha256"
	"math"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/rowhouse/rowhouse/domain"
)

const (
	guessBurst = 5
	guessEvery = 30 * time.Second
	maxGuessed = 65536
)

// limiter allows a few guesses of the password of an account, and then one every
// 30 seconds (a token bucket, kept as in GCRA: only when it will be full again).
// A right guess does not count. Nobody is locked out for longer than that.
//
// Each node counts by itself. Accounts beyond the last 65,536 that somebody
// guessed at are forgotten; it takes longer to guess at so many than for a bucket
// to fill up.
type limiter struct {
	now  func() time.Time
	mu   sync.Mutex
	full *simplelru.LRU[[sha256.Size]byte, time.Time] // by a hash of the account; absent means now
}

func newLimiter(now func() time.Time) (*limiter, error) {
	full, err := simplelru.NewLRU[[sha256.Size]byte, time.Time](maxGuessed, nil)
	return &limiter{now: now, full: full}, err
}

// take refuses, or allows one guess. The guess is given back by the function
// returned, if it turns out not to have been one.
func (l *limiter) take(account string) (giveBack func(), err error) {
	key := sha256.Sum256([]byte(account))
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	full, ok := l.full.Get(key)
	if !ok || full.Before(now) {
		full = now
	}
	if wait := full.Sub(now) - (guessBurst-1)*guessEvery; wait > 0 {
		return nil, &domain.Error{
			Kind: domain.RateLimited, Code: "too_many_attempts", Detail: "too many wrong passwords; wait a little",
			Data: map[string]any{"retry_after": int(math.Ceil(wait.Seconds()))},
		}
	}
	l.full.Add(key, full.Add(guessEvery))
	return func() { l.giveBack(key) }, nil
}

func (l *limiter) giveBack(key [sha256.Size]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	full, ok := l.full.Peek(key)
	if !ok {
		return
	}
	if full = full.Add(-guessEvery); full.After(l.now()) {
		l.full.Add(key, full)
	} else {
		l.full.Remove(key)
	}
}
