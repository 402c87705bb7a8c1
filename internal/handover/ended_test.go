package handover

import (
	"context"
	"maps"
	"slices"
	"testing"
)

// states are EC2's, by instance. Nothing else is asked of it.
type states struct {
	Scaling
	of map[string]string
}

func (s states) States(_ context.Context, instances []string) (map[string]string, error) {
	found := maps.Clone(s.of)
	maps.DeleteFunc(found, func(id, _ string) bool { return !slices.Contains(instances, id) })
	return found, nil
}

func TestOnlyEC2SaysThatAnInstanceHasEnded(t *testing.T) {
	for state, is := range map[string]bool{"running": false, "stopping": false, "stopped": false, "": false, "shutting-down": true, "terminated": true} {
		found, err := ended(t.Context(), states{of: map[string]string{"i-1": state, "i-2": "terminated"}}, []string{"i-1", "i-3"})
		if err != nil || found["i-1"] != is || found["i-2"] || found["i-3"] {
			t.Errorf("%q: %v, %v", state, found, err)
		}
	}
}

func TestInstancesThatAGroupCountsAreNotAskedAbout(t *testing.T) {
	v := NewView()
	for _, id := range []string{"i-1", "i-2", "i-3", "i-4"} {
		v.PutNode(&Node{Name: id, Instance: id, Group: map[string]string{"i-4": "other"}[id]})
	}
	was := []Instance{{"i-1", "InService"}, {"i-2", "InService"}, {"i-3", "InService"}, {"i-5", "InService"}}
	r := &run{aws: outside{to: []Group{{Name: "new", Instances: was}}}}
	r.move.From.Name = "old"
	now := outside{from: Group{Name: "old"}, to: []Group{{Name: "new", Instances: []Instance{{"i-1", "InService"}, {"i-2", TerminatingWait}}}}}
	if got := r.missing(nil, now, v); !slices.Equal(got, []string{"i-2", "i-3"}) {
		t.Errorf("asked about %v", got)
	}
	if got := r.missing(nil, outside{}, v); got != nil {
		t.Errorf("no group told anything, and asked about %v", got)
	}
}
