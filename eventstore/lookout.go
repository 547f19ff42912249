package eventstore

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// LookoutConfig says for which node to look out. The zero value of what is optional
// means the default.
type LookoutConfig struct {
	Tracker Tracker
	Owner   string // names this node

	// Poll is how often to ask what has changed, within a tenth of it (default 1 s). So
	// much later a follower knows of what other nodes append. While there is news from
	// them, it is asked up to 16 times as often.
	Poll time.Duration

	TTL   time.Duration // of leases, renewed three times as often (default 9 s)
	Audit time.Duration // how often to compare all logs and checkpoints (default 5 min)

	Log *slog.Logger
	Now func() time.Time
}

// Lookout does for all followers of a node together what each would have to ask the
// database for: it keeps their leases, in one statement, and finds out, in one
// statement, for which tenants which of them have something to do. What it asks while
// nothing happens does not grow with the number of followers or of tenants.
//
// Nothing depends on anybody being told of anything. What is appended through another
// node, or by other means, or while this node was not there, is found within
// [LookoutConfig.Poll]; and what was changed in a way that nothing counts, within
// [LookoutConfig.Audit].
type Lookout struct {
	cfg     LookoutConfig
	joined  chan struct{} // somebody has joined
	leasing sync.Mutex    // held while leases are renewed, and before mu

	mu      sync.Mutex
	members map[string]*queue // by group
	held    Held
	fresh   Held // of what is held: what was not compared as a whole yet

	// Used by Run only:
	mark    Mark
	leased  time.Time
	audited time.Time
	rest    time.Duration
	lost    bool // the database is away, and the log knows
}

// NewLookout returns a lookout that does nothing until [Lookout.Run].
func NewLookout(cfg LookoutConfig) *Lookout {
	cfg.Poll = cmp.Or(cfg.Poll, time.Second)
	cfg.TTL = cmp.Or(cfg.TTL, 9*time.Second)
	cfg.Audit = cmp.Or(cfg.Audit, 5*time.Minute)
	return &Lookout{cfg: cfg, joined: make(chan struct{}, 1), members: make(map[string]*queue), held: make(Held), fresh: make(Held)}
}

// join lets a group take part, from the next look on.
func (l *Lookout) join(group string, q *queue) {
	l.mu.Lock()
	l.members[group] = q
	l.mu.Unlock()
	select {
	case l.joined <- struct{}{}:
	default:
	}
}

// leave ends that, and gives back what is held for the group. ctx may be done.
func (l *Lookout) leave(ctx context.Context, group string) {
	l.leasing.Lock() // so that what is given back is not taken again
	defer l.leasing.Unlock()
	l.mu.Lock()
	delete(l.members, group)
	delete(l.held, group)
	delete(l.fresh, group)
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := l.cfg.Tracker.Release(ctx, group, l.cfg.Owner); err != nil {
		l.cfg.Log.WarnContext(ctx, "leases could not be given back, so other nodes take over only when they have run out",
			"group", group, "ttl", l.cfg.TTL, "error", err)
	}
}

// Run looks until ctx is done. No two nodes look at the same moment for long.
func (l *Lookout) Run(ctx context.Context) {
	l.mark, l.leased, l.audited = Mark{}, time.Time{}, l.cfg.Now()
	joined := true
	for ctx.Err() == nil {
		if joined || l.cfg.Now().Sub(l.leased) >= l.cfg.TTL/3 {
			l.lease(ctx)
		}
		began := l.cfg.Now()
		news := l.look(ctx)
		l.rest = min(l.rest*5/4, l.cfg.Poll)
		if news || l.rest == 0 {
			l.rest = l.cfg.Poll / 16
		}
		// A look is never more than a small part of what a node does.
		l.rest = min(max(l.rest, 20*l.cfg.Now().Sub(began)), l.cfg.Poll)
		joined = l.wait(ctx, l.rest*9/10+rand.N(l.rest/5+1)) //nolint:gosec // jitter
	}
}

// wait waits, and reports whether it ended early because somebody has joined.
func (l *Lookout) wait(ctx context.Context, d time.Duration) (joined bool) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-l.joined:
		return true
	}
	return false
}

