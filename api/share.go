package api

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// share makes a document say once what it says in several places: parameters and
// answers that several operations have, and every object that is a body or an answer
// or a part of several others, become components that are referred to by name. What
// the document means stays the same. The names depend on nothing but the document, and
// those of bodies on nothing but the operation, because generators make types of them.
func share(doc map[string]any) {
	s := sharer{
		parts:  objectIn(doc, "components"),
		places: make(map[string]int), names: make(map[string]string),
	}
	ops := operationsOf(doc)
	s.problems(ops)
	s.objects(ops)
	s.answers(ops)
	s.parameters(ops)
	s.bodies(ops)
	s.security(doc, ops)
}

// problems puts one answer in the place of all with which an operation refuses, for
// whatever is not a success. It says which statuses these are: operations that refuse
// for the same reasons share it.
func (s *sharer) problems(ops []object) {
	each := objectIn(s.parts, "responses")
	s.parts["responses"] = make(object)
	for _, op := range ops {
		answers, headers := objectIn(op, "responses"), make(object)
		var reasons []string
		var content any
		for _, status := range slices.Sorted(maps.Keys(answers)) {
			name, refuses := strings.CutPrefix(textIn(objectIn(answers, status), "$ref"), "#/components/responses/")
			if !refuses {
				continue
			}
			problem := objectIn(each, name)
			reasons = append(reasons, status+": "+textIn(problem, "description"))
			maps.Copy(headers, objectIn(problem, "headers"))
			content = problem["content"]
			delete(answers, status)
		}
		all := object{"description": strings.Join(reasons, " "), "content": content}
		if len(headers) > 0 {
			all["headers"] = headers
		}
		answers["default"] = s.refer("responses", "problem", all)
	}
}

// object is an object of the document.
type object = map[string]any

// sharer is what share works with.
type sharer struct {
	parts  object            // the components
	places map[string]int    // in how many different places an object is, by kind of component and text
	names  map[string]string // of what was made a component, by the same
}

// operationsOf returns the operations of a document, in an order that is always the same.
func operationsOf(doc object) (ops []object) {
	paths := objectIn(doc, "paths")
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item := paths[path].(object) //nolint:forcetypeassert // we wrote it
		for _, method := range slices.Sorted(maps.Keys(item)) {
			ops = append(ops, item[method].(object)) //nolint:forcetypeassert // likewise
		}
	}
	return ops
}

func objectIn(o object, name string) object {
	in, _ := o[name].(object)
	return in
}

func textIn(o object, name string) string {
	text, _ := o[name].(string)
	return text
}

// canonical returns what tells one part of a document from another one.
func canonical(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // it came from JSON
	}
	return string(text)
}

// count counts a place in which a part is.
func (s *sharer) count(kind string, part any) int {
	key := kind + canonical(part)
	s.places[key]++
	return s.places[key]
}

// refer makes a component of a part, unless it is one already, and returns a reference
// to it. If the name is taken by another one, it gets a number.
func (s *sharer) refer(kind, name string, part object) object {
	text := canonical(part)
	own, known := s.names[kind+text]
	if !known {
		all := objectIn(s.parts, kind)
		if all == nil {
			all = make(object)
			s.parts[kind] = all
		}
		own = name
		for n := 2; all[own] != nil; n++ {
			own = name + strconv.Itoa(n)
		}
		s.names[kind+text] = own
		all[own] = part
	}
	return object{"$ref": "#/components/" + kind + "/" + own}
}

// parameters makes components of the parameters that several operations have.
func (s *sharer) parameters(ops []object) {
	each := func(f func(list []any, i int, p object)) {
		for _, op := range ops {
			list, _ := op["parameters"].([]any)
			for i := range list {
				f(list, i, list[i].(object)) //nolint:forcetypeassert // we wrote it
			}
		}
	}
	each(func(_ []any, _ int, p object) { s.count("parameters", p) })
	each(func(list []any, i int, p object) {
		if s.places["parameters"+canonical(p)] > 1 {
			list[i] = s.refer("parameters", textIn(p, "name"), p)
		}
	})
}

// answers makes components of the answers that several operations have. They are named
// after what they hold, as bodies and the types of generated clients are.
func (s *sharer) answers(ops []object) {
	each := func(f func(all object, status string, a object)) {
		for _, op := range ops {
			all := objectIn(op, "responses")
			for _, status := range slices.Sorted(maps.Keys(all)) {
				if a := objectIn(all, status); a["$ref"] == nil {
					f(all, status, a)
				}
			}
		}
	}
	each(func(_ object, _ string, a object) { s.count("responses", a) })
	each(func(all object, status string, a object) {
		if s.places["responses"+canonical(a)] > 1 {
			all[status] = s.refer("responses", answerName(status, a), a)
		}
	})
}

// bodies makes components of the bodies that several operations have.
func (s *sharer) bodies(ops []object) {
	for _, op := range ops {
		if body := objectIn(op, "requestBody"); body != nil {
			s.count("requestBodies", body)
		}
	}
	for _, op := range ops {
		if body := objectIn(op, "requestBody"); body != nil && s.places["requestBodies"+canonical(body)] > 1 {
			op["requestBody"] = s.refer("requestBodies", strings.TrimSuffix(answerName("", body), "Body"), body)
		}
	}
}

func answerName(status string, a object) string {
	for _, media := range objectIn(a, "content") {
		schema := objectIn(media.(object), "schema") //nolint:forcetypeassert // we wrote it
		if name, ok := strings.CutPrefix(textIn(schema, "$ref"), schemaPrefix); ok {
			return name + status
		}
	}
	return "Answer" + status
}

// objects makes schemas of the objects in bodies and answers, and of those in other
// objects that are in several different places.
func (s *sharer) objects(ops []object) {
	roots := s.roots(ops)
	for _, r := range roots {
		s.countIn(r.schema)
	}
	for _, r := range roots {
		s.shareIn(r.schema, r.name)
		if r.of != nil && isObject(r.schema) {
			r.of["schema"] = s.refer("schemas", cmp.Or(pageName(r.schema), r.name), r.schema)
		}
	}
}

// pageName returns what a page of a list is called: DealPage.
func pageName(schema object) string {
	properties := objectIn(schema, "properties")
	item, ok := strings.CutPrefix(textIn(objectIn(objectIn(properties, "data"), "items"), "$ref"), schemaPrefix)
	if !ok || properties["next_cursor"] == nil {
		return ""
	}
	return item + "Page"
}

// root is a schema that is not part of another one.
type root struct {
	schema object
	name   string
	of     object // the content that it is of; nil if it is a component
}

func (s *sharer) roots(ops []object) (roots []root) {
	schemas := objectIn(s.parts, "schemas")
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		roots = append(roots, root{schemas[name].(object), name, nil}) //nolint:forcetypeassert // we wrote it
	}
	contents := func(of object, name string) {
		content := objectIn(of, "content")
		for _, media := range slices.Sorted(maps.Keys(content)) {
			c := content[media].(object) //nolint:forcetypeassert // we wrote it
			if schema := objectIn(c, "schema"); schema != nil && schema["$ref"] == nil {
				roots = append(roots, root{schema, name, c})
			}
		}
	}
	for _, op := range ops {
		name := typeName(textIn(op, "operationId"))
		contents(objectIn(op, "requestBody"), name+"Body")
		answers := objectIn(op, "responses")
		for _, status := range slices.Sorted(maps.Keys(answers)) {
			contents(objectIn(answers, status), name+"Answer")
		}
	}
	return roots
}

// longMember is from how many bytes on a member that is no object is worth a name.
const longMember = 90

// isShared reports whether a schema that is part of another one becomes a component.
func (s *sharer) isShared(schema object, text string) bool {
	return s.places["schemas"+text] > 1 && (isObject(schema) || len(text) > longMember)
}

// isObject reports whether a schema is of an object whose members are known.
func isObject(schema object) bool { return objectIn(schema, "properties") != nil }

// within calls f with the schemas that a schema is made of: where they are, under which
// name, and what they would be called.
func within(schema object, name string, f func(in object, member, name string)) {
	properties := objectIn(schema, "properties")
	for _, member := range slices.Sorted(maps.Keys(properties)) {
		f(properties, member, name+typeName(member))
	}
	for _, member := range []string{"items", "additionalProperties"} {
		if objectIn(schema, member) != nil {
			f(schema, member, name+"Item")
		}
	}
}

// countIn counts the places of the objects in a schema. What is in an object that was
// seen before is in no other place for that.
func (s *sharer) countIn(schema object) {
	within(schema, "", func(in object, member, _ string) {
		if of := objectIn(in, member); s.count("schemas", of) == 1 {
			s.countIn(of)
		}
	})
}

// shareIn refers to the objects in a schema that are in several places.
func (s *sharer) shareIn(schema object, name string) {
	within(schema, name, func(in object, member, name string) {
		of := objectIn(in, member)
		text := canonical(of)
		s.shareIn(of, name)
		if s.isShared(of, text) {
			in[member] = s.refer("schemas", name, of)
		}
	})
}

// security says once how operations are asked that do not say it themselves.
func (*sharer) security(doc object, ops []object) {
	usual := []any{object{"bearer": []any{}}}
	doc["security"] = usual
	text := canonical(usual)
	for _, op := range ops {
		if canonical(op["security"]) == text {
			delete(op, "security")
		}
	}
}

// typeName makes a name of a type of one of an operation or a member:
// DealsMoveStage of deals.move_stage.
func typeName(name string) string {
	var b strings.Builder
	for word := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '.' || r == '_' || r == '-' }) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}
