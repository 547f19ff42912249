package query_test

import (
	"maps"
	"net/url"
	"testing"

	"github.com/rowhouse/rowhouse/projections/query"
)

var benchParams = url.Values{
	"filter": {`price.amount>=1000 and (stage in (won,lost) or name="emea")`},
	"sort":   {"-updated_at,name"},
	"limit":  {"100"},
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := query.Parse(benchParams, things); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCompile is all that a list costs beside the database: from the
// parameters with a cursor to the statement, and to the next cursor.
func BenchmarkCompile(b *testing.B) {
	params := url.Values{"cursor": {cursor(b, benchParams.Encode(), instant(someTimes[0]), "x", id)}}
	maps.Copy(params, benchParams)
	b.ReportAllocs()
	for b.Loop() {
		q, err := query.Parse(params, things)
		if err != nil {
			b.Fatal(err)
		}
		page, err := q.Page(signer, tenant)
		if err != nil {
			b.Fatal(err)
		}
		args := query.Args{tenant, 1}
		_ = page.Select(&args, "id", "things where true", 51)
		if _, err := page.Cursor(place(page, instant(someTimes[0]), "x", id)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFilterSQL(b *testing.B) {
	f, err := things.Text(benchParams.Get("filter"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		args := make(query.Args, 0, 8)
		f.SQL(&args)
	}
}
