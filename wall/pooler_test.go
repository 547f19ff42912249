package wall_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

// pooler stands between clients and a server, as a connection pooler does. It
// answers for the server, with a process number of its own, and takes only the
// startup parameters that poolers know.
type pooler struct {
	server   string // the socket
	sessions int    // of the server for each client: with more than one, each transaction gets the next
	user     string // whom all clients act as, or "" for themselves
	knows    string // the only user that is let in, or ""
}

// front starts a pooler and returns the URL of a database behind it.
func (p pooler) front(t *testing.T, db *dbtest.DB) string {
	t.Helper()
	u, err := url.Parse(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	const name = ".s.PGSQL.5432"
	p.server = filepath.Join(u.Query().Get("host"), name)
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() }) //nolint:errcheck // nobody listens any more
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	u.RawQuery = url.Values{"host": {dir}}.Encode()
	return u.String()
}

func (p pooler) serve(client net.Conn) {
	defer client.Close() //nolint:errcheck // it is over
	params, err := readStartup(client)
	if err != nil {
		return
	}
	for name := range params {
		if !strings.Contains("user database application_name client_encoding DateStyle TimeZone", name) {
			refuse(client, "unsupported startup parameter: "+name)
			return
		}
	}
	if p.knows != "" && params["user"] != p.knows {
		refuse(client, "no such user: "+params["user"])
		return
	}
	if p.user != "" {
		params["user"] = p.user
	}
	var servers []net.Conn
	for i := range p.sessions {
		s, err := net.Dial("unix", p.server)
		if err != nil {
			return
		}
		defer s.Close() //nolint:errcheck // it is over
		servers = append(servers, s)
		s.Write(startup(params)) //nolint:errcheck // it is seen when reading
		to := io.Discard
		if i == 0 {
			to = client
		}
		if _, err := relay(s, to, 'Z'); err != nil {
			return
		}
	}
	for turn := 0; ; {
		s := servers[turn%len(servers)]
		if kind, err := relay(client, s, 'Q', 'S', 'X'); err != nil || kind == 'X' {
			return
		}
		status, err := relay(s, client, 'Z')
		if err != nil {
			return
		}
		if status == 'I' {
			turn++
		}
	}
}

// relay passes messages on until one of some kinds, and returns its kind or, of a
// ReadyForQuery, the state of the transaction.
func relay(from io.Reader, to io.Writer, until ...byte) (byte, error) {
	for {
		head := make([]byte, 5)
		if _, err := io.ReadFull(from, head); err != nil {
			return 0, err
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(from, body); err != nil {
			return 0, err
		}
		if head[0] == 'K' { // BackendKeyData
			binary.BigEndian.PutUint32(body, 4711)
		}
		if _, err := to.Write(slices.Concat(head, body)); err != nil {
			return 0, err
		}
		switch {
		case !bytes.Contains(until, head[:1]):
		case head[0] == 'Z':
			return body[0], nil
		default:
			return head[0], nil
		}
	}
}

func readStartup(r io.Reader) (map[string]string, error) {
	head := make([]byte, 8)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(head)-8)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	params := map[string]string{}
	words := strings.Split(string(body), "\x00")
	for i := 0; i+1 < len(words) && words[i] != ""; i += 2 {
		params[words[i]] = words[i+1]
	}
	return params, nil
}

func startup(params map[string]string) []byte {
	body := binary.BigEndian.AppendUint32(nil, 196608)
	for name, value := range params {
		body = append(body, name+"\x00"+value+"\x00"...)
	}
	body = append(body, 0)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
}

// refuse refuses as a pooler does: it names no place in the source of PostgreSQL.
func refuse(w io.Writer, text string) {
	body := []byte("SFATAL\x00VFATAL\x00C08P01\x00M" + text + "\x00\x00")
	w.Write(append(binary.BigEndian.AppendUint32([]byte{'E'}, uint32(len(body)+4)), body...)) //nolint:errcheck // they may be gone
}

// TestPooler works through a pooler that gives each connection a session of its
// own, and refuses any other by its name.
func TestPooler(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pooler
		works  bool
		checks bool // the user in the URL notices nothing
	}{
		"by session":        {pooler: pooler{sessions: 1}, works: true, checks: true},
		"by transaction":    {pooler: pooler{sessions: 2}},
		"in turns of three": {pooler: pooler{sessions: 3}},
		"as one user":       {pooler: pooler{sessions: 1, user: "rowhouse"}, checks: true},
		"knows one user":    {pooler: pooler{sessions: 1, knows: "rowhouse"}, checks: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t)
			cfg := db.Config()
			cfg.URL = c.front(t, db)
			findings, err := wall.Check(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			blamed := false
			for _, f := range findings {
				blamed = blamed || f.Rule == "pooler" && strings.Contains(f.Detail, "pooler") && !f.Minor
			}
			if blamed == c.checks {
				t.Errorf("it finds %v", findings)
			}
			w, err := wall.Open(t.Context(), cfg)
			if !c.works {
				if err == nil || !strings.Contains(err.Error(), "pooler") || strings.Contains(err.Error(), "root key") || strings.Contains(err.Error(), "clock") {
					t.Errorf("it says %v", err)
				}
				if err := wall.Prove(t.Context(), cfg); err != nil && !strings.Contains(err.Error(), "pooler") {
					t.Errorf("before that, it says %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			for _, who := range []domain.TenantID{alice, bob} {
				var n int
				var readOnly, timeout string
				err := w.Pipe(t.Context(), wall.Scope{Tenant: who, Duty: wall.Reader}, func(b *pgx.Batch) {
					b.Queue(`select count(*), current_setting('transaction_read_only'), current_setting('statement_timeout') from crm.note`).
						QueryRow(func(row pgx.Row) error { return row.Scan(&n, &readOnly, &timeout) })
				})
				if err != nil || n != 3 || readOnly != "on" || timeout != "5s" {
					t.Errorf("%d rows, read only is %s, the timeout is %s, %v", n, readOnly, timeout, err)
				}
			}
			if err := w.Ready(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
