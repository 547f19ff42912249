package api_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/api/apitest"
)

// TestOwnWrites reads what was written, without saying so, right after it was
// acknowledged. Neither shows what was before.
func TestOwnWrites(t *testing.T) {
	t.Parallel()
	apitest.OnEach(t, testOwnWrites)
}

func testOwnWrites(t *testing.T, s *apitest.Server) {
	key := s.Tenant().Key(access.Admin).Forgetful()
	for i := range 40 {
		name := fmt.Sprintf("Own%d", i)
		path := key.Post("/contacts", `{"last_name":"`+name+`"}`).Want(http.StatusCreated).Path()
		key.Get(path).Want(http.StatusOK, name)
		key.Patch(path, `{"first_name":"Of`+name+`"}`).Want(http.StatusOK)
		key.Get("/contacts?q=of"+name).Want(http.StatusOK, path[len(path)-26:])
		key.Post("/contacts/batch", `{"operations":[{"op":"create","data":{"last_name":"Batch`+name+`"}}]}`).Want(http.StatusOK)
		key.Post("/contacts/query", `{"q":"batch`+name+`"}`).Want(http.StatusOK, "Batch"+name)
		key.Delete(path).Want(http.StatusOK)
		key.Get(path).Want(http.StatusOK, "deleted_at")
	}
}
