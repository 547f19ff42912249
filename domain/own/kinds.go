package own

import "slices"

// Kinds returns the kinds of record that have fields of the tenant's own: all those whose
// fields embed record.Common.
func Kinds() []string {
	return []string{
		"company",
		"contact",
		"deal",
		"lead",
		"list",
		"note",
		"product",
		"task",
	}
}

// Owner names a kind of record that has fields of the tenant's own.
type Owner string

// Enum implements [domain.Enumerated].
func (Owner) Enum() []string { return Kinds() }

// Target names a kind of record that a field of the tenant's own can refer to.
type Target string

// Enum implements [domain.Enumerated].
func (Target) Enum() []string {
	kinds := append(Kinds(), "pipeline")
	slices.Sort(kinds)
	return kinds
}
