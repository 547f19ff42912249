package api_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/api/apitest"
)

// TestBrokenFraming sends every operation a body whose end cannot be told. It is
// refused, whether the operation takes a body or not, and nothing is done.
func TestBrokenFraming(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := furnish(t, s.Tenant(), "mine")
	before := head(t, s, ann)
	part := regexp.MustCompile(`\{\w+\}`)
	for _, op := range operations(t, s) {
		if op.ID == "tenant.create" {
			continue // it looks at its path first, which names an organization
		}
		collection, _, _ := strings.Cut(strings.TrimPrefix(op.Path, "/v1/tenants/{tenant_id}/"), "/")
		path := strings.ReplaceAll(op.Path, "{tenant_id}", ann.Tenant.String())
		path = part.ReplaceAllStringFunc(path, func(string) string {
			for prefix, c := range collections {
				if c == collection {
					return ann.ids[prefix]
				}
			}
			return ann.ids["key"]
		})
		for name, body := range map[string]string{
			"no number of bytes": "zz\r\n",
			"no chunk":           "",
			"a bad trailer":      "0\r\nno trailer\r\n\r\n",
			"no end of a chunk":  "2\r\n{}x",
		} {
			conn := s.Dial()
			_, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n%s",
				op.Method, path, ann.Bearer(), body)
			if err == nil {
				err = errors.Join(conn.CloseWrite(), conn.SetDeadline(time.Now().Add(30*time.Second)))
			}
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Errorf("%s, %s: %v", op.ID, name, err)
				continue
			}
			answer, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if want := `"code":"incomplete_body"`; res.StatusCode != http.StatusBadRequest || !strings.Contains(string(answer), want) && !strings.Contains(string(answer), "unexpected_body") {
				t.Errorf("%s, %s: answered %d %.300s", op.ID, name, res.StatusCode, answer)
			}
		}
	}
	if after := head(t, s, ann); after != before {
		t.Errorf("the log grew from %d to %d", before, after)
	}
}
