package csvimport

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Rules that change what is in a cell, as the report tells them.
const (
	ruleArmour    = "were taken out of what protects them from a spreadsheet"
	ruleInvisible = "lost characters that nobody can see"
	ruleComposed  = "had letters and their accents apart, and were put together"
	ruleTwice     = "were UTF-8 that had been encoded once more, and were decoded"
	ruleEntities  = "have entities of HTML in them, and stay as they are"
	ruleNumberID  = "were numbers of a spreadsheet, and are the digits alone"
	ruleRounded   = "end in zeros after 15 digits, as a spreadsheet leaves them that cannot hold more: the last digits may be lost"
)

// clean returns the cells of a row as they were before a spreadsheet or an
// exporter put something around them, and says what it changed. What a spreadsheet
// has destroyed is refused.
func (d *draft) clean(cells []string) []string {
	out := cells
	for c, text := range cells {
		if c >= len(d.plan.fields) {
			break
		}
		name := d.plan.fields[c]
		if name == "" || name == ignored || text == "" || !utf8.ValidString(text) {
			continue
		}
		now := text
		if !isPlain(text) {
			now = d.cleanText(c, text)
		}
		now = d.cleanNumber(c, name, now)
		if now == text {
			continue
		}
		if &out[0] == &cells[0] {
			out = append([]string(nil), cells...)
		}
		out[c] = now
	}
	return out
}

// isPlain reports whether nothing in a cell can be more than it seems.
func isPlain(text string) bool {
	for i := range len(text) {
		if b := text[i]; b < ' ' && b != '\n' || b >= 0x7f || b == '&' || b == '_' {
			return false
		}
	}
	return !strings.ContainsRune("='\"# ", rune(text[0]))
}

// cleanText does what is right for every column.
func (d *draft) cleanText(c int, text string) string {
	now := text
	step := func(rule, next string) {
		if next != now {
			d.change(c, rule, now, next)
			now = next
		}
	}
	if !norm.NFC.IsNormalString(now) {
		step(ruleComposed, norm.NFC.String(now))
	}
	step(ruleInvisible, visible(now))
	now = strings.TrimSpace(now)
	if inner, ok := unarmoured(now); ok {
		step(ruleArmour, inner)
	}
	once, left := decodedTwice(now)
	step(ruleTwice, once)
	switch {
	case left:
		d.refuse(c, "wrong_encoding", "has letters that were encoded twice (Ã¼ for ü), and others that were not")
	case isSpreadsheetError(now):
		d.refuse(c, "spreadsheet_error", "is an error of a spreadsheet and no value")
	case entity.MatchString(now):
		d.change(c, ruleEntities, now, now)
	}
	return now
}

var entity = regexp.MustCompile(`&(?:[A-Za-z]{2,8}|#[0-9]{2,6}|#[xX][0-9A-Fa-f]{2,5});`)

func isSpreadsheetError(text string) bool {
	switch strings.ToUpper(text) {
	case "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#CALC!", "#WERT!", "#BEZUG!", "#VALEUR!", "#¡VALOR!", "#¡REF!":
		return true
	}
	return len(text) >= 4 && strings.Trim(text, "#") == "" // a column that was too narrow
}

// visible leaves out the characters of a text that nobody can see and that mean
// nothing. Joiners stay where letters or emoji need them.
func visible(text string) string {
	text = strings.NewReplacer("_x000D_\n", "\n", "_x000D_", "\n", "\u2028", "\n", "\u2029", "\n", "\u0085", "\n", "\v", "\n", "\f", "\n", "\r\n", "\n", "\r", "\n").Replace(text)
	if strings.IndexFunc(text, isInvisible) < 0 {
		return text
	}
	runes := []rune(text)
	flag := strings.ContainsRune(text, '\U0001F3F4') // whose country is written in invisible letters
	out := make([]rune, 0, len(runes))
	for i, r := range runes {
		joins := (r == '\u200c' || r == '\u200d') && i > 0 && i < len(runes)-1 && runes[i-1] >= 0x590 && runes[i+1] >= 0x590
		if isInvisible(r) && !joins && (!flag || r < 0xE0000) {
			continue
		}
		out = append(out, r)
	}
	return string(out)
}

