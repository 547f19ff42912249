package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// An op does one unit of work for one of the clients and says how many things
// that was: events, rows, requests.
type op func(ctx context.Context, client int) (int, error)

// A side is one way of doing something.
type side struct {
	name string
	op   op
}

// A contest does the same thing in several ways, in turns, so that whatever
// else the machine does hits all of them alike. The first side is ours; the
// others are what it is measured against.
type contest struct {
	name    string
	clients int
	sides   []side
	goals   map[string]float64 // the ratio to reach against a side, by its name
}

// outcome is what one side did, the median of all rounds.
type outcome struct {
	perSecond float64
	p50, p99  time.Duration
}

// stage runs contests.
type stage struct {
	out    io.Writer
	rounds int
	turn   time.Duration // how long a side has in one round
	failed bool
}

func (s *stage) printf(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format, args...) }

func (s *stage) title(text string) {
	s.printf("\n%s\n%-46s %8s %12s %10s %10s\n", text, "", "clients", "per second", "p50", "p99")
}

// run holds the contest and prints a row per side, and a ratio for each of the
// others.
func (s *stage) run(ctx context.Context, c contest) error {
	all := make([][]outcome, len(c.sides))
	for round := range s.rounds + 1 {
		for i := range c.sides {
			// Everybody goes first once in a while.
			i = (i + round) % len(c.sides)
			o, err := turn(ctx, s.turn, c.clients, c.sides[i].op)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", c.name, c.sides[i].name, err)
			}
			if round > 0 { // the first is for warming up
				all[i] = append(all[i], o)
			}
		}
	}
	first := median(all[0])
	for i, side := range c.sides {
		m := median(all[i])
		s.printf("%-46s %8d %12.0f %10s %10s", c.name+": "+side.name, c.clients, m.perSecond, round(m.p50), round(m.p99))
		if i > 0 {
			s.ratio(first.perSecond/m.perSecond, c.goals[side.name])
		}
		s.printf("\n")
	}
	return nil
}

func (s *stage) ratio(got, goal float64) {
	s.printf("   ours is %.2f of it", got)
	if goal > 0 {
		s.verdict(got, goal)
	}
}

// verdict says whether what should be at least the goal is.
func (s *stage) verdict(got, goal float64) { s.judge(got >= goal, fmt.Sprintf("goal %.4g", goal)) }

// bound says whether what should be at most the limit is.
func (s *stage) bound(got, limit float64) { s.judge(got <= limit, fmt.Sprintf("limit %.4g", limit)) }

func (s *stage) judge(ok bool, mark string) {
	word := "kept"
	if !ok {
		word, s.failed = "missed", true
	}
	s.printf(", %s %s", mark, word)
}

// turn lets the clients do ops for a while, each at least one.
func turn(ctx context.Context, d time.Duration, clients int, do op) (outcome, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		mu    sync.Mutex
		took  []time.Duration
		total int
		first error
		wg    sync.WaitGroup
	)
	start := time.Now()
	for client := range clients {
		wg.Go(func() {
			var mine []time.Duration
			var done int
			for (len(mine) == 0 || time.Since(start) < d) && ctx.Err() == nil {
				began := time.Now()
				n, err := do(ctx, client)
				if err != nil {
					mu.Lock()
					if first == nil {
						first = err
					}
					mu.Unlock()
					cancel()
					return
				}
				done += n
				mine = append(mine, time.Since(began))
			}
			mu.Lock()
			took, total = append(took, mine...), total+done
			mu.Unlock()
		})
	}
	wg.Wait()
	if first != nil {
		return outcome{}, first
	}
	if len(took) == 0 {
		return outcome{}, ctx.Err() // it ended before anybody began
	}
	slices.Sort(took)
	return outcome{
		perSecond: float64(total) / time.Since(start).Seconds(),
		p50:       took[len(took)/2],
		p99:       took[len(took)*99/100],
	}, nil
}

func median(all []outcome) outcome {
	slices.SortFunc(all, func(a, b outcome) int { return int(a.perSecond - b.perSecond) })
	return all[len(all)/2]
}

func round(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }
