package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/rowhouse/rowhouse/domain/own"
	"github.com/rowhouse/rowhouse/projections"
)

// ownDocument serves the document of a tenant: that of everybody, with the fields of the
// tenant's own that whoever asks sees.
func (s *Server) ownDocument(d *document) *operation {
	made := &ownDocuments{}
	return get("/v1/tenants/{tenant_id}/openapi.json", tenant, "Service", "service.tenant_openapi", "The document of a tenant",
		"OpenAPI 3.1, with the fields of the tenant's own as members of `custom` and as parameters of lists.",
		needs("object_type:read"), params(ifNoneMatchParam, minPositionParam), gives[map[string]any](s, http.StatusOK, "The document.", "ETag"),
		serve(func(x *exchange) error {
			base, err := d.json()
			if err != nil {
				return err
			}
			fields, err := x.ownFields()
			if err != nil {
				return err
			}
			f, err := made.of(base, fields)
			if err != nil {
				return err
			}
			return x.answerFile(f)
		}))
}

// ownFields returns the fields of the tenant's own that whoever asks sees.
func (x *exchange) ownFields() (projections.OwnFields, error) {
	all, err := x.s.Models.OwnFields(x.ctx(), x.caller.Tenant())
	if err != nil {
		return nil, err
	}
	for kind, fields := range all {
		rules, err := x.viewer().OfName(kind)
		if err != nil {
			return nil, err
		}
		all[kind] = slices.DeleteFunc(fields, func(f own.Field) bool { return !rules.Shows(own.Name(f.Key)) })
	}
	return all, nil
}

// mostDocuments is how many documents of tenants are remembered: each has one or two MB.
const mostDocuments = 8

// ownDocuments remembers the documents that were asked for last. It may be used
// concurrently.
type ownDocuments struct {
	mu   sync.Mutex
	last []madeDocument // the one that was asked for last comes last
}

// madeDocument is a document, and a digest of the fields that are described in it.
type madeDocument struct {
	fields [sha256.Size]byte
	file   file
}

// of returns the document with some fields.
func (ds *ownDocuments) of(base file, fields projections.OwnFields) (file, error) {
	text, err := json.Marshal(fields) // by kinds in their order
	if err != nil {
		return file{}, err
	}
	key := sha256.Sum256(text)
	ds.mu.Lock()
	defer ds.mu.Unlock() // one is made at a time: that takes memory
	if i := slices.IndexFunc(ds.last, func(m madeDocument) bool { return m.fields == key }); i >= 0 {
		found := ds.last[i]
		ds.last = append(slices.Delete(ds.last, i, i+1), found)
		return found.file, nil
	}
	text, err = describeOwn(base.plain.body, fields)
	if err != nil {
		return file{}, fmt.Errorf("api: write the document of a tenant: %w", err)
	}
	made := madeDocument{key, newFile(mediaJSON, text)}
	if ds.last = append(ds.last, made); len(ds.last) > mostDocuments {
		ds.last = slices.Delete(ds.last, 0, 1)
	}
	return made.file, nil
}

// describeOwn writes fields of a tenant's own into a document, wherever it says that there
// are fields of a kind.
func describeOwn(doc []byte, fields projections.OwnFields) ([]byte, error) {
	var tree any
	if err := json.Unmarshal(doc, &tree); err != nil {
		return nil, err
	}
	describeOwnIn(tree, fields)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(tree)
	return b.Bytes(), err
}

func describeOwnIn(v any, fields projections.OwnFields) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			describeOwnIn(item, fields)
		}
	case map[string]any:
		for _, item := range v {
			describeOwnIn(item, fields)
		}
		kind, ok := v[ownExtension].(string)
		if !ok {
			return
		}
		if _, isOperation := v["operationId"]; isOperation {
			parameters, _ := v["parameters"].([]any)
			v["parameters"] = append(parameters, ownParameters(fields[kind])...)
			return
		}
		members := make(map[string]any, len(fields[kind]))
		for _, f := range fields[kind] {
			members[f.Key] = ownMember(f)
		}
		v["properties"], v["additionalProperties"] = members, false
		delete(v, "examples")
	}
}

// ownParameters describes the parameters of a list by fields of a tenant's own.
func ownParameters(fields []own.Field) (all []any) {
	for _, f := range fields {
		for _, c := range projections.OwnColumns(f) {
			all = append(all, map[string]any{
				"name": c.Name, "in": "query", "description": "Only those where it is this: " + c.Type.Expects() + ".", "schema": map[string]any{"type": "string"},
			})
		}
	}
	return all
}

// ownSchemas has the schemas of values by the types of fields. Null takes a value away, and
// stands for one that is masked.
var ownSchemas = map[own.Type]map[string]any{
	own.Text: {"type": "string", "maxLength": 500}, own.LongText: {"type": "string", "maxLength": 20000}, own.Number: {"type": "integer", "format": "int64"},
	own.Decimal: {"type": "string", "pattern": `^-?[0-9]{1,14}(\.[0-9]{1,4})?$`}, own.Bool: {"type": "boolean"},
	own.Date: {"type": "string", "format": "date"}, own.DateTime: {"type": "string", "format": "date-time"}, own.Select: {"type": "string"},
	own.Email: {"type": "string", "format": "email"}, own.Phone: {"type": "string"}, own.URL: {"type": "string", "format": "uri"},
	own.Reference: {"type": "string"}, own.User: {"type": "string"},
	own.Money: {"type": "object", "additionalProperties": false, "properties": map[string]any{"amount": map[string]any{"type": "string"}, "currency": map[string]any{"type": "string"}}},
}

// ownMember returns the schema of a field of a tenant's own.
func ownMember(f own.Field) map[string]any {
	options := []any{}
	for _, o := range f.Options {
		options = append(options, o.Key)
	}
	m := map[string]any{}
	maps.Copy(m, ownSchemas[f.Type])
	switch f.Type {
	case own.Select:
		m["enum"] = append(options, nil)
	case own.MultiSelect:
		m["type"], m["items"] = "array", map[string]any{"type": "string", "enum": options}
	default:
	}
	if of, ok := m["type"].(string); ok {
		m["type"] = []any{of, "null"}
	}
	about := []string{f.Label, f.Description}
	if f.Archived {
		about = append(about, "It takes no new values.")
		m["deprecated"] = true
	}
	about = slices.DeleteFunc(about, func(s string) bool { return s == "" })
	m["description"], m[classExtension] = strings.Join(about, "\n\n"), string(f.Class)
	return m
}
