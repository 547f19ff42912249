package csvimport

import "testing"

// A stage is closed only if its whole name, or whole words of it that nothing
// turns round, say so.
func TestKindOf(t *testing.T) {
	t.Parallel()
	for kind, names := range map[stageKind][]string{
		won: {
			"Won", "WON", "won", "Closed Won", "closed_won", "closedwon", "ClosedWon", "Closed-Won", "Closed – Won", "Closed–Won", "Closed (Won)", "Closed/Won", "Won (closed)", "Deal won",
			"Won!", "5. Won", "5 - Won", "Won 100%", "Won 🎉", "✔ Won", "Closed & Won", "Closed and won", "Opportunity is won", "Won by Ann", "Won on price", "Won - EMEA", "Win",
			"Gewonnen", "Abgeschlossen und gewonnen", "Auftrag gewonnen", "Gagné", "Gagne\u0301", "gagnée", "Affaire gagnée", "Fermé - gagné", "Ganada", "Cerrado ganado", "Cerrada/Ganada", "Vinto", "Chiuso vinto",
			"Ganho", "Fechado e ganho", "Gewonnen", "Wygrana", "Zamknięte - wygrane", "Vunnen", "Vundet", "Vunnet", "Voitettu", "Vyhráno", "Megnyert", "Выиграно", "Успешно реализовано", "Κερδισμένη", "CÂȘTIGAT",
		},
		lost: {
			"Lost", "Closed Lost", "closedlost", "closed_lost", "Lost on price", "Lost to competitor", "Closed Lost - No decision", "Lost (no budget)", "Lost: not interested", "Lost - never answered", "Deal Lost!",
			"Lost due to timing", "7. Lost", "Lost 0%", "Loss", "Verloren", "Verloren wegen Preis", "Verloren an Wettbewerb", "Perdu", "Affaire perdue", "Perdida", "Cerrado perdido", "Perso", "Chiuso perso", "Perdido", "Verloren",
			"Przegrana", "Förlorad", "Tabt", "Tapt", "Hävitty", "Prohráno", "Elveszett", "Проиграно", "Закрыто и не реализовано", "Χαμένη", "Pierdut",
		},
		open: {
			"", "-", "New", "Not won", "Not Won Yet", "Never lost", "Won't buy", "Won’t buy", "wont", "Lost contact", "Lost contact – retry", "Lost - retry", "Lost (retry in spring)", "Personalised offer", "Personalisiertes Angebot",
			"Wonderful", "Wonder", "Swon", "Almost won", "Nearly lost", "To be won", "To be lost", "Win probability", "Win-back", "Win back", "Won?", "Lost?", "¿Ganado?", "Won/Lost", "Won or lost", "Closed", "Closing", "Half won",
			"90% won", "Won (50%)", "Won - pending", "Won - not signed", "Lost - not", "Probably lost", "At risk of being lost", "Lost & found", "Lost cause", "Recover lost", "Re-engage lost", "Non gagné", "Pas perdu", "Nicht gewonnen", "Nicht verloren",
			"Noch nicht verloren", "No ganado", "Non vinto", "Não ganho", "Niet gewonnen", "Не выиграно", "Reperdu", "Perdurable", "Personal", "Perfect", "Ganadería", "Gewonnenheit", "Unlost", "Blossom", "Colostrum", "Glossary",
			"Almost", "Lostwithiel", "Yvonne", "Wonton", "Won over doubts, pending", "Decision made", "Prewon", "Follow-up after lost",
			"Closed (pending) won", "Lostandfound", "Unwon",
		},
	} {
		for _, name := range names {
			if got := kindOf(name); got != kind {
				t.Errorf("%q is %s, want %s", name, got, kind)
			}
		}
	}
}

func TestNameKey(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"Café Müller", "cafe\u0301 MU\u0308LLER", " CAFÉ\u00a0 Müller "},
		{"Straße", "STRASSE", "strasse"},
		{"ΣΊΣΥΦΟΣ", "σίσυφος"},
	} {
		for _, name := range same {
			if nameKey(name) != nameKey(same[0]) {
				t.Errorf("%q and %q are two", same[0], name)
			}
		}
	}
	if nameKey("Café") == nameKey("Cafe") || nameKey("A B") == nameKey("AB") {
		t.Error("different names are one")
	}
}
