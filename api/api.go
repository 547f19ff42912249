// Package api serves the records of tenants, and the tenants themselves, over
// HTTP. To change a record takes a command, to look at one takes a table; the
// api adds no rules of its own, beyond what HTTP asks for.
//
// Each kind of record has a file with one line for each of its routes. What
// serves a route also describes it in the OpenAPI document, and checks what
// comes in against what the document says.
//
// It knows no SQL, and never writes to the log.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections"
	"github.com/rowhouse/rowhouse/wall"
)

// Server answers HTTP requests. All fields must be set before [Server.Handler]
// is called, and not changed after that.
type Server struct {
	Access   *access.Directory
	Commands *commands.Runner
	Models   *projections.Models
	Store    eventstore.Store // to read the log from
	Wall     *wall.Wall       // to read usage from

	Log     *slog.Logger
	Metrics prometheus.Registerer
	Now     func() time.Time
	NewID   func() uuid.UUID // a new UUID, version 7

	// React does at once what follows from events that were just recorded, and
	// returns the position of the last event of that; 0 if nothing follows. What
	// it does not come to is done later, by whoever follows the log. It may be nil.
	React func(ctx context.Context, tenant domain.TenantID, events []eventstore.Recorded) (eventstore.Position, error)

	// OwnWait is how long an answer may wait at most until it shows what the same caller
	// has just written here; 300 ms if 0.
	OwnWait time.Duration

	// Bulk is how many large requests, such as batches of an import, are carried out at a
	// time; half as many as there are processors if 0.
	Bulk int

	Version string                          // of this build
	Ready   func(ctx context.Context) error // whether requests can be served now, such as [wall.Wall.Ready]
	Closing <-chan struct{}                 // closed when the server is about to stop, so that streams end

	outward   eventstore.Outward // the log as clients see it
	schemas   *schemas
	views     map[string]projections.Projection // by kind
	inward    map[string]bool                   // the kinds that only the server sees
	prefixes  map[string]string                 // of IDs, by the kind of what they name
	choosers  map[string]bool                   // the events that are a domain.Chooser, by their names
	listeners *listeners
	recent    *recent
	bulk      *bulk
}

// Handler returns what serves the whole API. It fails if the metrics of the API
// were registered before.
func (s *Server) Handler() (http.Handler, error) {
	s.prepare()
	s.bulk = newBulk(s.Bulk)
	if err := s.Metrics.Register(s.bulk.metrics()); err != nil {
		return nil, err
	}
	resources, err := s.resources()
	if err != nil {
		return nil, err
	}
	return s.route(resources)
}

// prepare makes what the server remembers.
func (s *Server) prepare() {
	s.schemas, s.listeners, s.prefixes, s.recent = newSchemas(), newListeners(), map[string]string{}, newRecent(s.Now)
	s.views, s.inward, s.choosers = map[string]projections.Projection{}, map[string]bool{}, map[string]bool{}
	s.outward = eventstore.Outward{Store: s.Store, Ends: domain.IsPurge}
}

// route returns what serves some kinds of records, and all else.
func (s *Server) route(resources []*resource) (http.Handler, error) {
	d := new(document)
	ops := slices.Concat(s.loginOperations(), s.tenants(), s.usage(), s.listMembers(), s.search(), s.stages())
	for _, r := range resources {
		s.prefixes[r.view.Kind()], s.views[r.view.Kind()] = r.view.Prefix(), r.view
		for name, event := range r.kind.EventTypes() {
			s.choosers[name] = event.Implements(reflect.TypeFor[domain.Chooser]())
		}
		d.tag(r.tag(), r.kind.About())
		ops = append(ops, r.operations()...)
	}
	ops = slices.Concat(ops, s.door(resources), s.feed(), s.about(d), []*operation{s.ownDocument(d)})
	d.complete(s, ops)
	r := chi.NewRouter()
	r.NotFound(nowhere)
	r.MethodNotAllowed(nowhere)
	for _, op := range ops {
		r.Method(op.Method, op.Path, op.handler())
		if op.Method == http.MethodGet && !op.endless {
			r.Head(op.Path, op.handler()) // without the body, which net/http leaves out
		}
	}
	return s.edge(r)
}

// nowhere answers where nothing is served.
func nowhere(w http.ResponseWriter, r *http.Request) {
	x := w.(*exchange) // the edge made it
	var methods []string
	routes := chi.RouteContext(r.Context()).Routes
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodDelete} {
		if routes.Match(chi.NewRouteContext(), m, r.URL.Path) {
			methods = append(methods, m)
		}
	}
	if methods == nil {
		x.refuse(domain.NotFound.Refusef("no_such_route", "nothing is served here")) //nolint:contextcheck // the exchange has it
		return
	}
	x.set("Allow", strings.Join(methods, ", "))
	x.refuse(notAllowed.Refusef("", "this method is not served here")) //nolint:contextcheck // likewise
}
