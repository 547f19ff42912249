package wall

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// calm is how long nothing must have told of a trouble until it is over. Only
	// of one that is Away any answer says so at once.
	calm = 2 * time.Second

	// remindEvery is how often the log is told of a trouble that lasts.
	remindEvery = time.Minute

	// tellEvery is how often at most the log is told that a trouble has begun, if
	// it comes and goes.
	tellEvery = 10 * time.Second
)

// health is what the answers of the database tell about it. The log has a line
// when trouble begins, one a minute while it lasts and one when it is over, and
// not one for each statement that fails meanwhile.
type health struct {
	log *slog.Logger
	now func() time.Time

	answered atomic.Int64 // when it last answered, in Unix nanoseconds
	troubled atomic.Bool  // whether there is a trouble, to be quick if not

	mu     sync.Mutex
	is     Trouble
	err    error     // the last that told of it
	began  time.Time // when it was first seen
	last   time.Time // and last
	failed int       // how often since then
	told   map[Trouble]time.Time
	spoken bool // whether the log was told that it began
	counts map[Trouble]uint64
}

func newHealth(now func() time.Time) *health {
	return &health{
		log: slog.New(slog.DiscardHandler), now: now,
		told: make(map[Trouble]time.Time), counts: make(map[Trouble]uint64),
	}
}

// saw takes note of how something ended that was asked of the database.
func (h *health) saw(ctx context.Context, d Duty, err error) {
	t := TroubleOf(err)
	now := h.now()
	switch {
	case t == "" && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)):
		return // says nothing
	case t == "", t == ReadOnly && d == Reader: // readers change nothing, and are kept from it
		h.answered.Store(now.UnixNano())
		if h.troubled.Load() {
			h.works(ctx, now)
		}
	case t == Away && isLate(err) && now.Sub(time.Unix(0, h.answered.Load())) < calm:
		// It answers others, so this was only late.
	default:
		h.fails(ctx, t, err, now)
	}
}

// isLate reports whether an error says only that something took too long.
func isLate(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

func (h *health) fails(ctx context.Context, t Trouble, err error, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[t]++
	if h.is != t {
		h.is, h.began, h.failed, h.spoken = t, now, 0, false
		h.troubled.Store(true)
	}
	h.err, h.last = err, now
	h.failed++
	wait := tellEvery
	if h.spoken {
		wait = remindEvery
	}
	if at, told := h.told[t]; told && now.Sub(at) < wait {
		return
	}
	h.told[t], h.spoken = now, true
	h.log.WarnContext(ctx, "the database does not do what it is asked for; requests that need it get 503 until it does",
		"trouble", string(t), "that_is", t.Detail(), "failed", h.failed, "since", h.began.UTC().Format(time.RFC3339), "error", err)
}

// works takes note of an answer.
func (h *health) works(ctx context.Context, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.is == "" || h.is != Away && now.Sub(h.last) < calm {
		return
	}
	if h.spoken {
		h.log.InfoContext(ctx, "the database does again what it is asked for",
			"trouble", string(h.is), "failed", h.failed, "lasted", now.Sub(h.began).Round(time.Millisecond))
	}
	h.is, h.err, h.failed, h.spoken = "", nil, 0, false
	h.troubled.Store(false)
}

// trouble returns the last error that told of a trouble that lasts although the
// database answers.
func (h *health) trouble(now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.is == "" || h.is == Away || now.Sub(h.last) >= calm {
		return nil
	}
	return h.err
}

// Tell has a log told when the database is in trouble, and when that is over. It
// must be called before the wall is used by others.
func (w *Wall) Tell(log *slog.Logger) { w.health.log = log }

var (
	troubleDesc = prometheus.NewDesc("rowhouse_database_trouble", "1 while the database is in this trouble, as seen by this node.", []string{"trouble"}, nil)
	failedDesc  = prometheus.NewDesc("rowhouse_database_failures_total", "What the database did not do because of this trouble.", []string{"trouble"}, nil)
)

// Describe implements [prometheus.Collector].
func (*Wall) Describe(ch chan<- *prometheus.Desc) {
	ch <- troubleDesc
	ch <- failedDesc
}

// Collect implements [prometheus.Collector].
func (w *Wall) Collect(ch chan<- prometheus.Metric) {
	h := w.health
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	for _, t := range Troubles() {
		on := 0.0
		if h.is == t && (t == Away || now.Sub(h.last) < calm) {
			on = 1
		}
		ch <- prometheus.MustNewConstMetric(troubleDesc, prometheus.GaugeValue, on, string(t))
		ch <- prometheus.MustNewConstMetric(failedDesc, prometheus.CounterValue, float64(h.counts[t]), string(t))
	}
}
