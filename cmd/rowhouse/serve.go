package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/api"
	"github.com/rowhouse/rowhouse/bus"
	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/jobs"
	"github.com/rowhouse/rowhouse/migrations"
	"github.com/rowhouse/rowhouse/projections"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/reactions"
	"github.com/rowhouse/rowhouse/wall"
)

const (
	// drainTimeout is how long requests under way have to be answered when the
	// server stops.
	drainTimeout = 25 * time.Second
)

type serveCmd struct {
	databaseFlags
	logFlags
	busFlags

	Listen  string        `default:"127.0.0.1:8080" env:"ROWHOUSE_LISTEN" placeholder:"HOST:PORT" help:"Where to listen."`
	BinDays int           `default:"30" env:"ROWHOUSE_BIN_DAYS" placeholder:"DAYS" help:"For how many days deleted records can be restored. Then they are removed for good; 0 means never."`
	Memory  byteSize      `default:"384MB" env:"ROWHOUSE_MEMORY" placeholder:"SIZE" help:"How much memory the server may take, without its PostgreSQL. The more it has, the less it spends on making room."`
	Batches int           `env:"ROWHOUSE_BATCHES" placeholder:"N" help:"How many large requests, such as batches of an import, are carried out at a time. Half as many as there are processors, if left out."`
	Cache   byteSize      `default:"64MB" env:"ROWHOUSE_CACHE" placeholder:"SIZE" help:"How much memory the records take that the node remembers, to read less: such as 64MB or 1GB, within --memory. Half of it is for what commands need, and half for what clients see."`
	Drain   time.Duration `default:"3s" env:"ROWHOUSE_DRAIN" placeholder:"TIME" help:"When the server is told to stop: how long it still takes requests, while /readyz says 503 and each answer is the last on its connection. Ends early when nobody is connected."`
}

// Run serves until ctx is done, and then answers what is under way.
func (c serveCmd) Run(ctx context.Context, e *env) error {
	if c.BinDays < 0 || c.BinDays > 36500 {
		return errors.New("--bin-days: give a number of days from 0 to 36500")
	}
	if c.Batches < 0 {
		return errors.New("--batches: give a number from 1 on")
	}
	if c.Memory < leastMemory {
		return fmt.Errorf("--memory: give at least %s", leastMemory)
	}
	l, err := listen(ctx, c.Listen) // first, because it is cheap and often wrong
	if err != nil {
		return err
	}
	f := newFront(e.log, l)
	defer f.server.Close() //nolint:errcheck // it was drained, or never served
	db, err := c.open(ctx, e.log)
	if err != nil {
		return err
	}
	boundMemory(c.Memory, os.Getenv)
	err = serve(ctx, e, db, c, f)
	return errors.Join(err, db.close(ctx))
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	if addr == "" { // would be every interface, and any port
		return nil, errors.New("say where to listen with --listen HOST:PORT, or leave it out")
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // its listeners know no filters: see turnAway
	l, err := lc.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use: stop what listens there, or give another address with --listen", addr)
	}
	return l, err
}

// server is everything that runs, put together.
type server struct {
	log      *slog.Logger
	wall     *wall.Wall
	logs     *eventLog
	store    eventstore.Store // the logs, with what they were just given at hand
	lookout  *eventstore.Lookout
	models   *projections.Models
	services reactions.Services
	react    *reactions.Router
	jobs     *jobs.Queue
	bus      *buses
	api      *api.Server
	node     identity
	handler  http.Handler
	closing  chan struct{} // closed when the server is about to stop
}

