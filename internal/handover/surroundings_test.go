package handover

import (
	"strings"
	"testing"

	"github.com/droverhq/drover/event"
)

// surrounded is what is found in the cluster of asked.
func surrounded(change func(v *View, p *Pod, w *Workload, s *Surroundings)) []event.Finding {
	return Findings(asked(func(q *Question, p *Pod, w *Workload) { change(q.View, p, w, &q.Around) }))
}

// asked is about a cluster of two groups: old leaves, with Deployment apps/web's
// pods web-1 on it and web-2 elsewhere.
func asked(change func(q *Question, p *Pod, w *Workload)) Question {
	v := NewView()
	v.PutNode(&Node{Name: "old", Group: "web", Version: "v1.35.6", Ready: true, Initialized: true})
	v.PutNode(&Node{Name: "new", Group: "web-2", Version: "v1.36.1", Ready: true, Initialized: true})
	w := &Workload{Kind: "Deployment", API: "apps/v1", Namespace: "apps", Name: "web", Nature: Replicated, Wants: 2, Surge: 1, Holder: &Owner{}}
	p := &Pod{Ref: Ref{"apps", "web-1", "1"}, Node: "old", Workload: w.Key(), Ready: true, Probe: true, Doors: []string{"app"}, Paths: []Path{{Service: "web", Selected: true, Listed: true, Ready: true}}}
	q := Question{Observed: Observed{View: v}, Group: "web", Leaving: []string{"old"}}
	change(&q, p, w)
	v.PutWorkload(w)
	v.PutPod(p)
	if v.Pods["2"] == nil {
		second := *p
		second.Ref, second.Node = Ref{"apps", "web-2", "2"}, "new"
		v.PutPod(&second)
	}
	return q
}

