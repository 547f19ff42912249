package projections

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/rowhouse/rowhouse/domain"
)

// mechanism is raised when rows come out differently although no table has changed,
// because what makes all of them has. Then all rows are made again.
const mechanism = 2

// termsForm is raised when the terms of the same texts come out differently. Until then, and
// as long as rows of a build with the same one serve, q finds what they have, also while rows
// are made again because of something else.
const termsForm = 1

func termsLine() string { return fmt.Sprintf("terms %d", termsForm) }

// revision says how often what the rows of a table follow from has changed in a way that
// its columns and the members of its rows do not tell, such as what an event does to a
// state. Whoever changes that adds revision(1) to the parts of the table, and later
// raises it; then its rows are made again by themselves.
type revision[R any] int

func (n revision[R]) addTo(t *Table[R]) { t.revision = int(n) }

// definition is what makes the rows of a table, as far as that can be told: in lines that
// are the same for the same build of whatever node, and sorted.
type definition struct {
	rows   []string // columns, and members of the JSON of a row
	events []string // types of events, and their members
}

// fingerprint tells definitions apart whose rows may be different.
func (d definition) fingerprint() string {
	return fingerprintOf(fmt.Sprintf("mechanism %d", mechanism), d.rows)
}

func fingerprintOf(first string, lines []string) string {
	sum := sha256.Sum256([]byte(first + "\n" + strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:12])
}

// numbers returns a number for each line, sorted. Whoever knows all that another one
// knows has all of its numbers.
func numbers(table string, lines ...[]string) (all []int64) {
	for _, line := range slices.Concat(lines...) {
		sum := sha256.Sum256([]byte(table + "\n" + line))
		all = append(all, int64(binary.BigEndian.Uint64(sum[:8])))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// definition implements [Projection].
func (t *Table[R]) definition() definition {
	d := definition{rows: []string{termsLine()}}
	if t.revision > 0 {
		d.rows = append(d.rows, fmt.Sprintf("revision %d", t.revision))
	}
	for _, c := range t.columns {
		line := fmt.Sprintf("column %s %s%s of %v nullable %t", c.sql, c.array, c.cast, c.query.Of, c.query.Nullable)
		if c.query.Type.HasParts() {
			line += " with terms for its parts"
		}
		d.rows = append(d.rows, line)
	}
	if t.custom != nil {
		d.rows = append(d.rows, "values of fields of the tenant's own")
	}
	for _, w := range t.words {
		d.rows = append(d.rows, "words of "+w.member)
	}
	d.rows = append(d.rows, shapeOf("member ", reflect.TypeFor[R]())...)
	for name, event := range t.events {
		at := fmt.Sprintf("event %s %d ", name, domain.SchemaVersion(reflect.New(event).Elem().Interface()))
		d.events = append(append(d.events, at), shapeOf(at, event)...)
	}
	slices.Sort(d.rows)
	slices.Sort(d.events)
	return d
}

// shapeOf returns a line for each member of the JSON of a type, at whatever depth.
func shapeOf(at string, t reflect.Type, within ...reflect.Type) (lines []string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s, ok := reflect.TypeAssert[domain.Shaped](reflect.Zero(t)); ok {
		return shapeOf(at, s.Shape(), within...)
	}
	var fields reflect.Type // that the keys of maps name
	if n, ok := reflect.TypeAssert[domain.FieldNamer](reflect.Zero(t)); ok {
		fields = n.FieldNames()
	} else if p := reflect.PointerTo(t); p.Implements(reflect.TypeFor[json.Marshaler]()) || len(within) > 0 && t.PkgPath() == "time" {
		return []string{at + "= " + t.String()}
	}
	switch {
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8, t.Kind() == reflect.Map:
		return shapeOf(at+"/*", t.Elem(), within...)
	case t.Kind() != reflect.Struct || len(domain.Members(t)) == 0:
		return []string{at + "= " + t.String()}
	case slices.Contains(within, t):
		return nil
	}
	within = append(slices.Clone(within), t)
	for _, m := range domain.Members(t) {
		f := t.FieldByIndex(m.Index)
		_, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		in := at + "/" + m.Name + " " + options
		if fields != nil && f.Tag.Get("class") == "field" {
			lines = append(lines, shapeOf(in, fields, within...)...)
			continue
		}
		lines = append(append(lines, in), shapeOf(in, f.Type, within...)...)
	}
	return lines
}
