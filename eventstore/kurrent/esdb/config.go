package esdb

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Config says where the servers are and how to speak to them. [Parse] makes
// one of a connection string. The zero value of what is optional means the
// default, but for TLS and VerifyCert, which [Parse] switches on.
type Config struct {
	Seeds    []string // host:port; several, or Discover, mean: ask them who the leader is
	Discover bool

	TLS        bool
	VerifyCert bool
	CAFile     string // PEM; default: the authorities of the system
	CertFile   string // PEM, of a client certificate, with KeyFile
	KeyFile    string

	User, Password string // sent with every call, and only over TLS
	ConnectionName string // shown in the server's log and statistics

	KeepAliveInterval time.Duration // between pings (default 10 s, not less); negative: none
	KeepAliveTimeout  time.Duration // for the answer to a ping (default 10 s)
	ConnectTimeout    time.Duration // for one attempt at a connection (default 3 s)
	GossipTimeout     time.Duration // for one node to say who the leader is (default 5 s)
	DiscoveryInterval time.Duration // between two searches for the leader (default 100 ms)

	// DefaultDeadline bounds calls whose context has no deadline, and the wait
	// for the next event in reads (default 10 s). Subscriptions have none.
	DefaultDeadline time.Duration

	// Silence is how long a subscription may hear nothing before it asks the
	// node whether it still answers, and still is the leader (default 15 s).
	Silence time.Duration

	MaxAppendBytes int // of one append, as the server is configured (default 1 MiB)
	MaxWrites      int // under way at a time; others wait (default 64)
	MaxBatch       int // events that a subscription hands over at a time (default 500)

	Log *slog.Logger // default: nowhere
}

// Defaults.
const (
	defaultPort           = "2113"
	defaultMaxAppendBytes = 1 << 20
	maxReceiveBytes       = 17 << 20 // a record of 16 MiB and what is around it
)

func (c Config) withDefaults() Config {
	c.KeepAliveInterval = cmp.Or(c.KeepAliveInterval, 10*time.Second)
	c.KeepAliveTimeout = cmp.Or(c.KeepAliveTimeout, 10*time.Second)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 3*time.Second)
	c.GossipTimeout = cmp.Or(c.GossipTimeout, 5*time.Second)
	c.DiscoveryInterval = cmp.Or(c.DiscoveryInterval, 100*time.Millisecond)
	c.DefaultDeadline = cmp.Or(c.DefaultDeadline, 10*time.Second)
	c.Silence = cmp.Or(c.Silence, 15*time.Second)
	c.MaxAppendBytes = cmp.Or(c.MaxAppendBytes, defaultMaxAppendBytes)
	c.MaxWrites = cmp.Or(c.MaxWrites, 64)
	c.MaxBatch = cmp.Or(c.MaxBatch, 500)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// check finds what cannot work, and says so without showing secrets.
func (c Config) check() error {
	switch {
	case len(c.Seeds) == 0:
		return errors.New("esdb: no host")
	case c.Password != "" && c.User == "":
		return errors.New("esdb: a password without a user")
	case c.User != "" && !c.TLS:
		// They would have to be sent for everybody to read, or be left out in
		// silence, and the server would then let everybody do everything.
		return errors.New("esdb: credentials need TLS: leave them out, which a server without TLS does not ask for, or switch TLS on")
	case !c.TLS && c.CAFile+c.CertFile+c.KeyFile != "":
		return errors.New("esdb: certificates need TLS")
	case (c.CertFile == "") != (c.KeyFile == ""):
		return errors.New("esdb: userCertFile and userKeyFile need each other")
	case strings.ContainsFunc(c.ConnectionName, func(r rune) bool { return r < ' ' || r > '~' }):
		return errors.New("esdb: connectionName is not plain ASCII")
	case min(c.MaxAppendBytes, c.MaxWrites, c.MaxBatch) < 0:
		return errors.New("esdb: a limit is negative")
	}
	for i, s := range c.Seeds {
		if !isAddress(s) {
			return fmt.Errorf("esdb: host %d is not host:port", i+1)
		}
	}
	return nil
}

func isAddress(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// discovers says whether gossip decides which node is the leader.
func (c Config) discovers() bool { return c.Discover || len(c.Seeds) > 1 }

func (c Config) tlsConfig() (*tls.Config, error) {
	t := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: !c.VerifyCert, //nolint:gosec // the operator has switched it off
	}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("esdb: tlsCaFile: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("esdb: tlsCaFile has no certificate in it")
		}
	}
	if c.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("esdb: userCertFile, userKeyFile: %w", err)
		}
		t.Certificates = []tls.Certificate{cert}
	}
	return t, nil
}

// String shows the configuration without the password.
func (c Config) String() string {
	user := c.User
	if user != "" {
		user += ":xxxxx@"
	}
	return fmt.Sprintf("esdb %s%v discover=%t tls=%t", user, c.Seeds, c.discovers(), c.TLS)
}

// GoString is String, so that no format shows the password.
func (c Config) GoString() string { return c.String() }

// LogValue is String, so that no logger shows the password.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }
