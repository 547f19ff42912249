package domain

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// A Numbered event gets a number when it is recorded: the next one of a series of the
// tenant, 1, 2, 3 …, without a gap and each once. It has a member "number" in its
// JSON, an integer that is 0 when the event is decided, and the number from when it is
// recorded: so whoever folds it, or is answered with it, has the number.
type Numbered interface {
	// Series returns the name of the series, such as "invoice". It is stored, so it
	// never changes.
	Series() string
}

// numberMember is the member of [Numbered] events that gets the number.
const numberMember = "number"

// PlaceOfNumber returns where the digit 0 is, in the JSON of a [Numbered] event, that
// stands for its number.
func PlaceOfNumber(data []byte) (int, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return 0, fmt.Errorf("a numbered event is no object: %w", err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return 0, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return 0, err
		}
		if name == numberMember && string(value) == "0" {
			return int(d.InputOffset()) - 1, nil
		}
	}
	return 0, fmt.Errorf("a numbered event has no member %q that is 0: its tag must not have omitzero", numberMember)
}
