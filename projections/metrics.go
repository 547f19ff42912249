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

// Describe implements [prometheus.Collector].
func (m *Models) Describe(ch chan<- *prometheus.Desc) {
	m.follower.Describe(ch)
	ch <- parkedDesc
}

// Collect implements [prometheus.Collector]. What the database does not tell
// soon is left out.
func (m *Models) Collect(ch chan<- prometheus.Metric) {
	m.follower.Collect(ch)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) //nolint:forbidigo // collectors are given none
	defer cancel()
	counts, err := m.countParked(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(parkedDesc, err)
		return
	}
	for _, p := range m.cfg.All {
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
