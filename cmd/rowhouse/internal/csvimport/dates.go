package csvimport

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/rowhouse/rowhouse/domain"
)

// when is what a cell says about a day, with or without a time of day.
type when struct {
	time.Time      // in the zone that is written, or in UTC
	zoned     bool // a zone is written, or none is needed
	clock     bool // a time of day is written
	short     bool // the year has two digits
	serial    bool // it is the day number of a spreadsheet
	swapped   bool // it makes sense only in the other order of day and month
}

// What clocks show when they are put forward or back.
const (
	ruleSkipped    = "are times that clocks skip when they are put forward, and were read as if they had not been yet"
	ruleShownTwice = "are times that clocks show twice when they are put back, and were read as the first"
)

// in returns the point in time, in a zone if none is written. A day without a
// time of day is its beginning in UTC: it is the day that counts. Of a time that the
// clocks of the zone skip or show twice it says so.
func (w when) in(zone *time.Location) (t time.Time, odd string) {
	if w.zoned || !w.clock || zone == nil {
		return w.Time, ""
	}
	wall := time.Date(w.Year(), w.Month(), w.Day(), w.Hour(), w.Minute(), w.Second(), 0, time.UTC)
	_, before := wall.Add(-24 * time.Hour).In(zone).Zone()
	_, after := wall.Add(24 * time.Hour).In(zone).Zone()
	first := wall.Add(-time.Duration(before) * time.Second).In(zone)
	second := wall.Add(-time.Duration(after) * time.Second).In(zone)
	const shown = time.DateTime
	isFirst, isSecond := first.Format(shown) == wall.Format(shown), second.Format(shown) == wall.Format(shown)
	switch {
	case isFirst && isSecond && !first.Equal(second):
		return first, ruleShownTwice
	case isFirst:
		return first, ""
	case isSecond:
		return second, ""
	}
	return first, ruleSkipped
}

// otherCalendar reports whether the year is one of this time in the calendars of
// Thailand, Persia or Islam, which are not understood.
func (w when) otherCalendar() bool {
	y := w.Year()
	return y >= 2400 && y < 2700 || y >= 1300 && y < 1500
}

// parseDate reads a date in any of the forms that CRMs and spreadsheets write. A
// time of day is left out: the day is the one that is written, whatever day it was
// in UTC.
func parseDate(text string, order dateOrder) (domain.Date, bool) {
	w, ok := parseWhen(text, order)
	if !ok {
		return "", false
	}
	d, err := domain.ParseDate(w.Format(time.DateOnly))
	return d, err == nil
}

// parseWhen reads a date with or without a time of day.
func parseWhen(text string, order dateOrder) (when, bool) {
	text = ascii(strings.TrimSpace(text))
	if t, ok := parseEpoch(text); ok {
		return when{Time: t, zoned: true, clock: true}, true
	}
	if w, ok := parseSerial(text); ok {
		return w, true
	}
	day, clock := cutClock(text)
	w, ok := parseDay(day, order)
	if !ok || clock == "" {
		return w, ok
	}
	c, ok := parseClock(clock)
	if !ok {
		return w, false
	}
	w.Time = time.Date(w.Year(), w.Month(), w.Day(), c.Hour(), c.Minute(), c.Second(), 0, c.Location())
	w.clock, w.zoned = true, c.zoned
	return w, true
}

// ascii writes the digits of all scripts, and the separators of East Asia, in
// those of ours.
func ascii(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return r >= 0x80 }) < 0 {
		return text
	}
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsDigit(r):
			return '0' + digitValue(r)
		case r == '／':
			return '/'
		case r == '．':
			return '.'
		case r == '：':
			return ':'
		case r == '‐' || r == '‑' || r == '–' || r == '－' || r == '−':
			return '-'
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, text)
	if m := eastAsian.FindStringSubmatch(text); m != nil {
		return m[1] + "-" + m[2] + "-" + m[3] + m[4]
	}
	return text
}

