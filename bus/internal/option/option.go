// Package option reads what the URL of a broker says: its hosts, who we are
// there, and options. It knows no broker.
//
// Its errors name options, and never show a value that may be a secret: not a
// URL, not a password.
package option

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Set is the options of a URL. Ask for all that there may be, then for
// [Set.Err]: it says what was wrong, all at once. What could not be read has its
// default.
type Set struct {
	values url.Values
	read   func(file string) ([]byte, error)
	asked  map[string]bool
	errs   []error
}

// Of returns the options of a URL. Files that they name are read with read.
func Of(u *url.URL, read func(file string) ([]byte, error)) *Set {
	s := &Set{read: read, asked: make(map[string]bool)}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		s.errs = append(s.errs, errors.New("options are not of the form a=b&c=d"))
	}
	if u.Path != "" && u.Path != "/" {
		s.errs = append(s.errs, errors.New("there is a path, which means nothing here"))
	}
	s.values = values
	return s
}

// Has reports whether the URL has the option.
func (s *Set) Has(name string) bool {
	s.asked[name] = true
	return s.values.Has(name)
}

// Text returns an option as it is.
func (s *Set) Text(name, otherwise string) string {
	if !s.Has(name) {
		return otherwise
	}
	if len(s.values[name]) > 1 {
		s.Bad(name, "is there more than once")
	}
	text := s.values.Get(name)
	if text == "" {
		s.Bad(name, "is empty")
	}
	return text
}

// OneOf returns an option that must be one of some words. The first is the
// default.
func (s *Set) OneOf(name string, words ...string) string {
	text := s.Text(name, words[0])
	if !slices.Contains(words, text) {
		s.Bad(name, "must be one of "+strings.Join(words, ", "))
		return words[0]
	}
	return text
}

// Bool returns an option that is true or false.
func (s *Set) Bool(name string, otherwise bool) bool {
	return s.OneOf(name, strconv.FormatBool(otherwise), strconv.FormatBool(!otherwise)) == "true"
}

// Int returns an option that is a number from low to high.
func (s *Set) Int(name string, otherwise, low, high int) int {
	n, err := strconv.Atoi(s.Text(name, strconv.Itoa(otherwise)))
	if err != nil || s.Has(name) && (n < low || n > high) {
		s.Bad(name, fmt.Sprintf("must be a number from %d to %d", low, high))
		return otherwise
	}
	return n
}

// Duration returns an option that is a duration such as 36h, from low on.
func (s *Set) Duration(name string, otherwise, low time.Duration) time.Duration {
	d, err := time.ParseDuration(s.Text(name, otherwise.String()))
	if err != nil || s.Has(name) && d < low {
		s.Bad(name, fmt.Sprintf("must be a duration such as 90s or 36h, and at least %v", low))
		return otherwise
	}
	return d
}

// File returns what is in the file that an option names, or nil.
func (s *Set) File(name string) []byte {
	path := s.Text(name, "")
	if path == "" {
		return nil
	}
	content, err := s.read(path)
	if err != nil {
		s.errs = append(s.errs, fmt.Errorf("option %s: %w", name, err))
	}
	return content
}

// TLS returns how to encrypt, or nil if that is not wanted. Its options are tls,
// ca (a file with the authorities to believe, instead of those of the system),
// and cert and key (files with which we say who we are).
func (s *Set) TLS() *tls.Config {
	ca, cert, key := s.File("ca"), s.File("cert"), s.File("key")
	if !s.Bool("tls", false) {
		if s.Has("ca") || s.Has("cert") || s.Has("key") {
			s.Bad("tls", "must be true for ca, cert and key to mean something")
		}
		return nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(ca) {
			s.Bad("ca", "has no certificate in it")
		}
	}
	if s.Has("cert") || s.Has("key") {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			s.Bad("cert", "and key are no pair of a certificate and its key in PEM")
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config
}

// Bad notes that an option cannot be as it is.
func (s *Set) Bad(name, why string) {
	s.errs = append(s.errs, fmt.Errorf("option %s %s", name, why))
}

// Err returns all that was wrong, among it options that nobody asked for.
func (s *Set) Err() error {
	var unknown []error
	for _, name := range slices.Sorted(maps.Keys(s.values)) {
		if !s.asked[name] {
			unknown = append(unknown, fmt.Errorf("there is no option %s", name))
		}
	}
	if len(unknown) > 0 && s.spilled() {
		unknown = []error{errors.New("an option has no valid name; are ?, # and & in the password escaped?")}
	}
	return errors.Join(append(slices.Clone(s.errs), unknown...)...)
}

var validName = regexp.MustCompile(`^[a-z]{1,16}$`)

// spilled reports whether the end of a password may be among the options: with a
// ? in it that is not escaped, they begin there, and go on to the hosts.
func (s *Set) spilled() bool {
	for name, values := range s.values {
		if !s.asked[name] && !validName.MatchString(name) || strings.Contains(strings.Join(values, ""), "@") {
			return true
		}
	}
	return false
}

// Hosts returns the hosts of a URL, which are separated by commas, each with
// its port.
func Hosts(u *url.URL, port string) ([]string, error) {
	hosts := strings.Split(u.Host, ",")
	for i, host := range hosts {
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), port)
		}
		name, number, err := net.SplitHostPort(host)
		if n, bad := strconv.ParseUint(number, 10, 16); err != nil || name == "" || bad != nil || n == 0 {
			return nil, fmt.Errorf("host %d is not of the form name:port", i+1)
		}
		hosts[i] = host
	}
	return hosts, nil
}
