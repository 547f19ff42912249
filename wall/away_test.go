package wall_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowhouse/rowhouse/wall"
)

func TestIsAway(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		away bool
	}{
		{nil, false},
		{errors.New("x"), false},
		{context.Canceled, false},
		{&pgconn.PgError{Code: "42P01"}, false}, // undefined_table
		{&pgconn.PgError{Code: "57014"}, false}, // query_canceled
		{&pgconn.PgError{Code: "57P01"}, true},
		{fmt.Errorf("x: %w", &pgconn.PgError{Code: "57P03"}), true},
		{&pgconn.PgError{Code: "08006"}, true},
		{&pgconn.PgError{Code: "53300"}, true},
		{&pgconn.PgError{Code: "53100"}, true},
		{errors.Join(&pgconn.PgError{Code: "23505"}, io.EOF), false},
		{fmt.Errorf("x: %w", io.ErrUnexpectedEOF), true},
		{&net.OpError{Op: "write", Err: syscall.EPIPE}, true},
		{net.ErrClosed, true},
	} {
		if got := wall.IsAway(c.err); got != c.away {
			t.Errorf("%v: %t", c.err, got)
		}
	}
	if !wall.IsTooSlow(fmt.Errorf("x: %w", &pgconn.PgError{Code: "57014"})) || wall.IsTooSlow(&pgconn.PgError{Code: "42P01"}) || wall.IsTooSlow(nil) {
		t.Error("what is too slow is not told from what is wrong")
	}
}
