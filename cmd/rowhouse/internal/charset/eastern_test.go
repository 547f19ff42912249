package charset

import (
	"strings"
	"testing"
)

// cells of files from East Asia, none of which may be read as anything else.
var easternCells = map[string][]string{
	"shift_jis": {
		"サーバー", "ジョン・スミス", "山田×鈴木", "㈱山田製作所", "①営業部", "ｱｲｳｴｵ商店", "ﾔﾏﾀﾞ", "ﾔﾏﾀﾞ ﾀﾛｳ", "スーパーマーケット", "株式会社データセンター", "山本電機㈱", "髙橋工務店", "渡邊商会", "コーヒー", "㈲佐藤建設",
		"ｶﾌﾞｼｷｶﾞｲｼｬ", "ﾄﾖﾀ自動車", "メーカー・販売店", "25℃", "山﨑 太郎", "ウィーン・フィル", "NTTデータ", "さくら銀行", "Ａ＆Ｂ商事", "セブン－イレブン", "ｻﾄｳ", "ｽｽﾞｷ ﾊﾅｺ", "〒100-0001", "蓮沼", "№5 ビル", "大和ハウス工業", "みずほ", "齋藤", "佐藤", "東京",
	},
	"euc-jp": {
		"サーバー", "ジョン・スミス", "山田×鈴木", "スーパーマーケット", "株式会社データセンター", "渡邊商会", "コーヒー", "メーカー・販売店", "ウィーン・フィル", "NTTデータ", "さくら銀行", "Ａ＆Ｂ商事", "セブン－イレブン", "みずほ", "佐藤", "東京", "山本電機",
	},
	"gb18030": {
		"约翰·史密斯", "李·强", "北京°科技", "张×王", "上海浦东发展银行", "大众汽车（中国）", "王伟", "玛丽·居里", "①号楼", "㎡", "阿里巴巴", "２０℃", "镕基", "张三丰", "东方明珠", "黄埔区", "“长城”公司",
	},
	"big5": {
		"約翰‧史密斯", "陳大文", "台灣積體電路", "張×王", "鴻海精密工業", "林‧瑪麗", "王小明", "長榮航空", "２０℃", "「大同」公司", "統一企業", "黃家豪",
	},
	"euc-kr": {
		"김·이", "존·스미스", "㈜삼성", "삼성전자㈜", "김민준", "현대×기아", "서울 25℃", "주식회사 한글", "샘플", "이순신", "㈜엘지", "롯데마트", "카카오", "엔씨소프트", "김", "펭귄",
	},
}

// No line of East Asia is read as another text than it is; if it is in doubt,
// the right encoding is among those that people can choose.
func TestEasternNeverGarbled(t *testing.T) {
	t.Parallel()
	for name, cells := range easternCells {
		e, err := Named(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{1, 2, 3, 5, len(cells)} {
			for at := range cells {
				var text strings.Builder
				text.WriteString("First Name,City\n")
				for i := range size {
					text.WriteString(cells[(at+i)%len(cells)] + ",x\n")
				}
				if sure := neverGarbled(t, e, text.String(), encode(t, e, text.String())); !sure && size == len(cells) {
					t.Errorf("%s: all cells are in doubt", name)
				}
			}
		}
	}
}

func neverGarbled(t *testing.T, e Encoding, text, raw string) (sure bool) {
	t.Helper()
	v := detect(raw)
	if v.Encoding.Name() != "utf-8" {
		if got := lines(v.Encoding, raw); got != text {
			t.Errorf("%s is read as %s: %q is %q", e.Name(), v.Encoding.Name(), text, got)
		}
		return true
	}
	for _, c := range append(v.Doubt, v.Broken...) {
		if c.Name == e.Name() {
			return false
		}
	}
	t.Errorf("%s is not among the choices for %q: %v", e.Name(), text, append(v.Doubt, v.Broken...))
	return false
}

// What is in Windows-1252 is not taken for East Asian because of a sign or two.
func TestSignsAreNotEastern(t *testing.T) {
	t.Parallel()
	e, err := Named("windows-1252")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"Oven 200°C Ltd", "-40°F", "5°C to 8°C\nMilk 4°C\nFreezer −", "N°5 Ltd", "1·2", "3×4 m", "Café “Ö”", "Ö", "A°", "Ø100 GmbH", "±5", "½ price", "Ä&Ö GmbH", "ÄÖÜ GmbH", "ÄÖÜ AG\nÖÄÜ\nÜÄÖ\nÄÜ", "R&D–X", "È", "ÉÉ", "£5–£10", "§§ 5",
		"Ø 20 mm\nØ 30 mm", "25°C\n30°C\n35°C\n40°C\n45°C", "ÀÉÈ",
	} {
		text = strings.ReplaceAll(text, "−", "-")
		raw := encode(t, e, "Name,City\n"+text+",x\n")
		v := detect(raw)
		if v.Encoding.Name() != "utf-8" && lines(v.Encoding, raw) != "Name,City\n"+text+",x\n" {
			t.Errorf("%s is read as %s: %s", text, v.Encoding.Name(), lines(v.Encoding, raw))
		}
		if v.Encoding.Name() == "utf-8" && v.Broken == nil && v.Doubt == nil {
			t.Errorf("%s: nobody is asked", text)
		}
	}
}

// A name or two of the Baltic or of Central Europe, whose letters are as likely in
// the West, are in doubt: one wrong letter is stored for ever.
func TestLittleEvidence(t *testing.T) {
	t.Parallel()
	for name, texts := range map[string]string{
		"windows-1257": "Žemaitijos pienas|Šiaulių bankas|Žalgiris|Rīga|Žagarė|Jānis|Ādaži|Ķīpsala|Õie|Švyturys|Ąžuolas|Žmogus|UAB Žara|Šilutė",
		"windows-1250": "Žabka|Škoda|Kofola Žilina|Ďuriš|Łódź|Tatra Kopřivnice|Győr|Źrebak|Zielona Góra|Ţara|Štark|Šoša",
		"windows-1254": "Şişecam|Ülker|Işık|Doğan|Çağ|İş Bankası|Ağaoğlu",
		"iso-8859-2":   "Žabka|Škoda|Łódź|Győr|Świat|Šoša|Ľuboš",
		"iso-8859-15":  "Œuvre|Žižkov|5 €|Šk",
		"cp852":        "Žabka|Škoda|Łódź|Győr|Świat", "cp850": "Müller|Émile|José|Ñandú|Größe",
		"macintosh": "Müller|Émile|José|Ñandú|Größe|Café",
	} {
		e, err := Named(name)
		if err != nil {
			t.Fatal(err)
		}
		for text := range strings.SplitSeq(texts, "|") {
			raw := encode(t, e, "Name\n"+text+"\n")
			v := detect(raw)
			if got := lines(v.Encoding, raw); v.Encoding.Name() != "utf-8" && got != "Name\n"+text+"\n" {
				t.Errorf("%s is read as %s: %q", name, v.Encoding.Name(), got)
			}
		}
	}
}
