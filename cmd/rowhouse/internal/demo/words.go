package demo

// place is a city, and what people and telephone numbers are like there.
type place struct {
	city, region, postal, country string
	names                         *names
	phone                         string // a range for fiction; # is a digit
	streets                       []string
}

// names are those of people who speak a language.
type names struct {
	language    string
	first, last []string
	forms       []string // of companies: Ltd
}

var (
	english = &names{
		language: "en",
		first:    []string{"Olivia", "Amelia", "Grace", "Freya", "Ivy", "Harriet", "Nora", "Ruth", "Edith", "Joan", "Oliver", "George", "Arthur", "Henry", "Theo", "Alfie", "Walter", "Ralph", "Hugh", "Miles", "Priya", "Anil", "Zara", "Kwame", "Aisha", "Femi", "Rosa", "Diego", "Mei", "Kenji"},
		last:     []string{"Ashworth", "Bennett", "Carver", "Dalton", "Ellwood", "Farrow", "Garnett", "Hartley", "Ingram", "Jessop", "Kendrick", "Langley", "Marlow", "Norwood", "Oakes", "Prescott", "Quimby", "Radcliffe", "Sheldon", "Thorne", "Underhill", "Vaughan", "Whitlock", "Yardley", "Patel", "Okafor", "Mensah", "Rahman", "Delgado", "Tanaka"},
		forms:    []string{"Ltd", "Group", "Partners", "& Sons", "plc"},
	}
	american = &names{
		language: "en-US",
		first:    []string{"Emma", "Ava", "Sophia", "Madison", "Hazel", "Stella", "Ruby", "Naomi", "Keisha", "Guadalupe", "Liam", "Noah", "Ethan", "Mason", "Logan", "Wyatt", "Caleb", "Andre", "Mateo", "Jamal", "Wei", "Linh", "Sanjay", "Fatima", "Yusuf", "Chloe", "Brianna", "Tyler", "Marcus", "Elena"},
		last:     []string{"Abernathy", "Beckett", "Calloway", "Driscoll", "Eastman", "Fairchild", "Goodwin", "Hollister", "Ives", "Jefferson", "Kowalski", "Lindqvist", "McAllister", "Navarro", "Ortega", "Pemberton", "Quintero", "Rosenberg", "Stanton", "Tran", "Upton", "Valdez", "Washington", "Xiong", "Yates", "Zimmerman", "Nguyen", "Singh", "Haddad", "Freeman"},
		forms:    []string{"Inc.", "LLC", "Corp.", "Co.", "Holdings"},
	}
	german = &names{
		language: "de",
		first:    []string{"Anna", "Clara", "Frieda", "Greta", "Hannah", "Ida", "Johanna", "Katharina", "Lena", "Marlene", "Anton", "Bernd", "Emil", "Felix", "Günther", "Hannes", "Jörg", "Karl", "Lukas", "Moritz", "Ayşe", "Mehmet", "Elif", "Emre", "Agnieszka", "Piotr", "Sabine", "Ulrike", "Jürgen", "Wolfgang"},
		last:     []string{"Albrecht", "Böhm", "Claußen", "Dietrich", "Ebert", "Förster", "Grünwald", "Hofmann", "Iversen", "Jäger", "Kästner", "Lindemann", "Möller", "Neumann", "Oberländer", "Pfeiffer", "Quast", "Reinhardt", "Schäfer", "Thiele", "Ullrich", "Vogt", "Weiß", "Yılmaz", "Zimmermann", "Kaya", "Kowalczyk", "Brandt", "Krüger", "Straub"},
		forms:    []string{"GmbH", "AG", "KG", "GmbH & Co. KG", "OHG"},
	}
	french = &names{
		language: "fr",
		first:    []string{"Amélie", "Béatrice", "Camille", "Delphine", "Élodie", "Florence", "Geneviève", "Hélène", "Inès", "Jeanne", "Antoine", "Benoît", "Cédric", "Didier", "Étienne", "François", "Guillaume", "Hugo", "Julien", "Laurent", "Moussa", "Fatou", "Karim", "Leïla", "Sofiane", "Mathilde", "Noémie", "Océane", "Raphaël", "Théo"},
		last:     []string{"Aubert", "Beaumont", "Chevalier", "Delacroix", "Évrard", "Fontaine", "Garnier", "Hébert", "Imbert", "Joly", "Keller", "Lefèvre", "Marchand", "Noël", "Olivier", "Perrin", "Quentin", "Roussel", "Sauvage", "Tessier", "Urbain", "Vasseur", "Weber", "Zeller", "Diallo", "Benali", "Traoré", "Nguyen", "Morel", "Guérin"},
		forms:    []string{"SA", "SARL", "SAS", "& Fils", "et Associés"},
	}
	swedish = &names{
		language: "sv",
		first:    []string{"Alva", "Astrid", "Ebba", "Elsa", "Freja", "Ingrid", "Karin", "Linnéa", "Maja", "Saga", "Axel", "Björn", "Elias", "Gustav", "Håkan", "Lars", "Nils", "Oskar", "Sven", "Åke", "Amina", "Omar", "Leyla", "Dragan", "Mira"},
		last:     []string{"Andersson", "Bergström", "Dahlgren", "Ekström", "Forsberg", "Grönlund", "Hedlund", "Isaksson", "Jönsson", "Källström", "Lindgren", "Månsson", "Nyberg", "Öberg", "Petersson", "Rosén", "Sjögren", "Törnqvist", "Wallin", "Åkesson"},
		forms:    []string{"AB", "& Söner", "Gruppen"},
	}
)

