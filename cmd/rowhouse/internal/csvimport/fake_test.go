package csvimport

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// fake is a server that keeps records as the API says, in memory: batches,
// idempotency keys, IDs that the client chooses, things that only one record
// can have. It can be told to fail.
type fake struct {
	*httptest.Server
	mu      sync.Mutex
	records map[string]map[string]any // by collection and ID
	order   []string                  // in which they were made
	holder  map[string]string         // of a claim
	done    map[string]string         // idempotency key and index, to the hash of what was asked
	log     []string                  // method, path, operations
	queries []string                  // the collections that were asked, and the first operator of the filter

	// before and after are asked about each batch: what they return is answered
	// in place of the batch, or of its result.
	before, after func(collection string, ops []map[string]any) int
	strict        func(data map[string]any) (pointer string) // refuses a record
	shaky         func(op map[string]any) (status int, code string)
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{records: map[string]map[string]any{}, holder: map[string]string{}, done: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/me", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, map[string]any{"tenant_id": "ten_1", "organization_id": "org_1", "role": "admin"})
	})
	mux.HandleFunc("GET /v1/tenants/ten_1/events", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Event-Position", "1")
		answer(w, 200, map[string]any{"data": []any{}})
	})
	mux.HandleFunc("GET /v1/tenants/ten_1/{collection}", f.list)
	mux.HandleFunc("POST /v1/tenants/ten_1/{collection}", func(w http.ResponseWriter, r *http.Request) {
		f.serve(w, r, func(body map[string]any) []map[string]any { return []map[string]any{{"op": "create", "data": body}} })
	})
	mux.HandleFunc("POST /v1/tenants/ten_1/{collection}/batch_get", f.known)
	mux.HandleFunc("POST /v1/tenants/ten_1/{collection}/query", f.query)
	mux.HandleFunc("POST /v1/tenants/ten_1/{collection}/batch", func(w http.ResponseWriter, r *http.Request) {
		f.serve(w, r, func(body map[string]any) (ops []map[string]any) {
			for _, op := range body["operations"].([]any) {
				ops = append(ops, op.(map[string]any))
			}
			return ops
		})
	})
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer crmk_test" {
			answer(w, 401, map[string]any{"status": 401, "code": "unauthenticated", "detail": "who are you?"})
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

// heal lets the server work from now on.
func (f *fake) heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.after = nil, nil
}

// batches returns how many were asked for.
func (f *fake) batches() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.log)
}

// forget makes the server forget idempotency keys, as it does some day.
func (f *fake) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done = map[string]string{}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// vanish breaks the connection.
const vanish = -1

func (f *fake) list(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := r.PathValue("collection")
	var docs []any
	cursor := r.URL.Query().Get("cursor")
	for i, id := range f.order {
		if doc, ok := f.records[c+"/"+id]; ok && fmt.Sprintf("%09d", i) > cursor {
			docs = append(docs, doc)
			if len(docs) == 100 { // so that there are several pages
				answer(w, 200, map[string]any{"data": docs, "next_cursor": fmt.Sprintf("%09d", i)})
				return
			}
		}
	}
	answer(w, 200, map[string]any{"data": docs, "next_cursor": nil})
}

// query answers a list with a filter, as far as imports ask for such.
func (f *fake) query(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Filter map[string]any `json:"filter"`
		Cursor string         `json:"cursor"`
		Limit  int            `json:"limit"`
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	f.mu.Lock()
	defer f.mu.Unlock()
	c := r.PathValue("collection")
	f.queries = append(f.queries, strings.TrimSpace(fmt.Sprintf("%s %s %s", c, text(in.Filter["field"]), text(in.Filter["op"]))))
	docs := []any{}
	for i, id := range f.order {
		doc, ok := f.records[c+"/"+id]
		if !ok || fmt.Sprintf("%09d", i) <= in.Cursor || in.Filter != nil && !meets(doc, in.Filter) {
			continue
		}
		if docs = append(docs, doc); len(docs) == in.Limit {
			answer(w, 200, map[string]any{"data": docs, "next_cursor": fmt.Sprintf("%09d", i)})
			return
		}
	}
	answer(w, 200, map[string]any{"data": docs, "next_cursor": nil})
}

