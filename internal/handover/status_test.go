package handover

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"
)

// A move's status is what its record tells, and who works on it is what its lock tells.
func TestStatuses(t *testing.T) {
	r := Record{
		Group: "web", Phase: Shift, Since: noon,
		Nodes: map[string]*NodeRecord{"a": {State: NodeClosed}, "b": {State: NodeClosed}, "c": {State: NodeOpen}},
		Workloads: map[string]*WorkloadRecord{
			"deployment/apps/web": {State: WorkloadMoved}, "deployment/apps/api": {State: WorkloadParked, Why: "no room"},
		},
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	records := map[string][]byte{"web": data, "torn": []byte("{"), "api": data}
	locks := map[string]Lock{
		"web": {Holder: "alice@laptop/4711-9f3a61c2", Since: noon, Renewed: noon, For: time.Minute, Wish: Wish{What: PauseIt}},
		"api": {Holder: "bob@ci/1-0", Since: noon, Renewed: noon.Add(-time.Hour), For: time.Minute, Wish: Wish{What: PauseIt}},
	}
	all := Statuses(records, locks, noon)
	if len(all) != 2 || all[0].Move != "api" || all[1].Move != "web" {
		t.Fatalf("%+v", all)
	}
	api, web := all[0], all[1]
	if web.By != "alice@laptop" || web.Wish.What != PauseIt {
		t.Errorf("somebody works on it: %+v", web)
	}
	if api.By != "" || api.Wish != (Wish{}) {
		t.Errorf("its lock has run out: %+v", api)
	}
	if !maps.Equal(web.Nodes, map[NodeState]int{NodeClosed: 2, NodeOpen: 1}) || !maps.Equal(web.Moves, map[WorkloadState]int{WorkloadMoved: 1, WorkloadParked: 1}) ||
		!maps.Equal(web.Parked, map[string]string{"deployment/apps/api": "no room"}) || !slices.Equal(web.Leaving, []string{"a", "b", "c"}) {
		t.Errorf("%+v", web)
	}
}

// What ends once the nodes are empty is told when the move is done.
func TestWhatStatusSaysOfTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		record Record
		ends   bool
	}{
		"its nodes end":            {Record{Phase: Done, Ending: &Ending{}}, true},
		"they stay":                {Record{Phase: Done, Kept: true}, false},
		"its nodes are to end yet": {Record{Phase: Soak, Ending: &Ending{}}, false},
	} {
		if s := c.record.status("web", Lock{}, noon); s.Ends != c.ends {
			t.Errorf("%s: ends %t", name, s.Ends)
		}
	}
}
