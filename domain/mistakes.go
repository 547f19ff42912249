package domain

import "errors"

// MaxRefusals is how many refusals a client is told of at once. A request that
// is wrong all over must not cost much more than one that is right.
const MaxRefusals = 50

// Mistakes collects what is wrong with an input: as many refusals as a client is
// told of, and one more, by which it is known that there are others. Whoever
// collects stops to look for mistakes when it is full.
type Mistakes struct{ errs []error }

// Add adds an error, or those that are joined in it. Nil is none.
func (m *Mistakes) Add(err error) {
	switch joined, ok := err.(interface{ Unwrap() []error }); {
	case err == nil, m.Full():
	case ok:
		for _, e := range joined.Unwrap() {
			m.Add(e)
		}
	default:
		m.errs = append(m.errs, err)
	}
}

// Full reports whether there are more mistakes than a client is told of.
func (m *Mistakes) Full() bool { return len(m.errs) > MaxRefusals }

// Len returns how many mistakes there are.
func (m *Mistakes) Len() int { return len(m.errs) }

// Err returns the mistakes joined, or nil if there are none.
func (m *Mistakes) Err() error { return errors.Join(m.errs...) }
