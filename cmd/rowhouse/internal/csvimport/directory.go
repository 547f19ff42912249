package csvimport

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"sync"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
	"github.com/rowhouse/rowhouse/domain"
)

// directory finds records of one collection by what files call them. It knows
// the live ones that were there when it was read.
type directory struct {
	mu         sync.Mutex
	byExternal map[string]string // source and ID there, to the ID here
	byName     map[string]string // also by e-mail address; empty if several are called so
	known      map[string]bool   // source and ID here, of those that have an ID there
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
	dir := &directory{byExternal: map[string]string{}, byName: map[string]string{}, known: map[string]bool{}}
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
			dir.known[source+"\x00"+n.ID] = true
		}
		dir.call(nameKey(n.Name), n.ID)
		dir.call(nameKey(n.FirstName+" "+n.LastName), n.ID)
		for _, e := range n.Emails {
			dir.call(addressKey(e.Address), n.ID)
		}
	}
	return dir, nil
}

func (dir *directory) call(key, id string) {
	if key == "" {
		return
	}
	if have, ok := dir.byName[key]; ok && have != id {
		id = "" // nobody can tell which one is meant
	}
	dir.byName[key] = id
}

// find looks a record up, by its ID elsewhere before its name. One of the name
// that has another ID there is another one. Of several that have the name it
// returns none, and says so.
func (dir *directory) find(source string, ids, names []string) (found string, several bool) {
	dir.mu.Lock()
	defer dir.mu.Unlock()
	for _, id := range ids {
		if found, ok := dir.byExternal[externalKey(source, id)]; ok {
			return found, false
		}
	}
	for _, name := range names {
		for _, key := range []string{addressKey(name), nameKey(name)} {
			found, ok := dir.byName[key]
			switch {
			case found != "" && (len(ids) == 0 || !dir.known[source+"\x00"+found]):
				return found, false
			case ok && found == "":
				several = true
			}
		}
	}
	return "", several
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
	return "@" + e.Normalized()
}

// externalKey makes keys of IDs. Salesforce writes the same ID in 15 characters,
// or in 18 of which the last three are a checksum.
func externalKey(source, id string) string {
	const short, long = 15, 18
	if source == "salesforce" && len(id) == long {
		id = id[:short]
	}
	return source + "\x00" + id
}
