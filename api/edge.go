package api

import (
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/domain"
)

// edge is the outermost layer. It names each request, logs and counts it, and
// keeps a panic in one from ending the process.
type edge struct {
	s       *Server
	next    http.Handler
	seconds *prometheus.HistogramVec
}

func (s *Server) edge(next http.Handler) (http.Handler, error) {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "rowhouse_http_request_seconds",
		Help:    "How long requests took, by route and class of status.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"method", "route", "class"})
	return edge{s: s, next: next, seconds: seconds}, s.Metrics.Register(seconds)
}

func (e edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{ResponseWriter: w, s: e.s, r: r, id: requestID(r, e.s)}
	x.set(headerRequestID, x.id)
	x.set("X-Content-Type-Options", "nosniff")
	start := e.s.Now()
	defer func() { //nolint:contextcheck // the exchange has it
		p := recover()
		x.endTurn()
		broken := p != nil && x.begun
		if p != nil {
			x.panicked(p)
		}
		e.tell(x, e.s.Now().Sub(start))
		if broken {
			panic(http.ErrAbortHandler) // so that the client sees that the answer is not whole
		}
	}()
	x.r = x.paced(r)
	e.next.ServeHTTP(x, x.r)
}

// requestID takes over the name that a request came with, if it is harmless, and
// otherwise makes one.
func requestID(r *http.Request, s *Server) string {
	id := r.Header.Get(headerRequestID)
	if len(id) < 8 || len(id) > 64 {
		return s.NewID().String()
	}
	for _, c := range []byte(id) {
		if c != '-' && c != '_' && c != '.' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return s.NewID().String()
		}
	}
	return id
}

// panicked answers a request whose handling ended in a panic. What was said with
// it may hold what is in a record, so only errors of the runtime are told.
func (x *exchange) panicked(p any) {
	err, _ := p.(error)
	if errors.Is(err, http.ErrAbortHandler) {
		return
	}
	what := "panic"
	if err, ok := p.(runtime.Error); ok {
		what = err.Error()
	}
	x.s.Log.ErrorContext(x.ctx(), "request panicked", "request_id", x.id, "panic", what, "stack", string(debug.Stack()))
	if !x.begun {
		x.refuse(errPanicked)
	}
}

var errPanicked = errors.New("panic")

// tell logs and counts a request. Neither names a record or what was asked of
// it: only the route, and in the log the tenant.
func (e edge) tell(x *exchange, took time.Duration) {
	method, route := "other", "none"
	if x.op != nil {
		method, route = x.op.Method, x.op.Path
	}
	status := max(x.status, http.StatusOK)
	e.seconds.WithLabelValues(method, route, strconv.Itoa(status/100)+"xx").Observe(took.Seconds())
	attrs := make([]slog.Attr, 0, 8)
	attrs = append(
		attrs,
		slog.String("method", method), slog.String("route", route), slog.Int("status", status),
		slog.Duration("took", took), slog.Int64("bytes", x.bytes), slog.String("request_id", x.id),
	)
	if x.caller.Tenant() != (domain.TenantID{}) {
		attrs = append(attrs, slog.String("tenant", x.caller.Tenant().String()))
	}
	level := slog.LevelInfo
	if x.op != nil && x.op.quiet {
		level = slog.LevelDebug
	}
	e.s.Log.LogAttrs(x.ctx(), level, "request", attrs...)
}
