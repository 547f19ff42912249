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

	"github.com/rowhouse/rowhouse/domain"
)

//go:embed docs.css
var pageStyle string

//go:embed docs.html
var pageTemplate string

// pagePolicy allows a page its own style and its form, and nothing else.
var pagePolicy = "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; style-src 'sha256-" + styleHash() + "'"

func styleHash() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// What the pages show: the document, arranged for reading.
type (
	// docPage is a page: the first one, that of a group, or what was found.
	docPage struct {
		Style          template.CSS
		Title, Version string
		Groups         []docGroup // all of them
		Group          *docGroup  // that the page is of
		Found          *docFound  // what the page shows instead
		Intro          []docText
		Problems       []docProblem
	}
	docGroup struct {
		Name, Path string
		Text       []docText
		Operations []docOperation
		Schemas    []docSchema // that they take and give
	}
	docFound struct {
		Words string
		Count int
		More  bool       // than are shown
		In    []docGroup // those with operations that were found, with these only
	}
	docOperation struct {
		ID, Method, Path, Summary string
		text                      string // to be searched
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
		Name, In, Limits string
		Doc              docText
		Type             docType
		Required         bool
	}
	docType    struct{ Text, Schema string } // Schema is to link to, if not empty
	docText    []docSpan                     // a paragraph
	docSpan    struct{ Text, Code string }
	docProblem struct {
		Kind, Title string
		Status      int
	}
)

// docs are the pages.
type docs struct {
	template *template.Template
	page     docPage         // what all have in common
	first    file            // what there is
	groups   map[string]file // by the name in the path
}

// newDocs writes the pages that show a document.
func newDocs(doc *huma.OpenAPI, ops []*operation) (*docs, error) {
	t, err := template.New("docs").Parse(pageTemplate)
	if err != nil {
		return nil, err
	}
	d := &docs{template: t, groups: make(map[string]file), page: docPage{
		Style: template.CSS(pageStyle), //nolint:gosec // it is ours
		Title: doc.Info.Title, Version: doc.Info.Version,
	}}
	in := make(map[string][]*operation)
	for _, op := range ops {
		in[op.Tags[0]] = append(in[op.Tags[0]], op)
	}
	for _, tag := range doc.Tags {
		d.page.Groups = append(d.page.Groups, showGroup(doc, tag, in[tag.Name]))
	}
	for i := range d.page.Groups {
		page := d.page
		page.Group = &d.page.Groups[i]
		if d.groups[groupPath(page.Group.Name)], err = d.write(page); err != nil {
			return nil, err
		}
	}
	first := d.page
	first.Intro = paragraphs(doc.Info.Description)
	for kind, k := range problemKinds {
		first.Problems = append(first.Problems, docProblem{string(kind), k.title, k.status})
	}
	slices.SortFunc(first.Problems, func(a, b docProblem) int {
		return cmp.Or(cmp.Compare(a.Status, b.Status), strings.Compare(a.Kind, b.Kind))
	})
	d.first, err = d.write(first)
	return d, err
}

// groupPath returns the name of a group as it is in the path of its page.
func groupPath(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "_") }

func (d *docs) write(p docPage) (file, error) {
	var page bytes.Buffer
	err := d.template.Execute(&page, p)
	return newFile("text/html; charset=utf-8", page.Bytes()), err
}

func showGroup(doc *huma.OpenAPI, tag *huma.Tag, ops []*operation) docGroup {
	g := docGroup{Name: tag.Name, Path: "/docs/" + groupPath(tag.Name), Text: paragraphs(tag.Description)}
	used := make(map[string]bool)
	for _, op := range ops {
		g.Operations = append(g.Operations, showOperation(doc, op))
		if op.RequestBody != nil {
			use(doc, used, jsonBody(op.RequestBody))
		}
		for _, r := range op.Responses {
			for _, c := range r.Content {
				use(doc, used, c.Schema)
			}
		}
	}
	use(doc, used, &huma.Schema{Ref: schemaPrefix + "Problem"})
	for _, name := range slices.Sorted(maps.Keys(used)) {
		s := doc.Components.Schemas.SchemaFromRef(schemaPrefix + name)
		g.Schemas = append(g.Schemas, docSchema{Name: name, Doc: s.Description, Fields: showFields(s)})
	}
	return g
}

