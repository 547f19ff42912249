package csvimport

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// What a stage means is guessed from its name only if all of the name says so.
// A deal that is closed by mistake disappears from everybody's work, so in doubt
// a stage is open. Names are read as words, never as parts of words, and every
// word must be one of those below.

// wonWords and lostWords say that a deal is closed, in the languages of Europe.
// They are folded: without accents, in small letters.
var (
	wonWords = wordSet(`won gewonnen gewonnene gewonnener
		gagne gagnee gagnes gagnees remporte remportee
		ganado ganada ganados ganadas gano
		vinto vinta vinti vinte
		ganho ganha ganhos ganhas ganhou
		guanyat guanyada castigat castigata
		wygrana wygrane wygrany wygrano
		vunnen vunna vunnet vundet vundne
		voitettu voitetut vyhrano vyhrana vyhrane vyhrany megnyert megnyerve
		выиграно выиграна выигран выигранные виграно виграна спечелена спечелено
		κερδισμενη κερδισμενο κερδηθηκε kazanildi kazanilan dobljeno dobiveno dobijeno voidetud`)
	lostWords = wordSet(`lost verloren verlorene verlorener
		perdu perdue perdus perdues
		perdido perdida perdidos perdidas perdeu
		perso persa persi perse perduto perduta
		perdut perduda pierdut pierduta
		przegrana przegrane przegrany przegrano utracona utracone utracono stracona stracone stracono
		forlorad forlorat forlorade tabt tabte tapt tapte
		havitty menetetty prohrano prohrana prohrane ztraceno ztracena ztracene elveszett elveszitett elvesztett
		проиграно проиграна проигран проигранные потеряно потеряна втрачено втрачена програно загубена загубено
		χαμενη χαμενο χαθηκε kaybedildi kaybedilen izgubljeno kaotatud`)
)

// Whole names that have the meaning only if nothing else is in them.
var (
	wonNames  = wordSet(`win wins zakazka|ziskana успешно|реализовано gewonnen|kunde`)
	lostNames = wordSet(`loss closed|loss закрыто|и|не|реализовано`)
)

// besideWords may stand beside the word without turning it round.
var besideWords = wordSet(`closed close deal deals opportunity opportunities opp sale sales order orders business project projects customer client
	contract bid tender quote offer stage status phase outcome result is was has been and the a
	geschlossen abgeschlossen abgeschlossene beendet auftrag angebot geschaft projekt kunde phase ergebnis ist wurde und
	ferme fermee cloture cloturee clos affaire opportunite vente et
	cerrado cerrada cerradas cerrados oportunidad negocio venta y
	chiuso chiusa chiuse chiusi opportunita affare trattativa vendita e
	fechado fechada oportunidade negocio venda
	gesloten afgesloten kans verkoop en
	zamkniete zamknieta zamkniety szansa i
	stangd stangt avslutad affar och lukket afsluttet salg og suljettu kauppa ja
	uzavreno uzavrena obchod lezart lezarva
	закрыто закрыта сделка и`)

// reasonWords lead to what a deal was won or lost for, which may be anything.
var reasonWords = wordSet(`on to due because by against vs versus over after
	an wegen durch gegen aufgrund nach
	a pour face contre
	por ante contra debido
	per contro
	aan door wegens`)

// doubtWords turn a name round, wherever they are in it, or say that it is not
// so yet.
var doubtWords = wordSet(`again retry retrying reopen reopened revive reactivate recover recovery recycle winback followup pending maybe perhaps almost nearly
	probably likely probable possibly possible risk review verify confirm unconfirmed tbc tbd yet soon chance probability potential expected forecast until unless if
	wieder erneut nochmal offen fast beinahe vielleicht bald wahrscheinlich wahrscheinlichkeit nachfassen prufen
	relancer relance presque peut bientot probable
	reintentar casi quiza quizas probable probabilidad pronto
	quasi forse presto probabile riprovare
	quase talvez
	bijna misschien opnieuw waarschijnlijk`)

// notWords deny. They turn round whatever they are beside, but what a deal was
// lost for may well be a thing that was not there: "lost - no budget".
var notWords = wordSet(`not no never non none without un
	nicht kein keine keiner nie niemals ohne
	pas jamais sans ne
	nunca sin jamas
	mai senza
	nao nem sem
	niet geen nooit zonder
	nie bez
	inte ej aldrig ikke aldri aldrig ei
	ne neni nikdy nem nu не нет нікогда ні δεν μη degil`)

func wordSet(text string) map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(text) {
		set[strings.ReplaceAll(w, "|", " ")] = true
	}
	return set
}

