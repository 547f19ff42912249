package domain

import "strconv"

// A Selector is a command that depends on which records there are, as the read models
// show them: those that meet a filter, or those of some IDs that are there. What is
// selected is what whoever gives the command sees. The read models show everything
// that was recorded before the command came, but, unlike what a [Referrer] finds, it
// is not checked again when the outcome is recorded.
type Selector[S any] interface {
	Selections(S, Origin) []Selection
}

// Selection says which records a command wants to know of.
type Selection struct {
	Name   string // of the selection, among those of the command
	Kind   string // of the records, such as "contact"
	Filter string // that they meet, in the text form of lists; of no account if there are IDs
	IDs    []ID   // of those that must be there
	Most   int    // of records that meet the filter; more are refused. 0 asks for none, and whether the filter can be read

	KindAt    string // the input that names the kind, as a JSON pointer
	FilterAt  string // the input that has the filter
	RecordsAt string // the input that has the IDs
}

// Selected is the records that were selected: live ones, by their IDs, in the order of
// these.
type Selected struct {
	IDs      []ID
	Position int64 // of the log, up to which everything was taken into account
}

// A Chooser is an event that names records because of what is in them, such as those
// that met a filter. So it tells something of them: only those who see all there is of
// such records are told what is in the event.
type Chooser interface {
	// Chose returns the IDs of the records, all of which are of one kind.
	Chose() []ID
}

// NoSuchRecords refuses those of the IDs of a selection that name no record.
func (s Selection) NoSuchRecords(found map[ID]bool) error {
	var wrong Mistakes
	for i, id := range s.IDs {
		if wrong.Full() {
			break
		}
		if !found[id] {
			wrong.Add(NoSuchReference(s.RecordsAt + "/" + strconv.Itoa(i)))
		}
	}
	return wrong.Err()
}

// Select makes the selections of a command, if it is a [Selector], and returns the
// origin with what was selected.
func Select[S any](asker any, s S, o Origin, find func(Selection) (Selected, error)) (Origin, error) {
	c, ok := asker.(Selector[S])
	if !ok {
		return o, nil
	}
	o.Selected = map[string]Selected{}
	for _, sel := range c.Selections(s, o) {
		found, err := find(sel)
		if err != nil {
			return o, err
		}
		o.Selected[sel.Name] = found
	}
	return o, nil
}
