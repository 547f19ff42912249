package domain

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// What is taken for a plain name is read as the tables would read it.
func TestPlainHosts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[a-z0-9-]{1,8}(\.[a-z0-9-]{0,5}){0,3}(\.[a-z0-9é]{1,64})?`).Draw(t, "host")
		plain := isPlainHost(s)
		ascii, err := hostnames.ToASCII(s)
		letters, wrong := hostnames.ToUnicode(s)
		if plain && (err != nil || wrong != nil || ascii != s || letters != s) {
			t.Fatalf("%q is %q, %v and %q, %v", s, ascii, err, letters, wrong)
		}
		if h, err := ParseHostname(strings.ToUpper(s)); plain && (err != nil || string(h) != s) {
			t.Fatalf("%q is read as %q, %v", s, h, err)
		}
	})
}
