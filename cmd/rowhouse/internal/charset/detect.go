package charset

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"
)

// candidate is an encoding of eight bits that files come in.
type candidate struct {
	Encoding
	languages []string
	rare      float64 // how much less likely it is than the most common one, as a logarithm
}

func eight(name string, code encoding.Encoding, rare float64, script, languages string) candidate {
	return candidate{Encoding: Encoding{name: name, code: code, eight: true, script: script}, languages: strings.Fields(languages), rare: rare}
}

const (
	west    = "de fr es it pt nl da no sv fi is ca"
	central = "pl cs sk hu sl hr ro sq de"
	baltic  = "lt lv et de"
	slavic  = "ru uk bg sr mk"
)

// detectable are the encodings of eight bits that are known by what is in a
// file. Of two that make the same text of it, it is the first.
var detectable = []candidate{
	eight("windows-1252", charmap.Windows1252, 0, latin, west),
	eight("windows-1250", charmap.Windows1250, 3, latin, central),
	eight("windows-1251", charmap.Windows1251, 3, cyrillic, slavic),
	eight("windows-1253", charmap.Windows1253, 2, greek, "el"),
	eight("windows-1254", charmap.Windows1254, 3, latin, "tr de fr"),
	eight("windows-1255", charmap.Windows1255, 3, hebrew, "he"),
	eight("windows-1256", charmap.Windows1256, 3, arabic, "ar fa"),
	eight("windows-1257", charmap.Windows1257, 5, latin, baltic),
	eight("windows-1258", charmap.Windows1258, 6, latin, "vi"),
	eight("windows-874", charmap.Windows874, 1, thai, "th"),
	eight("iso-8859-15", charmap.ISO8859_15, 4, latin, west),
	eight("iso-8859-2", charmap.ISO8859_2, 5, latin, central),
	eight("iso-8859-5", charmap.ISO8859_5, 3, cyrillic, slavic),
	eight("iso-8859-7", charmap.ISO8859_7, 6, greek, "el"),
	eight("iso-8859-8", charmap.ISO8859_8, 2, hebrew, "he"),
	eight("iso-8859-6", charmap.ISO8859_6, 3, arabic, "ar"),
	eight("iso-8859-13", charmap.ISO8859_13, 8, latin, baltic),
	eight("iso-8859-4", charmap.ISO8859_4, 12, latin, baltic),
	eight("iso-8859-9", charmap.ISO8859_9, 5, latin, "tr de fr"),
	eight("iso-8859-16", charmap.ISO8859_16, 10, latin, central),
	eight("koi8-r", charmap.KOI8R, 2, cyrillic, "ru bg"),
	eight("koi8-u", charmap.KOI8U, 3, cyrillic, "uk ru"),
	eight("macintosh", charmap.Macintosh, 3, latin, west),
	eight("x-mac-cyrillic", charmap.MacintoshCyrillic, 5, cyrillic, slavic),
	eight("cp850", charmap.CodePage850, 3, latin, west),
	eight("cp437", charmap.CodePage437, 4, latin, west),
	eight("cp858", charmap.CodePage858, 4, latin, west),
	eight("cp852", charmap.CodePage852, 3, latin, central),
	eight("cp866", charmap.CodePage866, 3, cyrillic, slavic),
	eight("cp855", charmap.CodePage855, 8, cyrillic, slavic),
	eight("cp862", charmap.CodePage862, 4, hebrew, "he"),
	eight("cp865", charmap.CodePage865, 7, latin, "da no sv de"),
	eight("cp860", charmap.CodePage860, 7, latin, "pt es"),
	eight("cp863", charmap.CodePage863, 7, latin, "fr"),
}

// Verdict is what the text of a file says about its encoding.
type Verdict struct {
	Encoding Encoding
	Guessed  bool     // only what is in the file says so
	Doubt    []Choice // if it cannot be told: what it could be, the likeliest first
	Broken   []Choice // if few of the lines are no UTF-8: what they could be
	Samples  []Choice // values that show what was guessed
}

