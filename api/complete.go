package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections"
)

// incomplete says what was forgotten of kinds of records, and where it belongs. A
// server of which something is missing does not start: otherwise a client would
// be the first to notice.
func incomplete(kinds []commands.AnyPolicy, tables map[string]projections.Projection) error {
	var errs []error
	say := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	prefixes := map[string]string{memberPrefix: "member"}
	left := maps.Clone(tables)
	for _, k := range kinds {
		name := k.Kind()
		if other, taken := prefixes[k.Prefix()]; taken {
			say("the IDs of a %s and of a %s begin with %q: give one of them another prefix in its package of domain", name, other, k.Prefix())
		}
		prefixes[k.Prefix()] = name
		if k.About() == "" {
			say("the kind %s is not described: say in one sentence what it is, in its file in commands", name)
		}
		switch t := tables[name]; {
		case t == nil && isInward(k):
			continue
		case t == nil:
			say("the kind %s has no table: add it to projections.All", name)
		case t.Prefix() != k.Prefix():
			say("the kind %s has the prefix %q in commands and %q in projections", name, k.Prefix(), t.Prefix())
		case isRecord(t) != slices.Contains(own.Kinds(), name):
			say("the kind %s can have fields of the tenant's own: %t, and domain/own/kinds.go says %t: correct Kinds there", name, isRecord(t), !isRecord(t))
		}
		delete(left, name)
		if read := domain.Permission(name + ":read"); !access.Owner.Rights().Allows(read) {
			say("nobody may look at records of the kind %s: add it to grants in access/roles.go", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		say("the table %s shows the kind %s, which has no policy: add it to commands.All", left[name].Name(), name)
	}
	for _, k := range kinds {
		errs = append(errs, incompleteOffers(k, prefixes), unclassified(k, tables[k.Kind()]), unnumbered(k))
	}
	for _, wrong := range domain.CheckClasses(reflect.TypeFor[eventstore.Metadata](), nil) {
		say("%s", wrong)
	}
	return errors.Join(errs...)
}

// isInward reports whether only the server gives commands to what a kind describes, such
// as a process with a history of its own. It has no routes; nobody needs to see it, so
// it needs no table either.
func isInward(k commands.AnyPolicy) bool { return len(k.Offers()) == 0 }

// isRecord reports whether the rows of a table have what every record has, and with it
// fields of the tenant's own.
func isRecord(t projections.Projection) bool {
	return slices.ContainsFunc(domain.Members(t.Row()), func(m domain.Member) bool { return m.Name == own.Member })
}

// memberPrefix begins the IDs of members. They are no records yet.
const memberPrefix = "usr"

func incompleteOffers(k commands.AnyPolicy, prefixes map[string]string) error {
	var errs []error
	seen := map[string]bool{}
	for _, o := range k.Offers() {
		say := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("the command %s.%s "+format, append([]any{k.Kind(), o.Name}, args...)...))
		}
		if seen[o.Name] {
			say("is there twice in its policy in commands")
		}
		seen[o.Name] = true
		if o.Permission == "" {
			say("takes no permission: name one in its policy in commands")
		} else if !access.Owner.Rights().Allows(o.Permission) {
			say("takes the permission %s, which no role has: add it to grants in access/roles.go", o.Permission)
		}
		if o.Summary == "" {
			say("is not described: add a summary to its line in commands")
		}
		if takes := len(domain.Members(shapeOf(o.Type))) > 0; takes != (o.Example != "") || takes && !json.Valid([]byte(o.Example)) {
			say("needs an example of its data in its line in commands, as JSON, if it takes any")
		}
		for prefix := range prefixesIn(shapeOf(o.Type), map[reflect.Type]bool{}) {
			if prefixes[prefix] == "" {
				say("refers to IDs that begin with %q, which no kind has: see the tag prefix in its package of domain", prefix)
			}
		}
	}
	if !seen[commands.Create] && !isInward(k) {
		errs = append(errs, fmt.Errorf("a %s cannot be made: add a create line to its policy in commands", k.Kind()))
	}
	return errors.Join(errs...)
}

// unclassified says which values in the events and in the row of a kind have no class.
// What many events have is named once.
func unclassified(k commands.AnyPolicy, table projections.Projection) error {
	var row reflect.Type
	var wrong []string
	switch {
	case table != nil:
		row = table.Row()
		wrong = domain.CheckClasses(row, row)
	case !isInward(k):
		return nil // that there is no table has been said
	}
	events := k.EventTypes()
	for _, name := range slices.Sorted(maps.Keys(events)) {
		wrong = append(wrong, domain.CheckClasses(events[name], row)...)
	}
	var errs []error
	for i, w := range wrong {
		if !slices.Contains(wrong[:i], w) {
			errs = append(errs, fmt.Errorf("the kind %s: %s", k.Kind(), w))
		}
	}
	return errors.Join(errs...)
}

// unnumbered says which events of a kind ask for a number and have no place for it. See
// [domain.Numbered].
func unnumbered(k commands.AnyPolicy) error {
	var errs []error
	events := k.EventTypes()
	for _, name := range slices.Sorted(maps.Keys(events)) {
		event := reflect.Zero(events[name]).Interface()
		if _, asks := event.(domain.Numbered); !asks {
			continue
		}
		data, err := domain.Marshal(event)
		if err == nil {
			_, err = domain.PlaceOfNumber(data)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("the kind %s: %s gets a number: %w", k.Kind(), name, err))
		}
	}
	return errors.Join(errs...)
}

// shapeOf returns the type that has the members of a command's data.
func shapeOf(command reflect.Type) reflect.Type {
	if s, ok := reflect.TypeAssert[shaper](reflect.Zero(command)); ok {
		return s.Shape()
	}
	return command
}

// prefixesIn returns what the IDs in a type must begin with, by their tags.
func prefixesIn(t reflect.Type, seen map[reflect.Type]bool) map[string]bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	found := map[string]bool{}
	if t.Kind() != reflect.Struct || seen[t] {
		return found
	}
	seen[t] = true
	for f := range t.Fields() {
		if prefix := f.Tag.Get("prefix"); prefix != "" {
			found[prefix] = true
		}
		maps.Copy(found, prefixesIn(f.Type, seen))
	}
	return found
}
