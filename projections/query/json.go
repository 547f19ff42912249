package query

import (
	"encoding/json"
	"strconv"

	"github.com/rowhouse/rowhouse/domain"
)

// JSON reads a filter in the JSON form. Each object is one of
//
//	{"and": [filter, …]}  {"or": [filter, …]}  {"not": filter}
//	{"field": "amount.amount", "op": "gte", "value": "1000"}
//
// The value is a list where the operator takes one; that of is_null may be left
// out. It may always be a string; numbers and booleans are taken by columns
// that hold such. Refusals point at where the mistake is, under at.
func (c *Columns) JSON(raw json.RawMessage, at string) (Filter, error) {
	r := reader{columns: c, at: at}
	f, err := r.node(raw, at, 0)
	if err != nil {
		return nil, err
	}
	return f, bounded(f, at)
}

// reader reads a filter in the JSON form. It stops at the first mistake, and when
// there are more conditions than may be.
type reader struct {
	columns *Columns
	at      string // where the filter is
	leaves  int    // that it has come to
}

func (r *reader) node(raw json.RawMessage, at string, depth int) (Filter, error) {
	if depth > maxDepth {
		return nil, tooDeep(at)
	}
	var node map[string]json.RawMessage
	if err := json.Unmarshal(raw, &node); err != nil || node == nil {
		return nil, misshapen(at, "is not an object")
	}
	if _, ok := node["field"]; ok {
		return r.leafNode(node, at)
	}
	if len(node) != 1 {
		return nil, misshapen(at, "does not have field and op, or one of and, or, not")
	}
	switch {
	case node["and"] != nil:
		return children[And](r, node["and"], at+"/and", depth)
	case node["or"] != nil:
		return children[Or](r, node["or"], at+"/or", depth)
	case node["not"] != nil:
		f, err := r.node(node["not"], at+"/not", depth+1)
		return Not{f}, err
	}
	return nil, misshapen(at, "does not have field and op, or one of and, or, not")
}

func children[G group](r *reader, raw json.RawMessage, at string, depth int) (Filter, error) {
	var nodes []json.RawMessage
	if err := json.Unmarshal(raw, &nodes); err != nil || len(nodes) == 0 {
		return nil, misshapen(at, "is not a list of filters")
	}
	if r.leaves+len(nodes) > maxLeaves { // each has one at least
		return nil, tooLarge(r.at)
	}
	fs := make(G, len(nodes))
	for i, n := range nodes {
		var err error
		if fs[i], err = r.node(n, at+"/"+strconv.Itoa(i), depth+1); err != nil {
			return nil, err
		}
	}
	return one(fs), nil
}

func (r *reader) leafNode(node map[string]json.RawMessage, at string) (Filter, error) {
	r.leaves++
	for name := range node {
		if name != "field" && name != "op" && name != "value" {
			return nil, misshapen(at, "has members other than field, op and value")
		}
	}
	var field string
	var op Op
	if json.Unmarshal(node["field"], &field) != nil || json.Unmarshal(node["op"], &op) != nil {
		return nil, misshapen(at, "has no field or no op that is a string")
	}
	values, ok := literals(node["value"], operators[op].list)
	if op == IsNull && node["value"] == nil {
		values, ok = []literal{{text: "true"}}, true
	}
	if !ok {
		values = nil // which leaf refuses, after what else is wrong
	}
	f, err := r.columns.leaf(field, op, values)
	return f, domain.At(at, err)
}

// literals returns the values that a JSON value stands for: itself, or the
// elements of a list.
func literals(raw json.RawMessage, list bool) ([]literal, bool) {
	elements := []json.RawMessage{raw}
	if list && (json.Unmarshal(raw, &elements) != nil || len(elements) > maxValues) {
		return nil, false
	}
	written := make([]literal, len(elements))
	for i, e := range elements {
		var ok bool
		if written[i], ok = scalarOf(e); !ok {
			return nil, false
		}
	}
	return written, true
}

// scalarOf returns a string, a number or a boolean as it is written.
func scalarOf(raw json.RawMessage) (literal, bool) {
	if len(raw) == 0 || raw[0] == '[' || raw[0] == '{' || raw[0] == 'n' {
		return literal{}, false
	}
	if raw[0] != '"' {
		return literal{text: string(raw), bare: true}, true
	}
	var v literal
	err := json.Unmarshal(raw, &v.text)
	return v, err == nil
}

func misshapen(at, detail string) error {
	return refuse(domain.Malformed, "filter_syntax", at, detail)
}
