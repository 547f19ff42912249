package domain

import (
	"bytes"
	"time"
)

// ParseTime reads a moment in the form of RFC 3339: 2026-03-01T10:00:00Z. It is
// the reader of all doors, and knows the whole grammar of section 5.6:
//
//   - T and Z may be small letters; a blank may stand in the place of T, which the
//     section allows, and which databases and other programs write,
//   - a fraction may have any number of digits; those after the ninth are cut,
//   - an offset may be anything up to 23:59; -00:00 is UTC,
//   - a minute has a second 60 where UTC can have one, at the end of a month. It
//     is the second after it, because clocks do not have it.
//
// The moment is in UTC, and after the beginning of the year 1 and before the end
// of 9999: no more can be written, or kept.
func ParseTime(s string) (time.Time, error) {
	b := []byte(s)
	if len(b) < len("2006-01-02T15:04:05Z") {
		return time.Time{}, errNotTime
	}
	if b[10] == 't' || b[10] == ' ' {
		b[10] = 'T'
	}
	if last := len(b) - 1; b[last] == 'z' {
		b[last] = 'Z'
	}
	leap := string(b[16:19]) == ":60"
	if leap {
		copy(b[16:19], ":59")
	}
	t, err := time.Parse(time.RFC3339, string(b))
	if err != nil || !isStrict(b) {
		return time.Time{}, errNotTime
	}
	t = t.UTC()
	if leap {
		t = t.Add(time.Second)
		if t.Day() != 1 || t.Hour() != 0 || t.Minute() != 0 || t.Second() != 0 {
			return time.Time{}, errNotTime
		}
	}
	if t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, errFarTime
	}
	return t, nil
}

// isStrict refuses what Go reads and the standard does not have: a comma in the
// place of the point, hours of one digit, and offsets of a day or more.
func isStrict(b []byte) bool {
	if b[13] != ':' || bytes.ContainsRune(b, ',') {
		return false
	}
	offset := b[len(b)-len("+00:00"):]
	return b[len(b)-1] == 'Z' || string(offset[1:3]) < "24" && string(offset[4:]) < "60"
}

var (
	errNotTime error = &Error{Reason: Invalid, Code: "invalid_time", Detail: "is not a time of RFC 3339, such as 2026-03-01T10:00:00Z"}
	errFarTime error = &Error{Reason: Invalid, Code: "invalid_time", Detail: "must be in the years 0001 to 9999"}
)

// FormatTime writes a moment as it is shown and stored: in UTC, with capital
// letters, and with as many digits of a fraction as it needs.
func FormatTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
