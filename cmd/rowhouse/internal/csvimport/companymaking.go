package csvimport

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
)

// newCompany is one that a file names and that has to be made.
//
// The ID of a company that is to be made follows from its name, so that two
// imports, or one that was killed and runs again, make it once. If there was such
// a company and it was deleted or purged, the ID is used up; then the next one
// that follows from the name is tried. So the company has its final ID only once
// it is made.
type newCompany struct {
	id, name   string
	source     string
	externalID string

	disown func(id string) // is told of the IDs that it may get

	made    chan struct{} // closed once it is there, or cannot be
	life    int           // how many of its IDs are used up; not to be read before made is closed
	final   string        // the ID that it got; likewise. Empty if it cannot be made
	problem *client.Problem
}

// makeCompanies makes the companies that rows of the batch name. One that cannot
// be made has a problem then; the error is for what is wrong with all of them.
func (s *sender) makeCompanies(ctx context.Context, news []*newCompany) error {
	defer func() {
		for _, c := range news {
			close(c.made)
		}
	}()
	for part := range slices.Chunk(news, maxKnown) {
		for left := part; len(left) > 0; {
			gone, err := s.makeSome(ctx, left)
			if err != nil {
				return err
			}
			for _, c := range gone {
				if c.life++; c.life == lives {
					return fmt.Errorf("the company %q was deleted too often", c.name)
				}
			}
			left = gone
		}
	}
	return nil
}

// makeSome makes companies under their present IDs, and returns those whose ID
// is used up.
func (s *sender) makeSome(ctx context.Context, news []*newCompany) (gone []*newCompany, err error) {
	ops := make([]client.Operation, len(news))
	for i, c := range news {
		c.disown(c.present(s.tenant.ID))
		data := map[string]any{"id": c.present(s.tenant.ID), "name": c.name}
		if c.externalID != "" {
			data["external_ids"] = map[string]any{c.source: c.externalID}
		}
		ops[i] = client.Operation{Op: "create", Data: mustJSON(data)}
	}
	results, err := s.batch(ctx, "companies", ops)
	if err != nil {
		return nil, err
	}
	var unsure []*newCompany
	for i, c := range news {
		p := results[i].Problem
		switch id := c.present(s.tenant.ID); {
		case p == nil:
			c.final = id
		case p.Status == http.StatusConflict && p.ExistingID != "" && p.ExistingID != id:
			c.final = p.ExistingID // it has the ID that the company has elsewhere
		case p.Status == http.StatusConflict:
			unsure = append(unsure, c)
		default:
			c.problem = p
		}
	}
	return s.stillThere(ctx, unsure)
}

// stillThere finds out which of the companies that were made before are live,
// and returns the others.
func (s *sender) stillThere(ctx context.Context, unsure []*newCompany) (gone []*newCompany, err error) {
	if len(unsure) == 0 {
		return nil, nil
	}
	head, err := s.tenant.Head(ctx)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(unsure))
	for i, c := range unsure {
		ids[i] = c.present(s.tenant.ID)
	}
	known, err := s.tenant.Since(head).Known(ctx, "companies", ids)
	if err != nil {
		return nil, err
	}
	for i, c := range unsure {
		if r, ok := known[ids[i]]; ok && r.DeletedAt == nil {
			c.final = ids[i]
		} else {
			gone = append(gone, c)
		}
	}
	return gone, nil
}

// present returns the ID that the company is to have, as far as is known.
func (c *newCompany) present(tenant string) string {
	elsewhere := ""
	if c.externalID != "" {
		elsewhere = externalKey(c.source, c.externalID)
	}
	return idOfName("cmp", tenant, c.name, elsewhere, c.life)
}
