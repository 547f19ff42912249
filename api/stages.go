package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections"
)

// funnelReport is what became of deals in the stages of a pipeline.
type funnelReport struct {
	Data     []projections.FunnelStage `json:"data" doc:"The stages of the pipeline, in their order."`
	Position eventstore.Position       `json:"position" doc:"All events up to this position are counted."`
}

// stages serves how long deals were in their stages.
func (s *Server) stages() []*operation {
	day := func() *huma.Schema { return &huma.Schema{Type: huma.TypeString, Format: "date"} }
	return []*operation{
		get("/v1/tenants/{tenant_id}/deals/{id}/stages", tenant, "Deals", "deals.stages", "Show how long a deal was in its stages",
			"Each time that it was in a stage, from the first on: where it came from, where it went, and for how long it was there. A stay goes on when its stage is archived, in the stage that took its place.",
			needs("deal:read"), params(limitParam, cursorParam, minPositionParam), givesPage[projections.Stay](s), refuses(domain.NotFound, domain.Invalid), serve(dealStages)),
		get("/v1/tenants/{tenant_id}/pipelines/{id}/funnel", tenant, "Pipelines", "pipelines.funnel", "Show what became of deals in the stages of a pipeline",
			"For each stage: how often deals entered it in a time, what has become of them until now, and how long they stayed. Only live deals that you may look at are counted.",
			needs("deal:read"), params(queryParam("from", "The first day on which deals entered stages (UTC); all before the last if it is left out.", day(), "2026-01-01"),
				queryParam("to", "The last day; today if it is left out.", day(), "2026-03-31"), minPositionParam),
			gives[funnelReport](s, http.StatusOK, "What became of them.", headerPosition), refuses(domain.NotFound, domain.Invalid), serve(readFunnel)),
	}
}

func dealStages(x *exchange) error {
	id, err := x.pathID("id", projections.Deals.Prefix())
	if err != nil {
		return err
	}
	limit, err := x.number("limit", defaultLimit)
	if err != nil {
		return err
	}
	place, err := x.place(id.String())
	if err != nil {
		return err
	}
	after := int64(0)
	if place != "" {
		if after, err = strconv.ParseInt(place, 10, 64); err != nil {
			return err // it was signed by us
		}
	}
	stays, more, at, err := x.s.Models.Stays(x.ctx(), x.viewer(), id.UUID, eventstore.Position(after), int(limit), x.s.Now())
	x.setPosition(at)
	if err != nil {
		return err
	}
	var next *string
	if more {
		next = x.next(strconv.FormatInt(int64(stays[len(stays)-1].Position), 10), id.String())
	}
	return x.answerJSON(http.StatusOK, page[projections.Stay]{stays, next})
}

func readFunnel(x *exchange) error {
	id, err := x.pathID("id", projections.Pipelines.Prefix())
	if err != nil {
		return err
	}
	to, err := x.day("to", x.origin.Time)
	if err != nil {
		return err
	}
	from, err := x.day("from", time.Time{})
	if err != nil {
		return err
	}
	if to.Before(from) {
		return domain.Check(false, "from", "bad_value", "must not be after the last day")
	}
	stages, at, err := x.s.Models.Funnel(x.ctx(), x.viewer(), id.UUID, from, to.AddDate(0, 0, 1))
	x.setPosition(at)
	if err != nil {
		return err
	}
	return x.answerJSON(http.StatusOK, funnelReport{stages, at})
}
