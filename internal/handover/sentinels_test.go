package handover

import (
	"maps"
	"reflect"
	"testing"
	"time"
)

// What a CronJob makes next has another name and UID: sentinels keep its pods off by the
// labels that all its Jobs' have. Where there are none, by the one Job's.
func TestLabelsByWhichPodsAreKeptOff(t *testing.T) {
	job := map[string]string{"batch.kubernetes.io/job-name": "report-1", "job-name": "report-1", "controller-uid": "u", "batch.kubernetes.io/controller-uid": "u", "batch.kubernetes.io/job-completion-index": "0"}
	with := func(more map[string]string) map[string]string {
		all := maps.Clone(job)
		maps.Copy(all, more)
		return all
	}
	for name, c := range map[string]struct{ labels, want map[string]string }{
		"a Deployment's": {map[string]string{"app": "web", "pod-template-hash": "1"}, map[string]string{"app": "web"}},
		"a CronJob's":    {with(map[string]string{"app": "report"}), map[string]string{"app": "report"}},
		"a Job's own":    {job, map[string]string{"batch.kubernetes.io/job-name": "report-1"}},
	} {
		v := NewView()
		p := &Pod{Ref: Ref{"apps", "p", "1"}, Workload: "job/apps/report-1", Labels: c.labels}
		v.PutPod(p)
		if got := (&Move{view: v}).common(p); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// The same wishes read the same.
func TestRepelsReadsTheSameInAnyOrder(t *testing.T) {
	a, b := Repelled{"apps", map[string]string{"app": "a"}}, Repelled{"apps", map[string]string{"app": "b"}}
	if one, other := Repels([]Repelled{a, b}), Repels([]Repelled{b, a, b}); one != other {
		t.Errorf("%s, %s", one, other)
	}
}

// Sentinels keep off the pods that leave and tolerate the taint of a closed node, each
// workload's once, by labels that all its pods have.
func TestWhomSentinelsKeepOff(t *testing.T) {
	web := Repelled{"apps", map[string]string{"app": "web"}}
	for name, c := range map[string]struct {
		change func(m *Move, one, two *Pod)
		want   []Repelled
	}{
		"both are of one workload":         {func(*Move, *Pod, *Pod) {}, []Repelled{web}},
		"they do not tolerate it":          {func(_ *Move, one, two *Pod) { one.Tolerates, two.Tolerates = false, false }, nil},
		"DaemonSets' pods":                 {func(_ *Move, one, two *Pod) { one.Daemon, two.Daemon = true, true }, nil},
		"not among those that move":        {func(m *Move, _, _ *Pod) { m.Options.Scope.In = func(*Pod, time.Time) bool { return false } }, nil},
		"on nodes that stay":               {func(_ *Move, one, two *Pod) { one.Node, two.Node = "new", "new" }, nil},
		"one has a label of its own":       {func(_ *Move, one, _ *Pod) { one.Labels = map[string]string{"app": "web", "role": "leader"} }, []Repelled{web}},
		"they have no label in common":     {func(_ *Move, one, _ *Pod) { one.Labels = map[string]string{"role": "leader"} }, nil},
		"… as one was relabelled to leave": {func(_ *Move, _, two *Pod) { two.Labels, two.Released = nil, encode(Release{Group: "web"}) }, []Repelled{web}},
	} {
		m := &Move{view: NewView(), Record: newRecord("web", 0, noon)}
		m.Record.Nodes = map[string]*NodeRecord{"old": {}}
		one, two := new(Pod), new(Pod)
		for p, id := range map[*Pod]string{one: "1", two: "2"} {
			*p = Pod{Ref: Ref{"apps", "web-" + id, id}, Node: "old", Workload: "deployment/apps/web", Labels: map[string]string{"app": "web"}, Tolerates: true}
		}
		c.change(m, one, two)
		m.view.PutPod(one)
		m.view.PutPod(two)
		if got := m.repelled(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Whom sentinels keep off is worked out anew when a workload is tempted that was not.
func TestWhoIsNewlyTempted(t *testing.T) {
	m := &Move{tempted: map[string]bool{}, repelledFor: map[string]bool{}}
	for _, step := range []struct {
		tempted string
		is      bool
	}{{"", false}, {"a", true}, {"", false}, {"b", true}, {"", false}} {
		if step.tempted != "" {
			m.tempted[step.tempted] = true
		}
		if is := m.newlyTempted(); is != step.is {
			t.Errorf("%v: %t", m.tempted, is)
		}
	}
}
