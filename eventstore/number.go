package eventstore

import (
	"bytes"
	"math"
	"slices"
	"strconv"
)

// Number asks that an event gets the next number of a series of its tenant when it is
// recorded: 1, 2, 3 …, without a gap and each once, whoever else is refused. An event
// gets one number at most.
type Number struct {
	Series string // such as "invoice"; at most [MaxSeries] bytes

	// Write and Event are the indexes of the event in the command.
	Write, Event int

	// At is the place of a digit 0 in the data of the event. The number is put in the
	// place of it.
	At int
}

// MaxSeries is how long the name of a series may be.
const MaxSeries = 200

// WithNumbers returns a command as it is recorded: with numbers in their places, in
// the order in which the command asks for them. The command itself stays as it is.
func WithNumbers(c Command, numbers []int64) Command {
	if len(numbers) == 0 {
		return c
	}
	writes := slices.Clone(c.Writes)
	for i := range writes {
		writes[i].Events = slices.Clone(writes[i].Events)
	}
	for i, n := range c.Numbers {
		data := &writes[n.Write].Events[n.Event].Data
		*data = slices.Concat((*data)[:n.At], strconv.AppendInt(nil, numbers[i], 10), (*data)[n.At+1:])
	}
	c.Writes = writes
	return c
}

// WithLargest returns a command as it is with the largest numbers that there can be.
func WithLargest(c Command) Command {
	if len(c.Numbers) == 0 {
		return c
	}
	return WithNumbers(c, slices.Repeat([]int64{math.MaxInt64}, len(c.Numbers)))
}

// NumbersFit reports whether a command asks for numbers of events that it has, each
// of one, and that have a place for it.
func (c *Command) NumbersFit() bool {
	if len(c.Numbers) == 0 {
		return true
	}
	type place struct{ write, event int }
	seen := make(map[place]bool, len(c.Numbers))
	for _, n := range c.Numbers {
		p := place{n.Write, n.Event}
		if n.Series == "" || len(n.Series) > MaxSeries || seen[p] ||
			n.Write < 0 || n.Write >= len(c.Writes) || n.Event < 0 || n.Event >= len(c.Writes[n.Write].Events) {
			return false
		}
		seen[p] = true
		if data := c.Writes[n.Write].Events[n.Event].Data; n.At < 0 || n.At >= len(data) || !bytes.HasPrefix(data[n.At:], []byte("0")) {
			return false
		}
	}
	return true
}
