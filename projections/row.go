package projections

import (
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/content"
)

// Row is what every row begins with: which record it shows, and which events
// made it so. It follows from the envelopes of the events, so handlers need not
// care for it.
type Row struct {
	ID        domain.ID           `json:"id"`
	Type      string              `json:"type" class:"internal"`
	Version   eventstore.Version  `json:"version"`
	Position  eventstore.Position `json:"position"`
	CreatedAt time.Time           `json:"created_at"`
	CreatedBy domain.Actor        `json:"created_by"`
	UpdatedAt time.Time           `json:"updated_at"`
	UpdatedBy domain.Actor        `json:"updated_by"`
	DeletedAt *time.Time          `json:"deleted_at"` // null while the record is live

	purged bool
}

func (r *Row) base() *Row { return r }

// delete marks the record as deleted, restore takes that back, and purge makes
// the row go away for good.
func (r *Row) delete(e eventstore.Recorded) { r.DeletedAt = new(e.Time.UTC()) }
func (r *Row) restore()                     { r.DeletedAt = nil }
func (r *Row) purge()                       { r.purged = true }

// advance takes what the envelope of an event says, but for who caused it.
func (r *Row) advance(e eventstore.Recorded) {
	r.Version, r.Position, r.UpdatedAt = e.Version, e.Position, e.Time.UTC()
	if e.Version == 1 {
		r.CreatedAt = r.UpdatedAt
	}
}

// setActors takes who caused the first and the last of some events.
func (r *Row) setActors(events []eventstore.Recorded) (err error) {
	if events[0].Version == 1 {
		if r.CreatedBy, err = content.Actor(events[0]); err != nil {
			return err
		}
	}
	r.UpdatedBy, err = content.Actor(events[len(events)-1])
	return err
}
