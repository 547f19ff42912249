package wall

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// server is what can be wrong with a database server.
type server struct {
	Number      int    // of its version
	Version     string // as text
	Encoding    string
	Standby     bool
	Replication string // session_replication_role
	Fsync       string
	FullPages   string // full_page_writes
	Conns       int    // that are there for users who are no superusers
	LogsValues  bool   // the values of statements are logged
	Collation   string // its name, if its order has changed since the database was made
	Ctype       string
	At          time.Time
}

const askServer = `select current_setting('server_version_num')::int, current_setting('server_version'), current_setting('server_encoding'),
		pg_is_in_recovery(), current_setting('session_replication_role'), current_setting('fsync'), current_setting('full_page_writes'),
		least(current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
			- coalesce(current_setting('reserved_connections', true)::int, 0), nullif(datconnlimit, -1)),
		current_setting('log_statement') in ('mod', 'all') or current_setting('log_min_duration_statement') <> '-1' and current_setting('log_parameter_max_length', true) <> '0',
		'', datctype::text, clock_timestamp()
	from pg_database where datname = current_database()`

// mostSkew is how far the clocks of the database and a node may be apart until
// somebody is told.
const mostSkew = 5 * time.Second

// Check looks at a database server, as the user in the URL, before anything is
// changed: at what we rely on and no connection can set for itself. Findings that
// are not minor break a promise. [Lint] looks at the wall.
func Check(ctx context.Context, cfg Config) ([]Finding, error) {
	c, err := pgx.ParseConfig(cfg.URL)
	if err != nil {
		return nil, errBadURL // not err: it may quote a password
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = ConnectTimeout
	}
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, Unreachable(err)
	}
	defer conn.Close(ctx) //nolint:errcheck // it was only read from
	rows, err := conn.Query(ctx, askServer, pgx.QueryExecModeExec)
	if err != nil {
		return nil, fmt.Errorf("look at the database server: %w", err)
	}
	s, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[server])
	if err != nil {
		return nil, fmt.Errorf("look at the database server: %w", err)
	}
	if s.Number >= minVersion && s.Encoding == "UTF8" { // otherwise the following cannot be asked
		if err := s.askText(ctx, conn); err != nil {
			return nil, fmt.Errorf("look at the texts of the database: %w", err)
		}
	}
	findings := s.findings(cfg.Now())
	if !s.Standby {
		if err := proveSessions(ctx, c); err != nil {
			findings = append(findings, Finding{Rule: "pooler", Object: "connection", Detail: err.Error()})
		}
	}
	return findings, nil
}

// minVersion is the oldest version that has what we need.
const minVersion = 150000

// askText asks how the database treats letters, and whether their order is still
// the one that its indexes were made with.
func (s *server) askText(ctx context.Context, conn *pgx.Conn) error {
	var folds bool
	err := conn.QueryRow(ctx, `select lower(chr(196) || chr(201) || chr(1046) || chr(937) || 'I') = chr(228) || chr(233) || chr(1078) || chr(969) || 'i' and upper('i') = 'I',
			coalesce((select datcollate::text from pg_database where datname = current_database()
				and datcollversion <> pg_database_collation_actual_version(oid)), '')`, pgx.QueryExecModeExec).
		Scan(&folds, &s.Collation)
	if folds {
		s.Ctype = ""
	}
	return err
}

// findings says what is wrong, the gravest first.
func (s *server) findings(now time.Time) (all []Finding) {
	find := func(minor bool, object, format string, args ...any) {
		all = append(all, Finding{Rule: "server", Object: object, Detail: fmt.Sprintf(format, args...), Minor: minor})
	}
	if s.Number < minVersion {
		find(false, "server_version", "the database is PostgreSQL %s, and Rowhouse needs 15 or newer", s.Version)
		return all
	}
	if s.Encoding != "UTF8" {
		find(false, "server_encoding", "the database has the encoding %s, which cannot hold the text of all languages: make one with create database NAME encoding 'UTF8' template template0", s.Encoding)
		return all
	}
	if s.Standby {
		find(false, "pg_is_in_recovery", "the database is a standby, which takes no changes: give the address of the primary, or several hosts with target_session_attrs=read-write")
	}
	if s.Ctype != "" {
		find(false, "lc_ctype", "under the locale %s capital and small letters are not told as everywhere else, so searches would miss what they look for: make a database with create database NAME encoding 'UTF8' lc_ctype 'C.UTF-8' lc_collate 'C.UTF-8' template template0", s.Ctype)
	}
	if s.Replication != "origin" {
		find(false, "session_replication_role", "it is %s, so the triggers that keep events from being changed do not run: reset it for the database and its roles", s.Replication)
	}
	if s.Conns < leastConns {
		find(false, "max_connections", "%d connections are left for Rowhouse, which needs at least %d: raise max_connections, or the connection limit of the database", s.Conns, leastConns)
	} else if s.Conns < mostConns() {
		find(true, "max_connections", "%d connections are left for Rowhouse, and each node uses up to %d: raise max_connections, or the connection limit of the database", s.Conns, mostConns())
	}
	if s.Fsync != "on" {
		find(true, "fsync", "it is off: if the machine fails, what was acknowledged is lost, and the whole database may be. Set it to on")
	}
	if s.FullPages != "on" {
		find(true, "full_page_writes", "it is off: if the machine fails, the database may be damaged, unless its file system writes pages whole. Set it to on")
	}
	if s.Collation != "" {
		find(true, "datcollversion", "the order of the locale %s has changed since the database was made, so its indexes may be wrong: run reindex database, and then alter database ... refresh collation version", s.Collation)
	}
	if s.LogsValues {
		find(true, "log_statement", "the log of the database gets statements with their values, which are personal: set log_statement to none or ddl, log_min_duration_statement to -1 and log_parameter_max_length to 0")
	}
	if ahead := s.At.Sub(now.Round(0)); ahead.Abs() > mostSkew {
		find(true, "clock", "the clock of the database is %s %s of ours. Requests are served, but what is recorded has the time of the database: set both clocks, by NTP", ahead.Abs().Round(time.Second), map[bool]string{true: "ahead", false: "behind"}[ahead > 0])
	}
	return all
}

// leastConns is one for each duty and a few for those who look after it.
const leastConns = 10

// mostConns is how many connections a node uses at most, with those of the
// commands that look after it.
func mostConns() int {
	n := int32(2)
	for _, l := range limits {
		n += l.conns
	}
	return int(n)
}
