package wall

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rowhouse/rowhouse/keys"
)

// Config says where the database is.
type Config struct {
	URL  string // of the database; user and password in it are not used here
	Root keys.Root
	Now  func() time.Time

	// Conns, if set, is the most connections that each duty may have.
	Conns int32

	// Unseen leaves out to look, when the wall is opened, whether it stands. A duty then
	// has no connection before it has something to do. It is for tests of something
	// else, whose database was just made.
	Unseen bool
}

// ConnectTimeout is how long a server has to let us in, unless the URL says
// otherwise with connect_timeout: one that is not there at all may never answer.
const ConnectTimeout = 5 * time.Second

// Open opens the wall and checks that it stands: that the database knows our
// seals, and that no role can look over it.
func Open(ctx context.Context, cfg Config) (*Wall, error) {
	w := &Wall{
		pools:  make(map[Duty]*pgxpool.Pool, len(limits)),
		sealer: sealer{kid: KeyID(cfg.Root), key: Key(cfg.Root)},
		clock:  &clock{now: cfg.Now},
		health: newHealth(cfg.Now),
	}
	if err := w.open(ctx, cfg); err != nil {
		w.Close()
		return nil, fmt.Errorf("wall: %w", err)
	}
	return w, nil
}

// Prove checks, before anything is changed in a database, that the roles of its
// server are ours: that whoever made them had our root key. The user in the URL
// is the one to look with. A server without our roles has nothing to prove.
func Prove(ctx context.Context, cfg Config) error {
	c, err := poolConfig(cfg, Reader)
	if err != nil {
		return err
	}
	there, err := hasRole(ctx, cfg.URL, Reader)
	if err != nil {
		return Unreachable(err)
	}
	if !there {
		return nil
	}
	conn, err := pgx.ConnectConfig(ctx, c.ConnConfig)
	if err == nil {
		return conn.Close(ctx)
	}
	if isOfPooler(err) {
		return Unreachable(err)
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == invalidPassword {
		return fmt.Errorf("the role %s is there already and has another password than our root key leads to: another installation on this PostgreSQL server made it. "+
			"Nothing was changed. Use the root key of that installation, which both of them can share, or another PostgreSQL server", Reader.Role())
	}
	return nil // whatever it is, Open will say it better
}

// hasRole looks for the role of a duty, as the user in the URL.
func hasRole(ctx context.Context, url string, d Duty) (there bool, err error) {
	c, err := pgx.ParseConfig(url)
	if err != nil {
		return false, err
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = ConnectTimeout
	}
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return false, err
	}
	defer conn.Close(ctx) //nolint:errcheck // it was only read from
	err = conn.QueryRow(ctx, `select exists (select from pg_roles where rolname = $1)`, pgx.QueryExecModeExec, d.Role()).Scan(&there)
	return there, err
}

const invalidPassword = "28P01"

func (w *Wall) open(ctx context.Context, cfg Config) error {
	for _, d := range Duties() {
		c, err := poolConfig(cfg, d)
		if err != nil {
			return err
		}
		c.AfterConnect = w.greet(d)
		if w.pools[d], err = pgxpool.NewWithConfig(ctx, c); err != nil {
			return err
		}
		if cfg.Unseen {
			continue
		}
		if err := w.enter(ctx, d, c.ConnConfig); err != nil {
			return explain(err, d, cfg.Root)
		}
	}
	if cfg.Unseen {
		return nil
	}
	return w.Pipe(ctx, Scope{Duty: Reader}, askTenant)
}

// enter makes the first connection of a duty, and looks what it is like.
func (w *Wall) enter(ctx context.Context, d Duty, cfg *pgx.ConnConfig) error {
	conn, err := w.pools[d].Acquire(ctx)
	if err != nil {
		return err
	}
	conn.Release()
	if w.pooled.Load() {
		if err := proveSessions(ctx, cfg); err != nil {
			return err
		}
	}
	return inspect(ctx, w.pools[d], d)
}

func poolConfig(cfg Config, d Duty) (*pgxpool.Config, error) {
	c, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return nil, errBadURL // not err: it may quote a password
	}
	c.ConnConfig.User, c.ConnConfig.Password = d.Role(), d.password(cfg.Root)
	c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement // and never the simple protocol, which mixes values into statements
	if c.ConnConfig.ConnectTimeout == 0 {                               // connect_timeout in the URL
		c.ConnConfig.ConnectTimeout = ConnectTimeout
	}
	// No connection is made before it is needed: the pool would make its first one in
	// the background, beside the one that enter asks for.
	c.MaxConns, c.MinConns = limits[d].conns, 0
	if cfg.Conns > 0 {
		c.MaxConns = min(c.MaxConns, cfg.Conns)
	}
	c.ConnConfig.RuntimeParams["application_name"] = d.Role() // the others when it is there: see greet
	return c, nil
}

var errBadURL = errors.New("the database URL cannot be read; it looks like postgres://user:password@host:5432/database")

// inspect refuses a role that could look over the wall. [Lint] looks closer.
func inspect(ctx context.Context, pool *pgxpool.Pool, d Duty) error {
	var unbound, creator bool
	var member string
	err := pool.QueryRow(ctx, `select rolsuper or rolbypassrls, rolcreaterole,
			(select coalesce(string_agg(quote_ident(g.rolname), ', '), '')
			from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = r.oid)
		from pg_roles r where r.rolname = current_user`).Scan(&unbound, &creator, &member)
	switch {
	case err != nil:
		return err
	case unbound:
		return fmt.Errorf("the role %s is a superuser or has BYPASSRLS, so row-level security does not bind it; run: alter role %[1]s nosuperuser nobypassrls", d.Role())
	case creator:
		return fmt.Errorf("the role %s can make itself a member of others; run: alter role %[1]s nocreaterole", d.Role())
	case member != "":
		return fmt.Errorf("the role %s has the rights of %s too; run: revoke %[2]s from %[1]s", d.Role(), member)
	}
	return nil
}

// explain says what to do when a role cannot connect.
func explain(err error, d Duty, root keys.Root) error {
	if isOfPooler(err) || errors.Is(err, errOtherUser) || errors.Is(err, errLent) {
		return Unreachable(err)
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		if _, away := errors.AsType[*pgconn.ConnectError](err); away {
			return fmt.Errorf("the database cannot be reached: %w", err)
		}
		return err
	}
	switch e.Code {
	case invalidPassword:
		return fmt.Errorf("the role %s has another password than our root key leads to, or is not there: %w. "+
			"If the database was set up with another root key, use that one. If it was not set up, run rowhouse migrate. "+
			"Otherwise let an administrator run: alter role %[1]s password '%[3]s'", d.Role(), err, d.Verifier(root))
	case "28000": // invalid_authorization_specification
		return fmt.Errorf("the role %s is not let in: %w. If the database was not set up, run rowhouse migrate; otherwise look at pg_hba.conf", d.Role(), err)
	case "53300": // too_many_connections
		return fmt.Errorf("the database has no connection left for %s: raise its max_connections, or stop others: %w", d.Role(), err)
	}
	return fmt.Errorf("connect as %s: %w", d.Role(), err)
}
