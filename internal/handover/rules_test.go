package handover

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// The rules of the two machines, one row each: in this situation, that is done.

// noon is the time in every scene.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// scene is one workload in the middle of a move: Deployment apps/web wants two
// pods, of which web-1 is on node old, which leaves, and web-2 on node new,
// which stays. Both serve Service web. A row changes what is different.
type scene struct {
	*View
	web      *Workload
	service  *Service
	one, two *Pod
	pods     []*Pod // one, two, and what a row adds
	c        Case
	r        WorkloadRecord
}

func newScene() *scene {
	s := &scene{View: NewView(), r: WorkloadRecord{State: WorkloadWaiting, Floors: map[string]int{"web": 2}}}
	s.Now = noon
	s.web = &Workload{Kind: "Deployment", API: "apps/v1", Namespace: "apps", Name: "web", Nature: Replicated, Wants: 2, Counted: true, Surge: 1,
		StartsWithin: 10 * time.Minute, Holder: &Owner{Kind: "Deployment", Name: "web"}}
	s.service = &Service{Namespace: "apps", Name: "web"}
	s.one, s.two = s.pod("web-1", "old"), s.pod("web-2", "new")
	s.c = Case{
		Move: "old-group", Key: "deployment/apps/web", View: s.View, Workload: s.web, Closed: noon.Add(-time.Minute), Room: 10,
		Leaves: func(node string) bool { return strings.HasPrefix(node, "old") }, Open: func(node string) bool { return strings.HasPrefix(node, "old") },
		Ahead: func(string) bool { return false }, Next: func(string) bool { return false },
		Before: strings.Compare, Dead: func(string) bool { return false }, Ended: func(string) bool { return false }, Through: func(string, *Service) bool { return true },
		Healthy: func(*Pod, *Service) bool { return true }, Needed: func(*Pod) string { return "" }, Unheard: func(*Pod) string { return "" }, WouldComeBack: func(*Pod, string) string { return "" }, Clients: func(*Pod) string { return "" }, Shared: func(*Pod, string) bool { return false }, Sharers: func(*Pod, string) (bool, string) { return false, "" },
		Targets: func(*Pod) map[string]Target { return nil }, Holders: func(*Pod) []string { return nil }, Balancer: lagging,
		Sender: func(string, *Service) (string, bool) { return "", false }, Refused: map[string]Refused{},
	}
	return s
}

// lagging is any load balancer: it drains for a minute, and sends on for three.
func lagging(name string) Balancer {
	return Balancer{Name: name, Draining: time.Minute, Lag: 3 * time.Minute}
}

// pod adds one that has served for an hour.
func (s *scene) pod(name, node string) *Pod {
	p := &Pod{
		Ref: Ref{"apps", name, name}, Node: node, Workload: "deployment/apps/web", Owner: &Owner{Kind: "ReplicaSet", Name: "web-abc"},
		Labels: map[string]string{"app": "web", "tier": "front", "pod-template-hash": "abc"}, Handle: "pod-template-hash", Doors: []string{"app"}, Probe: true,
		Created: noon.Add(-time.Hour), Ready: true, ReadySince: noon.Add(-time.Hour), Grace: 30 * time.Second,
		Paths: []Path{{Service: "web", Selected: true, Listed: true, Ready: true}},
	}
	s.pods = append(s.pods, p)
	return p
}

// released makes p one that its ReplicaSet let go of a while ago.
func (s *scene) released(p *Pod, ago time.Duration, change func(*Release)) {
	r := Release{Group: "old-group", Workload: "deployment/apps/web", At: noon.Add(-ago), Until: noon.Add(expiry - ago), Owner: p.Owner}
	if change != nil {
		change(&r)
	}
	p.Released = encode(r)
}

// out makes p one that no Service has listed for a while.
func (s *scene) out(p *Pod, quiet time.Duration) {
	s.released(p, time.Minute, func(r *Release) {
		r.Out, r.OutAt, r.Settle, r.Services, r.Labels = true, noon.Add(-quiet), settleProxies, []string{"web"}, map[string]string{"app": "web"}
	})
	p.Paths, p.Doors = nil, nil
	s.r.Released = map[string]PodRecord{p.UID: {Ref: p.Ref, Gone: noon.Add(-quiet)}}
}

// unready makes p one that has not been Ready for so long.
func (s *scene) unready(p *Pod, since time.Duration) {
	p.Ready, p.ReadySince, p.Paths[0].Ready = false, noon.Add(-since), false
}

// ordered makes the workload a StatefulSet.
func (s *scene) ordered() {
	s.web.Kind, s.web.Nature, s.web.Ordinals, s.c.Key = "StatefulSet", Ordered, true, "statefulset/apps/web"
	for _, p := range s.pods {
		p.Workload = s.c.Key
	}
}

// local makes a load balancer send to the node of each pod for that pod's sake.
func (s *scene) local() {
	s.service.Local = true
	s.c.Sender = func(node string, _ *Service) (string, bool) { return "lb", node == "old" }
}

// budgets puts p under two disruption budgets, which have so many healthy pods
// and want one less.
func (s *scene) budgets(p *Pod, healthy int) {
	p.Budgets, p.Veils = []string{"app", "tier"}, []string{"tier"}
	s.PutBudget(&Budget{Namespace: "apps", Name: "app", Desired: 2, Healthy: healthy, Keys: []string{"app"}})
	s.PutBudget(&Budget{Namespace: "apps", Name: "tier", Desired: 2, Healthy: healthy, Keys: []string{"tier"}})
}

// decide asks the machine.
func (s *scene) decide() Decision {
	s.know()
	return NextWorkload(s.c, s.r)
}

// know lets all of the scene be seen.
func (s *scene) know() {
	s.PutService(s.service)
	if s.c.Workload != nil {
		s.PutWorkload(s.web)
	}
	for _, p := range s.pods {
		s.PutPod(p)
	}
	s.c.Pods = s.pods
}

// told is a decision in words: the state, and what is done and waited for.
func told(d Decision) string {
	lines := []string{string(d.Record.State)}
	if d.Record.State == WorkloadParked && d.Record.Why != "" {
		lines[0] += ": " + d.Record.Why
	}
	for _, a := range d.Actions {
		lines = append(lines, a.String())
	}
	return strings.Join(lines, "; ")
}

