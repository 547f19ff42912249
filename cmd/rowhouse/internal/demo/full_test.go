package demo

import (
	"os"
	"testing"

	"github.com/rowhouse/rowhouse/api/apitest"
)

// The demo as it is, not a small one.
func TestWholeDemo(t *testing.T) {
	if os.Getenv("ROWHOUSE_SPEED") == "" {
		t.Skip("set ROWHOUSE_SPEED to measure")
	}
	server := apitest.Unused(t)
	cfg := Config{Server: server.URL, Options: Options{Token: server.Token}, Out: t.Output()}
	s, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if s.Took.Seconds() > 60 {
		t.Errorf("took %v", s.Took)
	}
	if s, err = Run(t.Context(), cfg); err != nil || s.Made != 0 {
		t.Errorf("%v %+v", err, s)
	}
}
