package projections

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/wall"
)

var parkedDesc = prometheus.NewDesc("rowhouse_projection_parked_streams",
	"Records of all tenants whose events cannot be projected.", []string{"projection"}, nil)

var outdatedDescs = []*prometheus.Desc{
	prometheus.NewDesc("rowhouse_outdated_tenants", "Tenants with rows that an older build has made, and that this node is making again.", nil, nil),
	prometheus.NewDesc("rowhouse_outdated_renewed_total", "Tenants whose rows this node has made again because an older build had made them.", nil, nil),
	prometheus.NewDesc("rowhouse_outdated_failed_total", "Tenants with which that has failed; it is tried again.", nil, nil),
	prometheus.NewDesc("rowhouse_outdated_events_total", "Events that this node has projected for that.", nil, nil),
	prometheus.NewDesc("rowhouse_outdated_position", "How far it is in the log of the tenant that is under way.", nil, nil),
	prometheus.NewDesc("rowhouse_outdated_head", "How far that log goes.", nil, nil),
}

func (u *upkeep) collect(ch chan<- prometheus.Metric) {
	values := []int64{u.waiting.Load(), u.done.Load(), u.failed.Load(), u.events.Load(), u.current.Load(), u.currentPosition.Load()}
	for i, desc := range outdatedDescs {
		kind := prometheus.GaugeValue
		if i >= 1 && i <= 3 {
			kind = prometheus.CounterValue
		}
		ch <- prometheus.MustNewConstMetric(desc, kind, float64(values[i]))
	}
}

// Describe implements [prometheus.Collector].
func (m *Models) Describe(ch chan<- *prometheus.Desc) {
	m.follower.Describe(ch)
	ch <- parkedDesc
	for _, desc := range outdatedDescs {
		ch <- desc
	}
}

// Collect implements [prometheus.Collector]. What the database does not tell
// soon is left out.
func (m *Models) Collect(ch chan<- prometheus.Metric) {
	m.follower.Collect(ch)
	m.upkeep.collect(ch)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) //nolint:forbidigo // collectors are given none
	defer cancel()
	counts, err := m.countParked(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(parkedDesc, err)
		return
	}
	for _, p := range m.models {
		ch <- prometheus.MustNewConstMetric(parkedDesc, prometheus.GaugeValue, float64(counts[p.Name()]), p.Name())
	}
}

// countParked counts the parked streams of all tenants, by projection.
func (m *Models) countParked(ctx context.Context) (map[string]int, error) {
	counts := make(map[string]int)
	err := m.cfg.Wall.Sealed(ctx, wall.Dispatcher, nil, func(tx wall.Tx, _ []string) error {
		rows, err := tx.Query(ctx, `select projection, count(*) from es.parked group by projection`)
		if err != nil {
			return err
		}
		return each(func(rows pgx.Rows) error {
			var name string
			var n int
			err := rows.Scan(&name, &n)
			counts[name] = n
			return err
		})(rows)
	})
	return counts, err
}