func TestRulesOfAWorkload(t *testing.T) {
	for _, row := range []struct {
		situation string
		scene     func(*scene)
		want      string
	}{
		// A pod begins: it is released, evicted, or waits.
		{"a pod that serves is released first", func(*scene) {}, "surging; hold pod apps/web-1"},
		{"a pod whose wave has not come stays as it is", func(s *scene) { s.c.Open = func(string) bool { return false } }, "waiting"},
		{"nothing of it is on nodes that leave", func(s *scene) { s.one.Node = "new" }, "moved"},
		{"nobody can hold the pod: it is released by its label", func(s *scene) { s.web.Holder = nil }, "surging; release pod apps/web-1"},
		{"its controller may not be changed: it is released by its label", func(s *scene) {
			s.r.Denied = map[string]string{verbHold: "policy"}
		}, "surging; release pod apps/web-1"},
		{"as many are under way as its own maxSurge allows", func(s *scene) {
			s.released(s.one, time.Second, nil)
			s.pod("web-3", "old-2")
			s.web.Wants = 3
			s.r.Floors["web"] = 3
		}, "surging; wait: deployment/apps/web: web-1 serves on until its replacement does"},
		{"another was let go of a moment ago, and is not seen so yet", func(s *scene) {
			s.two.Node, s.r.letGo = "old-2", map[string]time.Time{s.two.UID: noon.Add(-time.Second)}
		}, "surging; hold pod apps/web-2"},
		{"… and does not count for ever: the call may have been lost", func(s *scene) {
			s.two.Node, s.r.letGo = "old-2", map[string]time.Time{s.two.UID: noon.Add(-askAgain)}
		}, "surging; hold pod apps/web-1"},
		{"nowhere is room for one more", func(s *scene) { s.c.Room = 0 }, "waiting; wait: deployment/apps/web: replacements of others find no room; until they do, or are given up, one workload at a time tries"},
		{"… and for a long time: it is not the one that is stuck", func(s *scene) {
			s.c.Room = 0
			s.r = s.decide().Record
			s.Now = s.Now.Add(patience)
		}, "waiting; wait: deployment/apps/web: replacements of others find no room; until they do, or are given up, one workload at a time tries"},
		{"fewer serve than must", func(s *scene) { s.unready(s.two, 10*time.Second) }, "waiting; wait: deployment/apps/web: 1 of 2 pods serve behind Service web: pod web-2 is not Ready"},
		{"a pod that starts is given time", func(s *scene) { s.unready(s.one, 10*time.Second); s.r.Floors["web"] = 1 }, "waiting; wait: deployment/apps/web: pod web-1 is not Ready yet"},
		{"a pod that serves nobody ends as it is", func(s *scene) { s.unready(s.one, brokenAfter); s.r.Floors["web"] = 1 }, "waiting; evict pod apps/web-1"},
		{"a pod that serves nobody, and whose budget is not met, is replaced first", func(s *scene) {
			s.unready(s.one, brokenAfter)
			s.r.Floors["web"] = 1
			s.c.Refused["web-1"] = Refused{At: noon.Add(-evictRetry), Since: noon.Add(-evictRetry)}
		}, "surging; hold pod apps/web-1"},
		{"a rollout is waited for", func(s *scene) { s.web.Rolling = "1 of 2 pods are new" }, "waiting; wait: deployment/apps/web: its rollout is not complete: 1 of 2 pods are new"},
		{"a rollout that is paused is not waited for", func(s *scene) { s.web.Rolling, s.web.Paused = "1 of 2 pods are new", true }, "surging; hold pod apps/web-1"},
		{"a rollout that has failed is not waited for", func(s *scene) { s.web.Rolling, s.web.Stalled = "1 of 2 pods are new", true }, "surging; hold pod apps/web-1"},
		{"a Job is waited for", func(s *scene) { s.web.Nature = Runs }, "after its Job; wait: deployment/apps/web: pod web-1 runs until its work is done"},
		{"a Job whose work may be lost ends", func(s *scene) { s.web.Nature, s.one.Expendable = Runs, true }, "waiting; evict pod apps/web-1"},
		{"a pod that must not be disrupted parks its workload", func(s *scene) {
			s.one.DoNotDisrupt = "karpenter.sh/do-not-disrupt"
		}, "parked: its annotation karpenter.sh/do-not-disrupt forbids to disrupt it"},
		{"a pod that must not be disrupted for a while is waited for", func(s *scene) {
			s.one.KeptUntil = noon.Add(5 * time.Minute)
		}, "waiting; wait: pod apps/web-1: its annotation karpenter.sh/do-not-disrupt forbids to disrupt it until 12:05:00"},
		{"… once nothing else of it can move", func(s *scene) {
			s.one.DoNotDisrupt = "karpenter.sh/do-not-disrupt"
			s.pod("web-3", "old-2")
			s.c.Open = func(node string) bool { return node == "old" }
		}, "waiting"},
		{"its pods would start on nodes that leave: sentinels first", func(s *scene) { s.one.Tolerates = true }, "waiting; wait: deployment/apps/web: it tolerates every taint; sentinels are to keep its pods off the nodes that leave"},
		{"… and then it moves", func(s *scene) { s.one.Tolerates, s.c.Guarded = true, true }, "surging; hold pod apps/web-1"},
		{"its replacements start on nodes that leave, time and again", func(s *scene) {
			s.r.CameBack = map[string]bool{"a": true, "b": true, "c": true, "d": true, "e": true}
		}, "parked: 5 of its replacements started on nodes that leave: its tolerations match the taint of cordoned nodes"},
		{"it was deleted, and its pods are left", func(s *scene) { s.c.Workload = nil }, "waiting; evict pod apps/web-1"},

		{"a pod that serves nobody is replaced first though fewer serve than must: its successor may end that", func(s *scene) {
			s.unready(s.one, brokenAfter)
			s.c.Refused["web-1"] = Refused{At: noon.Add(-evictRetry), Since: noon.Add(-evictRetry)}
		}, "surging; hold pod apps/web-1"},
		{"a pod that serves nobody ends beside one that moves", func(s *scene) {
			s.unready(s.one, brokenAfter)
			s.pod("web-3", "old-2")
		}, "surging; evict pod apps/web-1; hold pod apps/web-3"},
		{"a pod that starts is given time, and another one moves", func(s *scene) {
			s.unready(s.one, 10*time.Second)
			s.pod("web-3", "old-2")
		}, "surging; wait: deployment/apps/web: pod web-1 is not Ready yet; hold pod apps/web-3"},
		{"as many move at once as its own maxSurge allows", func(s *scene) {
			s.pod("web-3", "old-2")
			s.web.Wants, s.web.Surge = 3, 2
		}, "surging; hold pod apps/web-1; hold pod apps/web-3"},
		{"… and as there is room for", func(s *scene) {
			s.pod("web-3", "old-2")
			s.web.Wants, s.web.Surge, s.c.Room = 3, 2, 1
		}, "surging; hold pod apps/web-1; wait: deployment/apps/web: replacements of others find no room; until they do, or are given up, one workload at a time tries"},
		{"pods that no Service selects count as they are Ready", func(s *scene) {
			for _, p := range s.pods {
				p.Paths = nil
			}
			s.r.Floors = map[string]int{"": 2}
			s.two.Ready = false
		}, "waiting; wait: deployment/apps/web: 1 of 2 pods serve: pod web-2 is not Ready"},
		{"… at once, as nobody sends to them", func(s *scene) {
			for _, p := range s.pods {
				p.Paths = nil
			}
			s.r.Floors = map[string]int{"": 2}
			s.two.Probe, s.two.ReadySince = false, noon
		}, "surging; hold pod apps/web-1"},
		{"a Service that selects none of its pods any more is waited for, for a while", func(s *scene) {
			s.r.Floors["gone"], s.r.nowhere = 1, map[string]time.Time{"gone": noon.Add(time.Second - brokenAfter)}
		}, "waiting; wait: deployment/apps/web: 0 of 1 pods serve behind Service gone"},
		{"… and owed nothing after that", func(s *scene) {
			s.r.Floors["gone"], s.r.nowhere = 1, map[string]time.Time{"gone": noon.Add(-brokenAfter)}
		}, "surging; hold pod apps/web-1"},
		{"… but one that a pod was taken out of is owed what it was", func(s *scene) {
			s.out(s.two, time.Second)
			s.released(s.two, time.Second, func(r *Release) { r.Out, r.OutAt, r.Settle, r.Services = true, noon, time.Hour, []string{"leader"} })
			s.r.Floors["leader"], s.r.nowhere = 1, map[string]time.Time{"leader": noon.Add(-brokenAfter)}
			s.web.Surge, s.r.Floors["web"] = 2, 1
		}, "surging; wait: pod apps/web-2: out of its Services, its last requests end"},
		{"as many are wanted as were seen, where nobody tells", func(s *scene) {
			s.web.Counted, s.web.Wants, s.r.Wants, s.r.Floors["web"] = false, 2, 3, 3
		}, "waiting; wait: deployment/apps/web: 2 of 3 pods serve behind Service web"},
		{"a pod that another move let go of serves, and is that one's to see to", func(s *scene) {
			s.pod("web-3", "old-2")
			s.released(s.one, time.Minute, nil)
			s.c.Anothers = func(p *Pod) bool { return p == s.one }
			s.web.Wants, s.r.Floors["web"], s.web.Surge = 3, 3, 2
		}, "surging; hold pod apps/web-3"},
		{"… and one comes in its place: no more than the surge", func(s *scene) {
			s.pod("web-3", "old-2")
			s.released(s.one, time.Minute, nil)
			s.c.Anothers = func(p *Pod) bool { return p == s.one }
			s.web.Wants, s.r.Floors["web"] = 3, 3
		}, "waiting; wait: deployment/apps/web: another move has let go of pod web-1, and one comes in its place"},
		{"… unless it was taken out", func(s *scene) {
			s.pod("web-3", "old-2")
			s.released(s.one, time.Minute, func(r *Release) { r.Out = true })
			s.c.Anothers = func(p *Pod) bool { return p == s.one }
			s.web.Wants, s.r.Floors["web"] = 3, 3
		}, "waiting; wait: deployment/apps/web: 2 of 3 pods serve behind Service web"},
		{"its wave comes next: its replacement comes early", func(s *scene) {
			s.c.Open = func(string) bool { return false }
			s.c.Ahead = func(string) bool { return true }
		}, "surging; hold pod apps/web-1"},
		{"… but it goes with its wave if it goes first", func(s *scene) {
			s.ordered()
			s.c.Open = func(string) bool { return false }
			s.c.Ahead = func(string) bool { return true }
		}, "waiting"},
		{"of a Job's pods one ends whose work may be lost", func(s *scene) {
			s.web.Nature = Runs
			s.pod("web-3", "old-2").Expendable = true
		}, "after its Job; wait: deployment/apps/web: pod web-1 runs until its work is done; evict pod apps/web-3"},
		{"one pod is kept for a while, and another one moves", func(s *scene) {
			s.one.KeptUntil = noon.Add(5 * time.Minute)
			s.pod("web-3", "old-2")
		}, "surging; wait: pod apps/web-1: its annotation karpenter.sh/do-not-disrupt forbids to disrupt it until 12:05:00; hold pod apps/web-3"},
		{"a pod that nothing controls ends, if it may", func(s *scene) {
			s.c.Workload, s.one.Workload, s.one.Expendable, s.pods = nil, "", true, s.pods[:1]
			s.c.Unheard = func(*Pod) string { return "AWS does not answer: throttled" }
		}, "waiting; evict pod apps/web-1"},
		{"what has moved waits once more if a pod comes back", func(s *scene) {
			s.r.State = WorkloadMoved
			s.c.Open = func(string) bool { return false }
		}, "waiting"},

		// A released pod, beside its replacement.
		{"a released pod serves until its replacement does", func(s *scene) { s.released(s.one, time.Minute, nil) }, "surging; wait: deployment/apps/web: web-1 serves on until its replacement does"},
		{"a released pod whose replacement serves is taken out of its Services", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
		}, "surging; take out pod apps/web-1"},
		{"… and is not told in the same turn that its move is alive: one of the two records would be lost", func(s *scene) {
			s.released(s.one, 11*time.Minute, nil)
			s.pod("web-3", "new")
		}, "surging; take out pod apps/web-1"},
		{"… only if the replacement has been Ready for minReadySeconds", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.web.MinReady = time.Minute
			s.pod("web-3", "new").ReadySince = noon.Add(-time.Second)
		}, "surging; wait: deployment/apps/web: web-1 serves on until its replacement does"},
		{"… only if it had time to listen, where nothing says that it does", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			p := s.pod("web-3", "new")
			p.ReadySince, p.Probe = noon.Add(-29*time.Second), false
		}, "surging; wait: deployment/apps/web: web-1 serves on until its replacement does: pod web-3 has no readiness probe, and counts once it has run for 30s"},
		{"… or its probe says so", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new").ReadySince = noon.Add(-time.Second)
		}, "surging; take out pod apps/web-1"},
		{"… only if the Service lists it", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new").Paths[0].Ready = false
		}, "surging; wait: deployment/apps/web: web-1 serves on until its replacement does"},
		{"… only if, for local traffic, its node is in service", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "newest")
			s.service.Local = true
			s.c.Through = func(node string, _ *Service) bool { return node != "newest" }
		}, "surging; wait: deployment/apps/web: web-1 serves on until its replacement does"},
		{"the replacement does not serve in the time that its author gave it", func(s *scene) {
			s.released(s.one, 10*time.Minute, nil)
		}, "parked: the replacement of pod web-1 does not serve after 10m0s; renew pod apps/web-1"},
		{"a load balancer sends to the node for the sake of this pod", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.local()
		}, "surging; wait: load balancer lb: node old is in it for the sake of pod web-1"},
		{"… or of another one there as well", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.pod("web-4", "old").Daemon = true
			s.local()
		}, "surging; take out pod apps/web-1"},
		{"it may not leave its Services, and its preStop hook covers the end", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.one.Doors, s.one.NoDoor, s.one.PreStopTime = nil, "a policy selects by app", 10*time.Second
		}, "surging; evict pod apps/web-1"},
		{"it may not leave its Services, and nothing covers the end", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.one.Doors, s.one.NoDoor = nil, "a policy selects by app"
		}, "parked: it cannot be taken out of its Services before it ends: a policy selects by app"},
		{"a pod that no Service selects ends at once", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			for _, p := range s.pods {
				p.Paths = nil
			}
		}, "surging; evict pod apps/web-1"},
		{"one that its Service let go of by itself waits for those who send for the Service", func(s *scene) {
			s.released(s.one, time.Minute, func(r *Release) { r.Floors = map[string]int{"web": 2} })
			s.pod("web-3", "new")
			s.one.Paths, s.service.Routes = nil, []string{"ingress/apps/web"}
			s.r.Released = map[string]PodRecord{"web-1": {Ref: s.one.Ref, Gone: noon.Add(-settleIngress + time.Second)}}
		}, "surging; wait: pod apps/web-1: its Services have let go of it, its last requests end"},
		{"… unless a target group sends to its address all the same", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			for _, p := range s.pods {
				p.Paths = nil
			}
			s.c.Targets = func(p *Pod) map[string]Target {
				return map[string]map[string]Target{"web-1": {"tg": {Address: "10.0.0.1", State: InService}}}[p.Name]
			}
		}, "surging; wait: load balancer tg: pod apps/web-1 is InService there (its draining time is 1m0s)"},
		{"a pod under two budgets leaves one of them, which is counted anew", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.budgets(s.one, 3)
		}, "surging; take out pod apps/web-1; recount poddisruptionbudget apps/app; recount poddisruptionbudget apps/tier"},
		{"… if both are met without it", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.budgets(s.one, 2)
		}, "surging; take out pod apps/web-1; recount poddisruptionbudget apps/app"},
		{"what was owed when it was released is owed by whoever takes it over", func(s *scene) {
			s.released(s.one, time.Minute, func(r *Release) { r.Group, r.Floors = "another-group", map[string]int{"web": 2} })
			s.r.Floors = nil
		}, "surging; wait: deployment/apps/web: web-1 serves on until its replacement does"},
		{"a released pod is renewed before anybody gives it back", func(s *scene) {
			s.released(s.one, expiry/2, nil)
			s.web.StartsWithin = time.Hour
		}, "surging; wait: deployment/apps/web: web-1 serves on until its replacement does; renew pod apps/web-1"},
		{"… or, of one that its author wants to prove itself, as soon as it has", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.web.MinReady = time.Minute
			s.pod("web-3", "new").ReadySince = noon.Add(-time.Minute)
		}, "surging; take out pod apps/web-1"},
		{"… only if that Service lists it, whatever others do", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new").Paths = []Path{{Service: "front", Selected: true, Listed: true, Ready: true}, {Service: "web", Selected: true, Listed: true}}
		}, "surging; wait: deployment/apps/web: web-1 serves on until its replacement does"},
		{"one replacement serves for two: one is taken out", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.released(s.pod("web-4", "old"), time.Minute, nil)
			s.pod("web-3", "new")
			s.web.Wants, s.r.Floors["web"], s.web.Surge = 3, 3, 2
		}, "surging; take out pod apps/web-1; wait: deployment/apps/web: web-4 serves on until its replacement does"},
		{"its wave comes next: it serves on until the first node is through", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.c.Next = func(string) bool { return true }
		}, "surging; wait: deployment/apps/web: web-1 serves on until the first node is through"},
		{"… unless it serves nobody", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.unready(s.one, brokenAfter)
			s.pod("web-3", "new")
			s.c.Next = func(string) bool { return true }
		}, "surging; take out pod apps/web-1"},
		{"it was let go of for a rollout, whose time does not count", func(s *scene) {
			s.released(s.one, 10*time.Minute, func(r *Release) { r.Rollout, r.Until = true, noon.Add(time.Hour) })
		}, "surging; wait: deployment/apps/web: web-1 serves on until its replacement does"},
		{"… and then its replacement has its own", func(s *scene) {
			s.released(s.one, 20*time.Minute, func(r *Release) { r.Rollout, r.Until = true, noon.Add(time.Hour) })
			s.c.Closed = noon.Add(-10 * time.Minute)
		}, "parked: the replacement of pod web-1 does not serve after 10m0s"},
		{"it may be missing, and nothing stands by: it serves on", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.one.AcceptGap = true
		}, "surging; wait: deployment/apps/web: web-1 serves on until its replacement does"},
		{"a target group cannot do without it, and it leaves by itself", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.c.Needed = func(*Pod) string { return "zone a" }
			for _, p := range s.pods {
				p.Paths = nil
			}
		}, "surging; evict pod apps/web-1"},
		{"no Service selects it any more, and some list it yet", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.one.Paths[0].Selected = false
		}, "surging; take out pod apps/web-1"},
		{"its Service selects it, and does not list it yet", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.one.Paths[0].Listed, s.one.Paths[0].Ready = false, false
		}, "surging; take out pod apps/web-1"},
		{"a pod that never had a Service ends at once", func(s *scene) {
			s.released(s.one, time.Minute, func(r *Release) { r.Floors = map[string]int{"": 2} })
			s.pod("web-3", "new")
			for _, p := range s.pods {
				p.Paths = nil
			}
			s.r.Floors = map[string]int{"": 2}
		}, "surging; evict pod apps/web-1"},
		{"a load balancer sends to the node, and not for a pod that does not serve", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.one.Paths[0].Ready = false
			s.local()
		}, "surging; take out pod apps/web-1"},
		{"pods of its node are served by it, and it does not serve", func(s *scene) {
			s.service.NodeLocal = true
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.one.Paths[0].Ready = false
			s.c.Clients = func(*Pod) string { return "apps/shop-1" }
		}, "surging; take out pod apps/web-1"},
		{"pods of its node are served by another one there, too", func(s *scene) {
			s.service.NodeLocal = true
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.pod("web-4", "old").Daemon = true
			s.c.Clients = func(*Pod) string { return "apps/shop-1" }
		}, "surging; take out pod apps/web-1"},
		{"its preStop hook covers the end, and its clients would come back", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.one.Doors, s.one.NoDoor, s.one.PreStopTime = nil, "a policy selects by app", 10*time.Second
			s.c.WouldComeBack = func(*Pod, string) string { return "load balancer lb and node old-2" }
		}, "surging; wait: pod apps/web-1: its last clients would come back by load balancer lb and node old-2"},
		{"it may not be evicted, which shows once it is out", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.r.Denied = map[string]string{verbEvict: "policy"}
		}, "surging; take out pod apps/web-1"},
		{"its eviction was refused, and by now its replacement serves no more: it serves on", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.unready(s.pod("web-3", "new"), time.Second)
			s.one.Doors, s.one.NoDoor, s.one.PreStopTime = nil, "a policy selects by app", 10*time.Second
			s.r.asked = map[string]time.Time{"web-1": noon.Add(-10 * time.Second)}
			s.c.Refused["web-1"] = Refused{At: noon.Add(-8 * time.Second), Since: noon.Add(-8 * time.Second)}
		}, "surging; wait: deployment/apps/web: web-1 serves on until its replacement does: pod web-3 is not Ready"},
		{"its eviction was asked for after it had been refused: it is on its way", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.unready(s.pod("web-3", "new"), time.Second)
			s.one.Doors, s.one.NoDoor, s.one.PreStopTime = nil, "a policy selects by app", 10*time.Second
			s.r.asked = map[string]time.Time{"web-1": noon.Add(-time.Second)}
			s.c.Refused["web-1"] = Refused{At: noon.Add(-8 * time.Second), Since: noon.Add(-8 * time.Second)}
		}, "surging; evict pod apps/web-1"},

		// A pod that is out of its Services.
		{"its Services still list it", func(s *scene) {
			s.out(s.one, time.Second)
			s.pod("web-3", "new")
			s.one.Paths = []Path{{Service: "web", Listed: true}}
		}, "surging; wait: pod apps/web-1: EndpointSlices of web still list it"},
		{"nobody knows what its target groups do", func(s *scene) { s.c.Unheard = func(*Pod) string { return "AWS does not answer: throttled" } },
			"waiting; wait: deployment/apps/web: AWS does not answer: throttled"},
		{"a target group drains its address", func(s *scene) {
			s.out(s.one, time.Hour)
			s.pod("web-3", "new")
			s.c.Targets = func(p *Pod) map[string]Target {
				return map[string]map[string]Target{"web-1": {"tg": {Address: "10.0.0.1", State: Draining}}}[p.Name]
			}
		}, "surging; wait: load balancer tg: pod apps/web-1 is draining there (its draining time is 1m0s)"},
		{"a target group has let go of its address, and may send on", func(s *scene) {
			s.out(s.one, time.Hour)
			s.pod("web-3", "new")
			s.r.Released["web-1"] = PodRecord{Ref: s.one.Ref, Gone: noon.Add(-time.Hour), Left: Left{"tg": noon.Add(-time.Minute)}}
		}, "surging; wait: load balancer tg: it let go of pod apps/web-1, and may send to it for 2m0s more"},
		{"… when that was nobody remembers: it may have been this moment", func(s *scene) {
			s.out(s.one, time.Hour)
			s.pod("web-3", "new")
			s.c.Holders = func(*Pod) []string { return []string{"tg"} }
		}, "surging; wait: load balancer tg: it let go of pod apps/web-1, and may send to it for 3m0s more"},
		{"its target groups have not answered since the run began", func(s *scene) {
			s.out(s.one, time.Hour)
			s.pod("web-3", "new")
			s.c.Unheard = func(*Pod) string { return "AWS does not answer: throttled" }
		}, "surging; wait: pod apps/web-1: AWS does not answer: throttled"},
		{"its target groups could be asked when it was taken out, and cannot now", func(s *scene) {
			s.service.TargetGroups = []string{"arn"}
			s.out(s.one, time.Minute)
			s.pod("web-3", "new")
		}, "surging; wait: pod apps/web-1: out of its Services, its last requests end"},
		{"a target group does not send to its replacement yet", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.c.Healthy = func(p *Pod, _ *Service) bool { return p.Name != "web-3" }
			s.r.Floors = map[string]int{"web": 2}
		}, "surging; wait: deployment/apps/web: web-1 serves on until its replacement does"},
		{"its zone would have no target without it", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.c.Needed = func(*Pod) string { return "load balancer tg: no target outside is InService in zone a" }
		}, "surging; wait: load balancer tg: no target outside is InService in zone a"},
		{"pods of its node are served by it alone", func(s *scene) {
			s.service.NodeLocal = true
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.c.Clients = func(*Pod) string { return "apps/shop-1" }
		}, "surging; wait: deployment/apps/web: pod web-1 alone serves Service web on node old, which pod apps/shop-1 has yet to leave"},
		{"its last clients would come back through a node that leaves", func(s *scene) {
			s.out(s.one, time.Hour)
			s.c.WouldComeBack = func(_ *Pod, service string) string { return "load balancer lb and node old-2 for " + service }
		}, "surging; wait: pod apps/web-1: its last clients would come back by load balancer lb and node old-2 for apps/web"},
		{"its Services let go of it a moment ago", func(s *scene) { s.out(s.one, settleProxies-time.Second); s.pod("web-3", "new") }, "surging; wait: pod apps/web-1: out of its Services, its last requests end"},
		{"nobody sends to it any more", func(s *scene) { s.out(s.one, settleProxies); s.pod("web-3", "new") }, "surging; evict pod apps/web-1"},
		{"its eviction was refused a moment ago", func(s *scene) {
			s.out(s.one, settleProxies)
			s.pod("web-3", "new")
			s.c.Refused["web-1"] = Refused{At: noon, Since: noon, Refusal: Refusal{Why: "budget spent"}}
		}, "surging; wait: pod apps/web-1: budget spent"},
		{"… and is asked for again", func(s *scene) {
			s.out(s.one, settleProxies)
			s.pod("web-3", "new")
			s.c.Refused["web-1"] = Refused{At: noon.Add(-evictRetry), Since: noon.Add(-evictRetry)}
		}, "surging; evict pod apps/web-1"},
		{"a Service that selects it came", func(s *scene) {
			s.out(s.one, settleProxies)
			s.pod("web-3", "new")
			s.one.Doors, s.one.Paths = []string{"tier"}, []Path{{Service: "front", Selected: true, Listed: true, Ready: true}}
		}, "surging; take out pod apps/web-1"},
		{"its eviction was refused, and nobody is to give it back meanwhile", func(s *scene) {
			s.out(s.one, settleProxies)
			s.released(s.one, expiry/2, func(r *Release) { r.Out = true })
			s.pod("web-3", "new")
			s.c.Refused["web-1"] = Refused{At: noon, Since: noon, Refusal: Refusal{Why: "budget spent"}}
		}, "surging; wait: pod apps/web-1: budget spent; renew pod apps/web-1"},
		{"the next one is let go of while those who sent to it let go", func(s *scene) {
			s.out(s.one, settleProxies-time.Second)
			s.pod("web-3", "old-2")
			s.web.Wants = 3
		}, "surging; wait: pod apps/web-1: out of its Services, its last requests end; hold pod apps/web-3"},
		{"… not while Services list it", func(s *scene) {
			s.out(s.one, settleProxies-time.Second)
			s.one.Paths = []Path{{Service: "web", Listed: true}}
			s.pod("web-3", "old-2")
			s.web.Wants = 3
		}, "surging; wait: pod apps/web-1: EndpointSlices of web still list it"},
		{"… nor while a target group has it", func(s *scene) {
			s.out(s.one, settleProxies-time.Second)
			s.c.Targets = func(p *Pod) map[string]Target {
				return map[string]map[string]Target{"web-1": {"tg": {State: Draining}}}[p.Name]
			}
			s.pod("web-3", "old-2")
			s.web.Wants = 3
		}, "surging; wait: pod apps/web-1: out of its Services, its last requests end"},
		{"… nor while one may send to it that let go of it", func(s *scene) {
			s.out(s.one, settleProxies-time.Second)
			s.r.Released["web-1"] = PodRecord{Gone: noon.Add(time.Second - settleProxies), Left: Left{"tg": noon.Add(-time.Second)}}
			s.pod("web-3", "old-2")
			s.web.Wants = 3
		}, "surging; wait: pod apps/web-1: out of its Services, its last requests end"},
		{"… nor for minutes: it has its share of quotas meanwhile", func(s *scene) {
			s.out(s.one, time.Second)
			s.released(s.one, time.Minute, func(r *Release) { r.Out, r.Settle = true, briefly+time.Second })
			s.pod("web-3", "old-2")
			s.web.Wants = 3
		}, "surging; wait: pod apps/web-1: out of its Services, its last requests end"},
		{"… and for a minute", func(s *scene) {
			s.out(s.one, time.Second)
			s.released(s.one, time.Minute, func(r *Release) { r.Out, r.Settle = true, briefly })
			s.pod("web-3", "old-2")
			s.web.Wants = 3
		}, "surging; wait: pod apps/web-1: out of its Services, its last requests end; hold pod apps/web-3"},
		{"… nor when it is to end by now", func(s *scene) {
			s.out(s.one, settleProxies)
			s.pod("web-3", "old-2")
			s.web.Wants = 3
		}, "surging; evict pod apps/web-1"},
		{"… and no more than its strategy allows do so at once", func(s *scene) {
			s.out(s.two, settleProxies-time.Second)
			s.out(s.one, settleProxies-time.Second)
			s.r.Released["web-2"] = s.r.Released["web-1"]
			s.pod("web-3", "old-2")
			s.web.Wants, s.r.Floors["web"] = 3, 1
		}, "surging; wait: pod apps/web-1: out of its Services, its last requests end; wait: pod apps/web-2: out of its Services, its last requests end"},

		// What cannot be replaced before it goes.
		{"of a StatefulSet the highest number goes first", func(s *scene) { s.pod("web-3", "old"); s.ordered(); s.web.Wants = 3 }, "waiting; evict pod apps/web-3"},
		{"… one at a time", func(s *scene) { s.ordered(); s.two.Deleting, s.two.GoneBy = true, noon.Add(time.Minute) }, "waiting"},
		{"… the next when as many serve as must", func(s *scene) { s.ordered(); s.unready(s.two, 10*time.Second) }, "waiting; wait: statefulset/apps/web: 1 of 2 pods serve behind Service web: pod web-2 is not Ready"},
		{"… and everybody sends to the one that came", func(s *scene) { s.ordered(); s.two.ReadySince = noon.Add(-time.Second) }, "waiting; wait: statefulset/apps/web: pod web-2 is Ready, and not everybody sends to it yet"},
		{"… and none while another is broken", func(s *scene) {
			s.ordered()
			s.web.Wants = 3
			s.unready(s.pod("web-3", "new"), 2*brokenAfter)
		}, "waiting; wait: statefulset/apps/web: none of its pods that work is ended while others do not: pod web-3 is not Ready"},
		{"… or missing", func(s *scene) { s.ordered(); s.web.Wants = 3 }, "waiting; wait: statefulset/apps/web: none of its pods that work is ended while others do not: 2 of 3 pods are there"},
		{"what was asked for is asked for again: the call may be lost", func(s *scene) {
			s.ordered()
			s.r.asked = map[string]time.Time{"web-1": noon.Add(-time.Second)}
		}, "waiting; evict pod apps/web-1"},
		{"a member that alone serves a Service waits for another to do so", func(s *scene) {
			s.ordered()
			s.one.Paths = append(s.one.Paths, Path{Service: "leader", Selected: true, Listed: true, Ready: true})
		}, "waiting; wait: statefulset/apps/web: pod web-1 alone serves Service leader; its controller is to let another one do so"},
		{"… unless it may be missing", func(s *scene) {
			s.ordered()
			s.one.AcceptGap = true
			s.one.Paths = append(s.one.Paths, Path{Service: "leader", Selected: true, Listed: true, Ready: true})
		}, "waiting; evict pod apps/web-1"},
		{"its strategy allows none beyond those wanted", func(s *scene) { s.web.Surge = 0 }, "waiting; evict pod apps/web-1"},
		{"an operator's pods go one at a time too", func(s *scene) { s.web.Nature = Operated }, "waiting; evict pod apps/web-1"},
		{"one replica with nothing beside it, and its gap is accepted", func(s *scene) {
			s.ordered()
			s.pods = s.pods[:1]
			s.web.Wants, s.one.AcceptGap, s.r.Floors["web"] = 1, true, 1
		}, "waiting; evict pod apps/web-1"},
		{"one that starts is given time, and another one goes", func(s *scene) {
			s.web.Surge = 0
			s.unready(s.one, 10*time.Second)
			s.pod("web-3", "old-2")
		}, "waiting; wait: deployment/apps/web: pod web-1 is not Ready yet; evict pod apps/web-3"},

		{"… which waits for the load balancer that sends to its node", func(s *scene) {
			s.ordered()
			s.pods = s.pods[:1]
			s.web.Wants, s.one.AcceptGap, s.r.Floors["web"] = 1, true, 1
			s.local()
		}, "waiting; wait: load balancer lb: node old is in it for the sake of pod web-1"},

		// Pods that end.
		{"a pod ends in its own time", func(s *scene) {
			s.one.Deleting, s.one.GoneBy = true, noon.Add(time.Minute)
			s.pod("web-3", "new")
		}, "waiting; wait: pod apps/web-1: ends by 12:01:00"},
		{"a pod that has ended is kept by a finalizer", func(s *scene) {
			s.one.Deleting, s.one.GoneBy, s.one.Finalizers = true, noon.Add(-time.Minute), []string{"example.com/f"}
			s.pod("web-3", "new")
		}, "waiting; wait: pod apps/web-1: it has ended, and finalizer example.com/f keeps it"},
		{"a pod that ends on a dead node is gone", func(s *scene) {
			s.one.Deleting = true
			s.pod("web-3", "new")
			s.c.Dead = func(node string) bool { return node == "old" }
		}, "moved"},

		// Pods whose node's instance has ended; Kubernetes calls them Ready yet.
		{"a pod whose instance has ended waits for no wave and no replacement", func(s *scene) {
			s.c.Ended = func(node string) bool { return node == "old" }
			s.c.Open = func(string) bool { return false }
		}, "waiting; evict pod apps/web-1"},
		{"… nor for the load balancer that sends to its node", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.local()
			s.c.Ended = func(node string) bool { return node == "old" }
		}, "surging; take out pod apps/web-1"},
		{"… and counts for no floor", func(s *scene) {
			s.c.Ended = func(node string) bool { return node == "new" }
		}, "waiting; wait: deployment/apps/web: 1 of 2 pods serve behind Service web"},
		{"nothing of it has moved for too long", func(s *scene) {
			s.one.Deleting, s.one.GoneBy = true, noon.Add(-time.Hour)
			s.pod("web-3", "new")
			d := s.decide()
			s.r = d.Record
			s.Now = s.Now.Add(patience)
		}, "parked: nothing of it has moved for 15m0s: pod apps/web-1: should have ended by 11:00:00; wait: pod apps/web-1: should have ended by 11:00:00"},
		{"… but a replacement that starts, and is late, has its author's time", func(s *scene) {
			s.web.StartsWithin = time.Hour
			s.released(s.one, 16*time.Minute, nil)
			s.unready(s.pod("web-3", "new"), 16*time.Minute)
			d := s.decide()
			s.r = d.Record
			s.Now = s.Now.Add(patience)
		}, "surging; wait: deployment/apps/web: web-1 serves on until its replacement does: pod web-3 is not Ready; renew pod apps/web-1"},
		{"… and those who send to a pod that was taken out have the user's", func(s *scene) {
			s.out(s.one, 16*time.Minute)
			s.released(s.one, time.Hour, func(r *Release) { r.Out, r.Settle = true, 30*time.Minute })
			s.pod("web-3", "new")
			d := s.decide()
			s.r = d.Record
			s.Now = s.Now.Add(patience - 2*time.Minute)
			d = s.decide()
			s.r = d.Record
		}, "surging; wait: pod apps/web-1: out of its Services, its last requests end; renew pod apps/web-1"},
		{"… not one of which Kubernetes says what it lacks", func(s *scene) {
			s.web.StartsWithin = time.Hour
			s.released(s.one, 16*time.Minute, nil)
			late := s.pod("web-3", "new")
			s.unready(late, 16*time.Minute)
			late.Trouble = "ImagePullBackOff: not found"
			d := s.decide()
			s.r = d.Record
			s.Now = s.Now.Add(patience)
		}, "parked: nothing of it has moved for 15m0s: deployment/apps/web: web-1 serves on until its replacement does: pod web-3: ImagePullBackOff: not found; wait: deployment/apps/web: web-1 serves on until its replacement does: pod web-3: ImagePullBackOff: not found; renew pod apps/web-1"},

		// Pods that went back.
		{"a pod that an earlier move gave back is its own again", func(s *scene) {
			s.released(s.one, time.Minute, func(r *Release) { r.Back, r.OutAt = true, noon.Add(-time.Second) })
		}, "waiting; forget pod apps/web-1"},
		{"… once its ReplicaSet has none too many", func(s *scene) {
			s.released(s.one, time.Minute, func(r *Release) { r.Back, r.OutAt = true, noon.Add(-time.Second) })
			s.pod("web-3", "new")
		}, "waiting; wait: pod apps/web-1: its ReplicaSet takes it back"},
		{"… or should have long ago", func(s *scene) {
			s.released(s.one, time.Minute, func(r *Release) { r.Back, r.OutAt = true, noon.Add(-2*backLimit) })
			s.pod("web-3", "new")
		}, "waiting; forget pod apps/web-1"},
		{"… or its time is over", func(s *scene) {
			s.released(s.one, expiry, func(r *Release) { r.Back, r.OutAt = true, noon.Add(-time.Second) })
			s.pod("web-3", "new")
		}, "waiting; forget pod apps/web-1"},

		// The move stops, or the workload is parked.
		{"the move stops: what was not begun stays", func(s *scene) { s.c.StopsSince = noon.Add(-time.Second) }, "waiting"},
		{"the move stops: what is out goes to its end", func(s *scene) {
			s.c.StopsSince = noon.Add(-time.Second)
			s.out(s.one, settleProxies)
			s.pod("web-3", "new")
		}, "waiting; evict pod apps/web-1"},
		{"the move stops: what is out and needed goes back, if its ReplicaSet can spare another", func(s *scene) {
			s.c.StopsSince = noon.Add(-time.Second)
			s.out(s.one, settleProxies)
			s.unready(s.pod("web-3", "new"), time.Second)
		}, "waiting; give back pod apps/web-1"},
		{"the move stops: what is beside goes on if its replacement serves", func(s *scene) {
			s.c.StopsSince = noon.Add(-time.Second)
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
		}, "waiting; take out pod apps/web-1"},
		{"the move stops: what is beside is given time", func(s *scene) {
			s.c.StopsSince = noon.Add(-time.Second)
			s.released(s.one, time.Minute, nil)
		}, "waiting; wait: deployment/apps/web: pod web-1 serves until its replacement does"},
		{"the move stops: what is beside goes back after that", func(s *scene) {
			s.c.StopsSince = noon.Add(-backLimit)
			s.released(s.one, time.Minute, nil)
			s.unready(s.pod("web-3", "new"), time.Minute)
		}, "waiting; give back pod apps/web-1"},
		{"the move stops: what may not be evicted goes back when nobody sends to it", func(s *scene) {
			s.c.StopsSince = noon.Add(-time.Second)
			s.out(s.one, time.Hour)
			s.pod("web-3", "new")
			s.r.Denied = map[string]string{verbEvict: "policy"}
			s.r.Released["web-1"] = PodRecord{Ref: s.one.Ref, Gone: noon.Add(-time.Hour), Left: Left{"tg": noon.Add(-time.Minute)}}
		}, "waiting; wait: load balancer tg: it let go of pod apps/web-1, and may send to it for 2m0s more"},
		{"the move stops: what may not be evicted goes back as the first to end", func(s *scene) {
			s.c.StopsSince = noon.Add(-time.Second)
			s.out(s.one, settleProxies)
			s.pod("web-3", "new")
			s.r.Denied = map[string]string{verbEvict: "policy"}
		}, "waiting; give back pod apps/web-1"},
		{"the move stops: what is out and needed goes to its end, if no other can end in its place", func(s *scene) {
			s.c.StopsSince = noon.Add(-time.Second)
			s.out(s.one, settleProxies)
			s.pod("web-3", "new").Paths[0].Ready = false
			s.two.Paths[0].Ready = false
		}, "waiting; evict pod apps/web-1"},
		{"the move stops: what is beside serves on, if no other can end in its place", func(s *scene) {
			s.c.StopsSince = noon.Add(-backLimit)
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new").Paths[0].Ready = false
		}, "waiting; wait: deployment/apps/web: pod web-1 serves until its replacement does"},
		{"… not for ever", func(s *scene) {
			s.c.StopsSince = noon.Add(-3 * backLimit)
			s.released(s.one, 4*time.Minute, nil)
			s.pod("web-3", "new").Paths[0].Ready = false
		}, "waiting; give back pod apps/web-1"},
		{"… unless nobody knows what its target groups do", func(s *scene) {
			s.c.StopsSince = noon.Add(-3 * backLimit)
			s.released(s.one, 4*time.Minute, nil)
			s.pod("web-3", "new").Paths[0].Ready = false
			s.c.Unheard = func(*Pod) string { return "throttled" }
		}, "waiting; wait: deployment/apps/web: pod web-1 serves until its replacement does"},
		{"the move stops: what a load balancer sends to its node for goes back at once", func(s *scene) {
			s.c.StopsSince = noon.Add(-time.Second)
			s.released(s.one, time.Minute, nil)
			s.unready(s.pod("web-3", "new"), time.Minute)
			s.local()
		}, "waiting; give back pod apps/web-1"},
		{"… also if its replacement serves", func(s *scene) {
			s.c.StopsSince = noon.Add(-time.Second)
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.local()
		}, "waiting; give back pod apps/web-1"},
		{"the move stops: what may not be evicted, and is in its Services, is taken out first", func(s *scene) {
			s.c.StopsSince = noon.Add(-time.Second)
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.r.Denied = map[string]string{verbEvict: "policy"}
		}, "waiting; take out pod apps/web-1"},
		{"… not if its preStop hook covers the end: it goes back as the first to end", func(s *scene) {
			s.c.StopsSince = noon.Add(-time.Second)
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.one.Doors, s.one.NoDoor, s.one.PreStopTime = nil, "a policy selects by app", 10*time.Second
			s.r.Denied = map[string]string{verbEvict: "policy"}
		}, "waiting; give back pod apps/web-1"},
		{"… nor if it has none", func(s *scene) {
			s.c.StopsSince = noon.Add(-time.Second)
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			for _, p := range s.pods {
				p.Paths = nil
			}
			s.c.Refused["web-1"] = Refused{At: noon.Add(-time.Second), Since: noon.Add(-backLimit)}
		}, "waiting; give back pod apps/web-1"},
		{"… nor before EndpointSlices list it no more", func(s *scene) {
			s.c.StopsSince = noon.Add(-time.Second)
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.one.Paths[0].Selected = false
			s.r.Denied = map[string]string{verbEvict: "policy"}
		}, "waiting; take out pod apps/web-1"},
		{"… which waits as long as it was refused lately", func(s *scene) {
			s.c.StopsSince = noon.Add(-time.Second)
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			for _, p := range s.pods {
				p.Paths = nil
			}
			s.c.Refused["web-1"] = Refused{At: noon.Add(-evictRetry), Since: noon.Add(time.Second - backLimit)}
		}, "waiting; evict pod apps/web-1"},
		{"the move stops: what cannot leave its Services goes back in the end", func(s *scene) {
			s.c.StopsSince = noon.Add(-backLimit)
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.one.Doors, s.one.NoDoor = nil, "a policy selects by app"
		}, "waiting; give back pod apps/web-1"},
		{"… and serves until then", func(s *scene) {
			s.c.StopsSince = noon.Add(-time.Second)
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.one.Doors, s.one.NoDoor = nil, "a policy selects by app"
		}, "waiting; wait: deployment/apps/web: pod web-1 serves on: it cannot be taken out of its Services before it ends: a policy selects by app"},
		{"the move stops: what went back is its own again", func(s *scene) {
			s.c.StopsSince = noon.Add(-time.Second)
			s.released(s.one, time.Minute, func(r *Release) { r.Back, r.OutAt = true, noon.Add(-time.Second) })
		}, "waiting; forget pod apps/web-1"},
		{"the move stops: what has ended and is kept by a finalizer keeps no mark", func(s *scene) {
			s.c.StopsSince = noon.Add(-time.Second)
			s.released(s.one, time.Minute, nil)
			s.one.Deleting, s.one.Finalizers = true, []string{"example.com/f"}
		}, "waiting; forget pod apps/web-1"},
		{"… and one that ends by itself takes it along", func(s *scene) {
			s.c.StopsSince = noon.Add(-time.Second)
			s.released(s.one, time.Minute, nil)
			s.one.Deleting = true
		}, "waiting"},
		{"parked: what is missed for long goes back though no other can end in its place", func(s *scene) {
			s.r.State, s.r.Since = WorkloadParked, noon.Add(-3*backLimit)
			s.released(s.one, 4*time.Minute, nil)
			s.pod("web-3", "new").Paths[0].Ready = false
		}, "parked; give back pod apps/web-1"},
		{"parked, and what it gave back is gone", func(s *scene) { s.r.State, s.r.GaveBack, s.one.Node = WorkloadParked, true, "new" }, "parked"},
		{"parked, and a pod ends", func(s *scene) { s.r.State, s.one.Deleting = WorkloadParked, true }, "parked"},
		{"parked: as when the move stops", func(s *scene) {
			s.r.State = WorkloadParked
			s.released(s.one, time.Minute, nil)
			s.unready(s.pod("web-3", "new"), time.Minute)
		}, "parked; give back pod apps/web-1"},
		{"parked, and somebody else saw to it", func(s *scene) { s.r.State, s.one.Node = WorkloadParked, "new" }, "moved"},
	} {
		t.Run(row.situation, func(t *testing.T) {
			s := newScene()
			row.scene(s)
			if got := told(s.decide()); got != row.want {
				t.Errorf("\nwant %s\ngot  %s", row.want, got)
			}
		})
	}
}

