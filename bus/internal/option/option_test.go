package option_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/bus/internal/option"
)

func set(t *testing.T, query string) *option.Set {
	t.Helper()
	return option.Of(&url.URL{RawQuery: query}, func(string) ([]byte, error) { return nil, errors.New("no such file") })
}

func TestOptions(t *testing.T) {
	t.Parallel()
	s := set(t, "text=a&bool=true&int=3&duration=36h&word=two")
	if got := s.Text("text", "b"); got != "a" {
		t.Errorf("text is %q", got)
	}
	if !s.Bool("bool", false) || s.Bool("absent_bool", false) {
		t.Error("bool")
	}
	if s.Int("int", 1, 1, 5) != 3 || s.Int("absent_int", -1, 1, 5) != -1 {
		t.Error("int")
	}
	if s.Duration("duration", 0, time.Hour) != 36*time.Hour || s.Duration("absent_duration", 0, time.Hour) != 0 {
		t.Error("duration")
	}
	if s.OneOf("word", "one", "two") != "two" || s.OneOf("absent_word", "one", "two") != "one" {
		t.Error("word")
	}
	if s.TLS() != nil {
		t.Error("encrypts without being asked to")
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
}

func TestWhatIsWrong(t *testing.T) {
	t.Parallel()
	tests := []struct{ query, want string }{
		{"n=x", "option n must be a number from 1 to 5"},
		{"n=6", "option n must be a number from 1 to 5"},
		{"d=1", "option d must be a duration such as 90s or 36h, and at least 1s"},
		{"d=1ms", "option d must be a duration such as 90s or 36h, and at least 1s"},
		{"b=yes", "option b must be one of false, true"},
		{"t=", "option t is empty"},
		{"t=a&t=b", "option t is there more than once"},
		{"secert=hunter2", "there is no option secert"},
		{"hunter2", "no valid name"},
		{"Hunter&hunter=2@host", "no valid name"},
		{"hunter=2@host", "no valid name"},
		{"hunter&a@host:4222", "no valid name"},
		{"averylongnameofanoption=1", "no valid name"},
		{"tls=true&ca=x.pem", "option ca: no such file"},
		{"ca=x.pem", "option tls must be true"},
		{"t=%zz", "not of the form"},
	}
	for _, test := range tests {
		s := set(t, test.query)
		s.Int("n", 1, 1, 5)
		s.Duration("d", time.Minute, time.Second)
		s.Bool("b", false)
		s.Text("t", "")
		s.TLS()
		err := s.Err()
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", test.query, err, test.want)
		}
		if err != nil && strings.Contains(strings.ToLower(err.Error()), "hunter") {
			t.Errorf("%s: shows a value: %v", test.query, err)
		}
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	tests := []struct{ host, want string }{
		{"a", "a:1"},
		{"a:2", "a:2"},
		{"a,b:2,c", "a:1 b:2 c:1"},
		{"[::1]", "[::1]:1"},
		{"[::1]:2", "[::1]:2"},
		{"", ""},
		{"a,", ""},
		{"a:x", ""},
		{"a:0", ""},
	}
	for _, test := range tests {
		got, err := option.Hosts(&url.URL{Host: test.host}, "1")
		if want := strings.Fields(test.want); !slices.Equal(got, want) || (err == nil) == (test.want == "") {
			t.Errorf("%q: got %v, %v", test.host, got, err)
		}
	}
}
