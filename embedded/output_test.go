package embedded

import (
	"bytes"
	"log/slog"
	"strconv"
	"strings"
	"testing"
)

func TestOutput(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	o := newOutput(slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})))
	o.speak(true)
	for _, part := range []string{"LOG:  starting\nWARN", "ING:  it is late\n\nPANIC:  no", "pe\nchmod: oops\n"} {
		if n, err := o.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
	}
	const want = `level=WARN msg=postgres message="it is late"
level=ERROR msg=postgres message=nope
level=INFO msg=postgres message="chmod: oops"
`
	if b.String() != want {
		t.Errorf("logged\n%s", b.String())
	}
	o.speak(false)
	for i := range 20 {
		o.Write([]byte(strconv.Itoa(i) + "\n")) //nolint:errcheck // it never fails
	}
	if b.String() != want {
		t.Errorf("logged while it should be silent\n%s", b.String())
	}
	if got := strings.Fields(o.tail()); len(got) != keep || got[0] != "12" || got[keep-1] != "19" {
		t.Errorf("kept %v", got)
	}
}
