package handover

import (
	"testing"
	"time"
)

// A rolling update of the plan is told of only where it cuts requests.
func TestWhatRollsOutWithoutHarm(t *testing.T) {
	ordered := func(q *Question, p *Pod, w *Workload) {
		p.Group, w.Nature = "web", Ordered
		replaced(q, p, w)
		q.View.PutService(&Service{Namespace: "apps", Name: "web", TargetGroups: []string{"arn:web"}})
		q.Balancers = []Balancer{{Name: "edge", Group: "arn:web", ByAddress: true, Draining: time.Minute}}
	}
	local := func(q *Question, p *Pod, w *Workload) {
		replaced(q, p, w)
		q.View.PutService(&Service{Namespace: "apps", Name: "web", Local: true, Balanced: true, Hosts: []string{"edge.elb"}})
		q.Balancers = []Balancer{{Name: "edge", Host: "edge.elb"}}
	}
	mustTellNothing(t, map[string]unlike{
		"the plan lets it be":                     {rollsUnasked, ordered, func(q *Question, _ *Pod, _ *Workload) { q.Replaced = nil }},
		"its pods wait for the move":              {rollsUnasked, ordered, func(_ *Question, _ *Pod, w *Workload) { w.OnDelete = true }},
		"its pods are let go of first":            {rollsUnasked, ordered, func(_ *Question, _ *Pod, w *Workload) { w.Nature = Replicated }},
		"the target group is another Service's":   {rollsUnasked, ordered, func(q *Question, _ *Pod, _ *Workload) { q.View.Services["apps/web"].TargetGroups = nil }},
		"through nodes, and to pods of all nodes": {rollsUnasked, local, func(q *Question, _ *Pod, _ *Workload) { q.View.Services["apps/web"].Local = false }},
		"its pods sleep before they end":          {rollsUnasked, local, func(q *Question, _ *Pod, _ *Workload) { q.Balancers = nil }},
		"no DaemonSet":                            {daemonsReplaced, daemonsAnew, func(_ *Question, p *Pod, w *Workload) { p.Daemon, p.Workload = false, w.Key() }},
		"a DaemonSet of all groups":               {daemonsReplaced, daemonsAnew, func(_ *Question, p *Pod, _ *Workload) { p.Group = "" }},
		"a DaemonSet that the plan lets be":       {daemonsReplaced, daemonsAnew, func(q *Question, _ *Pod, _ *Workload) { q.Replaced = nil }},
		"a DaemonSet that serves nobody":          {daemonsReplaced, daemonsAnew, func(_ *Question, p *Pod, _ *Workload) { p.Paths = nil }},
		"a DaemonSet's pod that does not work":    {daemonsReplaced, daemonsAnew, func(_ *Question, p *Pod, _ *Workload) { p.Ready = false }},
		"a gap that was accepted":                 {daemonsReplaced, daemonsAnew, func(_ *Question, p *Pod, _ *Workload) { p.AcceptGap = true }},
	})
}

// Sheltered are pods of the group's own selector, which can be let go of first.
func TestSheltered(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Question, *Pod, *Workload)
		is     bool
	}{
		"of the group, surge-first":      {func(*Question, *Pod, *Workload) {}, true},
		"of no group":                    {func(_ *Question, p *Pod, _ *Workload) { p.Group = "" }, false},
		"one after the other":            {func(_ *Question, _ *Pod, w *Workload) { w.Nature = Ordered }, false},
		"no controller can hold it back": {func(_ *Question, p *Pod, w *Workload) { w.Holder, p.Handle = nil, "app" }, false},
	} {
		i := inspect(asked(func(q *Question, p *Pod, w *Workload) {
			p.Group = "web"
			c.change(q, p, w)
		}))
		if is := i.sheltered(i.pods[0]); is != c.is {
			t.Errorf("%s: %t", name, is)
		}
	}
}
