package api

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
)

// anyCommand is a command of any kind of record, for queues and those who replay.
type anyCommand struct {
	Type string          `json:"type" maxLength:"100" doc:"The kind of record and the command." example:"deal.win"`
	ID   string          `json:"id,omitempty" maxLength:"100" doc:"The record; not for create, where it belongs into the data."`
	Data json.RawMessage `json:"data,omitempty" doc:"What the body would be at the command's own route."`
}

// door serves all commands in one place.
func (s *Server) door(resources []*resource) []*operation {
	return []*operation{
		post("/v1/tenants/{tenant_id}/commands", tenant, "Commands", "command.give", "Give any command",
			"The same as at the command's own route. `deal.create` makes a record.",
			params(ifMatchParam, ifNoneMatchWriteParam, preferParam, idempotencyParam),
			takes[anyCommand](s, `{"type":"task.complete","id":"`+domain.ID{Prefix: "task", UUID: exampleUUID}.String()+`","data":{"outcome":"Called back"}}`),
			givesSchema(http.StatusOK, "The record as it is then.", &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}, append(stored, headerCommandID, headerReplayed)...),
			givesSchema(http.StatusCreated, "The new record.", &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}, append(stored, headerCommandID, headerReplayed, "Location")...),
			refuses(domain.NotFound, domain.Conflict, gone, domain.Stale, domain.Invalid),
			serve(func(x *exchange) error { return throughDoor(x, resources) })),
	}
}

func throughDoor(x *exchange, resources []*resource) error {
	whole, err := x.body()
	if err != nil {
		return err
	}
	var in anyCommand
	if err := x.s.schemas.readAround(jsonBody(x.op.RequestBody), whole.tree, &in); err != nil {
		return err
	}
	m, err := x.match()
	if err != nil {
		return err
	}
	name, err := x.commandName(whole.tree)
	if err != nil {
		return err
	}
	kind, verb, _ := strings.Cut(in.Type, ".")
	for _, r := range resources {
		if r.view.Kind() != kind || r.verb(verb) == nil {
			continue
		}
		it := &item{batchOperation: batchOperation{Op: verb, ID: in.ID}, name: name, match: m}
		it.data.tree = whole.tree.(map[string]any)["data"]
		if err := misplaced(it.batchOperation); err != nil {
			return err
		}
		if verb == commands.Create && m.versions != nil {
			return errNoVersion
		}
		o := r.order(x, it)
		if o.beside {
			return o.err
		}
		if o.err != nil {
			return domain.At("/data", o.err)
		}
		return domain.At("/data", r.carryOut(x, o.op))
	}
	return domain.Check(false, "/type", "unknown_value", "must be the name of a command, such as deal.win")
}
