package api

import (
	"encoding/json"
	"log/slog"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/api/ijson"
	"github.com/rowhouse/rowhouse/domain"
)

// What it may take to refuse a body, counted and not timed, so that the machine
// does not matter: how many values are looked at, how many pieces of memory are
// asked for and how many bytes they have, each for a byte of the body, and how
// large the answer is.
const (
	stepsPerByte  = 1.0
	allocsPerByte = 0.5
	bytesPerByte  = 64
	costOfAny     = 4 << 20 // bytes that any refusal may take
	allocsOfAny   = 20_000
	mostAnswer    = 64 << 10
	mostOfBatch   = 512 << 10
)

// costs are the operations that take a body, and what serves them.
type costs struct {
	s   *Server
	ops []*operation
}

func newCosts(t testing.TB) costs {
	t.Helper()
	s := &Server{Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Now: time.Now, NewID: uuid.New}
	if _, err := s.Handler(); err != nil {
		t.Fatal(err)
	}
	c := costs{s: s}
	resources, err := s.resources()
	if err != nil {
		t.Fatal(err)
	}
	all := slices.Concat(s.loginOperations(), s.tenants(), s.door(resources))
	for _, r := range resources {
		all = append(all, r.operations()...)
	}
	for _, op := range all {
		if op.RequestBody != nil {
			c.ops = append(c.ops, op)
		}
	}
	if len(c.ops) < 40 {
		t.Fatalf("only %d operations take a body", len(c.ops))
	}
	return c
}

// refuse sends a body to an operation, as if somebody had asked for it who may,
// and checks what that took. There is no store: a body that is in order is none
// of its business.
func (c costs) refuse(t testing.TB, op *operation, body string) {
	t.Helper()
	x := c.exchange(op, body)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := serveWithoutStore(op, x)
	if err == nil {
		return
	}
	p, _ := problemOf(err, "id")
	answer, _ := json.Marshal(p)
	runtime.ReadMemStats(&after)
	allocs, bytes := after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	most := mostAnswer
	if strings.HasSuffix(op.Path, "/batch") {
		most = mostOfBatch
	}
	if n := float64(len(body)); float64(allocs) > allocsPerByte*n+allocsOfAny || float64(bytes) > bytesPerByte*n+costOfAny || len(answer) > most || len(p.Errors) > domain.MaxRefusals {
		t.Errorf("%s: %d bytes took %d pieces of %d bytes, and %d of an answer: %.60s … %.300s", op.OperationID, len(body), allocs, bytes, len(answer), body, answer)
	}
}

// serveWithoutStore returns the refusal of a request, or nil if it came to where
// the store would be asked.
func serveWithoutStore(op *operation, x *exchange) (err error) {
	defer func() {
		x.endTurn() // as the edge does
		if recover() != nil {
			err = nil
		}
	}()
	return op.serve(x)
}

// repeated returns the largest text that fits: head, as many parts as there is
// room for, and tail. In a part, %d is its number.
func repeated(room int, head, part, sep, tail string) string {
	var b strings.Builder
	b.WriteString(head)
	for i := 0; ; i++ {
		next := part
		if strings.Contains(part, "%d") {
			next = strings.ReplaceAll(part, "%d", strconv.Itoa(i))
		}
		if i > 0 {
			next = sep + next
		}
		if b.Len()+len(next)+len(tail) > room {
			b.WriteString(tail)
			return b.String()
		}
		b.WriteString(next)
	}
}

// dear is the bodies that cost most for their size, for a schema. Each is made when it
// is asked for, because that takes longer than to refuse it.
func (costs) dear(s *huma.Schema, room int) (all []func() string) {
	fill := func(head, part, sep, tail string) {
		all = append(all, func() string { return repeated(room, head, part, sep, tail) })
	}
	text := func(head, part string, size int, tail string) {
		all = append(all, func() string { return head + strings.Repeat(part, (room-len(head)-len(tail))/size) + tail })
	}
	items := []string{`1`, `{}`, `[]`, `""`, `{"x":1}`, `null`, `"a%d"`, `{"address":"x","x%d":1}`, `1e999999999`, `"` + strings.Repeat(`\ud83d\ude00`, 50) + `"`}
	names := []string{`"a%d":1`, `"` + strings.Repeat("long ", 30) + `%d":{}`, `"~/~/%d":null`}
	for _, item := range items {
		fill(`[`, item, ",", `]`)
	}
	for _, name := range names {
		fill(`{`, name, ",", `}`)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		in := `{"` + name + `":`
		for _, item := range items {
			fill(in+`[`, item, ",", `]}`)
		}
		for _, member := range names {
			fill(in+`{`, member, ",", `}}`)
			fill(in+`{"x":{`, member, ",", `}}}`)
			fill(in+`[{`, member, ",", `}]}`)
		}
		text(in, "9", 1, "}")
		text(in+"1.", "0", 1, "}")
		text(in+"1e", "9", 1, "}")
		text(in+`"`, "\u0301", len("\u0301"), `"}`)
		text(in+`"`, "a.", len("a."), `"}`)
		text(in+`"`, "-", 1, `"}`)
		all = append(all, func() string {
			return in + strings.Repeat(`{"`+strings.Repeat("deep", room/70/4)+`":`, 60) + "1" + strings.Repeat("}", 61)
		})
	}
	filter := []string{`{"field":"id","op":"eq","value":1}`, `{"and":[{"or":[{"not":{"field":"id","op":"is_null"}}]}]}`, `{}`}
	for _, f := range filter {
		fill(`{"filter":{"or":[`, f, ",", `]}}`)
	}
	fill(`{"filter":{"field":"id","op":"in","value":[`, `"x"`, ",", `]}}`)
	fill(`{"fields":"`, "id", ",", `"}`)
	fill(`{"fields":[`, `"id"`, ",", `]}`)
	fill(`{"sort":"`, "-id", ",", `"}`)
	fill(`{"filter":"`, "(", "", `"}`)
	fill(`{"filter":"`, "not ", "", `"}`)
	fill(`{"q":"`, "w ", "", `"}`)
	return all
}

