package reactions_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/api/apitest"
	"github.com/rowhouse/rowhouse/jobs"
	"github.com/rowhouse/rowhouse/wall"
)

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// until waits until something is so.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for patience := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(patience) {
			t.Fatal("not so in time: ", what)
		}
	}
}

// While the database is away, jobs wait; the log has a line when that begins and one
// when it is over, and then all are done.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	s, link := apitest.Fragile(t, apitest.Engine(), io.Discard)
	c := s.Home()
	now := func() time.Time { return time.Now().UTC() }
	var mu sync.Mutex
	done := map[string]int{}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(done)
	}
	by := jobs.Handlers{Work: map[string]jobs.Work{"note": func(_ context.Context, j jobs.Job) ([]jobs.Order, error) {
		mu.Lock()
		defer mu.Unlock()
		done[j.Subject]++
		return nil, nil
	}}}
	var log lines
	q, err := jobs.NewQueue(jobs.QueueConfig{Wall: s.Wall, Workers: jobs.NewWorkers(s.Wall, by, now), Now: now, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := q.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	put := func(subjects ...string) {
		t.Helper()
		var orders []jobs.Order
		for _, subject := range subjects {
			orders = append(orders, jobs.Order{Job: jobs.Job{ID: uuid.New(), Process: "test", Kind: "note", Name: "note", Subject: subject, DueAt: now().Add(time.Second)}})
		}
		err := s.Wall.InTenant(t.Context(), wall.Scope{Tenant: c.Tenant, Duty: wall.Projector}, func(tx wall.Tx) error {
			return jobs.Put(t.Context(), tx, c.Tenant, now(), orders)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	put("a")
	until(t, "the first job is done", func() bool { return count() == 1 })
	put("b", "c", "d")
	link.Cut()
	until(t, "the log is told", func() bool { return strings.Contains(log.String(), "jobs and timers wait") })
	if n := count(); n != 1 {
		t.Errorf("%d jobs were done without a database", n)
	}
	link.Mend()
	until(t, "all jobs are done", func() bool { return count() == 4 })
	until(t, "the log is told that it is over", func() bool { return strings.Contains(log.String(), "jobs and timers go on") })
	stop()
	running.Wait()
	if n := strings.Count(log.String(), "\n"); n != 2 {
		t.Errorf("%d lines:\n%s", n, &log)
	}
}
