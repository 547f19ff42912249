package demo

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/encoding/charmap"
)

// Shapes lists the files that [Export] can write.
func Shapes() []string {
	var names []string
	for _, s := range shapes {
		names = append(names, s.name)
	}
	return names
}

// Export writes a CSV file of people, companies or deals that do not exist, as
// HubSpot or Salesforce export theirs: the columns, their order, the quotes and
// the forms of values. The same arguments always give the same file, and the
// files of one product belong together.
func Export(w io.Writer, name string, rows int) error {
	i := slices.IndexFunc(shapes, func(s shape) bool { return s.name == name })
	if i < 0 {
		return fmt.Errorf("there is no shape %q; there are %s", name, strings.Join(Shapes(), ", "))
	}
	s := shapes[i]
	if s.western {
		encoded := charmap.Windows1252.NewEncoder().Writer(w)
		w = encoded
	}
	out := bufio.NewWriter(w)
	write := func(cells []string) {
		for i, c := range cells {
			if i > 0 {
				out.WriteByte(',') //nolint:errcheck // Flush says so
			}
			// Both put every cell into quotes.
			fmt.Fprintf(out, `"%s"`, strings.ReplaceAll(c, `"`, `""`)) //nolint:errcheck // Flush says so
		}
		out.WriteString(s.end) //nolint:errcheck // Flush says so
	}
	write(s.header)
	d := newDice(s.seed + 77)
	for i, e := 0, s.world(rows); i < rows; i++ {
		write(s.row(d, e, i))
	}
	return out.Flush()
}

// shape is how a product exports one kind of record.
type shape struct {
	name    string
	seed    uint64
	western bool // Windows-1252
	end     string
	size    func(rows int) size
	header  []string
	row     func(d dice, w *world, i int) []string
}

// world returns a world that has enough rows. Those of one product are equal as
// far as they go.
func (s shape) world(rows int) *world { return makeWorld(s.seed, s.size(rows)) }

const (
	hubspot    = 31
	salesforce = 47
)

// The examples have so many companies, people and deals. Larger files have more
// of what they are about.
var exampleSize = size{companies: 40, people: 100, deals: 60}

func ofCompanies(rows int) size {
	return size{companies: max(rows, exampleSize.companies), people: exampleSize.people}
}

func ofPeople(rows int) size {
	return size{companies: max(exampleSize.companies, min(rows/8, 4000)), people: rows}
}

func ofDeals(rows int) size {
	return size{companies: exampleSize.companies, people: exampleSize.people, deals: rows}
}

