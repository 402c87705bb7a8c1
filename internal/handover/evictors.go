package handover

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/droverhq/drover/event"
)

// A descheduler evicts pods by rules of its own, a cordoned node's first of all, and
// waits for no replacement. No annotation keeps every one of them off: that of a pod
// (prefer-no-eviction) binds only those whose policy says so. So while nodes are
// closed the controller that runs it is off: a Deployment wants no pods, a CronJob is
// suspended. It carries what it was like, in the annotation that calmed nodes have,
// too, and is put back like those.

// Evictor is a controller that runs a descheduler.
type Evictor struct {
	Kind      string // Deployment, or CronJob
	API       string // apps/v1
	Namespace string
	Name      string
	Replicas  int    // a Deployment's
	Suspended bool   // a CronJob
	Keeper    string // the key of what controls it, and would turn it on again: it is left alone; empty: nothing does
	Calmed    string // annotation drover.dev/calmed: a Calmed
}

// Key names it as a workload is named.
func (e *Evictor) Key() string { return WorkloadKey(e.API, e.Kind, e.Namespace, e.Name) }

// What the record of one says that it was like.
const (
	replicasBefore  = "replicas"
	suspendedBefore = "suspend"
)

// quietLimit is how long the pods of one that was turned off are waited for before
// nodes are closed: what a pod gets to end, if its author did not say otherwise.
const quietLimit = 30 * time.Second

// timed: it runs its pods at times.
func (e *Evictor) timed() bool { return e.Kind == "CronJob" }

// on: it runs pods, or will.
func (e *Evictor) on() bool { return e.timed() && !e.Suspended || !e.timed() && e.Replicas > 0 }

// calmed reads the record on it; ok is false if it carries none.
func (e *Evictor) calmed() (c Calmed, ok bool) {
	return noted[Calmed](e.Calmed)
}

// before is what it is like now, for its record.
func (e *Evictor) before() map[string]string {
	if e.timed() {
		return map[string]string{suspendedBefore: strconv.FormatBool(e.Suspended)}
	}
	return map[string]string{replicasBefore: strconv.Itoa(e.Replicas)}
}

// rest turns it off.
func (e *Evictor) rest(c Calmed) ChangeEvictor {
	a := ChangeEvictor{Evictor: *e, What: "keep from evicting", Patch: Patch{Annotations: map[string]*string{CalmAnnotation: new(encode(c))}}}
	if e.timed() {
		a.Patch.Suspended = new(true)
	} else {
		a.Patch.Replicas = new(0)
	}
	return a
}

// wake turns it on again as it was; one that somebody has turned on meanwhile stays
// as it is.
func (e *Evictor) wake(c Calmed) ChangeEvictor {
	a := ChangeEvictor{Evictor: *e, What: "let evict again", Patch: Patch{Annotations: map[string]*string{CalmAnnotation: nil}}}
	if e.on() {
		return a
	}
	if n, err := strconv.Atoi(c.Before[replicasBefore]); err == nil {
		a.Patch.Replicas = &n
	}
	if is, err := strconv.ParseBool(c.Before[suspendedBefore]); err == nil {
		a.Patch.Suspended = &is
	}
	return a
}

// evictorsOff keeps deschedulers from evicting; it is true once none of their pods
// is left, or they had their time. It waits for none that may not be turned off: a
// move goes on where that is refused, as it would without.
func (m *Move) evictorsOff() bool {
	m.restEvictors()
	busy := m.evicting()
	if len(busy) == 0 || m.quiet.stuck(m.view.Now, "evictors", quietLimit) {
		return true
	}
	m.wait("%s: it is kept from evicting, and ends", list(busy))
	return false
}

// restEvictors turns those off that are on. One that somebody turns on again while
// it carries this move's record is not contradicted.
func (m *Move) restEvictors() {
	for _, key := range slices.Sorted(maps.Keys(m.view.Evictors)) {
		e := m.view.Evictors[key]
		before, known := m.Record.Rested[key]
		c, marked := e.calmed()
		if !e.on() || e.Keeper != "" || m.loud[key] || marked && (known || c.Group != m.Record.Group) {
			continue
		}
		if !known {
			before = e.before()
			if m.Record.Rested == nil {
				m.Record.Rested = map[string]map[string]string{}
			}
			m.Record.Rested[key] = before
			m.version++
		}
		m.act(e.rest(Calmed{Group: m.Record.Group, Before: before}))
	}
}