// meets reports whether a record meets a filter.
func meets(doc, filter map[string]any) bool {
	parts := func(name string) (all []map[string]any) {
		list, _ := filter[name].([]any)
		for _, p := range list {
			all = append(all, p.(map[string]any))
		}
		return all
	}
	if all := parts("and"); all != nil {
		return !slices.ContainsFunc(all, func(p map[string]any) bool { return !meets(doc, p) })
	}
	if all := parts("or"); all != nil {
		return slices.ContainsFunc(all, func(p map[string]any) bool { return meets(doc, p) })
	}
	var has []string
	switch field := text(filter["field"]); field {
	case "emails":
		list, _ := doc["emails"].([]any)
		for _, e := range list {
			has = append(has, strings.ToLower(text(e.(map[string]any)["address"])))
		}
	case "external_ids":
		ids, _ := doc["external_ids"].(map[string]any)
		for source, id := range ids {
			has = append(has, source+":"+text(id))
		}
	default:
		if v := text(doc[field]); v != "" {
			has = append(has, v)
		}
	}
	switch filter["op"] {
	case "is_null":
		return len(has) == 0
	case "starts_with":
		return len(has) > 0 && strings.HasPrefix(strings.ToLower(has[0]), strings.ToLower(text(filter["value"])))
	}
	values, _ := filter["value"].([]any)
	return slices.ContainsFunc(values, func(v any) bool { return slices.Contains(has, text(v)) })
}

