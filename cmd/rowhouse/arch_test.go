package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/rowhouse/rowhouse/"

// mayImport says which packages of ours each layer may import. Whatever is not
// listed is forbidden; a layer may always import itself.
var mayImport = map[string][]string{
	"domain":      {},
	"keys":        {},
	"embedded":    {},
	"lru":         {},
	"eventstore":  {"domain", "wall"}, // wall: only in engines, see mayUse
	"wall":        {"domain", "keys"},
	"migrations":  {"keys", "wall", "embedded"}, // embedded: only for dbtest
	"access":      {"domain", "keys", "viewer", "wall"},
	"commands":    {"domain", "domain/*", "eventstore", "eventstore/content", "lru", "viewer"},
	"projections": {"domain", "domain/*", "eventstore", "eventstore/content", "lru", "viewer", "wall"},
	"viewer":      {"domain", "domain/own", "projections/query"},
	"jobs":        {"domain", "eventstore", "wall"},
	"reactions":   {"domain", "domain/*", "jobs", "eventstore", "eventstore/content", "commands", "projections", "projections/query", "viewer", "wall"},
	"bus":         {"domain", "eventstore", "eventstore/feed", "wall"},
	"api":         {"domain", "domain/*", "eventstore", "eventstore/content", "commands", "projections", "projections/query", "reactions", "access", "viewer", "wall"},
	"cmd":         {"*", "*/*", "eventstore/kurrent/esdb"},
}

// mayUse says which layers, or packages, may use a library that ties them to
// something.
var mayUse = map[string][]string{
	"net/http":                        {"api", "cmd", "embedded"},
	"os":                              {"cmd", "embedded", "keys", "migrations/dbtest", "eventstore/kurrent/esdb"},
	"github.com/go-chi/chi/":          {"api", "cmd/bench"},
	"github.com/danielgtaylor/huma/":  {"api"},
	"github.com/jackc/pgx/":           {"wall", "eventstore/postgres", "projections", "reactions", "jobs", "bus", "access", "migrations", "embedded", "cmd"},
	"github.com/riverqueue/":          {"jobs"},
	"google.golang.org/grpc":          {"eventstore/kurrent/esdb"},
	"github.com/EventStore/":          {"eventstore/kurrent/esdb"},
	"github.com/jackc/pgx/v5/pgxpool": {"wall", "cmd/bench"}, // nobody else may get around the wall
	"github.com/ThreeDotsLabs":        {"bus", "cmd"},
	"github.com/alecthomas/kong":      {"cmd"},
	"github.com/pressly/goose/":       {"migrations"},
	"github.com/golang-jwt/":          {"access"},
	"github.com/nyaruka/phonenumbers": {"domain", "cmd"},
	module + "wall":                   {"eventstore/postgres", "migrations", "access", "projections", "reactions", "jobs", "bus", "api", "cmd"},
}

// testOnly are packages that only tests may import.
func testOnly(pkg string) bool { return strings.HasSuffix(path.Base(pkg), "test") }

// goFiles yields every file of the product, with the package it is in.
func goFiles(t *testing.T, f func(file, pkg string, imports []string)) {
	t.Helper()
	t.Chdir("../..")
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		pkg := filepath.ToSlash(filepath.Dir(file))
		if testOnly(pkg) || strings.HasPrefix(pkg, ".") {
			return nil
		}
		src, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		var imports []string
		for _, spec := range src.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imports = append(imports, name)
		}
		f(file, pkg, imports)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLayers(t *testing.T) {
	seen := 0
	goFiles(t, func(file, pkg string, imports []string) {
		seen++
		layer, _, _ := strings.Cut(pkg, "/")
		for _, name := range imports {
			if ours, ok := strings.CutPrefix(name, module); ok && (testOnly(ours) || !ourImportOK(layer, pkg, ours)) {
				t.Errorf("%s imports %s, which %s may not", file, ours, layer)
			}
			for lib, who := range mayUse {
				uses := name == lib || strings.HasSuffix(lib, "/") && strings.HasPrefix(name, lib) || strings.HasPrefix(name, lib+"/") && strings.Contains(lib, ".")
				if uses && !slices.Contains(who, layer) && !slices.Contains(who, pkg) {
					t.Errorf("%s uses %s, which is for %v", file, name, who)
				}
			}
		}
	})
	if seen < 50 {
		t.Errorf("looked at %d files only", seen)
	}
}