// stop is one node in the middle of a move: old is cordoned, its wave has come,
// and pod web-1, whose move is under way, is on it. A row changes what is different.
type stop struct {
	*View
	node *Node
	pod  *Pod
	c    NodeCase
	r    NodeRecord
}

func newStop() *stop {
	s := &stop{View: NewView(), r: NodeRecord{State: NodeClosed}}
	s.Now = noon
	s.node = &Node{Name: "old", Instance: "i-1", Ready: true, Cordoned: true, Before: "{}"}
	s.pod = newScene().one
	s.PutService(&Service{Namespace: "apps", Name: "web"})
	s.c = NodeCase{
		Move: "old-group", Name: "old", View: s.View, Node: s.node, Open: true, Pods: []*Pod{s.pod},
		Parked: func(*Pod) bool { return false }, Local: func(*Pod) bool { return false },
		Drains: lagging, Lagging: func() []string { return []string{"nlb"} },
	}
	return s
}

// parked: so is the workload of every pod on the node.
func (s *stop) parked() { s.c.Parked = func(*Pod) bool { return true } }

// emptied is a node without pods that has been out of its load balancers for a while.
func (s *stop) emptied(since time.Duration) {
	s.c.Pods, s.node.Exclude, s.r.Excluded = nil, new("true"), noon.Add(-since)
}

