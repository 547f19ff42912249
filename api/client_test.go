package api

import (
	"net/http"
	"testing"
)

func TestClientOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		peer string
		said []string
		want string
	}{
		{"198.51.100.1:4711", nil, "198.51.100.1"},
		{"198.51.100.1:4711", []string{"192.0.2.9"}, "198.51.100.1"}, // anybody can say so
		{"127.0.0.1:4711", nil, "127.0.0.1"},
		{"127.0.0.1:4711", []string{"192.0.2.9"}, "192.0.2.9"},
		{"[::1]:4711", []string{"192.0.2.9, 2001:db8::1"}, "2001:db8::1"},
		{"10.0.0.7:4711", []string{"192.0.2.9", "192.0.2.1"}, "192.0.2.1"},
		{"10.0.0.7:4711", []string{"unknown"}, "10.0.0.7"},
		{"[::ffff:198.51.100.1]:4711", nil, "198.51.100.1"},
		{"@", nil, "invalid IP"},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.said}}
		if got := clientOf(r).String(); got != c.want {
			t.Errorf("%s, %v: %s, want %s", c.peer, c.said, got, c.want)
		}
	}
}
