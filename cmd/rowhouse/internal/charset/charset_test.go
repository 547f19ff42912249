package charset

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"
)

// people and places of the languages that encodings serve, as they are in the
// cells of files. None is in the tables that the detector has learned from.
var people = map[string]string{
	"de": "Jörg Müller Köln|Änne Weiß Gießen|Günther Schäfer Düsseldorf|Björn Großmann Lübeck|Käthe Jäger Würzburg|Jürgen Böhm Nürnberg|Sören Köhler Göttingen|Renée Höfer Münster",
	"fr": "Hélène Lefèvre Nîmes|François Dupré Besançon|Chloé Mérieux Orléans|Jérôme Benoît Angoulême|Zoë Lacroix Évreux|Anaïs Gagné Saint-Étienne|Cécile Forêt Béziers|André Châtelain Mâcon",
	"es": "José Núñez Logroño|María Peña Málaga|Íñigo Muñoz Cádiz|Begoña Ibáñez A Coruña|Andrés Gómez León|Álvaro Martínez Jaén|Concepción Güell Mérida|Ramón Ordóñez Alcalá",
	"it": "Nicolò Bellù Forlì|Mosè Cantù Cefalù|Niccolò Dessì Viganò|Noè Pagà Patù|Mariù Calò Agliè",
	"pt": "João Gonçalves São Paulo|Inês Magalhães Évora|Conceição Simões Guimarães|Estêvão Falcão Leça|Antônio Brandão Maringá|Luís Araújo Goiânia|Mônica Corrêa Brasília",
	"da": "Søren Sørensen Århus|Bjørn Østergaard København|Åse Kjær Helsingør|Jørgen Møller Næstved|Mærsk Skjødt Rønne|Kåre Lindstrøm Tromsø|Øystein Bråten Ålesund",
	"sv": "Åsa Lindström Malmö|Björn Sjöberg Göteborg|Märta Hägg Västerås|Göran Åkesson Umeå|Örjan Näslund Jönköping|Päivi Hämäläinen Jyväskylä|Yrjö Mäkelä Hyvinkää",
	"is": "Þórður Guðmundsson Akranesvegi|Sigríður Jónsdóttir Reykjavík|Björk Þorláksdóttir Ísafjörður|Guðrún Ægisdóttir Vík",
	"pl": "Małgorzata Kałużyński Łódź|Łucja Wróbel Kraków|Wojciech Dąbrowski Gdańsk|Agnieszka Żółkiewska Częstochowa|Paweł Wójcik Poznań|Zbigniew Ćwikliński Rzeszów|Bożena Jabłońska Świnoujście|Michał Śliwiński Żywiec",
	"cs": "Jiří Dvořák Plzeň|Tomáš Novotný Třebíč|Růžena Čapková Děčín|Zdeněk Svěrák Ústí|Božena Němcová Příbram|Ondřej Řehoř Jičín|Šárka Kovářová Žďár|Jaroslav Vlček Břeclav",
	"hu": "László Kovács Győr|Zoltán Szűcs Székesfehérvár|Erzsébet Tóth Hódmezővásárhely|György Dőry Nyíregyháza|Ágnes Fűzi Kőszeg|Tünde Erdős Sződliget",
	"hr": "Đurđica Šimić Požega|Željko Kovačević Čakovec|Branka Đorđević Šibenik|Krešimir Ćosić Vinkovci|Nevenka Žižić Poreč|Matjaž Škerlj Črnomelj|Boštjan Žvokelj Brežice",
	"ro": "Ştefan Ionescu Piteşti|Ioniţă Brâncuşi Constanţa|Mădălina Popţăr Bistriţa|Cătălin Vlăduţ Iaşi|Ţuţea Mureşan Braşov|Dănuţ Şerbănescu Galaţi",
	"tr": "Ayşe Yılmaz İzmir|Oğuz Çelik Eskişehir|Gülşah Kılıç Muğla|Çağla Şahin Diyarbakır|İbrahim Doğan Kırşehir|Özgür Işık Ağrı|Müjde Yıldız Balıkesir",
	"lt": "Šarūnas Jasikevičius Šiauliai|Rūta Meilutytė Panevėžys|Žydrūnas Ilgauskas Klaipėda|Eglė Žukauskienė Utena|Ąžuolas Grigaitė Kėdainiai|Gražina Stankevičiūtė Telšiai",
	"lv": "Jānis Bērziņš Jelgava|Līga Ozoliņa Daugavpils|Kārlis Ķēniņš Jūrmala|Žanete Kļaviņa Cēsis|Ģirts Vītols Rēzekne|Ņina Āboltiņa Jēkabpils",
	"et": "Jüri Põldmäe Pärnu|Ülle Tõnisson Võru|Märt Kütt Jõhvi|Sirje Õunapuu Põltsamaa|Tõnu Käär Räpina|Ants Šmidt Türi",
	"ru": "Мария Иванова Москва|Сергей Кузнецов Екатеринбург|Ольга Смирнова Новосибирск|Дмитрий Попов Тверь|Юлия Щербакова Рязань|Алексей Жуков Пермь|Пётр Соловьёв Уфа",
	"uk": "Олександр Шевченко Київ|Наталія Ковальчук Львів|Їжакевич Тарас Чернігів|Ганна Лисенко Запоріжжя|Юрій Бойко Вінниця|Євгенія Мельник Рівне",
	"bg": "Георги Димитров Пловдив|Йорданка Петрова Велинград|Стоян Ангелов Бургас|Цветелина Тодорова Кърджали|Красимир Гълъбов Търговище",
	"sr": "Ђорђе Јовановић Ниш|Љубица Николић Чачак|Његош Живковић Шабац|Снежана Ћирић Крушевац",
	"el": "Γιώργος Παπαδόπουλος Θεσσαλονίκη|Ελένη Νικολάου Ηράκλειο|Δημήτρης Οικονόμου Πάτρα|Άννα Ξενάκη Χανιά|Σπύρος Ψαράς Ιωάννινα",
	"he": "דוד כהן ירושלים|שרה לוי חיפה|משה פרידמן נתניה|רחל ביטון אשקלון|יעקב מזרחי רחובות",
	"ar": "محمد الحسيني دمشق|فاطمة الزهراء الدار البيضاء|خالد بن سعيد الرياض|عائشة منصور طرابلس|يوسف حداد بغداد",
	"th": "สมชาย ใจดี เชียงใหม่|สุดา ทองแท้ ขอนแก่น|ประเสริฐ ศรีสุข ภูเก็ต|วิไล แสงจันทร์ นครราชสีมา",
	"vi": "Nguyễn Văn Hùng Đà Nẵng|Trần Thị Hương Hải Phòng|Lê Quang Đức Cần Thơ|Phạm Minh Tuấn Huế",
	"ja": "佐藤太郎 東京都千代田区|鈴木花子 大阪市北区|高橋さくら 横浜市中区|田中ケンジ 名古屋市|株式会社スズキ商事 京都市",
	"zh": "王伟 北京市海淀区|李娜 上海浦东新区|张敏 广州市天河区|刘洋 深圳市南山区|陈静 杭州市西湖区",
	"tw": "王小明 臺北市信義區|陳美玲 高雄市左營區|林志偉 臺中市西屯區|黃淑芬 臺南市東區|張家豪 新竹市",
	"ko": "김민준 서울특별시 강남구|이서연 부산광역시 해운대구|박지훈 대구광역시 수성구|최수빈 인천광역시 남동구|정하은 대전광역시",
}