// attached is an empty node that its group registered with two target groups, as is
// written on it; a third one is none of the group's.
func (s *stop) attached() {
	s.emptied(time.Minute)
	s.c.Own, s.node.Before = []string{"arn:b", "arn:a"}, encode(before{Registered: []string{"arn:a", "arn:b"}})
	s.c.Targets = map[string]Target{"a": {Instance: "i-1", State: InService}, "b": {Instance: "i-1", State: OutOfService}, "c": {Instance: "i-1", State: Unused}}
	s.c.Drains = func(name string) Balancer { return Balancer{Name: name, Group: "arn:" + name, Draining: time.Minute} }
}

// daemon puts a DaemonSet's pod on the node, to which Service web sends.
func (s *stop) daemon() *Pod {
	s.emptied(time.Minute)
	s.pod.Daemon, s.pod.Workload = true, "daemonset/apps/edge"
	s.c.Pods = []*Pod{s.pod}
	return s.pod
}

func TestRulesOfANode(t *testing.T) {
	for _, row := range []struct {
		situation string
		scene     func(*stop)
		want      string
	}{
		{"it is closed before anything leaves it", func(s *stop) { s.node.Cordoned, s.node.Before = false, "" }, "open; cordon node old"},
		{"somebody opened it: it is closed again", func(s *stop) { s.node.Cordoned = false }, "open; cordon node old"},
		{"its wave has not come", func(s *stop) { s.c.Open = false }, "closed"},
		{"its pods leave, and beside that its load balancers let go of it", func(*stop) {}, "emptying; exclude node old"},
		{"load balancers cannot do without it yet", func(s *stop) { s.c.Hold = "load balancer lb: no node outside is InService" },
			"emptying; wait: load balancer lb: no node outside is InService"},
		{"all that is left is parked: it is kept, in its load balancers", (*stop).parked, "kept"},
		{"… though a pod that leaves needs it out of them", func(s *stop) {
			s.c.Local = func(p *Pod) bool { return p == s.pod }
			parked := newScene().two
			s.c.Pods = append(s.c.Pods, parked)
			s.c.Parked = func(p *Pod) bool { return p == parked }
		}, "emptying; exclude node old"},
		{"no pod is left, and load balancers send through it", func(s *stop) { s.c.Pods = nil }, "draining; exclude node old"},
		{"a load balancer drains it", func(s *stop) {
			s.emptied(10 * time.Second)
			s.r.Left = Left{"lb": noon.Add(-10 * time.Second)}
			s.c.Targets = map[string]Target{"lb": {Instance: "i-1", State: Draining}}
		}, "draining; wait: load balancer lb: node old still draining (10s of 1m0s)"},
		{"… which began late: its time counts from then", func(s *stop) {
			s.emptied(time.Minute + drainMargin)
			s.r.Left = Left{"lb": noon.Add(-10 * time.Second)}
			s.c.Targets = map[string]Target{"lb": {Instance: "i-1", State: Draining}}
		}, "draining; wait: load balancer lb: node old still draining (10s of 1m0s)"},
		{"a load balancer does not let go of it in time", func(s *stop) {
			s.emptied(time.Minute + drainMargin)
			s.c.Targets = map[string]Target{"lb": {Instance: "i-1", State: InService}}
		}, "draining, cannot be emptied: it is still registered in load balancer lb after 3m0s; wait: load balancer lb: node old still registered (3m0s of 1m0s)"},
		{"a load balancer has let go of it, and may send on", func(s *stop) {
			s.emptied(10 * time.Minute)
			s.r.Left = Left{"nlb": noon.Add(-time.Minute)}
		}, "draining; wait: load balancer nlb: it let go of node old, and may send through it for 2m0s more"},
		{"an earlier run took it out, and no record tells of which", func(s *stop) {
			s.c.Pods, s.node.Exclude = nil, new("true")
		}, "draining; wait: load balancer nlb: it let go of node old, and may send through it for 3m0s more"},
		{"its load balancers have not answered since the run began", func(s *stop) {
			s.emptied(time.Hour)
			s.c.Unheard = "AWS does not answer: throttled"
		}, "draining; wait: node old: AWS does not answer: throttled"},
		{"a load balancer never sends to it", func(s *stop) {
			s.emptied(time.Minute)
			s.c.Targets = map[string]Target{"lb": {Instance: "i-1", State: Unused}}
			s.r.Left = Left{"lb": noon.Add(-time.Hour)}
		}, "empty"},
		{"a load balancer cannot be asked", func(s *stop) {
			s.emptied(time.Minute)
			s.c.Unasked = []string{"nlb.example.com"}
		}, "draining; wait: load balancer nlb.example.com cannot be asked: waiting 1m0s of 7m0s after node old left it"},
		{"a volume is attached to it", func(s *stop) {
			s.emptied(time.Minute)
			s.node.Volumes = []string{"pv-1"}
		}, "draining; wait: node old: volume pv-1 still attached"},
		{"… and nobody detaches it from a dead node", func(s *stop) {
			s.emptied(time.Minute)
			s.node.Volumes, s.c.Dead = []string{"pv-1"}, true
		}, "empty"},
		{"what ends on a dead node ends with it", func(s *stop) { s.emptied(time.Minute); s.pod.Deleting, s.c.Dead, s.c.Pods = true, true, []*Pod{s.pod} }, "empty"},
		{"nobody sends to it", func(s *stop) { s.emptied(time.Minute) }, "empty"},
		{"it is gone", func(s *stop) { s.c.Node = nil }, "empty"},

		{"a Service sends to a DaemonSet's pod: a taint comes first", func(s *stop) { s.daemon() }, "draining; mark leaving node old"},
		{"… then the pod leaves the Service", func(s *stop) { s.daemon(); s.node.Leaving = true }, "draining; take out pod apps/web-1"},
		{"… and those who sent to it get their time", func(s *stop) {
			p := s.daemon()
			p.Paths, p.Released = nil, encode(Release{Workload: "daemonset/apps/edge", Until: noon.Add(expiry), Out: true, Settle: settleProxies})
			s.r.Released = map[string]PodRecord{p.UID: {Gone: noon.Add(-time.Second)}}
		}, "draining; wait: pod apps/web-1: out of its Services, its last requests end"},
		{"… for long, too: nobody is to give the pod back meanwhile", func(s *stop) {
			p := s.daemon()
			p.Paths, p.Released = nil, encode(Release{Workload: "daemonset/apps/edge", Until: noon.Add(expiry / 2), Out: true, Settle: time.Hour})
			s.r.Released = map[string]PodRecord{p.UID: {Gone: noon.Add(-time.Second)}}
		}, "draining; wait: pod apps/web-1: out of its Services, its last requests end; renew pod apps/web-1"},
		{"… and no more than that", func(s *stop) {
			p := s.daemon()
			p.Paths, p.Released = nil, encode(Release{Workload: "daemonset/apps/edge", Until: noon.Add(expiry), Out: true, Settle: settleProxies})
			s.r.Released = map[string]PodRecord{p.UID: {Gone: noon.Add(-settleProxies)}}
		}, "empty"},
		{"its wave has not come, and it is closed by now", func(s *stop) { s.c.Open, s.r.State = false, NodeOpen }, "closed"},
		{"a pod on a dead node that nobody told to end has to leave", func(s *stop) { s.c.Dead = true }, "emptying; exclude node old"},
		{"a pod that ends for the sake of a parked one's node: it stays in its load balancers", func(s *stop) {
			s.pod.Deleting = true
			s.c.Local = func(p *Pod) bool { return p == s.pod }
			parked := newScene().two
			s.c.Pods = append(s.c.Pods, parked)
			s.c.Parked = func(p *Pod) bool { return p == parked }
		}, "emptying"},
		{"somebody else took it out before the move: nothing is suspected of it", func(s *stop) {
			s.c.Pods, s.node.Exclude, s.node.Before = nil, new("true"), `{"exclude":"true"}`
		}, "empty"},
		{"a load balancer that cannot be asked has had its time", func(s *stop) {
			s.emptied(unaskedTime)
			s.c.Unasked = []string{"nlb.example.com"}
		}, "empty"},
		{"what was wrong with it is over", func(s *stop) { s.emptied(time.Minute); s.r.Why = "it is still registered" }, "empty"},
		{"a DaemonSet's pod that ends", func(s *stop) { s.daemon().Deleting = true }, "empty"},
		{"a DaemonSet's pod on a dead node", func(s *stop) { s.daemon(); s.c.Dead = true }, "empty"},
		{"a DaemonSet's pod that cannot be taken out serves to the end", func(s *stop) { s.daemon().Doors = nil }, "empty"},
		{"a DaemonSet's pod that does not serve", func(s *stop) { s.daemon().Ready = false }, "empty"},
		{"a DaemonSet's pod that somebody let go of, and did not take out", func(s *stop) {
			p := s.daemon()
			p.Paths, p.Released = nil, encode(Release{Workload: "daemonset/apps/edge", Settle: time.Hour})
		}, "empty"},
		{"a static pod that a Service selects", func(s *stop) { p := s.daemon(); p.Daemon, p.Mirror = false, true }, "empty"},
		{"those who sent to a DaemonSet's pod still list it", func(s *stop) {
			p := s.daemon()
			p.Paths, p.Released = []Path{{Service: "web", Listed: true}}, encode(Release{Workload: "daemonset/apps/edge", Until: noon.Add(expiry), Out: true, Settle: settleProxies})
			s.r.Released = map[string]PodRecord{p.UID: {Gone: noon.Add(-time.Hour)}}
		}, "draining; wait: pod apps/web-1: out of its Services, its last requests end"},
		{"load balancers cannot do without it for too long", func(s *stop) {
			s.c.Pods, s.c.Hold, s.r.State, s.r.mark = nil, "no node outside is InService", NodeDraining, mark{seen: "hold", since: noon.Add(-patience)}
		}, "draining, cannot be emptied: its load balancers cannot do without it: no node outside is InService; wait: no node outside is InService"},
		{"… which counts for nothing as long as pods have to leave: others may wait for them", func(s *stop) {
			s.c.Hold, s.r.State, s.r.mark = "pod web-2 on node old-2 has yet to begin", NodeEmptying, mark{seen: "hold", since: noon.Add(-patience)}
		}, "emptying; wait: pod web-2 on node old-2 has yet to begin"},
		{"what it waited for came late, and its load balancers let go of it now", func(s *stop) {
			s.c.Pods, s.r.State, s.r.Why = nil, NodeDraining, "its load balancers cannot do without it: no node outside is InService"
			s.r.mark = mark{seen: "hold", since: noon.Add(-patience)}
		}, "draining; exclude node old"},
		{"DaemonSets' pods do not leave for too long", func(s *stop) {
			s.daemon()
			s.node.Leaving, s.r.State, s.r.mark = true, NodeDraining, mark{seen: "daemons", since: noon.Add(-patience)}
		}, "draining, cannot be emptied: pods of DaemonSets on it could not be taken out of their Services for 15m0s; take out pod apps/web-1"},
		{"a volume stays attached for too long", func(s *stop) {
			s.emptied(time.Minute)
			s.node.Volumes, s.r.State, s.r.mark = []string{"pv-1"}, NodeDraining, mark{seen: "volumes", since: noon.Add(-patience)}
		}, "draining, cannot be emptied: volume pv-1 is still attached to it after 15m0s: see kubectl get volumeattachments; wait: node old: volume pv-1 still attached"},
		{"load balancers let go of it before its wave comes", func(s *stop) { s.c.Open, s.c.Early = false, true }, "closed; exclude node old"},
		{"… which is no matter of its patience", func(s *stop) {
			s.c.Open, s.c.Early, s.c.Pods, s.c.Hold = false, true, nil, "no node outside is InService"
			s.r.mark, s.r.Why = mark{seen: "hold", since: noon.Add(-patience)}, "its load balancers cannot do without it"
		}, "closed; wait: no node outside is InService"},
		{"a pod that leaves needs it out of its load balancers, and a parked one in them", func(s *stop) {
			s.c.Local = func(*Pod) bool { return true }
			parked := newScene().two
			s.c.Pods = append(s.c.Pods, parked)
			s.c.Parked = func(p *Pod) bool { return p == parked }
		}, "emptying"},
		{"its group registered it: that is written on it first", func(s *stop) { s.attached(); s.node.Before = "{}" }, "draining; exclude node old"},
		{"… and then it is taken out", (*stop).attached, "draining; deregister node old from [arn:a arn:b]"},
		{"… once load balancers can do without it", func(s *stop) { s.attached(); s.c.Hold = "no node outside is InService" }, "draining; wait: no node outside is InService"},
		{"… which drain it", func(s *stop) {
			s.attached()
			for name, target := range s.c.Targets {
				target.State = Draining
				s.c.Targets[name] = target
			}
			s.r.Left = Left{"a": noon, "b": noon}
		}, "draining; wait: load balancer a: node old still draining (0s of 1m0s)"},
		{"its group registered it, and it cannot be taken out", func(s *stop) {
			s.attached()
			s.r.State, s.r.mark = NodeDraining, mark{seen: "deregister", since: noon.Add(-patience)}
		}, "draining, cannot be emptied: it could not be taken out of what its Auto Scaling group registered it with for 15m0s; deregister node old from [arn:a arn:b]"},
		{"a load balancer did not let go of it in time, as it said before it fell silent", func(s *stop) {
			s.emptied(time.Minute + drainMargin)
			s.c.Targets = map[string]Target{"lb": {Instance: "i-1", State: InService}}
			s.c.Silent = "AWS does not answer: throttled"
		}, "draining; wait: load balancer lb: node old still registered (3m0s of 1m0s)"},
		{"it cannot be closed", func(s *stop) {
			s.node.Cordoned, s.r.mark = false, mark{seen: "cordon", since: noon.Add(-patience)}
		}, "open, cannot be emptied: it could not be cordoned for 15m0s; cordon node old"},
		{"it cannot leave its load balancers", func(s *stop) {
			s.c.Pods, s.r.State, s.r.mark = nil, NodeDraining, mark{seen: "exclude", since: noon.Add(-patience)}
		}, "draining, cannot be emptied: it could not be taken out of its load balancers for 15m0s; exclude node old"},
	} {
		t.Run(row.situation, func(t *testing.T) {
			s := newStop()
			row.scene(s)
			if got := toldOfNode(NextNode(s.c, s.r)); got != row.want {
				t.Errorf("\nwant %s\ngot  %s", row.want, got)
			}
		})
	}
}

