package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, says string }{
		{"--version", "rowhouse " + Version + "\n"},
		{"version", "rowhouse " + Version + "\n"},
		{"serve --version", "rowhouse " + Version + "\n"},
		{"", "Usage: rowhouse <command>"},
		{"--help", "--version"},
		{"help serve", "Default: 127.0.0.1:8080."},
		{"import --help", "Default: http://127.0.0.1:8080."},
	} {
		var out bytes.Buffer
		if err := run(t.Context(), strings.Fields(c.args), &out, t.Output()); err != nil {
			t.Errorf("%s: %v", c.args, err)
		}
		if says := strings.Join(strings.Fields(out.String()), " "); !strings.Contains(says, strings.TrimSpace(c.says)) {
			t.Errorf("%s says\n%s", c.args, &out)
		}
	}
}
