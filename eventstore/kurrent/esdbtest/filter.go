package esdbtest

import (
	"regexp"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
)

// pageSize is the server's Enumerator.ReadBatchSize.
const pageSize = 32

// filter selects events of $all.
type filter struct {
	allows   func(*Event) bool
	window   int  // how many records the server considers at a time
	interval int  // of checkpoints, in records
	given    bool // by the client: only then there are checkpoints
}

func newFilter(o *streams.ReadReq_Options_FilterOptions) (filter, error) {
	f := filter{allows: func(*Event) bool { return true }, window: pageSize}
	if o == nil {
		return f, nil
	}
	f.given = true
	switch w := o.GetWindow().(type) {
	case *streams.ReadReq_Options_FilterOptions_Max:
		f.window = int(w.Max)
	case *streams.ReadReq_Options_FilterOptions_Count:
	default:
		return f, invalid("None", "WindowOneofCase")
	}
	f.interval = f.window * int(o.GetCheckpointIntervalMultiplier())
	var expression *streams.ReadReq_Options_FilterOptions_Expression
	var field func(*Event) string
	switch by := o.GetFilter().(type) {
	case *streams.ReadReq_Options_FilterOptions_StreamIdentifier:
		expression, field = by.StreamIdentifier, func(e *Event) string { return e.Stream }
	case *streams.ReadReq_Options_FilterOptions_EventType:
		expression, field = by.EventType, func(e *Event) string { return e.Type }
	default:
		return f, invalid("None", "FilterOptions")
	}
	if expression.GetRegex() != "" {
		re, err := regexp.Compile(expression.GetRegex())
		if err != nil {
			return f, thrown()
		}
		f.allows = func(e *Event) bool { return re.MatchString(field(e)) }
		return f, nil
	}
	f.allows = func(e *Event) bool {
		for _, prefix := range expression.GetPrefix() {
			if strings.HasPrefix(field(e), prefix) {
				return true
			}
		}
		return false
	}
	return f, nil
}