// evicting are those that this move turned off and that are on still, or have pods.
func (m *Move) evicting() []string {
	busy := map[string]bool{}
	for key := range m.Record.Rested {
		if e := m.view.Evictors[key]; e != nil && !m.loud[key] {
			busy[key] = e.on() && e.Calmed == ""
		}
	}
	for _, p := range m.view.Pods {
		if _, off := m.Record.Rested[p.Evictor]; off && !m.loud[p.Evictor] && !p.Finished {
			busy[p.Evictor] = true
		}
	}
	maps.DeleteFunc(busy, func(_ string, is bool) bool { return !is })
	return slices.Sorted(maps.Keys(busy))
}

// wakeEvictors puts back what this move turned off; it is true once all are seen to
// be so.
func (m *Move) wakeEvictors() bool {
	done := true
	for _, key := range slices.Sorted(maps.Keys(m.view.Evictors)) {
		e := m.view.Evictors[key]
		before, known := m.Record.Rested[key]
		c, marked := e.calmed()
		switch {
		case marked && c.Group != m.Record.Group:
			continue
		case !marked && e.on() && known:
			delete(m.Record.Rested, key) // whoever turns it off from now on is somebody else
			m.version++
			continue
		case !marked && !known:
			continue
		case !marked:
			c.Before = before
		}
		done = false
		m.act(e.wake(c))
	}
	return done
}

// evictorRefused keeps that one may not be turned off, and that it is not waited for.
func (m *Move) evictorRefused(key string) {
	if m.loud == nil {
		m.loud = map[string]bool{}
	}
	m.loud[key] = true
}

// woken puts one back that a move which is dead turned off.
func (e *Evictor) woken(records map[string]*Record, alive func(group string) bool) (a ChangeEvictor, is bool) {
	if c, marked := e.calmed(); marked {
		return e.wake(c), !alive(c.Group)
	}
	for _, group := range slices.Sorted(maps.Keys(records)) {
		before, known := records[group].Rested[e.Key()]
		if known && !alive(group) && !e.on() {
			return e.wake(Calmed{Before: before}), true
		}
	}
	return ChangeEvictor{}, false
}

// descheduled: somebody else may evict pods before anything takes their place, and
// is kept from that, or cannot be.
func descheduled(i *inspection) []event.Finding {
	if len(i.pods) == 0 {
		return nil
	}
	var found []event.Finding
	add := func(severity event.Severity, fix, effect string, args ...any) {
		found = append(found, event.Finding{Severity: severity, Object: named(i.Group), Effect: "a descheduler (" + fmt.Sprintf(effect, args...), Fix: fix})
	}
	for _, e := range i.evictors() {
		add(note, "", "%s) evicts pods by rules of its own: while nodes are closed it %s, and afterwards it is as it was", e.Key(), e.resting())
	}
	for _, who := range i.unheld() {
		add(warning, "stop it by what runs it (an operator's object, or a Job), until the move is over",
			"%s) may evict pods while they move, before others serve in their place: it is no Deployment's or CronJob's of its own, so it is not turned off", who)
	}
	return found
}

// resting says how it is once it is turned off.
func (e *Evictor) resting() string {
	if e.timed() {
		return "is suspended"
	}
	return "has no pods"
}

// evictors are those that a move turns off, or another one has turned off.
func (i *inspection) evictors() []*Evictor {
	var all []*Evictor
	for _, key := range slices.Sorted(maps.Keys(i.v.Evictors)) {
		if e := i.v.Evictors[key]; e.Keeper == "" && (e.on() || e.Calmed != "") {
			all = append(all, e)
		}
	}
	return all
}

// unheld are those that cannot be turned off: nothing of them says when they run, or
// somebody would turn them on again.
func (i *inspection) unheld() []string {
	who := map[string]bool{}
	for key, e := range i.v.Evictors {
		if e.Keeper != "" && e.on() {
			who[key+", kept by "+e.Keeper] = true
		}
	}
	for _, p := range i.v.Pods {
		if p.Evictor != "" && i.v.Evictors[p.Evictor] == nil && !p.Finished && !p.Deleting {
			who[p.Evictor] = true
		}
	}
	return slices.Sorted(maps.Keys(who))
}
