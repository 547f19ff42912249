package esdb

import (
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
)

// The server looks at this many records between two looks at whether it should
// say how far it is, and says so every that many times. The vendor's defaults
// (32 and 1) cost a message for every 32 records of other people.
const (
	filterWindow    = 1000
	checkpointEvery = 5
)

// Filter picks events by the name of their stream. The zero value picks all
// streams but the server's own, whose names begin with $.
//
// Prefixes should be ASCII and end with a delimiter: the server compares them
// by the rules of its culture. They are compared again, byte by byte, when an
// event arrives. A Regex is in the dialect of .NET, and only the server applies
// it. With both, Prefixes count and Regex does not.
type Filter struct {
	Prefixes []string
	Regex    string
}

func (f Filter) wire() *streams.ReadReq_Options_Filter {
	expr := &streams.ReadReq_Options_FilterOptions_Expression{Prefix: f.Prefixes}
	switch {
	case len(f.Prefixes) > 0:
	case f.Regex != "":
		expr.Regex = f.Regex
	default:
		expr.Regex = `^[^\$].*`
	}
	return &streams.ReadReq_Options_Filter{Filter: &streams.ReadReq_Options_FilterOptions{
		Filter:                       &streams.ReadReq_Options_FilterOptions_StreamIdentifier{StreamIdentifier: expr},
		Window:                       &streams.ReadReq_Options_FilterOptions_Max{Max: filterWindow},
		CheckpointIntervalMultiplier: checkpointEvery,
	}}
}

// accepts is the second look, at what arrived.
func (f Filter) accepts(stream string) bool {
	if len(f.Prefixes) == 0 {
		return f.Regex != "" || !strings.HasPrefix(stream, "$")
	}
	for _, p := range f.Prefixes {
		if strings.HasPrefix(stream, p) {
			return true
		}
	}
	return false
}
