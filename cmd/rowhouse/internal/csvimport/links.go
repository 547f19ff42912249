package csvimport

import (
	"context"
	"fmt"
	"strings"
)

// companyLinks finds the companies that rows belong to, or has them made. It is
// used by one goroutine; those who make companies close their channels.
type companyLinks struct {
	*directory
	tenant string
	create bool

	coming   map[string]*newCompany // by the ID that follows from their name
	comingAs map[string]*newCompany // by externalKey
}

// link returns the ID of a company, and the company if it has to be made first:
// by the caller if it is new. Of several companies of the name it is none.
func (l *companyLinks) link(source string, ids, names []string) (id string, c *newCompany, isNew, several bool) {
	if id, several := l.find(ids, names); id != "" || several {
		return id, nil, false, several
	}
	for _, elsewhere := range ids {
		if c, ok := l.comingAs[externalKey(source, elsewhere)]; ok {
			return c.id, c, false, false
		}
	}
	if !l.create || len(names) == 0 {
		return "", nil, false, false
	}
	c = &newCompany{name: names[0], made: make(chan struct{}), disown: l.disown}
	if len(ids) > 0 {
		c.source, c.externalID = source, ids[0]
	}
	c.id = c.present(l.tenant)
	if c, ok := l.coming[c.id]; ok {
		return c.id, c, false, false
	}
	if id = c.id; len(ids) > 0 {
		l.comingAs[externalKey(source, ids[0])] = c
	}
	l.coming[id] = c
	return id, c, true, false
}

// forget takes back that a company will be made: the row that would have made it
// is not imported.
func (l *companyLinks) forget(c *newCompany) {
	delete(l.coming, c.id)
	delete(l.comingAs, externalKey(c.source, c.externalID))
}

// awaited is a company that has to be there before a row can be sent, and where
// its ID belongs in the record.
type awaited struct {
	*newCompany
	column int
	place  func(id string) // "" takes it out
}

// company says what company the record belongs to.
func (d *draft) company() {
	d.companyID(func(id string, column int) {
		if id == "" {
			delete(d.data, "company_id")
			return
		}
		d.put("company_id", id, column)
	})
}

// companyID finds the company that the row names, and places its ID: once more
// if it turns out to be another one when the company is made.
func (d *draft) companyID(place func(id string, column int)) {
	links := d.plan.companies
	if links == nil {
		return
	}
	ref, column := d.companyReference()
	ids, names := ref.ids, ref.names
	if len(ids) == 0 && len(names) == 0 {
		return
	}
	id, c, isNew, several := links.link(d.plan.source, ids, names)
	switch {
	case several:
		d.lose(column, "company_ambiguous", "there are several companies of this name; give the row the ID that its company has in the other system, or link it by hand")
	case id == "":
		d.lose(column, "company_not_found", "there is no such company; import companies first, or use --link-companies=create with a column that has their names")
	default:
		place(id, column)
	}
	if isNew {
		d.news = append(d.news, c)
	}
	if c != nil {
		d.awaits = append(d.awaits, awaited{c, column, func(id string) { place(id, column) }})
	}
}

// companyReference says how the row names its company, and in which column.
func (d *draft) companyReference() (ref reference, column int) {
	column = -1
	for _, f := range []struct {
		field string
		into  *[]string
	}{{"company", &ref.names}, {"company.external_id", &ref.ids}} {
		if text, c, ok := d.value(f.field); ok {
			column = c
			// HubSpot lists all companies; the first one is the primary one.
			for item := range strings.SplitSeq(text, ";") {
				if item = strings.TrimSpace(item); item != "" {
					*f.into = append(*f.into, item)
				}
			}
		}
	}
	if len(ref.names) > 1 && len(ref.ids) <= 1 {
		ref.names = []string{strings.Join(ref.names, "; ")} // one whose name has a ; in it
	}
	return ref, column
}

// contact says which contact a deal is made with.
func (d *draft) contact() {
	if id, column := d.contactID(); id != "" {
		d.put("primary_contact_id", id, column)
	}
}

func (d *draft) contactID() (id string, column int) {
	if d.plan.people == nil {
		return "", -1
	}
	ref, column := d.contactReference()
	if len(ref.ids) == 0 && len(ref.names) == 0 {
		return "", -1
	}
	id, several := d.plan.people.find(ref.ids, ref.names)
	switch {
	case several:
		d.lose(column, "contact_ambiguous", "there are several contacts of this name; give the row an e-mail address or the ID that the contact has in the other system")
	case id == "":
		d.lose(column, "contact_not_found", "there is no such contact; import contacts first")
	}
	return id, column
}

// contactReference says how the row names its contact, and in which column.
func (d *draft) contactReference() (ref reference, column int) {
	column = -1
	if text, c, ok := d.value("contact"); ok {
		ref.names, column = append(strings.Split(text, ";"), text), c
	}
	if text, c, ok := d.value("contact.external_id"); ok {
		ref.ids, column = splitList(text), c
	}
	for i, n := range ref.names { // HubSpot: Ada Lovelace (ada@example.com)
		if before, after, ok := strings.Cut(n, "("); ok && strings.Contains(after, "@") {
			ref.names[i] = strings.TrimSuffix(strings.TrimSpace(after), ")")
			ref.names = append(ref.names, before)
		}
	}
	return ref, column
}

// learn asks for what rows refer to, as far as it is not known.
func (p *plan) learn(ctx context.Context, rows []row) error {
	if p.companies == nil && p.people == nil {
		return nil
	}
	var companies, people []reference
	for _, r := range rows {
		if r.fault != nil {
			continue
		}
		d := newDraft(p, r.cells)
		if p.companies != nil {
			ref, _ := d.companyReference()
			companies = append(companies, ref)
		}
		if p.people != nil {
			ref, _ := d.contactReference()
			people = append(people, ref)
		}
	}
	if p.companies != nil {
		if err := p.companies.learn(ctx, companies); err != nil {
			return fmt.Errorf("the companies cannot be read: %w", err)
		}
	}
	if err := p.people.learn(ctx, people); err != nil {
		return fmt.Errorf("the contacts cannot be read: %w", err)
	}
	return nil
}

// related says what a task is about.
func (d *draft) related() {
	contact, contactColumn := d.contactID()
	about := func(company string, column int) {
		var list []any
		add := func(kind, id string, column int) {
			if id != "" {
				d.from["/related/"+string(rune('0'+len(list)))] = column
				list = append(list, map[string]any{"type": kind, "id": id})
			}
		}
		add("contact", contact, contactColumn)
		add("company", company, column)
		delete(d.data, "related")
		if len(list) > 0 {
			d.data["related"] = list
		}
	}
	about("", -1)
	d.companyID(about)
}
