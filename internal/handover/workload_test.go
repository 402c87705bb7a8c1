package handover

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a decision about a workload leaves on pods and in its record, and when it is made
// anew. What is done in which situation stands in TestRulesOfAWorkload.

// change is the first change of a pod that the scene's decision makes.
func (s *scene) change(t *testing.T) (ChangePod, Release) {
	t.Helper()
	d := s.decide()
	for _, a := range d.Actions {
		if c, is := a.(ChangePod); is {
			changed := *s.one
			if text := c.Patch.Annotations[ReleasedAnnotation]; text != nil {
				changed.Released = *text
			}
			r, _ := changed.release()
			return c, r
		}
	}
	t.Fatalf("no change: %s", told(d))
	return ChangePod{}, Release{}
}

// A pod that is let go of carries all that is needed to give it back.
func TestReleaseOfAPod(t *testing.T) {
	s := newScene()
	s.one.Cost = new("7")
	c, r := s.change(t)
	if r.Group != "old-group" || r.Workload != s.c.Key || !r.At.Equal(noon) || !r.Until.Equal(noon.Add(expiry)) || r.Cost == nil || *r.Cost != "7" || r.Floors["web"] != 2 || r.Out || r.Rollout {
		t.Errorf("%+v", r)
	}
	if r.Owner == nil || *r.Owner != *s.one.Owner || c.Patch.Owner == nil || *c.Patch.Owner != *s.web.Holder || len(r.Labels) > 0 || len(c.Patch.Labels) > 0 {
		t.Errorf("held by %+v in place of %+v", c.Patch.Owner, r.Owner)
	}
	s = newScene()
	s.web.Holder = nil
	c, r = s.change(t)
	if label, taken := c.Patch.Labels["pod-template-hash"]; !taken || label != nil || c.Patch.Was["pod-template-hash"] != "abc" || r.Labels["pod-template-hash"] != "abc" || r.Owner != nil || c.Patch.Owner != nil {
		t.Errorf("%+v, %+v", c.Patch, r)
	}
}

// So does one that is taken out of its Services, and those who sent to it have their time.
func TestReleaseOfAPodThatIsTakenOut(t *testing.T) {
	s := newScene()
	s.pod("web-3", "new")
	s.one.Paths = append(s.one.Paths, Path{Service: "front", Selected: true, Listed: true, Ready: true})
	s.one.Doors = []string{"app", "absent"}
	s.released(s.one, time.Minute, func(r *Release) {
		r.Labels, r.Services = map[string]string{"pod-template-hash": "abc"}, []string{"web"}
	})
	c, r := s.change(t)
	if !r.Out || !r.OutAt.Equal(noon) || !r.Until.Equal(noon.Add(expiry)) || r.Settle != settleProxies || !slices.Equal(r.Services, []string{"web", "front"}) {
		t.Errorf("%+v", r)
	}
	if !maps.Equal(r.Labels, map[string]string{"pod-template-hash": "abc", "app": "web", "absent": ""}) || !maps.Equal(c.Patch.Was, map[string]string{"app": "web"}) {
		t.Errorf("keeps %v, had %v", r.Labels, c.Patch.Was)
	}
	if label, taken := c.Patch.Labels["app"]; !taken || label != nil {
		t.Errorf("takes %v", c.Patch.Labels)
	}
}

