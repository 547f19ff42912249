package demo

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the files in examples")

// The examples are what Export writes.
func TestExamples(t *testing.T) {
	t.Parallel()
	for _, name := range Shapes() {
		rows := exampleSize.people
		switch {
		case strings.HasSuffix(name, "companies"), strings.HasSuffix(name, "accounts"):
			rows = exampleSize.companies
		case strings.HasSuffix(name, "deals"), strings.HasSuffix(name, "opportunities"):
			rows = exampleSize.deals
		}
		var b bytes.Buffer
		if err := Export(&b, name, rows); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("..", "..", "..", "..", "examples", name+".csv")
		if *update {
			if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, b.Bytes()) {
			t.Errorf("%s is not what is written now; go test -update writes it", path)
		}
		if bytes.Count(want, []byte("\n")) != rows+1 {
			t.Errorf("%s has not %d rows", path, rows)
		}
	}
	if err := Export(&bytes.Buffer{}, "excel", 1); err == nil {
		t.Error("no such shape")
	}
}
