package commands_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/list"
	"github.com/rowhouse/rowhouse/viewer"
)

// tenants of so many records, all of which meet every filter.
type tenantOf int

func (n tenantOf) Select(_ context.Context, _ *viewer.Viewer, s domain.Selection) (found domain.Selected, err error) {
	if s.Most == 0 {
		return found, nil
	}
	for i := range int(n) {
		found.IDs = append(found.IDs, domain.ID{Prefix: "con", UUID: uuid.UUID{13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}})
	}
	return found, nil
}

// A batch does not bring all records of a tenant into memory once for each of its
// commands.
func TestSelectedByABatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run = commands.NewRunner(commands.Config{Store: w.log, NewID: newID, Cache: 1 << 20, Selector: tenantOf(80_000)})
	var freeze []commands.Operation
	for i := range 5 {
		id := give(w, commands.Lists, newID(), list.Create{Fields: list.Fields{Name: strconv.Itoa(i)}, Object: "contact", Kind: list.Dynamic, Filter: "x = 1"}).ID
		freeze = append(freeze, commands.Lists.Prepare(commands.Target{ID: id.UUID}, list.Freeze{}))
	}
	const tooMany = "invalid too_many"
	if _, err := w.run.Atomic(w.Context(), w.ann, uuid.Nil, nil, freeze[:3]); refusal(err) != tooMany+" /2" {
		t.Errorf("three as one: %v", err)
	}
	var left []commands.Operation
	for i, res := range w.run.All(w.Context(), w.ann, freeze) {
		if got := refusal(res.Err); got == tooMany {
			left = append(left, freeze[i])
		} else if got != "" {
			t.Error(got)
		}
	}
	if len(left) != 3 {
		t.Fatalf("%d lists were not frozen", len(left))
	}
	for _, op := range left {
		if res := w.run.All(w.Context(), w.ann, []commands.Operation{op})[0]; res.Err != nil {
			t.Error(res.Err)
		}
	}
}