// One that goes back gets all that was taken, or may have been taken by a call whose
// answer was lost, but not what others have set since, and is the last that its
// ReplicaSet ends; one that may not be evicted is the first.
func TestReturnOfAPod(t *testing.T) {
	s := newScene()
	s.c.StopsSince = noon.Add(-backLimit)
	s.unready(s.pod("web-3", "new"), time.Minute)
	s.unready(s.pod("web-4", "new"), time.Minute)
	s.web.Wants = 3
	s.r.Floors["web"] = 2
	s.one.Veils, s.one.Labels["tier"] = []string{"tier", "absent"}, "changed"
	s.released(s.one, time.Minute, func(r *Release) {
		r.Labels, r.Until = map[string]string{"pod-template-hash": "abc", "tier": "front"}, noon.Add(time.Hour)
	})
	s.r.asked = map[string]time.Time{"web-3": noon}
	c, r := s.change(t)
	want := map[string]string{"pod-template-hash": "abc", "tier": "changed", "app": "web"}
	for key, value := range want {
		if got := c.Patch.Labels[key]; got == nil || *got != value {
			t.Errorf("label %s: %v", key, got)
		}
	}
	if len(c.Patch.Labels) != len(want) || c.Patch.Owner == nil || *c.Patch.Owner != *s.one.Owner || *c.Patch.Annotations[CostAnnotation] != highestCost {
		t.Errorf("%+v", c.Patch)
	}
	if !r.Back || r.Out || !r.OutAt.Equal(noon) || !r.Until.Equal(noon.Add(time.Hour)) {
		t.Errorf("%+v", r)
	}
	d := s.decide()
	if !d.Record.GaveBack || !d.Again.Equal(noon.Add(time.Second)) {
		t.Errorf("it forgets that it gave one back: %+v, again at %s", d.Record, d.Again)
	}

	s = newScene()
	s.c.StopsSince = noon.Add(-time.Second)
	s.out(s.one, settleProxies)
	s.pod("web-3", "new")
	s.r.Denied = map[string]string{verbEvict: "policy"}
	if c, _ := s.change(t); *c.Patch.Annotations[CostAnnotation] != lowestCost || c.Patch.Spare != nil {
		t.Errorf("%+v", c.Patch)
	}
}

// Where a pod goes back, its ReplicaSet may end another one in its place: only one that
// does not serve, and is as far from it as it was seen to be.
func TestWhoMayEndInThePlaceOfAPodThatGoesBack(t *testing.T) {
	for _, row := range []struct {
		situation string
		scene     func(s *scene, late *Pod)
		least     int // of those named that must be as they were; -1: it is not asked
	}{
		{"one that is not Ready", func(*scene, *Pod) {}, 1},
		{"none has to", func(s *scene, _ *Pod) { s.web.Wants = 3 }, -1},
		{"the workload is gone", func(s *scene, _ *Pod) { s.c.Workload = nil }, -1},
	} {
		t.Run(row.situation, func(t *testing.T) {
			s := newScene()
			s.c.StopsSince = noon.Add(-backLimit)
			late := s.pod("web-3", "new")
			s.unready(late, time.Minute)
			ended := s.pod("web-4", "new")
			s.unready(ended, time.Minute)
			ended.Deleting = true
			done := s.pod("web-5", "new")
			s.unready(done, time.Minute)
			done.Finished = true
			s.released(s.one, time.Minute, nil)
			s.r.State = WorkloadSurging
			row.scene(s, late)
			if s.c.Workload == nil {
				s.one.Doors, s.one.NoDoor = nil, "a policy selects by app"
			}
			c, _ := s.change(t)
			switch spare := c.Patch.Spare; {
			case (spare == nil) != (row.least < 0):
				t.Errorf("%+v", spare)
			case spare != nil && (spare.Least != row.least || !slices.Equal(spare.Pods, []Ref{late.Ref})):
				t.Errorf("%+v", spare)
			}
		})
	}
}