// eastAsian is 2026年3月1日 and 2026년 3월 1일.
var eastAsian = regexp.MustCompile(`^([0-9]{4}) ?[年년] ?([0-9]{1,2}) ?[月월] ?([0-9]{1,2}) ?[日일](.*)$`)

// digitValue returns the value of a decimal digit. Those of a script follow one
// another, beginning with its zero (Unicode, 4.6).
func digitValue(r rune) rune {
	if r >= 0x1D7CE && r <= 0x1D7FF { // five sets without a gap
		return (r - 0x1D7CE) % 10
	}
	n := rune(0)
	for n < 9 && unicode.IsDigit(r-n-1) {
		n++
	}
	return n
}

// parseSerial reads the day number of a spreadsheet, with or without the fraction
// of the day that has passed. Only those of the years from 1927 to 2099 are
// taken for one.
func parseSerial(text string) (when, bool) {
	whole, fraction, point := strings.Cut(text, ".")
	if len(whole) != 5 || !isDigits(whole) || !isDigits(fraction) || point == (fraction == "") {
		return when{}, false
	}
	n := atoi(whole)
	const first, last = 10_000, 73_050
	if n < first || n > last {
		return when{}, false
	}
	part, err := strconv.ParseFloat("0."+fraction+"0", 64)
	if err != nil {
		return when{}, false
	}
	day := time.Date(1899, time.December, 30, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n)
	return when{Time: day.Add(time.Duration(part * float64(24*time.Hour)).Round(time.Second)), serial: true, clock: part > 0}, true
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
	i := strings.LastIndexAny(before, " Tt,")
	if !ok || i < 0 {
		return text, ""
	}
	return strings.TrimRight(text[:i], " ,"), strings.TrimSpace(text[i+1:])
}

// clock is a time of day.
type clock struct {
	time.Time
	zoned bool
}

func parseClock(text string) (clock, bool) {
	text = strings.ToUpper(strings.Join(strings.Fields(text), " "))
	text = strings.NewReplacer("A.M.", "AM", "P.M.", "PM", "A. M.", "AM", "P. M.", "PM").Replace(text)
	zoned := false
	for _, zone := range []string{" UTC", " GMT", "UTC", "GMT"} {
		if rest, ok := strings.CutSuffix(text, zone); ok {
			text, zoned = rest, true
			break
		}
	}
	text = strings.NewReplacer(" UTC+", "+", " UTC-", "-", " GMT+", "+", " GMT-", "-").Replace(text)
	for _, layout := range []string{
		"15:04", "15:04:05", "15:04:05Z07:00", "15:04:05Z0700", "15:04:05Z07", "15:04Z07:00", "15:04Z0700", "15:04:05 Z0700", "15:04:05 Z07:00", "15:04 Z07:00", "15:04 Z0700",
		"3:04 PM", "3:04PM", "3:04:05 PM", "3:04:05PM",
	} {
		if t, err := time.Parse(layout, text); err == nil { // fractions of a second are understood, too
			return clock{t, zoned || strings.Contains(layout, "Z")}, true
		}
	}
	return clock{}, false
}

// parseDay reads a day as numbers, or with the name of the month.
func parseDay(text string, order dateOrder) (when, bool) {
	if len(text) == 8 && isDigits(text) {
		return day(text[:4], text[4:6], text[6:])
	}
	if w, ok := parseISO(text); ok {
		return w, true
	}
	text = strings.TrimRight(text, ".") // 2026. 3. 1.
	n, sep, ok := threeNumbers(text)
	if !ok {
		return parseNamed(text)
	}
	if len(n[0]) == 4 || order == yearFirst && len(n[2]) == 2 {
		return day(n[0], n[1], n[2])
	}
	return inOrder(n, sep, order)
}

