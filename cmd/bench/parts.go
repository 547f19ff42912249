package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/wall"
)

// part is a group of contests.
type part struct {
	name string
	run  func(context.Context, *stage, *house) error
}

// parts lists all of them.
var parts = []part{
	{"create over HTTP", creates},
	{"append to the log", appends},
	{"read over HTTP", reads},
	{"read a page from the database", pages},
	{"write, then see it in a list", visibility},
	{"make a tenant", tenantCreation},
	{"import a CSV file", importFile},
	{"idle tenants", idleTenants},
}

// spread says which tenant a client works for.
func spread(client, over int) int { return client % over }

// crowd is how many clients there are where there are many.
const crowd = 64

func creates(ctx context.Context, s *stage, h *house) error {
	ours := func(over int) op {
		return func(ctx context.Context, client int) (int, error) {
			t := spread(client, over)
			return 1, h.call(ctx, "POST", h.path(t, "/contacts"), h.tenants[t].key, newContact(), nil)
		}
	}
	bare := func(over int) op {
		return func(ctx context.Context, client int) (int, error) {
			data, err := json.Marshal(newContact())
			if err != nil {
				return 0, err
			}
			_, err = h.send(ctx, "POST", h.bare.URL+"/"+h.tenants[spread(client, over)].id.UUID.String(), "", bytes.NewReader(data), nil)
			return 1, err
		}
	}
	for _, c := range []struct{ clients, over int }{{1, 1}, {16, h.size.tenants}, {crowd, h.size.tenants}, {crowd, 1}} {
		goals := map[string]float64{}
		if c.clients == crowd && c.over == h.size.tenants {
			goals["bare create"] = 0.7
		}
		err := s.run(ctx, contest{
			name: "create over " + strconv.Itoa(c.over), clients: c.clients, goals: goals,
			sides: []side{{"rowhouse", ours(c.over)}, {"bare create", bare(c.over)}},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func appends(ctx context.Context, s *stage, h *house) error {
	data := h.engine.sample.Data
	ours := func(over int) op {
		return func(ctx context.Context, client int) (int, error) {
			return 1, h.engine.append(ctx, h.tenants[spread(client, over)].id)
		}
	}
	message := func(categories int) op {
		return func(ctx context.Context, client int) (int, error) {
			return 1, h.ref.writeMessage(ctx, "c"+strconv.Itoa((client*7919+int(uuid.New().ID()))%categories), data)
		}
	}
	insert := func(rows int) op {
		return func(ctx context.Context, _ int) (int, error) { return rows, h.ref.insert(ctx, rows, data) }
	}
	for _, c := range []contest{
		{
			name: "append", clients: 1, goals: map[string]float64{"message-db": 0.8},
			sides: []side{{"rowhouse", ours(1)}, {"message-db", message(1000)}, {"bare insert", insert(1)}},
		},
		{
			name: "append over " + strconv.Itoa(h.size.tenants), clients: crowd, goals: map[string]float64{"message-db": 2},
			sides: []side{{"rowhouse", ours(h.size.tenants)}, {"message-db", message(1000)}, {"bare insert", insert(1)}, {"bare insert of 64", insert(64)}},
		},
		{
			name: "append over 1", clients: crowd, goals: map[string]float64{"message-db, one category": 5},
			sides: []side{{"rowhouse", ours(1)}, {"message-db, one category", message(1)}},
		},
	} {
		if err := s.run(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func reads(ctx context.Context, s *stage, h *house) error {
	list := func(ctx context.Context, _ int) (int, error) {
		return 1, h.call(ctx, "GET", h.path(0, "/contacts?limit=50"), h.tenants[0].key, nil, nil)
	}
	bare := func(ctx context.Context, _ int) (int, error) {
		_, err := h.send(ctx, "GET", h.bare.URL+"/"+h.tenants[0].id.UUID.String(), "", nil, nil)
		return 1, err
	}
	var page struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := h.call(ctx, "GET", h.path(0, "/contacts?limit=100"), h.tenants[0].key, nil, &page); err != nil {
		return err
	}
	get := func(ctx context.Context, client int) (int, error) {
		return 1, h.call(ctx, "GET", h.path(0, "/contacts/"+page.Data[client].ID), h.tenants[0].key, nil, nil)
	}
	filtered := func(ctx context.Context, _ int) (int, error) {
		return 1, h.call(ctx, "GET", h.path(0, "/contacts?limit=50&sort=-updated_at&language=en"), h.tenants[0].key, nil, nil)
	}
	for _, clients := range []int{1, 16, crowd} {
		goals := map[string]float64{}
		if clients > 1 {
			goals["bare list"] = 0.6
		}
		err := s.run(ctx, contest{
			name: "list of 50", clients: clients, goals: goals,
			sides: []side{{"rowhouse", list}, {"bare list", bare}, {"rowhouse, filtered and sorted", filtered}, {"rowhouse, one record", get}},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// pages reads the same 50 documents with and without the wall.
func pages(ctx context.Context, s *stage, h *house) error {
	t := h.tenants[0].id
	walled := func(ctx context.Context, _ int) (n int, err error) {
		err = h.wall.Pipe(ctx, wall.Scope{Tenant: t, Duty: wall.Reader}, func(b *pgx.Batch) {
			b.Queue(`select id, doc from crm.contacts where tenant_id = $1 and ver = 1 order by id limit 50`, t.UUID).Query(func(rows pgx.Rows) error {
				for rows.Next() {
					n += len(rows.RawValues()[1])
				}
				return rows.Err()
			})
		})
		return 1, err
	}
	open := func(ctx context.Context, _ int) (int, error) {
		rows, err := h.ref.pool.Query(ctx, `select id, doc from ref.open where tenant_id = $1 order by id limit 50`, t.UUID)
		if err != nil {
			return 0, err
		}
		for rows.Next() {
			_ = rows.RawValues()
		}
		return 1, rows.Err()
	}
	return s.run(ctx, contest{
		name: "page of 50", clients: 8, goals: map[string]float64{"no row-level security": 0.85},
		sides: []side{{"behind the wall", walled}, {"no row-level security", open}},
	})
}

// visibility measures from a write being asked for until a list shows it.
func visibility(ctx context.Context, s *stage, h *house) error {
	write := func(ctx context.Context, client int) (int, error) {
		t := spread(client, h.size.tenants)
		data, err := json.Marshal(newContact())
		if err != nil {
			return 0, err
		}
		head, err := h.send(ctx, "POST", h.url+h.path(t, "/contacts"), h.tenants[t].key, bytes.NewReader(data), nil)
		if err != nil {
			return 0, err
		}
		return 1, h.see(ctx, t, head.Get("Event-Position"))
	}
	for _, clients := range []int{1, crowd} {
		if err := s.run(ctx, contest{name: "write and see", clients: clients, sides: []side{{"rowhouse", write}}}); err != nil {
			return err
		}
	}
	return nil
}

// seeing is how long a list may take to show what was written.
const seeing = 30 * time.Second

// see asks for a list until it shows a position: on a busy machine it may say that
// it is not there yet, and then one asks again, for a while.
func (h *house) see(ctx context.Context, t int, position string) error {
	for began := time.Now(); ; {
		req, err := request(ctx, h.url+h.path(t, "/contacts?limit=1"), h.tenants[t].key)
		if err != nil {
			return err
		}
		req.Header.Set("Min-Position", position)
		res, err := h.client.Do(req)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil {
			return err
		}
		switch {
		case res.StatusCode == http.StatusOK:
			return nil
		case res.StatusCode != http.StatusServiceUnavailable:
			return fmt.Errorf("list after write: %s: %s", res.Status, text)
		case time.Since(began) > seeing:
			return fmt.Errorf("a list does not show what was written %s ago: %s: %s", seeing, res.Status, text)
		}
	}
}

func tenantCreation(ctx context.Context, s *stage, h *house) error {
	s.rounds, s.turn = 1, min(s.turn, time.Second) // what is made is never deleted
	return s.run(ctx, contest{name: "new tenant", clients: 1, sides: []side{{"rowhouse", func(ctx context.Context, _ int) (int, error) {
		_, err := h.addTenant(ctx)
		return 1, err
	}}}})
}

// importFile imports contacts through the public API, as a user would.
func importFile(ctx context.Context, s *stage, h *house) error {
	const goal = 5000
	rows := h.size.rows
	file := filepath.Join(h.dir, "contacts.csv")
	var b bytes.Buffer
	b.WriteString("First Name,Last Name,Email,Phone Number,Job Title\n")
	for i := range rows {
		fmt.Fprintf(&b, "Ada,Lovelace %d,import-%d@example.com,+442079460123,Head of Engines\n", i, i)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		return err
	}
	start := time.Now()
	out, err := exec.CommandContext(ctx, h.binary, "import", "--server", h.url, "--key", h.tenants[1].key, "--object", "contacts", file).CombinedOutput() //nolint:gosec // the binary to measure
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	rate := float64(rows) / time.Since(start).Seconds()
	s.printf("%-46s %8d %12.0f rows", fmt.Sprintf("import of %d contacts: rowhouse", rows), 1, rate)
	s.verdict(rate, goal)
	s.printf("\n")
	return nil
}

// idleTenants measures what the server's memory grows by with tenants that
// nobody uses.
func idleTenants(ctx context.Context, s *stage, h *house) error {
	const limit = 20_000
	n := h.size.idle
	before, err := h.memory(ctx)
	if err != nil {
		return err
	}
	for range n {
		if _, err := h.addTenant(ctx); err != nil {
			return err
		}
	}
	after, err := h.memory(ctx)
	if err != nil {
		return err
	}
	each := (after - before) / float64(n)
	s.printf("%-46s %8d %12.0f bytes of live heap each", "idle tenants: rowhouse", n, each)
	s.bound(each, limit)
	s.printf("\n")
	return nil
}
