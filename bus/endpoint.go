package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
)

// Endpoint is a target as an operator names it: a URL, whose scheme says what
// kind of broker it is.
type Endpoint struct {
	// Name names the target for good: how far it has come, and what is parked,
	// is kept under it. It is the option "name" of the URL, which is not in URL
	// any more, or the scheme.
	Name string

	URL *url.URL // with what it takes to be let in; never to be printed
}

// Opener opens a target. What it returns in errors has no password in it.
type Opener func(context.Context, *url.URL, *slog.Logger) (Target, error)

// GroupOf returns the name of the group of readers of a target.
func GroupOf(target string) string { return "bus:" + target }

var validName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

// ParseEndpoints reads the URLs of targets. No two may have the same name.
// Errors say which URL is wrong by its number, from 1, because the URL may hold
// a password.
func ParseEndpoints(texts []string) ([]Endpoint, error) {
	endpoints := make([]Endpoint, len(texts))
	seen := make(map[string]bool)
	for i, text := range texts {
		e, err := parseEndpoint(text)
		if err == nil && seen[e.Name] {
			err = fmt.Errorf("there are two targets with the name %s; add the option name=, such as ?name=other", e.Name)
		}
		if err != nil {
			return nil, fmt.Errorf("bus %d: %w", i+1, err)
		}
		seen[e.Name], endpoints[i] = true, e
	}
	return endpoints, nil
}

func parseEndpoint(text string) (Endpoint, error) {
	if strings.Contains(text, "#") {
		return Endpoint{}, errors.New("has a # in it, which must be written as %23")
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return Endpoint{}, errors.New("is not a URL such as nats://host:4222") // err would show it
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Endpoint{}, errors.New("has options that are not of the form a=b&c=d")
	}
	e := Endpoint{Name: u.Scheme, URL: u}
	if q.Has("name") {
		e.Name = q.Get("name")
		q.Del("name")
		u.RawQuery = q.Encode()
	}
	if !validName.MatchString(e.Name) {
		return Endpoint{}, errors.New("the name of a target has up to 32 lower-case letters, digits, - and _, and begins with a letter")
	}
	return e, nil
}

// Open opens the target with the opener for its scheme.
func (e Endpoint) Open(ctx context.Context, openers map[string]Opener, log *slog.Logger) (Target, error) {
	open, ok := openers[e.URL.Scheme]
	if !ok {
		return nil, fmt.Errorf("bus %s: there is no %s here", e.Name, e.URL.Scheme)
	}
	t, err := open(ctx, e.URL, log)
	if err != nil {
		return nil, fmt.Errorf("bus %s: %w", e.Name, err)
	}
	return t, nil
}
