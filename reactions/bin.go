package reactions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/jobs"
	"github.com/rowhouse/rowhouse/projections"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/viewer"
)

// Bin has records removed for good when they have been in the bin for as many days
// as the server is told to keep them. As long as a tenant has records of a kind in
// the bin, it is looked for them when the oldest has been there for long enough, and at
// least once a day, so that it is noticed when the number of days was changed.
var Bin = NewProcess("bin", append(whenDeleted(),
	Woken(func(s nothing, w Wakeup) (nothing, []Order) { return s, []Order{EmptyBin.Do(w.Subject)} }))...)

const (
	lookIntoBin = "look_into_bin"
	aDay        = 24 * time.Hour
)

// whenDeleted has the bin looked at, for every kind of record that can be purged.
func whenDeleted() (parts []Part[nothing]) {
	undecoded := func(eventstore.Recorded) (n nothing, err error) { return n, nil } // it says nothing
	for _, k := range purgeable {
		ofKind := func(Event[nothing]) string { return k.table.Kind() }
		parts = append(parts, onType(k.table.Kind()+".deleted", undecoded, ofKind, func(s nothing, e Event[nothing]) (nothing, []Order) {
			return s, []Order{WakeBy(lookIntoBin, e.Time.Add(aDay))}
		}))
	}
	return parts
}

// EmptyBin removes records of a kind for good that were in the bin for long enough:
// some at a time. It has the bin looked at again if anything is left.
var EmptyBin = NewWork("empty_bin", func(ctx context.Context, in Services, j jobs.Job, kind string) ([]Order, error) {
	at := slices.IndexFunc(purgeable, func(k purgeableKind) bool { return k.table.Kind() == kind })
	if at < 0 {
		return nil, nil // not any more
	}
	k, now := purgeable[at], in.Now()
	head, err := in.Store.Head(ctx, j.Tenant)
	if err != nil {
		return nil, fmt.Errorf("read the end of the log: %w", err)
	}
	if err := in.Models.Wait(ctx, j.Tenant, head); err != nil { // or the bin would seem to be empty
		return nil, err
	}
	old, err := in.oldest(ctx, j.Tenant, k)
	if err != nil {
		return nil, err
	}
	n := 0
	for n < len(old) && in.isOver(old[n], now) {
		n++
	}
	j.Cause = jobs.Cause{} // nobody in particular: whoever put one record into the bin is not to blame for others
	if err := in.purge(ctx, j, k, old[:n]); err != nil {
		return nil, err
	}
	switch {
	case n == binBatch: // there may be more of them
		return []Order{WakeBy(lookIntoBin, now)}, nil
	case n == len(old):
		return nil, nil
	case in.BinDays > 0 && in.over(old[n]).Before(now.Add(aDay)):
		return []Order{WakeBy(lookIntoBin, in.over(old[n]))}, nil
	default:
		return []Order{WakeBy(lookIntoBin, now.Add(aDay))}, nil
	}
})

// binBatch is how many records of a kind are removed at a time.
const binBatch = 100

// inBin is a deleted record.
type inBin struct {
	ID        domain.ID          `json:"id"`
	Version   eventstore.Version `json:"version"`
	DeletedAt time.Time          `json:"deleted_at"`
}

// over returns when a record has been in the bin for long enough.
func (in Services) over(r inBin) time.Time { return r.DeletedAt.AddDate(0, 0, in.BinDays) }

// isOver reports whether a record has been in the bin for long enough.
func (in Services) isOver(r inBin, now time.Time) bool {
	return in.BinDays > 0 && !now.Before(in.over(r))
}

// oldest returns some of the deleted records of a kind, those first that have been
// deleted for longest.
func (in Services) oldest(ctx context.Context, tenant domain.TenantID, k purgeableKind) ([]inBin, error) {
	q, err := query.ParseJSON(fmt.Appendf(nil, `{"deleted":"only","sort":"deleted_at","limit":%d}`, binBatch), k.table.Columns())
	if err != nil {
		return nil, err
	}
	page, err := in.Models.List(ctx, viewer.Server(tenant, domain.Actor{Kind: "system"}), k.table, q)
	if err != nil {
		return nil, fmt.Errorf("look into the bin: %w", err)
	}
	list := make([]inBin, len(page.Documents))
	for i, doc := range page.Documents {
		if err := json.Unmarshal(doc, &list[i]); err != nil {
			return nil, fmt.Errorf("row of a deleted record: %w", err)
		}
	}
	return list, nil
}

// purge removes records for good, unless they have changed since they were listed:
// then they may have been restored.
func (in Services) purge(ctx context.Context, j jobs.Job, k purgeableKind, records []inBin) error {
	if len(records) == 0 {
		return nil
	}
	ops := make([]commands.Operation, len(records))
	for i, r := range records {
		ops[i] = k.prepare(commands.Target{ID: r.ID.UUID, Match: []eventstore.Version{r.Version}, Command: uuid.NewSHA1(j.ID, r.ID.UUID[:])})
	}
	var last eventstore.Position
	for _, res := range in.carryOut(ctx, j, k.permission, ops) {
		switch {
		case res.Err == nil:
			last = max(last, res.Outcome.Position)
		case errors.Is(res.Err, domain.NotFound), errors.Is(res.Err, domain.Conflict), errors.Is(res.Err, domain.Stale):
		default:
			return fmt.Errorf("empty the bin: %w", res.Err)
		}
	}
	return in.Models.Wait(ctx, j.Tenant, last) // so that they are not listed again
}

// purgeableKind is a kind of record that can be removed for good.
type purgeableKind struct {
	table      projections.Projection
	permission domain.Permission
	prepare    func(commands.Target) commands.Operation
}

// purgeable are all kinds that the indexes of commands and tables say so of.
var purgeable = purgeableKinds(commands.All, projections.All)

func purgeableKinds(policies []commands.AnyPolicy, tables []projections.Projection) (kinds []purgeableKind) {
	for _, p := range policies {
		for _, offer := range p.Offers() {
			if offer.Name != commands.Purge {
				continue
			}
			purge := reflect.Zero(offer.Type).Interface()
			for _, t := range tables {
				if t.Kind() == p.Kind() {
					kinds = append(kinds, purgeableKind{t, offer.Permission, func(to commands.Target) commands.Operation { return offer.Prepare(to, purge) }})
				}
			}
		}
	}
	return kinds
}
