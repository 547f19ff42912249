package csvimport

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
	"github.com/rowhouse/rowhouse/domain"
)

// directory finds records of one collection by what files call them. It knows
// the live ones that there are, but for those that the import itself makes.
//
// A collection of a few records is read as a whole. Of a large one it asks for
// what the next rows name, and remembers so many answers. If rows go on to give
// nothing but names, which take a question for a few of them each, it is read as well.
type directory struct {
	tenant     client.Tenant // as it was when the import began
	collection string
	fields     string // of records, that they are found by
	source     string // of the IDs that the file has
	people     bool   // they have a first name, a last name and e-mail addresses

	mu    sync.Mutex
	whole bool          // what is not known is not there
	known map[key]reply // what was asked for lately, and
	older map[key]reply // before that
	ours  map[string]bool
	slow  int // how many questions about a few names there were
}

// key is what a record is found by, as it is compared.
type key struct {
	kind keyKind
	text string
}

type keyKind byte

const (
	anID      keyKind = iota // as [externalKey] has it
	anAddress                // of e-mail, as [addressKey] has it
	aName                    // as [nameKey] has it
)

// reply is what there is for a key: a record, several, or none.
type reply struct {
	id        string
	several   bool // nobody can tell which one is meant
	elsewhere bool // the record has an ID in the system that the file is from
}

// reference is how a row names a record.
type reference struct{ ids, names []string }

// maxAnswers is how many answers are remembered, and as many of those before them.
const maxAnswers = 20_000

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

// keys returns what the record is found by.
func (n named) keys() (keys []key) {
	for source, id := range n.ExternalIDs {
		keys = append(keys, key{anID, externalKey(source, id)})
	}
	for _, e := range n.Emails {
		keys = append(keys, key{anAddress, addressKey(e.Address)})
	}
	return append(keys, key{aName, nameKey(n.Name)}, key{aName, nameKey(n.FirstName + " " + n.LastName)})
}

// openDirectory returns the directory of the companies or contacts of a tenant.
// It reads them if they are not more than few.
func openDirectory(ctx context.Context, t client.Tenant, collection, source string, few int) (*directory, error) {
	dir := &directory{tenant: t, collection: collection, fields: "id,name,external_ids", source: source, known: map[key]reply{}, ours: map[string]bool{}}
	if collection == contacts.collection {
		dir.fields, dir.people = "id,first_name,last_name,emails,external_ids", true
	}
	return dir, dir.read(ctx, few)
}

// read reads the collection, unless it has more than so many records.
func (dir *directory) read(ctx context.Context, most int) error {
	known, n := map[key]reply{}, 0
	for doc, err := range dir.tenant.Query(ctx, dir.collection, nil, dir.fields) {
		if err != nil {
			return err
		}
		if n++; n > most {
			return nil
		}
		var r named
		if err := json.Unmarshal(doc, &r); err != nil {
			return fmt.Errorf("read a record of %s: %w", dir.collection, err)
		}
		dir.mu.Lock()
		for _, k := range r.keys() {
			dir.call(known, k, r)
		}
		dir.mu.Unlock()
	}
	dir.mu.Lock()
	defer dir.mu.Unlock()
	dir.known, dir.older, dir.ours, dir.whole = known, nil, nil, true
	return nil
}

// fewRecords are read as a whole: less than a page.
const fewRecords = 400

// call takes note of what a record is called.
func (dir *directory) call(known map[key]reply, k key, r named) {
	if k.text == "" || dir.ours[r.ID] {
		return
	}
	_, elsewhere := r.ExternalIDs[dir.source]
	a := reply{id: r.ID, elsewhere: elsewhere}
	if have, ok := known[k]; ok && (have.several || have.id != "" && have.id != r.ID) {
		a = reply{several: true}
	}
	known[k] = a
}

// disown takes note that the import is about to make a record. What rows refer to
// is not to depend on whether it is seen already.
func (dir *directory) disown(id string) {
	dir.mu.Lock()
	defer dir.mu.Unlock()
	if !dir.whole {
		dir.ours[id] = true
	}
}

// find looks a record up, by its ID elsewhere before its name. One of the name
// that has another ID there is another one. Of several that have the name it
// returns none, and says so. If the directory is not whole, it must have learned of
// what the row refers to.
func (dir *directory) find(ids, names []string) (found string, several bool) {
	dir.mu.Lock()
	defer dir.mu.Unlock()
	found, several, _ = dir.look(reference{ids, names})
	return found, several
}

// look is find, or says what has to be asked for before that can be said. What is
// quick to ask for comes first, and names only if nothing else leads to the record.
func (dir *directory) look(r reference) (found string, several bool, open []sought) {
	for _, id := range r.ids {
		k := key{anID, externalKey(dir.source, id)}
		switch a, ok := dir.answer(k); {
		case !ok:
			open = append(open, sought{k, id})
		case a.id != "" && len(open) == 0:
			return a.id, false, nil
		}
	}
	if len(open) > 0 {
		return "", false, open
	}
	if dir.people {
		for _, name := range r.names {
			k := key{anAddress, addressKey(name)}
			if _, ok := dir.answer(k); !ok {
				open = append(open, sought{k, name})
			}
		}
	}
	if len(open) > 0 {
		return "", false, open
	}
	for _, name := range r.names {
		for _, k := range []key{{anAddress, addressKey(name)}, {aName, nameKey(name)}} {
			a, ok := dir.answer(k)
			switch {
			case !ok:
				return "", false, []sought{{k, name}}
			case a.id != "" && (len(r.ids) == 0 || !a.elsewhere):
				return a.id, false, nil
			case a.several:
				several = true
			}
		}
	}
	return "", several, nil
}

// answer returns what is known of a key, if anything is.
func (dir *directory) answer(k key) (reply, bool) {
	if a, ok := dir.known[k]; ok {
		return a, true
	}
	if a, ok := dir.older[k]; ok {
		dir.known[k] = a
		return a, true
	}
	return reply{}, dir.whole || k.text == "" || k.kind == anAddress && !dir.people
}

// addressKey makes keys of e-mail addresses, and "" of anything else.
func addressKey(text string) string {
	if !strings.Contains(text, "@") {
		return ""
	}
	e, err := domain.ParseEmail(strings.TrimSpace(text))
	if err != nil {
		return ""
	}
	return e.Normalized()
}

// Salesforce writes the same ID in 15 characters, or in 18 of which the last three are
// a checksum.
const shortID, longID = 15, 18

// externalKey makes keys of IDs.
func externalKey(source, id string) string {
	if source == "salesforce" && len(id) == longID {
		id = id[:shortID]
	}
	return source + "\x00" + id
}
