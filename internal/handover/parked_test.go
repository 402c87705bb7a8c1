package handover

import "testing"

// A workload that is stuck says by what, and what would help: of the pod that is under
// way first.
func TestWhatAStuckWorkloadSays(t *testing.T) {
	refused := func(budget string) func(s *scene) {
		return func(s *scene) {
			s.c.Refused = map[string]Refused{"web-1": {Refusal: Refusal{Why: "the budget allows none", Budget: budget}}}
			s.PutBudget(&Budget{Namespace: "apps", Name: "spare", Owner: "db"})
		}
	}
	for situation, row := range map[string]struct {
		scene  func(s *scene)
		stuck  string
		remedy string
	}{
		"nothing is known":                  {func(*scene) {}, "its pods are as they were", "see kubectl -n apps describe pods, then run the same command again"},
		"its namespace is not known either": {func(s *scene) { s.web.Namespace = ""; s.c.Key = "x" }, "its pods are as they were", ""},
		"its budget refuses": {refused("spare"), "pod apps/web-1: the budget allows none",
			"let the budget allow one disruption, by more replicas, less protection, or unhealthyPodEvictionPolicy: AlwaysAllow: kubectl -n apps get pdb spare"},
		"its operator's budget refuses": {func(s *scene) {
			refused("spare")(s)
			s.one.Owner = &Owner{Kind: "Cluster", Name: "db", UID: "db"}
		}, "pod apps/web-1: the budget allows none", "see why the operator of its cluster does not move pod apps/web-1 off a closed node, or do it by its own means"},
		"something else refuses": {refused(""), "pod apps/web-1: the budget allows none", "see kubectl -n apps describe pods, then run the same command again"},
		"a finalizer keeps what ends": {func(s *scene) { s.one.Deleting, s.one.Finalizers = true, []string{"example.com/deregister"} }, "its pods are as they were",
			"see why the controller of finalizer example.com/deregister does not clear it: kubectl -n apps get pod web-1 -o yaml"},
		"a finalizer is on what has not been told to end": {func(s *scene) { s.one.Finalizers = []string{"x"} }, "its pods are as they were", "see kubectl -n apps describe pods, then run the same command again"},
		"a member is broken": {func(s *scene) {
			s.ordered()
			s.unready(s.two, brokenAfter)
		}, "its pods are as they were", "repair it first (kubectl -n apps describe pods), or let one more be missing: annotation drover.dev/accept-gap=true on the workload"},
	} {
		s := newScene()
		row.scene(s)
		s.know()
		h := newHerd(s.c, s.r)
		h.waits = nil
		if got := h.stuckBy(); got != row.stuck {
			t.Errorf("%s: stuck by %q", situation, got)
		}
		if got := h.remedy(); got != row.remedy {
			t.Errorf("%s: %q", situation, got)
		}
	}
}

// A replacement that does not serve beside one that does may be of a pair of which one
// alone ever serves: whoever wants that says so.
func TestWhatHelpsAReplacementThatDoesNotServe(t *testing.T) {
	const see, gap = "nothing is lost, the pod goes back to deployment/apps/web. See kubectl -n apps describe pods for what the new pod needs, then run the same command again",
		"only one of its pods is Ready at a time, it seems: let it be missing while it moves (annotation drover.dev/accept-gap=true on the workload), then run the same command again"
	pair := func(s *scene) {
		s.r.Floors = map[string]int{"web": 1}
		s.unready(s.two, 0)
	}
	for situation, row := range map[string]struct {
		scene func(s *scene)
		want  string
	}{
		"a pair of which one serves":       {func(*scene) {}, gap},
		"all served before":                {func(s *scene) { s.r.Floors["web"] = 2 }, see},
		"none served before":               {func(s *scene) { s.r.Floors = nil; s.unready(s.one, 0); s.one.Deleting = true }, see},
		"the other one serves as well":     {func(s *scene) { s.two.Ready = true }, see},
		"the other one ends":               {func(s *scene) { s.two.Deleting = true }, see},
		"the other one says what it lacks": {func(s *scene) { s.two.Trouble = "ImagePullBackOff" }, see},
		"the other one has no node":        {func(s *scene) { s.two.Node = "" }, see},
		"the other one is on its way out":  {func(s *scene) { s.released(s.two, 0, nil) }, see},
	} {
		s := newScene()
		pair(s)
		row.scene(s)
		s.know()
		h := newHerd(s.c, s.r)
		if got := h.cure(); got != row.want {
			t.Errorf("%s: %s", situation, got)
		}
	}
}

func TestOrdinal(t *testing.T) {
	for pod, want := range map[string]int{"db-0": 0, "db-12": 12, "a-2-b-7": 7, "db": 0, "db-x": 0, "3": 3} {
		if got := Ordinal(pod); got != want {
			t.Errorf("%s: %d", pod, got)
		}
	}
	p := &Pod{Ref: Ref{"apps", "web-7", "7"}}
	for name, c := range map[string]struct {
		w    *Workload
		want int
	}{"nobody's": {nil, 0}, "a Deployment's": {&Workload{}, 0}, "a StatefulSet's": {&Workload{Ordinals: true}, 7}} {
		if got := c.w.ordinal(p); got != c.want {
			t.Errorf("%s: %d", name, got)
		}
	}
}
