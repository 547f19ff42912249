package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/embedded"
	"github.com/rowhouse/rowhouse/keys"
	"github.com/rowhouse/rowhouse/migrations"
	"github.com/rowhouse/rowhouse/wall"
)

// stopTimeout is how long the private PostgreSQL has for an orderly end.
const stopTimeout = 20 * time.Second

// databaseFlags say where the data is.
type databaseFlags struct {
	Data        string `env:"ROWHOUSE_DATA" placeholder:"DIR" help:"Where data, the root key and the setup token are. Default: /var/lib/rowhouse for root, ~/.local/share/rowhouse otherwise."`
	DatabaseURL string `env:"ROWHOUSE_DATABASE_URL" placeholder:"URL" help:"Use this PostgreSQL (15 or newer) instead of a private one: postgres://user:password@host/database."`
	RootKeyFile string `env:"ROWHOUSE_ROOT_KEY_FILE" placeholder:"FILE" help:"The root key of the installation, the same on all nodes. Default: DIR/root.key, made at the first start."`
}

// database is a PostgreSQL that answers.
type database struct {
	dir  string
	url  string
	root keys.Root
	own  *embedded.Server // nil if it is not ours
}

// open starts the private PostgreSQL, or finds the one in the URL. Where there
// is no database yet, it makes one, and a root key.
func (f databaseFlags) open(ctx context.Context, log *slog.Logger) (*database, error) {
	db, err := f.locate(ctx)
	if err != nil || db.url != "" {
		return db, err
	}
	if db.own, err = embedded.Start(ctx, embedded.Config{Dir: db.dir, Log: log}); err != nil {
		return nil, err
	}
	db.url = db.own.URL()
	return db, nil
}

// join is open for commands that look after a database, perhaps beside a server:
// there must be one, and if the private PostgreSQL runs already, it is used and
// left running.
func (f databaseFlags) join(ctx context.Context, log *slog.Logger) (*database, error) {
	dir, err := f.dir()
	if err != nil {
		return nil, err
	}
	switch there, err := f.exists(ctx, dir); {
	case err != nil:
		return nil, err
	case !there && f.DatabaseURL == "":
		return nil, fmt.Errorf("there is no database in %s: say where it is with --data, or make one with rowhouse serve", dir)
	case !there:
		return nil, errors.New("the database in the URL was not set up for Rowhouse: look at the URL, or set it up with rowhouse migrate")
	}
	db, err := f.open(ctx, log)
	if !errors.Is(err, embedded.ErrInUse) {
		return db, err
	}
	if db, err = f.locate(ctx); err != nil {
		return nil, err
	}
	db.url = embedded.URL(db.dir)
	return db, nil
}

// exists reports whether there is a database that was set up before.
func (f databaseFlags) exists(ctx context.Context, dir string) (there bool, err error) {
	if f.DatabaseURL == "" {
		return embedded.Exists(dir), nil
	}
	conn, err := dial(ctx, f.DatabaseURL)
	if err != nil {
		return false, err
	}
	defer conn.Close(ctx) //nolint:errcheck // it was only read from
	err = conn.QueryRow(ctx, `select to_regclass('sec.key') is not null`, pgx.QueryExecModeExec).Scan(&there)
	return there, err
}

// dial connects to a database, or gives up after a while.
func dial(ctx context.Context, url string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the database URL cannot be read; it looks like postgres://user:password@host:5432/database") // not err: it may quote a password
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = wall.ConnectTimeout
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, wall.Unreachable(err)
	}
	return conn, nil
}

// locate says where the database is, and reads or makes the root key.
func (f databaseFlags) locate(ctx context.Context) (*database, error) {
	dir, err := f.dir()
	if err != nil {
		return nil, err
	}
	file := f.RootKeyFile
	if file == "" {
		file = filepath.Join(dir, "root.key")
	}
	root, err := f.rootKey(ctx, dir, file)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w: %s belongs to another account; run as that one, or choose another directory with --data", err, filepath.Dir(file))
	}
	if err != nil {
		return nil, err
	}
	return &database{dir: dir, url: f.DatabaseURL, root: root}, nil
}

// rootKey reads the root key. It makes one only where nothing can depend on
// another one.
func (f databaseFlags) rootKey(ctx context.Context, dir, file string) (keys.Root, error) {
	root, err := keys.Load(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return root, err
	}
	switch there, err := f.exists(ctx, dir); {
	case err != nil:
		return keys.Root{}, err
	case there:
		return keys.Root{}, fmt.Errorf("the root key %s is missing, and the database was set up with it: restore it from a backup, or name it with --root-key-file. "+
			"Another one will not do: no password and no API key can be checked without this one, although what is recorded is not lost", file)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the account that PostgreSQL runs as has to enter it
		return keys.Root{}, fmt.Errorf("the data directory cannot be made: %w; give another one with --data", err)
	}
	return keys.LoadOrCreate(file)
}

