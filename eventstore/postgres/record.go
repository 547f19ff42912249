package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowhouse/rowhouse/eventstore"
)

// callTimeout bounds one call of the database. The database itself gives up
// sooner, so this is for one that cannot be reached any more.
const callTimeout = 15 * time.Second

// recorder takes batches to the database. It may be used concurrently.
type recorder struct {
	cfg     Config
	metrics *metrics
}

// record gives every entry its result.
func (r recorder) record(ctx context.Context, entries []*entry) {
	if len(entries) == 0 {
		return
	}
	slices.SortStableFunc(entries, byTenant)
	start := time.Now()
	r.divide(ctx, entries)
	r.metrics.observe(entries, time.Since(start))
	r.announce(entries)
}

func byTenant(a, b *entry) int { return bytes.Compare(a.tenant.UUID[:], b.tenant.UUID[:]) }

// divide records entries that are in the order of their tenants. If the
// database refuses them as a whole they are tried in two halves, so that one
// cannot spoil it for the others.
func (r recorder) divide(ctx context.Context, entries []*entry) {
	err := r.insist(ctx, entries)
	if err == nil {
		return
	}
	if len(entries) == 1 || errors.Is(err, eventstore.ErrUnavailable) {
		for _, e := range entries {
			e.result.Err = err
		}
		return
	}
	r.divide(ctx, entries[:len(entries)/2])
	r.divide(ctx, entries[len(entries)/2:])
}

// insist calls the database until it answers. What was recorded although the
// answer was lost is then answered as repeated.
func (r recorder) insist(ctx context.Context, entries []*entry) error {
	deadline := time.Now().Add(r.cfg.Patience)
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		err := r.call(ctx, entries)
		switch {
		case err == nil:
			return nil
		case !isAway(err):
			return fmt.Errorf("append to the log: %w", err)
		case time.Now().Add(wait).After(deadline):
			return fmt.Errorf("%w: %w", eventstore.ErrUnavailable, err)
		}
		r.metrics.resent.Inc()
		r.cfg.Log.WarnContext(ctx, "the database is away, commands are sent again", "commands", len(entries), "error", err)
		time.Sleep(wait)
	}
}

// isAway reports whether the database could not be reached, was stopped, or
// ended the connection, so that the same call may work soon.
func isAway(err error) bool {
	if e, answered := errors.AsType[*pgconn.PgError](err); answered {
		switch e.Code {
		case "57P01", "57P02", "57P03", // it stops, crashed, or starts
			"53300": // too many connections
			return true
		}
		return strings.HasPrefix(e.Code, "08") // connection exceptions
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true // also what took longer than callTimeout
	}
	return pgconn.SafeToRetry(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// announce tells how far the logs of the tenants go. The entries are in the
// order of their tenants, and those of a tenant in the order of their positions.
func (r recorder) announce(entries []*entry) {
	var head eventstore.Position
	for i, e := range entries {
		if e.result.Err == nil && e.events > 0 {
			head = max(head, e.result.Receipt.Last)
		}
		if head > 0 && (i == len(entries)-1 || entries[i+1].tenant != e.tenant) {
			r.cfg.Appended(e.tenant, head)
			head = 0
		}
	}
}

// call has the database judge and record the entries in one transaction.
func (r recorder) call(ctx context.Context, entries []*entry) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if len(entries) == 1 && entries[0].isSimple() {
		if done, err := r.appendOne(ctx, entries[0]); done || err != nil {
			return err
		}
	}
	return r.appendAll(ctx, entries)
}
