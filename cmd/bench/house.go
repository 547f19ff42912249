package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/embedded"
	"github.com/rowhouse/rowhouse/keys"
	"github.com/rowhouse/rowhouse/wall"
)

// size says how much there is of everything.
type size struct {
	tenants  int // of the house, at least 2
	contacts int // that the first of them has to list, at least 100
	rows     int // of the file that is imported
	idle     int // tenants that nobody uses
	garbage  int // requests that leave enough behind for it to be collected
}

// whole is the size that the goals are for.
var whole = size{tenants: 64, contacts: 10_000, rows: 10_000, idle: 1000, garbage: 1500}

// tenant is a tenant of the house, and a key to it.
type tenant struct {
	id  domain.TenantID
	key string
}

// house is a running Rowhouse with tenants, and what it is measured against.
type house struct {
	size    size
	dir     string
	binary  string
	process *exec.Cmd
	url     string
	client  *http.Client
	tenants []tenant

	ended   chan struct{} // closed when the process has ended
	outcome error         // how, once it has

	wall   *wall.Wall // to read without HTTP
	engine *engine
	ref    *reference
	bare   *httptest.Server
	token  string
	org    string
}

// newHouse starts a binary on a new data directory, sets it up and fills it.
func newHouse(ctx context.Context, binary string, s size) (_ *house, err error) {
	h := &house{size: s, binary: binary, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128}}}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close(ctx))
		}
	}()
	if h.dir, err = os.MkdirTemp("/var/tmp", "rowhouse-bench-"); err != nil {
		return h, err
	}
	if err := os.Chmod(h.dir, 0o755); err != nil { //nolint:gosec // the server's account has to enter it
		return h, err
	}
	if err := h.start(ctx); err != nil {
		return h, err
	}
	if err := h.settle(ctx); err != nil {
		return h, err
	}
	return h, h.reference(ctx)
}

func (h *house) start(ctx context.Context) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return err
	}
	h.url = "http://" + addr
	logFile, err := os.Create(filepath.Join(h.dir, "log"))
	if err != nil {
		return err
	}
	defer logFile.Close()                                                                      //nolint:errcheck // the child has its own
	h.process = exec.CommandContext(ctx, h.binary, "serve", "--data", h.dir, "--listen", addr) //nolint:gosec // the binary to measure
	h.process.Stdout, h.process.Stderr = logFile, logFile
	h.process.Cancel = func() error { return h.process.Process.Signal(syscall.SIGTERM) }
	h.process.WaitDelay = 40 * time.Second
	if err := h.process.Start(); err != nil {
		return err
	}
	h.ended = make(chan struct{})
	go func() {
		h.outcome = h.process.Wait()
		close(h.ended)
	}()
	const patience = time.Minute
	for began := time.Now(); time.Since(began) < patience; {
		if err = h.call(ctx, "GET", "/readyz", "", nil, nil); err == nil {
			return nil
		}
		select {
		case <-h.ended:
			return fmt.Errorf("the server has ended before it was ready (%w); its last lines: %s", cmp.Or(h.outcome, errors.New("status 0")), h.lastLines())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return fmt.Errorf("the server was not ready after %s (%w); its last lines: %s", patience, err, h.lastLines())
}

// lastLines returns the end of what the server has logged.
func (h *house) lastLines() string {
	text, err := os.ReadFile(filepath.Join(h.dir, "log"))
	if err != nil {
		return err.Error()
	}
	const most = 1000
	return string(text[max(0, len(text)-most):])
}

// settle makes the tenants, and a key for each.
func (h *house) settle(ctx context.Context) error {
	token, err := os.ReadFile(filepath.Join(h.dir, "setup-token"))
	if err != nil {
		return err
	}
	const email, password = "bench@example.com", "a long enough password"
	var me struct {
		Organization string          `json:"organization_id"`
		Tenant       domain.TenantID `json:"tenant_id"`
		Token        string          `json:"access_token"`
	}
	err = h.call(ctx, "POST", "/v1/setup", "", map[string]any{
		"token": strings.TrimSpace(string(token)), "organization": map[string]string{"name": "Bench"}, "tenant": map[string]string{"name": "0"},
		"owner": map[string]string{"email": email, "password": password, "name": "Bench"},
	}, &me)
	if err != nil {
		return err
	}
	h.org, h.token = me.Organization, me.Token
	for i := range h.size.tenants {
		id, bearer := me.Tenant, me.Token
		if i > 0 {
			if id, err = h.addTenant(ctx); err != nil {
				return err
			}
			err = h.call(ctx, "POST", "/v1/auth/login", "", map[string]any{"email": email, "password": password, "tenant_id": id}, &me)
			if err != nil {
				return err
			}
			bearer = me.Token
		}
		var key struct {
			Key string `json:"key"`
		}
		if err := h.call(ctx, "POST", "/v1/tenants/"+id.String()+"/api_keys", bearer, map[string]string{"name": "bench"}, &key); err != nil {
			return err
		}
		h.tenants = append(h.tenants, tenant{id, key.Key})
	}
	return h.fill(ctx)
}

func (h *house) addTenant(ctx context.Context) (domain.TenantID, error) {
	var t struct {
		ID domain.TenantID `json:"id"`
	}
	err := h.call(ctx, "POST", "/v1/organizations/"+h.org+"/tenants", h.token, map[string]string{"name": uuid.NewString()}, &t)
	return t.ID, err
}

// fill gives the first tenant something to list.
func (h *house) fill(ctx context.Context) error {
	for done := 0; done < h.size.contacts; {
		ops := make([]map[string]any, min(500, h.size.contacts-done))
		done += len(ops)
		for i := range ops {
			ops[i] = map[string]any{"op": "create", "data": newContact()}
		}
		if err := h.call(ctx, "POST", h.path(0, "/contacts/batch"), h.tenants[0].key, map[string]any{"operations": ops}, nil); err != nil {
			return err
		}
	}
	return nil
}

// newContact returns a contact as somebody might type it in: about 500 bytes.
func newContact() map[string]any {
	n := uuid.NewString()
	return map[string]any{
		"first_name": "Ada", "last_name": "Lovelace " + n, "job_title": "Head of Engines", "language": "en",
		"emails":    []any{map[string]any{"address": n + "@example.com", "primary": true}},
		"phones":    []any{map[string]any{"number": "+442079460123"}},
		"addresses": []any{map[string]any{"line1": "12 St James's Square", "city": "London", "country": "GB"}},
		"tags":      []string{"bench", "vip"},
	}
}

// reference opens the engine, and what it is measured against.
func (h *house) reference(ctx context.Context) error {
	root, err := keys.LoadOrCreate(filepath.Join(h.dir, "root.key"))
	if err != nil {
		return err
	}
	url := embedded.URL(h.dir)
	if h.wall, err = wall.Open(ctx, wall.Config{URL: url, Root: root, Now: time.Now, Conns: 8}); err != nil {
		return err
	}
	if h.engine, err = newEngine(ctx, url, root, h); err != nil {
		return err
	}
	if h.ref, err = newReference(ctx, url); err != nil {
		return err
	}
	for i, t := range h.tenants {
		n := 50
		if i == 0 {
			n = h.size.contacts
		}
		if err := h.ref.addTenant(ctx, url, t.id.UUID, n); err != nil {
			return err
		}
	}
	h.bare = httptest.NewServer(h.ref.handler())
	return nil
}

func (h *house) path(i int, rest string) string {
	return "/v1/tenants/" + h.tenants[i].id.String() + rest
}

// call sends a request to the server and reads the answer into out, if there is
// somewhere to put it.
func (h *house) call(ctx context.Context, method, path, bearer string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	_, err := h.send(ctx, method, h.url+path, bearer, body, out)
	return err
}

func (h *house) send(ctx context.Context, method, url, bearer string, body io.Reader, out any) (http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := h.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	if res.StatusCode >= http.StatusMultipleChoices {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 2000))
		return nil, fmt.Errorf("%s %s: %s: %s", method, url, res.Status, text)
	}
	if out != nil {
		return res.Header, json.NewDecoder(res.Body).Decode(out)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return res.Header, err
}