// Each finding names its object, what would happen, and the remedy.
func TestFindingsOfTheSurroundings(t *testing.T) {
	hook := Webhook{Name: "webhook pods.example.com (validatingwebhookconfiguration/policy)", Service: "sys/hook", Pods: map[string]bool{"1": true}, Cure: "kubectl delete it"}
	tried := map[string]bool{}
	for name, tt := range map[string]struct {
		check    check
		change   func(v *View, p *Pod, w *Workload, s *Surroundings)
		severity event.Severity
		object   string
		effect   string
		fix      string
	}{
		"a webhook that is down": {
			webhookDown, func(_ *View, _ *Pod, _ *Workload, s *Surroundings) { s.Webhooks = []Webhook{hook} },
			blocker, "deployment/apps/web", "policy) must allow whatever is done to its pods, and its Service sys/hook has no ready endpoint", "kubectl delete it",
		},
		"what may not be listed": {
			unseen, func(_ *View, _ *Pod, _ *Workload, s *Surroundings) {
				s.Forbidden = []string{"validatingwebhookconfigurations", "leases"}
			},
			note, named("web"), "may not list validatingwebhookconfigurations, leases", "AmazonEKSClusterAdminPolicy",
		},
		"a webhook that may be asked is down": {
			webhookDown, func(_ *View, _ *Pod, _ *Workload, s *Surroundings) {
				h := hook
				h.Perhaps = true
				s.Webhooks = []Webhook{h}
			},
			warning, "deployment/apps/web", "if its matchConditions apply", "kubectl delete it",
		},
		"a webhook whose only pod moves": {
			webhookMoves, func(_ *View, _ *Pod, _ *Workload, s *Surroundings) {
				h := hook
				h.Ready = []string{"1"}
				s.Webhooks = []Webhook{h}
			},
			warning, "deployment/apps/web", "its only pod answers for webhook pods.example.com", "two replicas",
		},
		"a CronJob that fits only nodes which leave": {
			laterPods, func(_ *View, _ *Pod, _ *Workload, s *Surroundings) {
				s.Later = []Later{{Workload: "cronjob/apps/report", Fits: map[string]bool{"old": true}}}
			},
			warning, "cronjob/apps/report", "fits only nodes that leave (old)", "select nodes that stay",
		},
		"a pull secret that is not there": {
			imageGone, func(_ *View, p *Pod, _ *Workload, s *Surroundings) { s.Keyless = map[string]string{p.UID: "registry"} },
			warning, "deployment/apps/web", "its pull secret (registry) is not there", "make the Secret again",
		},
		"no scheduler": {
			noScheduler, func(_ *View, p *Pod, _ *Workload, s *Surroundings) {
				p.Scheduler, s.Schedulers = "volcano", map[string]Scheduler{"volcano": {}}
			},
			blocker, "deployment/apps/web", "schedulerName is volcano", "start that scheduler",
		},
		"perhaps a scheduler": {
			noScheduler, func(_ *View, p *Pod, _ *Workload, s *Surroundings) {
				p.Scheduler, s.Schedulers = "volcano", map[string]Scheduler{"volcano": {Perhaps: "pod sys/second"}}
			},
			warning, "deployment/apps/web", "pod sys/second may be it", "see that it places pods",
		},
		"an image that is gone": {
			imageGone, func(_ *View, _ *Pod, _ *Workload, s *Surroundings) {
				s.Unpulled = map[string]string{"1": "web:1 (pod apps/web-2: ErrImagePull)"}
			},
			warning, "deployment/apps/web", "web:1 (pod apps/web-2: ErrImagePull)", "push the image",
		},
		"an autoscaler": {
			autoscaled, func(_ *View, _ *Pod, _ *Workload, s *Surroundings) {
				s.NodeEnders = []NodeEnder{{Name: "Cluster Autoscaler", Where: "pod a/b", Nodes: map[string]bool{"old": true, "new": true}}}
			},
			note, "nodegroup/web", "Cluster Autoscaler (pod a/b) could end nodes by itself: until the move is over it is kept off old,", "",
		},
		"a gate that is not met": {
			gated, func(_ *View, p *Pod, _ *Workload, _ *Surroundings) {
				p.Gates = []string{"target-health.elbv2.k8s.aws/x"}
			},
			warning, "deployment/apps/web", "readiness gate target-health.elbv2.k8s.aws/x", "the controller of the gate",
		},
		"a command as a probe": {
			probeStops, func(_ *View, _ *Pod, _ *Workload, s *Surroundings) { s.ExecProbes = map[string]bool{"1": true} },
			note, "deployment/apps/web", "kubelet of its node (v1.35.6)", "",
		},
	} {
		of, _ := placeOf(tt.check)
		tried[of] = true
		t.Run(name, func(t *testing.T) {
			for _, f := range tt.check(inspect(asked(func(q *Question, p *Pod, w *Workload) { tt.change(q.View, p, w, &q.Around) }))) {
				if f.Severity == tt.severity && f.Object == tt.object && strings.Contains(f.Effect, tt.effect) && strings.Contains(f.Fix, tt.fix) {
					return
				}
			}
			t.Errorf("not found among %+v", surrounded(tt.change))
		})
	}
	mustTry(t, "surroundings.go", tried)
}

// What is in order, or was not asked, is no finding.
func TestSurroundingsInOrder(t *testing.T) {
	for name, change := range map[string]func(v *View, p *Pod, w *Workload, s *Surroundings){
		"nothing": func(*View, *Pod, *Workload, *Surroundings) {},
		"a scheduler that is seen": func(_ *View, p *Pod, _ *Workload, s *Surroundings) {
			p.Scheduler, s.Schedulers = "v", map[string]Scheduler{"v": {Seen: "lease a/v"}}
		},
		"schedulers were not asked": func(_ *View, p *Pod, _ *Workload, _ *Surroundings) { p.Scheduler = "v" },
		"two pods answer": func(_ *View, _ *Pod, _ *Workload, s *Surroundings) {
			s.Webhooks = []Webhook{{Ready: []string{"1", "2"}, Pods: map[string]bool{"1": true}}}
		},
		"a webhook for others": func(_ *View, _ *Pod, _ *Workload, s *Surroundings) {
			s.Webhooks = []Webhook{{Pods: map[string]bool{"9": true}}}
		},
		"an autoscaler elsewhere": func(_ *View, _ *Pod, _ *Workload, s *Surroundings) {
			s.NodeEnders = []NodeEnder{{Nodes: map[string]bool{"new": true}}}
		},
		"a command on such a kubelet": func(v *View, _ *Pod, _ *Workload, s *Surroundings) {
			v.PutNode(&Node{Name: "old", Group: "web", Version: "v1.36.2", Ready: true})
			s.ExecProbes = map[string]bool{"1": true}
		},
	} {
		t.Run(name, func(t *testing.T) {
			if found := surrounded(change); len(found) > 0 {
				t.Errorf("%+v", found)
			}
		})
	}
}

