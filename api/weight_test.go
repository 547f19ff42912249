package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/projections"
)

// What the document of 1,200 operations may weigh, and how long a server may take to
// be there that has so many.
const (
	manyOperations = 1200
	mostBytes      = 1_500_000
	mostTime       = time.Second
)

// another is a kind of record like one that there is, under another name and with types
// of its own.
type another struct {
	commands.AnyPolicy
	projections.Projection

	number int
}

func (a another) named(name string) string { return name + string(rune('a'+a.number)) }

// Kind implements [commands.AnyPolicy].
func (a another) Kind() string { return a.named(a.AnyPolicy.Kind()) }

// Name implements [projections.Projection].
func (a another) Name() string { return a.named(a.Projection.Name()) }

// Prefix implements [commands.AnyPolicy].
func (a another) Prefix() string { return a.named(a.AnyPolicy.Prefix()) }

// Row implements [projections.Projection].
func (a another) Row() reflect.Type { return a.typed(a.Projection.Row()) }

// Offers implements [commands.AnyPolicy].
func (a another) Offers() []commands.Offer {
	offers := slices.Clone(a.AnyPolicy.Offers())
	for i, o := range offers {
		if _, ok := reflect.TypeAssert[shaper](reflect.Zero(o.Type)); !ok { // whose schema has no name
			offers[i].Type = a.typed(o.Type)
		}
	}
	return offers
}

// typed returns a type with the same members that is another one.
func (a another) typed(t reflect.Type) reflect.Type {
	var fields []reflect.StructField
	for _, f := range reflect.VisibleFields(t) {
		if f.IsExported() && !f.Anonymous {
			if doc := f.Tag.Get("doc"); len(f.Index) == 1 && doc != "" { // what is of this kind alone
				f.Tag = reflect.StructTag(strings.Replace(string(f.Tag), doc, fmt.Sprint(doc, a.number), 1))
			}
			f.Offset, f.Index = 0, nil
			f.Tag += reflect.StructTag(fmt.Sprintf(` of:"%s" number:"%d"`, schemaName(t, ""), a.number))
			fields = append(fields, f)
		}
	}
	if len(fields) == 0 {
		return t
	}
	return reflect.StructOf(fields)
}

// nameOfAnother names the schemas of such types.
func nameOfAnother(t reflect.Type, hint string) string {
	if t.Name() != "" || t.Kind() != reflect.Struct || t.NumField() == 0 || t.Field(0).Tag.Get("of") == "" {
		return schemaName(t, hint)
	}
	return t.Field(0).Tag.Get("of") + t.Field(0).Tag.Get("number")
}

// heavy returns a server of so many operations, and how much processor time it took to make it.
func heavy(t *testing.T) (h http.Handler, took time.Duration) {
	t.Helper()
	tables := map[string]projections.Projection{}
	for _, table := range projections.All {
		tables[table.Kind()] = table
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began := worked()
	s := &Server{Metrics: prometheus.NewRegistry(), Now: time.Now, NewID: uuid.New, Log: slog.New(slog.DiscardHandler)}
	s.prepare()
	s.schemas.Registry = huma.NewMapRegistry(schemaPrefix, nameOfAnother)
	s.schemas.of(reflect.TypeFor[Problem]())
	var resources []*resource
	for n, ops := 0, 0; ops < manyOperations; n++ {
		for _, kind := range commands.All {
			if view := tables[kind.Kind()]; view != nil && ops < manyOperations {
				a := another{kind, view, n}
				r := s.resource(a, a)
				resources = append(resources, r)
				ops += len(r.operations())
			}
		}
	}
	h, err := s.route(resources)
	if err != nil {
		t.Fatal(err)
	}
	return h, worked() - began
}

// worked returns how much processor time the thread has used: unlike the time on the clock,
// it does not depend on what else the machine does.
func worked() time.Duration {
	const ofThread = 1 // RUSAGE_THREAD of Linux
	var u syscall.Rusage
	if err := syscall.Getrusage(ofThread, &u); err != nil {
		return time.Duration(time.Now().UnixNano()) // of another system
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func fetch(t *testing.T, h http.Handler, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestWeight(t *testing.T) {
	t.Parallel()
	h, took := heavy(t)
	for range 4 { // the machine may be busy
		if took <= mostTime {
			break
		}
		h, took = heavy(t)
	}
	if took > mostTime {
		t.Errorf("it takes %s to be there", took)
	}
	began := time.Now()
	doc := fetch(t, h, "/v1/openapi.json")
	t.Logf("there after %s, document after %s", took, time.Since(began))
	var d struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(doc.Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	ops := 0
	for _, item := range d.Paths {
		ops += len(item)
	}
	if size := doc.Body.Len(); ops < manyOperations || size > mostBytes {
		t.Errorf("%d operations in %d bytes", ops, size)
	}
	small := fetch(t, h, "/v1/openapi.json", "Accept-Encoding", "br;q=0.5, gzip")
	zipped, err := gzip.NewReader(small.Body)
	if err != nil {
		t.Fatal(err)
	}
	size := small.Body.Len()
	if whole, err := io.ReadAll(zipped); err != nil || !bytes.Equal(whole, doc.Body.Bytes()) {
		t.Errorf("the compressed document is another one: %v", err)
	}
	t.Logf("%d operations, %d bytes, %d compressed", ops, doc.Body.Len(), size)
}
