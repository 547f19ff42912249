package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/api"
)

func TestStarting(t *testing.T) {
	t.Parallel()
	h := api.Starting(uuid.New)
	for path, want := range map[string]int{"/livez": 200, "/readyz": 503, "/v1/auth/login": 503, "/": 503} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		refused := strings.Contains(w.Body.String(), `"code":"starting"`) && w.Header().Get("Retry-After") == "1"
		if w.Code != want || refused != (want == 503) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}
