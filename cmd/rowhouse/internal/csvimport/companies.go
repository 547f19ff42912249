package csvimport

import (
	"slices"

	"github.com/rowhouse/rowhouse/domain/company"
)

// companies are what people work for.
var companies = object{
	collection: "companies", prefix: "cmp",
	needs: []string{"name"},
	fields: slices.Concat([]field{
		externalID.also("Account ID", "Company ID", "Account: ID", "Company Record ID", "Case Safe Account ID", "Customer ID", "Customer No", "Customer Number", "Kundennummer", "Kunden-Nr."),
		{name: "name", headers: []string{
			"Name", "Company Name", "Company", "Account Name", "Account", "Organization", "Organisation", "Organization Name", "Organisation Name", "Business Name",
			"Firma", "Firmenname", "Unternehmen", "Entreprise", "Société", "Empresa", "Azienda", "Bedrijf",
		}},
		{name: "domains", many: true, headers: []string{"Domain", "Domains", "Company Domain Name", "Domain Name", "Website", "Website URL", "Web", "Web Site", "Homepage", "URL", "Internetseite", "Site web", "Sitio web"}},
		{name: "industry", headers: []string{"Industry", "Sector", "Branche", "Industrie", "Secteur", "Sector de actividad"}},
		{name: "employee_count", kind: aNumber, headers: []string{"Employees", "Number of Employees", "NumberOfEmployees", "Employee Count", "No. of Employees", "Headcount", "Company Size", "Mitarbeiter", "Anzahl Mitarbeiter", "Effectif"}},
		{name: "annual_revenue", kind: anAmount, headers: []string{"Annual Revenue", "Revenue", "Turnover", "Jahresumsatz", "Umsatz", "Chiffre d'affaires"}},
		{name: "currency", headers: []string{"Currency", "Annual Revenue Currency", "Account Currency", "Company Currency", "Currency ISO Code", "Währung", "Devise"}},
		{name: "phone", kind: aPhone, headers: []string{"Phone", "Phone Number", "Telephone", "Tel", "Main Phone", "Company Phone", "Account Phone", "Telefon", "Telefonnummer", "Téléphone", "Teléfono"}},
		{name: "kind", headers: []string{"Type", "Company Type", "Account Type", "Kind", "Relationship"}},
		tags,
	}, addressFields("address", "", "Company", "Headquarters", "HQ"), addressFields("billing_address", "Billing"), addressFields("shipping_address", "Shipping")),
	build: buildCompany,
	check: checker[company.Fields](),
}

// companyKinds are what other products call the relation to a company.
var companyKinds = map[string]string{
	"prospect": "prospect", "customer": "customer", "partner": "partner", "vendor": "vendor", "other": "other",
	"customerdirect": "customer", "customerchannel": "customer", "client": "customer", "lead": "prospect", "channelpartnerreseller": "partner",
	"installationpartner": "partner", "technologypartner": "partner", "reseller": "partner", "supplier": "vendor",
	"competitor": "other", "investor": "other", "integrator": "partner", "press": "other", "analyst": "other", "institutional": "other", "pastdue": "other",
}

func buildCompany(d *draft) {
	d.externalID()
	d.required("name")
	d.domains("domains")
	d.text("industry")
	d.count("employee_count")
	d.money("annual_revenue", "currency")
	d.phone("phone")
	d.choice("kind", companyKinds)
	d.tags()
	d.address("address", "")
	d.address("billing_address", "billing")
	d.address("shipping_address", "shipping")
}