// served says which languages each encoding serves.
var served = map[string]string{
	"windows-1252": "de fr es it pt da sv is", "iso-8859-15": "de fr es it pt da sv is", "macintosh": "de fr es it pt da sv", "cp850": "de fr es it pt da sv is",
	"cp437": "de", "cp858": "de fr", "cp865": "da", "cp860": "pt", "cp863": "fr",
	"windows-1250": "pl cs hu hr ro de", "iso-8859-2": "pl cs hu hr ro", "iso-8859-16": "pl hu hr ro", "cp852": "pl cs hu hr ro",
	"windows-1251": "ru uk bg sr", "iso-8859-5": "ru uk bg sr", "koi8-r": "ru bg", "koi8-u": "uk ru", "cp866": "ru bg", "x-mac-cyrillic": "ru uk bg sr", "cp855": "ru sr",
	"windows-1253": "el", "iso-8859-7": "el", "windows-1254": "tr", "iso-8859-9": "tr", "windows-1255": "he", "iso-8859-8": "he", "cp862": "he",
	"windows-1256": "ar", "iso-8859-6": "ar", "windows-1257": "lt lv et", "iso-8859-13": "lt lv et", "iso-8859-4": "lt lv et", "windows-1258": "vi", "windows-874": "th",
	"shift_jis": "ja", "euc-jp": "ja", "iso-2022-jp": "ja", "gb18030": "zh", "gbk": "zh", "big5": "tw", "euc-kr": "ko",
}

// encode writes text in an encoding.
func encode(t *testing.T, e Encoding, text string) string {
	t.Helper()
	if e.code == charmap.ISO8859_16 {
		text = strings.NewReplacer("ş", "ș", "ţ", "ț", "Ş", "Ș", "Ţ", "Ț").Replace(text)
	}
	if e.code == charmap.Windows1258 {
		text = apart(text)
	}
	out, err := e.code.NewEncoder().String(text)
	if err != nil {
		t.Fatalf("%s has no letters for %s: %v", e.Name(), text, err)
	}
	return out
}