// A workload is decided about anew when something is due that nobody will tell of.
func TestWhenAWorkloadIsDecidedAboutAnew(t *testing.T) {
	for _, row := range []struct {
		situation string
		scene     func(*scene)
		want      time.Duration // 0: only when it changes
	}{
		{"nothing is left to do", func(s *scene) { s.one.Node = "new" }, 0},
		{"nothing moves: it is given up then", func(s *scene) { s.one.Deleting, s.one.GoneBy = true, noon.Add(-time.Hour) }, patience},
		{"a pod ends in its own time", func(s *scene) { s.one.Deleting, s.one.GoneBy = true, noon.Add(time.Minute) }, overdue},
		{"a pod starts that is to leave", func(s *scene) { s.unready(s.one, 10*time.Second); s.r.Floors["web"] = 1 }, brokenAfter - 10*time.Second},
		{"… whatever the one before it waits for", func(s *scene) {
			s.c.Unheard = func(*Pod) string { return "throttled" }
			s.unready(s.pod("web-3", "old-2"), brokenAfter-300*time.Millisecond)
		}, 300 * time.Millisecond},
		{"a pod is kept for a while", func(s *scene) { s.one.KeptUntil = noon.Add(5 * time.Minute) }, 5 * time.Minute},
		{"AWS does not answer", func(s *scene) { s.c.Unheard = func(*Pod) string { return "throttled" } }, reread},
		{"a replacement has its author's time", func(s *scene) { s.released(s.one, time.Minute, nil) }, 9 * time.Minute},
		{"a replacement is Ready, and does not count yet", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.web.MinReady = time.Minute
			s.pod("web-3", "new").ReadySince = noon.Add(-20 * time.Second)
		}, 40 * time.Second},
		{"a load balancer sends to the node for the sake of the pod", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.local()
		}, reread},
		{"its zone would have no target", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.c.Needed = func(*Pod) string { return "zone a" }
		}, reread},
		{"pods of its node are served by it alone", func(s *scene) {
			s.service.NodeLocal = true
			s.released(s.one, time.Minute, nil)
			s.pod("web-3", "new")
			s.c.Clients = func(*Pod) string { return "apps/shop-1" }
		}, reread},
		{"its Services let go of it by themselves", func(s *scene) {
			s.released(s.one, time.Minute, func(r *Release) { r.Floors = map[string]int{"web": 2} })
			s.pod("web-3", "new")
			s.one.Paths = nil
			s.r.Released = map[string]PodRecord{"web-1": {Ref: s.one.Ref, Gone: noon.Add(time.Second - settleProxies)}}
		}, time.Second},
		{"its last requests end", func(s *scene) { s.out(s.one, settleProxies-time.Second); s.pod("web-3", "new") }, time.Second},
		{"a target group drains it", func(s *scene) {
			s.out(s.one, time.Hour)
			s.pod("web-3", "new")
			s.c.Targets = func(p *Pod) map[string]Target {
				return map[string]map[string]Target{"web-1": {"tg": {State: Draining}}}[p.Name]
			}
		}, reread},
		{"a target group may send on", func(s *scene) {
			s.out(s.one, time.Hour)
			s.pod("web-3", "new")
			s.r.Released["web-1"] = PodRecord{Ref: s.one.Ref, Gone: noon.Add(-time.Hour), Left: Left{"tg": noon.Add(-time.Minute)}}
		}, tellEvery},
		{"… for a moment", func(s *scene) {
			s.out(s.one, time.Hour)
			s.pod("web-3", "new")
			s.r.Released["web-1"] = PodRecord{Ref: s.one.Ref, Gone: noon.Add(-time.Hour), Left: Left{"tg": noon.Add(2*time.Second - 3*time.Minute)}}
		}, 2 * time.Second},
		{"target groups have not answered", func(s *scene) {
			s.out(s.one, time.Hour)
			s.pod("web-3", "new")
			s.c.Unheard = func(*Pod) string { return "throttled" }
		}, reread},
		{"its last clients would come back", func(s *scene) {
			s.out(s.one, time.Hour)
			s.c.WouldComeBack = func(*Pod, string) string { return "lb" }
		}, reread},
		{"its eviction was refused", func(s *scene) {
			s.out(s.one, settleProxies)
			s.pod("web-3", "new")
			s.c.Refused["web-1"] = Refused{At: noon.Add(-time.Second), Since: noon}
		}, evictRetry - time.Second},
		{"a path leads to nowhere", func(s *scene) { s.r.Floors["gone"] = 1 }, brokenAfter},
		{"it is parked just now: its pods go back", func(s *scene) { s.one.DoNotDisrupt = "x" }, time.Millisecond},
		{"a pod that stands by is young", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.one.AcceptGap, s.r.Floors["web"] = true, 1
			s.unready(s.two, time.Hour)
			s.two.Created = noon.Add(10*time.Second - brokenAfter)
		}, 10 * time.Second},
		{"the move stops, and tries for a while to bring to its end what is under way", func(s *scene) { s.c.StopsSince = noon.Add(10*time.Second - backLimit) }, 10 * time.Second},
		{"… and not for longer", func(s *scene) { s.c.StopsSince = noon.Add(-backLimit) }, 0},
		{"the move stops, and a replacement may become Ready", func(s *scene) { s.c.StopsSince = noon.Add(-time.Second); s.released(s.one, time.Minute, nil) }, time.Second},
		{"a pod went back, and its ReplicaSet has one too many", func(s *scene) {
			s.released(s.one, time.Minute, func(r *Release) { r.Back, r.OutAt = true, noon.Add(-time.Second) })
			s.pod("web-3", "new")
		}, time.Second},
		{"it is parked for good", func(s *scene) { s.r.State = WorkloadParked }, 0},
	} {
		t.Run(row.situation, func(t *testing.T) {
			s := newScene()
			row.scene(s)
			again := time.Duration(0)
			d := s.decide()
			if !d.Again.IsZero() {
				again = d.Again.Sub(noon)
			}
			if again != row.want {
				t.Errorf("after %s, want %s: %s", again, row.want, told(d))
			}
		})
	}
}