var (
	englishStreets  = []string{"High Street", "Station Road", "Church Lane", "Mill Road", "Victoria Street", "Harbour Walk", "Canal Street", "Foundry Lane"}
	americanStreets = []string{"Main St", "Oak Ave", "Maple Dr", "Cedar Ln", "Washington Blvd", "Lakeview Ave", "2nd St", "Industrial Pkwy"}
	germanStreets   = []string{"Hauptstraße", "Bahnhofstraße", "Gartenweg", "Lindenallee", "Am Markt", "Hafenstraße", "Schillerstraße", "Mühlenweg"}
	frenchStreets   = []string{"rue de la Gare", "avenue Victor-Hugo", "rue des Lilas", "quai du Port", "place du Marché", "rue Pasteur", "boulevard Voltaire"}
	swedishStreets  = []string{"Storgatan", "Kungsgatan", "Skolgatan", "Hamngatan", "Björkvägen", "Järnvägsgatan"}
)

// places have telephone numbers that regulators keep free for fiction: nobody is
// called by mistake.
var places = []place{
	{"London", "", "EC1A 1AA", "GB", english, "+44207946####", englishStreets}, // 020 7946 0xxx
	{"Leeds", "", "LS1 4AP", "GB", english, "+44113496####", englishStreets},
	{"Manchester", "", "M1 2WD", "GB", english, "+44161496####", englishStreets},
	{"Edinburgh", "", "EH1 1YZ", "GB", english, "+44131496####", englishStreets},
	{"Birmingham", "", "B2 4QA", "GB", english, "+44121496####", englishStreets},
	{"Washington", "DC", "20001", "US", american, "+120255501##", americanStreets},
	{"New York", "NY", "10001", "US", american, "+121255501##", americanStreets},
	{"Chicago", "IL", "60601", "US", american, "+131255501##", americanStreets},
	{"Austin", "TX", "78701", "US", american, "+151255501##", americanStreets},
	{"Seattle", "WA", "98101", "US", american, "+120655501##", americanStreets},
	{"Boston", "MA", "02108", "US", american, "+161755501##", americanStreets},
	{"Denver", "CO", "80202", "US", american, "+130355501##", americanStreets},
	{"Berlin", "", "10115", "DE", german, "+493023125###", germanStreets},
	{"Hamburg", "", "20095", "DE", german, "+494066969###", germanStreets},
	{"München", "Bayern", "80331", "DE", german, "+498999998###", germanStreets},
	{"Köln", "Nordrhein-Westfalen", "50667", "DE", german, "+492214710###", germanStreets},
	{"Frankfurt am Main", "Hessen", "60311", "DE", german, "+496990009###", germanStreets},
	{"Paris", "Île-de-France", "75002", "FR", french, "+3319900####", frenchStreets},
	{"Lyon", "Auvergne-Rhône-Alpes", "69001", "FR", french, "+3346571####", frenchStreets},
	{"Nantes", "Pays de la Loire", "44000", "FR", french, "+3326191####", frenchStreets},
	{"Stockholm", "", "111 20", "SE", swedish, "+468465004##", swedishStreets},
	{"Göteborg", "", "411 03", "SE", swedish, "+463139006##", swedishStreets},
}

// mobiles are ranges of mobile numbers for fiction.
var mobiles = map[string]string{"GB": "+447700900###", "FR": "+3363998####", "US": "+141555501##"}

// industry is a trade, and what its companies are called and buy.
type industry struct {
	name  string
	words []string
	buys  []string
}

