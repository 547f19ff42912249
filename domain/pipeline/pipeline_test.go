package pipeline_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/domaintest"
	"github.com/rowhouse/rowhouse/domain/pipeline"
)

type events = []pipeline.Event

var (
	lead  = domain.Stage{Key: "lead", Name: "Lead", Kind: domain.StageOpen, Probability: 10}
	offer = domain.Stage{Key: "offer", Name: "Offer", Kind: domain.StageOpen, Probability: 60, RequiredFields: []string{"amount"}, AllowedFrom: []string{"lead"}, SLASeconds: 86400}
	won   = domain.Stage{Key: "won", Name: "Won", Kind: domain.StageWon, Probability: 100}
	lost  = domain.Stage{Key: "lost", Name: "Lost", Kind: domain.StageLost}
	talk  = domain.Stage{Key: "talk", Name: "Talk", Kind: domain.StageOpen, Probability: 30}
)

func stages(s ...domain.Stage) []domain.Stage { return s }

func TestPipeline(t *testing.T) {
	t.Parallel()
	sales := pipeline.Created{Name: "Sales", Stages: stages(lead, offer, won, lost)}
	in := func(more ...pipeline.Event) events { return append(events{sales}, more...) }
	likely := won
	likely.Probability = 7
	from := func(s domain.Stage, keys ...string) domain.Stage {
		s.AllowedFrom = keys
		return s
	}
	named := func(s domain.Stage, name string) domain.Stage {
		s.Name = name
		return s
	}
	talked := pipeline.StageAdded{Stage: talk, Before: "offer"}
	merged := pipeline.StageArchived{Key: "talk", MoveTo: "lead"}

	domaintest.Run(t, pipeline.Aggregate, []domaintest.Case[pipeline.Pipeline]{
		{Name: "a pipeline is created", When: pipeline.Create{Name: " Sales ", Stages: sales.Stages}, Then: in()},
		{Name: "once", Given: in(), When: pipeline.Create{Name: "Sales", Stages: sales.Stages}, Err: domain.Conflict, Code: "already_exists"},
		{Name: "it needs a name", When: pipeline.Create{Name: " ", Stages: sales.Stages}, Err: domain.Invalid, At: "/name"},
		{Name: "something to work on", When: pipeline.Create{Name: "x", Stages: stages(won, lost)}, Err: domain.Invalid, Code: "missing_open", At: "/stages"},
		{Name: "a way to win", When: pipeline.Create{Name: "x", Stages: stages(lead, lost)}, Err: domain.Invalid, Code: "missing_won", At: "/stages"},
		{Name: "and a way to lose", When: pipeline.Create{Name: "x", Stages: stages(lead, won)}, Err: domain.Invalid, Code: "missing_lost", At: "/stages"},
		{Name: "what is won is won", When: pipeline.Create{Name: "Sales", Stages: stages(lead, offer, likely, lost)}, Then: in()},
		{Name: "a key names one stage", When: pipeline.Create{Name: "x", Stages: stages(lead, won, lost, lead)}, Err: domain.Invalid, Code: "duplicate_key", At: "/stages/3/key"},
		{Name: "and is one", When: pipeline.Create{Name: "x", Stages: stages(domain.Stage{Key: "1 A", Name: "x", Kind: "open"}, won, lost)}, Err: domain.Invalid, Code: "invalid_key", At: "/stages/0/key"},
		{Name: "a stage is of a kind", When: pipeline.Create{Name: "x", Stages: stages(domain.Stage{Key: "a", Name: "x"}, won, lost)}, Err: domain.Invalid, At: "/stages/0/kind"},
		{Name: "it is entered from stages that there are", When: pipeline.Create{Name: "x", Stages: stages(from(lead, "won", "x"), won, lost)}, Err: domain.Invalid, Code: "unknown_stage", At: "/stages/0/allowed_from/1"},
		{Name: "it requires what deals can have", When: pipeline.Create{Name: "x", Stages: stages(domain.Stage{Key: "a", Name: "x", Kind: "open", RequiredFields: []string{"amont"}}, won, lost)}, Err: domain.Invalid, At: "/stages/0/required_fields/0"},

		{Name: "a pipeline is renamed", Given: in(), When: pipeline.Rename{Name: "Sales, Europe "}, Then: events{pipeline.Renamed{Name: "Sales, Europe"}}},
		{Name: "to what it is called is no change", Given: in(), When: pipeline.Rename{Name: " Sales"}},
		{Name: "nothing has no name", When: pipeline.Rename{Name: "x"}, Err: domain.NotFound},

		{Name: "a stage is added", Given: in(), When: pipeline.AddStage{Stage: talk, Before: "offer"}, Then: events{talked}},
		{Name: "with a key of its own", Given: in(), When: pipeline.AddStage{Stage: named(lead, "x")}, Err: domain.Invalid, Code: "duplicate_key", At: "/key"},
		{Name: "that never was another's", Given: in(talked, merged), When: pipeline.AddStage{Stage: talk}, Err: domain.Invalid, Code: "key_was_used", At: "/key"},
		{Name: "before a stage that there is", Given: in(), When: pipeline.AddStage{Stage: talk, Before: "x"}, Err: domain.Invalid, At: "/before"},
		{Name: "entered from stages that there are", Given: in(), When: pipeline.AddStage{Stage: from(talk, "x")}, Err: domain.Invalid, At: "/allowed_from/0"},

		{Name: "a stage is updated", Given: in(), When: pipeline.UpdateStage{Key: "lead", Name: new("Prospect")}, Then: events{pipeline.StageUpdated{Stage: named(lead, "Prospect")}}},
		{Name: "what does not change is no change", Given: in(), When: pipeline.UpdateStage{Key: "offer", Name: new("Offer"), Probability: new(60), RequiredFields: &offer.RequiredFields}},
		{Name: "what is won stays certain", Given: in(), When: pipeline.UpdateStage{Key: "won", Probability: new(50)}},
		{Name: "it has to be there", Given: in(), When: pipeline.UpdateStage{Key: "x"}, Err: domain.Invalid, At: "/key"},
		{Name: "so must those that it is entered from", Given: in(), When: pipeline.UpdateStage{Key: "lead", AllowedFrom: &[]string{"x"}}, Err: domain.Invalid, At: "/allowed_from/0"},
		{Name: "but those that were archived do no harm", Given: in(talked, pipeline.StageUpdated{Stage: from(lead, "talk")}, pipeline.StageArchived{Key: "talk", MoveTo: "offer"}), When: pipeline.UpdateStage{Key: "lead", Name: new("x")}, Then: events{pipeline.StageUpdated{Stage: named(from(lead, "talk"), "x")}}},

		{Name: "stages are reordered", Given: in(), When: pipeline.ReorderStages{Keys: []string{"offer", "lead", "won", "lost"}}, Then: events{pipeline.StagesReordered{Keys: []string{"offer", "lead", "won", "lost"}}}},
		{Name: "all of them", Given: in(), When: pipeline.ReorderStages{Keys: []string{"offer", "lead", "won"}}, Err: domain.Invalid, At: "/keys"},
		{Name: "each once", Given: in(), When: pipeline.ReorderStages{Keys: []string{"offer", "lead", "won", "won"}}, Err: domain.Invalid, At: "/keys"},
		{Name: "the same order is no change", Given: in(), When: pipeline.ReorderStages{Keys: []string{"lead", "offer", "won", "lost"}}},

		{Name: "a stage is archived", Given: in(talked), When: pipeline.ArchiveStage{Key: "talk", MoveTo: "lead"}, Then: events{merged}},
		{Name: "it has to be there to be archived", Given: in(), When: pipeline.ArchiveStage{Key: "talk", MoveTo: "lead"}, Err: domain.Invalid, At: "/key"},
		{Name: "so does the one that takes its place", Given: in(), When: pipeline.ArchiveStage{Key: "lead", MoveTo: "talk"}, Err: domain.Invalid, At: "/move_to"},
		{Name: "which is another one", Given: in(), When: pipeline.ArchiveStage{Key: "lead", MoveTo: "lead"}, Err: domain.Invalid, At: "/move_to"},
		{Name: "of the same kind", Given: in(), When: pipeline.ArchiveStage{Key: "lead", MoveTo: "won"}, Err: domain.Invalid, Code: "other_kind", At: "/move_to"},
		{Name: "so the last of a kind stays", Given: in(), When: pipeline.ArchiveStage{Key: "won", MoveTo: "lost"}, Err: domain.Invalid, Code: "other_kind", At: "/move_to"},

		{Name: "a pipeline is archived", Given: in(), When: pipeline.Archive{}, Then: events{pipeline.Archived{}}},
		{Name: "and then left alone", Given: in(pipeline.Archived{}), When: pipeline.Rename{Name: "x"}, Err: domain.Conflict, Code: "state_conflict"},
	})
}