// Each of these shows that a workload is not stuck: its patience begins anew.
func TestWhatCountsAsProgress(t *testing.T) {
	for _, row := range []struct {
		situation string
		scene     func(*scene) // before
		change    func(s *scene)
		parked    bool
	}{
		{"nothing has changed", nil, func(*scene) {}, true},
		{"another pod is there that is to leave", nil, func(s *scene) { s.pod("web-9", "old-2") }, false},
		{"another pod is there that stays", nil, func(s *scene) { s.unready(s.pod("web-9", "new"), time.Second) }, false},
		{"a pod became Ready", nil, func(s *scene) { s.two.Ready = true }, false},
		{"a pod that is Ready ends elsewhere", nil, func(s *scene) { p := s.pod("web-9", "new"); p.Deleting = true }, true},
		{"another pod is beside its replacement", func(s *scene) { s.released(s.one, time.Second, nil); s.web.StartsWithin = time.Hour }, func(s *scene) {
			s.one.UID = "another"
		}, false},
		{"a pod beside its replacement was taken out", func(s *scene) { s.released(s.one, time.Second, nil); s.web.StartsWithin = time.Hour }, func(s *scene) {
			s.released(s.one, time.Second, func(r *Release) { r.Out = true })
		}, false},
	} {
		t.Run(row.situation, func(t *testing.T) {
			s := newScene()
			s.unready(s.two, time.Hour)
			s.two.Trouble = "CrashLoopBackOff"
			if row.scene != nil {
				row.scene(s)
			}
			s.r = s.decide().Record
			row.change(s)
			s.Now = noon.Add(patience)
			if d := s.decide(); (d.Record.State == WorkloadParked) != row.parked {
				t.Error(told(d))
			}
		})
	}
}

// Patience begins anew once it is not the workload's turn, or something of it ends.
func TestPatienceIsNotAddedUp(t *testing.T) {
	for situation, between := range map[string]func(*scene){
		"its wave has not come": func(s *scene) { s.c.Open = func(string) bool { return false } },
		"a pod ends":            func(s *scene) { s.one.Deleting, s.one.GoneBy = true, noon.Add(time.Minute) },
	} {
		s := newScene()
		s.unready(s.two, time.Hour)
		s.r = s.decide().Record
		open, one := s.c.Open, *s.one
		s.Now = noon.Add(time.Second)
		between(s)
		s.r = s.decide().Record
		s.c.Open, *s.one = open, one
		s.Now = noon.Add(patience)
		if d := s.decide(); d.Record.State == WorkloadParked {
			t.Errorf("%s in between: %s", situation, told(d))
		}
	}
}

