package esdb

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// schemes say whether to ask for the leader even of a single host.
var schemes = map[string]bool{
	"esdb":               false,
	"esdb+discover":      true,
	"kurrentdb":          false,
	"kurrentdb+discover": true,
}

// options are what may follow the question mark, in lower case: the vendor's,
// and maxAppendSize. Each says what it wants when it does not get it.
var options = map[string]func(*Config, string) error{
	"tls":               flag(func(c *Config) *bool { return &c.TLS }),
	"tlsverifycert":     flag(func(c *Config) *bool { return &c.VerifyCert }),
	"tlscafile":         text(func(c *Config) *string { return &c.CAFile }),
	"usercertfile":      text(func(c *Config) *string { return &c.CertFile }),
	"userkeyfile":       text(func(c *Config) *string { return &c.KeyFile }),
	"connectionname":    text(func(c *Config) *string { return &c.ConnectionName }),
	"keepaliveinterval": millis(true, func(c *Config) *time.Duration { return &c.KeepAliveInterval }),
	"keepalivetimeout":  millis(true, func(c *Config) *time.Duration { return &c.KeepAliveTimeout }),
	"discoveryinterval": millis(false, func(c *Config) *time.Duration { return &c.DiscoveryInterval }),
	"defaultdeadline":   millis(false, func(c *Config) *time.Duration { return &c.DefaultDeadline }),
	"gossiptimeout":     gossipTimeout,
	"nodepreference": func(_ *Config, v string) error {
		if !strings.EqualFold(v, "leader") {
			return errors.New("only leader is supported: what is read elsewhere may be stale")
		}
		return nil
	},
	"maxdiscoverattempts": func(_ *Config, v string) error {
		// Checked but not kept: a search goes on for as long as somebody waits.
		if n, err := strconv.Atoi(v); err != nil || n < 1 && n != -1 {
			return errors.New("want a positive number")
		}
		return nil
	},
	"maxappendsize": func(c *Config, v string) error {
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil || n < 1 {
			return errors.New("want a number of bytes")
		}
		c.MaxAppendBytes = int(n)
		return nil
	},
}

// Parse reads a connection string such as
//
//	esdb+discover://user:password@node1:2113,node2:2113?tlsCaFile=/etc/ca.crt
//
// with the schemes esdb and kurrentdb. Several hosts are seeds to ask for the
// leader, as is one with +discover. User and password are URL-encoded. What it
// does not know or cannot read is an error that names the option, and that
// never shows a value. Files are read by [New].
func Parse(connectionString string) (Config, error) {
	scheme, rest, ok := strings.Cut(connectionString, "://")
	discover, known := schemes[scheme]
	if !ok || !known {
		return Config{}, errors.New("esdb: want esdb://, esdb+discover://, kurrentdb:// or kurrentdb+discover://")
	}
	cfg := Config{Discover: discover, TLS: true, VerifyCert: true}
	authority, rest := cutAny(rest, "/?#")
	if strings.Contains(rest, "@") {
		// A password with one of these in it ends too early, and the rest of it
		// would be taken for an option, whose name is shown.
		return Config{}, errors.New("esdb: an @ after the hosts: encode /, ?, # and @ in passwords and options as %2F, %3F, %23 and %40")
	}
	path, query, _ := strings.Cut(rest, "?")
	if path != "" && path != "/" || strings.Contains(query, "#") {
		return Config{}, errors.New("esdb: there must be nothing but options, with ?, after the hosts")
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		if err := setUser(&cfg, authority[:i]); err != nil {
			return Config{}, err
		}
		authority = authority[i+1:]
	}
	for i, host := range strings.Split(authority, ",") {
		addr, ok := address(host)
		if !ok {
			return Config{}, fmt.Errorf("esdb: host %d is not host or host:port", i+1)
		}
		cfg.Seeds = append(cfg.Seeds, addr)
	}
	if err := setOptions(&cfg, query); err != nil {
		return Config{}, err
	}
	return cfg.withDefaults(), cfg.check()
}

// cutAny splits before the first of chars.
func cutAny(s, chars string) (before, after string) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

func setUser(c *Config, info string) error {
	user, password, _ := strings.Cut(info, ":")
	var err1, err2 error
	c.User, err1 = url.PathUnescape(user)
	c.Password, err2 = url.PathUnescape(password)
	switch {
	case err1 != nil || err2 != nil: // their text has a piece of the secret in it
		return errors.New("esdb: user or password is not URL-encoded")
	case c.User == "":
		return errors.New("esdb: no user before the @")
	case strings.Contains(c.User, ":"):
		return errors.New("esdb: a user name cannot have a colon in it")
	}
	return nil
}

// address adds the port that is the default.
func address(s string) (string, bool) {
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '@' || r > '~' || r == '%' }) {
		return "", false
	}
	if isAddress(s) {
		return s, true
	}
	bare := strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	isIPv6 := bare != s && net.ParseIP(bare) != nil && len(bare) == len(s)-2
	if bare == "" || strings.ContainsAny(bare, "[]") || strings.Contains(bare, ":") && !isIPv6 || bare != s && !isIPv6 {
		return "", false
	}
	return net.JoinHostPort(bare, defaultPort), true
}

func setOptions(c *Config, query string) error {
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		if !isOptionName(name) {
			return errors.New("esdb: an option whose name is not one word")
		}
		set, ok := options[strings.ToLower(name)]
		switch value, err := url.QueryUnescape(value); {
		case !ok:
			return fmt.Errorf("esdb: unknown option %s", name)
		case seen[strings.ToLower(name)]:
			return fmt.Errorf("esdb: option %s is given twice", name)
		case err != nil:
			return fmt.Errorf("esdb: option %s is not URL-encoded", name)
		default:
			if err := set(c, value); err != nil {
				return fmt.Errorf("esdb: option %s: %w", name, err)
			}
		}
		seen[strings.ToLower(name)] = true
	}
	return nil
}

func isOptionName(s string) bool {
	return s != "" && len(s) <= 40 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

func flag(field func(*Config) *bool) func(*Config, string) error {
	return func(c *Config, v string) error {
		switch strings.ToLower(v) {
		case "true":
			*field(c) = true
		case "false":
			*field(c) = false
		default:
			return errors.New("want true or false")
		}
		return nil
	}
}

func text(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error {
		if v == "" || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' }) {
			return errors.New("want a text")
		}
		*field(c) = v
		return nil
	}
}

// millis reads a number of milliseconds. Where a thing can be switched off, -1 does.
func millis(off bool, field func(*Config) *time.Duration) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := strconv.ParseInt(v, 10, 32)
		switch {
		case err == nil && n == -1 && off:
			*field(c) = -1
		case err != nil || n < 1:
			return errors.New("want a positive number of milliseconds")
		default:
			*field(c) = time.Duration(n) * time.Millisecond
		}
		return nil
	}
}

// gossipTimeout is in seconds in the vendor's client for Go, and in
// milliseconds in others. What can only be the latter is not taken for hours.
func gossipTimeout(c *Config, v string) error {
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil || n < 1 || n > 60 {
		return errors.New("want seconds, 1 to 60")
	}
	c.GossipTimeout = time.Duration(n) * time.Second
	return nil
}
