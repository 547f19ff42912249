package record

import (
	"errors"
	"slices"
	"strconv"

	"github.com/rowhouse/rowhouse/domain"
)

// Related names a record that another one is about, of whatever kind.
type Related struct {
	Type string    `json:"type" class:"internal" enum:"contact,company,deal,lead"`
	ID   domain.ID `json:"id" example:"con_01jh2xk3v8e4t9p5w7y0z2b4d6"`
}

// RelatedTo is a list of records that a record is about. They must be there when
// they are named, each once.
type RelatedTo []Related

// Check refuses a record that is named twice.
func (list RelatedTo) Check() error {
	var errs []error
	for i, r := range list {
		errs = append(errs, domain.Check(!slices.Contains(list[:i], r), "/"+strconv.Itoa(i), "duplicate_item", "is given twice"))
	}
	return errors.Join(errs...)
}

// References implements [Referring].
func (list RelatedTo) References() (refs []domain.Ref) {
	for i, r := range list {
		refs = append(refs, domain.Ref{Kind: r.Type, ID: r.ID, Pointer: "/" + strconv.Itoa(i) + "/id"})
	}
	return refs
}

// IDs returns the IDs of the records.
func (list RelatedTo) IDs() (ids []string) {
	for _, r := range list {
		ids = append(ids, r.ID.String())
	}
	return ids
}