// How long nothing of a workload may move.
func TestHowLongNothingMayMove(t *testing.T) {
	job := func(s *scene) { s.web.Nature = Runs }
	for _, row := range []struct {
		situation string
		scene     func(*scene)
		limit     time.Duration // 0: it is not given up
	}{
		{"a pod does not work", func(s *scene) { s.unready(s.two, time.Hour) }, patience},
		{"… and counts only once it has been Ready for long", func(s *scene) { s.unready(s.two, time.Hour); s.web.MinReady = 10 * time.Minute }, patience + 10*time.Minute},
		{"… of one that has no replacement under way: its author's time is not of it", func(s *scene) { s.unready(s.two, time.Hour); s.web.StartsWithin = time.Hour }, patience},
		{"a Job's pod works", job, jobPatience},
		{"a Job's pod does not end", func(s *scene) { job(s); s.one.Deleting, s.one.GoneBy = true, noon.Add(-time.Hour) }, patience},
		{"a pod ends in its own time", func(s *scene) { s.one.Deleting, s.one.GoneBy = true, noon.Add(24*time.Hour) }, 0},
		{"its pod's wave has not come", func(s *scene) { s.c.Open = func(string) bool { return false } }, 0},
		{"those who sent to it have the user's time", func(s *scene) {
			s.pod("web-3", "new")
			s.released(s.one, time.Second, func(r *Release) { r.Out, r.Settle = true, 90*time.Minute })
			s.one.Paths, s.r.Released = nil, map[string]PodRecord{"web-1": {Gone: noon}}
			s.c.WouldComeBack = func(*Pod, string) string { return "lb" }
		}, patience + 90*time.Minute},
		{"a target group drains it, and may send on after that", func(s *scene) {
			s.pod("web-3", "new")
			s.released(s.one, time.Second, func(r *Release) { r.Out = true })
			s.one.Paths = nil
			s.c.Targets = func(p *Pod) map[string]Target {
				return map[string]map[string]Target{"web-1": {"tg": {State: Draining}}}[p.Name]
			}
		}, patience + 3*time.Minute},
		{"a target group has let go of it, and something else keeps it", func(s *scene) {
			s.pod("web-3", "new")
			s.released(s.one, time.Second, func(r *Release) { r.Out = true })
			s.one.Paths = nil
			s.r.Released = map[string]PodRecord{"web-1": {Gone: noon, Left: Left{"tg": noon.Add(-time.Hour)}}}
			s.c.Unheard = func(*Pod) string { return "throttled" }
		}, patience + 3*time.Minute},
	} {
		t.Run(row.situation, func(t *testing.T) {
			s := newScene()
			row.scene(s)
			s.r = s.decide().Record
			for _, after := range []time.Duration{row.limit - time.Second, row.limit, 12 * time.Hour} {
				if after < 0 || row.limit > 0 && after > row.limit {
					continue
				}
				s.Now = noon.Add(after)
				d := s.decide()
				s.r = d.Record
				if parked := d.Record.State == WorkloadParked; parked != (row.limit > 0 && after >= row.limit) {
					t.Errorf("after %s: %s", after, told(d))
				}
			}
		})
	}
	s := newScene()
	s.one.Deleting, s.one.GoneBy = true, noon
	s.r = s.decide().Record
	for _, row := range []struct {
		after  time.Duration
		parked bool
	}{{overdue - time.Second, false}, {overdue, false}, {overdue + patience - time.Second, false}, {overdue + patience, true}} {
		s.Now = noon.Add(row.after)
		d := s.decide()
		if s.r = d.Record; (s.r.State == WorkloadParked) != row.parked {
			t.Errorf("%s after its grace period: %s", row.after, told(d))
		}
	}
}

