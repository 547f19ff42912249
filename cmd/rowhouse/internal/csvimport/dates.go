package csvimport

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/rowhouse/rowhouse/domain"
)

// dateOrder says which of the first two numbers of 03/04/2026 is the day.
type dateOrder string

// The orders that dates are written in. In doubt, it is the month that comes
// first if cells are separated by commas, as in America, and the day otherwise.
const (
	monthFirst dateOrder = "mdy"
	dayFirst   dateOrder = "dmy"
)

// dateEvidence counts what the dates of a column say about their order.
type dateEvidence struct{ monthFirst, dayFirst, either int }

func (e *dateEvidence) add(text string) {
	day, _ := cutClock(text)
	n, sep, ok := threeNumbers(day)
	if !ok || sep == '.' || len(n[0]) > 2 {
		return
	}
	a, b := atoi(n[0]), atoi(n[1])
	switch {
	case a > 12 && b <= 12:
		e.dayFirst++
	case b > 12 && a <= 12:
		e.monthFirst++
	default:
		e.either++
	}
}

// order returns the order of the column, and whether it is only an assumption.
func (e *dateEvidence) order(fallback dateOrder) (_ dateOrder, assumed bool) {
	switch {
	case e.dayFirst > e.monthFirst:
		return dayFirst, false
	case e.monthFirst > e.dayFirst:
		return monthFirst, false
	default:
		return fallback, e.either > 0
	}
}

// parseDate reads a date in any of the forms that CRMs and spreadsheets write.
// A time of day is left out.
func parseDate(text string, order dateOrder) (domain.Date, bool) {
	t, ok := parseTime(text, order)
	if !ok {
		return "", false
	}
	d, err := domain.ParseDate(t.Format(time.DateOnly))
	return d, err == nil
}

// parseTime reads a date with or without a time of day. Without a zone it is
// taken for UTC.
func parseTime(text string, order dateOrder) (time.Time, bool) {
	text = strings.TrimSpace(text)
	if t, ok := parseEpoch(text); ok {
		return t, true
	}
	day, clock := cutClock(text)
	t, ok := parseDay(day, order)
	if !ok || clock == "" {
		return t, ok
	}
	c, ok := parseClock(clock)
	if !ok {
		return t, false
	}
	return time.Date(t.Year(), t.Month(), t.Day(), c.Hour(), c.Minute(), c.Second(), 0, c.Location()).UTC(), true
}

// parseEpoch reads milliseconds since 1970, as HubSpot has them, and seconds.
func parseEpoch(text string) (time.Time, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil || strings.HasPrefix(text, "+"):
		return time.Time{}, false
	case len(text) == 13:
		return time.UnixMilli(n).UTC(), true
	case len(text) == 10:
		return time.Unix(n, 0).UTC(), true
	}
	return time.Time{}, false
}

// cutClock cuts the time of day off.
func cutClock(text string) (day, clock string) {
	before, _, ok := strings.Cut(text, ":")
	i := strings.LastIndexAny(before, " T,")
	if !ok || i < 0 {
		return text, ""
	}
	return strings.TrimRight(text[:i], " ,"), strings.TrimSpace(text[i+1:])
}

func parseClock(clock string) (time.Time, bool) {
	clock = strings.ToUpper(strings.Join(strings.Fields(clock), " "))
	clock = strings.TrimSuffix(strings.TrimSuffix(clock, " UTC"), " GMT")
	for _, layout := range []string{
		"15:04", "15:04:05", "15:04:05Z07:00", "15:04:05Z0700", "15:04Z07:00", "15:04:05 Z0700", "15:04:05 Z07:00",
		"3:04 PM", "3:04PM", "3:04:05 PM", "3:04:05PM",
	} {
		if t, err := time.Parse(layout, clock); err == nil { // fractions of a second are understood, too
			return t, true
		}
	}
	return time.Time{}, false
}

