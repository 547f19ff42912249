package reactions_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/api/apitest"
	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/pipeline"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/reactions"
	"github.com/rowhouse/rowhouse/viewer"
)

const stages = `{"name":"Sales","stages":[{"key":"new","name":"New","kind":"open"},{"key":"quote","name":"Quote","kind":"open","probability":60},
	{"key":"offer","name":"Offer","kind":"open","probability":40},{"key":"won","name":"Won","kind":"won"},{"key":"lost","name":"Lost","kind":"lost"},{"key":"gone","name":"Gone","kind":"lost"}]}`

// deals returns the IDs of the deals of a list.
func deals(c apitest.Client, query string) (ids []string) {
	var page struct{ Data []struct{ ID string } }
	c.Get("/deals?limit=500&" + query).Want(http.StatusOK).Into(&page)
	for _, d := range page.Data {
		ids = append(ids, d.ID)
	}
	return ids
}

// open opens deals in a stage with one batch.
func open(c apitest.Client, pipeline, stage string, n int) {
	op := `{"op":"create","data":{"name":"A","pipeline_id":"` + pipeline + `","stage_key":"` + stage + `"}}`
	c.Post("/deals/batch", `{"operations":[`+strings.Repeat(op+",", n-1)+op+`]}`).Want(http.StatusOK)
}

// When a stage is archived, whoever did it finds its deals in the other one at
// once, whatever became of them, and as events.
func TestDealsFollowTheirStage(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	c, other := s.Home(), s.Tenant()
	pipeline, theirs := c.Post("/pipelines", stages).Want(http.StatusCreated).ID(), other.Post("/pipelines", stages).Want(http.StatusCreated).ID()
	open(c, pipeline, "quote", 510) // more than move at a time
	open(other, theirs, "quote", 1)
	second := c.Post("/pipelines", strings.Replace(stages, "Sales", "Other", 1)).Want(http.StatusCreated).ID()
	open(c, second, "quote", 1)
	in := func(stage string) apitest.Response {
		return c.Post("/deals", `{"name":"A","pipeline_id":"`+pipeline+`","stage_key":"`+stage+`"}`).Want(http.StatusCreated)
	}
	deleted, lost, kept := in("quote").ID(), in("new").ID(), in("quote").ID()
	c.Delete("/deals/" + deleted).Want(http.StatusOK)
	c.Post("/deals/"+lost+"/move_stage", `{"stage_key":"quote"}`).Want(http.StatusOK)
	c.Post("/deals/"+lost+"/move_stage", `{"stage_key":"gone","reason":"price"}`).Want(http.StatusOK)
	before := c.Get("/deals/" + kept).Want(http.StatusOK)

	c.Post("/pipelines/"+pipeline+"/archive_stage", `{"key":"quote","move_to":"offer"}`).Want(http.StatusOK)
	c.Post("/commands", `{"type":"pipeline.archive_stage","id":"`+pipeline+`","data":{"key":"offer","move_to":"new"}}`).Want(http.StatusOK)
	c.Post("/pipelines/batch", `{"operations":[{"op":"archive_stage","id":"`+pipeline+`","data":{"key":"gone","move_to":"lost"}}]}`).Want(http.StatusOK)

	mine := "pipeline_id=" + pipeline + "&deleted=include&stage_key="
	for stage, want := range map[string]int{"quote": 0, "offer": 0, "gone": 0, "new": 500, "lost": 1} { // 500 is a page
		if got := deals(c, mine+stage); len(got) != want {
			t.Errorf("%d deals in %s, want %d", len(got), stage, want)
		}
	}
	c.Get("/deals?stage_key=new&count=exact&limit=1").Want(http.StatusOK, `"count":511`)
	c.Get("/deals/"+kept).Want(http.StatusOK, `"stage_key":"new"`, fmt.Sprintf(`"stage_since":%q`, stageSince(before)))
	if c.With("If-None-Match", before.Header.Get("Etag")).Get("/deals/"+kept).Status != http.StatusOK {
		t.Error("a deal that moved has the old entity tag")
	}
	c.Get("/deals/"+kept+"/history").Want(http.StatusOK, "deal.stage_replaced", `"kind":"system"`)
	c.Post("/deals/"+deleted+"/restore", "").Want(http.StatusOK, `"stage_key":"new"`)
	c.Get("/deals/"+lost).Want(http.StatusOK, `"stage_key":"lost"`, `"status":"lost"`)
	c.Post("/deals/"+lost+"/reopen", "").Want(http.StatusOK, `"stage_key":"new"`)
	if got := deals(c, "pipeline_id="+second+"&stage_key=quote"); len(got) != 1 {
		t.Error("deals of another pipeline moved")
	}
	if got := deals(other, "stage_key=quote"); len(got) != 1 {
		t.Error("deals of another tenant moved")
	}
	c.Post("/commands", `{"type":"deal.replace_stage","id":"`+kept+`","data":{"pipeline_id":"`+pipeline+`","stage_key":"new"}}`).
		Want(http.StatusUnprocessableEntity)
}

func stageSince(r apitest.Response) string {
	var d struct {
		Since string `json:"stage_since"`
	}
	r.Into(&d)
	return d.Since
}

// If whoever archived a stage has died before its deals moved, they move when the
// event is delivered; it may be delivered again.
func TestDealsFollowLater(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	c := s.Home()
	pipelineID := c.Post("/pipelines", stages).Want(http.StatusCreated).ID()
	open(c, pipelineID, "quote", 3)
	run := commands.NewRunner(commands.Config{Store: s.Store, NewID: func() uuid.UUID { return uuid.Must(uuid.NewV7()) }, Cache: 1 << 20})
	id, err := domain.ParseID(pipelineID)
	if err != nil {
		t.Fatal(err)
	}
	ann := viewer.Server(c.Tenant, domain.Actor{}, "pipeline:update").As(domain.Origin{Time: time.Now()})
	if _, err := commands.Do(t.Context(), run, commands.Pipelines, ann, commands.Target{ID: id.UUID}, pipeline.ArchiveStage{Key: "quote", MoveTo: "offer"}); err != nil {
		t.Fatal(err)
	}
	if got := deals(c, "stage_key=quote"); len(got) != 3 {
		t.Fatalf("%d deals in the stage", len(got))
	}
	log, err := s.Store.Read(t.Context(), c.Tenant, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	in := reactions.Services{Models: s.Models, Commands: run, Now: time.Now}
	for range 2 {
		if err := reactions.StageMoves.React(t.Context(), in, eventstore.Batch{Tenant: c.Tenant, Events: log}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.Store.Read(t.Context(), c.Tenant, 0, 100)
	if err != nil || len(all) != len(log)+3 {
		t.Fatal(len(all)-len(log), "events, want 3", err)
	}
	if err := s.Models.Wait(t.Context(), c.Tenant, all[len(all)-1].Position); err != nil {
		t.Fatal(err)
	}
	if got := deals(c, "stage_key=offer"); len(got) != 3 {
		t.Errorf("%d deals have moved", len(got))
	}
}
