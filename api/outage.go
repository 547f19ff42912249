package api

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/wall"
)

// isAway reports whether what keeps our data cannot be reached now.
func isAway(err error) bool {
	return errors.Is(err, eventstore.ErrUnavailable) || wall.IsAway(err)
}

// remindEvery is how often the log is told that the database is still away.
const remindEvery = time.Minute

// outage tells the log that the database is away: once, and not for each of the
// requests that cannot be served meanwhile. The zero value is ready to be used.
type outage struct {
	mu   sync.Mutex
	told time.Time
}

// due reports whether it is time to tell the log.
func (o *outage) due(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.told.IsZero() && now.Sub(o.told) < remindEvery {
		return false
	}
	o.told = now
	return true
}

// noteOutage tells the log why requests cannot be served, if that is the
// database.
func (s *Server) noteOutage(ctx context.Context, err error) {
	if wall.IsTooSlow(err) {
		s.Log.WarnContext(ctx, "the database took too long", "error", err)
	}
	if _, refused := errors.AsType[*domain.Error](err); !refused && isAway(err) && s.outage.due(s.Now()) {
		s.Log.WarnContext(ctx, "the database is away, requests are refused until it is back", "error", err)
	}
}
