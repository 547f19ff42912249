package csvimport

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// A million rows into a server that does nothing: what the importer itself
// takes.
func TestMillionRows(t *testing.T) {
	if os.Getenv("ROWHOUSE_SPEED") == "" {
		t.Skip("set ROWHOUSE_SPEED to measure")
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Event-Position", "1")
		switch r.URL.Path {
		case "/v1/me":
			answer(w, 200, map[string]string{"tenant_id": "ten_1"})
		case "/v1/tenants/ten_1/contacts/batch":
			data, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			n := bytes.Count(data, []byte(`"op"`))
			results := make([]map[string]int, n)
			for i := range results {
				results[i] = map[string]int{"index": i, "status": 201}
			}
			answer(w, 200, map[string]any{"results": results})
		default:
			answer(w, 200, map[string][]any{"data": {}})
		}
	}))
	defer server.Close()
	path := filepath.Join(t.TempDir(), "million.csv")
	if err := os.WriteFile(path, []byte(many(1_000_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	s, err := Run(t.Context(), Config{Server: server.URL, Key: "k", File: path, Options: Options{Object: "contacts"}, Out: t.Output()})
	if err != nil || s.Imported != 1_000_000 {
		t.Fatalf("%v %+v", err, s)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("%v, %.0f rows/s, %d MB of heap", s.Took, 1e6/s.Took.Seconds(), m.HeapInuse>>20)
}