// kindOf says what a stage means, going by its name: open, unless all of the
// name says something else.
func kindOf(name string) stageKind {
	if strings.ContainsAny(name, "?¿") {
		return open
	}
	clauses := clausesOf(name)
	if len(clauses) == 0 {
		return open
	}
	if whole := strings.Join(slices.Concat(clauses...), " "); wonNames[whole] {
		return won
	} else if lostNames[whole] {
		return lost
	}
	kind, rest := head(clauses)
	for _, w := range rest {
		if doubtWords[w] || wonWords[w] || lostWords[w] || isShare(w, kind) || kind == won && notWords[w] {
			return open
		}
	}
	if len(rest) > 0 && !slices.ContainsFunc(rest, func(w string) bool { return !notWords[w] }) {
		return open // "lost - not"
	}
	return kind
}

// head reads the part of a name that says what it means: "closed won" in "Closed
// won - by Ann". The rest is what comes after it: a reason, or more clauses.
func head(clauses [][]string) (kind stageKind, rest []string) {
	kind = open
	for i, clause := range clauses {
		for j, w := range clause {
			switch {
			case besideWords[w] && (kind == open || !reasonWords[w]), isNumber(w):
			case wonWords[w] && kind != lost:
				kind = won
			case lostWords[w] && kind != won:
				kind = lost
			case kind != open && reasonWords[w]:
				return kind, slices.Concat(clause[j:], slices.Concat(clauses[i+1:]...))
			default:
				return open, nil
			}
		}
		if kind != open {
			return kind, slices.Concat(clauses[i+1:]...)
		}
	}
	return open, nil
}

// isNumber reports whether a word only counts: "5" in "5. Won", "100%".
func isNumber(w string) bool {
	return isDigits(w) && w != "" || w == "100%" || w == "0%"
}

// isShare reports whether a word is a percentage that contradicts the kind.
func isShare(w string, kind stageKind) bool {
	number, ok := strings.CutSuffix(w, "%")
	fits := kind == won && number == "100" || kind == lost && number == "0"
	return ok && isDigits(number) && !fits
}

// clausesOf divides a name at brackets and at signs that divide a sentence, and
// each part into folded words. ClosedWon is two words, and so is closed_won;
// won't is one.
func clausesOf(name string) (clauses [][]string) {
	var clause []string
	var word strings.Builder
	endWord := func() {
		if word.Len() > 0 {
			clause = append(clause, strings.Trim(word.String(), "'"))
			word.Reset()
		}
	}
	endClause := func() {
		if endWord(); len(clause) > 0 {
			clauses = append(clauses, clause)
			clause = nil
		}
	}
	runes := []rune(norm.NFC.String(name))
	for i, r := range runes {
		var before, after rune
		if i > 0 {
			before = runes[i-1]
		}
		if i+1 < len(runes) {
			after = runes[i+1]
		}
		switch {
		case unicode.IsUpper(r) && unicode.IsLower(before): // ClosedWon
			endWord()
			word.WriteString(foldWord(string(r)))
		case unicode.IsLetter(r), unicode.IsMark(r), unicode.IsDigit(r):
			word.WriteString(foldWord(string(r)))
		case (r == '\'' || r == '’' || r == 'ʼ') && unicode.IsLetter(before) && unicode.IsLetter(after):
			word.WriteByte('\'')
		case r == '%' && unicode.IsDigit(before):
			word.WriteByte('%')
		case strings.ContainsRune("()[]{}:;,.!/|–—→>", r), r == '-' && unicode.IsSpace(before):
			if divides(r, word.String(), clause, before) {
				endClause()
			} else {
				endWord()
			}
		default:
			endWord()
		}
	}
	endClause()
	return closedWords(clauses)
}

// divides reports whether a sign divides a sentence. What comes before must be
// more than a number ("5. Won"), and a dash without blanks joins ("Closed–Won").
func divides(sign rune, word string, clause []string, before rune) bool {
	if (sign == '–' || sign == '—') && !unicode.IsSpace(before) {
		return false
	}
	if len(clause) == 0 && isDigits(word) {
		return false
	}
	return word != "" || len(clause) > 0
}

// closedWords takes apart the keys that HubSpot has: closedwon.
func closedWords(clauses [][]string) [][]string {
	for i, clause := range clauses {
		var words []string
		for _, w := range clause {
			rest, ok := strings.CutPrefix(w, "closed")
			if ok && (wonWords[rest] || lostWords[rest]) {
				words = append(words, "closed", rest)
				continue
			}
			words = append(words, w)
		}
		clauses[i] = words
	}
	return clauses
}

// foldWord returns letters as words are compared: in small letters, without
// accents.
func foldWord(s string) string {
	s = cases.Fold().String(norm.NFD.String(s))
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, s)
}

// nameKey returns a name as names are compared: composed, whatever its case, and
// with single blanks.
func nameKey(name string) string {
	return strings.Join(strings.Fields(norm.NFC.String(cases.Fold().String(norm.NFC.String(name)))), " ")
}
