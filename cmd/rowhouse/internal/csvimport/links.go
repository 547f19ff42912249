package csvimport

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"sync"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
)

// directory finds records of one collection by what files call them. It knows
// what was there when it was read, and what was added since.
type directory struct {
	mu         sync.Mutex
	byExternal map[string]string // source and ID there, to the ID here
	byName     map[string]string // also by e-mail address; empty if several are called so
}

// named is the part of a record that it can be found by.
type named struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Emails    []struct {
		Address string `json:"address"`
	} `json:"emails"`
	ExternalIDs map[string]string `json:"external_ids"`
}

// readDirectory reads what there is in a collection. Fields are those that it
// has of named.
func readDirectory(ctx context.Context, t client.Tenant, collection, fields string) (*directory, error) {
	dir := &directory{byExternal: map[string]string{}, byName: map[string]string{}}
	for doc, err := range t.List(ctx, collection, url.Values{"fields": {fields}}) {
		if err != nil {
			return nil, err
		}
		var n named
		if err := json.Unmarshal(doc, &n); err != nil {
			return nil, err
		}
		for source, id := range n.ExternalIDs {
			dir.byExternal[externalKey(source, id)] = n.ID
		}
		dir.call(n.Name, n.ID)
		dir.call(strings.TrimSpace(n.FirstName+" "+n.LastName), n.ID)
		for _, e := range n.Emails {
			dir.call(e.Address, n.ID)
		}
	}
	return dir, nil
}

func (dir *directory) call(name, id string) {
	key := nameKey(name)
	if key == "" {
		return
	}
	if have, ok := dir.byName[key]; ok && have != id {
		id = "" // nobody can tell which one is meant
	}
	dir.byName[key] = id
}

// find looks a record up, by its ID elsewhere before its name.
func (dir *directory) find(source string, ids, names []string) (string, bool) {
	dir.mu.Lock()
	defer dir.mu.Unlock()
	for _, id := range ids {
		if found, ok := dir.byExternal[externalKey(source, id)]; ok {
			return found, true
		}
	}
	for _, name := range names {
		if found := dir.byName[nameKey(name)]; found != "" {
			return found, true
		}
	}
	return "", false
}

func nameKey(name string) string { return strings.ToLower(strings.Join(strings.Fields(name), " ")) }

// externalKey makes keys of IDs. Salesforce writes the same ID in 15 characters,
// or in 18 of which the last three are a checksum.
func externalKey(source, id string) string {
	const short, long = 15, 18
	if source == "salesforce" && len(id) == long {
		id = id[:short]
	}
	return source + "\x00" + id
}

// company is one that a file names and that has to be made.
type company struct {
	id, name   string
	source     string
	externalID string
	made       chan struct{} // closed once it is there, or cannot be
}

// companyLinks finds the companies that rows belong to, or has them made. It is
// used by one goroutine; those who make companies close their channels.
type companyLinks struct {
	*directory
	tenant string
	create bool
	coming map[string]*company // by the ID they will have
}

// link returns the ID of a company, and the company if it has to be made first:
// by the caller if it is new.
func (l *companyLinks) link(source string, ids, names []string) (id string, c *company, isNew bool) {
	if id, ok := l.find(source, ids, names); ok {
		return id, nil, false
	}
	if !l.create || len(names) == 0 {
		return "", nil, false
	}
	id = newID("cmp", "by name", l.tenant, nameKey(names[0]))
	if c, ok := l.coming[id]; ok {
		return id, c, false
	}
	c = &company{id: id, name: names[0], made: make(chan struct{})}
	if len(ids) > 0 {
		c.source, c.externalID = source, ids[0]
	}
	l.coming[id] = c
	return id, c, true
}

// company says what company the record belongs to.
func (d *draft) company() {
	id, column := d.companyID()
	if id != "" {
		d.put("company_id", id, column)
	}
}

func (d *draft) companyID() (id string, column int) {
	links := d.plan.companies
	if links == nil {
		return "", -1
	}
	var ids, names []string
	for _, f := range []struct {
		field string
		into  *[]string
	}{{"company", &names}, {"company.external_id", &ids}} {
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
	if len(ids) == 0 && len(names) == 0 {
		return "", -1
	}
	if len(names) > 1 && len(ids) <= 1 {
		names = []string{strings.Join(names, "; ")} // one whose name has a ; in it
	}
	id, c, isNew := links.link(d.plan.source, ids, names)
	switch {
	case id == "":
		d.lose(column, "company_not_found", "there is no such company; import companies first, or use --link-companies=create with a column that has their names")
	case isNew:
		d.news = append(d.news, c)
	case c != nil:
		d.others = append(d.others, c)
	}
	return id, column
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
	var ids, names []string
	if text, c, ok := d.value("contact"); ok {
		names, column = append(strings.Split(text, ";"), text), c
	}
	if text, c, ok := d.value("contact.external_id"); ok {
		ids, column = splitList(text), c
	}
	if len(ids) == 0 && len(names) == 0 {
		return "", -1
	}
	for i, n := range names { // HubSpot: Ada Lovelace (ada@example.com)
		if before, after, ok := strings.Cut(n, "("); ok && strings.Contains(after, "@") {
			names[i] = strings.TrimSuffix(strings.TrimSpace(after), ")")
			names = append(names, before)
		}
	}
	id, ok := d.plan.people.find(d.plan.source, ids, names)
	if !ok {
		d.lose(column, "contact_not_found", "there is no such contact, or there are several of that name; import contacts first")
	}
	return id, column
}

// related says what a task is about.
func (d *draft) related() {
	var list []any
	add := func(kind, id string, column int) {
		if id != "" {
			d.from["/related/"+string(rune('0'+len(list)))] = column
			list = append(list, map[string]any{"type": kind, "id": id})
		}
	}
	id, column := d.contactID()
	add("contact", id, column)
	id, column = d.companyID()
	add("company", id, column)
	if len(list) > 0 {
		d.data["related"] = list
	}
}