// A node is looked at again when something may have changed without the cluster's
// telling, or is due: the soonest of all counts.
func TestWhenANodeIsLookedAtAgain(t *testing.T) {
	for _, row := range []struct {
		situation string
		scene     func(*stop)
		want      time.Duration // 0: only when it changes
	}{
		{"nothing is left to do", func(s *stop) { s.emptied(time.Minute) }, 0},
		{"it is to be closed", func(s *stop) { s.node.Cordoned = false }, patience},
		{"it was to be closed a while ago", func(s *stop) {
			s.node.Cordoned, s.r.State, s.r.mark = false, NodeOpen, mark{"cordon", noon.Add(-time.Minute)}
		}, patience - time.Minute},
		{"it is to leave its load balancers", func(*stop) {}, patience},
		{"they cannot do without it, which rests on others", func(s *stop) { s.c.Hold = "no node outside is InService" }, reread},
		{"nobody has answered", func(s *stop) { s.emptied(time.Minute); s.c.Unheard = "throttled" }, reread},
		{"a load balancer drains it: that is told now and then", func(s *stop) {
			s.emptied(10 * time.Second)
			s.c.Targets = map[string]Target{"lb": {Instance: "i-1", State: Draining}}
		}, tellEvery},
		{"its time is almost over", func(s *stop) {
			s.emptied(time.Minute + drainMargin - 3*time.Second)
			s.c.Targets = map[string]Target{"lb": {Instance: "i-1", State: InService}}
		}, 3 * time.Second},
		{"a load balancer may send on", func(s *stop) { s.emptied(time.Hour); s.r.Left = Left{"nlb": noon.Add(-time.Minute)} }, tellEvery},
		{"… for a moment", func(s *stop) { s.emptied(time.Hour); s.r.Left = Left{"nlb": noon.Add(4*time.Second - 3*time.Minute)} }, 4 * time.Second},
		{"a load balancer cannot be asked", func(s *stop) { s.emptied(time.Minute); s.c.Unasked = []string{"nlb"} }, unaskedTime - time.Minute},
		{"a volume is attached", func(s *stop) { s.emptied(time.Minute); s.node.Volumes = []string{"pv-1"} }, patience},
		{"a load balancer has had its time, and does not answer", func(s *stop) {
			s.emptied(time.Hour)
			s.c.Targets, s.c.Silent = map[string]Target{"lb": {Instance: "i-1", State: InService}}, "throttled"
		}, reread},
		{"the last requests to a DaemonSet's pod end", func(s *stop) {
			p := s.daemon()
			p.Paths, p.Released = nil, encode(Release{Workload: "daemonset/apps/edge", Until: noon.Add(expiry), Out: true, Settle: settleProxies})
		}, settleProxies},
		{"… of which nothing is known: never at once, or it would be asked without end", func(s *stop) {
			p := s.daemon()
			p.Paths, p.Released = []Path{{Service: "web", Listed: true}}, encode(Release{Workload: "daemonset/apps/edge", Until: noon.Add(expiry), Out: true})
		}, time.Millisecond},
	} {
		t.Run(row.situation, func(t *testing.T) {
			s := newStop()
			row.scene(s)
			again := time.Duration(0)
			if d := NextNode(s.c, s.r); !d.Again.IsZero() {
				again = d.Again.Sub(noon)
			}
			if again != row.want {
				t.Errorf("after %s, want %s", again, row.want)
			}
		})
	}
}

