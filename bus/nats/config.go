package nats

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/rowhouse/rowhouse/bus/internal/option"
)

const (
	defaultPrefix  = "rowhouse"
	defaultTimeout = 10 * time.Second
	defaultWindow  = 2 * time.Minute
)

// config is what a URL says.
//
//	tls, ca, cert, key   see [option.Set.TLS]
//	token, creds         instead of user:password: a token, or a file with a user's credentials
//	prefix               what subjects begin with: rowhouse
//	stream               the name of the stream: the prefix in capitals, with _ for .
//	manage               false: never look at the stream, nor create it
//	replicas             on how many servers the stream is
//	maxage               how long it keeps messages; 0, the default, is for good
//	window               how long it remembers IDs: 2m
//	timeout              how long one call of Publish may take: 10s
type config struct {
	servers []string
	options []nats.Option
	prefix  string
	timeout time.Duration

	stream   string
	manage   bool
	replicas *int // nil: as it is, or as the server has it by default
	maxAge   *time.Duration
	window   *time.Duration
}

var (
	validPrefix = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	validStream = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)
)

func parse(u *url.URL, read func(file string) ([]byte, error)) (config, error) {
	hosts, badHosts := option.Hosts(u, "4222")
	for i, host := range hosts {
		hosts[i] = "nats://" + host
	}
	s := option.Of(u, read)
	c := config{
		servers: hosts,
		options: identity(u, s),
		prefix:  s.Text("prefix", defaultPrefix),
		timeout: s.Duration("timeout", defaultTimeout, 100*time.Millisecond),
		manage:  s.Bool("manage", true),
	}
	if !validPrefix.MatchString(c.prefix) {
		s.Bad("prefix", "must be letters, digits, - and _, in parts with dots between them")
	}
	c.stream = s.Text("stream", strings.ToUpper(strings.ReplaceAll(c.prefix, ".", "_")))
	if !validStream.MatchString(c.stream) {
		s.Bad("stream", "must be letters, digits, - and _")
	}
	if config := s.TLS(); config != nil {
		c.options = append(c.options, nats.Secure(config))
	}
	if s.Has("replicas") {
		c.replicas = new(s.Int("replicas", 1, 1, 5))
	}
	if s.Has("maxage") {
		c.maxAge = new(s.Duration("maxage", 0, 0))
	}
	if s.Has("window") {
		c.window = new(s.Duration("window", defaultWindow, 10*time.Second))
	}
	if age := c.maxAge; age != nil && *age > 0 && *age < *orElse(c.window, defaultWindow) {
		s.Bad("maxage", "must not be shorter than window")
	}
	if !c.manage && (c.replicas != nil || c.maxAge != nil || c.window != nil) {
		s.Bad("manage", "must be true for replicas, maxage and window to mean something")
	}
	return c, errors.Join(badHosts, s.Err())
}

// identity says who we are.
func identity(u *url.URL, s *option.Set) []nats.Option {
	var options []nats.Option
	if password, has := u.User.Password(); has {
		options = append(options, nats.UserInfo(u.User.Username(), password))
	} else if u.User != nil {
		s.Bad("password", "is missing after the user")
	}
	if creds := s.File("creds"); creds != nil {
		options = append(options, nats.UserCredentialBytes(creds))
	}
	if token := s.Text("token", ""); token != "" {
		options = append(options, nats.Token(token))
	}
	if len(options) > 1 {
		s.Bad("token", "creds and user:password exclude one another")
	}
	return options
}

func orElse[T any](p *T, otherwise T) *T {
	if p == nil {
		return &otherwise
	}
	return p
}
