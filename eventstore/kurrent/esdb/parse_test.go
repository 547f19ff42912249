package esdb

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const secret = "hunter2secret"

func TestParse(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Config{
		"esdb://localhost":                                   {Seeds: []string{"localhost:2113"}, TLS: true, VerifyCert: true},
		"esdb://localhost:2114/?tls=false":                   {Seeds: []string{"localhost:2114"}, VerifyCert: true},
		"kurrentdb://[::1]?TLS=False":                        {Seeds: []string{"[::1]:2113"}, VerifyCert: true},
		"esdb://[::1]:1/":                                    {Seeds: []string{"[::1]:1"}, TLS: true, VerifyCert: true},
		"esdb+discover://cluster.example":                    {Seeds: []string{"cluster.example:2113"}, Discover: true, TLS: true, VerifyCert: true},
		"kurrentdb+discover://a,b:2,c?nodePreference=Leader": {Seeds: []string{"a:2113", "b:2", "c:2113"}, Discover: true, TLS: true, VerifyCert: true},
		"esdb://us%40er:p%2Fa%3As%3Fs+@h?tlsVerifyCert=false": {
			Seeds: []string{"h:2113"}, TLS: true, User: "us@er", Password: "p/a:s?s+",
		},
		"esdb://u:a:b@c@h":                {Seeds: []string{"h:2113"}, TLS: true, VerifyCert: true, User: "u", Password: "a:b@c"},
		"esdb://h?maxDiscoverAttempts=10": {Seeds: []string{"h:2113"}, TLS: true, VerifyCert: true},
		"esdb://h?maxAppendSize=4096":     {Seeds: []string{"h:2113"}, TLS: true, VerifyCert: true, MaxAppendBytes: 4096},
		"esdb://h?connectionName=a%20b&":  {Seeds: []string{"h:2113"}, TLS: true, VerifyCert: true, ConnectionName: "a b"},
		"esdb://h?gossipTimeout=2&keepAliveInterval=-1&keepAliveTimeout=5000&defaultDeadline=250&discoveryInterval=7": {
			Seeds: []string{"h:2113"}, TLS: true, VerifyCert: true, GossipTimeout: 2 * time.Second, KeepAliveInterval: -1,
			KeepAliveTimeout: 5 * time.Second, DefaultDeadline: 250 * time.Millisecond, DiscoveryInterval: 7 * time.Millisecond,
		},
		"esdb://h?tlsCaFile=/ca.pem&userCertFile=/c%2Bc.pem&userKeyFile=/k.pem": {
			Seeds: []string{"h:2113"}, TLS: true, VerifyCert: true, CAFile: "/ca.pem", CertFile: "/c+c.pem", KeyFile: "/k.pem",
		},
	} {
		got, err := Parse(in)
		if diff := cmp.Diff(want.withDefaults(), got, cmpopts.IgnoreFields(Config{}, "Log")); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", in, err, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                      "want esdb://",
		"localhost:2113":                        "want esdb://",
		"http://localhost":                      "want esdb://",
		"esdb://":                               "host 1",
		"esdb://a,":                             "host 2",
		"esdb://a:b":                            "host 1",
		"esdb://a:0":                            "host 1",
		"esdb://a:65536":                        "host 1",
		"esdb://::1":                            "host 1",
		"esdb://[a]":                            "host 1",
		"esdb://a b":                            "host 1",
		"esdb://a/b":                            "nothing but options",
		"esdb://a#b":                            "nothing but options",
		"esdb://a?tls=yes":                      "option tls: want true or false",
		"esdb://a?tls":                          "option tls: want true or false",
		"esdb://a?defaultDeadline=10s":          "option defaultDeadline: ",
		"esdb://a?defaultDeadline=0":            "option defaultDeadline: ",
		"esdb://a?defaultDeadline=-1":           "option defaultDeadline: ",
		"esdb://a?keepAliveInterval=-2":         "option keepAliveInterval: ",
		"esdb://a?keepAliveInterval=9999999999": "option keepAliveInterval: ",
		"esdb://a?gossipTimeout=5000":           "option gossipTimeout: want seconds",
		"esdb://a?nodePreference=follower":      "option nodePreference: only leader",
		"esdb://a?maxDiscoverAttempts=x":        "option maxDiscoverAttempts: ",
		"esdb://a?maxAppendSize=1MiB":           "option maxAppendSize: ",
		"esdb://a?tlsCaFile=":                   "option tlsCaFile: ",
		"esdb://a?tlsCaFile=%zz":                "option tlsCaFile is not URL-encoded",
		"esdb://a?colour=red":                   "unknown option colour",
		"esdb://a?tls=true&TLS=true":            "option TLS is given twice",
		"esdb://a?x-y=1":                        "name is not one word",
		"esdb://a?connectionName=%C3%BC":        "connectionName is not plain ASCII",
		"esdb://a?userKeyFile=/k":               "need each other",
		"esdb://a?tls=false&tlsCaFile=/ca":      "certificates need TLS",

		"esdb://u:" + secret + "@a?tls=false":         "credentials need TLS",
		"esdb://u:" + secret + "%zz@a":                "not URL-encoded",
		"esdb://:" + secret + "@a":                    "no user",
		"esdb://u:x/" + secret + "@a":                 "encode /, ?, # and @",
		"esdb://u:x?" + secret + "=1@a":               "encode /, ?, # and @",
		"esdb://u:1?" + secret + "=1@a":               "encode /, ?, # and @",
		"esdb://u:x#" + secret + "@a":                 "encode /, ?, # and @",
		"esdb://u:p@" + secret + "/x@a":               "encode /, ?, # and @",
		"esdb://u%3Au:" + secret + "@a":               "colon",
		"esdb://u:" + secret + ",x@a:b":               "host 1",
		"esdb://u:" + secret + "@a?nope=" + secret:    "unknown option nope",
		"esdb://u:" + secret + "@a?tls=" + secret:     "option tls",
		"kurrent://u:" + secret + "@a":                "want esdb://",
		"esdb://u:" + secret + "@a," + secret + ":no": "host 2",
	} {
		_, err := Parse(in)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got %v, want %q", in, err, want)
		}
	}
}

