package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed reference.sql
var referenceSQL string

// reference is what Rowhouse is measured against: raw SQL, and an HTTP server
// that does the least there is to do, without a token, a permission, a check of
// what is sent, or an audit trail.
type reference struct {
	pool *pgxpool.Pool
}

func newReference(ctx context.Context, url string) (*reference, error) {
	admin, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer admin.Close(ctx) //nolint:errcheck // what matters was committed
	if _, err := admin.Exec(ctx, referenceSQL); err != nil {
		return nil, fmt.Errorf("reference schema: %w", err)
	}
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	cfg.ConnConfig.User, cfg.MaxConns = "ref_app", 32
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	return &reference{pool}, err
}

// addTenant makes a tenant with some contacts to list.
func (*reference) addTenant(ctx context.Context, url string, tenant uuid.UUID, contacts int) error {
	admin, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer admin.Close(ctx) //nolint:errcheck // what matters was committed
	if _, err := admin.Exec(ctx, `insert into ref.head (tenant_id) values ($1)`, tenant); err != nil {
		return err
	}
	for _, table := range []string{"ref.contact", "ref.open"} {
		_, err := admin.Exec(ctx, `insert into `+table+` (tenant_id, id, name, doc)
			select $1, gen_random_uuid(), 'name ' || g, $3 from generate_series(1, $2) g`, tenant, contacts, strings.Repeat("x", 800))
		if err != nil {
			return err
		}
	}
	return nil
}

const (
	setTenant = `select set_config('ref.tenant', $1, true)`
	refCreate = `with h as (update ref.head set last_pos = last_pos + 1 where tenant_id = $1 returning last_pos),
		e as (insert into ref.event (tenant_id, pos, stream_id, version, event_type, event_id, data)
			select $1, h.last_pos, $2, 1, 'contact.created', $3, $4 from h)
		insert into ref.contact (tenant_id, id, name, doc) values ($1, $2, $5, $6)`
	refList = `select id, doc from ref.contact where tenant_id = $1 order by id limit 50`
)

// handler serves a bare create and a bare list over HTTP.
func (r *reference) handler() http.Handler {
	mux := chi.NewRouter()
	mux.Post("/{tenant}", func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err == nil {
			err = r.create(req.Context(), uuid.MustParse(chi.URLParam(req, "tenant")), body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(body)
	})
	mux.Get("/{tenant}", func(w http.ResponseWriter, req *http.Request) {
		page, err := r.list(req.Context(), uuid.MustParse(chi.URLParam(req, "tenant")), refList)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(page)
	})
	return mux
}

func (r *reference) create(ctx context.Context, tenant uuid.UUID, body []byte) error {
	b := &pgx.Batch{}
	b.Queue(setTenant, tenant.String())
	b.Queue(refCreate, tenant, uuid.New(), uuid.New(), body, "name", string(body))
	return r.pool.SendBatch(ctx, b).Close()
}

// list reads a page as a query has it, in one round trip with its tenant.
func (r *reference) list(ctx context.Context, tenant uuid.UUID, query string) ([]byte, error) {
	page := bytes.NewBufferString(`{"data":[`)
	b := &pgx.Batch{}
	b.Queue(setTenant, tenant.String())
	b.Queue(query, tenant).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			raw := rows.RawValues()
			page.Write(raw[1])
			page.WriteByte(',')
		}
		return rows.Err()
	})
	err := r.pool.SendBatch(ctx, b).Close()
	page.WriteString(`]}`)
	return page.Bytes(), err
}

// insert adds rows without any condition: the limit of the disk and the
// protocol.
func (r *reference) insert(ctx context.Context, rows int, data []byte) error {
	_, err := r.pool.Exec(ctx, `insert into ref.bare (stream_id, data) select gen_random_uuid(), $2 from generate_series(1, $1)`, rows, data)
	return err
}

// writeMessage appends an event to a new stream as message-db does.
func (r *reference) writeMessage(ctx context.Context, category string, data []byte) error {
	_, err := r.pool.Exec(ctx, `select ref.write_message($1, $2, 'contact.created', $3::jsonb, '{}'::jsonb, -1)`,
		uuid.New(), category+"-"+uuid.NewString(), string(data))
	return err
}
