package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Tenant is one tenant's space on a server.
type Tenant struct {
	client *Client
	ID     string
	seen   int64 // what is read must show the events up to here
}

// Tenant returns the space of a tenant. The bearer must belong to it.
func (c *Client) Tenant(id string) Tenant { return Tenant{client: c, ID: id} }

// Head returns the position of the tenant's last event.
func (t Tenant) Head(ctx context.Context) (int64, error) {
	var page struct {
		Head int64 `json:"head"`
	}
	_, err := t.client.Do(ctx, Request{Method: http.MethodGet, Path: t.path("events") + "?limit=1"}, &page)
	return page.Head, err
}

// Since returns the same space, whose records are read as they are at a position
// or later.
func (t Tenant) Since(position int64) Tenant {
	t.seen = position
	return t
}

// header returns what says so.
func (t Tenant) header() http.Header {
	if t.seen == 0 {
		return nil
	}
	return http.Header{"Min-Position": {strconv.FormatInt(t.seen, 10)}}
}

// Client returns the client that asks.
func (t Tenant) Client() *Client { return t.client }

// path returns the path of something of the tenant, each part escaped.
func (t Tenant) path(parts ...string) string {
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return "/v1/tenants/" + url.PathEscape(t.ID) + "/" + strings.Join(parts, "/")
}

// MaxBatch is how many operations a batch may have.
const MaxBatch = 1000

// Operation is one operation of a batch: create, update, upsert, delete, or the
// name of a command.
type Operation struct {
	Op      string          `json:"op"`
	ID      string          `json:"id,omitempty"`       // what it is done to; of a new record it is in the data
	IfMatch int             `json:"if_match,omitempty"` // the version that it must be at
	Lists   string          `json:"lists,omitempty"`    // of an update: add, to keep what lists have besides those of the data
	Data    json.RawMessage `json:"data,omitempty"`
}

// Result is the outcome of one operation: a problem, or the record it led to.
type Result struct {
	Index   int      `json:"index"`
	Status  int      `json:"status"`
	ID      string   `json:"id"`
	Version int      `json:"version"`
	Problem *Problem `json:"problem"`
}

// Batch carries out operations, each by itself, and returns as many results in
// the same order. The key makes it safe to ask again; without one, the
// operations must be such that repeating them does no harm.
func (t Tenant) Batch(ctx context.Context, collection, key string, ops []Operation) ([]Result, Answer, error) {
	body := struct {
		Operations []Operation `json:"operations"`
	}{ops}
	var out struct {
		Results []Result `json:"results"`
	}
	answer, err := t.client.Do(ctx, Request{
		Method: http.MethodPost, Path: t.path(collection, "batch"),
		Body: body, Key: key, Repeatable: true,
	}, &out)
	if err != nil {
		return nil, answer, err
	}
	results := make([]Result, len(ops))
	after, _ := retryAfter(answer.Header)
	for _, r := range out.Results {
		if r.Index < 0 || r.Index >= len(ops) || results[r.Index].Status != 0 {
			return nil, answer, fmt.Errorf("the server answers operation %d of %d, or answers it twice", r.Index, len(ops))
		}
		if r.Problem != nil && r.Problem.Status == 0 {
			r.Problem.Status = r.Status
		}
		if r.Problem == nil && r.Status > 299 {
			r.Problem = &Problem{Status: r.Status, Title: http.StatusText(r.Status)}
		}
		if r.Problem != nil && r.Problem.Transient() {
			r.Problem.retryAfter = after // the server says it of the whole
		}
		results[r.Index] = r
	}
	for i, r := range results {
		if r.Status == 0 {
			return nil, answer, fmt.Errorf("the server does not answer operation %d of %d", i, len(ops))
		}
	}
	return results, answer, nil
}

// Record is the representation of a record. Decode it into what is needed.
type Record = json.RawMessage

// Get returns a record, or what is below it, such as its "events".
func (t Tenant) Get(ctx context.Context, collection, id, below string, out any) error {
	path := t.path(collection, id)
	if below != "" {
		path = t.path(collection, id, below)
	}
	_, err := t.client.Do(ctx, Request{Method: http.MethodGet, Path: path, Header: t.header()}, out)
	return err
}

// Known is what is known about a record that is there, or was.
type Known struct {
	ID        string  `json:"id"`
	Version   int     `json:"version"`
	DeletedAt *string `json:"deleted_at"`
}

// Known finds out which of up to 500 records there are.
func (t Tenant) Known(ctx context.Context, collection string, ids []string) (map[string]Known, error) {
	body := struct {
		IDs []string `json:"ids"`
	}{ids}
	var out struct {
		Data []Known `json:"data"`
	}
	_, err := t.client.Do(ctx, Request{
		Method: http.MethodPost, Path: t.path(collection, "batch_get"),
		Body: body, Repeatable: true, Header: t.header(),
	}, &out)
	known := make(map[string]Known, len(out.Data))
	for _, r := range out.Data {
		known[r.ID] = r
	}
	return known, err
}

// List yields all records of a collection that the query asks for, page by
// page. What is changed meanwhile may or may not be seen.
func (t Tenant) List(ctx context.Context, collection string, query url.Values) iter.Seq2[Record, error] {
	return pages[Record](ctx, t.client, t.path(collection), query, t.header())
}

// Query yields all records of a collection that meet a condition, in the JSON form of
// filters, page by page, with the members that are named. What is changed meanwhile may
// or may not be seen.
func (t Tenant) Query(ctx context.Context, collection string, filter any, fields string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		body := map[string]any{"limit": pageSize, "fields": fields}
		if filter != nil {
			body["filter"] = filter
		}
		for {
			var page struct {
				Data []Record `json:"data"`
				Next string   `json:"next_cursor"`
			}
			_, err := t.client.Do(ctx, Request{
				Method: http.MethodPost, Path: t.path(collection, "query"), Body: body, Repeatable: true, Header: t.header(),
			}, &page)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, r := range page.Data {
				if !yield(r, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			body["cursor"] = page.Next
		}
	}
}

// pages yields what is in a list, page by page.
func pages[T any](ctx context.Context, c *Client, path string, query url.Values, header http.Header) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		q := url.Values{"limit": {strconv.Itoa(pageSize)}}
		maps.Copy(q, query)
		for {
			var page struct {
				Data []T    `json:"data"`
				Next string `json:"next_cursor"`
			}
			_, err := c.Do(ctx, Request{Method: http.MethodGet, Path: path + "?" + q.Encode(), Header: header}, &page)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range page.Data {
				if !yield(item, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			q.Set("cursor", page.Next)
		}
	}
}

// pageSize is the largest page that there is.
const pageSize = 500

// Create makes a record.
func (t Tenant) Create(ctx context.Context, collection, key string, data any) error {
	_, err := t.client.Do(ctx, Request{Method: http.MethodPost, Path: t.path(collection), Body: data, Key: key}, nil)
	return err
}