// close ends what was started and removes what was made, also if ctx has ended.
func (h *house) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var errs []error
	if h.bare != nil {
		h.bare.Close()
	}
	if h.ref != nil {
		h.ref.pool.Close()
	}
	if h.engine != nil {
		errs = append(errs, h.engine.close(ctx))
	}
	if h.wall != nil {
		h.wall.Close()
	}
	if h.ended != nil {
		errs = append(errs, h.stop(ctx))
	}
	if h.dir != "" {
		errs = append(errs, os.RemoveAll(h.dir))
	}
	return errors.Join(errs...)
}

// stop ends the server. One that does not end by itself is killed.
func (h *house) stop(ctx context.Context) error {
	select {
	case <-h.ended:
		return fmt.Errorf("the server has ended while it was measured: %w", cmp.Or(h.outcome, errors.New("status 0")))
	default:
	}
	err := h.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-h.ended:
		return errors.Join(err, h.outcome)
	case <-ctx.Done():
		err = errors.Join(err, errors.New("the server did not end when it was told to"), h.process.Process.Kill())
		<-h.ended
		return err
	}
}

func request(ctx context.Context, url, bearer string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err == nil {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	return req, err
}

// memory returns the bytes that were live on the server's heap when it last
// collected garbage.
func (h *house) memory(ctx context.Context) (float64, error) {
	for range h.size.garbage {
		if err := h.call(ctx, "GET", h.path(0, "/contacts?limit=50"), h.tenants[0].key, nil, nil); err != nil {
			return 0, err
		}
	}
	req, err := request(ctx, h.url+"/metrics", "")
	if err != nil {
		return 0, err
	}
	res, err := h.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "go_gc_heap_live_bytes "); ok {
			return strconv.ParseFloat(strings.TrimSpace(rest), 64)
		}
	}
	return 0, errors.New("the metrics tell nothing of the heap")
}
