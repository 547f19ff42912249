package kurrent

import "context"

// identify makes sure that the engine is the one that our logs are in.
func (s *Store) identify(ctx context.Context) error { return s.events.Ping(ctx) }
