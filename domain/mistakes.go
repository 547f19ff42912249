package domain

import (
	"cmp"
	"errors"
)

// MaxRefusals is how many refusals a client is told of at once. A request that
// is wrong all over must not cost much more than one that is right.
const MaxRefusals = 50

// Mistakes collects what is wrong with an input: as many refusals as a client is
// told of, and one more, by which it is known that there are others. Whoever
// collects stops to look for mistakes when it is full.
//
// One mistake is there once: of refusals with the same pointer and code the first
// counts, and that something is required only if nothing else is wrong with it.
type Mistakes struct {
	Enough int // to stop looking; 0 for one more than MaxRefusals

	errs []error
}

// Add adds an error, or those that are joined in it. Nil is none.
func (m *Mistakes) Add(err error) {
	switch joined, ok := err.(interface{ Unwrap() []error }); {
	case err == nil, m.Full():
	case ok:
		for _, e := range joined.Unwrap() {
			m.Add(e)
		}
	default:
		m.addOne(err)
	}
}

func (m *Mistakes) addOne(err error) {
	e, ok := errors.AsType[*Error](err)
	for i, other := range m.errs {
		had, isRefusal := errors.AsType[*Error](other)
		if !ok || !isRefusal {
			continue
		}
		switch had.beside(e) {
		case hadIsEnough:
			return
		case newIsBetter:
			m.errs[i] = err
			return
		case bothCount:
		}
	}
	m.errs = append(m.errs, err)
}

// beside says what two refusals are to each other.
type beside int

const (
	bothCount beside = iota
	hadIsEnough
	newIsBetter
)

// beside compares a refusal with a further one. Those about nothing in particular
// are different if they say something else.
func (e *Error) beside(further *Error) beside {
	const required = "required"
	switch same := e.Reason == further.Reason && e.Code == further.Code; {
	case e.Pointer != further.Pointer:
		return bothCount
	case same && (e.Pointer != "" || e.Detail == further.Detail):
		return hadIsEnough
	case e.Pointer == "":
		return bothCount
	case further.Code == required:
		return hadIsEnough
	case e.Code == required:
		return newIsBetter
	}
	return bothCount
}

// Distinct returns refusals with each mistake once, as in [Mistakes], and all of
// them.
func Distinct(refusals []*Error) []*Error {
	all := make([]*Error, 0, len(refusals))
	at := map[string][]int{} // pointer to places in all
next:
	for _, e := range refusals {
		for _, i := range at[e.Pointer] {
			switch all[i].beside(e) {
			case hadIsEnough:
				continue next
			case newIsBetter:
				all[i] = e
				continue next
			case bothCount:
			}
		}
		at[e.Pointer] = append(at[e.Pointer], len(all))
		all = append(all, e)
	}
	return all
}

// Full reports whether there are enough: unless it was said how many that is, more
// than a client is told of.
func (m *Mistakes) Full() bool { return m.Room() <= 0 }

// Room returns how many mistakes it takes to be full.
func (m *Mistakes) Room() int { return cmp.Or(m.Enough, MaxRefusals+1) - len(m.errs) }

// Len returns how many mistakes there are.
func (m *Mistakes) Len() int { return len(m.errs) }

// Err returns the mistakes joined, or nil if there are none.
func (m *Mistakes) Err() error { return errors.Join(m.errs...) }