// build puts a server together on a database. Whatever has to be stopped is
// stopped by [server.close].
func build(ctx context.Context, e *env, db *database, c serveCmd) (_ *server, err error) {
	log := e.log
	s := &server{log: log, closing: make(chan struct{})}
	if err := db.check(ctx, log); err != nil {
		return nil, err
	}
	if s.wall, err = db.wall(ctx); err != nil {
		return nil, err
	}
	s.wall.Tell(log)
	metrics := prometheus.NewRegistry()
	defer func() {
		if err != nil {
			s.close(ctx)
		}
	}()
	metrics.MustRegister(db.metrics(s.wall)...)
	if s.logs, err = c.connect(ctx, s.wall, log, metrics); err != nil {
		return nil, err
	}
	s.store = &eventstore.Tail{Store: s.logs, Appended: s.appended}
	if err := s.derive(ctx, db, metrics, c); err != nil {
		return nil, err
	}
	if err := s.models.Verify(ctx); err != nil {
		return nil, err
	}
	s.bus, err = startBus(ctx, c.busFlags, bus.Config{
		Wall: s.wall, Store: s.store, Tracker: postgres.NewTracker(s.wall), Owner: s.node.name, Lookout: s.lookout, Prefixes: prefixes(), Log: log, Now: time.Now,
	}, metrics)
	if err != nil {
		return nil, err
	}
	directory, err := access.New(access.Config{
		Wall: s.wall, Root: db.root, Now: time.Now, Random: rand.Reader, NewID: newID,
		Engine: s.logs.engine, Kinds: projections.Kinds(projections.All), Password: e.passwords,
	})
	if err != nil {
		return nil, err
	}
	if err := offerSetup(ctx, log, directory, filepath.Join(db.dir, "setup-token")); err != nil {
		return nil, err
	}
	s.api = &api.Server{
		Access: directory, Commands: s.services.Commands, Models: s.models, Store: s.store, React: s.services.MoveDeals,
		Wall: s.wall, Log: log, Metrics: metrics, Now: now, NewID: newID,
		Version: Version, Ready: s.wall.Ready, Closing: s.closing, Bulk: c.Batches,
	}
	routes, err := s.api.Handler() //nolint:contextcheck // a handler gets its context with the request
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", routes)
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	s.handler = mux
	return s, nil
}

// derive builds what follows the log: the read models and the reactions.
func (s *server) derive(ctx context.Context, db *database, metrics *prometheus.Registry, c serveCmd) (err error) {
	builds, err := buildsOf(s.wall)
	if err != nil {
		return err
	}
	place, err := builds.Place(ctx)
	if err != nil {
		return err
	}
	tracker := postgres.NewTracker(s.wall).At(place).TakingOver(takesOver)
	if s.node, err = takeIdentity(db.dir); err != nil {
		return fmt.Errorf("keep the name of this node in the data directory: %w", err)
	}
	s.lookout = eventstore.NewLookout(eventstore.LookoutConfig{Tracker: tracker, Owner: s.node.name, Log: s.log, Now: time.Now})
	s.models = projections.New(projections.Config{
		Wall: s.wall, Store: s.store, Tracker: tracker, All: projections.All, Facts: projections.AllFacts, Kinds: commands.Kinds(),
		Follower: eventstore.FollowerConfig{Lookout: s.lookout},
		Owner:    s.node.name, Build: Version, Builds: builds, Signer: query.NewSigner([32]byte(db.root.Derive("cursor", 32))),
		Cache: max(1, int(c.Cache)/2), Log: s.log, Now: time.Now,
	})
	s.services = reactions.Services{
		Wall: s.wall, Store: s.store, Models: s.models, Commands: commands.NewRunner(commands.Config{
			Store: s.store, NewID: newID, Cache: int(c.Cache) / 2, Selector: s.models, Snapshots: s.models.Snapshots(), Build: Version,
		}), Now: now,
		BinDays: c.BinDays, Ordered: func() { s.jobs.Notify() },
	}
	s.react = reactions.NewRouter(s.services, eventstore.FollowerConfig{
		Store: s.store, Tracker: tracker, Owner: s.node.name, Lookout: s.lookout, Log: s.log, Now: time.Now, Away: wall.IsPassing,
	}, reactions.All, reactions.Processes)
	s.jobs, err = jobs.NewQueue(jobs.QueueConfig{
		Wall: s.wall, Workers: jobs.NewWorkers(s.wall, s.services.Handlers(reactions.Processes, reactions.Works), now), Now: now, Log: s.log,
		Chores: []jobs.Chore{{Name: "forget_commands", Every: time.Hour, Do: s.forget}},
	})
	if err != nil {
		return err
	}
	metrics.MustRegister(s.wall, s.models, s.react, s.jobs, caches{"states": s.services.Commands.CacheStats, "rows": s.models.CacheStats},
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsGC)), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return nil
}

