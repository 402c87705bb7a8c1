package handover

import (
	"testing"
	"time"
)

// Of what cannot be replaced before it goes one pod at a time ends, and only where
// nobody misses it. Other pods of its workload may begin if they do not wait for this one.
func TestPodsInOrder(t *testing.T) {
	const wait = "wait: statefulset/apps/web: "
	second := func(s *scene) { // another Service, which the pod alone serves
		s.one.Paths = append(s.one.Paths, Path{Service: "leader", Selected: true, Listed: true, Ready: true})
	}
	for _, row := range []struct {
		situation string
		scene     func(*scene)
		how       How
		want      string // that is done; empty: nothing
		others    bool
		again     time.Duration
	}{
		{"nobody misses it", func(*scene) {}, InOrder, "evict pod apps/web-1", false, 0},
		{"another one is beside its replacement", func(s *scene) { s.pod("web-0", "old"); s.ordered(); s.released(s.pods[2], time.Minute, nil) }, InOrder, "", false, 0},
		{"another one ends", func(s *scene) { s.pod("web-0", "new"); s.ordered(); s.pods[2].Deleting = true }, InOrder, "", false, 0},
		{"… on a node that is dead", func(s *scene) {
			s.pod("web-0", "dead")
			s.ordered()
			s.pods[2].Deleting, s.c.Dead = true, func(node string) bool { return node == "dead" }
		}, InOrder, "evict pod apps/web-1", false, 0},
		{"it was asked to end: the call may have been lost", func(s *scene) { s.r.asked = map[string]time.Time{"web-1": noon}; s.unready(s.two, time.Minute) }, InOrder, "evict pod apps/web-1", false, 0},
		{"fewer serve than must", func(s *scene) { s.unready(s.two, time.Hour) }, InOrder, wait + "1 of 2 pods serve behind Service web: pod web-2 is not Ready", false, 0},
		{"… and it serves nobody itself", func(s *scene) { s.unready(s.one, brokenAfter-time.Second) }, InOrder, wait + "pod web-1 is not Ready yet", true, time.Second},
		{"… of which nothing is missed", func(s *scene) { s.unready(s.one, time.Second) }, Gap, "evict pod apps/web-1", false, 0},
		{"one is missing", func(s *scene) { s.web.Wants = 3 }, InOrder, wait + "none of its pods that work is ended while others do not: 2 of 3 pods are there", true, 0},
		{"… which may be", func(s *scene) { s.web.Wants, s.one.AcceptGap = 3, true }, InOrder, "evict pod apps/web-1", false, 0},
		{"… and it does not work itself", func(s *scene) { s.web.Wants = 3; s.unready(s.one, time.Minute) }, Gap, "evict pod apps/web-1", false, 0},
		{"it became Ready a moment ago", func(s *scene) { s.one.ReadySince = noon.Add(time.Second - settleProxies) }, InOrder, wait + "pod web-1 is Ready, and not everybody sends to it yet", false, time.Second},
		{"another one did", func(s *scene) { s.two.ReadySince = noon.Add(time.Second - settleProxies) }, InOrder, wait + "pod web-2 is Ready, and not everybody sends to it yet", false, time.Second},
		{"… long enough ago", func(s *scene) { s.two.ReadySince = noon.Add(-settleProxies) }, InOrder, "evict pod apps/web-1", false, 0},
		{"… which nobody sends to", func(s *scene) {
			s.one.Paths, s.two.Paths, s.two.ReadySince, s.r.Floors = nil, nil, noon, nil
		}, InOrder, "evict pod apps/web-1", false, 0},
		{"another one came, and is not Ready", func(s *scene) { s.pod("web-0", "new"); s.ordered(); s.unready(s.pods[2], time.Second) }, InOrder, "evict pod apps/web-1", false, 0},
		{"another workload is to serve first", func(s *scene) {
			s.unready(s.two, time.Hour)
			s.r.Floors["web"], s.web.Wants = 1, 1
			s.c.Sharers = func(*Pod, string) (bool, string) { return true, "deployment/apps/twin" }
		}, InOrder, wait + "pod web-1 serves Service web, which deployment/apps/twin is to serve again first", true, reread},
		{"it alone serves a Service", func(s *scene) { second(s) }, InOrder, wait + "pod web-1 alone serves Service leader; its controller is to let another one do so", true, reread},
		{"… which it may leave to nobody", func(s *scene) { second(s) }, Gap, "evict pod apps/web-1", false, 0},
		{"… for a while", func(s *scene) { second(s); s.one.AcceptGap = true }, InOrder, "evict pod apps/web-1", false, 0},
		{"… with other workloads' pods", func(s *scene) {
			second(s)
			s.c.Sharers = func(*Pod, string) (bool, string) { return true, "" }
		}, InOrder, "evict pod apps/web-1", false, 0},
		{"… that does not send to it", func(s *scene) { second(s); s.one.Paths[1].Ready = false }, InOrder, "evict pod apps/web-1", false, 0},
		{"it has no Service", func(s *scene) { s.one.Paths, s.two.Paths, s.r.Floors = nil, nil, nil }, InOrder, "evict pod apps/web-1", false, 0},
		{"a load balancer sends to its node for its sake", (*scene).local, InOrder, "wait: load balancer lb: node old is in it for the sake of pod web-1", false, reread},
		{"pods of its node are served by it alone", func(s *scene) {
			s.service.NodeLocal = true
			s.c.Clients = func(*Pod) string { return "apps/shop-1" }
		}, InOrder, wait + "pod web-1 alone serves Service web on node old, which pod apps/shop-1 has yet to leave", true, reread},
		{"its clients would come back", func(s *scene) {
			s.c.WouldComeBack = func(*Pod, string) string { return "load balancer lb and node old" }
		}, InOrder, "wait: pod apps/web-1: its last clients would come back by load balancer lb and node old", false, reread},
	} {
		t.Run(row.situation, func(t *testing.T) {
			s := newScene()
			s.ordered()
			row.scene(s)
			s.know()
			h := newHerd(s.c, s.r)
			h.d.Again = time.Time{}
			others := h.order(s.one, promise{how: row.how})
			got := ""
			for _, a := range h.d.Actions {
				got += a.String()
			}
			again := time.Duration(0)
			if !h.d.Again.IsZero() {
				again = h.d.Again.Sub(noon)
			}
			if got != row.want || others != row.others || again != row.again {
				t.Errorf("\nwant %s; others may begin: %t, again after %s\ngot  %s; %t, %s", row.want, row.others, row.again, got, others, again)
			}
		})
	}
}