func ourImportOK(layer, pkg, imported string) bool {
	if top, _, _ := strings.Cut(imported, "/"); top == layer {
		// Records know one another only by ID: domain/deal may import domain,
		// and not domain/contact.
		return layer != "domain" || slices.Contains([]string{"domain", "domain/record", "domain/own", pkg}, imported)
	}
	return slices.ContainsFunc(mayImport[layer], func(pattern string) bool {
		ok, _ := path.Match(pattern, imported)
		return ok
	})
}

// filesOf returns where people look for an aggregate: a kind of record that clients
// give commands to and see, or one that only the server does.
func filesOf(one string, seen bool) (files, indexes []string) {
	many := plural(one)
	files = []string{
		"domain/" + one + "/" + one + ".go",
		"domain/" + one + "/" + one + "_test.go",
		"domain/" + one + "/testdata/events.json",
		"commands/" + many + ".go",
	}
	indexes = []string{"commands/policy.go"}
	if seen {
		files = append(files, "projections/"+many+".go", "migrations/[0-9][0-9][0-9][0-9]_"+many+".sql")
		indexes = append(indexes, "projections/projections.go")
	}
	return files, indexes
}

// isSeen reports whether the policy of an aggregate lets clients give it commands.
func isSeen(policy string) bool {
	return strings.Contains(policy, "create[") || strings.Contains(policy, "allow[") || strings.Contains(policy, "plan(")
}

// TestShape checks that every aggregate lives where people look for it.
func TestShape(t *testing.T) {
	t.Chdir("../..")
	dirs, err := os.ReadDir("domain")
	if err != nil {
		t.Fatal(err)
	}
	kinds := 0
	for _, d := range dirs {
		if !d.IsDir() || testOnly(d.Name()) || d.Name() == "record" || d.Name() == "own" {
			continue
		}
		kinds++
		one, many := d.Name(), plural(d.Name())
		policy, _ := os.ReadFile("commands/" + many + ".go") // that there is one is looked at below
		files, indexes := filesOf(one, isSeen(string(policy)))
		for _, file := range files {
			if found, err := filepath.Glob(file); err != nil || len(found) == 0 {
				t.Errorf("%s: no %s", one, file)
			}
		}
		for _, command := range commandsOf(t, "domain/"+one) {
			if !regexp.MustCompile(`\b` + one + `\.` + command + `\b`).MatchString(allPolicies(t)) {
				t.Errorf("nobody can give the command %s.%s: add a line to the policy in commands/%s.go, or system[%[1]s.%[2]s] if only the server gives it", one, command, many)
			}
		}
		line := "\t" + strings.ToUpper(many[:1]) + many[1:] + ","
		line = strings.Replace(line, "Objecttypes", "ObjectTypes", 1)
		for _, file := range indexes {
			if src, err := os.ReadFile(file); err != nil || !strings.Contains(string(src), line) {
				t.Errorf("%s: no %q in the index in %s", one, strings.TrimSpace(line), file)
			}
		}
	}
	if kinds < 5 {
		t.Errorf("found %d kinds of record only", kinds)
	}
}

// commandsOf returns the exported types in a package that decide, as commands do, or
// take a step.
func commandsOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(dir + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		src, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range src.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || f.Name.Name != "Decide" && f.Name.Name != "Step" {
				continue
			}
			if of, ok := f.Recv.List[0].Type.(*ast.Ident); ok && of.IsExported() && !slices.Contains(names, of.Name) {
				names = append(names, of.Name)
			}
		}
	}
	return names
}

// allPolicies returns the source of all policies.
func allPolicies(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("commands/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(src)
	}
	return all.String()
}

func plural(s string) string {
	if stem, ok := strings.CutSuffix(s, "y"); ok {
		return stem + "ies"
	}
	return s + "s"
}
