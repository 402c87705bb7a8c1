package handover

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
)

// A descheduler that is turned off is told of; one that cannot be has a remedy.
func TestDeschedulersAreFound(t *testing.T) {
	deployment := Evictor{Kind: "Deployment", API: "apps/v1", Namespace: "sys", Name: "d", Replicas: 1}
	for name, tt := range map[string]struct {
		change   func(*View)
		severity event.Severity
		effect   string // empty: nothing is found
		fix      string
	}{
		"a Deployment": {func(v *View) { v.PutEvictor(&deployment) }, note, "deployment/sys/d) evicts pods by rules of its own: while nodes are closed it has no pods", ""},
		"a CronJob":    {func(v *View) { v.PutEvictor(&Evictor{Kind: "CronJob", API: "batch/v1", Namespace: "sys", Name: "d"}) }, note, "it is suspended", ""},
		"one that a move has turned off": {func(v *View) {
			off := deployment
			off.Replicas, off.Calmed = 0, `{"group":"other"}`
			v.PutEvictor(&off)
		}, note, "it has no pods", ""},
		"one that is off": {func(v *View) {
			off := deployment
			off.Replicas = 0
			v.PutEvictor(&off)
		}, note, "", ""},
		"an operator's": {func(v *View) {
			kept := deployment
			kept.Keeper = "kubedescheduler.operator.example.com/sys/cluster"
			v.PutEvictor(&kept)
		}, warning, "deployment/sys/d, kept by kubedescheduler.operator.example.com/sys/cluster) may evict pods", "stop it by what runs it"},
		"a pod of nobody": {func(v *View) { v.PutPod(&Pod{Ref: Ref{"sys", "d", "9"}, Node: "new", Evictor: "pod/sys/d"}) }, warning, "(pod/sys/d) may evict", "stop it"},
		"a pod of a Deployment": {func(v *View) {
			v.PutEvictor(&deployment)
			v.PutPod(&Pod{Ref: Ref{"sys", "d-1", "9"}, Node: "new", Evictor: "deployment/sys/d"})
		}, note, "it has no pods", ""},
	} {
		var found []event.Finding
		for _, f := range descheduled(inspect(asked(func(q *Question, _ *Pod, _ *Workload) { tt.change(q.View) }))) {
			if f.Severity != tt.severity || f.Object != "nodegroup/web" || !strings.Contains(f.Effect, tt.effect) || !strings.Contains(f.Fix, tt.fix) {
				t.Errorf("%s: %+v", name, f)
			}
			found = append(found, f)
		}
		if want := min(1, len(tt.effect)); len(found) != want {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// descheduler is one that wants two pods, or a CronJob; off: a move of group has turned
// it off.
func descheduler(timed bool, group string) *Evictor {
	e := &Evictor{Kind: "Deployment", API: "apps/v1", Namespace: "sys", Name: "d", Replicas: 2}
	if timed {
		e = &Evictor{Kind: "CronJob", API: "batch/v1", Namespace: "sys", Name: "d"}
	}
	if group != "" {
		e.Calmed = encode(Calmed{Group: group, Before: e.before()})
		e.Replicas, e.Suspended = 0, timed
	}
	return e
}

// worded is what is done to one.
func worded(a ChangeEvictor) string {
	text := a.What
	if a.Patch.Replicas != nil {
		text += fmt.Sprintf(", replicas %d", *a.Patch.Replicas)
	}
	if a.Patch.Suspended != nil {
		text += fmt.Sprintf(", suspended %t", *a.Patch.Suspended)
	}
	mark, marks := a.Patch.Annotations[CalmAnnotation]
	switch {
	case !marks:
		return text + ", its mark stays"
	case mark == nil:
		return text + ", no mark"
	}
	c, _ := noted[Calmed](*mark)
	return text + fmt.Sprintf(", mark of %s: %s%s", c.Group, c.Before[replicasBefore], c.Before[suspendedBefore])
}

func wordedAll(actions []Action) string {
	var lines []string
	for _, a := range actions {
		lines = append(lines, worded(a.(ChangeEvictor)))
	}
	return strings.Join(lines, "; ")
}

// What a move does about a descheduler while its nodes are closed, and when it ends.
func TestDeschedulersRestAndWake(t *testing.T) {
	remember := func(m *Move, e *Evictor) {
		was := *descheduler(e.timed(), "")
		m.Record.Rested = map[string]map[string]string{e.Key(): was.before()}
	}
	for name, c := range map[string]struct {
		e            *Evictor
		change       func(m *Move, e *Evictor)
		rests, wakes string
	}{
		"a Deployment":                      {e: descheduler(false, ""), rests: "keep from evicting, replicas 0, mark of old: 2"},
		"a CronJob":                         {e: descheduler(true, ""), rests: "keep from evicting, suspended true, mark of old: false"},
		"a Deployment that is off":          {e: descheduler(false, "old"), wakes: "let evict again, replicas 2, no mark"},
		"a CronJob that is off":             {e: descheduler(true, "old"), wakes: "let evict again, suspended false, no mark"},
		"another move turned it off":        {e: descheduler(false, "other")},
		"another move is about to":          {e: descheduler(false, "other"), change: func(_ *Move, e *Evictor) { e.Replicas = 2 }},
		"somebody turned it on again":       {e: descheduler(false, "old"), change: func(m *Move, e *Evictor) { e.Replicas = 3; remember(m, e) }, wakes: "let evict again, no mark"},
		"its mark is there, its record not": {e: descheduler(false, "old"), change: func(_ *Move, e *Evictor) { e.Replicas = 3 }, rests: "keep from evicting, replicas 0, mark of old: 3", wakes: "let evict again, no mark"},
		"its mark is lost":                  {e: descheduler(false, "old"), change: func(m *Move, e *Evictor) { e.Calmed = ""; remember(m, e) }, wakes: "let evict again, replicas 2, no mark"},
		"a CronJob's mark is lost":          {e: descheduler(true, "old"), change: func(m *Move, e *Evictor) { e.Calmed = ""; remember(m, e) }, wakes: "let evict again, suspended false, no mark"},
		"it is on, and remembered":          {e: descheduler(false, ""), change: remember, rests: "keep from evicting, replicas 0, mark of old: 2"},
		"somebody keeps it off":             {e: descheduler(false, ""), change: func(_ *Move, e *Evictor) { e.Replicas = 0 }},
		"something keeps it on":             {e: descheduler(false, ""), change: func(_ *Move, e *Evictor) { e.Keeper = "operator" }},
		"it may not be turned off":          {e: descheduler(false, ""), change: func(m *Move, e *Evictor) { m.evictorRefused(e.Key()) }},
	} {
		for _, wakes := range []bool{false, true} {
			m, e := moving(), *c.e
			m.view.PutEvictor(&e)
			if c.change != nil {
				c.change(m, &e)
			}
			want, done := c.rests, false
			if wakes {
				want, done = c.wakes, m.wakeEvictors()
			} else {
				m.restEvictors()
			}
			if got := wordedAll(m.actions); got != want || wakes && done != (want == "") {
				t.Errorf("%s, at its end %t: through %t\nwant %s\ngot  %s", name, wakes, done, want, got)
			}
		}
	}
}

// What was done about one is remembered as long as it holds, and is saved when it changes.
func TestDeschedulersAreRemembered(t *testing.T) {
	m, e := moving(), descheduler(false, "")
	m.view.PutEvictor(e)
	if m.restEvictors(); m.version != 1 || m.Record.Rested[e.Key()][replicasBefore] != "2" {
		t.Errorf("version %d: %v", m.version, m.Record.Rested)
	}
	e.Replicas = 5 // by somebody who does not know of the move
	if m.restEvictors(); m.version != 1 || m.Record.Rested[e.Key()][replicasBefore] != "2" {
		t.Errorf("it is asked for again, version %d: %v", m.version, m.Record.Rested)
	}
	if done := m.wakeEvictors(); !done || m.version != 2 || len(m.Record.Rested) > 0 {
		t.Errorf("it is back, version %d: %v", m.version, m.Record.Rested)
	}
}

// Nodes are closed once no pod of a descheduler is left that was turned off, or it had
// its time; one that cannot be turned off is not waited for.
func TestNodesCloseOnceDeschedulersAreGone(t *testing.T) {
	pod := func(by string) *Pod { return &Pod{Ref: Ref{"sys", "d-1", "1"}, Node: "new", Evictor: by} }
	for name, c := range map[string]struct {
		change func(m *Move, e *Evictor)
		waits  bool
	}{
		"it is on yet":                {func(_ *Move, e *Evictor) { e.Replicas, e.Calmed = 2, "" }, true},
		"it is off":                   {func(*Move, *Evictor) {}, false},
		"a pod of it runs":            {func(m *Move, e *Evictor) { m.view.PutPod(pod(e.Key())) }, true},
		"… and has ended":             {func(m *Move, e *Evictor) { p := pod(e.Key()); p.Finished = true; m.view.PutPod(p) }, false},
		"a pod of another one runs":   {func(m *Move, _ *Evictor) { m.view.PutPod(pod("job/sys/x")) }, false},
		"somebody turned it on again": {func(_ *Move, e *Evictor) { e.Replicas = 2 }, false},
		"it may not be turned off":    {func(m *Move, e *Evictor) { e.Replicas, e.Calmed = 2, ""; m.evictorRefused(e.Key()) }, false},
		"… though it runs":            {func(m *Move, e *Evictor) { m.view.PutPod(pod(e.Key())); m.evictorRefused(e.Key()) }, false},
		"it is deleted":               {func(m *Move, e *Evictor) { delete(m.view.Evictors, e.Key()) }, false},
	} {
		m, e := moving(), descheduler(false, "old")
		m.view.PutEvictor(e)
		m.Record.Rested = map[string]map[string]string{e.Key(): e.before()}
		c.change(m, e)
		for _, look := range []struct {
			after time.Duration
			off   bool
		}{{0, !c.waits}, {quietLimit - time.Second, !c.waits}, {quietLimit, true}} {
			m.view.Now, m.waits = noon.Add(look.after), map[string][]string{}
			if off := m.evictorsOff(); off != look.off || len(m.waits[""]) > 0 == off {
				t.Errorf("%s, after %s: off %t, waits for %v", name, look.after, off, m.waits)
			}
		}
	}
}

// What a dead move turned off is turned on again, by its mark or else by its record.
func TestDeschedulersOfDeadMovesAreWoken(t *testing.T) {
	alive := func(group string) bool { return group == "alive" }
	by := func(group string, e *Evictor) map[string]*Record {
		return map[string]*Record{group: {Rested: map[string]map[string]string{e.Key(): {replicasBefore: "4"}}}}
	}
	off := descheduler(false, "old")
	lost := *off
	lost.Calmed = ""
	for name, c := range map[string]struct {
		e       *Evictor
		records map[string]*Record
		want    string
	}{
		"by its mark":                    {off, by("old", off), "let evict again, replicas 2, no mark"},
		"by its record":                  {&lost, by("old", off), "let evict again, replicas 4, no mark"},
		"nothing tells":                  {&lost, map[string]*Record{"old": {}}, ""},
		"its move lives":                 {descheduler(false, "alive"), nil, ""},
		"its move lives, by its record":  {&lost, by("alive", off), ""},
		"it is on, as somebody wants it": {descheduler(false, ""), by("old", off), ""},
	} {
		got := ""
		if a, is := c.e.woken(c.records, alive); is {
			got = worded(a)
		}
		if got != c.want {
			t.Errorf("%s: want %q, got %q", name, c.want, got)
		}
	}
}
