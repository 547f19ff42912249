package api_test

import (
	"net/http"
	"testing"

	"github.com/rowhouse/rowhouse/api/apitest"
)

func TestTasks(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann, bob := s.Tenant(), s.Tenant()

	eve := ann.Post("/contacts", `{"first_name":"Eve"}`).Want(http.StatusCreated).ID()
	call := ann.Post("/tasks", `{"title":"Call","kind":"call","due_at":"2026-03-01T10:00:00Z","related":[{"type":"contact","id":"`+eve+`"}]}`).
		Want(http.StatusCreated, `"status":"open"`).Path()
	bob.Post("/tasks", `{"title":"Call","related":[{"type":"contact","id":"`+eve+`"}]}`).
		WantProblem(http.StatusUnprocessableEntity, "reference_not_found")
	ann.Post(call+"/start", "").Want(http.StatusOK, `"in_progress"`)
	ann.Post(call+"/complete", `{"outcome":"Called back"}`).Want(http.StatusOK, `"done"`, `"Called back"`)
	ann.Post(call+"/cancel", "").Want(http.StatusConflict)
	ann.Post(call+"/reopen", "").Want(http.StatusOK, `"open"`)
	ann.Post(call+"/reschedule", `{"due_at":"2026-03-02T10:00:00Z"}`).Want(http.StatusOK, "2026-03-02")
	ann.Patch(call, `{"priority":"urgent"}`).WantProblem(http.StatusUnprocessableEntity, "unknown_value", "/priority unknown_value")
	ann.Get("/tasks?sort=due_at&kind=call").Want(http.StatusOK, `"Call"`)
	bob.Get("/tasks").Want(http.StatusOK, `"data":[]`)
}
