package projections

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/projections/query"
)

func (f *fixture) list(t *testing.T, tenant domain.TenantID, params string) (Page, []string) {
	t.Helper()
	values, err := url.ParseQuery(params)
	if err != nil {
		t.Fatal(err)
	}
	q, err := query.Parse(values, widgets.Columns())
	if err != nil {
		t.Fatalf("%s: %v", params, err)
	}
	page, err := f.List(t.Context(), sees(tenant), widgets, q)
	if err != nil {
		t.Fatalf("%s: %v", params, err)
	}
	var names []string
	for _, doc := range page.Documents {
		var row widgetRow
		if err := json.Unmarshal(doc, &row); err != nil {
			t.Fatal(err)
		}
		names = append(names, row.Name)
	}
	return page, names
}

func TestList(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tenant := f.newTenant()
	for i, name := range []string{"Cara", "alan", "Bob", "dora"} {
		s := newWidget(tenant)
		e := widgetCreated{Name: name}
		if i > 0 {
			e.Price = domain.Money{Amount: fmt.Sprintf("%d.50", i*10), Currency: "EUR"}
		}
		f.log.record(s, e, widgetTagged{Tags: []string{name[:1], "all"}})
		if name == "dora" {
			f.log.record(s, widgetDeleted{})
		}
	}
	f.project(t, tenant, 100)
	for params, want := range map[string][]string{
		"":                             {"Cara", "alan", "Bob"},
		"sort=name":                    {"Bob", "Cara", "alan"}, // in the order of the collation
		"sort=-price.amount":           {"Bob", "alan", "Cara"},
		"filter=price.amount>=15":      {"Bob"},
		"filter=tags has a":            {"alan"},
		"q=b":                          {"Bob"},
		"deleted=only":                 {"dora"},
		"deleted=include&sort=-name":   {"dora", "alan", "Cara", "Bob"},
		"price.currency=EUR&limit=1":   {"alan"},
		"filter=created_at<2001-01-01": nil,
	} {
		page, names := f.list(t, tenant, params)
		if diff := cmp.Diff(want, names); diff != "" || page.Position != 9 || page.Count != nil {
			t.Errorf("%s (-want +got):\n%s%+v", params, diff, page)
		}
	}
	page, first := f.list(t, tenant, "sort=-price.amount&limit=2&count=exact")
	rest, last := f.list(t, tenant, "sort=-price.amount&limit=2&cursor="+page.Next)
	if diff := cmp.Diff([]string{"Bob", "alan", "Cara"}, append(first, last...)); diff != "" || page.Next == "" || rest.Next != "" {
		t.Errorf("two pages (-want +got):\n%s", diff)
	}
	if *page.Count != 3 || page.Estimated {
		t.Errorf("count = %d", *page.Count)
	}
	if page, names := f.list(t, f.newTenant(), "deleted=include&count=estimate"); len(names) > 0 || page.Position != 0 || *page.Count != 0 {
		t.Errorf("another tenant sees %v, %+v", names, page)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tenant := f.newTenant()
	a, b := newWidget(tenant), newWidget(tenant)
	f.log.record(a, widgetCreated{Name: "a"})
	f.log.record(b, widgetCreated{Name: "b"}, widgetDeleted{})
	f.project(t, tenant, 10)
	found, at, err := f.Find(t.Context(), sees(tenant), widgets, a.ID, b.ID, uuid.New())
	if err != nil || at != 3 || len(found) != 2 || found[a.ID].Deleted || !found[b.ID].Deleted {
		t.Errorf("found %+v at %d, %v", found, at, err)
	}
}

// Whoever waits for a position sees it as soon as it is there, also if another
// node projects it, and is told if that takes too long.
func TestWait(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tenant := f.newTenant()
	s := newWidget(tenant)
	f.log.record(s, widgetCreated{Name: "a"})
	for _, projector := range []*Models{f.Models, f.another(t)} {
		head := f.log.record(s, widgetRenamed{Name: "b"})
		done := make(chan error)
		go func() { done <- f.Wait(t.Context(), tenant, head) }()
		select {
		case err := <-done:
			t.Fatalf("did not wait: %v", err)
		case <-time.After(30 * time.Millisecond):
		}
		if err := catchUp(t.Context(), projector, tenant, 10); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if err := f.Wait(t.Context(), tenant, head); err != nil {
			t.Fatal(err)
		}
	}
	begun := time.Now()
	err := f.Wait(t.Context(), tenant, 1000)
	refusal, ok := errors.AsType[*domain.Error](err)
	if took := time.Since(begun); !ok || refusal.Reason != domain.Unavailable || refusal.Code != "projection_behind" || took < maxWait || took > 2*maxWait {
		t.Errorf("after %s: %v", took, err)
	}
	if len(f.watch.waiting) != 0 {
		t.Error("somebody still waits")
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	w, tenant, other := newWatch(), domain.TenantID{UUID: uuid.New()}, domain.TenantID{UUID: uuid.New()}
	isOpen := func(ch <-chan struct{}) bool {
		select {
		case <-ch:
			return true
		default:
			return false
		}
	}
	three, stop3 := w.wait(tenant, 3)
	five, stop5 := w.wait(tenant, 5)
	defer stop3()
	w.reach(other, 10)
	w.reach(tenant, 2)
	if isOpen(three) {
		t.Error("woken too early")
	}
	w.reach(tenant, 4)
	if !isOpen(three) || isOpen(five) {
		t.Error("woke the wrong one")
	}
	stop5()
	if len(w.waiting) != 0 {
		t.Error("something is kept")
	}
}