// What a record of a node keeps is what cannot be seen later, and the one that was
// given stays as it is: it may be saved while the next turn goes on.
func TestRecordOfANode(t *testing.T) {
	s := newStop()
	s.c.Pods, s.node.Exclude = nil, new("true")
	if got := NextNode(s.c, s.r).Record.Excluded; !got.Equal(noon) {
		t.Errorf("it is out since %s", got)
	}
	s = newStop()
	s.r.Excluded = noon.Add(-time.Hour)
	if got := NextNode(s.c, s.r).Record; !got.Excluded.IsZero() || !got.asked {
		t.Errorf("somebody put it back: out since %s, asked for: %v", got.Excluded, got.asked)
	}
	s = newStop()
	s.attached()
	if got := NextNode(s.c, s.r).Record.Before.Registered; !slices.Equal(got, []string{"arn:a", "arn:b"}) {
		t.Errorf("it is taken out of %v", got)
	}
	s.node.Exclude, s.r.Before.Registered = nil, []string{"arn:0", "arn:a"}
	d := NextNode(s.c, s.r)
	marked := *s.node
	marked.Before = *d.Actions[0].(ChangeNode).Patch.Annotations[BeforeAnnotation]
	if b, _ := marked.before(); !slices.Equal(b.Registered, []string{"arn:0", "arn:a", "arn:b"}) || !slices.Equal(d.Record.Before.Registered, b.Registered) {
		t.Errorf("on it is written %v, in the record %v", b.Registered, d.Record.Before.Registered)
	}
	s = newStop()
	s.r.mark = mark{"cordon", noon.Add(-time.Hour)}
	if got := NextNode(s.c, s.r).Record; got.State != NodeEmptying || got.mark != (mark{}) {
		t.Errorf("%s waits for %+v", got.State, got.mark)
	}
	s = newStop()
	s.c.Targets = map[string]Target{"lb": {Instance: "i-1", State: InService}}
	first := NextNode(s.c, s.r).Record
	s.c.Targets = nil
	if got := NextNode(s.c, first).Record.Left; !got["lb"].Equal(noon) {
		t.Errorf("let go of it: %v", got)
	}
	s = newStop()
	p := s.daemon()
	p.Paths, p.Released = nil, encode(Release{Workload: "daemonset/apps/edge", Until: noon.Add(expiry), Out: true, Settle: settleProxies})
	s.r.Released = map[string]PodRecord{}
	got := NextNode(s.c, s.r).Record.Released[p.UID]
	if len(s.r.Released) > 0 || got.Ref != p.Ref || !got.Gone.Equal(noon) || got.Release.Settle != settleProxies {
		t.Errorf("%+v; the one before has %d", got, len(s.r.Released))
	}
}