// buildsOf returns what knows the builds that have worked on the database.
func buildsOf(w *wall.Wall) (*projections.Builds, error) {
	step, err := migrations.Last()
	if err != nil {
		return nil, fmt.Errorf("which steps of the schema there are: %w", err)
	}
	return projections.NewBuilds(w, projections.Build{Name: Version, Step: step, All: projections.EveryModel()}), nil
}

// takesOver reports whether a node takes over at once what another one holds of a group,
// because all that these readers do is committed together with how far they are. What
// is sent to brokers is not, and would be sent twice.
func takesOver(group string) bool {
	return group != projections.RebuildGroup && !strings.HasPrefix(group, bus.GroupOf(""))
}

// appended tells everybody on this node who follows the log how far that of a
// tenant goes.
func (s *server) appended(t domain.TenantID, head eventstore.Position) {
	s.models.Notify(t, head)
	s.react.Notify(t, head)
	s.bus.notify(t, head)
	s.api.Notify(t, head)
}

// now is the time as it is recorded: to the microsecond, as the database has it.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// follow keeps what is derived from the log up to date until ctx is done.
func (s *server) follow(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { s.lookout.Run(ctx) })
	wg.Go(func() { s.models.Run(ctx) })
	wg.Go(func() { s.react.Run(ctx) })
	wg.Go(func() {
		if err := s.jobs.Run(ctx); err != nil {
			s.log.WarnContext(ctx, "jobs under way could not be ended in time; they are done by another node, or at the next start", "error", err)
		}
	})
	wg.Go(func() { s.bus.run(ctx) })
	wg.Go(func() { s.logs.watch(ctx, s.wall, s.node.name) })
	wg.Wait()
}

// remembered is how long a command can be repeated under its Idempotency-Key.
const remembered = 30 * 24 * time.Hour

// forget lets go of what is remembered of old commands. One node does so for all.
func (s *server) forget(ctx context.Context) error {
	_, err := s.logs.here.Forget(ctx, remembered)
	return err
}

// close answers what the log was given, and lets go of the database, also if ctx
// has ended.
func (s *server) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if s.bus != nil {
		if err := s.bus.close(); err != nil {
			s.log.WarnContext(ctx, "connections to brokers could not be closed in order; what was not acknowledged is published again at the next start", "error", err)
		}
	}
	if s.logs != nil {
		if err := s.logs.close(ctx); err != nil {
			s.log.ErrorContext(ctx, "the log could not be closed in time; commands without an answer may have been recorded", "error", err)
		}
	}
	s.wall.Close()
	if err := s.node.close(); err != nil {
		s.log.ErrorContext(ctx, "the lock on the name of this node could not be given back; the next start takes another name", "error", err)
	}
}

// serve runs a server on a database until ctx is done.
func serve(ctx context.Context, e *env, db *database, c serveCmd, f *front) error {
	s, err := build(ctx, e, db, c)
	if err != nil {
		return err
	}
	defer s.close(ctx)

	following, stopFollowing := context.WithCancel(context.WithoutCancel(ctx))
	var followers sync.WaitGroup
	followers.Go(func() { s.follow(following) })
	defer followers.Wait()
	defer stopFollowing()

	f.lead(s.handler)
	e.log.InfoContext(ctx, "serving", "address", f.addr, "version", Version)

	select {
	case err := <-f.served:
		return err
	case <-db.gone():
		return fmt.Errorf("the private PostgreSQL has ended for good: %w", db.own.Err())
	case <-ctx.Done():
	}
	e.log.InfoContext(ctx, "stopping: requests are answered for a moment longer, each as the last on its connection; a second signal ends the server at once", "drain", c.Drain)
	close(s.closing)
	return f.drain(ctx, c.Drain)
}

// offerSetup writes down the token of the first use, until it was used.
func offerSetup(ctx context.Context, log *slog.Logger, d *access.Directory, file string) error {
	token, pending, err := d.EnsureSetup(ctx)
	if err != nil {
		return err
	}
	if !pending {
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		return err
	}
	// The one secret that is meant to be read in the log: it works once, on a
	// server that holds nothing yet.
	log.WarnContext(ctx, "this server is new: POST /v1/setup with this token makes its first user", "setup_token", token, "file", file)
	return nil
}