// A quota without room for one more pod is named with what it lacks.
func TestQuotaIsNamed(t *testing.T) {
	why := `pods "web-x" is forbidden: exceeded quota: team-a, requested: requests.cpu=500m, used: requests.cpu=3600m, limited: requests.cpu=4`
	got := cureCreate(&Pod{Ref: Ref{Namespace: "apps"}}, why)
	if got != "leave room in the ResourceQuota for one more pod (requests.cpu=500m): kubectl -n apps edit resourcequota team-a" {
		t.Error(got)
	}
}

// A right that is lacking is not to be cured in a policy, or a quota.
func TestRefusalForLackOfARightNamesTheRoles(t *testing.T) {
	why := `pods is forbidden: User "alice" cannot create resource "pods" in API group "" in the namespace "apps"`
	evict := strings.ReplaceAll(why, `resource "pods"`, `resource "pods/eviction"`)
	if got := cureCreate(&Pod{}, why); got != RightsFix {
		t.Error(got)
	}
	if got := promised(&Pod{Workload: "web"}, &Workload{}, map[string]string{verbEvict: evict}, 0, nil); got.fix != RightsFix {
		t.Errorf("%+v", got)
	}
	if got := cure(`admission webhook "policy" denied the request: User "alice" is new here`); got == RightsFix {
		t.Error(got)
	}
}

func TestKubeletsThatStopExecProbes(t *testing.T) {
	for version, want := range map[string]bool{
		"v1.34.9": false, "v1.35.0": true, "v1.35.6-eks-1": true, "v1.36.0": false, "v1.36.2": false, "v1.36.3": true, "v1.37.1": true, "": false, "x": false,
	} {
		if execProbesStop(version) != want {
			t.Errorf("%s: %v", version, !want)
		}
	}
}