var shapes = []shape{
	{
		"hubspot-companies", hubspot, false, "\n", ofCompanies,
		[]string{"Record ID", "Company name", "Company owner", "Create Date", "Phone Number", "Last Activity Date", "City", "State/Region", "Country/Region", "Industry", "Company Domain Name", "Number of Employees", "Annual Revenue"},
		func(d dice, w *world, i int) []string {
			c := w.Companies[i]
			return []string{
				hubspotID(2, i), c.Name, pick(d, owners), d.stamp(), spaced(c.Phone), d.stamp(), c.Address.City, c.Address.Region, countries[c.Address.Country],
				strings.ToUpper(strings.ReplaceAll(c.Industry, " ", "_")), c.Domain, strconv.Itoa(c.Employees), strconv.Itoa(c.Revenue),
			}
		},
	},
	{
		"hubspot-contacts", hubspot, false, "\n", ofPeople,
		[]string{"Record ID", "First Name", "Last Name", "Email", "Phone Number", "Mobile Phone Number", "Contact owner", "Job Title", "Lifecycle Stage", "Lead Status", "Marketing contact status", "Preferred language", "City", "Country/Region", "Create Date", "Last Activity Date", "Associated Company IDs", "Associated Company"},
		func(d dice, w *world, i int) []string {
			p := w.People[i]
			company, id := "", ""
			if p.Company >= 0 {
				company, id = w.Companies[p.Company].Name, hubspotID(2, p.Company)
			}
			return []string{
				hubspotID(1, i), p.First, p.Last, p.Email, spaced(p.Phone), spaced(p.Mobile), pick(d, owners), p.Title, hubspotLifecycles[p.Lifecycle], pick(d, []string{"", "New", "Open", "In Progress", "Connected"}),
				pick(d, []string{"Marketing contact", "Non-marketing contact"}), strings.ToLower(p.Language), p.Address.City, countries[p.Address.Country], d.stamp(), d.stamp(), id, company,
			}
		},
	},
	{
		"hubspot-deals", hubspot, false, "\n", ofDeals,
		[]string{"Record ID", "Deal Name", "Deal Stage", "Close Date", "Deal owner", "Amount", "Currency", "Pipeline", "Deal Type", "Create Date", "Closed Lost Reason", "Associated Contact IDs", "Associated Contact", "Associated Company IDs", "Associated Company"},
		func(d dice, w *world, i int) []string {
			x := w.Deals[i]
			stage, reason := x.stageIn(hubspotStages)
			contact, id := "", ""
			if x.Person >= 0 {
				p := w.People[x.Person]
				contact, id = fmt.Sprintf("%s %s (%s)", p.First, p.Last, p.Email), hubspotID(1, x.Person)
			}
			return []string{
				hubspotID(3, i), x.Name, stage, x.CloseDate + " " + d.clock(), pick(d, owners), fmt.Sprintf("%d.00", x.Amount), x.Currency, "Sales Pipeline",
				pick(d, []string{"New Business", "Existing Business"}), d.stamp(), reason, id, contact, hubspotID(2, x.Company), w.Companies[x.Company].Name,
			}
		},
	},
	{
		"salesforce-accounts", salesforce, true, "\r\n", ofCompanies,
		[]string{"Account Owner", "Account Name", "Account Site", "Billing Street", "Billing City", "Billing State/Province", "Billing Zip/Postal Code", "Billing Country", "Phone", "Fax", "Website", "Type", "Industry", "Annual Revenue Currency", "Annual Revenue", "Employees", "Rating", "Last Activity", "Last Modified Date", "Account ID"},
		func(d dice, w *world, i int) []string {
			c := w.Companies[i]
			return []string{
				pick(d, owners), c.Name, "", c.Address.Line1, c.Address.City, c.Address.Region, c.Address.PostalCode, countries[c.Address.Country], parenthesised(c.Phone), "", "http://www." + c.Domain,
				salesforceTypes[c.Kind], c.Industry, c.Currency, strconv.Itoa(c.Revenue), strconv.Itoa(c.Employees), pick(d, []string{"Hot", "Warm", "Cold", ""}), d.american(), d.american(), salesforceID("001", i),
			}
		},
	},
	{
		"salesforce-contacts", salesforce, false, "\r\n", ofPeople,
		[]string{"Salutation", "First Name", "Last Name", "Title", "Account Name", "Mailing Street", "Mailing City", "Mailing State/Province", "Mailing Zip/Postal Code", "Mailing Country", "Phone", "Mobile", "Fax", "Email", "Birthdate", "Do Not Call", "Account Owner", "Contact ID", "Account ID"},
		func(d dice, w *world, i int) []string {
			p := w.People[i]
			company, id := "", ""
			if p.Company >= 0 {
				company, id = w.Companies[p.Company].Name, salesforceID("001", p.Company)
			}
			birth := ""
			if t, err := time.Parse(time.DateOnly, p.Birth); err == nil {
				birth = t.Format("1/2/2006")
			}
			no := "0"
			if p.DoNotCall {
				no = "1"
			}
			return []string{
				pick(d, []string{"", "", "Dr.", "Prof."}), p.First, p.Last, p.Title, company, p.Address.Line1, p.Address.City, p.Address.Region, p.Address.PostalCode, countries[p.Address.Country],
				parenthesised(p.Phone), spaced(p.Mobile), "", p.Email, birth, no, pick(d, owners), salesforceID("003", i), id,
			}
		},
	},
	{
		"salesforce-opportunities", salesforce, false, "\r\n", ofDeals,
		[]string{"Opportunity Owner", "Account Name", "Opportunity Name", "Stage", "Fiscal Period", "Amount Currency", "Amount", "Expected Revenue Currency", "Expected Revenue", "Probability (%)", "Age", "Close Date", "Created Date", "Next Step", "Lead Source", "Type", "Opportunity ID", "Account ID"},
		func(d dice, w *world, i int) []string {
			x := w.Deals[i]
			stage, _ := x.stageIn(salesforceStages)
			probability := salesforceProbabilities[stage]
			closing, err := time.Parse(time.DateOnly, x.CloseDate)
			if err != nil {
				closing = today
			}
			return []string{
				pick(d, owners), w.Companies[x.Company].Name, x.Name, stage, fmt.Sprintf("Q%d-%d", (int(closing.Month())+2)/3, closing.Year()), x.Currency, fmt.Sprintf("%d.00", x.Amount),
				x.Currency, fmt.Sprintf("%d.00", x.Amount*probability/100), strconv.Itoa(probability), strconv.Itoa(d.IntN(200)), closing.Format("1/2/2006"), d.american(), "",
				pick(d, []string{"Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"}), pick(d, []string{"New Customer", "Existing Customer - Upgrade"}), salesforceID("006", i), salesforceID("001", x.Company),
			}
		},
	},
}

