package api

import (
	"errors"
	"maps"
	"net/http"
	"reflect"
	"slices"
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
	match matcher
}

// A verb is a command, as clients give it.
type verb struct {
	name    string // "create", "update", "delete" and "restore" are the same for all kinds
	summary string
	example string
	takes   domain.Permission // "" if the command is on no policy: then the server does not start
	schema  *huma.Schema      // of its data

	// prepare reads the data of the command. The tree is what it was parsed into.
	prepare func(to commands.Target, tree any, data []byte) (commands.Operation, error)

	// adding is like prepare, for a patch whose items are added to lists. It is
	// nil if the command is no patch.
	adding func(to commands.Target, tree any, data []byte) (commands.Operation, error)

	// check says what is wrong with those members of the data that are there.
	check func(tree any, data []byte) error
}

// preparing returns what reads the data of the command, as is asked of lists.
func (v *verb) preparing(lists string) (func(to commands.Target, tree any, data []byte) (commands.Operation, error), error) {
	switch {
	case lists != toAdd:
		return v.prepare, nil
	case v.adding == nil:
		return nil, domain.Check(false, "/lists", "not_a_patch", "is only for updates and upserts")
	}
	return v.adding, nil
}

// What an update does with lists: put those of the patch in their place, or add
// the items of the patch to them.
const toAdd = "add"

// adder is implemented by patches that can add to lists.
type adder[C any] interface{ Adding() C }

// The commands that are not served like all others.
const (
	toCreate = "create"
	toUpdate = "update"
	toDelete = "delete"
	toPurge  = "purge" // after which there is nothing to answer with
)

// line is one line of the description of a resource: a command.
type line[S any] func(*Server, *commands.Policy[S]) *verb

// command serves a command. The example is of its data.
func command[C domain.Command[S], S any](name, summary, example string) line[S] {
	return func(s *Server, p *commands.Policy[S]) *verb {
		var none C
		v := &verb{name: name, summary: summary, example: example, schema: s.schemas.of(reflect.TypeFor[C]())}
		v.takes, _ = p.Permission(none)
		read := func(tree any, data []byte) (cmd C, err error) { return cmd, s.schemas.read(v.schema, tree, data, &cmd) }
		if shaped, ok := any(none).(shaper); ok {
			v.schema = s.schemas.partial(shaped.Shape())
			read = func(tree any, data []byte) (cmd C, err error) {
				return cmd, s.schemas.readPatch(v.schema, tree, data, shaped.Shape(), &cmd)
			}
		}
		loose := s.schemas.partial(reflect.TypeFor[C]())
		v.check = func(tree any, data []byte) error {
			return s.schemas.readAs(loose, tree, data, func(data []byte) error { return domain.CheckPatch(data, reflect.TypeFor[C]()) })
		}
		v.prepare = func(to commands.Target, tree any, data []byte) (commands.Operation, error) {
			cmd, err := read(tree, data)
			if err != nil {
				return nil, err
			}
			return p.Prepare(to, cmd), nil
		}
		if _, ok := any(none).(adder[C]); ok {
			v.adding = func(to commands.Target, tree any, data []byte) (commands.Operation, error) {
				cmd, err := read(tree, data)
				if err != nil {
					return nil, err
				}
				return p.Prepare(to, any(cmd).(adder[C]).Adding()), nil //nolint:forcetypeassert // it was looked at
			}
		}
		return v
	}
}

// shaper is implemented by commands whose JSON is a merge patch: Shape returns
// the type that has the members that may be in it.
type shaper interface{ Shape() reflect.Type }

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
	for _, v := range r.verbs {
		ops = append(ops, r.writeOperation(v))
	}
	return slices.Concat(ops, r.upsertOperations(), r.batchOperations())
}

// writeOperation returns what gives a command.
func (r *resource) writeOperation(v *verb) *operation {
	changed := append([]string{headerCommandID, headerReplayed}, stored...)
	about := "Takes the permission `" + string(v.takes) + "`."
	if v.name == toCreate {
		return post(r.path(""), tenant, r.tag(), r.id(v.name), v.summary, about,
			params(idempotencyParam), takesSchema(r.s, r.withID(v.schema), v.example),
			givesSchema(http.StatusCreated, "The new record.", r.row, append(changed, "Location")...),
			refuses(domain.Conflict, gone, domain.Invalid), serve(func(x *exchange) error { return r.create(x, v) }))
	}
	parts := []part{
		params(ifMatchParam, preferParam, idempotencyParam),
		refuses(domain.NotFound, domain.Conflict, gone, domain.Stale, domain.Invalid),
		serve(func(x *exchange) error { return r.change(x, v) }),
	}
	if v.name == toPurge {
		parts = append(parts, givesNothing("The record is gone.", headerCommandID, headerReplayed, headerPosition))
	} else {
		parts = append(parts, givesSchema(http.StatusOK, "The record as it is then.", r.row, changed...))
	}
	if v.name == toUpdate {
		about += " The body is a merge patch (RFC 7396): what it does not mention stays, null removes."
		return patch(r.path("/{id}"), tenant, r.tag(), r.id(v.name), v.summary, about, append(parts, takesSchema(r.s, v.schema, v.example, mediaPatch))...)
	}
	if len(r.s.schemas.resolve(v.schema).Properties) > 0 {
		parts = append(parts, takesSchema(r.s, v.schema, v.example))
	}
	if v.name == toDelete {
		return remove(r.path("/{id}"), tenant, r.tag(), r.id(v.name), v.summary, about+" It can be restored.", parts...)
	}
	return post(r.path("/{id}/"+v.name), tenant, r.tag(), r.id(v.name), v.summary, about, parts...)
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

// takeID returns the ID that a client chose, and the data of the command without
// it. The tree is what the data was parsed into.
func (r *resource) takeID(tree any, data []byte) (domain.ID, any, []byte, error) {
	members, _ := tree.(map[string]any)
	chosen, ok := members["id"]
	if !ok {
		return domain.ID{}, tree, data, nil
	}
	var id domain.ID
	var wrong error
	if chosen != nil {
		text, _ := chosen.(string)
		var err error
		id, err = domain.ParseID(text)
		wrong = domain.Check(err == nil && id.Prefix == r.view.Prefix(), "/id", "invalid_id", "must be an id that begins with "+r.view.Prefix()+"_")
	}
	members = maps.Clone(members)
	delete(members, "id")
	data, err := domain.Marshal(members)
	return id, members, data, errors.Join(wrong, err)
}