// Pods that come later are told of only if it is certain that no node that stays, or is yet
// to come, takes them.
func TestPodsThatComeLater(t *testing.T) {
	const kind = "node.kubernetes.io/instance-type"
	for name, c := range map[string]struct {
		later  Later
		change func(q *Question)
		found  bool
	}{
		"one that stays will do":   {Later{Fits: map[string]bool{"old": true, "new": true}}, func(*Question) {}, false},
		"none has ever done":       {Later{Fits: map[string]bool{}}, func(*Question) {}, false},
		"the plan places it anew":  {Later{Fits: map[string]bool{"old": true}}, func(q *Question) { q.Replaced = map[string]bool{"cronjob/apps/report": true} }, false},
		"some are yet to come":     {Later{Fits: map[string]bool{"old": true}}, func(q *Question) { q.Coming = true }, false},
		"… and it names the group": {Later{Fits: map[string]bool{"old": true}, Group: "web"}, func(q *Question) { q.Coming = true }, true},
		"… or a type of theirs":    {Later{Fits: map[string]bool{"old": true}, Pins: map[string]string{kind: "c5.large"}}, func(q *Question) { q.Coming, q.Types = true, []string{"c5.large"} }, false},
		"… or of another":          {Later{Fits: map[string]bool{"old": true}, Pins: map[string]string{kind: "t3.large"}}, func(q *Question) { q.Coming, q.Types = true, []string{"c5.large"} }, true},
	} {
		c.later.Workload = "cronjob/apps/report"
		i := inspect(asked(func(q *Question, _ *Pod, _ *Workload) {
			q.Around.Later = []Later{c.later}
			c.change(q)
		}))
		if found := laterPods(i); (len(found) > 0) != c.found {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// Each check is silent where one of its conditions does not hold.
func TestChecksOfTheSurroundingsThatSayNothing(t *testing.T) {
	moves := func(ready, asked string) func(q *Question, p *Pod, w *Workload) {
		return func(q *Question, _ *Pod, _ *Workload) {
			q.Around.Webhooks = []Webhook{{Ready: []string{ready}, Pods: map[string]bool{asked: true}}}
		}
	}
	none := map[string]Scheduler{"v": {}, "": {}}
	for name, row := range map[string]struct {
		check  check
		change func(q *Question, p *Pod, w *Workload)
	}{
		"the pod that answers for a webhook stays":        {webhookMoves, moves("2", "1")},
		"the webhook is asked about others":               {webhookMoves, moves("1", "2")},
		"the pod that answers for a webhook ends already": {webhookMoves, func(q *Question, p *Pod, w *Workload) { moves("1", "1")(q, p, w); p.Deleting = true }},
		"the webhook is up":                               {webhookDown, moves("2", "1")},
		"the default scheduler":                           {noScheduler, func(q *Question, _ *Pod, _ *Workload) { q.Around.Schedulers = none }},
		"nobody makes the pod anew":                       {noScheduler, func(q *Question, p *Pod, _ *Workload) { q.Around.Schedulers, p.Scheduler, p.Workload = none, "v", "" }},
		"pods that come later go elsewhere":               {laterPods, func(q *Question, _ *Pod, _ *Workload) { q.Around.Later = []Later{{Fits: map[string]bool{"new": true}}} }},
		"a gate that is met":                              {gated, func(*Question, *Pod, *Workload) {}},
		"a pod with a gate ends":                          {gated, func(_ *Question, p *Pod, w *Workload) { p.Gates, p.Deleting = []string{"g"}, true; w.Wants = 1 }},
		"a probe that is no command":                      {probeStops, func(*Question, *Pod, *Workload) {}},
		"no Service selects it":                           {probeStops, func(q *Question, p *Pod, _ *Workload) { q.Around.ExecProbes, p.Paths = map[string]bool{"1": true}, nil }},
		"all could be looked at":                          {unseen, func(*Question, *Pod, *Workload) {}},
	} {
		i := inspect(asked(row.change))
		for _, p := range i.v.Pods {
			if p.UID == "2" {
				p.Gates = nil
			}
		}
		if found := row.check(i); len(found) > 0 {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// Pods that come later fit only nodes that leave, though others have been looked at; and
// what could not be looked at is told with its reason.
func TestWhatTheSurroundingsTellAllTheSame(t *testing.T) {
	i := inspect(asked(func(q *Question, _ *Pod, _ *Workload) {
		q.Around.Later = []Later{{Workload: "cronjob/apps/report", Fits: map[string]bool{"old": true, "new": false}}}
		q.Unseen = "no route to host"
	}))
	if found := laterPods(i); len(found) != 1 {
		t.Errorf("%+v", found)
	}
	if found := unseen(i); len(found) != 1 || found[0].Severity != note || !strings.Contains(found[0].Effect, "could not be looked at: no route to host") {
		t.Errorf("%+v", found)
	}
	i = inspect(asked(func(q *Question, p *Pod, _ *Workload) {
		q.Around.Unpulled, q.Around.Keyless = map[string]string{"1": "web:1"}, map[string]string{"1": "registry"}
		q.Around.NodeEnders = []NodeEnder{{Nodes: map[string]bool{"new": true}}, {Name: "Karpenter", Nodes: map[string]bool{"old": true}}}
	}))
	if found := imageGone(i); len(found) != 1 || !strings.Contains(found[0].Effect, "web:1") {
		t.Errorf("%+v", found)
	}
	if found := autoscaled(i); len(found) != 1 || !strings.Contains(found[0].Effect, "Karpenter") {
		t.Errorf("%+v", found)
	}
}
