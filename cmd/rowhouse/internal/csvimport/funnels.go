package csvimport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
)

// funnel is a pipeline as an import needs it.
type funnel struct {
	ID     string  `json:"id"`
	Name   string  `json:"name"`
	Stages []stage `json:"stages"`
	Status string  `json:"status,omitempty"`
}

type stage struct {
	Key         string    `json:"key"`
	Name        string    `json:"name"`
	Kind        stageKind `json:"kind"`
	Probability int       `json:"probability"`
}

// stageKind says what it means to be in a stage.
type stageKind string

const (
	open stageKind = "open"
	won  stageKind = "won"
	lost stageKind = "lost"
)

// firstOpen and lastOpen are where deals come in, and where they are before
// they are won.
func (f *funnel) firstOpen() string {
	for _, s := range f.Stages {
		if s.Kind == open {
			return s.Key
		}
	}
	return ""
}

func (f *funnel) lastOpen() string {
	for _, s := range slices.Backward(f.Stages) {
		if s.Kind == open {
			return s.Key
		}
	}
	return ""
}

// stage finds a stage by its name or key. HubSpot adds the name of the pipeline.
func (f *funnel) stage(name string) (stage, bool) {
	i := slices.IndexFunc(f.Stages, func(s stage) bool {
		return squeeze(s.Name) == squeeze(name) || squeeze(s.Key) == squeeze(name)
	})
	if i < 0 {
		if before, _, ok := cutLastParenthesis(name); ok {
			return f.stage(before)
		}
		return stage{}, false
	}
	return f.Stages[i], true
}

func cutLastParenthesis(s string) (before, inner string, ok bool) {
	i := strings.LastIndexByte(s, '(')
	if i < 1 || !strings.HasSuffix(s, ")") {
		return s, "", false
	}
	return strings.TrimSpace(s[:i]), s[i+1 : len(s)-1], true
}

// funnels are the pipelines that the deals of a file are in.
type funnels struct {
	byName map[string]*funnel // in lower case; "" is the one of deals that name none
}

// wanted is what a file says about pipelines: their stages in the order in which
// they first come up, by the name of the pipeline.
type wanted struct {
	pipelines []string
	stages    map[string][]string
}

func (w *wanted) add(pipeline, stage string) {
	if w.stages == nil {
		w.stages = map[string][]string{}
	}
	have, ok := w.stages[pipeline]
	if !ok {
		w.pipelines = append(w.pipelines, pipeline)
		w.stages[pipeline] = []string{}
	}
	if before, inner, ok := cutLastParenthesis(stage); ok && strings.EqualFold(inner, pipeline) {
		stage = before
	}
	if stage != "" && len(have) < maxStages && !slices.ContainsFunc(have, func(s string) bool { return squeeze(s) == squeeze(stage) }) {
		w.stages[pipeline] = append(have, stage)
	}
}

// maxStages is how many stages a pipeline is made with at most. More of them
// are no stages, but a column that was taken for something that it is not.
const maxStages = 50

// defaultPipeline is the name of the pipeline that is made if there is none.
const defaultPipeline = "Sales Pipeline"

// readFunnels finds the pipelines of the tenant that the file means, and makes
// those that are not there.
func readFunnels(ctx context.Context, t client.Tenant, w *wanted, otherwise, source string) (*funnels, error) {
	all, err := listFunnels(ctx, t)
	if err != nil {
		return nil, err
	}
	fs := &funnels{byName: map[string]*funnel{}}
	for _, name := range w.pipelines {
		called := name
		if called == "" {
			called = otherwise
		}
		if called == "" {
			if called, err = choose(all, w.stages[name], source); err != nil {
				return nil, err
			}
		}
		f := find(all, called)
		if f == nil {
			if f, err = makeFunnel(ctx, t, called, w.stages[name]); err != nil {
				return nil, fmt.Errorf("the pipeline %q cannot be made: %w", called, err)
			}
			all = append(all, f)
		}
		if f.firstOpen() == "" {
			return nil, fmt.Errorf("the pipeline %q has no open stage", called)
		}
		fs.byName[nameKey(name)] = f
	}
	return fs, nil
}

func listFunnels(ctx context.Context, t client.Tenant) ([]*funnel, error) {
	var all []*funnel
	for doc, err := range t.List(ctx, "pipelines", nil) {
		if err != nil {
			return nil, err
		}
		f := &funnel{}
		if err := json.Unmarshal(doc, f); err != nil {
			return nil, err
		}
		if f.Status != "archived" {
			all = append(all, f)
		}
	}
	return all, nil
}

func find(all []*funnel, name string) *funnel {
	i := slices.IndexFunc(all, func(f *funnel) bool { return nameKey(f.Name) == nameKey(name) })
	if i < 0 {
		return nil
	}
	return all[i]
}

