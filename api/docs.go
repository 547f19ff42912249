package api

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs.css
var pageStyle string

//go:embed docs.html
var pageTemplate string

// pagePolicy allows the page its own style, and nothing else.
var pagePolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'sha256-" + styleHash() + "'"

func styleHash() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// What the page shows: the document, arranged for reading.
type (
	docPage struct {
		Style          template.CSS
		Title, Version string
		Intro          []docText
		Groups         []docGroup
		Schemas        []docSchema
		Problems       []docProblem
	}
	docGroup struct {
		Name       string
		Text       []docText
		Operations []docOperation
	}
	docOperation struct {
		ID, Method, Path, Summary string
		Text                      []docText
		Params, Body              []docField
		Curl                      string
		Answers                   []docAnswer
	}
	docAnswer struct {
		Status, Doc string
		Types       []docType
		Headers     string
	}
	docSchema struct {
		Name   string
		Doc    string
		Fields []docField
	}
	docField struct {
		Name, In, Doc, Limits string
		Type                  docType
		Required              bool
	}
	docType    struct{ Text, Schema string } // Schema is to link to, if not empty
	docText    []docSpan                     // a paragraph
	docSpan    struct{ Text, Code string }
	docProblem struct {
		Kind, Title string
		Status      int
	}
)

// writePage writes the page that shows the document.
func writePage(doc *huma.OpenAPI, ops []*operation) ([]byte, error) {
	t, err := template.New("docs").Parse(pageTemplate)
	if err != nil {
		return nil, err
	}
	p := docPage{
		Style: template.CSS(pageStyle), //nolint:gosec // it is ours
		Title: doc.Info.Title, Version: doc.Info.Version, Intro: paragraphs(doc.Info.Description),
	}
	for _, tag := range doc.Tags {
		g := docGroup{Name: tag.Name, Text: paragraphs(tag.Description)}
		for _, op := range ops {
			if op.Tags[0] == tag.Name {
				g.Operations = append(g.Operations, showOperation(doc, op))
			}
		}
		p.Groups = append(p.Groups, g)
	}
	schemas := doc.Components.Schemas.Map()
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		p.Schemas = append(p.Schemas, docSchema{Name: name, Doc: schemas[name].Description, Fields: showFields(schemas[name])})
	}
	for kind, k := range problemKinds {
		p.Problems = append(p.Problems, docProblem{string(kind), k.title, k.status})
	}
	slices.SortFunc(p.Problems, func(a, b docProblem) int { return cmp.Compare(a.Status, b.Status) })
	var page bytes.Buffer
	err = t.Execute(&page, p)
	return page.Bytes(), err
}

func showOperation(doc *huma.OpenAPI, op *operation) docOperation {
	o := docOperation{
		ID: op.OperationID, Method: op.Method, Path: op.Path, Summary: op.Summary,
		Text: paragraphs(op.Description), Curl: curl(op),
	}
	for _, p := range op.Parameters {
		o.Params = append(o.Params, docField{
			Name: p.Name, In: p.In, Doc: p.Description, Type: typeOf(p.Schema), Limits: limitsOf(p.Schema), Required: p.Required,
		})
	}
	if op.RequestBody != nil {
		s := jsonBody(op.RequestBody)
		for s.Ref != "" {
			s = doc.Components.Schemas.SchemaFromRef(s.Ref)
		}
		o.Body = showFields(s)
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		r := op.Responses[status]
		if kind, ok := strings.CutPrefix(r.Ref, "#/components/responses/"); ok {
			r = doc.Components.Responses[kind]
		}
		a := docAnswer{Status: status, Doc: r.Description, Headers: strings.Join(slices.Sorted(maps.Keys(r.Headers)), ", ")}
		for _, media := range slices.Sorted(maps.Keys(r.Content)) {
			t := typeOf(r.Content[media].Schema)
			if media != mediaJSON && media != mediaProblem {
				t.Text = media
			}
			a.Types = append(a.Types, t)
		}
		o.Answers = append(o.Answers, a)
	}
	return o
}

func showFields(s *huma.Schema) (fields []docField) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[name]
		fields = append(fields, docField{
			Name: name, Doc: p.Description, Type: typeOf(p), Limits: limitsOf(p), Required: slices.Contains(s.Required, name),
		})
	}
	slices.SortStableFunc(fields, func(a, b docField) int { // what is required comes first
		return strings.Compare(strconv.FormatBool(b.Required), strconv.FormatBool(a.Required))
	})
	return fields
}

func typeOf(s *huma.Schema) docType {
	if name, ok := strings.CutPrefix(s.Ref, schemaPrefix); ok {
		return docType{name, name}
	}
	switch values, isMap := s.AdditionalProperties.(*huma.Schema); {
	case s.Type == huma.TypeArray:
		of := typeOf(s.Items)
		return docType{"list of " + of.Text, of.Schema}
	case isMap:
		of := typeOf(values)
		return docType{"map to " + of.Text, of.Schema}
	case s.Type == "":
		return docType{Text: "any"}
	case s.Format != "" && s.Type == huma.TypeString:
		return docType{Text: s.Format}
	}
	return docType{Text: s.Type}
}

// limitsOf says what else a value must be.
func limitsOf(s *huma.Schema) string {
	var parts []string
	say := func(what string, n *int) {
		if n != nil {
			parts = append(parts, what+" "+strconv.Itoa(*n))
		}
	}
	bound := func(what string, f *float64) {
		if f != nil {
			parts = append(parts, what+" "+strconv.FormatFloat(*f, 'f', -1, 64))
		}
	}
	if len(s.Enum) > 0 {
		parts = append(parts, choices(s.Enum))
	}
	say("at least", s.MinLength)
	say("at most", s.MaxLength)
	say("at least", s.MinItems)
	say("at most", s.MaxItems)
	bound("from", s.Minimum)
	bound("to", s.Maximum)
	return strings.Join(parts, ", ")
}

// curl writes a request as a command to try.
func curl(op *operation) string {
	var b strings.Builder
	b.WriteString("curl")
	if op.Method != http.MethodGet {
		b.WriteString(" -X " + op.Method)
	}
	path := op.Path
	for _, p := range op.Parameters {
		if p.In == "path" {
			path = strings.ReplaceAll(path, "{"+p.Name+"}", "$"+strings.ToUpper(p.Name))
		}
	}
	b.WriteString(` "$ROWHOUSE` + path + `"`)
	if op.who != everybody {
		b.WriteString(" \\\n  -H \"Authorization: Bearer $TOKEN\"")
	}
	if op.RequestBody != nil {
		b.WriteString(" \\\n  -H \"Content-Type: application/json\"")
		if example, ok := op.RequestBody.Content[mediaJSON].Example.(json.RawMessage); ok && len(example) > 0 {
			b.WriteString(" \\\n  -d '" + string(example) + "'")
		}
	}
	return b.String()
}

// paragraphs reads the little of Markdown that descriptions use: paragraphs, and
// code between backticks.
func paragraphs(text string) (all []docText) {
	for p := range strings.SplitSeq(text, "\n\n") {
		var spans docText
		for i, s := range strings.Split(strings.TrimSpace(p), "`") {
			if i%2 == 0 {
				spans = append(spans, docSpan{Text: s})
			} else {
				spans = append(spans, docSpan{Code: s})
			}
		}
		all = append(all, spans)
	}
	return all
}