// inOrder reads a day whose year is its last number. With dots, the day is the first
// one, unless the order says that the month is, with dots, too.
func inOrder(n [3]string, sep byte, order dateOrder) (when, bool) {
	byDay, isDay := day(n[2], n[1], n[0])
	byMonth, isMonth := day(n[2], n[0], n[1])
	switch {
	case order == yearFirst && sep != '.': // which says nothing of the two
		if isDay == isMonth && !byDay.Equal(byMonth.Time) {
			return when{}, false
		}
		if isDay {
			return byDay, true
		}
		return byMonth, isMonth
	case order == dayFirst, sep == '.' && order != monthFirstWithDots:
		if !isDay && isMonth && sep != '.' { // there is no thirteenth month
			byMonth.swapped = true
			return byMonth, true
		}
		return byDay, isDay
	}
	if !isMonth && isDay {
		byDay.swapped = order != ""
		return byDay, true
	}
	return byMonth, isMonth
}

// parseISO reads the two other forms of ISO 8601: the day of a week of the year,
// and the day of the year.
func parseISO(text string) (when, bool) {
	if m := weekDate.FindStringSubmatch(text); m != nil {
		y, week, weekday := atoi(m[1]), atoi(m[2]), atoi(m[3])
		fourth := time.Date(y, time.January, 4, 0, 0, 0, 0, time.UTC) // is in the first week
		monday := fourth.AddDate(0, 0, -(int(fourth.Weekday())+6)%7)
		t := monday.AddDate(0, 0, 7*(week-1)+weekday-1)
		year, w := t.ISOWeek()
		return when{Time: t}, y > 0 && year == y && w == week
	}
	if m := ordinalDate.FindStringSubmatch(text); m != nil {
		y, n := atoi(m[1]), atoi(m[2])
		t := time.Date(y, time.January, n, 0, 0, 0, 0, time.UTC)
		return when{Time: t}, y > 0 && n > 0 && t.Year() == y
	}
	return when{}, false
}

var (
	weekDate    = regexp.MustCompile(`^([0-9]{4})-?W([0-9]{2})-?([1-7])$`)
	ordinalDate = regexp.MustCompile(`^([0-9]{4})-([0-9]{3})$`)
)

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

// months are their names in the languages of Europe, also as they are inflected in
// dates, without accents. A beginning of three letters or more is enough, if it is
// that of one month only.
var months = [...]string{
	time.January:   "january januar jaenner janner janvier enero gennaio januari janeiro styczen stycznia leden ledna januarja tammikuu tammikuuta ianuarie ocak gener ιανουαριοσ ιανουαριου январь января січень січня януари jan",
	time.February:  "february februar fevrier febrero febbraio februari fevereiro luty lutego unor unora februarja helmikuu helmikuuta februarie subat febrer φεβρουαριοσ φεβρουαριου февраль февраля лютий лютого февруари feb fev",
	time.March:     "march marz maerz mars marzo maart marco marzec marca brezen brezna marec maaliskuu maaliskuuta martie mart marcius marc μαρτιοσ μαρτιου март марта березень березня mar mrz mrt",
	time.April:     "april avril abril aprile kwiecien kwietnia duben dubna aprila huhtikuu huhtikuuta aprilie nisan aprilis απριλιοσ απριλιου апрель апреля квітень квітня април apr avr abr",
	time.May:       "may mai mayo maggio mei maio maj maja kveten kvetna majus toukokuu toukokuuta mayis maig μαιοσ μαιου май мая травень травня mag",
	time.June:      "june juni juin junio giugno junho czerwiec czerwca cerven cervna junij junija kesakuu kesakuuta iunie haziran juny junius ιουνιοσ ιουνιου июнь июня червень червня юни jun giu",
	time.July:      "july juli juillet julio luglio julho lipiec lipca cervenec cervence julij julija heinakuu heinakuuta iulie temmuz juliol julius ιουλιοσ ιουλιου июль июля липень липня юли jul lug",
	time.August:    "august aout agosto augustus sierpien sierpnia srpen srpna elokuu elokuuta agustos agost augusztus augusti αυγουστοσ αυγουστου август августа серпень серпня aug ago aou",
	time.September: "september septembre septiembre settembre setembro wrzesien wrzesnia zari septembra syyskuu syyskuuta septembrie eylul setembre szeptember σεπτεμβριοσ σεπτεμβριου сентябрь сентября вересень вересня септември sep sept set",
	time.October:   "october oktober octobre octubre ottobre outubro pazdziernik pazdziernika rijen rijna oktobra lokakuu lokakuuta octombrie ekim οκτωβριοσ οκτωβριου октябрь октября жовтень жовтня октомври oct okt ott out",
	time.November:  "november novembre noviembre novembro novembra marraskuu marraskuuta noiembrie kasim νοεμβριοσ νοεμβριου ноябрь ноября ноември nov",
	time.December:  "december dezember diciembre dicembre dezembro grudzien grudnia prosinec prosince decembra joulukuu joulukuuta " + "decem" + "bre decembrie aralik desembre desember δεκεμβριοσ δεκεμβριου декабрь декабря грудень грудня декември dec dez dic des",
}

