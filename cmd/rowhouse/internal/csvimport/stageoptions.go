package csvimport

import (
	"fmt"
	"slices"
	"strings"
)

// saidStages are the options that say what stages are for, in the order in which
// they are looked at.
func (o *Options) saidStages() []saidStage {
	var all []saidStage
	for _, one := range []struct {
		kind  stageKind
		names []string
	}{{won, o.Won}, {lost, o.Lost}, {open, o.Open}} {
		for _, name := range one.names {
			all = append(all, saidStage{name, one.kind})
		}
	}
	return all
}

type saidStage struct {
	name string
	kind stageKind
}

// checkStages refuses options that name a stage that is nowhere, or one for two
// things. What a stage of a pipeline that is there is for, only the pipeline says:
// that an option says something else is told.
func (p *plan) checkStages(there []*funnel) error {
	kinds := map[string]stageKind{}
	for _, said := range p.options.saidStages() {
		key := stageSpelling(said.name)
		if other, ok := kinds[key]; ok && other != said.kind {
			return fmt.Errorf("--%s and --%s name the same stage, %s", other, said.kind, clipped(said.name))
		}
		kinds[key] = said.kind
		known := false
		for _, f := range slices.Concat(p.funnels.all, there) {
			s, ok := f.stage(said.name)
			if known = known || ok; ok && !f.isNew && s.Kind != said.kind && slices.Contains(p.funnels.all, f) {
				p.found.assume(guess{
					about: "stage " + clipped(s.Name), taken: "for deals that are " + string(s.Kind),
					because: fmt.Sprintf("the pipeline %q is there and says so: --%s counts for new ones", f.Name, said.kind), doubt: true,
				})
			}
		}
		if !known {
			return fmt.Errorf("--%s names a stage that there is not, %s; there are %s", said.kind, clipped(said.name), strings.Join(p.stageNames(), ", "))
		}
	}
	return nil
}

// stageNames returns the stages of the pipelines that the file is about.
func (p *plan) stageNames() (all []string) {
	for _, f := range p.funnels.all {
		for _, s := range f.Stages {
			if name := clipped(s.Name); !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}
