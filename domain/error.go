package domain

import (
	"errors"
	"fmt"
)

// Reason says what a refusal means to the caller, whatever its wording.
type Reason string

// The reasons of refusals. Anything that is not an [Error] is a fault of ours.
const (
	Malformed       Reason = "malformed"       // the request cannot be read at all
	Unauthenticated Reason = "unauthenticated" // nobody knows who is asking
	Forbidden       Reason = "forbidden"       // the caller may not ask for this
	NotFound        Reason = "not_found"       // there is no such record in this tenant
	Conflict        Reason = "conflict"        // the record is not in a state that allows it
	Stale           Reason = "stale"           // the record has changed since the caller looked
	Invalid         Reason = "invalid"         // the request makes no sense, whatever the state
	Unavailable     Reason = "unavailable"     // not now, but the same request may work soon
	RateLimited     Reason = "rate_limited"    // the caller asks too often; Data says retry_after, in seconds
)

// Error is a refusal that the caller may see and can act on. Its text never
// repeats what the caller sent.
type Error struct {
	Reason  Reason
	Code    string         // for programs, such as "required"; the reason itself if empty
	Pointer string         // the input at fault as a JSON pointer (RFC 6901), if one is
	Detail  string         // for people
	Data    map[string]any // members to answer with, such as existing_id
}

func (e *Error) Error() string {
	if e.Pointer == "" {
		return e.Detail
	}
	return e.Pointer + " " + e.Detail
}

// Is makes errors.Is(err, domain.Conflict) work.
func (e *Error) Is(target error) bool { k, ok := target.(Reason); return ok && e.Reason == k }

// Error lets a Reason be the target of errors.Is.
func (r Reason) Error() string { return string(r) }

// Refusef returns a refusal for the reason, with a code for programs and words for
// people.
func (r Reason) Refusef(code, format string, args ...any) error {
	return &Error{Reason: r, Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Check returns nil if ok, and otherwise says what is wrong with the input at
// the pointer. Join the results of several checks to report them all at once.
func Check(ok bool, pointer, code, detail string) error {
	if ok {
		return nil
	}
	return &Error{Reason: Invalid, Code: code, Pointer: pointer, Detail: detail}
}

// StateConflict refuses a command because of the state that the record is in.
func StateConflict(from, command string) error {
	return &Error{
		Reason: Conflict, Code: "state_conflict",
		Detail: fmt.Sprintf("%s is not possible: the state is %s", command, from),
		Data:   map[string]any{"from": from, "command": command},
	}
}

// Refusals returns the refusals in err, one by one: it may be one, a join of
// several, or neither.
func Refusals(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, Refusals(e)...)
		}
		return all
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return []error{e}
	}
	return nil
}

// At puts refusals under a pointer: what is wrong at /address becomes wrong at
// /emails/0/address. As each level of a document would do so with all that is
// wrong further in, whoever goes through many levels should keep the path, and
// put it in front once.
func At(pointer string, err error) error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var errs []error
		for _, e := range joined.Unwrap() {
			errs = append(errs, At(pointer, e))
		}
		return errors.Join(errs...)
	}
	if e, ok := errors.AsType[*Error](err); ok {
		moved := *e
		moved.Pointer = pointer + e.Pointer
		return &moved
	}
	return err
}