// What is taken away from a DaemonSet's pod is written on it, so that whoever finds it
// can give it back.
func TestReleaseOfADaemonsPod(t *testing.T) {
	s := newStop()
	p := s.daemon()
	s.node.Leaving, s.c.Soak = true, time.Hour
	d := NextNode(s.c, s.r)
	change, is := d.Actions[0].(ChangePod)
	if !is || change.Pod != p.Ref || change.Workload != p.Workload {
		t.Fatalf("%+v", d.Actions)
	}
	left := *p
	left.Released = *change.Patch.Annotations[ReleasedAnnotation]
	r, ok := left.release()
	if !ok || r.Group != "old-group" || r.Workload != p.Workload || r.Owner == nil || *r.Owner != *p.Owner || !r.Out ||
		!r.At.Equal(noon) || !r.OutAt.Equal(noon) || !r.Until.Equal(noon.Add(expiry+time.Hour)) || r.Settle != settleProxies {
		t.Errorf("%+v", r)
	}
	if label, taken := change.Patch.Labels["app"]; !taken || label != nil || r.Labels["app"] != "web" || len(change.Patch.Labels) != 1 {
		t.Errorf("takes %v, and keeps %v", change.Patch.Labels, r.Labels)
	}
}

func toldOfNode(d NodeDecision) string {
	lines := []string{string(d.Record.State)}
	if why, _, _ := strings.Cut(d.Record.Why, ", which is"); why != "" {
		lines[0] += ", cannot be emptied: " + why
	}
	for _, a := range d.Actions {
		lines = append(lines, a.String())
	}
	return strings.Join(lines, "; ")
}

