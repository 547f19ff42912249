// Bench measures Rowhouse beside what it is made of: the same work done by raw
// SQL on the same PostgreSQL in the same run, in turns. It starts the real
// binary on a data directory of its own, talks to it over HTTP, and prints how
// fast it is next to the limits. The figures of one machine say little; the
// ratios say how much Rowhouse adds.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	binary := flag.String("rowhouse", "bin/rowhouse", "the binary to measure")
	rounds := flag.Int("rounds", 3, "counted rounds of each contest")
	turn := flag.Duration("turn", 2*time.Second, "how long each side has in a round")
	only := flag.String("only", "", "run only the parts whose name contains this")
	flag.Parse()

	h, err := newHouse(ctx, *binary)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close(ctx)) }()
	s := &stage{out: os.Stdout, rounds: *rounds, turn: *turn}
	for _, part := range parts {
		if !strings.Contains(part.name, *only) {
			continue
		}
		s.title(part.name)
		if err := part.run(ctx, s, h); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	if s.failed {
		fmt.Println("\nSome goals were missed. Runs differ by 10 percent on a noisy machine: look twice.")
	}
	return nil
}
