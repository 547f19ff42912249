package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/api/apitest"
	"github.com/rowhouse/rowhouse/viewer"
)

const funnelPipeline = `{"name":"%s","stages":[{"key":"lead","name":"Lead","kind":"open"},{"key":"talk","name":"Talk","kind":"open"},{"key":"offer","name":"Offer","kind":"open"},
	{"key":"won","name":"Won","kind":"won"},{"key":"lost","name":"Lost","kind":"lost"}]}`

// staysOf returns the stages that a deal was in, page by page.
func staysOf(t *testing.T, c apitest.Client, path string) string {
	t.Helper()
	var all []string
	for cursor := ""; ; {
		var page struct {
			Data []struct {
				Stage    string `json:"stage_key"`
				Pipeline string `json:"pipeline_id"`
				Entered  string `json:"entered_at"`
				Left     *string
				LeftAt   *string `json:"left_at"`
				Seconds  int
				From, To *struct {
					Stage string `json:"stage_key"`
				}
			}
			Next string `json:"next_cursor"`
		}
		c.Get(path + "/stages?limit=2" + cursor).Want(http.StatusOK).Into(&page)
		for _, s := range page.Data {
			line := s.Stage
			if s.From != nil {
				line = s.From.Stage + ">" + line
			}
			if s.To != nil {
				line += ">" + s.To.Stage
			}
			if (s.LeftAt == nil) != (s.To == nil) || s.Seconds < 0 {
				t.Errorf("%+v", s)
			}
			all = append(all, line)
		}
		if page.Next == "" {
			return strings.Join(all, " ")
		}
		cursor = "&cursor=" + page.Next
	}
}

