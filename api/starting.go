package api

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
)

// Starting answers requests while a server starts, which takes long if its
// database has to be brought up to date: the process is alive, and everything
// else is to be asked for again.
func Starting(newID func() uuid.UUID) http.Handler {
	refusal := domain.Unavailable.Refusef("starting", "the server is starting")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, err := w.Write([]byte("alive\n"))
		_ = ignoreGone(err)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 { // nobody reads the body, so nobody waits for it
			_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
		}
		id := newID().String()
		p, _ := problemOf(refusal, id)
		body, err := json.Marshal(p)
		if err != nil {
			panic(err) // there is nothing in it that is no JSON
		}
		h := w.Header()
		h.Set("Content-Type", mediaProblem)
		h.Set("Cache-Control", "no-store")
		h.Set("Retry-After", "1")
		h.Set(headerRequestID, id)
		w.WriteHeader(p.Status)
		_, err = w.Write(body)
		_ = ignoreGone(err)
	})
	return mux
}