func TestConfigHidesThePassword(t *testing.T) {
	t.Parallel()
	cfg, err := Parse("esdb://me:" + secret + "@host")
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "config", cfg)
	for _, s := range []string{fmt.Sprint(cfg), fmt.Sprintf("%+v %#v %v", cfg, cfg, &cfg), logged.String()} {
		if strings.Contains(s, secret) || !strings.Contains(s, "me:xxxxx@") {
			t.Error(s)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"nothing":         {},
		"no port":         {Seeds: []string{"a"}},
		"password alone":  {Seeds: []string{"a:1"}, TLS: true, Password: "x"},
		"plain text":      {Seeds: []string{"a:1"}, User: "u", Password: "x"},
		"no such CA":      {Seeds: []string{"a:1"}, TLS: true, CAFile: t.TempDir() + "/ca"},
		"no CA in it":     {Seeds: []string{"a:1"}, TLS: true, CAFile: "parse_test.go"},
		"no such key":     {Seeds: []string{"a:1"}, TLS: true, CertFile: "parse_test.go", KeyFile: "none"},
		"negative limits": {Seeds: []string{"a:1"}, MaxAppendBytes: -1},
	} {
		if c, err := New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
			_ = c.Close()
		}
	}
}

// FuzzParse finds out whether anything makes Parse panic, show a secret, or
// return what New does not take.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"esdb://a", "esdb+discover://a:1,b", "kurrentdb://u:p%40@[::1]:1/?tls=true&tlsVerifyCert=false", "esdb://@", "esdb://a?=&&=",
		"esdb://a?tls=%", "://", "esdb://[", "esdb://]:1", "esdb://a?defaultDeadline=9223372036854775807", "esdb://,", "esdb://a?a#b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		cfg, err := Parse(s)
		if err != nil {
			return
		}
		if err := cfg.check(); err != nil {
			t.Errorf("%q: accepted, but %v", s, err)
		}
		if len(cfg.Password) > 6 && strings.Contains(cfg.String(), cfg.Password) && !strings.Contains(cfg.User+strings.Join(cfg.Seeds, ","), cfg.Password) {
			t.Errorf("%q: password is shown", s)
		}
	})
}