// The record that was given stays as it is: it may be saved while the next turn goes on.
// What it keeps is what cannot be seen later, and of pods that are gone nothing.
func TestRecordOfAWorkload(t *testing.T) {
	s := newScene()
	s.r.Floors = nil
	if got := s.decide().Record.Floors; !maps.Equal(got, map[string]int{"web": 2}) || s.r.Floors != nil {
		t.Errorf("floors %v; the one before has %v", got, s.r.Floors)
	}
	s = newScene()
	s.pod("web-3", "new")
	if got := s.decide().Record.Floors["web"]; got != 2 {
		t.Errorf("it is owed %d, and wants 2", got)
	}
	s = newScene()
	s.r.Floors, s.r.Denied, s.r.Released, s.r.CameBack = map[string]int{"web": 1}, map[string]string{}, map[string]PodRecord{"gone": {}}, map[string]bool{}
	s.r.asked, s.r.letGo = map[string]time.Time{"gone": noon}, map[string]time.Time{}
	s.pod("web-3", "old").Created = noon
	got := s.decide().Record
	if s.r.Floors["web"] != 1 || len(s.r.Released) != 1 || len(s.r.CameBack) != 0 || len(s.r.asked) != 1 || len(s.r.letGo) != 0 {
		t.Errorf("the one before is %+v", s.r)
	}
	if len(got.Released) > 0 || len(got.asked) > 0 || !maps.Equal(got.CameBack, map[string]bool{"web-3": true}) || !got.letGo["web-1"].Equal(noon) {
		t.Errorf("%+v", got)
	}
	s = newScene()
	s.one.Created = noon
	if got := s.decide().Record.CameBack; !got["web-1"] || len(got) != 1 {
		t.Errorf("came back: %v", got)
	}
	s = newScene()
	s.web.Counted = false
	if got := s.decide().Record.Wants; got != 2 {
		t.Errorf("it was seen with %d pods", got)
	}
	s = newScene()
	s.ordered()
	if got := s.decide().Record.asked; !got["web-1"].Equal(noon) {
		t.Errorf("asked to end: %v", got) // for others it serves no more
	}
	s = newScene()
	s.out(s.one, time.Hour)
	s.r.Released = nil
	if got := s.decide().Record.Released["web-1"]; got.Ref != s.one.Ref || !got.Gone.Equal(noon) || !got.Release.Out {
		t.Errorf("%+v", got)
	}
	s.r.Released = map[string]PodRecord{"web-1": {Gone: noon.Add(-time.Hour)}}
	s.one.Paths = []Path{{Service: "web", Listed: true}}
	if got := s.decide().Record.Released["web-1"]; !got.Gone.IsZero() {
		t.Errorf("it is listed again, and gone since %s", got.Gone)
	}
}

// What a decision says of the workload to others.
func TestWhatADecisionSays(t *testing.T) {
	for _, row := range []struct {
		situation string
		scene     func(*scene)
		want      Decision
	}{
		{"a pod is let go of", func(*scene) {}, Decision{Surged: 1, Unreplaced: true}},
		{"its replacement does not serve", func(s *scene) { s.released(s.one, time.Minute, nil) }, Decision{Unreplaced: true}},
		{"… and finds no room", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			p := s.pod("web-3", "")
			s.unready(p, time.Second)
			p.Crowded = true
		}, Decision{Unreplaced: true, Crowded: true}},
		{"… and finds some now", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			p := s.pod("web-3", "new")
			s.unready(p, time.Second)
			p.Crowded = true
		}, Decision{Unreplaced: true}},
		{"… and ends", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			p := s.pod("web-3", "")
			s.unready(p, time.Second)
			p.Crowded, p.Deleting = true, true
		}, Decision{Unreplaced: true}},
		{"it is on its node, and lacks nothing", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.unready(s.pod("web-3", ""), time.Second)
		}, Decision{Unreplaced: true}},
		{"its replacement serves", func(s *scene) { s.released(s.one, time.Minute, nil); s.pod("web-3", "new") }, Decision{}},
		{"one does, and the other does not", func(s *scene) {
			s.released(s.one, time.Minute, nil)
			s.released(s.pod("web-4", "old"), time.Minute, nil)
			s.pod("web-3", "new")
			s.web.Wants, s.r.Floors["web"], s.web.Surge = 3, 3, 2
		}, Decision{Unreplaced: true}},
		{"there is no room for it", func(s *scene) { s.c.Room = 0 }, Decision{InLine: true}},
		{"its pods may start on nodes that leave", func(s *scene) { s.one.Tolerates, s.c.Guarded = true, true }, Decision{Surged: 1, Unreplaced: true, Tempted: true}},
		{"… which is not kept off yet", func(s *scene) { s.one.Tolerates = true }, Decision{Tempted: true}},
	} {
		t.Run(row.situation, func(t *testing.T) {
			s := newScene()
			row.scene(s)
			d := s.decide()
			if d.Surged != row.want.Surged || d.Unreplaced != row.want.Unreplaced || d.Crowded != row.want.Crowded || d.InLine != row.want.InLine || d.Tempted != row.want.Tempted {
				t.Errorf("%+v", d)
			}
		})
	}
}

