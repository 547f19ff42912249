package api

import (
	"maps"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/api/ijson"
)

// What it may take to refuse a batch: so many pieces of memory and bytes, whatever
// is in it. What a tree of as many values takes as there may be is most of that.
const (
	batchAllocs = 620_000
	batchBytes  = 90 << 20
	batchAnswer = 512 << 10
)

func batchOf(n int, op string) string {
	return `{"operations":[` + strings.TrimSuffix(strings.Repeat(op+",", n), ",") + `]}`
}

func listOf(n int, item string) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }

// dearBatches are the batches that cost most to refuse, of up to 8 MB: with as many
// values as there may be, with much that has to be read before the mistake is
// found, and with texts that are dear to compose.
func dearBatches() map[string]string {
	create := func(data string) string { return `{"op":"create","data":` + data + `}` }
	unknown := repeated(4350, `{`, `"a%d":1`, ",", `}`)
	address := func(local int) string {
		return `{"address":"` + strings.Repeat("a", local) + "@" + strings.Repeat("b", 60) + "." + strings.Repeat("c", 60) + "." + strings.Repeat("d", 45) + `.example"}`
	}
	return map[string]string{
		"unknown members":            batchOf(500, create(unknown)),
		"unknown members of upserts": batchOf(500, `{"op":"upsert","match_on":["emails"],"data":`+unknown+`}`),
		"unknown members of updates": batchOf(500, `{"op":"update","id":"con_01jh2xk3v8e4t9p5w7y0z2b4d6","data":`+unknown+`}`),
		"too many values":            batchOf(1000, create(unknown)),
		"addresses":                  batchOf(1000, create(`{"emails":[`+listOf(20, address(60))+`],"x":1}`)),
		"wrong addresses":            batchOf(1000, create(`{"emails":[`+listOf(20, address(70))+`],"x":1}`)),
		"one long text":              batchOf(1, create(`{"last_name":"`+strings.Repeat("a", 8_388_000)+`"}`)),
		"long texts":                 batchOf(1000, create(`{"last_name":"`+strings.Repeat("a", 8200)+`"}`)),
		"long texts of marks":        batchOf(1000, create(`{"last_name":"`+strings.Repeat("\u0301", 4100)+`"}`)),
		"long texts of blanks":       batchOf(1000, create(`{"last_name":"a`+strings.Repeat("\u00a0", 4100)+`b"}`)),
		"escapes":                    batchOf(1000, create(`{"last_name":"`+strings.Repeat(`\ud83d\ude00`, 690)+`"}`)),
		"numbers to rewrite":         batchOf(1000, create(`{"x":[`+listOf(255, "1e5")+`]}`)),
		"members of members":         batchOf(1000, create(repeated(8300, `{"x":{`, `"abcdefabcdefabcdefabcdefabcd%d":1e5`, ",", `}}`))),
		"objects":                    batchOf(1000, create(`{"emails":[`+listOf(80, `{"address":{"a":[]}}`)+`]}`)),
		"a mistake at the end":       batchOf(1000, create(`{"last_name":"a","tags":[`+listOf(50, `"`+strings.Repeat("é", 50)+`"`)+`],"zz":1}`)),
	}
}

// TestCostOfDearBatches refuses each of them. An atomic one is read by the same code, and
// one with more than 100 operations is refused before they are looked at.
func TestCostOfDearBatches(t *testing.T) { //nolint:paralleltest // it counts what the process allocates
	c := newCosts(t)
	op := c.ops[slices.IndexFunc(c.ops, func(op *operation) bool { return op.OperationID == "contacts.batch" })]
	dear := dearBatches()
	dear["one long text, atomic"] = strings.Replace(dear["one long text"], "{", `{"atomic":true,`, 1)
	dear["long texts of marks, atomic"] = strings.Replace(batchOf(maxAtomic, `{"op":"create","data":{"last_name":"`+strings.Repeat("\u0301", 41_000)+`"}}`), "{", `{"atomic":true,`, 1)
	for _, name := range slices.Sorted(maps.Keys(dear)) {
		body := dear[name]
		if len(body) > maxBatchBody {
			t.Errorf("%s: %d bytes", name, len(body))
		}
		x := c.exchange(op, body)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := op.serve(x)
		x.endTurn() // as the edge does
		runtime.ReadMemStats(&after)
		answer := x.ResponseWriter.(*httptest.ResponseRecorder).Body.Len()
		if err == nil && x.status != 207 {
			t.Errorf("%s: was answered with %d", name, x.status)
		}
		allocs, bytes := after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
		if allocs > batchAllocs || bytes > batchBytes || answer > batchAnswer {
			t.Errorf("%s: %d bytes took %d pieces of %d bytes, and %d of an answer", name, len(body), allocs, bytes, answer)
		}
	}
}

// BenchmarkRefuse measures the processor time that it takes to refuse them, and how
// much of that is for parsing them.
func BenchmarkRefuse(b *testing.B) {
	c := newCosts(b)
	op := c.ops[slices.IndexFunc(c.ops, func(op *operation) bool { return op.OperationID == "contacts.batch" })]
	for name, body := range dearBatches() {
		measured := func(what string, f func()) {
			b.Run(name+what, func(b *testing.B) {
				b.ReportAllocs()
				before := processorTime()
				for b.Loop() {
					f()
				}
				b.ReportMetric(float64((processorTime()-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
			})
		}
		measured("", func() { _ = serveWithoutStore(op, c.exchange(op, body)) })
		measured("/parsed", func() { _, _, _ = ijson.ParsePlain([]byte(body), op.maxValues()) })
	}
}

// processorTime returns how long this process has kept processors busy.
func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
