package api

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/viewer"
)

// asked is a log that counts who asks it for holders of claims. Nobody holds any.
type asked struct {
	eventstore.Store
	times, claims int
}

func (s *asked) Holders(_ context.Context, _ domain.TenantID, claims ...eventstore.Claim) ([]eventstore.StreamID, error) {
	s.times, s.claims = s.times+1, s.claims+len(claims)
	return make([]eventstore.StreamID, len(claims)), nil
}

// TestUpsertsAskOnce counts how often a batch asks for the records that its
// upserts are about.
func TestUpsertsAskOnce(t *testing.T) { //nolint:paralleltest // see newCosts
	c := newCosts(t)
	var ops []string
	for i := range maxBatch {
		var emails []string
		for k := range 20 {
			emails = append(emails, fmt.Sprintf(`{"address":"a%d@b%d.example"}`, k, i))
		}
		ops = append(ops, `{"op":"upsert","match_on":["emails"],"data":{"emails":[`+strings.Join(emails, ",")+`]}}`)
	}
	body := `{"operations":[` + strings.Join(ops, ",") + `]}`
	for _, op := range c.ops {
		if op.OperationID != "contacts.batch" {
			continue
		}
		log := &asked{}
		c.s.Store = log
		_ = serveWithoutStore(op, c.exchange(op, body))
		if log.times != 1 || log.claims != 20*maxBatch {
			t.Errorf("asked %d times, for %d claims", log.times, log.claims)
		}
		return
	}
	t.Error("there is no contacts.batch")
}

// exchange returns a request that somebody makes who may ask for everything.
func (c costs) exchange(op *operation, body string) *exchange {
	r := httptest.NewRequest(op.Method, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", mediaJSON)
	x := &exchange{ResponseWriter: httptest.NewRecorder(), s: c.s, op: op, id: "id"}
	x.caller = access.Principal{Viewer: viewer.Server(domain.TenantID{UUID: uuid.New()}, domain.Actor{}, "contact:create", "contact:update")}
	x.origin = x.viewer().As(domain.Origin{})
	r.Body = http.MaxBytesReader(x.ResponseWriter, r.Body, op.maxBody())
	x.r = r
	return x
}

// TestUpsertsExpect walks through all kinds that can be upserted: each member that
// counts only when a record is made must have a command that changes it, and the
// update must be one that can be told what to expect.
func TestUpsertsExpect(t *testing.T) {
	t.Parallel()
	c := newCosts(t)
	resources, err := c.s.resources()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, r := range resources {
		if len(r.kind.Matches()) == 0 {
			continue
		}
		update := r.verb(commands.Update)
		if _, ok := reflect.TypeAssert[expecter](reflect.Zero(update.Type)); !ok {
			t.Errorf("%s: an update cannot be told what to expect", r.view.Kind())
		}
		for name := range r.s.schemas.resolve(r.verb(commands.Create).schema).Properties {
			if update.schema.Properties[name] == nil {
				found[r.view.Kind()+"."+name] = r.changes(name)
			}
		}
	}
	want := map[string]string{
		"deal.pipeline_id": "change_pipeline", "deal.stage_key": "move_stage",
		"list.object": "", "list.kind": "", "list.filter": "set_filter",
	}
	if !reflect.DeepEqual(found, want) {
		t.Errorf("got %v, want %v", found, want)
	}
}