// Whether another pod only waits for the one that serves to go.
func TestWhoStandsBy(t *testing.T) {
	for _, row := range []struct {
		situation string
		scene     func(*scene)
		goes      bool
	}{
		{"one that is up for long, and is not Ready", func(*scene) {}, true},
		{"one that is just up", func(s *scene) { s.two.Created = noon.Add(-brokenAfter) }, true},
		{"one that starts", func(s *scene) { s.two.Created = noon.Add(time.Second - brokenAfter) }, false},
		{"one that leaves as well", func(s *scene) { s.two.Node = "old-2"; s.two.ReadySince = noon }, false},
		{"one that is placed nowhere", func(s *scene) { s.two.Node = "" }, false},
		{"one that ends", func(s *scene) { s.two.Deleting = true }, false},
		{"one that is in trouble", func(s *scene) { s.two.Trouble = "CrashLoopBackOff" }, false},
		{"one that waits for a readiness gate", func(s *scene) { s.two.Gates = []string{"example.com/ready"} }, false},
		{"the pod may not be missing", func(s *scene) { s.one.AcceptGap = false }, false},
		{"as many served as are wanted", func(s *scene) { s.r.Floors["web"] = 2 }, false},
		{"none ever served", func(s *scene) {
			s.r.Floors = nil
			s.service.Local = true
			s.c.Through = func(string, *Service) bool { return false }
		}, true},
	} {
		t.Run(row.situation, func(t *testing.T) {
			s := newScene()
			s.one.AcceptGap, s.r.Floors["web"] = true, 1
			s.released(s.one, time.Second, nil)
			s.unready(s.two, time.Hour)
			row.scene(s)
			d := s.decide()
			if goes := slices.Contains(strings.Split(told(d), "; "), "take out pod apps/web-1"); goes != row.goes {
				t.Error(told(d))
			}
		})
	}
}

// Another pod of the node serves in the place of one that goes only if requests to the
// Service reach it there.
func TestWhoServesOnTheNodeBesideAPod(t *testing.T) {
	for _, row := range []struct {
		situation string
		change    func(*scene, *Pod)
		serves    bool
	}{
		{"one that serves", func(*scene, *Pod) {}, true},
		{"one on another node", func(_ *scene, p *Pod) { p.Node = "new" }, false},
		{"one of another Service", func(_ *scene, p *Pod) { p.Paths[0].Service = "front" }, false},
		{"one that its Service selects no more", func(_ *scene, p *Pod) { p.Paths[0].Selected = false }, false},
		{"one that its Service does not send to", func(_ *scene, p *Pod) { p.Paths[0].Ready = false }, false},
		{"one that is not Ready", func(_ *scene, p *Pod) { p.Ready = false }, false},
		{"one that ends", func(_ *scene, p *Pod) { p.Deleting = true }, false},
		{"one of another namespace", func(_ *scene, p *Pod) { p.Namespace = "ops" }, false},
		{"one that was asked to go", func(s *scene, _ *Pod) {
			s.released(s.pods[2], time.Second, nil)
			s.r.asked = map[string]time.Time{"web-3": noon}
		}, false},
	} {
		t.Run(row.situation, func(t *testing.T) {
			s := newScene()
			p := s.pod("web-3", "old")
			row.change(s, p)
			s.decide()
			if got := newHerd(s.c, s.r).localOther(s.one, "web"); got != row.serves {
				t.Errorf("it serves in its place: %t", got)
			}
		})
	}
}

