package api

import (
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/reactions"
)

// usageReport is what a tenant used.
type usageReport struct {
	Data     []usageLine         `json:"data"`
	Position eventstore.Position `json:"position" doc:"All events up to this position are counted."`
}

type usageLine struct {
	Day       domain.Date `json:"day" format:"date"`
	Dimension string      `json:"dimension" doc:"events, commands, or events of one kind of record." example:"events.deal"`
	Quantity  int64       `json:"quantity"`
}

// usage serves what a tenant used.
func (s *Server) usage() []*operation {
	day := func() *huma.Schema { return &huma.Schema{Type: huma.TypeString, Format: "date"} }
	return []*operation{
		get("/v1/tenants/{tenant_id}/usage", tenant, "Tenants", "usage.get", "What a tenant used", "By day (UTC) and dimension. The counts follow from the log.",
			needs("usage:read"),
			params(queryParam("from", "The first day; 30 days before the last if it is left out.", day(), "2026-03-01"), queryParam("to", "The last day; today if it is left out.", day(), "2026-03-31")),
			gives[usageReport](s, http.StatusOK, "The counts.", headerPosition), refuses(domain.Invalid), serve(readUsage)),
	}
}

// maxUsageDays is the longest time that can be asked for at once.
const maxUsageDays = 400

func readUsage(x *exchange) error {
	to, err := x.day("to", x.origin.Time)
	if err != nil {
		return err
	}
	from, err := x.day("from", to.AddDate(0, 0, -30))
	if err != nil {
		return err
	}
	if days := to.Sub(from).Hours() / 24; days < 0 || days > maxUsageDays {
		return domain.Check(false, "from", "bad_value", "must be at most 400 days before the last day")
	}
	lines, at, err := reactions.UsageOf(x.ctx(), x.s.Wall, x.origin.Tenant, from, to)
	if err != nil {
		return err
	}
	report := usageReport{Data: make([]usageLine, len(lines)), Position: at}
	for i, l := range lines {
		report.Data[i] = usageLine{domain.Date(l.Day.Format(time.DateOnly)), l.Dimension, l.Quantity}
	}
	x.setPosition(at)
	return x.answerJSON(http.StatusOK, report)
}

// day reads a parameter that is a date.
func (x *exchange) day(name string, otherwise time.Time) (time.Time, error) {
	text := x.query.Get(name)
	if text == "" {
		return otherwise.UTC().Truncate(24 * time.Hour), nil
	}
	d, err := domain.ParseDate(text)
	return d.Time(), domain.At(name, err)
}
