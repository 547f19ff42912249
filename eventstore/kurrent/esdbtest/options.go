package esdbtest

import (
	"testing"
	"time"
)

// Option adjusts a server, or all nodes of a cluster, before the start.
type Option func(*config)

type config struct {
	version             string
	maxAppend, maxEvent int
	now                 func() time.Time
	secure              bool
	accounts            []Account
	refuse              bool
	system              bool
	tb                  testing.TB // nil outside of tests
}

func newConfig(opts []Option) config {
	c := config{version: "24.10.14", maxAppend: 1 << 20, now: time.Now}
	for _, o := range opts {
		o(&c)
	}
	return c
}

// WithVersion sets the version that the server tells. The stock client only
// takes three numbers.
func WithVersion(version string) Option { return func(c *config) { c.version = version } }

// WithMaxAppendSize limits one append, in bytes of data, metadata and, twice,
// characters of types. The default is 1 MiB, as it is for servers up to 24.10.
func WithMaxAppendSize(bytes int) Option { return func(c *config) { c.maxAppend = bytes } }

// WithMaxAppendEventSize limits one event of an append; servers have it since
// 24.10.4. There is no limit by default.
func WithMaxAppendEventSize(bytes int) Option { return func(c *config) { c.maxEvent = bytes } }

// WithClock sets where the creation times of events come from.
func WithClock(now func() time.Time) Option { return func(c *config) { c.now = now } }

// WithTLS makes the server speak TLS only and know only these accounts; without
// it the server is as if started with --insecure, and anybody may do anything.
// The first account is the one that URL names.
func WithTLS(accounts ...Account) Option {
	return func(c *config) { c.secure, c.accounts = true, accounts }
}

// WithRefusingFollowers makes followers refuse all writes and name the leader;
// by default they forward those that do not require it.
func WithRefusingFollowers() Option { return func(c *config) { c.refuse = true } }

// WithSystemEvents begins the log with events of system streams, as real logs
// begin. Readers of $all have to cope with them.
func WithSystemEvents() Option { return func(c *config) { c.system = true } }

// reportTo tells a test of handlers that panic.
func reportTo(tb testing.TB) Option { //nolint:thelper // it makes an option
	return func(c *config) { c.tb = tb }
}

// Account is somebody whom a server with TLS lets in.
type Account struct {
	Name, Password string
	// Admin is a member of $admins, who may read $all and use system streams.
	Admin bool
}
