package projections

import (
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain/deal"
	"github.com/rowhouse/rowhouse/eventstore"
)

// stay is a fact of [StageTimes]: a deal is in a stage, or was. What is nil in a change of
// a stay stays as it is.
type stay struct {
	deal         uuid.UUID
	position     eventstore.Position // of the event that brought it there
	pipeline     uuid.UUID
	stage        *string
	entered      time.Time
	fromPipeline *plainUUID // nil if it began there
	fromStage    *string
	left         *time.Time // nil while it is there
	toPipeline   *plainUUID
	toStage      *string
	amount       *int64  // what the deal was worth when it left, or is worth
	currency     *string // empty if nobody has said what it is worth
}

// StageTimes is how long deals were in the stages of pipelines. A stay goes on when its
// stage is archived: it is one in the stage that took its place from then on, as
// stage_since of the deal does not change. It goes on in the bin as well.
var StageTimes = facts("deal_stages", []string{"of_id", "position"},
	always("of_kind", "text", func(*stay) string { return Deals.Kind() }),
	always("of_id", "uuid", func(s *stay) plainUUID { return plainUUID(s.deal) }),
	always("position", "bigint", func(s *stay) int64 { return int64(s.position) }),
	always("pipeline_id", "uuid", func(s *stay) plainUUID { return plainUUID(s.pipeline) }),
	changing(always("stage", "text", func(s *stay) *string { return s.stage })),
	always("entered_at", "timestamptz", func(s *stay) time.Time { return s.entered }),
	maybe("from_pipeline_id", "uuid", func(s *stay) *plainUUID { return s.fromPipeline }),
	maybe("from_stage", "text", func(s *stay) *string { return s.fromStage }),
	changing(maybe("left_at", "timestamptz", func(s *stay) *time.Time { return s.left })),
	changing(maybe("to_pipeline_id", "uuid", func(s *stay) *plainUUID { return s.toPipeline })),
	changing(maybe("to_stage", "text", func(s *stay) *string { return s.toStage })),
	changing(maybe("amount", "bigint", func(s *stay) *int64 { return s.amount })),
	changing(maybe("currency", "text", func(s *stay) *string { return s.currency })),
	amended[stay]{until: "left_at", apply: func(open, change *stay) {
		if change.stage != nil {
			open.stage = change.stage
		}
		if change.left != nil {
			open.left, open.toPipeline, open.toStage = change.left, change.toPipeline, change.toStage
		}
		if change.currency != nil {
			open.amount, open.currency = change.amount, change.currency
		}
	}},
	factIndex[stay]{"entered", "pipeline_id, entered_at"},
	fromEach(Deals, tellStay),
)

// tellStay tells of the stage that a deal is in after an event, if that is another one.
func tellStay(to *told[stay], before *Deal, e eventstore.Recorded, after *Deal) {
	is := stay{
		deal: e.Stream.ID, position: e.Position, pipeline: after.PipelineID.UUID, stage: new(after.StageKey), entered: after.StageSince,
		amount: new(after.Amount.Units()), currency: new(after.Amount.Currency),
	}
	switch {
	case before == nil:
		to.put(is)
	case e.Type == deal.StageReplaced{}.EventType():
		to.amend(stay{deal: is.deal, stage: is.stage})
	case before.PipelineID != after.PipelineID || before.StageKey != after.StageKey || !before.StageSince.Equal(after.StageSince):
		to.amend(stay{deal: is.deal, left: new(after.StageSince), toPipeline: new(plainUUID(is.pipeline)), toStage: is.stage})
		is.fromPipeline, is.fromStage = new(plainUUID(before.PipelineID.UUID)), new(before.StageKey)
		to.put(is)
	case before.Amount != after.Amount:
		to.amend(stay{deal: is.deal, amount: is.amount, currency: is.currency})
	}
}
