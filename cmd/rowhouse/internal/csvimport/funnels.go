package csvimport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
)

// funnel is a pipeline as an import needs it.
type funnel struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Stages   []stage           `json:"stages"`
	Status   string            `json:"status,omitempty"`
	Archived map[string]string `json:"archived_stages,omitempty"` // keys of stages, each with that of the stage that took its place

	isNew bool     // it has to be made
	wants []string // the names of the stages that it is made with
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

// stage finds a stage by what a file calls it: by its name, by its key, and then
// whatever its spelling. HubSpot adds the name of the pipeline. One that was
// archived is the one that took its place. Of several that it could be it is
// none.
func (f *funnel) stage(name string) (stage, bool) {
	for _, same := range []func(stage) bool{
		func(s stage) bool { return nameKey(s.Name) == nameKey(name) },
		func(s stage) bool { return s.Key == name },
		func(s stage) bool { return stageSpelling(s.Name) == stageSpelling(name) },
		func(s stage) bool { return squeeze(s.Key) == stageSpelling(name) },
	} {
		if found := slices.DeleteFunc(slices.Clone(f.Stages), func(s stage) bool { return !same(s) }); len(found) == 1 {
			return found[0], true
		} else if len(found) > 1 {
			return stage{}, false
		}
	}
	if before, inner, ok := cutLastParenthesis(name); ok && nameKey(inner) == nameKey(f.Name) {
		return f.stage(before)
	}
	for key := range f.Archived {
		if key == name || squeeze(key) == stageSpelling(name) {
			return f.successor(key)
		}
	}
	return stage{}, false
}

// successor returns the stage that took the place of an archived one.
func (f *funnel) successor(key string) (stage, bool) {
	for range len(f.Archived) + 1 {
		if i := slices.IndexFunc(f.Stages, func(s stage) bool { return s.Key == key }); i >= 0 {
			return f.Stages[i], true
		}
		key = f.Archived[key]
	}
	return stage{}, false
}

// stageSpelling makes one of the spellings of a stage: Closed-Won is
// closed_won. A mark that turns a name round counts.
func stageSpelling(name string) string {
	marks := strings.Map(func(r rune) rune {
		if strings.ContainsRune("?¿!%", r) {
			return r
		}
		return -1
	}, name)
	return squeeze(name) + marks
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
	all    []*funnel
	byName map[string]*funnel // by [nameKey]; "" is the one of deals that name none
}

// wanted is what a file says about pipelines: their stages in the order in which
// they first come up, by the name of the pipeline.
type wanted struct {
	pipelines []string            // as the file first spells them
	stages    map[string][]string // by nameKey of the pipeline
}

func (w *wanted) add(pipeline, stage string) {
	if w.stages == nil {
		w.stages = map[string][]string{}
	}
	key := nameKey(pipeline)
	have, ok := w.stages[key]
	if !ok {
		w.pipelines = append(w.pipelines, pipeline)
		w.stages[key] = []string{}
	}
	if before, inner, ok := cutLastParenthesis(stage); ok && nameKey(inner) == key {
		stage = before
	}
	if stage != "" && len(have) < maxStages && !slices.ContainsFunc(have, func(s string) bool { return stageSpelling(s) == stageSpelling(stage) }) {
		w.stages[key] = append(have, stage)
	}
}

// maxStages is how many stages a pipeline is made with at most. More of them
// are no stages, but a column that was taken for something that it is not.
const maxStages = 50

// defaultPipeline is the name of the pipeline that is made if there is none.
const defaultPipeline = "Sales Pipeline"

// findFunnels finds the pipelines of the tenant that the file means, and plans
// those that are not there. It makes none: see [funnels.make].
func findFunnels(all []*funnel, w *wanted, otherwise, source string, kinds func(string) stageKind) (*funnels, error) {
	fs := &funnels{byName: map[string]*funnel{}}
	for _, name := range w.pipelines {
		called := firstOf(name, otherwise)
		if called == "" {
			var err error
			if called, err = choose(all, w.stages[""], source); err != nil {
				return nil, err
			}
		}
		f := find(all, called)
		stages := w.stages[nameKey(name)]
		switch {
		case f == nil:
			f = &funnel{Name: called, isNew: true, wants: stages}
			all = append(slices.Clip(all), f)
		case f.isNew:
			f.wants = slices.Concat(f.wants, stages)
		}
		if f.isNew {
			f.Stages = arrange(f.wants, kinds)
		}
		if !slices.Contains(fs.all, f) {
			fs.all = append(fs.all, f)
		}
		if f.firstOpen() == "" {
			return nil, fmt.Errorf("the pipeline %q has no open stage", called)
		}
		fs.byName[nameKey(name)] = f
	}
	return fs, nil
}

