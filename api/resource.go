package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/projections"
)

// A resource is one kind of record, as it is served: what it looks like, and
// what can be done to it.
type resource struct {
	s     *Server
	about string // for people
	view  projections.Projection
	row   *huma.Schema // of a record
	verbs []*verb
}

// A verb is a command, as clients give it.
type verb struct {
	name    string // "create", "update", "delete" and "restore" are the same for all kinds
	summary string
	example string
	takes   domain.Permission
	schema  *huma.Schema // of its data

	// prepare reads the data of the command. The tree is what it was parsed into.
	prepare func(to commands.Target, tree any, data []byte) (commands.Operation, error)
}

// The commands that have a route of their own, because HTTP has a word for them.
const (
	toCreate = "create"
	toUpdate = "update"
	toDelete = "delete"
)

// line is one line of the description of a resource: a command.
type line[S any] func(*Server, *commands.Policy[S]) *verb

// command serves a command. The example is of its data.
func command[C domain.Command[S], S any](name, summary, example string) line[S] {
	return func(s *Server, p *commands.Policy[S]) *verb {
		schema := s.schemas.of(reflect.TypeFor[C]())
		var none C
		takes, _ := p.Permission(none)
		return &verb{
			name: name, summary: summary, example: example, schema: schema, takes: takes,
			prepare: func(to commands.Target, tree any, data []byte) (commands.Operation, error) {
				var cmd C
				if err := s.schemas.read(schema, tree, data, &cmd); err != nil {
					return nil, err
				}
				return p.Prepare(to, cmd), nil
			},
		}
	}
}

func create[C domain.Command[S], S any](example string) line[S] {
	return command[C](toCreate, "Make one", example)
}

func update[C domain.Command[S], S any](example string) line[S] {
	return command[C](toUpdate, "Change some of its fields", example)
}

func deletes[C domain.Command[S], S any]() line[S] {
	return command[C](toDelete, "Delete it", "")
}

// records describes a resource: a line for each of its commands.
func records[S, R any](s *Server, about string, p *commands.Policy[S], view *projections.Table[R], lines ...line[S]) *resource {
	r := &resource{s: s, about: about, view: view, row: s.schemas.of(reflect.TypeFor[R]())}
	for _, l := range lines {
		r.verbs = append(r.verbs, l(s, p))
	}
	return r
}

func (r *resource) verb(name string) *verb {
	for _, v := range r.verbs {
		if v.name == name {
			return v
		}
	}
	return nil
}

// tag names the resource in the document: "Deals".
func (r *resource) tag() string {
	name := r.view.Name()
	return strings.ToUpper(name[:1]) + name[1:]
}

func (r *resource) mayRead() part { return needs(domain.Permission(r.view.Kind() + ":read")) }

// operations returns all that can be asked of the resource.
func (r *resource) operations() []*operation {
	return append(r.readOperations(), r.writeOperations()...)
}

func (r *resource) path(rest string) string {
	return "/v1/tenants/{tenant_id}/" + r.view.Name() + rest
}

func (r *resource) id(action string) string { return r.view.Kind() + "." + action }

// stored is the headers of an answer that is a record.
var stored = []string{"ETag", headerPosition}

func (r *resource) writeOperations() (ops []*operation) {
	write := params(ifMatchParam, preferParam, idempotencyParam)
	changed := append([]string{headerCommandID, headerReplayed}, stored...)
	for _, v := range r.verbs {
		parts := []part{
			givesSchema(http.StatusOK, "The record as it is then.", r.row, changed...),
			refuses(domain.NotFound, domain.Conflict, domain.Stale, domain.Invalid), write,
			serve(func(x *exchange) error { return r.change(x, v) }),
		}
		if len(r.s.schemas.resolve(v.schema).Properties) > 0 || v.name == toCreate {
			parts = append(parts, takesSchema(r.s, v.schema, v.example))
		}
		about := "Takes the permission `" + string(v.takes) + "`."
		switch v.name {
		case toCreate:
			ops = append(ops, post(r.path(""), tenant, r.tag(), r.id(v.name), v.summary, about,
				givesSchema(http.StatusCreated, "The new record.", r.row, append(changed, "Location")...),
				takesSchema(r.s, r.withID(v.schema), v.example), params(idempotencyParam),
				refuses(domain.Conflict, domain.Invalid), serve(func(x *exchange) error { return r.create(x, v) })))
		case toUpdate:
			about += " The body is a merge patch (RFC 7396): what it does not mention stays, null removes."
			ops = append(ops, patch(r.path("/{id}"), tenant, r.tag(), r.id(v.name), v.summary, about,
				append(parts, takesSchema(r.s, v.schema, v.example, mediaPatch))...))
		case toDelete:
			about += " It can be restored."
			ops = append(ops, remove(r.path("/{id}"), tenant, r.tag(), r.id(v.name), v.summary, about, parts...))
		default:
			ops = append(ops, post(r.path("/{id}/"+v.name), tenant, r.tag(), r.id(v.name), v.summary, about, parts...))
		}
	}
	return append(ops, r.batchOperations()...)
}

// withID returns a schema with one more member: an ID that the client chooses.
func (r *resource) withID(s *huma.Schema) *huma.Schema {
	whole := *r.s.schemas.resolve(s)
	whole.Properties = map[string]*huma.Schema{"id": {
		Type: huma.TypeString, Examples: []any{domain.ID{Prefix: r.view.Prefix()}.String()},
		Description: "The ID that it shall have. It must not be in use. Made here if it is left out.",
	}}
	maps.Copy(whole.Properties, r.s.schemas.resolve(s).Properties)
	whole.PrecomputeMessages()
	return &whole
}

// takeID takes the ID that a client chose out of the data of a command.
func (r *resource) takeID(tree any, data []byte) (id domain.ID, rest []byte, err error) {
	members, _ := tree.(map[string]any)
	chosen, ok := members["id"]
	if !ok || chosen == nil {
		return domain.ID{}, data, nil
	}
	text, _ := chosen.(string)
	if id, err = domain.ParseID(text); err != nil || id.Prefix != r.view.Prefix() {
		return id, nil, domain.Check(false, "/id", "invalid_id", "must be an id that begins with "+r.view.Prefix()+"_")
	}
	delete(members, "id")
	rest, err = json.Marshal(members)
	return id, rest, err
}
