package handover

import (
	"encoding/json"
	"fmt"
	"syscall"
	"testing"
	"time"
)

// large is a cluster of 5,000 nodes with 10 pods each, 5 to a Deployment and
// Service; the first of the nodes leave, and as many are new and empty.
func large() Observed {
	const nodes, leaving = 5000, 500
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	v := NewView()
	v.Now = now
	o := Observed{View: v, From: Group{Name: "old", Min: 0, Tags: hold{}.tags(), Suspended: held}, Asked: now}
	to := Group{Name: "new", Desired: leaving, Tags: hold{}.tags(), Suspended: heldTaker}
	lb := Balancer{Name: "lb", Host: "lb.elb", Draining: time.Minute}
	for i := range nodes + leaving {
		n := &Node{Name: fmt.Sprintf("node-%05d", i), Instance: fmt.Sprintf("i-%05d", i), Group: "other", Ready: true, Initialized: true}
		switch {
		case i < leaving:
			n.Group = "old"
			o.From.Instances = append(o.From.Instances, Instance{ID: n.Instance, Lifecycle: "InService"})
		case i >= nodes:
			n.Group = "new"
			to.Instances = append(to.Instances, Instance{ID: n.Instance, Lifecycle: "InService"})
		}
		lb.Targets = append(lb.Targets, Target{Instance: n.Instance, State: InService})
		v.PutNode(n)
	}
	o.To, o.Balancers = []Group{to}, []Balancer{lb}
	for i := range 10 * nodes / 5 {
		name := fmt.Sprintf("app-%05d", i)
		w := &Workload{Kind: "Deployment", API: "apps/v1", Namespace: "apps", Name: name, UID: name, Nature: Replicated, Wants: 5, Counted: true, Surge: 2,
			StartsWithin: 10 * time.Minute, Holder: &Owner{API: "apps/v1", Kind: "Deployment", Name: name, UID: name}}
		v.PutWorkload(w)
		v.PutService(&Service{Namespace: "apps", Name: name})
		v.PutBudget(&Budget{Namespace: "apps", Name: name, Expected: 5, Desired: 4, Healthy: 5, Seen: true, Keys: []string{"app"}})
		for j := range 5 {
			uid := fmt.Sprintf("%s-%d", name, j)
			v.PutPod(&Pod{
				Ref: Ref{Namespace: "apps", Name: uid, UID: uid}, Node: fmt.Sprintf("node-%05d", (i*5+j)%nodes), Workload: w.Key(), Labels: map[string]string{"app": name},
				Owner: &Owner{API: "apps/v1", Kind: "ReplicaSet", Name: name, UID: name}, Handle: "pod-template-hash", Doors: []string{"app"}, Budgets: []string{name},
				Ready: true, ReadySince: now.Add(-time.Hour), Created: now.Add(-time.Hour), Probe: true, Grace: 30 * time.Second,
				Paths: []Path{{Service: name, Selected: true, Listed: true, Ready: true}},
			})
		}
	}
	return o
}

// begun is a move that has closed its nodes and begun.
func begun(b *testing.B, o Observed) *Move {
	m := NewMove(newRecord("old", 0, o.View.Now), Options{})
	m.Begin(o)
	m.to(Ready)
	for turn := 0; m.Record.Phase != Shift; turn++ {
		if turn > 5 {
			b.Fatalf("still in %s", m.Record.Phase)
		}
		for _, a := range m.Turn(o) {
			if c, is := a.(ChangeNode); is {
				n := *o.View.Nodes[c.Node]
				n.Cordoned, n.Before = true, *c.Patch.Annotations[BeforeAnnotation]
				o.View.PutNode(&n)
			}
		}
	}
	return m
}

// decisions is how often a node, and each workload on it, is decided about until
// the node is empty, where every change is seen by itself: it is closed, two
// pods of the workload are released, replaced, taken out, evicted and gone, and
// load balancers let go of it.
const decisions = 15

// processor is the time that the processor has worked for this process: what a
// benchmark takes by the clock says little on a machine that others use as well.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkScale is 5,000 nodes with 50,000 pods, of which 500 nodes leave.
func BenchmarkScale(b *testing.B) {
	b.Run("findings", func(b *testing.B) {
		o := large()
		q := Question{Observed: o, Group: "old"}
		for _, n := range chosen(o, "old", 0) {
			q.Leaving = append(q.Leaving, n.Name)
		}
		b.ReportAllocs()
		for b.Loop() {
			Findings(q)
		}
	})
	b.Run("first-turn-of-shift", func(b *testing.B) {
		b.ReportAllocs()
		worked := time.Duration(0)
		for b.Loop() {
			b.StopTimer()
			o := large()
			m := begun(b, o)
			m.Record.Wave = 100 // all nodes at once
			m.begun = false
			began := processor(b)
			b.StartTimer()
			m.Turn(o)
			worked += processor(b) - began
		}
		b.ReportMetric(worked.Seconds()*1000/float64(b.N), "cpu-ms/op")
		b.ReportMetric(500*float64(b.N)/(decisions*worked.Minutes()), "nodes/min")
	})
	b.Run("steady-turn", func(b *testing.B) {
		o := large()
		m := begun(b, o)
		for range 3 {
			m.Turn(o)
		}
		b.ReportAllocs()
		began := processor(b)
		for b.Loop() {
			m.Turn(o)
		}
		b.ReportMetric((processor(b)-began).Seconds()*1000/float64(b.N), "cpu-ms/op")
	})
	b.Run("steady-turn-after-aws-was-read", func(b *testing.B) {
		o := large()
		m := begun(b, o)
		b.ReportAllocs()
		began := processor(b)
		for b.Loop() {
			o.Asked = o.Asked.Add(time.Second)
			m.Turn(o)
		}
		b.ReportMetric((processor(b)-began).Seconds()*1000/float64(b.N), "cpu-ms/op")
	})
	b.Run("record", func(b *testing.B) {
		o := large()
		m := begun(b, o)
		m.Record.Wave = 100
		m.begun = false
		m.Turn(o)
		size := 0
		for b.Loop() {
			data, err := json.Marshal(m.Record)
			if err != nil {
				b.Fatal(err)
			}
			size = len(data)
		}
		b.ReportMetric(float64(size), "record-bytes")
	})
}