func isInvisible(r rune) bool {
	switch {
	case r == '\n' || r == '\t' || r == 0: // a NUL is refused
		return false
	case r >= 0x600 && r <= 0x605, r == 0x6DD, r == 0x70F, r == 0x8E2, r == 0x890, r == 0x891, r >= 0x110BD && r <= 0x110CD: // signs that are seen
		return false
	case r == 0x34F || r == 0x115F || r == 0x1160 || r == 0x3164 || r == 0xFFA0 || r == 0x180E:
		return true
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}

var (
	// A formula whose value is a text: ="00451", =T("00451").
	formula = regexp.MustCompile(`^=\s*(?:"((?:[^"]|"")*)"|[Tt]\(\s*"((?:[^"]|"")*)"\s*\)|""([^"]*)"")$`)
	// What a spreadsheet takes for a number, a day or a time.
	numberLike = regexp.MustCompile(`^(?:[0-9][0-9.,:/ ()%+-]*|[0-9][0-9.,]*[eE][+-]?[0-9]+|[.,][0-9]+)$`)
)

// unarmoured returns the text that was written in such a way that a spreadsheet
// leaves it as it is: as a formula, or with an apostrophe in front. An apostrophe that
// begins a name ('t Hart) is a part of it.
func unarmoured(text string) (string, bool) {
	if m := formula.FindStringSubmatch(text); m != nil {
		return strings.TrimSpace(strings.ReplaceAll(m[1]+m[2]+m[3], `""`, `"`)), true
	}
	if rest, ok := strings.CutPrefix(text, "'"); ok && rest != "" {
		whole := strings.TrimSuffix(rest, "'")
		switch {
		case numberLike.MatchString(whole):
			return whole, true
		case strings.ContainsRune("=+-@\t", rune(rest[0])):
			if inner, ok := unarmoured(rest); ok {
				return inner, true
			}
			return rest, true
		}
	}
	if n := len(text); n > 2 && text[0] == '"' && text[n-1] == '"' && numberLike.MatchString(text[1:n-1]) {
		return text[1 : n-1], true // quoted twice
	}
	return text, false
}

// Numbers that a spreadsheet made of digits.
var (
	scientific = regexp.MustCompile(`^[+-]?[0-9](?:[.,][0-9]*)?[eE][+-][0-9]{1,3}$|^[+-]?[0-9][.,][0-9]+[eE][0-9]{1,3}$`)
	wholeFloat = regexp.MustCompile(`^\+?([0-9]+)[.,]0{1,10}$`)
	inGroups   = regexp.MustCompile(`^[1-9][0-9]{0,2}(?:(?:,[0-9]{3})+|(?:[ \x{a0}\x{202f}\x{2009}][0-9]{3})+|(?:['’][0-9]{3})+)$`)
)

// cleanNumber undoes what a spreadsheet does to digits that are no number: to
// IDs, postal codes and telephone numbers.
func (d *draft) cleanNumber(c int, name, text string) string {
	isID := isIDField(name)
	isPostal := strings.HasSuffix(name, ".postal_code")
	f := d.plan.object.field(name)
	isPhone := f != nil && f.kind == aPhone
	if !isID && !isPostal && !isPhone {
		return text
	}
	now := strings.TrimSpace(text)
	if isID {
		if rest, ok := strings.CutPrefix(now, "'"); ok && rest != "" && isWordRune(rune(rest[0])) {
			d.change(c, ruleArmour, now, rest)
			now = rest
		}
	}
	if scientific.MatchString(now) {
		code := "number_format"
		if isPhone {
			code = "invalid_phone"
		}
		d.refuse(c, code, "a spreadsheet has turned it into a number with an exponent, and digits are lost; export it as text")
		return now
	}
	digits := now
	switch m := wholeFloat.FindStringSubmatch(now); {
	case isID && inGroups.MatchString(now):
		digits = strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, now)
	case m == nil:
	case strings.HasSuffix(now, ".000") && len(m[1]) <= 3:
		d.refuse(c, "number_format", "may be a number with three decimals or with a sign before the thousands; export it as text")
	case !isPhone || len(m[1]) > 6: // 030.00 may be the beginning of a number
		digits = m[1]
		if strings.HasPrefix(now, "+") {
			digits = "+" + digits
		}
	}
	if digits != now {
		d.change(c, ruleNumberID, now, digits)
		now = digits
	}
	const exact = 15 // digits of a number in a spreadsheet
	if isID && isDigits(now) && len(now) > exact && strings.Trim(now[exact:], "0") == "" {
		d.change(c, ruleRounded, now, now)
	}
	return now
}

// isIDField reports whether a field holds the ID of something.
func isIDField(name string) bool {
	return name == "external_id" || strings.HasSuffix(name, ".external_id") || strings.HasPrefix(name, "external_ids.")
}