func TestAPipelineHasAtMost50Stages(t *testing.T) {
	t.Parallel()
	p := domain.Fold(events{pipeline.Created{Name: "x", Stages: stages(lead, won, lost)}}...)
	for i := 3; i < 50; i++ {
		pipeline.StageAdded{Stage: domain.Stage{Key: fmt.Sprintf("s%d", i), Kind: domain.StageOpen}}.Apply(&p)
	}
	if _, err := (pipeline.AddStage{Stage: talk}).Decide(p, domain.Origin{}); err == nil {
		t.Error("there is no end to the stages")
	}
}

func TestStages(t *testing.T) {
	t.Parallel()
	p := domain.Fold(events{
		pipeline.Created{Name: "Sales", Stages: stages(lead, offer, won, lost)},
		pipeline.StageAdded{Stage: talk, Before: "offer"},
		pipeline.StagesReordered{Keys: []string{"talk", "lead", "offer", "lost", "won"}},
		pipeline.StageArchived{Key: "lead", MoveTo: "offer"},
		pipeline.StageArchived{Key: "offer", MoveTo: "talk"},
	}...)
	var found domain.Stages = &p
	for key, want := range map[string]string{"talk": "talk", "lead": "talk", "offer": "talk", "won": "won", "x": ""} {
		if s, ok := found.Stage(key); s.Key != want || ok != (want != "") {
			t.Errorf("stage %q is %q now, want %q", key, s.Key, want)
		}
	}
	if s := found.First(domain.StageOpen); s.Key != "talk" {
		t.Errorf("the first open stage is %q", s.Key)
	}
	if s := found.First(domain.StageLost); s.Key != "lost" {
		t.Errorf("the first lost stage is %q", s.Key)
	}
}

