package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/wall"
)

const (
	// look is how often a node looks who has something to do, and when the time of the
	// next one comes before that. It is also told at once of what is ordered on the same node.
	look = time.Second

	// again is after how long a turn is asked for once more that nobody has taken:
	// whoever was to take it may have died.
	again = 5 * time.Second

	// atOnce is how many turns a node takes at a time.
	atOnce = 4
)

// Schema is where the tables of River are.
const Schema = "river"

// Chore is something that one node at a time does every now and then, and that is
// of no tenant.
type Chore struct {
	Name  string // for good; no two have the same
	Every time.Duration
	Do    func(context.Context) error
}

// QueueConfig says what to hand out to whom.
type QueueConfig struct {
	Wall    *wall.Wall
	Workers *Workers
	Chores  []Chore
	Now     func() time.Time
	Log     *slog.Logger
}

// Queue has the jobs of all tenants done, on all nodes that run one.
type Queue struct {
	cfg    QueueConfig
	client *river.Client[pgx.Tx]
	wake   chan struct{}

	asked map[Turn]bool // for that were asked since period
	since time.Time
	lost  bool // the database is away, and the log knows
}

// NewQueue returns a queue that does nothing until [Queue.Run].
func NewQueue(cfg QueueConfig) (*Queue, error) {
	q := &Queue{cfg: cfg, wake: make(chan struct{}, 1), asked: make(map[Turn]bool)}
	workers := river.NewWorkers()
	river.AddWorker(workers, &turner{queue: q})
	river.AddWorker(workers, &chorer{queue: q})
	var periodic []*river.PeriodicJob
	for _, c := range cfg.Chores {
		args := func() (river.JobArgs, *river.InsertOpts) {
			return choreArgs{c.Name}, &river.InsertOpts{MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByArgs: true, ByPeriod: c.Every}}
		}
		periodic = append(periodic, river.NewPeriodicJob(river.PeriodicInterval(c.Every), args, &river.PeriodicJobOpts{RunOnStart: true}))
	}
	var err error
	q.client, err = river.NewClient(riverpgxv5.New(cfg.Wall.Turns()), &river.Config{
		Schema:  Schema,
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: atOnce}},
		Workers: workers, PeriodicJobs: periodic,

		// Listening would need connections of its own kind. Who asks for a turn takes it
		// at once if it can; the others look often.
		PollOnly: true, FetchCooldown: 10 * time.Millisecond, FetchPollInterval: look,

		// A turn ends by itself, and one that has died is asked for again by whoever
		// sees that: what River does about it is to clear up.
		JobTimeout: 5 * time.Minute, RescueStuckJobsAfter: 10 * time.Minute, MaxAttempts: 1,
		CompletedJobRetentionPeriod: time.Minute, DiscardedJobRetentionPeriod: time.Hour, CancelledJobRetentionPeriod: time.Hour,
		SoftStopTimeout: 10 * time.Second,

		// Nothing is done to the schema at run time.
		ReindexerSchedule: river.NeverSchedule(), ReindexerIndexNames: []string{},

		// What is wrong with the database others tell, and once.
		Logger: slog.New(quiet{cfg.Log.Handler()}),
	})
	return q, err
}

