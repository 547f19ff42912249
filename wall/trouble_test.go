package wall

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestTroubleOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want Trouble
	}{
		{&pgconn.PgError{Code: "53100"}, DiskFull},
		{fmt.Errorf("x: %w", &pgconn.PgError{Code: "53200"}), Exhausted},
		{&pgconn.PgError{Code: "53999"}, Exhausted},
		{&pgconn.PgError{Code: "08P01"}, Away},
		{&pgconn.PgError{Code: "58030"}, IOError},
		{&pgconn.PgError{Code: "25006"}, ReadOnly},
		{&pgconn.PgError{Code: "55000", Routine: "PreventCommandDuringRecovery"}, ReadOnly},
		{&pgconn.PgError{Code: "55000", Routine: "exec_stmt_raise"}, ""}, // es.close_log and others
		{&pgconn.PgError{Code: "54000", Routine: "GetNewTransactionId"}, ReadOnly},
		{&pgconn.PgError{Code: "54000", Routine: "_bt_check_third_page"}, ""}, // a value that is too large
		{&pgconn.PgError{Code: "XX000", File: "md.c"}, DiskFull},              // EDQUOT
		{&pgconn.PgError{Code: "XX000", File: "nbtinsert.c"}, ""},
		{&pgconn.PgError{Code: "42501", File: "fd.c"}, IOError}, // EROFS
		{&pgconn.PgError{Code: "42501", File: "aclchk.c"}, ""},
		{&pgconn.PgError{Code: "XX001"}, ""}, // what is damaged does not pass
		{&pgconn.PgError{Code: "23505"}, ""},
		{&pgconn.PgError{}, ""},
		{errors.New("x"), ""},
		{nil, ""},
	} {
		if got := TroubleOf(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
	for _, trouble := range Troubles() {
		if trouble.Detail() == "" {
			t.Errorf("%s is not explained", trouble)
		}
	}
}

// TestHealth tells the log of a trouble when it begins, once a minute, and when it
// is over, however often statements fail and succeed meanwhile.
func TestHealth(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	h := newHealth(func() time.Time { return now })
	h.log = slog.New(slog.NewTextHandler(&out, nil))
	lines := func(want int, word string) {
		t.Helper()
		text := out.String()
		if n := strings.Count(text, "\n"); n != want || want > 0 && !strings.Contains(text, word) {
			t.Errorf("%d lines, want %d with %q:\n%s", n, want, word, text)
		}
		out.Reset()
	}
	full, ctx := &pgconn.PgError{Code: "53100"}, context.Background()
	h.saw(ctx, Writer, nil)
	lines(0, "")
	for range 1000 {
		h.saw(ctx, Writer, full)
		h.saw(ctx, Reader, nil) // reads are served all the time
	}
	lines(1, "trouble=disk_full")
	if err := h.trouble(now); !errors.Is(err, full) {
		t.Errorf("trouble is %v", err)
	}
	for range 61 {
		now = now.Add(time.Second)
		h.saw(ctx, Projector, full)
		h.saw(ctx, Reader, nil)
	}
	lines(1, "failed=1060")
	now = now.Add(calm)
	if err := h.trouble(now); err != nil {
		t.Errorf("nothing has told of a trouble for long, and it is still %v", err)
	}
	h.saw(ctx, Writer, nil)
	lines(1, "does again what it is asked for")

	for range 100 { // it comes and goes
		h.saw(ctx, Writer, full)
		now = now.Add(calm)
		h.saw(ctx, Writer, nil)
	}
	if n := strings.Count(out.String(), "does not do what"); n > 20 {
		t.Errorf("%d lines in 200 s", n)
	}
	out.Reset()

	now = now.Add(time.Hour)
	h.saw(ctx, Writer, &pgconn.PgError{Code: "57P01"})
	lines(1, "trouble=away")
	h.saw(ctx, Reader, &pgconn.PgError{Code: "23505"}) // an answer
	lines(1, "does again what it is asked for")
	h.saw(ctx, Reader, context.DeadlineExceeded) // although it answered a moment ago
	h.saw(ctx, Reader, context.Canceled)
	h.saw(ctx, Reader, &pgconn.PgError{Code: "25006"}) // readers are kept from changing anything
	lines(0, "")
	now = now.Add(time.Minute)
	h.saw(ctx, Reader, context.DeadlineExceeded)
	lines(1, "trouble=away")
}