var (
	owners    = []string{"Robin Harper", "Sasha Winter", "Jamie Stone"}
	countries = map[string]string{"GB": "United Kingdom", "US": "United States", "DE": "Germany", "FR": "France", "SE": "Sweden"}

	hubspotLifecycles = map[string]string{
		"": "Other", "subscriber": "Subscriber", "lead": "Marketing Qualified Lead", "opportunity": "Opportunity", "customer": "Customer", "former": "Other",
	}
	hubspotStages    = []string{"Appointment Scheduled", "Qualified To Buy", "Presentation Scheduled", "Decision Maker Bought-In", "Contract Sent", "Closed Won", "Closed Lost"}
	salesforceStages = []string{"Prospecting", "Qualification", "Value Proposition", "Proposal/Price Quote", "Negotiation/Review", "Closed Won", "Closed Lost"}
	salesforceTypes  = map[string]string{"prospect": "Prospect", "customer": "Customer - Direct", "partner": "Channel Partner / Reseller", "vendor": "Other", "other": "Other"}

	salesforceProbabilities = map[string]int{
		"Prospecting": 10, "Qualification": 10, "Value Proposition": 50, "Proposal/Price Quote": 75, "Negotiation/Review": 90, "Closed Won": 100, "Closed Lost": 0,
	}
)

// stageIn says where a deal has come to, in the words of a product: five open
// stages, won and lost.
func (x Deal) stageIn(names []string) (stage, lostReason string) {
	open := 0
	for _, s := range x.Steps {
		switch {
		case s.Won:
			return names[5], ""
		case s.Lost != "":
			return names[6], s.Lost
		case s.Stage != "":
			open = min(open+1, 4)
		}
	}
	return names[open], ""
}

// stamp is a point in time as HubSpot writes it.
func (d dice) stamp() string {
	return today.AddDate(0, 0, -d.IntN(700)).Format(time.DateOnly) + " " + d.clock()
}

func (d dice) clock() string { return fmt.Sprintf("%02d:%02d", 7+d.IntN(11), d.IntN(60)) }

// american is a day as Salesforce writes it for Americans.
func (d dice) american() string { return today.AddDate(0, 0, -d.IntN(700)).Format("1/2/2006") }

func hubspotID(kind, i int) string { return strconv.Itoa(kind*10_000_000_000 + 301_551 + i*7) }

// salesforceID returns an ID in 15 characters, as reports have them.
func salesforceID(prefix string, i int) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	b := []byte(prefix + "5f00000Ab000")
	for at, n := len(b)-1, i+1000; n > 0; at, n = at-1, n/len(digits) {
		b[at] = digits[n%len(digits)]
	}
	return string(b)
}

// spaced writes a number as people do: +44 20 7946 0018.
func spaced(n string) string {
	if len(n) < 9 {
		return n
	}
	cut := map[string][]int{"+1": {2, 5, 8}, "+44": {3, 5, 9}, "+49": {3, 5, 8}, "+33": {3, 4, 6, 8, 10}, "+46": {3, 5, 8}}
	for code, at := range cut {
		if strings.HasPrefix(n, code) {
			for _, i := range slices.Backward(at) {
				if i < len(n) {
					n = n[:i] + " " + n[i:]
				}
			}
			return n
		}
	}
	return n
}

// parenthesised writes American numbers as Salesforce shows them: (202)
// 555-0143, without a country code.
func parenthesised(n string) string {
	if rest, ok := strings.CutPrefix(n, "+1"); ok && len(rest) == 10 {
		return fmt.Sprintf("(%s) %s-%s", rest[:3], rest[3:6], rest[6:])
	}
	return spaced(n)
}