func (f *fake) known(w http.ResponseWriter, r *http.Request) {
	var in struct {
		IDs []string `json:"ids"`
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	f.mu.Lock()
	defer f.mu.Unlock()
	docs := []any{}
	for _, id := range in.IDs {
		if doc, ok := f.records[r.PathValue("collection")+"/"+id]; ok {
			docs = append(docs, doc)
		}
	}
	answer(w, 200, map[string]any{"data": docs})
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request, parse func(map[string]any) []map[string]any) {
	var body map[string]any
	data, _ := io.ReadAll(r.Body)
	if json.Unmarshal(data, &body) != nil {
		answer(w, 400, map[string]any{"status": 400, "code": "malformed"})
		return
	}
	c, ops := r.PathValue("collection"), parse(body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, fmt.Sprintf("%s %d", c, len(ops)))
	if f.fail(w, f.before, c, ops) {
		return
	}
	results := make([]map[string]any, len(ops))
	for i, op := range ops {
		results[i] = f.once(r.Header.Get("Idempotency-Key"), i, c, op)
		results[i]["index"] = i
	}
	if f.fail(w, f.after, c, ops) {
		return
	}
	if !strings.HasSuffix(r.URL.Path, "/batch") {
		if p, ok := results[0]["problem"]; ok {
			answer(w, results[0]["status"].(int), p)
			return
		}
		answer(w, 201, f.records[c+"/"+results[0]["id"].(string)])
		return
	}
	answer(w, 200, map[string]any{"results": results})
}

func (*fake) fail(w http.ResponseWriter, ask func(string, []map[string]any) int, c string, ops []map[string]any) bool {
	if ask == nil {
		return false
	}
	switch status := ask(c, ops); {
	case status == vanish:
		panic(http.ErrAbortHandler)
	case status > 0:
		answer(w, status, map[string]any{"status": status, "code": "told_to"})
		return true
	}
	return false
}

// once carries out an operation, unless it was accepted before under the same
// key.
func (f *fake) once(key string, i int, c string, op map[string]any) map[string]any {
	asked, _ := json.Marshal(op)
	name := fmt.Sprint(key, "/", i)
	if before, ok := f.done[name]; ok && key != "" {
		if before != string(asked) {
			return problem(422, "idempotency_mismatch", "", "")
		}
		data, _ := op["data"].(map[string]any)
		return map[string]any{"status": 201, "id": firstOf(text(data["id"]), text(op["id"])), "version": 1}
	}
	res := f.carryOut(c, op)
	if _, refused := res["problem"]; !refused {
		f.done[name] = string(asked)
	}
	return res
}

func text(v any) string { s, _ := v.(string); return s }

func problem(status int, code, pointer, existing string) map[string]any {
	p := map[string]any{"status": status, "code": code, "detail": "it is " + code}
	if pointer != "" {
		p["errors"] = []any{map[string]any{"pointer": pointer, "code": code, "detail": "is " + code}}
	}
	if existing != "" {
		p["existing_id"] = existing
	}
	return map[string]any{"status": status, "problem": p}
}

func (f *fake) carryOut(c string, op map[string]any) map[string]any {
	if f.shaky != nil {
		if status, code := f.shaky(op); status > 0 {
			return problem(status, code, "", "")
		}
	}
	data, _ := op["data"].(map[string]any)
	if op["op"] == "create" {
		id := text(data["id"])
		if id == "" {
			id = fmt.Sprintf("new_%d", len(f.order))
		}
		if _, ok := f.records[c+"/"+id]; ok {
			return problem(409, "exists", "", "")
		}
		if f.strict != nil {
			if pointer := f.strict(data); pointer != "" {
				return problem(422, "too_odd", pointer, "")
			}
		}
		if company := text(data["company_id"]); company != "" && f.records["companies/"+company] == nil {
			return problem(422, "reference_not_found", "/company_id", "")
		}
		claims := claimsOf(c, data)
		for _, key := range slices.Sorted(maps.Keys(claims)) {
			if holder, ok := f.holder[key]; ok {
				return problem(409, "duplicate", claims[key], holder)
			}
		}
		for key := range claims {
			f.holder[key] = id
		}
		doc := maps.Clone(data)
		doc["id"], doc["version"], doc["orders"] = id, 1, []any{}
		f.records[c+"/"+id] = doc
		f.order = append(f.order, id)
		return map[string]any{"status": 201, "id": id, "version": 1}
	}
	doc, ok := f.records[c+"/"+text(op["id"])]
	if !ok {
		return problem(404, "not_found", "", "")
	}
	if v, ok := op["if_match"].(float64); ok && int(v) != doc["version"] {
		return problem(412, "version_conflict", "", "")
	}
	if op["op"] == "update" {
		maps.Copy(doc, data)
	} else if orders := doc["orders"].([]any); len(orders) > 0 {
		return problem(409, "state_conflict", "", "")
	} else {
		doc["orders"] = append(orders, op["op"])
	}
	doc["version"] = doc["version"].(int) + 1
	return map[string]any{"status": 200, "id": op["id"], "version": doc["version"]}
}

func claimsOf(c string, data map[string]any) map[string]string {
	claims := map[string]string{}
	ids, _ := data["external_ids"].(map[string]any)
	for source, id := range ids {
		claims[c+source+text(id)] = "/external_ids/" + source
	}
	emails, _ := data["emails"].([]any)
	for i, e := range emails {
		claims[strings.ToLower(text(e.(map[string]any)["address"]))] = fmt.Sprintf("/emails/%d/address", i)
	}
	if c == "pipelines" {
		claims[text(data["name"])] = "/name"
	}
	return claims
}

// all returns the records of a collection in the order in which they were made.
func (f *fake) all(collection string) (docs []map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range f.order {
		if doc, ok := f.records[collection+"/"+id]; ok {
			docs = append(docs, doc)
		}
	}
	return docs
}

// each returns one member of each record, as text.
func (f *fake) each(collection, member string) (values []string) {
	for _, doc := range f.all(collection) {
		if b, err := json.Marshal(doc[member]); err == nil {
			values = append(values, strings.Trim(string(b), `"`))
		}
	}
	return values
}