// choose returns the name of the pipeline that deals are in which name none: the
// one that has the most of their stages, as long as it has more than half of
// them, and otherwise a new one.
func choose(all []*funnel, stages []string, source string) (string, error) {
	var best []*funnel
	most := 0
	for _, f := range all {
		n := 0
		for _, s := range stages {
			if _, ok := f.stage(s); ok {
				n++
			}
		}
		if n > most {
			best, most = nil, n
		}
		if n == most {
			best = append(best, f)
		}
	}
	switch {
	case len(best) > 0 && most*2 <= len(stages) && len(stages) > 0, len(all) == 0:
		name := defaultPipeline
		if find(all, name) != nil {
			name = fmt.Sprintf("%s (%s)", defaultPipeline, source)
		}
		return name, nil
	case len(best) == 1:
		return best[0].Name, nil
	}
	return "", errors.New("the file does not say which pipeline its deals are in, and there are several that it could be: use --pipeline NAME")
}

// makeFunnel makes a pipeline with the given stages. The ID follows from the
// name, so that two imports at the same time make one pipeline.
func makeFunnel(ctx context.Context, t client.Tenant, name string, stages []string) (*funnel, error) {
	f := &funnel{ID: newID("pip", "by name", t.ID, nameKey(name)), Name: name, Stages: arrange(stages)}
	key := newID("key", "pipeline", f.ID, strings.Join(stages, "\x00"))
	err := t.Create(ctx, "pipelines", key, f)
	return f, err
}

// usual are the stages that HubSpot and Salesforce come with, and their
// probabilities.
var usual = map[string]int{
	"appointmentscheduled": 20, "qualifiedtobuy": 40, "presentationscheduled": 60, "decisionmakerboughtin": 80, "contractsent": 90,
	"prospecting": 10, "qualification": 10, "needsanalysis": 20, "valueproposition": 50, "iddecisionmakers": 60, "perceptionanalysis": 70,
	"proposalpricequote": 75, "negotiationreview": 90,
	"new": 10, "lead": 10, "qualified": 20, "discovery": 20, "contacted": 20, "demo": 50, "meeting": 40, "proposal": 60, "quote": 60, "negotiation": 80, "contract": 90,
}

// arrange makes stages out of their names: open ones from the least to the most
// likely, then won, then lost.
func arrange(names []string) []stage {
	var opened, closed []stage
	keys := map[string]bool{}
	for i, name := range names {
		s := stage{Key: stageKey(name, keys), Name: name, Kind: kindOf(name)}
		switch s.Kind {
		case won:
			s.Probability = 100
			closed = append([]stage{s}, closed...)
		case lost:
			closed = append(closed, s)
		default:
			var ok bool
			if s.Probability, ok = usual[squeeze(name)]; !ok {
				s.Probability = 10 + 80*i/len(names)
			}
			opened = append(opened, s)
		}
	}
	slices.SortStableFunc(opened, func(a, b stage) int { return a.Probability - b.Probability })
	for _, must := range []stage{{Name: "Closed Won", Kind: won, Probability: 100}, {Name: "Closed Lost", Kind: lost}} {
		if !slices.ContainsFunc(closed, func(s stage) bool { return s.Kind == must.Kind }) {
			must.Key = stageKey(must.Name, keys)
			closed = append(closed, must)
		}
	}
	if len(opened) == 0 {
		opened = []stage{{Key: stageKey("Open", keys), Name: "Open", Kind: open, Probability: 10}}
	}
	return append(opened, closed...)
}

func kindOf(name string) stageKind {
	s := squeeze(name)
	for _, w := range []string{"lost", "verloren", "perdu", "perdid", "perso"} {
		if strings.Contains(s, w) {
			return lost
		}
	}
	for _, w := range []string{"won", "gewonnen", "gagné", "ganad", "vinto"} {
		if strings.HasSuffix(s, w) {
			return won
		}
	}
	return open
}

// stageKey makes a key out of a name: closed_won.
func stageKey(name string, taken map[string]bool) string {
	const most = 40
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	key := strings.Trim(b.String()[:min(b.Len(), most)], "_")
	if key == "" || key[0] < 'a' {
		key = strings.TrimSuffix("stage_"+key, "_")
	}
	for base, n := key, 2; taken[key]; n++ {
		key = fmt.Sprintf("%s_%d", base, n)
	}
	taken[key] = true
	return key
}

// stage says in which stage of which pipeline a deal is.
func (d *draft) stage() (*funnel, stage) {
	if d.plan.funnels == nil { // they are not known yet
		return &funnel{}, stage{Kind: open}
	}
	f := d.plan.funnels.byName[nameKey(d.given("pipeline"))]
	if f == nil { // a row that was not there when the file was looked through
		c, _ := d.column("pipeline")
		d.refuse(c, "unknown_pipeline", "is not a pipeline of the tenant")
		return &funnel{}, stage{Kind: open}
	}
	d.data["pipeline_id"] = f.ID
	c, ok := d.column("stage")
	if !ok {
		d.data["stage_key"] = f.firstOpen()
		return f, stage{Kind: open}
	}
	d.from["/stage_key"] = c
	s, ok := f.stage(d.cell(c))
	if !ok {
		d.refuse(c, "unknown_stage", "is not a stage of the pipeline")
		return f, stage{Kind: open}
	}
	d.put("stage_key", s.Key, c)
	return f, s
}
