package wall

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// A connection pooler between us and PostgreSQL can work if it leaves each of our
// connections a session of its own. What needs one: settings, prepared
// statements, locks, and seals, which are good for one process of the server.
var (
	errLent      = errors.New("a connection pooler in front of the database gives each transaction another session")
	errOtherUser = errors.New("a connection pooler in front of the database, or a setting of the role, has every connection act as another user")
	errRefusedBy = errors.New("a connection pooler in front of the database does not let us in")
)

const advice = "have the pooler keep one session for each connection (PgBouncer: pool_mode = session) and each role rowhouse_* its own login (auth_file or auth_query), or give Rowhouse the address of PostgreSQL itself"

// isOfPooler reports whether an error was answered by a pooler: PostgreSQL names
// the place in its source that an error comes from.
func isOfPooler(err error) bool {
	e, ok := asPgError(err)
	return ok && e.File == "" && e.Routine == "" && e.Line == 0
}

// Unreachable says why the database cannot be reached, with the right one to
// blame.
func Unreachable(err error) error {
	if errors.Is(err, errOtherUser) || errors.Is(err, errLent) {
		return err // it has been said
	}
	if isOfPooler(err) {
		return fmt.Errorf("%w (%w): %s", errRefusedBy, plain(err), advice)
	}
	return fmt.Errorf("the database cannot be reached: %w", plain(err))
}

// proveSessions refuses a pooler that lends the session of a connection to
// others. It shows when somebody else is in a transaction: they were given the
// session, or we are given another one.
func proveSessions(ctx context.Context, cfg *pgx.ConnConfig) error {
	ours, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return Unreachable(err)
	}
	defer ours.Close(ctx) //nolint:errcheck // it was only read from
	first, err := look(ctx, ours)
	if err != nil {
		return fmt.Errorf("look at the connection: %w", err)
	}
	for range 3 { // sessions may be lent in turns
		other, err := pgx.ConnectConfig(ctx, cfg)
		if err != nil {
			return Unreachable(err)
		}
		defer other.Close(ctx) //nolint:errcheck // it was only read from
		if err := simply(ctx, other, `begin`); err != nil {
			return fmt.Errorf("%w (%w): %s", errLent, err, advice)
		}
		theirs, err1 := look(ctx, other)
		again, err2 := look(ctx, ours)
		if err := errors.Join(err1, err2); err != nil {
			return fmt.Errorf("look at the connection: %w", err)
		}
		if theirs.pid == first.pid || again.pid != first.pid {
			return fmt.Errorf("%w: %s", errLent, advice)
		}
	}
	return nil
}
