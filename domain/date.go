package domain

import "time"

// Date is a day of the calendar, wherever one is, such as 2026-03-01. Dates
// sort as text.
type Date string

// ParseDate reads a date of the years 0001 to 9999 in the form of ISO 8601.
func ParseDate(s string) (Date, error) { return checked(Date(s)) }

// Check says what is wrong with the date, if anything is.
func (d Date) Check() error {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil || t.Year() < 1 {
		return errNotDate
	}
	return nil
}

var errNotDate error = &Error{Reason: Invalid, Code: "invalid_date", Detail: "is not a date such as 2026-03-01"}

// Time returns the beginning of the day in UTC.
func (d Date) Time() time.Time {
	t, _ := time.Parse(time.DateOnly, string(d))
	return t
}

// Normalize brings the value into the form in which it is stored.
func (d *Date) Normalize() error { return normalize(d, ParseDate) }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Date) UnmarshalText(text []byte) error { return keep(d, text, errNotDate) }