// Choice is an encoding that makes sense of a file.
type Choice struct {
	Name   string
	Sample string // what some of the text is in it
}

// Detector finds out in which encoding a file is whose start does not say it. It
// wants to see all lines.
type Detector struct {
	ascii, multibyte, odd int // lines: of ASCII, of UTF-8 and more than ASCII, of neither

	escapes bool // of ISO-2022-JP
	lines   [][]byte
	size    int
	words   map[string]int
}

// Bounds of what is kept to be looked at.
const (
	maxWords = 5000
	maxLines = 1 << 16 // bytes
)

// Add looks at a line, or at a piece of one.
func (d *Detector) Add(line []byte) {
	switch {
	case isASCII(line):
		d.ascii++
		if bytes.IndexByte(line, 0x1b) >= 0 && (bytes.Contains(line, []byte("\x1b$B")) || bytes.Contains(line, []byte("\x1b$@"))) {
			d.escapes = true
		}
		return
	case utf8.Valid(line):
		d.multibyte++
		return
	}
	d.odd++
	if d.words == nil {
		d.words = map[string]int{}
	}
	if d.size < maxLines {
		d.lines = append(d.lines, bytes.Clone(bytes.TrimRight(line, "\r\n")))
		d.size += len(line)
	}
	for _, w := range byteWords(line) {
		if _, known := d.words[string(w)]; known || len(d.words) < maxWords {
			d.words[string(w)]++
		}
	}
}

// byteWords cuts a line into runs of letters and of bytes beyond ASCII, and
// leaves out the runs that are all ASCII.
func byteWords(line []byte) (all [][]byte) {
	for _, w := range bytes.FieldsFunc(line, func(r rune) bool { return r < utf8.RuneSelf && !unicode.IsLetter(r) }) {
		if !isASCII(w) {
			all = append(all, w)
		}
	}
	return all
}

// Verdict says what the file is in.
func (d *Detector) Verdict() Verdict {
	if d.escapes && d.odd == 0 && d.multibyte == 0 {
		return Verdict{Encoding: iso2022jp, Guessed: true, Samples: d.samples(iso2022jp)}
	}
	// A few bad lines do not make a file of UTF-8 anything else.
	if d.odd == 0 || d.odd <= 10*d.multibyte {
		return Verdict{Encoding: UTF8}
	}
	ranked := d.rank()
	fit := d.eastern()
	var best *scored
	if len(ranked) > 0 {
		best = &ranked[0]
	}
	switch {
	case len(fit) > 0 && (best == nil || best.odd > 0.2 || best.mean < unlikely):
		var next *asian
		if len(fit) > 1 {
			next = &fit[1]
		}
		if fit[0].sure(next) {
			return Verdict{Encoding: fit[0].Encoding, Guessed: true, Samples: d.samples(fit[0].Encoding)}
		}
		return d.doubt(append(d.easternChoices(fit), choices(d, ranked, 2)...))
	case best == nil || best.odd > 0.2:
		// Nothing makes sense of it: the lines are broken, whatever the file is in.
		return Verdict{Encoding: UTF8}
	}
	next := rival(ranked)
	margin := math.Inf(1)
	if next != nil {
		margin = best.score - next.score
	}
	enough := surely
	if best.name == "windows-1252" && !onlyByHabit(ranked) {
		enough = likely
	}
	if margin < enough || best.mean < unlikely || len(fit) > 0 && fit[0].rivals(best) {
		return d.doubt(append(choices(d, ranked, 4), d.easternChoices(fit)...))
	}
	return Verdict{Encoding: best.Encoding, Guessed: true, Samples: d.samples(best.Encoding)}
}

// onlyByHabit reports whether the first encoding is ahead only because most files
// are in it: the letters themselves fit another one of Windows better. Those of
// Iceland are where the Baltic has its commonest ones: Þemaitijos is Žemaitijos.
func onlyByHabit(ranked []scored) bool {
	const clearly = 2.0
	first := ranked[0]
	return strings.ContainsAny(first.text, "ÞþÐð") || slices.ContainsFunc(ranked[1:], func(r scored) bool {
		return strings.HasPrefix(r.name, "windows-") && r.odd <= 0.2 && r.text != first.text && r.score+r.rare > first.score+first.rare+clearly
	})
}

