package csvimport

import (
	"slices"
	"strings"

	"github.com/rowhouse/rowhouse/domain/contact"
)

// contacts are people.
var contacts = object{
	collection: "contacts", prefix: "con",
	needs: []string{"first_name", "last_name", "name", "emails", "phones", "phones.mobile", "phones.home", "phones.other", "phones.fax"},
	fields: slices.Concat([]field{
		externalID.also("Contact ID", "Contact: ID", "Contact Record ID", "Person ID", "Case Safe Contact ID", "Customer ID", "Customer No", "Customer Number", "Kundennummer", "Kunden-Nr."),
		{name: "first_name", headers: []string{"First Name", "Given Name", "Forename", "First", "FName", "Vorname", "Prénom", "Nombre", "Nome", "Voornaam"}},
		{name: "last_name", headers: []string{"Last Name", "Surname", "Family Name", "Last", "LName", "Nachname", "Familienname", "Nom", "Nom de famille", "Apellido", "Apellidos", "Cognome", "Achternaam"}},
		{name: "name", headers: []string{"Name", "Full Name", "Contact Name", "Display Name", "Contact", "Nom complet", "Nombre completo"}},
		{name: "emails", many: true, headers: []string{
			"Email", "E-mail", "Email Address", "E-mail Address", "Mail", "Work Email", "Primary Email", "Email 1", "Email 2", "Secondary Email", "E-Mail-Adresse",
			"Additional Email Addresses", "Other Email", "Personal Email", "Home Email", "Correo", "Correo electrónico", "Courriel", "Adresse e-mail",
		}},
		{name: "phones", kind: aPhone, many: true, headers: []string{
			"Phone", "Phone Number", "Telephone", "Tel", "Work Phone", "Business Phone", "Office Phone", "Primary Phone", "Phone 1", "Phone 2", "Direct Phone",
			"Telefon", "Telefonnummer", "Téléphone", "Teléfono", "Telefono", "Telefoon",
		}},
		{name: "phones.mobile", kind: aPhone, many: true, headers: []string{"Mobile", "Mobile Phone", "Mobile Phone Number", "Mobile Number", "Cell", "Cell Phone", "Handy", "Mobil", "Portable", "Móvil", "Cellulare", "WhatsApp Phone Number"}},
		{name: "phones.home", kind: aPhone, many: true, headers: []string{"Home Phone"}},
		{name: "phones.other", kind: aPhone, many: true, headers: []string{"Other Phone"}},
		{name: "phones.fax", kind: aPhone, many: true, headers: []string{"Fax", "Fax Number", "Business Fax", "Telefax"}},
		{name: "job_title", headers: []string{"Job Title", "Title", "Position", "Role", "Function", "Berufsbezeichnung", "Funktion", "Fonction", "Poste", "Cargo"}},
		{name: "language", headers: []string{"Language", "Preferred Language", "Sprache", "Langue", "Idioma"}},
		{name: "birth_date", kind: aDate, headers: []string{"Birth Date", "Birthdate", "Birthday", "Date of Birth", "DOB", "Geburtsdatum", "Date de naissance"}},
		{name: "lifecycle", headers: []string{"Lifecycle Stage", "Lifecycle", "Contact Stage", "Lifecycle Status"}},
		{name: "do_not_call", headers: []string{"Do Not Call", "DNC", "Don't Call", "No Calls"}},
		companyName, companyID, tags,
	}, addressFields("address", "", "Mailing", "Work", "Business"), addressFields("home_address", "Home"), addressFields("other_address", "Other")),
	build: buildContact,
	check: checker[contact.Fields](),
}

// companyName and companyID tell what company something belongs to.
var (
	companyName = field{name: "company", headers: []string{
		"Company", "Company Name", "Account", "Account Name", "Organization", "Organisation", "Organization Name", "Organisation Name", "Employer", "Business Name",
		"Associated Company", "Associated Company (Primary)", "Primary Company", "Firma", "Unternehmen", "Entreprise", "Société", "Empresa", "Azienda", "Bedrijf",
	}}
	companyID = field{name: "company.external_id", headers: []string{
		"Account ID", "Company ID", "Associated Company ID", "Associated Company IDs", "Associated Company IDs (Primary)", "Primary Associated Company ID", "Company Record ID",
	}}
)

// lifecycles are what other products call the stages of a contact's life, and
// what we do.
var lifecycles = map[string]string{
	"subscriber": "subscriber", "lead": "lead", "opportunity": "opportunity", "customer": "customer", "former": "former",
	"marketingqualifiedlead": "lead", "mql": "lead", "salesqualifiedlead": "lead", "sql": "lead", "prospect": "lead",
	"client": "customer", "evangelist": "customer", "promoter": "customer",
	"formercustomer": "former", "churned": "former", "lost": "former", "inactive": "former",
	"other": "", // HubSpot's word for none of these
}

func buildContact(d *draft) {
	d.externalID()
	first, last := d.text("first_name"), d.text("last_name")
	if first == "" && last == "" {
		if column, ok := d.column("name"); ok {
			first, last = splitName(d.cell(column))
			d.put("first_name", first, column)
			d.put("last_name", last, column)
		}
	}
	reachable := d.emails()
	reachable = d.phones() || reachable
	if first == "" && last == "" && !reachable {
		d.refuse(-1, "nobody", "the row has neither a name nor an e-mail address nor a telephone number")
	}
	d.text("job_title")
	d.language("language")
	d.date("birth_date")
	d.choice("lifecycle", lifecycles)
	d.flag("do_not_call")
	d.tags()
	d.address("address", "")
	d.address("home_address", "home")
	d.address("other_address", "other")
	d.company()
}

// splitName divides a name. What is before the last word, or after a comma, is
// the first name.
func splitName(name string) (first, last string) {
	name = strings.Join(strings.Fields(name), " ")
	if last, first, ok := strings.Cut(name, ","); ok {
		return strings.TrimSpace(first), strings.TrimSpace(last)
	}
	if i := strings.LastIndexByte(name, ' '); i >= 0 {
		return name[:i], name[i+1:]
	}
	return "", name
}
