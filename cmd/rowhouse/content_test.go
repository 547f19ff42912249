package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// mayTouch are the packages that handle the data and metadata of events as they are
// stored. All others read and write them by eventstore/content.
var mayTouch = []string{
	"eventstore", "eventstore/content", "eventstore/postgres", "eventstore/kurrent",
	"eventstore/transfer", // of whole logs, to the byte
	"cmd/bench",           // compares with others what an event costs
}

// typed is a program whose packages can be checked one by one, with all that they
// import as it was compiled.
type typed struct {
	fset    *token.FileSet
	imports types.Importer
	stored  map[types.Object]bool // the fields that only a few may touch
	event   types.Type
}

func newTyped(t *testing.T, compiled map[string]string) *typed {
	t.Helper()
	p := &typed{fset: token.NewFileSet(), stored: map[types.Object]bool{}}
	p.imports = importer.ForCompiler(p.fset, "gc", func(name string) (io.ReadCloser, error) {
		if compiled[name] == "" {
			return nil, fmt.Errorf("%s was not compiled", name)
		}
		return os.Open(compiled[name])
	})
	store, err := p.imports.Import(module + "eventstore")
	if err != nil {
		t.Fatal(err)
	}
	p.event = store.Scope().Lookup("Event").Type()
	of, ok := p.event.Underlying().(*types.Struct)
	for f := range of.Fields() {
		if f.Name() == "Data" || f.Name() == "Meta" {
			p.stored[f] = true
		}
	}
	if !ok || len(p.stored) != 2 {
		t.Fatal("an event does not have data and metadata any more: see mayTouch")
	}
	return p
}

// touches returns where a package touches what is stored.
func (p *typed) touches(name string, files []*ast.File) (places []string, err error) {
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}, Types: map[ast.Expr]types.TypeAndValue{}}
	var errs []error
	conf := types.Config{Importer: p.imports, Error: func(err error) { errs = append(errs, err) }}
	_, _ = conf.Check(name, p.fset, files, info) // errors are in errs
	for id, of := range info.Uses {
		if p.stored[of] {
			places = append(places, p.fset.Position(id.Pos()).String())
		}
	}
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if ok && len(lit.Elts) > 0 && types.Identical(info.Types[lit].Type, p.event) {
				if _, named := lit.Elts[0].(*ast.KeyValueExpr); !named {
					places = append(places, p.fset.Position(lit.Pos()).String())
				}
			}
			return true
		})
	}
	slices.Sort(places)
	return slices.Compact(places), errors.Join(errs...)
}

// race says whether this test was compiled with the race detector: what else was
// compiled like that need not be compiled again.
func race() string {
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, set := range b.Settings {
			if set.Key == "-race" {
				return set.Value
			}
		}
	}
	return "false"
}

// What is stored of events goes in and out in one place, where it can be sealed.
func TestOnlyContentTouchesWhatIsStored(t *testing.T) {
	t.Parallel()
	const form = "{{.ImportPath}}|{{.Export}}|{{.Dir}}|{{range .GoFiles}}{{.}},{{end}}|{{range .Imports}}{{.}},{{end}}"
	list := exec.CommandContext(t.Context(), "go", "list", "-race="+race(), "-export", "-deps", "-f", form, "./...")
	list.Dir, list.Stderr = "../..", os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	var ours [][]string
	compiled := map[string]string{}
	for line := range strings.Lines(string(out)) {
		parts := strings.Split(strings.TrimSpace(line), "|")
		compiled[parts[0]] = parts[1]
		if strings.HasPrefix(parts[0], module) && strings.Contains(","+parts[4], ","+module) {
			ours = append(ours, parts)
		}
	}
	p, looked := newTyped(t, compiled), 0
	for _, parts := range ours {
		pkg := strings.TrimPrefix(parts[0], module)
		if slices.Contains(mayTouch, pkg) || testOnly(pkg) {
			continue
		}
		looked++
		var files []*ast.File
		for name := range strings.SplitSeq(strings.TrimSuffix(parts[3], ","), ",") {
			file, err := parser.ParseFile(p.fset, filepath.Join(parts[2], name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
		places, err := p.touches(parts[0], files)
		if err != nil {
			t.Errorf("%s: %v", pkg, err)
		}
		for _, at := range places {
			t.Errorf("%s touches what is stored of an event: let eventstore/content do it", at)
		}
	}
	if looked < 20 {
		t.Errorf("looked at %d packages only", looked)
	}
	planted(t, p)
}

// planted shows that it is noticed, however it is done.
func planted(t *testing.T, p *typed) {
	t.Helper()
	const head = `package planted
import ("github.com/rowhouse/rowhouse/eventstore"; "github.com/rowhouse/rowhouse/projections"; "github.com/google/uuid")
var ( _ projections.Row; _ uuid.UUID; _ eventstore.Event )
type data struct{ Data, Meta []byte }
`
	for body, want := range map[string]int{
		`func f(d data) []byte { return append(d.Data, d.Meta...) }`:                                  0, // of something else
		`func f(e projections.Event[data]) []byte { return e.Data.Data }`:                             0,
		`func f(e eventstore.Recorded) eventstore.Event { return e.Event }`:                           0,
		`func f(e eventstore.Event) []byte { return e.Data }`:                                         1,
		`func f(e *eventstore.Recorded) []byte { return e.Meta }`:                                     1,
		`func f(e eventstore.Recorded) []byte { return e.Event.Data }`:                                1,
		`func f(e projections.Event[data]) []byte { return e.Recorded.Data }`:                         1,
		`func f(e projections.Event[data]) []byte { return e.Meta }`:                                  1,
		`type own eventstore.Event; func f(e own) []byte { return e.Data }`:                           1,
		`func f() any { return eventstore.Event{Data: nil, Meta: nil} }`:                              2,
		`func f() any { return []eventstore.Event{{Data: nil}} }`:                                     1,
		`func f() any { return eventstore.Event{uuid.Nil, "x", 1, nil, nil} }`:                        1,
		`func f(e eventstore.Recorded) func() { return func() { for range e.Data { e.Data[0]++ } } }`: 2,
		`func f[E interface{ *eventstore.Event }](e E) []byte { return (*eventstore.Event)(e).Data }`: 1,
	} {
		file, err := parser.ParseFile(p.fset, "planted.go", head+body, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if places, err := p.touches("planted", []*ast.File{file}); err != nil || len(places) != want {
			t.Errorf("%s: %v, %v", body, places, err)
		}
	}
}