// use notes the names of the schemas that one is made of.
func use(doc *huma.OpenAPI, used map[string]bool, s *huma.Schema) {
	if name, ok := strings.CutPrefix(s.Ref, schemaPrefix); ok {
		if !used[name] {
			used[name] = true
			use(doc, used, doc.Components.Schemas.SchemaFromRef(s.Ref))
		}
		return
	}
	for _, p := range s.Properties {
		use(doc, used, p)
	}
	if s.Items != nil {
		use(doc, used, s.Items)
	}
	if others, ok := s.AdditionalProperties.(*huma.Schema); ok {
		use(doc, used, others)
	}
}

// mostFound is how many operations a search shows.
const mostFound = 100

// search returns a page with the operations that have all of some words, or beginnings
// of words, in what is said of them.
func (d *docs) search(words string) (file, error) {
	found := &docFound{Words: words}
	wanted := strings.Fields(strings.ToLower(words))
	for _, g := range d.page.Groups {
		var in []docOperation
		for _, op := range g.Operations {
			if len(wanted) == 0 || slices.ContainsFunc(wanted, func(w string) bool { return !strings.Contains(op.text, w) }) {
				continue
			}
			if found.Count++; found.Count <= mostFound {
				in = append(in, op)
			}
		}
		if g.Operations = in; len(in) > 0 {
			found.In = append(found.In, g)
		}
	}
	found.More = found.Count > mostFound
	page := d.page
	page.Found = found
	return d.write(page)
}

// pageOperations serve the pages.
func (d *document) pageOperations(tag string) []*operation {
	page := func(choose func(x *exchange, pages *docs) (file, error)) part {
		return serve(func(x *exchange) error {
			pages, err := d.pages()
			if err != nil {
				return err
			}
			f, err := choose(x, pages)
			if err != nil {
				return err
			}
			x.set("Content-Security-Policy", pagePolicy)
			return x.answerFile(f)
		})
	}
	return []*operation{
		get("/docs", everybody, tag, "service.docs", "This document, to read", "What there is, group by group. The pages load nothing from elsewhere, and need no scripts.",
			params(ifNoneMatchParam), givesText("text/html", "The page."),
			page(func(_ *exchange, pages *docs) (file, error) { return pages.first, nil })),
		get("/docs/search", everybody, tag, "service.docs_search", "Search this document", "Shows the operations that have all of the words in their name, their path or what is said of them.",
			params(ifNoneMatchParam, queryParam("q", "Words, or parts of words.", text(), "merge")), givesText("text/html", "The page."),
			page(func(x *exchange, pages *docs) (file, error) { return pages.search(x.query.Get("q")) })),
		get("/docs/{group}", everybody, tag, "service.docs_group", "A group of operations, to read", "All that there is to know of the operations of a group, and of what they take and give.",
			params(ifNoneMatchParam), givesText("text/html", "The page."), refuses(domain.NotFound),
			page(func(x *exchange, pages *docs) (file, error) {
				f, ok := pages.groups[x.path("group")]
				if !ok {
					return f, domain.NotFound.Refusef("no_such_group", "there is no group of operations of this name")
				}
				return f, nil
			})),
	}
}

func showOperation(doc *huma.OpenAPI, op *operation) docOperation {
	o := docOperation{
		ID: op.OperationID, Method: op.Method, Path: op.Path, Summary: op.Summary,
		Text: paragraphs(op.Description), Curl: curl(op),
		text: strings.ToLower(strings.Join([]string{op.Summary, op.Method, op.Path, op.OperationID, op.Description, op.Tags[0]}, " ")),
	}
	for _, p := range op.Parameters {
		o.Params = append(o.Params, docField{
			Name: p.Name, In: p.In, Doc: spans(p.Description), Type: typeOf(p.Schema), Limits: limitsOf(p.Schema), Required: p.Required,
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
			Name: name, Doc: spans(p.Description), Type: typeOf(p), Limits: limitsOf(p), Required: slices.Contains(s.Required, name),
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
		all = append(all, spans(strings.TrimSpace(p)))
	}
	return all
}

func spans(text string) (all docText) {
	for i, s := range strings.Split(text, "`") {
		if i%2 == 0 {
			all = append(all, docSpan{Text: s})
		} else {
			all = append(all, docSpan{Code: s})
		}
	}
	return all
}