// apart writes Vietnamese as Windows-1258 has it: with the marks of tones apart.
func apart(text string) string {
	var b strings.Builder
	for _, r := range text {
		d := []rune(norm.NFD.String(string(r)))
		if last := d[len(d)-1]; len(d) > 1 && slices.Contains([]rune{0x300, 0x301, 0x303, 0x309, 0x323}, last) {
			base := slices.DeleteFunc(d, func(r rune) bool { return r == last })
			b.WriteString(norm.NFC.String(string(base)) + string(last))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func detect(text string) Verdict {
	var d Detector
	for line := range strings.Lines(text) {
		d.Add([]byte(line))
	}
	return d.Verdict()
}

func lines(e Encoding, raw string) string {
	var b strings.Builder
	for line := range strings.Lines(raw) {
		text, _ := e.Line([]byte(strings.TrimSuffix(line, "\n")))
		b.WriteString(text + "\n")
	}
	return b.String()
}

// Each encoding is known by texts in the languages that it serves. A file of a
// line or two may be in doubt. What is read is never another text.
func TestDetect(t *testing.T) {
	t.Parallel()
	for name, languages := range served {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := Named(name)
			if err != nil {
				t.Fatal(err)
			}
			for language := range strings.FieldsSeq(languages) {
				all := strings.Split(people[language], "|")
				for _, size := range []int{1, 2, len(all)} {
					for at := 0; at+size <= len(all); at += size {
						text := "First Name,Last Name\n" + strings.ReplaceAll(strings.Join(all[at:at+size], "\n"), " ", ",") + "\n"
						check(t, e, text, size == len(all))
					}
				}
			}
		})
	}
}

func check(t *testing.T, e Encoding, text string, sure bool) {
	t.Helper()
	raw := encode(t, e, text)
	v := detect(raw)
	switch {
	case len(v.Doubt) > 0 && sure && e.Name() != "iso-8859-4":
		t.Errorf("in doubt: %s %v", text, v.Doubt)
	case len(v.Doubt) > 0 || v.Encoding.Name() == "utf-8" && e.Name() != "iso-2022-jp":
	case e.Name() == "iso-8859-4" && !sure: // which nobody writes any more
	case same(lines(v.Encoding, raw)) != same(text):
		t.Errorf("is read as %s: %s", v.Encoding.Name(), lines(v.Encoding, raw))
	case !v.Guessed:
		t.Errorf("is %s, and nobody is told: %s", v.Encoding.Name(), text)
	}
	if sure && len(v.Doubt) == 0 && v.Encoding.Name() == "utf-8" {
		t.Errorf("is not recognised: %s", text)
	}
}

// same writes the Romanian letters with a comma as those with a cedilla.
func same(text string) string {
	return strings.NewReplacer("ș", "ş", "ț", "ţ", "Ș", "Ş", "Ț", "Ţ").Replace(text)
}

// What is in Windows-1252, which most files of eight bits are in, is not asked
// about, however little there is of it.
func TestDetectWestern(t *testing.T) {
	t.Parallel()
	e, err := Named("windows-1252")
	if err != nil {
		t.Fatal(err)
	}
	for language := range strings.FieldsSeq(served["windows-1252"]) {
		for line := range strings.SplitSeq(people[language], "|") {
			if v := detect(encode(t, e, line)); v.Encoding.Name() != "windows-1252" && lines(v.Encoding, encode(t, e, line)) != line+"\n" {
				t.Errorf("%s: %s %v", line, v.Encoding.Name(), v.Doubt)
			}
		}
	}
}

// Signs alone do not make a file Polish or one of DOS.
func TestDetectSigns(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"1\xa0234,50 \x80\n", "\xa350\n", "20\xb0\n", "\x93Acme\x94 Ltd\n", "Acme\xae\n", "O\x92Brien\n", "\xab Acme \xbb\n", "1 \x96 2\n", "50 m\xb2\n", "\xa7 5\n"} {
		if v := detect("a,b\n" + text); v.Encoding.Name() != "windows-1252" || v.Doubt != nil {
			t.Errorf("%q: %s %v", text, v.Encoding.Name(), v.Doubt)
		}
	}
}

// A file that is mostly UTF-8, or in which no encoding makes sense of the odd
// lines, is UTF-8: those lines are refused.
func TestDetectBrokenLines(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "Ada\n", "J\u00f6rg\nZo\u00eb\nBj\xf8rn\n", "Ada\nB\xff\xfeb\nCy\nDee\n", "Jos\xc3\x28\n",
	} {
		if v := detect(text); v.Encoding.Name() != "utf-8" || v.Guessed || v.Doubt != nil {
			t.Errorf("%q: %+v", text, v)
		}
	}
}