// make makes the pipelines that are not there yet.
func (fs *funnels) make(ctx context.Context, t client.Tenant) error {
	for _, f := range fs.all {
		if !f.isNew {
			continue
		}
		if err := f.make(ctx, t); err != nil {
			return fmt.Errorf("the pipeline %q cannot be made: %w", f.Name, err)
		}
	}
	return nil
}

// listFunnels returns the pipelines that take deals.
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

// lives is how often something can be made anew under a name, after it was
// deleted or archived.
const lives = 1000

// idOfName returns the ID that the importer gives to what it makes under a name
// and an ID elsewhere, if there is one: the same one every time, so that two imports at the same time make one. Once
// that is gone, the next life has another ID.
func idOfName(prefix, tenant, name, elsewhere string, life int) string {
	words := []string{"by name", tenant, nameKey(name)}
	if elsewhere != "" {
		words = append(words, "and ID", elsewhere)
	}
	if life > 0 {
		words = append(words, strconv.Itoa(life))
	}
	return newID(prefix, words...)
}

// make makes the pipeline, or finds it if somebody else has made it meanwhile.
// It is as the server has it then.
func (f *funnel) make(ctx context.Context, t client.Tenant) error {
	for life := range lives {
		planned := *f
		planned.ID = idOfName("pip", t.ID, f.Name, "", life)
		stages := string(mustJSON(planned.Stages))
		err := t.Create(ctx, "pipelines", newID("key", "pipeline", planned.ID, stages), planned)
		p, refused := errors.AsType[*client.Problem](err)
		if err != nil && (!refused || p.Status != http.StatusConflict) {
			return err
		}
		// It may be there, have been archived since, or another one may have
		// its name.
		head, err := t.Head(ctx)
		if err != nil {
			return err
		}
		all, err := listFunnels(ctx, t.Since(head))
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(all, func(o *funnel) bool { return o.ID == planned.ID }); i >= 0 {
			*f = *all[i]
			return nil
		}
		if other := find(all, f.Name); other != nil {
			*f = *other
			return nil
		}
		if refused && p.ExistingID != "" && p.ExistingID != planned.ID {
			return p // another one has the name, and nobody can see it
		}
	}
	return errors.New("it was archived too often")
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
func arrange(names []string, kinds func(string) stageKind) []stage {
	var opened, closed []stage
	keys, seen := map[string]bool{}, map[string]bool{}
	for i, name := range names {
		if seen[stageSpelling(name)] {
			continue
		}
		seen[stageSpelling(name)] = true
		s := stage{Key: stageKey(name, keys), Name: name, Kind: kinds(name)}
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

// stageKinds returns what tells the kind of a new stage: the options, and then
// its name.
func (o *Options) stageKinds() func(name string) stageKind {
	said := map[string]stageKind{}
	for _, one := range o.saidStages() {
		said[stageSpelling(one.name)] = one.kind
	}
	return func(name string) stageKind {
		if kind, ok := said[stageSpelling(name)]; ok {
			return kind
		}
		return kindOf(name)
	}
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
		return f, stage{Key: f.firstOpen(), Kind: open}
	}
	d.from["/stage_key"] = c
	text := d.cell(c)
	if before, inner, ok := cutLastParenthesis(text); ok && nameKey(inner) == nameKey(d.given("pipeline")) {
		if _, whole := f.stage(text); !whole {
			text = before
		}
	}
	s, ok := f.stage(text)
	if !ok {
		d.refuse(c, "unknown_stage", "is not a stage of the pipeline, or could be several of its stages")
		return f, stage{Kind: open}
	}
	if f.Archived[text] != "" {
		d.change(c, "name a stage that was archived, and are in the one that took its place", text, s.Key)
	}
	d.put("stage_key", s.Key, c)
	return f, s
}