// TestCostOfRefusing sends each operation bodies that are dear, to each some of
// them: the largest ones to one, and to the others smaller ones, whose cost is in
// proportion.
func TestCostOfRefusing(t *testing.T) { //nolint:paralleltest // it counts what the process allocates
	c := newCosts(t)
	for i, op := range c.ops {
		room, step := min(int(op.maxBody()), 64<<10), 17
		if op.OperationID == "contact.create" && !testing.Short() {
			room = int(op.maxBody())
		}
		for k, body := range c.dear(c.s.schemas.resolve(jsonBody(op.RequestBody)), room) {
			if k%step == i%step {
				c.refuse(t, op, body())
			}
		}
	}
}

// TestCostOfBatch sends a thousand operations, each of which is wrong all over.
func TestCostOfBatch(t *testing.T) { //nolint:paralleltest // likewise
	c := newCosts(t)
	wrong := repeated(6000, `{"op":"create","data":{`, `"a%d":1`, ",", `}}`)
	body := repeated(6000*300, `{"operations":[`, wrong, ",", `]}`)
	for _, op := range c.ops {
		if strings.HasSuffix(op.Path, "/batch") {
			c.refuse(t, op, body)
			c.refuse(t, op, strings.Replace(body, "{", `{"atomic":true,`, 1))
		}
	}
}

// TestCheckerSteps counts what the checker looks at: each value and each name
// once, and no more of them when it has found enough. Each operation gets some of the
// bodies, because many have the same shape.
func TestCheckerSteps(t *testing.T) {
	t.Parallel()
	c := newCosts(t)
	const step = 5
	for i, op := range c.ops {
		s := jsonBody(op.RequestBody)
		for k, dear := range c.dear(c.s.schemas.resolve(s), 8<<10) {
			if k%step != i%step {
				continue
			}
			body := dear()
			tree, _, err := ijson.ParsePlain([]byte(body), 1<<10)
			if err != nil {
				continue
			}
			s := c.s.schemas.resolve(s)
			checker := checker{schemas: c.s.schemas}
			checker.value(s, tree)
			most := int(stepsPerByte * float64(len(body)))
			if strings.HasPrefix(body, `{"a0"`) && s.AdditionalProperties == false {
				most = 200 // for the first fifty mistakes, whatever comes after them
			}
			if checker.steps > most || checker.wrong.Len() > domain.MaxRefusals+1 {
				t.Errorf("%s: %d steps and %d mistakes for %d bytes: %.60s", op.OperationID, checker.steps, checker.wrong.Len(), len(body), body)
			}
		}
	}
}

// FuzzCostOfRefusing sends bodies made at random from the document, and from
// what the fuzzer finds: a body is a piece of one, repeated and nested.
func FuzzCostOfRefusing(f *testing.F) {
	c := newCosts(f)
	f.Add(uint64(1), "a%d", `1`)
	f.Add(uint64(2), "emails", `{"address":1}`)
	f.Add(uint64(3), "filter", `{"and":[]}`)
	f.Add(uint64(4), "~/", `[[[]]]`)
	f.Fuzz(func(t *testing.T, seed uint64, name, value string) {
		random := rand.New(rand.NewPCG(seed, 1))
		op := c.ops[random.IntN(len(c.ops))]
		c.refuse(t, op, randomBody(random, c.s.schemas.resolve(jsonBody(op.RequestBody)), name, value, min(int(op.maxBody()), 1<<(8+random.IntN(10)))))
	})
}

func randomBody(random *rand.Rand, s *huma.Schema, name, value string, room int) string {
	quoted, _ := json.Marshal(name)
	names := []string{string(quoted), `"` + strings.Trim(string(quoted), `"`) + `%d"`}
	for known := range s.Properties {
		names = append(names, `"`+known+`"`)
	}
	slices.Sort(names)
	pick := func() string { return names[random.IntN(len(names))] }
	head, tail := "", ""
	for range random.IntN(4) {
		if random.IntN(3) == 0 {
			head, tail = head+"[", "]"+tail
		} else {
			head, tail = head+"{"+pick()+":", "}"+tail
		}
	}
	if random.IntN(2) == 0 {
		return repeated(room, head+"[", value, ",", "]"+tail)
	}
	return repeated(room, head+"{", pick()+":"+value, ",", "}"+tail)
}
