package csvimport

import (
	"slices"
	"strings"
	"time"
)

// dateOrder says which of the numbers of 03/04/26 is the day, the month and the
// year.
type dateOrder string

// The orders that dates are written in.
const (
	monthFirst         dateOrder = "mdy"
	monthFirstWithDots dateOrder = "mdy." // also in 03.04.2026, where mostly the day is first
	dayFirst           dateOrder = "dmy"
	yearFirst          dateOrder = "ymd" // of two digits
)

// saidOrder returns the order that an option names. It counts for dots, too.
func saidOrder(option string) dateOrder {
	if dateOrder(option) == monthFirst {
		return monthFirstWithDots
	}
	return dateOrder(option)
}

// dateEvidence counts what the dates of a column say about their order.
type dateEvidence struct {
	monthFirst, dayFirst, yearFirst int // dates that are none in another order
	either                          int // those in which the day or the month is first
	short, shortDay                 int // those in which it may be a year of two digits; of them, those in which the month is not
	dotsMonth, dotsDay              int // those with dots in which the month is first, or the day

	first, last map[string]bool // the numbers that stand first and last in short dates

	sample string // of one that does not tell
	times  string // one that has a time of day and no zone
}

func (e *dateEvidence) add(text string) {
	day, clock := cutClock(ascii(strings.TrimSpace(text)))
	if clock != "" && e.times == "" {
		if c, ok := parseClock(clock); ok && !c.zoned {
			e.times = text
		}
	}
	n, sep, ok := threeNumbers(day)
	if !ok || len(n[0]) > 2 {
		return
	}
	a, b, c := atoi(n[0]), atoi(n[1]), atoi(n[2])
	canBeYear := len(n[0]) == 2 && len(n[2]) == 2 && b <= 12 && c >= 1 && c <= 31
	switch {
	case canBeYear && a > 31:
		e.yearFirst++
	case sep == '.' && a > 12 && b <= 12:
		e.dotsDay++
	case sep == '.' && b > 12 && a <= 12:
		e.dotsMonth++
	case sep == '.':
	case canBeYear:
		e.addShort(text, n)
		if a > 12 {
			e.shortDay++
		}
	case a > 12 && b <= 12:
		e.dayFirst++
	case b > 12 && a <= 12:
		e.monthFirst++
	case a > 12: // is none
	case a != b:
		e.either++
		e.sample = text
	}
}

// choices returns the days that a date may be, and the orders that they follow from.
func choices(text string) (days []string, orders []dateOrder) {
	for _, order := range []dateOrder{monthFirst, dayFirst, yearFirst} {
		w, ok := parseWhen(text, order)
		if is := w.Format(time.DateOnly); ok && !w.swapped && !slices.Contains(days, is) {
			days, orders = append(days, is), append(orders, order)
		}
	}
	return days, orders
}

// addShort adds a date that may begin with a year of two digits.
func (e *dateEvidence) addShort(text string, n [3]string) {
	if e.first == nil {
		e.first, e.last = map[string]bool{}, map[string]bool{}
	}
	e.first[n[0]], e.last[n[2]] = true, true
	e.short++
	e.sample = text
}

// order returns the order of the column. It is false if its dates leave it open,
// or contradict one another.
func (e *dateEvidence) order() (_ dateOrder, known bool) {
	proven := e.dayFirst + e.monthFirst // that the year is last
	switch {
	case e.dotsMonth > 5*e.dotsDay && e.dayFirst+e.yearFirst+e.shortDay == 0 && (e.monthFirst > 0 || e.either+e.short == 0):
		return monthFirstWithDots, true
	case proven == 0 && (e.yearFirst > 0 || fewer(e.first, e.last, e.short)):
		return yearFirst, true
	case proven == 0 && e.short > 0 && !fewer(e.last, e.first, e.short):
		return "", false
	}
	switch day := e.dayFirst + e.shortDay; {
	case day > 5*e.monthFirst:
		return dayFirst, true
	case e.monthFirst > 5*day:
		return monthFirst, true
	default:
		return "", e.either+e.short == 0 && day == e.monthFirst
	}
}

// fewer reports whether numbers of many dates are years rather than those on the other
// side, which are days then: they are much less various.
func fewer(years, days map[string]bool, dates int) bool {
	const enough = 6
	return dates >= enough && 3*len(years) <= len(days)
}