// parseDay reads a day as numbers, or with the name of the month.
func parseDay(text string, order dateOrder) (time.Time, bool) {
	if len(text) == 8 && isDigits(text) {
		return day(text[:4], text[4:6], text[6:])
	}
	if n, sep, ok := threeNumbers(text); ok {
		switch {
		case len(n[0]) == 4:
			return day(n[0], n[1], n[2])
		case sep == '.' || order == dayFirst:
			d, ok := day(n[2], n[1], n[0])
			if !ok && sep != '.' { // there is no thirteenth month
				return day(n[2], n[0], n[1])
			}
			return d, ok
		default:
			d, ok := day(n[2], n[0], n[1])
			if !ok {
				return day(n[2], n[1], n[0])
			}
			return d, ok
		}
	}
	return parseNamed(text)
}

// threeNumbers takes 03/04/2026 apart.
func threeNumbers(text string) (n [3]string, sep byte, ok bool) {
	i := strings.IndexAny(text, "/.-")
	if i < 0 {
		return n, 0, false
	}
	parts := strings.Split(text, text[i:i+1])
	if len(parts) != 3 {
		return n, 0, false
	}
	for i, p := range parts {
		p = strings.TrimSpace(p)
		if !isDigits(p) || p == "" || len(p) == 3 || len(p) > 4 || i == 1 && len(p) > 2 {
			return n, 0, false
		}
		n[i] = p
	}
	return n, text[i], (len(n[0]) == 4) != (len(n[2]) == 4) || len(n[0]) <= 2 && len(n[2]) == 2
}

// months are the beginnings of their names in English, German, French, Spanish,
// Italian, Dutch and Portuguese.
var months = map[time.Month]string{
	time.January: "jan jän ene gen", time.February: "feb fév fev", time.March: "mar mär mrz maa", time.April: "apr avr abr",
	time.May: "may mai mei mag mayo maio", time.June: "jun juin giu", time.July: "jul juil lug", time.August: "aug aoû aou ago",
	time.September: "sep set", time.October: "oct okt ott out", time.November: "nov", time.December: "dec dez déc dic",
}

func monthNamed(word string) (time.Month, bool) {
	word = strings.ToLower(word)
	best, size := time.Month(0), 0
	for m, names := range months {
		for name := range strings.FieldsSeq(names) {
			if strings.HasPrefix(word, name) && len(name) > size {
				best, size = m, len(name)
			}
		}
	}
	return best, size > 0
}

// parseNamed reads 1 Mar 2026, March 1st, 2026, 1. März 2026 and 01-Mar-26.
func parseNamed(text string) (time.Time, bool) {
	words := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(",.-/", r) })
	var month time.Month
	var numbers []string
	for _, w := range words {
		if unicode.IsDigit(rune(w[0])) {
			digits := strings.TrimRight(w, "stndrh") // 1st, 2nd, 3rd, 4th
			if !isDigits(digits) {
				return time.Time{}, false
			}
			numbers = append(numbers, digits)
		} else if m, ok := monthNamed(w); ok && month == 0 {
			month = m
		} else if !strings.EqualFold(w, "de") && !isWeekday(w) {
			return time.Time{}, false
		}
	}
	if month == 0 || len(numbers) != 2 {
		return time.Time{}, false
	}
	if len(numbers[0]) == 4 {
		numbers[0], numbers[1] = numbers[1], numbers[0]
	}
	return day(numbers[1], strconv.Itoa(int(month)), numbers[0])
}

func isWeekday(word string) bool {
	const size = len("mon")
	return len(word) >= size && strings.Contains("mon tue wed thu fri sat sun", strings.ToLower(word[:size]))
}

// day returns a day that exists. Years of two digits are those from 1950 to
// 2049.
func day(year, month, dayOf string) (time.Time, bool) {
	y, m, d := atoi(year), atoi(month), atoi(dayOf)
	switch {
	case len(year) == 2 && y < 50:
		y += 2000
	case len(year) == 2:
		y += 1900
	case len(year) != 4:
		return time.Time{}, false
	}
	t := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	return t, y > 0 && t.Year() == y && int(t.Month()) == m && t.Day() == d
}

// atoi returns the number that a few digits are.
func atoi(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return -1
	}
	return n
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