// One line of thousands is enough.
func TestDetectLate(t *testing.T) {
	t.Parallel()
	v := detect(strings.Repeat("Ada,Lovelace\n", 9000) + "Ma\xb3gorzata,Ka\xb3u\xbfy\xf1ski\n")
	if v.Encoding.Name() != "windows-1250" || len(v.Samples) == 0 || v.Samples[0].Sample != "Małgorzata" {
		t.Errorf("%+v", v)
	}
}

func TestMarked(t *testing.T) {
	t.Parallel()
	for _, e := range []Encoding{utf16le, utf16be, utf32le, utf32be} {
		for language, text := range people {
			text = "First Name,City\r\n" + strings.ReplaceAll(strings.ReplaceAll(text, "|", "\r\n"), " ", ",") + "\r\n"
			raw := encode(t, e, text)
			got, size, ok := Marked([]byte(raw))
			if !ok || got.Name() != e.Name() || size != 0 {
				t.Errorf("%s of %s without a mark: %s %d %v", e.Name(), language, got.Name(), size, ok)
			}
			mark := encode(t, e, "\ufeff")
			if got, size, ok := Marked([]byte(mark + raw)); !ok || got.Name() != e.Name() || size != len(mark) {
				t.Errorf("%s of %s: %s %d %v", e.Name(), language, got.Name(), size, ok)
			}
			out, err := io.ReadAll(e.Reader(strings.NewReader(raw)))
			if err != nil || string(out) != text {
				t.Errorf("%s of %s: %v %s", e.Name(), language, err, out)
			}
		}
	}
	for _, text := range []string{"", "Ada\n", "First Name\nAda\nB\x00b\nCy\n", "\x00", "a,\x00b\nc,d\n", "\x00\x00\x00\x00\x00\x00\x00\x00"} {
		if e, _, ok := Marked([]byte(text)); ok {
			t.Errorf("%q is marked as %s", text, e.Name())
		}
	}
	if e, size, ok := Marked([]byte("\ufeffAda")); !ok || e.Name() != "utf-8" || size != 3 {
		t.Errorf("UTF-8: %s %d %v", e.Name(), size, ok)
	}
}

// The encodings that Windows, DOS, the Mac, WHATWG and IANA name are there.
func TestNamed(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"utf-8": "utf-8", "UTF8": "utf-8", "utf-8-sig": "utf-8", "UTF-16": "utf-16le", "utf-16be": "utf-16be", "UTF-32LE": "utf-32le",
		"windows-1250": "windows-1250", "CP1250": "windows-1250", "cp-1250": "windows-1250", "1250": "windows-1250", "win1250": "", "Windows-1252": "windows-1252",
		"latin1": "windows-1252", "ISO-8859-1": "windows-1252", "iso8859-2": "iso-8859-2", "ISO_8859-2": "iso-8859-2", "latin2": "iso-8859-2", "iso-8859-9": "iso-8859-9",
		"ISO-8859-15": "iso-8859-15", "koi8-r": "koi8-r", "KOI8-U": "koi8-u", "macintosh": "macintosh", "MacRoman": "macintosh", "x-mac-cyrillic": "x-mac-cyrillic",
		"cp437": "cp437", "IBM437": "cp437", "cp850": "cp850", "cp852": "cp852", "ibm852": "cp852", "CP866": "cp866", "windows-874": "windows-874", "tis-620": "windows-874",
		"shift_jis": "shift_jis", "SJIS": "shift_jis", "Shift-JIS": "shift_jis", "cp932": "shift_jis", "euc-jp": "euc-jp", "iso-2022-jp": "iso-2022-jp", "gbk": "gbk", "gb2312": "gbk",
		"GB18030": "gb18030", "big5": "big5", "Big5-HKSCS": "big5", "euc-kr": "euc-kr", "cp949": "euc-kr", "ks_c_5601-1987": "euc-kr",
		"ebcdic": "", "": "", "klingon": "", "utf-7": "", "IBM037": "", "replacement": "", "iso-2022-kr": "",
	} {
		e, err := Named(name)
		got := e.Name()
		if err != nil {
			got = ""
		}
		if got != want {
			t.Errorf("%q is %q, and not %q", name, got, want)
		}
	}
}

// No bytes make it panic, and what comes out is text.
func FuzzDetect(f *testing.F) {
	f.Add([]byte("Ma\xb3gorzata\n\x00\xff"))
	f.Add([]byte("\x1b$B\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var d Detector
		for line := range bytes.Lines(raw) {
			d.Add(line)
		}
		v := d.Verdict()
		for line := range bytes.Lines(raw) {
			text, foreign := v.Encoding.Line(line)
			if v.Encoding.Lossy() && !foreign && !utf8.ValidString(text) {
				t.Errorf("%q in %s is no text", line, v.Encoding.Name())
			}
		}
		Marked(raw)
	})
}
