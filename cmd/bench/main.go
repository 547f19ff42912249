// Bench measures Rowhouse beside what it is made of: the same work done by raw
// SQL on the same PostgreSQL in the same run, in turns. It starts the real
// binary on a data directory of its own, talks to it over HTTP, and prints how
// fast it is next to the limits. The figures of one machine say little; the
// ratios say how much Rowhouse adds.
//
// Every part has a time in which it must end, and so has the whole: what takes
// longer ends the run with an error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	p := plan{size: whole}
	flag.StringVar(&p.binary, "rowhouse", "bin/rowhouse", "the binary to measure")
	flag.IntVar(&p.rounds, "rounds", 3, "counted rounds of each contest")
	flag.DurationVar(&p.turn, "turn", 2*time.Second, "how long each side has in a round")
	flag.StringVar(&p.only, "only", "", "run only the parts whose name contains this")
	flag.DurationVar(&p.part, "part", 5*time.Minute, "how long a part may take")
	flag.DurationVar(&p.whole, "whole", 20*time.Minute, "how long all of it may take")
	flag.Parse()
	err := p.run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// plan says what is measured, and how.
type plan struct {
	binary      string
	rounds      int
	turn        time.Duration
	only        string
	part, whole time.Duration // how long a part, and all of it, may take
	size        size
}

func (p plan) run(ctx context.Context, out io.Writer) (err error) {
	ctx, cancel := within(ctx, p.whole, "the whole")
	defer cancel()
	h, err := newHouse(ctx, p.binary, p.size)
	if err != nil {
		return why(ctx, err)
	}
	defer func() { err = errors.Join(err, h.close(ctx)) }()
	missed, ran := false, 0
	for _, part := range parts {
		if !strings.Contains(part.name, p.only) {
			continue
		}
		ran++
		s := &stage{out: out, rounds: p.rounds, turn: p.turn}
		s.title(part.name)
		if err := p.runPart(ctx, part, s, h); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		missed = missed || s.failed
	}
	if ran == 0 {
		return fmt.Errorf("no part has a name that contains %q", p.only)
	}
	if missed {
		_, err = fmt.Fprintln(out, "\nSome goals were missed. Runs differ by 10 percent on a noisy machine: look twice.")
	}
	return err
}

// runPart runs one part. If it fails, the error has the end of the server's log,
// because the server goes away with everything else.
func (p plan) runPart(ctx context.Context, part part, s *stage, h *house) error {
	ctx, cancel := within(ctx, p.part, "the part")
	defer cancel()
	if err := part.run(ctx, s, h); err != nil {
		return fmt.Errorf("%w\nthe server's last lines:\n%s", why(ctx, err), h.lastLines())
	}
	return nil
}

// within returns a context that ends after a while, and says then what took too
// long.
func within(ctx context.Context, d time.Duration, what string) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("%s has not ended after %s", what, d))
}

// why adds to an error why the context has ended, if it has.
func why(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	return err
}
