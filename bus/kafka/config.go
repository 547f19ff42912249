package kafka

import (
	"errors"
	"net/url"
	"regexp"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/rowhouse/rowhouse/bus/internal/option"
)

const (
	defaultPrefix  = "rowhouse"
	defaultTimeout = 10 * time.Second
	asTheBroker    = -1 // has it by default
)

// config is what a URL says.
//
//	tls, ca, cert, key   see [option.Set.TLS]
//	sasl                 with user:password: plain, scram-sha-256 or scram-sha-512
//	prefix               what topics begin with: rowhouse
//	topic                one topic for all tenants
//	create               false: topics are there already, or will be
//	partitions           of topics that are created
//	replication          on how many brokers they are
//	maxbytes             how large messages may be, before compression
//	timeout              how long one call of Publish may take: 10s
type config struct {
	options []kgo.Opt
	user    bool // we say who we are
	prefix  string
	topic   string
	timeout time.Duration

	create      bool
	partitions  int32
	replication int16
	maxBytes    int32
}

// validTopic is a little narrower than what brokers allow.
var validTopic = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,247}$`)

func parse(u *url.URL, read func(file string) ([]byte, error)) (config, error) {
	hosts, badHosts := option.Hosts(u, "9092")
	s := option.Of(u, read)
	c := config{
		options:     append(identity(u, s), kgo.SeedBrokers(hosts...)),
		user:        u.User != nil,
		prefix:      s.Text("prefix", defaultPrefix),
		topic:       s.Text("topic", ""),
		timeout:     s.Duration("timeout", defaultTimeout, 100*time.Millisecond),
		create:      s.Bool("create", true),
		partitions:  int32(s.Int("partitions", asTheBroker, 1, 10_000)),
		replication: int16(s.Int("replication", asTheBroker, 1, 100)),
		maxBytes:    int32(s.Int("maxbytes", defaultBatch, smallestBatch, largestBatch)),
	}
	if !validTopic.MatchString(c.prefix) || len(c.prefix) > 200 {
		s.Bad("prefix", "must be up to 200 letters, digits, ., - and _")
	}
	if c.topic != "" && !validTopic.MatchString(c.topic) {
		s.Bad("topic", "must be letters, digits, ., - and _")
	}
	if c.topic != "" && s.Has("prefix") {
		s.Bad("prefix", "means nothing where there is a topic")
	}
	if !c.create && (s.Has("partitions") || s.Has("replication")) {
		s.Bad("create", "must be true for partitions and replication to mean something")
	}
	return c, errors.Join(badHosts, s.Err())
}

// identity says who we are, and whether to encrypt.
func identity(u *url.URL, s *option.Set) []kgo.Opt {
	var options []kgo.Opt
	if config := s.TLS(); config != nil {
		options = append(options, kgo.DialTLSConfig(config))
	}
	user := u.User.Username()
	password, has := u.User.Password()
	with := s.OneOf("sasl", "none", "plain", "scram-sha-256", "scram-sha-512")
	switch {
	case (u.User != nil) != has || has && user == "":
		s.Bad("sasl", "needs user:password before the host")
	case has != (with != "none"):
		s.Bad("sasl", "and user:password need one another")
	case has:
		options = append(options, kgo.SASL(mechanism(with, user, password)))
	}
	return options
}

func mechanism(name, user, password string) sasl.Mechanism {
	switch name {
	case "plain":
		return plain.Auth{User: user, Pass: password}.AsMechanism()
	case "scram-sha-256":
		return scram.Auth{User: user, Pass: password}.AsSha256Mechanism()
	default:
		return scram.Auth{User: user, Pass: password}.AsSha512Mechanism()
	}
}
