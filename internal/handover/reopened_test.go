package handover

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/internal/engine"
)

// The nodes that a move had closed serve again once pods may start there, and each load
// balancer sends through them that shall.
func TestWhenReopenedNodesServe(t *testing.T) {
	foreign := func(s *traffic) { s.service.Hosts = nil } // nobody's load balancer
	for _, row := range []struct {
		situation string
		scene     func(*traffic)
		want      string
	}{
		{"it is in service", func(*traffic) {}, ""},
		{"it is cordoned yet", func(s *traffic) { s.Nodes["old"].Cordoned, s.Nodes["old"].Before = true, "{}" }, "node old takes no pods yet"},
		{"… as it was before the move", func(s *traffic) { s.Nodes["old"].Cordoned = true; s.says("old", "") }, ""},
		{"it is marked yet, and open", func(s *traffic) { s.Nodes["old"].Before = "{}"; s.says("old", "") }, "load balancer lb: node old is not InService yet"},
		{"it carries the taint yet", func(s *traffic) { s.Nodes["old"].Leaving = true }, "node old takes no pods yet"},
		{"it is not registered yet", func(s *traffic) { s.says("old", "") }, "load balancer lb: node old is not InService yet"},
		{"it is not healthy yet", func(s *traffic) { s.says("old", OutOfService) }, "load balancer lb: node old is not InService yet"},
		{"nothing is ever sent to it", func(s *traffic) { s.says("old", Unused) }, ""},
		{"it is excluded, as it was before the move", func(s *traffic) { s.Nodes["old"].Exclude = new("true"); s.says("old", "") }, ""},
		{"another one is no matter", func(s *traffic) { s.says("new", OutOfService) }, ""},
		{"one that the record does not know, of the same group, is", func(s *traffic) {
			s.o.From.Instances = []Instance{{ID: "i-new"}}
			s.says("new", OutOfService)
		}, "load balancer lb: node new is not InService yet"},
		{"its Service does not take it", func(s *traffic) {
			s.service.NodeLabels = map[string]string{"tier": "front"}
			s.says("old", "")
		}, ""},
		{"pods are the targets", func(s *traffic) { s.byAddress() }, ""},
		{"it was never sent through for others", func(s *traffic) { foreign(s); s.says("old", "") }, ""},
		{"… it was", func(s *traffic) { foreign(s); s.Record.Balancers = []string{"lb"}; s.says("old", "") }, "load balancer lb: node old is not InService yet"},
		{"local traffic: healthy is it once a pod is there", func(s *traffic) {
			s.service.Local = true
			s.pod("1", "new")
			s.says("old", OutOfService)
		}, ""},
		{"… and registered before", func(s *traffic) { s.service.Local = true; s.pod("1", "new"); s.says("old", "") }, "load balancer lb: node old is not InService yet"},
		{"nothing is there to send to", func(s *traffic) { s.says("old", OutOfService); s.says("new", OutOfService) }, ""},
		{"… something is", func(s *traffic) { s.pod("1", "new"); s.says("old", OutOfService); s.says("new", OutOfService) }, "load balancer lb: node old is not InService yet"},
		{"it is broken: nothing serves there", func(s *traffic) { s.Nodes["old"].Ready = false }, "node old is not Ready"},
		{"… which keeps nobody waiting as long as another one is not", func(s *traffic) {
			s.Nodes["old"].Ready = false
			s.node("old-2", InService)
			s.Record.Nodes["old-2"] = &NodeRecord{}
		}, ""},
		{"two lack something", func(s *traffic) {
			s.says("old", OutOfService)
			s.node("old-2", "").Leaving = true
			s.Record.Nodes["old-2"] = &NodeRecord{}
		}, "load balancer lb: node old is not InService yet, node old-2 takes no pods yet"},
	} {
		t.Run(row.situation, func(t *testing.T) {
			s := newTraffic()
			row.scene(s)
			o := s.hear().o
			if got := strings.Join(NewMove(s.Record, Options{}).lacking(o), ", "); got != row.want {
				t.Errorf("\nwant %s\ngot  %s", row.want, got)
			}
		})
	}
}

// What a record does not tell of the group's nodes their marks do.
func TestMarksFillARecord(t *testing.T) {
	v := NewView()
	v.Now = noon
	for _, n := range []Node{
		{Name: "known", Group: "old", Before: `{"unschedulable":true}`}, {Name: "marked", Group: "old", Before: `{"unschedulable":true}`},
		{Name: "plain", Group: "old"}, {Name: "another's", Group: "new", Before: "{}"},
	} {
		v.PutNode(&n)
	}
	r := newRecord("old", 0, noon)
	known := NodeRecord{State: NodeEmpty, Wave: 2}
	r.Nodes["known"] = new(known)
	r.gather(v)
	want := map[string]NodeRecord{"known": known, "marked": {Before: before{Unschedulable: true}, State: NodeClosed, Since: noon}}
	got := map[string]NodeRecord{}
	for name, n := range r.Nodes {
		got[name] = *n
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

// Back goes what a move brought, and nothing that was there before or is of others.
func TestWhatAMoveBrought(t *testing.T) {
	closed := noon.Add(700 * time.Millisecond)
	for name, c := range map[string]struct {
		workload string
		closed   time.Time
		made     time.Time
		want     bool
	}{
		"after it had closed the nodes":      {"w", closed, noon.Add(time.Minute), true},
		"in the second in which it did":      {"w", closed, noon, true},
		"before":                             {"w", closed, noon.Add(-time.Second), false},
		"of a workload that did not move":    {"other", closed, noon.Add(time.Minute), false},
		"by a move that never closed a node": {"w", time.Time{}, noon, false},
	} {
		r := newRecord("old", 0, noon)
		r.Closed, r.Workloads["w"] = c.closed, &WorkloadRecord{}
		if got := r.Brought(&Pod{Workload: c.workload, Created: c.made}); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// What was owed and wanted when the first move began is owed on the way back, of all
// workloads that are there.
func TestTheWayBackOwesWhatTheMoveOwed(t *testing.T) {
	first := newRecord("old", 0, noon)
	first.Workloads = map[string]*WorkloadRecord{
		"floors": {Floors: map[string]int{"web": 3}}, "wants": {Wants: 2}, "neither": {}, "gone": {Floors: map[string]int{"web": 1}, Wants: 1},
	}
	r := &run{core: NewMove(newRecord("new", 0, noon), Options{}), move: engine.Move{Owed: []json.RawMessage{[]byte("{"), []byte(encode(first))}}}
	r.core.view = NewView()
	for _, key := range []string{"floors", "wants", "neither"} {
		r.core.view.Workloads[key] = &Workload{}
	}
	r.assume()
	got := r.core.Record.Workloads
	if len(got) != 2 || !maps.Equal(got["floors"].Floors, map[string]int{"web": 3}) || got["wants"].Wants != 2 {
		t.Errorf("%+v", got)
	}
}
