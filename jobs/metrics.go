package jobs

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/wall"
)

// What is told of jobs. Nothing tells tenants apart.
var (
	doneDesc     = prometheus.NewDesc("rowhouse_jobs_done_total", "Jobs that this node has done.", nil, nil)
	failedDesc   = prometheus.NewDesc("rowhouse_jobs_failed_total", "Attempts of this node to do a job that failed.", nil, nil)
	newlyDesc    = prometheus.NewDesc("rowhouse_jobs_parked_total", "Jobs that this node has parked.", nil, nil)
	parkedDesc   = prometheus.NewDesc("rowhouse_jobs_parked", "Jobs of all tenants that failed for good and wait for an operator, by name.", []string{"job"}, nil)
	tenantsDesc  = prometheus.NewDesc("rowhouse_jobs_tenants_due", "Tenants with jobs that are due.", nil, nil)
	latenessDesc = prometheus.NewDesc("rowhouse_jobs_late_seconds", "For how long the job has been due that has been due for longest.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (*Queue) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{doneDesc, failedDesc, newlyDesc, parkedDesc, tenantsDesc, latenessDesc} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector]. What the database does not tell soon
// is left out.
func (q *Queue) Collect(ch chan<- prometheus.Metric) {
	w := q.cfg.Workers
	ch <- prometheus.MustNewConstMetric(doneDesc, prometheus.CounterValue, float64(w.done.Load()))
	ch <- prometheus.MustNewConstMetric(failedDesc, prometheus.CounterValue, float64(w.failed.Load()))
	ch <- prometheus.MustNewConstMetric(newlyDesc, prometheus.CounterValue, float64(w.parked.Load()))
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) //nolint:forbidigo // collectors are given none
	defer cancel()
	var tenants int64
	var late float64
	parked := make(map[string]int64)
	err := q.cfg.Wall.Sealed(ctx, wall.Dispatcher, nil, func(tx wall.Tx, _ []string) error {
		err := tx.QueryRow(ctx, `select count(*), coalesce(extract(epoch from $1 - min(next_at)), 0) from jobs.head where next_at <= $1`, q.cfg.Now()).
			Scan(&tenants, &late)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `select name, count(*) from jobs.job where parked_at is not null group by name`)
		if err != nil {
			return err
		}
		var name string
		var n int64
		_, err = pgx.ForEachRow(rows, []any{&name, &n}, func() error {
			parked[name] = n
			return nil
		})
		return err
	})
	if err != nil {
		return
	}
	ch <- prometheus.MustNewConstMetric(tenantsDesc, prometheus.GaugeValue, float64(tenants))
	ch <- prometheus.MustNewConstMetric(latenessDesc, prometheus.GaugeValue, late)
	for name, n := range parked {
		ch <- prometheus.MustNewConstMetric(parkedDesc, prometheus.GaugeValue, float64(n), name)
	}
}
