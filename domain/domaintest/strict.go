package domaintest

import (
	"encoding/json"
	"errors"
	"maps"
	"testing"

	"github.com/rowhouse/rowhouse/domain"
)

// strict checks that an event is not decoded without a member that it does not have, at
// whatever depth: a newer build has recorded it, and what is left would be something
// else. Where a value may have any member, such as external_ids, it must be of the right
// type.
func strict[S any](t *testing.T, agg Aggregate[S], name string, version int, data json.RawMessage) {
	t.Helper()
	var event any
	if err := json.Unmarshal(data, &event); err != nil {
		t.Fatal(err)
	}
	for path, with := range objects("", event) {
		with["of_a_newer_build"] = map[string]any{"deep": map[string]any{}}
		changed, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		_, err = agg.Decode(name, version, changed)
		if err == nil || path == "" && !errors.Is(err, domain.ErrNewerSchema) {
			t.Errorf("%s is decoded without what it does not have in %q: does a type have a method UnmarshalJSON that does not call domain.UnmarshalStored? %v", name, path, err)
		}
		delete(with, "of_a_newer_build")
	}
}

// objects returns the objects in JSON, by where they are.
func objects(path string, v any) map[string]map[string]any {
	all := map[string]map[string]any{}
	add := func(step string, in any) { maps.Copy(all, objects(path+"/"+step, in)) }
	switch v := v.(type) {
	case map[string]any:
		all[path] = v
		for name, member := range v {
			add(name, member)
		}
	case []any:
		for _, item := range v {
			add("*", item)
		}
	}
	return all
}
