package csvimport

import (
	"fmt"
	"strings"

	"github.com/rowhouse/rowhouse/domain"
)

// What a record has several of: addresses of all sorts, telephone numbers, tags.

func (d *draft) emails() bool {
	var list []any
	seen := map[string]bool{}
	for _, c := range d.plan.columns["emails"] {
		for text := range strings.FieldsFuncSeq(d.cell(c), func(r rune) bool { return strings.ContainsRune(";, \t\n", r) }) {
			if i := strings.IndexByte(text, '<'); i >= 0 || strings.HasSuffix(text, ">") {
				text = strings.Trim(text[i+1:], "<>")
			} else if !strings.Contains(text, "@") && strings.Contains(d.cell(c), "<") {
				continue // the name in: Ada Lovelace <ada@example.com>
			}
			text = strings.TrimPrefix(strings.TrimPrefix(text, "mailto:"), "'")
			if isNothing(text) {
				continue
			}
			e, err := domain.ParseEmail(text)
			if err != nil {
				d.refuse(c, "invalid_email", "is not an e-mail address")
				continue
			}
			if !seen[e.Normalized()] {
				seen[e.Normalized()] = true
				d.from[fmt.Sprintf("/emails/%d", len(list))] = c
				list = append(list, map[string]any{"address": string(e), "primary": len(list) == 0})
			}
		}
	}
	if len(list) > 0 {
		d.data["emails"] = list
	}
	return len(list) > 0
}

// phoneFields are the fields that hold a contact's telephone numbers, each with
// the kind of number that it holds.
var phoneFields = []struct{ field, kind string }{{"phones", "work"}, {"phones.mobile", "mobile"}, {"phones.home", "home"}, {"phones.other", "other"}, {"phones.fax", "fax"}}

func (d *draft) phones() bool {
	var list []any
	seen := map[domain.Phone]bool{}
	for _, f := range phoneFields {
		for _, c := range d.plan.columns[f.field] {
			for text := range strings.FieldsFuncSeq(d.cell(c), func(r rune) bool { return strings.ContainsRune(";,\n", r) }) {
				p, ok := d.parsePhone(text, c)
				if ok && !seen[p] {
					seen[p] = true
					d.from[fmt.Sprintf("/phones/%d", len(list))] = c
					list = append(list, map[string]any{"number": string(p), "kind": f.kind, "primary": len(list) == 0})
				}
			}
		}
	}
	if len(list) > 0 {
		d.data["phones"] = list
	}
	return len(list) > 0
}

func (d *draft) phone(field string) {
	if text, c, ok := d.value(field); ok {
		if p, ok := d.parsePhone(text, c); ok {
			d.put(field, string(p), c)
		}
	}
}

// parsePhone reads a number. One that cannot be dialled from abroad, because
// nobody knows of which country it is, is left out, and so is an extension.
func (d *draft) parsePhone(text string, column int) (domain.Phone, bool) {
	if text = strings.TrimSpace(text); isNothing(text) {
		return "", false
	}
	n, ok := parsePhone(text, d.country())
	switch {
	case !ok:
		d.refuse(column, "invalid_phone", "is not a telephone number")
		return "", false
	case n.local:
		d.lose(column, "no_country_code", "the telephone number has no country code, and the row names no country (--country says which one is meant)")
		return "", false
	case n.extension != "":
		d.lose(column, "extension", "the number was imported without its extension, which has no place in E.164")
	}
	return n.phone, true
}

// tags are words, of several columns.
func (d *draft) tags() {
	var list []string
	for _, c := range d.plan.columns["tags"] {
		for _, item := range splitList(d.cell(c)) {
			list = appendNew(list, item)
			d.from[fmt.Sprintf("/tags/%d", len(list)-1)] = c
		}
	}
	if len(list) > 0 {
		d.data["tags"] = list
	}
}

