package viewer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
)

// masked is the member that says which others are not shown, although they are
// there.
const masked = "masked"

// Show returns the JSON of a record as the viewer sees it: without members that are
// hidden, and with null for those that are masked, whose names it lists.
func (r *Rules) Show(doc []byte) ([]byte, error) {
	if doc == nil || !r.Restricted() {
		return doc, nil
	}
	var names []string
	out, err := members(doc, func(name string, value json.RawMessage) (json.RawMessage, error) {
		if name == own.Member {
			return r.showOwn(value, func(name string) { names = append(names, name) })
		}
		switch r.of(name) {
		case Hidden:
			return nil, nil
		case Masked:
			names = append(names, name)
			return null, nil
		}
		return value, nil
	})
	if err != nil || names == nil {
		return out, err
	}
	list, err := domain.Marshal(names)
	if err != nil {
		return nil, err
	}
	return append(append(bytes.TrimSuffix(out, []byte("}")), `,"`+masked+`":`...), append(list, '}')...), nil
}

var null = json.RawMessage("null")

// members returns a JSON object with what each makes of its members, in their order:
// nil leaves one out.
func members(object []byte, each func(name string, value json.RawMessage) (json.RawMessage, error)) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(object))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("what is to be shown is no JSON object: %w", err)
	}
	out := append(make([]byte, 0, len(object)), '{')
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("what is to be shown: %w", err)
		}
		name, _ := t.(string)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("what is to be shown: %w", err)
		}
		if value, err = each(name, value); err != nil {
			return nil, err
		}
		if value == nil {
			continue
		}
		key, err := domain.Marshal(name)
		if err != nil {
			return nil, err
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, key...), ':'), value...)
	}
	return append(out, '}'), nil
}

// Event is what the type of an event says of its data.
type Event struct {
	Touched []string                         // the members of the record that it changes; none if it does not say so
	Class   func(member string) domain.Class // of what is in a member of the data
	Chose   string                           // the prefix of the IDs of records that it chose; see [domain.Chooser]
}

// Data returns the data of an event as the viewer sees it, and false if nothing is
// left. The parts named "fields" and "changes", in events that make and update
// records, have members of the record in them, each of which is shown or not. What
// else is in the data is shown if all members that the event touches are shown, and
// its class is. An event that does not say what it touches may tell of any.
func (r *Rules) Data(data []byte, e Event) ([]byte, bool, error) {
	if !r.Restricted() {
		return data, true, nil
	}
	whole := len(e.Touched) > 0 && !slices.ContainsFunc(e.Touched, func(m string) bool { return !r.Shows(m) })
	some := false
	out, err := members(data, func(name string, value json.RawMessage) (json.RawMessage, error) {
		switch {
		case (name == "fields" || name == "changes") && bytes.HasPrefix(bytes.TrimLeft(value, " \t\r\n"), []byte("{")):
			some = true
			return members(value, func(name string, value json.RawMessage) (json.RawMessage, error) {
				switch {
				case name == own.Member:
					return r.showOwn(value, nil)
				case !r.Shows(name):
					return nil, nil
				}
				return value, nil
			})
		case whole && r.classes[e.Class(name)] >= ReadOnly, !whole && r.Shows(name):
			some = true
			return value, nil
		}
		return nil, nil
	})
	return out, some || whole, err
}