func (f databaseFlags) dir() (string, error) {
	if f.Data != "" {
		return filepath.Abs(f.Data)
	}
	if os.Geteuid() == 0 {
		return "/var/lib/rowhouse", nil // below /root the server's account could not enter
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "rowhouse"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", errors.New("there is no home directory for the data; say where it is with --data")
	}
	return filepath.Join(home, ".local", "share", "rowhouse"), nil
}

func (db *database) config() wall.Config {
	return wall.Config{URL: db.url, Root: db.root, Now: time.Now}
}

// check refuses a server on which we could not keep what we promise, before
// anything is changed, and warns of what could be better.
func (db *database) check(ctx context.Context, log *slog.Logger) error {
	findings, err := wall.Check(ctx, db.config())
	if err != nil {
		return err
	}
	var refused []error
	for _, f := range findings {
		if f.Minor {
			log.WarnContext(ctx, "the database should be set up in another way", "setting", f.Object, "reason", f.Detail)
			continue
		}
		refused = append(refused, fmt.Errorf("the database will not do: %s: %s", f.Object, f.Detail))
	}
	return errors.Join(refused...)
}

// metrics returns what is measured of the database itself.
func (db *database) metrics(w *wall.Wall) []prometheus.Collector {
	all := []prometheus.Collector{prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rowhouse_database_clock_ahead_seconds", Help: "How far the clock of the database is before that of this node.",
	}, func() float64 { return w.ClockAhead().Seconds() })}
	if db.own != nil {
		all = append(all, prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "rowhouse_private_postgres_restarts_total", Help: "How often the private PostgreSQL was started again after it had ended by itself.",
		}, func() float64 { return float64(db.own.Restarts()) }))
	}
	return all
}

// wall brings the schema up to date and opens the wall.
func (db *database) wall(ctx context.Context) (*wall.Wall, error) {
	cfg := db.config()
	if err := wall.Prove(ctx, cfg); err != nil {
		return nil, err
	}
	if err := migrations.Up(ctx, db.url, db.root); err != nil {
		return nil, err
	}
	return wall.Open(ctx, cfg)
}

// gone is closed when the private PostgreSQL has ended and cannot be started
// again. For any other it never is: connections to it come and go.
func (db *database) gone() <-chan struct{} {
	if db.own == nil {
		return nil
	}
	return db.own.Done()
}

// close stops the private PostgreSQL, also if ctx has ended.
func (db *database) close(ctx context.Context) error {
	if db.own == nil {
		return nil
	}
	ended := db.own.Err() // which somebody has been told of
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := db.own.Stop(ctx); ended == nil {
		return err
	}
	return nil
}

type migrateCmd struct {
	databaseFlags
}

// Run brings the database to the current schema.
func (c migrateCmd) Run(ctx context.Context, e *env) error {
	find := c.join
	if c.DatabaseURL != "" {
		find = c.open // a database that is there may have to be set up; a private one is made by serve
	}
	db, err := find(ctx, e.log)
	if err != nil {
		return err
	}
	var w *wall.Wall
	if err = db.check(ctx, e.log); err == nil {
		w, err = db.wall(ctx)
	}
	if err == nil {
		w.Close()
		e.printf("the database has the current schema\n")
	}
	return errors.Join(err, db.close(ctx))
}

type doctorCmd struct {
	databaseFlags
}

// Run reports what is wrong with the wall, and with the database server. It fails
// if anything is that is not minor.
func (c doctorCmd) Run(ctx context.Context, e *env) error {
	db, err := c.join(ctx, e.log)
	if err != nil {
		return err
	}
	return errors.Join(c.examine(ctx, e, db), db.close(ctx))
}

func (doctorCmd) examine(ctx context.Context, e *env, db *database) error {
	conn, err := dial(ctx, db.url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // it was only read from
	findings, err := wall.Lint(ctx, conn)
	if err != nil {
		return err
	}
	server, err := wall.Check(ctx, db.config())
	if err != nil {
		return err
	}
	grave := 0
	for _, f := range append(findings, server...) {
		e.printf("%s\n", f)
		if !f.Minor {
			grave++
		}
	}
	switch {
	case len(findings) > 0:
		return fmt.Errorf("%d findings: the wall between tenants does not stand everywhere", grave)
	case grave > 0:
		return fmt.Errorf("%d findings: the database server will not do", grave)
	}
	e.printf("the wall stands\n")
	return nil
}