// splitList divides text at each ; or, if there is none, at commas.
func splitList(text string) []string {
	sep := ";"
	if !strings.Contains(text, sep) {
		sep = ","
	}
	var items []string
	for item := range strings.SplitSeq(text, sep) {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

func appendNew(list []string, item string) []string {
	for _, have := range list {
		if strings.EqualFold(have, item) {
			return list
		}
	}
	return append(list, item)
}

// domains are host names, also out of URLs.
func (d *draft) domains(field string) {
	var list []string
	seen := map[string]bool{} // in letters and in ASCII it is the same host
	for _, c := range d.plan.columns[field] {
		for _, item := range splitList(d.cell(c)) {
			if isNothing(item) {
				continue
			}
			host, err := domain.ParseHostname(hostOf(item))
			if err != nil {
				d.refuse(c, "invalid_domain", "is not a domain name or the URL of a web site")
				continue
			}
			if !seen[host.Normalized()] {
				seen[host.Normalized()] = true
				d.from[fmt.Sprintf("/%s/%d", field, len(list))] = c
				list = append(list, string(host))
			}
		}
	}
	if len(list) > 0 {
		d.data[field] = list
	}
}

func hostOf(text string) string {
	if _, rest, ok := strings.Cut(text, "://"); ok {
		text = rest
	}
	text, _, _ = strings.Cut(text, "/")
	text, _, _ = strings.Cut(text, "?")
	text, _, _ = strings.Cut(text, ":")
	return strings.TrimPrefix(strings.ToLower(text), "www.")
}

// postalDigits are how many digits the postal codes have of countries where some
// begin with a zero (Universal Postal Union).
var postalDigits = map[string]int{
	"DE": 5, "US": 5, "FR": 5, "IT": 5, "ES": 5, "FI": 5, "EE": 5, "MX": 5, "TR": 5, "UA": 5, "HR": 5, "RS": 5, "LT": 5, "CZ": 5, "SK": 5, "SE": 5, "GR": 5, "KR": 5, "MY": 5, "TH": 5,
	"RO": 6, "RU": 6, "CN": 6, "IN": 6, "SG": 6, "JP": 7, "BR": 8, "AU": 4, "NO": 4, "ZA": 4, "NZ": 4, "BG": 4, "BE": 4, "DK": 4,
}

// address adds an address, if the row has a part of it.
func (d *draft) address(group, kind string) {
	parts := map[string]any{}
	list, _ := d.data["addresses"].([]any)
	at := fmt.Sprintf("/addresses/%d", len(list))
	put := func(part, text string, column int) {
		if text != "" {
			parts[part], d.from[at+"/"+part] = text, column
		}
	}
	for _, part := range []string{"line1", "line2", "city", "region", "postal_code", "country"} {
		c, ok := d.column(group + "." + part)
		if !ok {
			continue
		}
		text := d.cell(c)
		switch part {
		case "line1":
			first, rest, _ := strings.Cut(strings.ReplaceAll(text, "\r", ""), "\n")
			put("line1", strings.TrimSpace(first), c)
			put("line2", strings.Join(strings.FieldsFunc(rest, func(r rune) bool { return r == '\n' }), ", "), c)
		case "line2":
			if have, ok := parts["line2"].(string); ok {
				text = have + ", " + text
			}
			put(part, text, c)
		case "country":
			code := d.plan.atlas.country(text)
			if code == "" && !isNothing(text) {
				d.lose(c, "unknown_country", "is not the name or the code of a country that is known")
			}
			put(part, code, c)
		case "postal_code":
			country := ""
			if at, ok := d.column(group + ".country"); ok {
				country = d.plan.atlas.country(d.cell(at))
			}
			if n := postalDigits[country]; isDigits(text) && len(text) == n-1 {
				d.change(c, "have a digit less than the postal codes of their country: a spreadsheet may have taken the zero in front; they stay as they are", text, text)
			}
			put(part, text, c)
		default:
			put(part, text, c)
		}
	}
	if len(parts) == 0 {
		return
	}
	if kind != "" {
		parts["kind"] = kind
	}
	d.data["addresses"] = append(list, parts)
}