// Only the next pod that has no replacement goes before its node does: the nodes of those
// that come first, and of those that are replaced, are left first.
func TestWhichPodGoesNext(t *testing.T) {
	s := newScene()
	three := s.pod("web-3", "old")
	s.ordered()
	s.decide()
	h := newHerd(s.c, s.r)
	if !h.goes(three) || h.goes(s.one) || !h.goes(s.two) {
		t.Errorf("web-3: %t, web-1 after it: %t, web-2, which does not leave: %t", h.goes(three), h.goes(s.one), h.goes(s.two))
	}
	s = newScene()
	s.decide()
	if newHerd(s.c, s.r).goes(s.one) {
		t.Error("its replacement comes first")
	}
}

// A path leads to nowhere if no pod of the workload has it, or had it and is on its way
// out: one that does not serve may do so any moment.
func TestWhichPathsLeadNowhere(t *testing.T) {
	leader := []Path{{Service: "leader", Selected: true, Listed: true}}
	for _, row := range []struct {
		situation string
		scene     func(*scene)
		nowhere   bool
	}{
		{"no pod has it", func(*scene) {}, true},
		{"a pod that does not serve", func(s *scene) { s.two.Paths = leader }, false},
		{"a pod beside its replacement", func(s *scene) { s.released(s.two, time.Second, nil); s.two.Paths = leader }, false},
		{"a pod that was taken out of it", func(s *scene) {
			s.released(s.two, time.Second, func(r *Release) { r.Out, r.Services = true, []string{"leader"} })
			s.two.Paths = nil
		}, false},
		{"a pod that went back", func(s *scene) {
			s.released(s.two, time.Second, func(r *Release) { r.Out, r.Back, r.Services = true, true, []string{"web"} })
			s.two.Paths = leader
		}, false},
	} {
		t.Run(row.situation, func(t *testing.T) {
			s := newScene()
			s.r.Floors = map[string]int{"leader": 1}
			row.scene(s)
			if _, nowhere := s.decide().Record.nowhere["leader"]; nowhere != row.nowhere {
				t.Errorf("it leads to nowhere: %t", nowhere)
			}
		})
	}
	s := newScene()
	s.r.Floors["gone"] = 1
	for range 2 {
		s.r = s.decide().Record
		s.Now = s.Now.Add(time.Second)
	}
	if since := s.r.nowhere["gone"]; !since.Equal(noon) {
		t.Errorf("since %s", since)
	}
}

// Who renews a release keeps all that it says but its time, and only when half of that is over.
func TestRenewal(t *testing.T) {
	s := newScene()
	s.released(s.one, expiry/2, func(r *Release) { r.Labels = map[string]string{"app": "web"} })
	a, due := renewal(s.one, time.Hour, noon)
	renewed := *s.one
	if due {
		renewed.Released = *a.Patch.Annotations[ReleasedAnnotation]
	}
	if r, _ := renewed.release(); !due || !r.Until.Equal(noon.Add(time.Hour)) || !r.At.Equal(noon.Add(-expiry/2)) || r.Labels["app"] != "web" {
		t.Errorf("%+v", r)
	}
	if _, due := renewal(s.one, time.Hour, noon.Add(-time.Millisecond)); due {
		t.Error("it is renewed early")
	}
	if _, due := renewal(s.two, time.Hour, noon); due {
		t.Error("it is renewed, and was not let go of")
	}
}