// How much likelier, as a logarithm, an encoding must be than the next one that
// makes another text of the file; and how unlikely its letters may be on average.
const (
	surely   = 7.0
	likely   = 1.0 // of that which most files are in
	unlikely = -7.0
)

// doubt leaves the choice to people. A few lines of many are not worth asking:
// they are broken.
func (d *Detector) doubt(c []Choice) Verdict {
	const few = 10
	if d.odd <= few && 4*d.odd <= d.ascii+d.multibyte+d.odd {
		return Verdict{Encoding: UTF8, Broken: c}
	}
	return Verdict{Encoding: UTF8, Doubt: c}
}

// samples shows some words of the file.
func (d *Detector) samples(e Encoding) (all []Choice) {
	for _, line := range d.lines {
		text, _ := e.Line(line)
		for _, w := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) && r < 0x80 }) {
			if !isASCII([]byte(w)) && !slices.Contains(all, Choice{e.name, w}) {
				all = append(all, Choice{e.name, w})
			}
			if len(all) == 3 {
				return all
			}
		}
	}
	return all
}

func choices(d *Detector, ranked []scored, most int) (all []Choice) {
	for i, s := range ranked {
		if s.odd > 0.2 || len(all) == most {
			break
		}
		if slices.ContainsFunc(ranked[:i], func(o scored) bool { return o.text == s.text }) {
			continue
		}
		all = append(all, Choice{s.name, d.line(s.Encoding)})
	}
	return all
}

func (d *Detector) line(e Encoding) string {
	text, _ := e.Line(d.lines[0])
	if r := []rune(text); len(r) > 80 {
		text = string(r[:80]) + "…"
	}
	return text
}

// scored is how much sense an encoding makes of the file.
type scored struct {
	candidate
	score float64 // logarithm of the likelihood
	odd   float64 // share of words that no language has
	mean  float64 // score for each pair of letters
	text  string  // the words in it, to compare
}

// rank orders the encodings by how much sense they make.
func (d *Detector) rank() []scored {
	var all []scored
	list := make([]string, 0, len(d.words))
	for w := range d.words {
		list = append(list, w)
	}
	slices.Sort(list)
	for _, c := range detectable {
		all = append(all, c.score(list, d.words))
	}
	slices.SortStableFunc(all, func(a, b scored) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return 0
	})
	return all
}

// rival returns the likeliest encoding that makes another text of the file than
// the first one.
func rival(ranked []scored) *scored {
	for i := range ranked[1:] {
		if r := &ranked[i+1]; r.text != ranked[0].text && r.odd <= 0.2 {
			return r
		}
	}
	return nil
}

// What a word of a file may cost, and what an oddity in it does.
const (
	oddity    = -9.0
	sign      = -7.0  // a sign that is no letter
	beside    = -12.0 // one beside a letter that is no quotation mark
	inside    = -12.0 // one that is between letters
	lonely    = -8.0  // a letter that is a word
	alone     = -5.0  // one that has no letters beside it
	worstWord = -40.0
	repeats   = 3 // how often a word counts that is there more often
)