// What a stage says of where deals come from holds when stages are archived: no
// stage becomes one that nobody can enter.
func TestSources(t *testing.T) {
	t.Parallel()
	stage := func(key string, from ...string) domain.Stage {
		return domain.Stage{Key: key, Name: key, Kind: domain.StageOpen, AllowedFrom: from}
	}
	all := stages(stage("a"), stage("b", "a"), stage("c", "b"), stage("d", "b", "c"), stage("e", "f"), stage("f", "e"), stage("g", "a"), won, lost)
	archive := func(key, to string) pipeline.Event { return pipeline.StageArchived{Key: key, MoveTo: to} }
	for _, c := range []struct {
		name     string
		archived events
		stage    string
		want     string
	}{
		{"nothing", nil, "d", "[b c] false"},
		{"from any", nil, "a", "[] true"},
		{"another one takes its place", events{archive("b", "g")}, "c", "[g] false"},
		{"the stage itself takes its place", events{archive("b", "c")}, "c", "[a] false"},
		{"which others name, too", events{archive("b", "c")}, "d", "[c c] false"},
		{"one after another", events{archive("b", "c"), archive("c", "d")}, "d", "[a] false"},
		{"the first one could be entered from any", events{archive("a", "b")}, "b", "[] true"},
		{"in a circle", events{archive("f", "e")}, "e", "[e] false"},
		{"changed since, with the list as it was", events{archive("b", "c"), pipeline.StageUpdated{Stage: stage("c", "b", "g")}}, "c", "[a g] false"},
	} {
		p := domain.Fold(append(events{pipeline.Created{Name: "x", Stages: all}}, c.archived...)...)
		s, _ := p.Stage(c.stage)
		keys, every := p.Sources(s)
		if got := fmt.Sprint(keys, every); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	p := domain.Fold(events{pipeline.Created{Name: "x", Stages: all}, archive("b", "c")}...)
	for _, c := range []struct {
		name string
		key  string
		from []string
		want events
		ok   bool
	}{
		{"the list as it is shown is no change", "c", []string{"b"}, nil, true},
		{"an archived stage is the one that took its place", "g", []string{"b", "c", "a"}, events{pipeline.StageUpdated{Stage: stage("g", "c", "a")}}, true},
		{"but not of itself", "c", []string{"b", "g"}, events{pipeline.StageUpdated{Stage: stage("c", "b", "g")}}, true},
		{"one that never was is none", "c", []string{"b", "x"}, nil, false},
	} {
		got, err := pipeline.UpdateStage{Key: c.key, AllowedFrom: &c.from}.Decide(p, domain.Origin{})
		if diff := cmp.Diff(c.want, got); diff != "" || (err == nil) != c.ok {
			t.Errorf("%s: %v (-want +got):\n%s", c.name, err, diff)
		}
	}
}

func TestNamesAreClaimed(t *testing.T) {
	t.Parallel()
	p := domain.Fold(events{pipeline.Created{Name: "Sales", Stages: stages(lead, won, lost)}}...)
	if diff := cmp.Diff([]domain.Claim{{Scope: "pipeline.name", Key: "sales", Pointer: "/name"}}, p.Claims()); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	pipeline.Archived{}.Apply(&p)
	if len(p.Claims()) > 0 || p.Live() {
		t.Error("an archived pipeline keeps its name")
	}
}
