package api

import (
	"cmp"
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
	kind  commands.AnyPolicy
	view  projections.Projection
	row   *huma.Schema // of a record
	verbs []*verb
}

// A verb is a command that clients can give, and how its data is read.
type verb struct {
	commands.Offer

	schema *huma.Schema // of its data

	// read reads the data of the command.
	read func(in input) (cmd any, err error)

	// check says what is wrong with those members of the data that are there.
	check func(in input) error
}

// prepare reads the data of the command, and makes an operation of it.
func (v *verb) prepare(to commands.Target, in input) (commands.Operation, error) {
	return v.prepareAs(to, in, plainly)
}

// prepareAs is prepare for a command that is meant in a certain way.
func (v *verb) prepareAs(to commands.Target, in input, way manner) (commands.Operation, error) {
	cmd, err := v.read(in)
	if err != nil {
		return nil, err
	}
	return v.Prepare(to, way(cmd)), nil
}

// A manner says how a command is meant: it returns the command that means that.
type manner func(cmd any) any

func plainly(cmd any) any { return cmd }

// lists returns how the command is meant that is to do something with lists.
func (v *verb) lists(what string) (manner, error) {
	_, ok := reflect.TypeAssert[adder](reflect.Zero(v.Type))
	switch {
	case what != toAdd:
		return plainly, nil
	case !ok:
		return nil, domain.Check(false, "/lists", "not_a_patch", "is only for updates and upserts")
	}
	return func(cmd any) any { return cmd.(adder).Adding() }, nil //nolint:forcetypeassert // it was looked at
}

// What an update does with lists: put those of the patch in their place, or add
// the items of the patch to them.
const toAdd = "add"

// adder is implemented by patches that can add to lists.
type adder interface{ Adding() any }

// shaper is implemented by commands whose JSON is a merge patch: Shape returns
// the type that has the members that may be in it.
type shaper interface{ Shape() reflect.Type }

// verb returns what serves a command.
func (s *Server) verb(o commands.Offer) *verb {
	v := &verb{Offer: o, schema: s.schemas.of(o.Type)}
	v.read = func(in input) (any, error) {
		cmd := reflect.New(o.Type)
		err := s.schemas.read(v.schema, in, cmd.Interface())
		return cmd.Elem().Interface(), err
	}
	if shaped, ok := reflect.TypeAssert[shaper](reflect.Zero(o.Type)); ok {
		v.schema = s.schemas.partial(shaped.Shape())
		v.read = func(in input) (any, error) {
			cmd := reflect.New(o.Type)
			err := s.schemas.readPatch(v.schema, in, shaped.Shape(), cmd.Interface())
			return cmd.Elem().Interface(), err
		}
	}
	loose := s.schemas.partial(o.Type)
	v.check = func(in input) error {
		return s.schemas.readAs(loose, in, func(data []byte) error { return domain.CheckPatch(data, o.Type) })
	}
	return v
}

// resources returns every kind of record that clients see, with its table.
func (s *Server) resources() (all []*resource, err error) {
	tables := map[string]projections.Projection{}
	for _, t := range projections.All {
		tables[t.Kind()] = t
	}
	if err := incomplete(commands.All, tables); err != nil {
		return nil, err
	}
	for _, kind := range commands.All {
		view := tables[kind.Kind()]
		if view == nil {
			s.inward[kind.Kind()] = true
			continue
		}
		all = append(all, s.resource(kind, view))
	}
	return all, nil
}

func (s *Server) resource(kind commands.AnyPolicy, view projections.Projection) *resource {
	r := &resource{s: s, kind: kind, view: view, row: s.schemas.of(view.Row())}
	s.schemas.resolve(r.row).Properties["masked"] = &huma.Schema{
		Type: huma.TypeArray, Items: text(), Description: "The members that are there and not shown to you: they are null. Not there otherwise.",
	}
	for _, o := range kind.Offers() {
		r.verbs = append(r.verbs, s.verb(o))
	}
	return r
}

func (r *resource) verb(name string) *verb {
	for _, v := range r.verbs {
		if v.Name == name {
			return v
		}
	}
	return nil
}

// tag names the resource in the document: "Deals".
func (r *resource) tag() string {
	name := r.many()
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

// id names an operation in the document: "deals.list".
func (r *resource) id(action string) string { return r.view.Name() + "." + action }

// one and many say what the records are called: "a deal" and "deals".
func (r *resource) one() string  { return commands.One(r.view.Kind()) }
func (r *resource) many() string { return strings.ReplaceAll(r.view.Name(), "_", " ") }

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
	about := "Takes the permission `" + string(v.Permission) + "`."
	gives := func(op *operation) { op.Extensions = map[string]any{"x-command": r.view.Kind() + "." + v.Name} }
	if v.Name == commands.Create {
		return post(r.path(""), tenant, r.tag(), r.id(v.Name), v.Summary, about,
			params(idempotencyParam), takesSchema(r.s, r.withID(v.schema), v.Example),
			givesSchema(http.StatusCreated, "The new record.", r.row, append(changed, "Location")...),
			refuses(domain.Conflict, gone, domain.Invalid), gives, serve(func(x *exchange) error { return r.create(x, v) }))
	}
	parts := []part{
		gives, params(ifMatchParam, ifNoneMatchWriteParam, preferParam, idempotencyParam),
		refuses(domain.NotFound, domain.Conflict, gone, domain.Stale, domain.Invalid),
		serve(func(x *exchange) error { return r.change(x, v) }),
	}
	if v.Name == commands.Purge {
		parts = append(parts, givesNothing("The record is gone.", headerCommandID, headerReplayed, headerPosition))
	} else {
		parts = append(parts, givesSchema(http.StatusOK, "The record as it is then.", r.row, changed...))
		if v.Under != "" {
			parts = append(parts, givesSchema(http.StatusCreated, "The record, which has come to be by this.", r.row, append(changed, "Location")...))
		}
	}
	if v.Name == commands.Update {
		about += " The body is a merge patch (RFC 7396): what it does not mention stays, null removes."
		return patch(r.path("/{id}"), tenant, r.tag(), r.id(v.Name), v.Summary, about, append(parts, takesSchema(r.s, v.schema, v.Example, mediaPatch))...)
	}
	if len(r.s.schemas.resolve(v.schema).Properties) > 0 {
		parts = append(parts, takesSchema(r.s, v.schema, v.Example))
	}
	if v.Name == commands.Delete {
		return remove(r.path("/{id}"), tenant, r.tag(), r.id(v.Name), v.Summary, about+" It can be restored.", parts...)
	}
	return post(r.path("/{id}/"+cmp.Or(v.Under, v.Name)), tenant, r.tag(), r.id(v.Name), v.Summary, about, parts...)
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
// it.
func (r *resource) takeID(in input) (domain.ID, input, error) {
	members, _ := in.tree.(map[string]any)
	chosen, ok := members["id"]
	if !ok {
		return domain.ID{}, in, nil
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
	return id, input{tree: members, enough: in.enough}, wrong
}