// Nothing is closed before what takes a group's place is whole; what other
// groups lack is none of a move's business.
func TestReadyWaitsForWhatTakesItsPlace(t *testing.T) {
	for _, row := range []struct {
		situation string
		change    func(o *Observed, m *Move)
		want      string
	}{
		{"all is there", func(*Observed, *Move) {}, ""},
		{"the new group has not all of its nodes", func(o *Observed, _ *Move) { o.To[0].Desired = 2 }, "new: 1 of 2 nodes Ready"},
		{"a new node is not Ready", func(o *Observed, _ *Move) { o.View.PutNode(&Node{Name: "new", Group: "new", Initialized: true}) }, "new: 0 of 1 nodes Ready"},
		{"a DaemonSet is not Ready on a new node", func(o *Observed, _ *Move) {
			o.View.PutNode(&Node{Name: "new", Group: "new", Ready: true, Initialized: true, Daemons: []string{"kube-proxy"}})
		}, "node new: kube-proxy not Ready"},
		{"… but on the nodes that leave it is not either: new ones are no remedy", func(o *Observed, _ *Move) {
			o.View.PutNode(&Node{Name: "old", Group: "old", Ready: true, Initialized: true, Daemons: []string{"daemonset/ops/logs"}})
			o.View.PutNode(&Node{Name: "new", Group: "new", Ready: true, Initialized: true, Daemons: []string{"daemonset/ops/logs"}})
		}, ""},
		{"… and on one of those it is", func(o *Observed, m *Move) {
			m.Record.Nodes["old-2"] = &NodeRecord{}
			o.View.PutNode(&Node{Name: "old", Group: "old", Ready: true, Initialized: true, Daemons: []string{"daemonset/ops/logs"}})
			o.View.PutNode(&Node{Name: "old-2", Group: "old", Ready: true, Initialized: true})
			o.View.PutPod(&Pod{Ref: Ref{"ops", "logs-1", "logs-1"}, Node: "old-2", Workload: "daemonset/ops/logs", Daemon: true, Ready: true})
			o.View.PutNode(&Node{Name: "new", Group: "new", Ready: true, Initialized: true, Daemons: []string{"daemonset/ops/logs"}})
		}, "node new: daemonset/ops/logs not Ready"},
		{"another group has not all of its nodes", func(o *Observed, _ *Move) { o.To[1].Desired = 5 }, ""},
		{"a DaemonSet is not Ready in another group", func(o *Observed, _ *Move) {
			o.View.PutNode(&Node{Name: "other", Group: "other", Ready: true, Initialized: true, Daemons: []string{"gpu"}})
		}, ""},
		{"nothing takes its place, and others do", func(o *Observed, m *Move) { o.To, m.Options.Awaited = o.To[1:], nil }, ""},
		{"nothing is Ready outside", func(o *Observed, m *Move) {
			o.To, m.Options.Awaited = nil, nil
			o.View.DropNode("new")
			o.View.PutNode(&Node{Name: "other", Group: "other", Ready: true, Initialized: true, Cordoned: true})
		}, "no node outside old is Ready"},
	} {
		t.Run(row.situation, func(t *testing.T) {
			o := Observed{View: NewView(), To: []Group{{Name: "new", Desired: 1}, {Name: "other", Desired: 1}}}
			for _, name := range []string{"old", "new", "other"} {
				o.View.PutNode(&Node{Name: name, Group: name, Ready: true, Initialized: true})
			}
			m := NewMove(newRecord("old", 0, noon), Options{Awaited: []string{"new"}})
			m.Begin(o)
			row.change(&o, m)
			m.o = o
			if got := strings.Join(m.nodesMissing(), ", "); got != row.want {
				t.Errorf("want %q, got %q", row.want, got)
			}
		})
	}
}

// After an outage nodes have a moment to be opened before deschedulers are turned on
// again, however long the move has been putting back by then.
func TestDeschedulersWaitForNodesAfterAnOutage(t *testing.T) {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	deployment := &Evictor{Namespace: "kube-system", Name: "descheduler", Calmed: encode(Calmed{Group: "old", Before: map[string]string{replicasBefore: "1"}})}
	turn := func(stopped time.Duration, lapsed time.Duration) (wakes bool) {
		m := NewMove(&Record{Group: "old", Phase: Stop, Since: noon.Add(-stopped), Nodes: map[string]*NodeRecord{"old": {}}}, Options{})
		m.view = NewView()
		m.view.PutNode(&Node{Name: "old", Group: "old", Cordoned: true, Before: encode(before{})})
		m.view.Evictors = map[string]*Evictor{deployment.Key(): deployment}
		m.view.Now = noon.Add(-lapsed)
		m.lapse()
		m.view.Now = noon
		m.putBack(map[string]bool{})
		return slices.ContainsFunc(m.actions, func(a Action) bool { _, is := a.(ChangeEvictor); return is })
	}
	for _, c := range []struct {
		stopped, lapsed time.Duration
		wakes           bool
	}{
		{backLimit - time.Second, time.Hour, false}, {backLimit, time.Hour, true},
		{time.Hour, reopenTime - time.Second, false}, {time.Hour, reopenTime, true},
	} {
		if got := turn(c.stopped, c.lapsed); got != c.wakes {
			t.Errorf("stopped for %s, nothing came of a turn %s ago: turned on %t", c.stopped, c.lapsed, got)
		}
	}
}