// score says how much sense an encoding makes of words.
func (c candidate) score(list []string, counts map[string]int) scored {
	s := scored{candidate: c, score: -c.rare}
	models := make([]*letters, len(c.languages))
	for i, code := range c.languages {
		models[i] = learn(code)
	}
	var texts strings.Builder
	var likelihoods [][]float64
	var weights []float64
	pairs, odd, total, signs := 0.0, 0.0, 0.0, 0.0
	decoder := c.code.NewDecoder()
	for _, w := range list {
		decoded, _ := decoder.String(w)
		decoded = norm.NFC.String(decoded)
		texts.WriteString(decoded)
		texts.WriteByte('\n')
		weight := float64(min(counts[w], repeats))
		row := make([]float64, len(models))
		n := 0
		isOdd := false
		if cost := signsIn(decoded); cost != 0 {
			signs += cost * weight
			for i := range row {
				row[i] += cost
			}
		}
		for _, part := range words(decoded) {
			o := oddities(part, true)
			isOdd = isOdd || o > 0
			for i := range row {
				row[i] += float64(o) * oddity
			}
			for letters := range strings.FieldsFuncSeq(folded(strings.ToLower(part)), isNoLetter) {
				for i, m := range models {
					sum, count := m.word([]rune(letters))
					row[i] += sum
					if i == 0 {
						n += count
					}
				}
			}
		}
		for i := range row {
			row[i] = max(row[i], worstWord)
		}
		likelihoods, weights = append(likelihoods, row), append(weights, weight)
		pairs += float64(n) * weight
		total += weight
		if isOdd {
			odd += weight
		}
	}
	sum := mixed(likelihoods, weights)
	s.score += sum
	s.odd, s.mean, s.text = odd/max(total, 1), (sum-signs)/max(pairs, 1), texts.String()
	return s
}

// signsIn returns what the signs beyond ASCII in a word cost that are no letters.
func signsIn(word string) (sum float64) {
	runes := []rune(word)
	for i, r := range runes {
		switch {
		case r < 0x80 || unicode.IsLetter(r) || unicode.IsMark(r):
		case r == '¤': // which nobody writes: it is where ISO 8859-15 has the euro
			sum += beside
		case i > 0 && i < len(runes)-1 && unicode.IsLetter(runes[i-1]) && unicode.IsLetter(runes[i+1]) && r != '’':
			sum += inside
		case len(runes) == 1, isDegrees(runes, i): // of money, of an angle
			sum += alone
		case i > 0 && unicode.IsLetter(runes[i-1]) && !strings.ContainsRune(quotes, r), i < len(runes)-1 && unicode.IsLetter(runes[i+1]) && !strings.ContainsRune(quotes, r):
			sum += beside
		default:
			sum += sign
		}
	}
	return sum
}

const quotes = "“”„‘’‚«»‹›…\u00a0"

// isDegrees reports whether the sign at i is that of degrees before the letter
// of a scale: °C, °F, °K.
func isDegrees(runes []rune, i int) bool {
	return i == 0 && len(runes) == 2 && runes[0] == '°' && strings.ContainsRune("CFK", runes[1])
}

func isNoLetter(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) }

// word returns the likelihood of a word, as far as letters beyond ASCII are in
// it, and how many pairs of letters that are.
func (l *letters) word(runes []rune) (sum float64, pairs int) {
	if len(runes) == 1 && runes[0] >= 0x80 {
		return lonely, 1
	}
	before := rune(edge)
	for _, r := range append(runes, edge) {
		if before >= 0x80 || r >= 0x80 {
			sum += l.likelihood(before, r)
			pairs++
		}
		before = r
	}
	return sum, pairs
}

// mixed returns the likelihood of words in a mixture of languages, whose shares
// follow from the words (expectation and maximisation).
func mixed(rows [][]float64, weights []float64) float64 {
	if len(rows) == 0 {
		return 0
	}
	n := len(rows[0])
	share := slices.Repeat([]float64{1 / float64(n)}, n)
	total := 0.0
	for range 4 {
		total = 0
		next := slices.Repeat([]float64{0.2}, n) // nothing is impossible
		sum := 0.2 * float64(n)
		for i, row := range rows {
			top := slices.Max(row)
			p := 0.0
			for j, v := range row {
				p += share[j] * math.Exp(v-top)
			}
			total += weights[i] * (top + math.Log(p))
			for j, v := range row {
				next[j] += weights[i] * share[j] * math.Exp(v-top) / p
			}
			sum += weights[i]
		}
		for j := range next {
			share[j] = next[j] / sum
		}
	}
	return total
}