var industries = []industry{
	{"Logistics", []string{"Freight", "Haulage", "Cargo", "Transit", "Forwarding"}, []string{"Route planning", "Fleet tracking", "Warehouse scanners"}},
	{"Manufacturing", []string{"Castings", "Toolworks", "Bearings", "Machine Works", "Foundry"}, []string{"Maintenance contract", "Line sensors", "Spare parts portal"}},
	{"Retail", []string{"Stores", "Outfitters", "Trading", "Market", "Emporium"}, []string{"Loyalty programme", "Point of sale", "Stock forecasting"}},
	{"Health care", []string{"Clinics", "Care", "Diagnostics", "Dental", "Therapeutics"}, []string{"Patient scheduling", "Reminder service", "Call centre"}},
	{"Insurance", []string{"Mutual", "Assurance", "Underwriting", "Brokers"}, []string{"Claims intake", "Policy helpline", "Fraud screening"}},
	{"Energy", []string{"Solar", "Grid", "Wind", "Heat", "Utilities"}, []string{"Meter readings", "Outage hotline", "Tariff switch campaign"}},
	{"Construction", []string{"Builders", "Roofing", "Joinery", "Civil", "Interiors"}, []string{"Site access", "Quote desk", "Subcontractor portal"}},
	{"Hospitality", []string{"Hotels", "Inns", "Catering", "Resorts", "Kitchens"}, []string{"Reservations desk", "Guest feedback", "Menu tablets"}},
	{"Software", []string{"Systems", "Software", "Labs", "Data", "Networks"}, []string{"Support tier two", "Onboarding service", "Renewal desk"}},
	{"Education", []string{"Academy", "Learning", "Press", "Institute"}, []string{"Admissions helpline", "Alumni campaign", "Course catalogue"}},
	{"Telecommunications", []string{"Telecom", "Fibre", "Wireless", "Exchange"}, []string{"Churn campaign", "Field appointments", "Number porting desk"}},
	{"Food", []string{"Bakery", "Dairy", "Provisions", "Brewing", "Orchards"}, []string{"Order line", "Cold chain audit", "Seasonal hiring"}},
}

// stems begin the names of companies.
var stems = []string{
	"Alder", "Amber", "Anchor", "Arbor", "Aster", "Atlas", "Aurora", "Basalt", "Beacon", "Birch", "Blackthorn", "Bluebell", "Bramble", "Bridge", "Brook", "Calder", "Canyon", "Cardinal", "Cascade", "Cedar",
	"Cinder", "Clover", "Cobalt", "Compass", "Copper", "Coral", "Cormorant", "Crescent", "Crown", "Cypress", "Delta", "Dolphin", "Drift", "Eagle", "Echo", "Elm", "Ember", "Estuary", "Falcon", "Fern",
	"Finch", "Fjord", "Flint", "Forge", "Foxglove", "Gable", "Garnet", "Glacier", "Granite", "Greenway", "Gull", "Harbour", "Harvest", "Hawk", "Hawthorn", "Hazel", "Heron", "Hill", "Horizon", "Indigo",
	"Iris", "Iron", "Ivory", "Jasper", "Juniper", "Kestrel", "Keystone", "Kite", "Lantern", "Larch", "Lark", "Laurel", "Lighthouse", "Linden", "Lotus", "Lynx", "Maple", "Marble", "Meadow", "Meridian",
	"Mill", "Moss", "Nettle", "North Star", "Oak", "Obsidian", "Olive", "Onyx", "Orchid", "Osprey", "Otter", "Pebble", "Pine", "Pioneer", "Poplar", "Quarry", "Quartz", "Raven", "Redwood", "Reed",
	"Ridge", "River", "Robin", "Rowan", "Saffron", "Sage", "Sandstone", "Sapphire", "Sequoia", "Silver", "Slate", "Sparrow", "Spruce", "Starling", "Stone", "Summit", "Swift", "Sycamore", "Tamarack", "Thistle",
	"Tidal", "Timber", "Topaz", "Trellis", "Tulip", "Umber", "Valley", "Verdant", "Vine", "Walnut", "Waterfall", "Wharf", "Willow", "Windmill", "Wren", "Yarrow", "Yew", "Zephyr",
}

var titles = []string{
	"Managing Director", "Chief Operating Officer", "Head of Customer Service", "Customer Service Manager", "Operations Manager", "Purchasing Manager", "Buyer", "Finance Director", "Accountant", "IT Manager",
	"Systems Administrator", "Office Manager", "Marketing Manager", "Sales Director", "Project Manager", "Quality Manager", "Plant Manager", "Team Lead", "Assistant to the Board", "Owner",
}

var (
	sources     = []string{"referral", "website", "trade fair", "cold call", "partner", "newsletter", "existing customer"}
	lostReasons = []string{"price", "went with a competitor", "no budget this year", "project was stopped", "no decision", "missing feature", "contact has left", "stays with the present supplier"}
	contactTags = []string{"vip", "newsletter", "trade fair 2026", "decision maker", "technical", "billing", "speaks several languages", "prefers e-mail"}
	companyTags = []string{"key account", "family business", "public sector", "seasonal", "export"}
	outcomes    = []string{"Wants an offer by Friday", "Not reached, left a message", "Call again next week", "Has all they need", "Sent the price list", "Meeting is fixed", "Asked for references"}
	jobs        = []struct{ kind, title string }{
		{"call", "Call %s about %s"}, {"email", "Send %s the documents on %s"}, {"meeting", "Meet %s to talk about %s"}, {"todo", "Prepare the offer for %s: %s"}, {"call", "Ask %s what became of %s"},
	}
)