// Pods that know each other lack one as long as fewer work than are wanted; of others any
// one takes another's place.
func TestWhatAWorkloadLacks(t *testing.T) {
	pods := func(change func(*Pod)) []*Pod {
		all := []*Pod{{Ref: Ref{Name: "a"}, Ready: true}, {Ref: Ref{Name: "b"}, Ready: true, Node: "n"}}
		change(all[1])
		return all
	}
	for _, row := range []struct {
		situation string
		pod       func(*Pod)
		want      string
	}{
		{"all work", func(*Pod) {}, ""},
		{"one is not Ready", func(p *Pod) { p.Ready, p.Trouble = false, "CrashLoopBackOff" }, "pod b is not Ready: CrashLoopBackOff"},
		{"one is on a node that has ended", func(p *Pod) { p.Node = "ended" }, "pod b is not Ready"},
		{"one ends", func(p *Pod) { p.Deleting = true }, "1 of 2 pods are there"},
		{"one has finished", func(p *Pod) { p.Finished = true }, "1 of 2 pods are there"},
	} {
		for nature, knows := range map[Nature]bool{Ordered: true, Operated: true, Replicated: false, Runs: false} {
			want := row.want
			if !knows {
				want = ""
			}
			if got := (&Workload{Nature: nature, Wants: 2}).missesMember(pods(row.pod), func(node string) bool { return node == "ended" }); got != want {
				t.Errorf("%s, %s: %q, want %q", nature, row.situation, got, want)
			}
		}
	}
	if falseFirst(false, true) >= 0 || falseFirst(true, false) <= 0 || falseFirst(true, true) != 0 || falseFirst(false, false) != 0 {
		t.Error("true comes before false")
	}
}