// lease renews the leases. If that fails for long, others hold them already, so
// there is no point in going on.
func (l *Lookout) lease(ctx context.Context) {
	l.leasing.Lock()
	defer l.leasing.Unlock()
	l.mu.Lock()
	groups := slices.Sorted(maps.Keys(l.members))
	l.mu.Unlock()
	if len(groups) == 0 {
		return
	}
	now := l.cfg.Now() // before asking: the lease began no earlier
	held, err := l.cfg.Tracker.Lease(ctx, l.cfg.Owner, l.cfg.TTL, groups...)
	switch {
	case err == nil:
		l.leased = now
		l.hold(groups, held)
		l.find(ctx)
	case ctx.Err() == nil:
		l.lose(ctx, err)
		if now.Sub(l.leased) >= l.cfg.TTL*2/3 {
			l.hold(groups, nil)
		}
	}
}

// hold takes note of what is held for some groups, and what of that is new.
func (l *Lookout) hold(groups []string, held Held) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range groups {
		now, before, fresh := held[g], l.held[g], l.fresh[g]
		l.held[g] = now
		l.fresh[g] = nil
		for _, s := range now {
			if !slices.Contains(before, s) || slices.Contains(fresh, s) {
				l.fresh[g] = append(l.fresh[g], s)
			}
		}
		l.members[g].hold(now)
	}
}

// look finds out what there is to do, and reports whether that is news: something
// that nobody has told the followers of this node.
func (l *Lookout) look(ctx context.Context) (news bool) {
	if now := l.cfg.Now(); now.Sub(l.audited) >= l.cfg.Audit {
		l.audited = now
		l.mu.Lock()
		l.fresh = maps.Clone(l.held)
		l.mu.Unlock()
	}
	first := l.mark == (Mark{})
	if fresh := l.copyOf(&l.fresh); len(fresh) > 0 && !first {
		if _, _, all, ok := l.ask(ctx, fresh, Mark{}); !ok {
			return false
		} else if all {
			l.compared(fresh)
		}
	}
	held := l.copyOf(&l.held)
	if len(held) == 0 {
		return false
	}
	mark, news, all, ok := l.ask(ctx, held, l.mark)
	if !ok || !all { // otherwise the same is to be seen again
		return news
	}
	if l.mark = mark; first {
		l.compared(held)
	}
	return news
}

// ask asks where the followers are behind, and tells them. It reports whether there
// was news, whether all that was seen was taken note of, and whether it was seen.
func (l *Lookout) ask(ctx context.Context, held Held, since Mark) (mark Mark, news, all, ok bool) {
	lags, mark, err := l.cfg.Tracker.Behind(ctx, held, since)
	if err != nil {
		if ctx.Err() == nil {
			l.lose(ctx, err)
		}
		return Mark{}, false, false, false
	}
	l.find(ctx)
	by := make(map[string][]Lag)
	for _, lag := range lags {
		by[lag.Group] = append(by[lag.Group], lag)
	}
	all = true
	l.mu.Lock()
	defer l.mu.Unlock()
	for group, lags := range by {
		if q, ok := l.members[group]; ok {
			some, every := q.behind(lags)
			news, all = news || some, all && every
		}
	}
	return mark, news, all, true
}

// compared takes note that all of what is held was compared.
func (l *Lookout) compared(done Held) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for g := range done {
		delete(l.fresh, g)
	}
}

// copyOf returns a copy of what is held, without groups for which that is nothing.
func (l *Lookout) copyOf(held *Held) Held {
	l.mu.Lock()
	defer l.mu.Unlock()
	some := make(Held, len(*held))
	for g, shards := range *held {
		if len(shards) > 0 {
			some[g] = shards
		}
	}
	return some
}

// lose tells the log that leases cannot be renewed, or that it cannot be seen who
// is behind: once until that works again.
func (l *Lookout) lose(ctx context.Context, err error) {
	if !l.lost {
		l.cfg.Log.WarnContext(ctx, "readers of the log cannot use the database now, and try again every second", "error", err)
	}
	l.lost = true
}

// find tells the log that it works again.
func (l *Lookout) find(ctx context.Context) {
	if l.lost {
		l.cfg.Log.InfoContext(ctx, "readers of the log use the database again")
	}
	l.lost = false
}