// funnelOf returns the lines of a funnel: of each stage how often it was entered, and how
// that went on.
func funnelOf(c apitest.Client, path, parameters string) string {
	var report struct {
		Data []struct {
			Stage                                        string `json:"stage_key"`
			Entered, Forward, Back, Won, Lost, Elsewhere int
			Still                                        int `json:"still_there"`
			Conversion                                   *int
			Median                                       *int64 `json:"median_seconds"`
			Amounts                                      []struct{ Amount, Currency string }
		}
	}
	c.Get(path + "/funnel" + parameters).Want(http.StatusOK).Into(&report)
	var lines []string
	for _, s := range report.Data {
		line := fmt.Sprintf("%s %d: %d %d %d %d %d %d", s.Stage, s.Entered, s.Forward, s.Back, s.Won, s.Lost, s.Elsewhere, s.Still)
		for _, a := range s.Amounts {
			line = fmt.Sprintf("%s %s%s", line, a.Amount, a.Currency)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// A deal tells when it entered and left each stage, whatever moved it, and a funnel counts
// that, of the deals that somebody sees.
func TestStages(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann, eve := s.Tenant(), s.Tenant()
	pip := ann.Post("/pipelines", fmt.Sprintf(funnelPipeline, "Sales")).Want(http.StatusCreated)
	second := ann.Post("/pipelines", fmt.Sprintf(funnelPipeline, "Second")).Want(http.StatusCreated)
	open := func(more string) string {
		return ann.Post("/deals", `{"name":"Roof","pipeline_id":"`+pip.ID()+`"`+more+`}`).Want(http.StatusCreated).Path()
	}
	move := func(path, stage string) {
		ann.Post(path+"/move_stage", `{"stage_key":"`+stage+`","reason":"price"}`).Want(http.StatusOK)
	}
	won := open(`,"amount":{"amount":"10.00","currency":"EUR"},"tags":["open"]`)
	move(won, "talk")
	move(won, "lead")
	move(won, "offer")
	ann.Post(won+"/win", "").Want(http.StatusOK)
	lost := open(`,"amount":{"amount":"5.50","currency":"EUR"}`)
	move(lost, "talk")
	ann.Post(lost+"/lose", `{"reason":"price"}`).Want(http.StatusOK)
	ann.Post(lost+"/reopen", "").Want(http.StatusOK)
	gone := open("")
	ann.Post(gone+"/change_pipeline", `{"pipeline_id":"`+second.ID()+`","stage_key":"talk"}`).Want(http.StatusOK)
	binned := open("")
	ann.Delete(binned).Want(http.StatusOK)

	for path, want := range map[string]string{
		won:    "lead>talk lead>talk>lead talk>lead>offer lead>offer>won offer>won",
		lost:   "lead>talk lead>talk>lost talk>lost>talk lost>talk",
		gone:   "lead>talk lead>talk",
		binned: "lead",
	} {
		if got := staysOf(t, ann, path); got != want {
			t.Errorf("%s was in %s, want %s", path, got, want)
		}
		eve.Get(strings.TrimPrefix(path, "/v1/tenants/"+ann.Tenant.String())+"/stages").WantProblem(http.StatusNotFound, "not_found")
	}
	wantFunnel := func(c apitest.Client, path, parameters, want string) {
		t.Helper()
		if got := funnelOf(c, path, parameters); got != want {
			t.Errorf("%s%s:\n%s\nwant\n%s", path, parameters, got, want)
		}
	}
	const all = "lead 4: 3 0 0 0 1 0 25.50EUR\ntalk 3: 0 1 0 1 0 1 21.00EUR\noffer 1: 0 0 1 0 0 0 10.00EUR\nwon 1: 0 0 0 0 0 1 10.00EUR\nlost 1: 0 1 0 0 0 0 5.50EUR"
	wantFunnel(ann, pip.Path(), "", all)
	wantFunnel(ann, pip.Path(), "?from=2020-01-01", all)
	wantFunnel(ann, pip.Path(), "?to=2020-01-01", "lead 0: 0 0 0 0 0 0\ntalk 0: 0 0 0 0 0 0\noffer 0: 0 0 0 0 0 0\nwon 0: 0 0 0 0 0 0\nlost 0: 0 0 0 0 0 0")
	wantFunnel(ann, second.Path(), "", "lead 0: 0 0 0 0 0 0\ntalk 1: 0 0 0 0 0 1\noffer 0: 0 0 0 0 0 0\nwon 0: 0 0 0 0 0 0\nlost 0: 0 0 0 0 0 0")
	ann.Get(pip.Path()+"/funnel?from=2026-02-02&to=2026-02-01").WantProblem(http.StatusUnprocessableEntity, "bad_value")
	eve.Get("/pipelines/"+pip.ID()+"/funnel").WantProblem(http.StatusNotFound, "not_found")

	// A stage that is archived goes on as the one that took its place.
	ann.Post(pip.Path()+"/archive_stage", `{"key":"talk","move_to":"offer"}`).Want(http.StatusOK)
	if got := staysOf(t, ann, lost); got != "lead>talk lead>talk>lost talk>lost>talk lost>offer" {
		t.Errorf("after its stage was archived: %s", got)
	}
	wantFunnel(ann, pip.Path(), "", "lead 4: 3 0 0 0 1 0 25.50EUR\noffer 4: 0 1 1 1 0 1 31.00EUR\nwon 1: 0 0 0 0 0 1 10.00EUR\nlost 1: 0 1 0 0 0 0 5.50EUR")

	// Only deals that are seen count, and only what is seen of them is told.
	role := everyRight()
	role["deal"].Actions["read"] = "tags has open"
	role["deal"].Members["amount"] = viewer.Hidden
	s.Let(access.Member, role)
	bob := ann.Key(access.Member)
	wantFunnel(bob, pip.Path(), "", "lead 2: 2 0 0 0 0 0\noffer 2: 0 1 1 0 0 0\nwon 1: 0 0 0 0 0 1\nlost 0: 0 0 0 0 0 0")
	bob.Get(lost+"/stages").WantProblem(http.StatusNotFound, "not_found")
	role = everyRight()
	role["deal"].Members["stage_key"] = viewer.Masked
	s.Let(access.Member, role)
	bob = ann.Key(access.Member)
	bob.Get(won+"/stages").WantProblem(http.StatusForbidden, "field_forbidden")
	bob.Get(pip.Path()+"/funnel").WantProblem(http.StatusForbidden, "field_forbidden")
}