func monthNamed(word string) (time.Month, bool) {
	word = unaccented(strings.ToLower(word))
	if utf8.RuneCountInString(word) < 3 {
		return 0, false
	}
	found := time.Month(0)
	for m := time.January; m <= time.December; m++ {
		for name := range strings.FieldsSeq(months[m]) {
			if name == word {
				return m, true
			}
			if strings.HasPrefix(name, word) {
				if found != 0 && found != m {
					found = -1 // of two
				} else if found == 0 {
					found = m
				}
			}
		}
	}
	return max(found, 0), found > 0
}

// unaccented leaves out the accents of letters.
func unaccented(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Mn, r):
			return -1
		case r == 'ł':
			return 'l'
		case r == 'ı':
			return 'i'
		}
		return r
	}, strings.NewReplacer("ß", "ss", "ς", "σ", "и\u0306", "й", "і\u0308", "ї").Replace(norm.NFD.String(text)))
}

// parseNamed reads 1 Mar 2026, March 1st, 2026, 1. März 2026 and 01-Mar-26.
func parseNamed(text string) (when, bool) {
	words := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(",.-/", r) })
	var month time.Month
	var numbers []string
	for _, w := range words {
		if unicode.IsDigit(rune(w[0])) {
			digits := ordinals.ReplaceAllString(strings.ToLower(w), "")
			if !isDigits(digits) {
				return when{}, false
			}
			numbers = append(numbers, digits)
		} else if m, ok := monthNamed(w); ok && month == 0 {
			month = m
		} else if !strings.EqualFold(w, "de") && !strings.EqualFold(w, "del") && !isWeekday(w) {
			return when{}, false
		}
	}
	if month == 0 || len(numbers) != 2 {
		return when{}, false
	}
	if len(numbers[0]) == 4 {
		numbers[0], numbers[1] = numbers[1], numbers[0]
	}
	return day(numbers[1], strconv.Itoa(int(month)), numbers[0])
}

// ordinals are what follows a number: 1st, 2nd, 3rd, 4th, 1er, 1º.
var ordinals = regexp.MustCompile(`(?:st|nd|rd|th|er|º|°)$`)

func isWeekday(word string) bool {
	const size = len("mon")
	return len(word) >= size && strings.Contains("mon tue wed thu fri sat sun", strings.ToLower(word[:size]))
}

// day returns a day that exists. Years of two digits are those from 1950 to
// 2049.
func day(year, month, dayOf string) (when, bool) {
	y, m, d := atoi(year), atoi(month), atoi(dayOf)
	short := len(year) == 2
	switch {
	case len(year) == 2 && y < 50:
		y += 2000
	case len(year) == 2:
		y += 1900
	case len(year) != 4:
		return when{}, false
	}
	t := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	return when{Time: t, short: short}, y > 0 && t.Year() == y && int(t.Month()) == m && t.Day() == d
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