// Notify says that jobs were ordered. It never blocks, and nothing depends on it
// but that somebody looks at once.
func (q *Queue) Notify() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Run has jobs done until ctx is done, and those that are under way then to their
// end.
func (q *Queue) Run(ctx context.Context) error {
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	next := time.NewTimer(look)
	defer next.Stop()
	for err := q.client.Start(working); err != nil; err = q.client.Start(working) {
		q.tell(ctx, err)
		select {
		case <-next.C:
			next.Reset(look)
		case <-ctx.Done():
			return nil
		}
	}
	for ctx.Err() == nil {
		wait, err := q.ask(ctx)
		q.tell(ctx, err)
		next.Reset(wait)
		select {
		case <-next.C:
		case <-q.wake:
		case <-ctx.Done():
		}
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	return q.client.Stop(ending)
}

// tell tells the log that jobs wait because the database is away, once until that
// is over.
func (q *Queue) tell(ctx context.Context, err error) {
	switch {
	case err != nil && !q.lost && ctx.Err() == nil:
		q.cfg.Log.WarnContext(ctx, "jobs and timers wait, because it cannot be seen what is due; tried again every second", "error", err)
	case err == nil && q.lost:
		q.cfg.Log.InfoContext(ctx, "jobs and timers go on")
	case ctx.Err() != nil:
		return
	}
	q.lost = err != nil
}

// ask asks for a turn for every tenant that has something to do and has none. It
// returns after how long to do so again.
func (q *Queue) ask(ctx context.Context) (wait time.Duration, err error) {
	now := q.cfg.Now()
	if age := now.Sub(q.since); age >= again || age < 0 {
		clear(q.asked)
		q.since = now
	}
	for after := (due{}); ; {
		page, err := dueTurns(ctx, q.cfg.Wall, now, now.Add(look), after)
		if err != nil || len(page) == 0 {
			return look, err
		}
		wait = look
		var params []river.InsertManyParams
		for i, d := range page {
			if d.at.After(now) { // so are the others
				page, wait = page[:i], d.at.Sub(now)
				break
			}
			if !q.asked[d.turn] {
				params = append(params, river.InsertManyParams{Args: turnArgs{d.turn.Tenant.UUID, d.turn.Number}, InsertOpts: &river.InsertOpts{
					UniqueOpts: river.UniqueOpts{ByArgs: true, ByPeriod: again},
				}})
			}
		}
		if len(params) > 0 {
			if _, err := q.client.InsertMany(ctx, params); err != nil {
				return look, err
			}
		}
		for _, d := range page {
			q.asked[d.turn] = true
		}
		if len(page) < duePage {
			return wait, nil
		}
		after = page[len(page)-1]
	}
}

// duePage is how many turns are looked for at a time.
const duePage = 1000

// due is a turn to be taken since a time.
type due struct {
	turn Turn
	at   time.Time
}

// dueTurns returns some of the turns that can be taken until a time, as far as is known
// now, those after another one: who has waited for longest comes first.
func dueTurns(ctx context.Context, w *wall.Wall, now, until time.Time, after due) (list []due, err error) {
	err = w.Sealed(ctx, wall.Dispatcher, nil, func(tx wall.Tx, _ []string) error {
		rows, err := tx.Query(ctx, `select tenant_id, turn, next_at from jobs.head
			where next_at <= $6 and (next_at, tenant_id) > ($3, $4) and (turn_until is null or turn_until <= $1 or turn_until > $2)
			order by next_at, tenant_id limit $5`, now, now.Add(setBack), after.at, after.turn.Tenant.UUID, duePage, until)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (d due, err error) {
			err = row.Scan(&d.turn.Tenant.UUID, &d.turn.Number, &d.at)
			return d, err
		})
		return err
	})
	return list, err
}

// turnArgs asks for a turn.
type turnArgs struct {
	Tenant uuid.UUID `json:"tenant"`
	Number int64     `json:"turn"`
}

// Kind implements [river.JobArgs].
func (turnArgs) Kind() string { return "turn" }

// turner takes turns.
type turner struct {
	river.WorkerDefaults[turnArgs]

	queue *Queue
}

// Work implements [river.Worker].
func (t *turner) Work(ctx context.Context, j *river.Job[turnArgs]) error {
	more, err := t.queue.cfg.Workers.Take(ctx, Turn{domain.TenantID{UUID: j.Args.Tenant}, j.Args.Number})
	if more {
		t.queue.Notify()
	}
	if err != nil && !isAway(ctx, err) && !errors.Is(err, errLost) {
		t.queue.cfg.Log.WarnContext(ctx, "a turn to do jobs of a tenant has failed; they are done in another one", "tenant", domain.TenantID{UUID: j.Args.Tenant}.String(), "error", err)
	}
	return nil // it is asked for again, not tried again
}

// choreArgs asks for a chore.
type choreArgs struct {
	Name string `json:"name"`
}

// Kind implements [river.JobArgs].
func (choreArgs) Kind() string { return "chore" }

// chorer does chores.
type chorer struct {
	river.WorkerDefaults[choreArgs]

	queue *Queue
}

// Work implements [river.Worker].
func (c *chorer) Work(ctx context.Context, j *river.Job[choreArgs]) error {
	for _, chore := range c.queue.cfg.Chores {
		if chore.Name != j.Args.Name {
			continue
		}
		if err := chore.Do(ctx); err != nil && ctx.Err() == nil {
			c.queue.cfg.Log.WarnContext(ctx, "a chore has failed; it is tried again when its time has come again", "chore", chore.Name, "every", chore.Every, "error", err)
		}
	}
	return nil
}

// quiet is a log in which everything is for debugging.
type quiet struct{ slog.Handler }

// Enabled implements [slog.Handler].
func (q quiet) Enabled(ctx context.Context, _ slog.Level) bool {
	return q.Handler.Enabled(ctx, slog.LevelDebug)
}

// Handle implements [slog.Handler].
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	return q.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

// WithGroup implements [slog.Handler].
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
