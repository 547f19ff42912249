package reactions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/deal"
	"github.com/rowhouse/rowhouse/domain/pipeline"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/content"
	"github.com/rowhouse/rowhouse/projections"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/viewer"
)

// StageMoves moves the deals of a stage that was archived into the stage that
// took its place: each gets a command of its own, and so an event that lists,
// histories and readers of the log see. No deal can enter the stage after it was
// archived, so once there is none left there never will be.
var StageMoves = Reaction{Name: "stage_moves", React: func(ctx context.Context, in Services, b eventstore.Batch) error {
	_, err := in.MoveDeals(ctx, b.Tenant, b.Events)
	return err
}}

// moveBatch is how many deals move at a time.
const moveBatch = 500

// MoveDeals moves the deals of those stages that events of a tenant archived, and
// returns the position of the last move; 0 if there was none. It may be called
// several times for the same events. Whoever archived a stage calls it right
// away, to see the deals where they belong in the next list; StageMoves makes
// sure that it is done in any case.
func (in Services) MoveDeals(ctx context.Context, tenant domain.TenantID, events []eventstore.Recorded) (last eventstore.Position, err error) {
	for _, e := range events {
		if e.Type != (pipeline.StageArchived{}).EventType() {
			continue
		}
		at, err := in.moveDeals(ctx, e)
		if last = max(last, at); err != nil {
			return last, fmt.Errorf("move the deals of an archived stage: %w", err)
		}
	}
	return last, nil
}

func (in Services) moveDeals(ctx context.Context, e eventstore.Recorded) (last eventstore.Position, err error) {
	var archived pipeline.StageArchived
	if err := content.As(&archived, e); err != nil {
		return 0, err
	}
	move := deal.ReplaceStage{PipelineID: domain.ID{Prefix: pipeline.Aggregate.Prefix(), UUID: e.Stream.ID}, StageKey: archived.Key}
	o, err := in.originOf(e)
	if err != nil {
		return 0, err
	}
	for behind := e.Position; ; behind = last {
		if err := in.Models.Wait(ctx, o.Tenant, behind); err != nil {
			return last, err
		}
		ops, err := in.dealsIn(ctx, o.Viewer, move)
		if err != nil || len(ops) == 0 {
			return last, err
		}
		moved := false
		for _, res := range in.Commands.All(ctx, o, ops) {
			if res.Err != nil && !errors.Is(res.Err, domain.NotFound) {
				return last, res.Err
			}
			if len(res.Outcome.Events) > 0 {
				moved, last = true, max(last, res.Outcome.Position)
			}
		}
		if !moved {
			return last, nil // the list shows what was so a moment ago
		}
	}
}

// originOf says that the server acts because of an event, for whoever caused it.
func (in Services) originOf(e eventstore.Recorded) (viewer.Caller, error) {
	meta, err := content.Metadata(e)
	if err != nil {
		return viewer.Caller{}, err
	}
	server := viewer.Server(e.Stream.Tenant, domain.Actor{Kind: "system", OnBehalfOf: meta.Actor.ID}, stageMovesMay)
	return server.As(domain.Origin{
		Time: in.Now(), Correlation: meta.Correlation, Causation: domain.ID{Prefix: "evt", UUID: e.ID}.String(),
	}), nil
}

// stageMovesMay is all that the reaction needs to be allowed.
const stageMovesMay domain.Permission = "deal:update"

// dealsIn returns the command for each of some of the deals that are in a stage,
// also for those in the bin.
func (in Services) dealsIn(ctx context.Context, v *viewer.Viewer, move deal.ReplaceStage) ([]commands.Operation, error) {
	q, err := query.ParseJSON(fmt.Appendf(nil, `{"pipeline_id":%q,"stage_key":%q,"deleted":"include","limit":%d,"sort":"id"}`,
		move.PipelineID, move.StageKey, moveBatch), projections.Deals.Columns())
	if err != nil {
		return nil, err
	}
	page, err := in.Models.List(ctx, v, projections.Deals, q)
	if err != nil {
		return nil, err
	}
	ops := make([]commands.Operation, len(page.Documents))
	for i, doc := range page.Documents {
		var row struct {
			ID domain.ID `json:"id"`
		}
		if err := json.Unmarshal(doc, &row); err != nil {
			return nil, fmt.Errorf("row of a deal: %w", err)
		}
		ops[i] = commands.Deals.Prepare(commands.Target{ID: row.ID.UUID}, move)
	}
	return ops, nil
}
