package handover

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

// Whether a load balancer sends to what leaves goes by the node of an instance, and
// by the node of the pod that has an address. Nodes without an instance (Fargate's)
// are no target's for that.
func TestWhichLoadBalancersSendToWhatLeaves(t *testing.T) {
	v := NewView()
	v.PutNode(&Node{Name: "old", Instance: "i-old", Ready: true})
	v.PutNode(&Node{Name: "old-fargate", Ready: true})
	v.PutNode(&Node{Name: "new", Instance: "i-new", Ready: true})
	v.PutPod(&Pod{Ref: Ref{"apps", "web-1", "1"}, Node: "old", Address: "10.0.0.1", Workload: "deployment/apps/web"})
	v.PutPod(&Pod{Ref: Ref{"apps", "web-2", "2"}, Node: "new", Address: "10.0.0.2", Workload: "deployment/apps/web"})
	for name, c := range map[string]struct {
		b    Balancer
		says string
	}{
		"an instance":            {Balancer{Targets: []Target{{Instance: "i-old", State: InService}}}, "connection draining is off"},
		"one that stays":         {Balancer{Targets: []Target{{Instance: "i-new", State: InService}}}, ""},
		"an unused one":          {Balancer{Targets: []Target{{Instance: "i-old", State: Unused}}}, ""},
		"one of a group":         {Balancer{Group: "arn", Targets: []Target{{Instance: "i-old", State: InService}}}, "through old nodes are cut"},
		"a pod":                  {Balancer{Group: "arn", ByAddress: true, Targets: []Target{{Address: "10.0.0.1", State: InService}}}, "to old pods are cut"},
		"a pod that stays":       {Balancer{Group: "arn", ByAddress: true, Targets: []Target{{Address: "10.0.0.2", State: InService}}}, ""},
		"an address of nobody's": {Balancer{Group: "arn", ByAddress: true, Targets: []Target{{Address: "10.0.0.3", State: InService}}}, ""},
	} {
		i := inspect(Question{Observed: Observed{View: v, Balancers: []Balancer{c.b}}, Leaving: []string{"old", "old-fargate"}})
		found := noDraining(i)
		if told := len(found) > 0; told != (c.says != "") || told && !strings.Contains(found[0].Effect, c.says) {
			t.Errorf("%s: %v", name, found)
		}
		if counted := i.balancers() == 1; counted != (c.says != "") {
			t.Errorf("%s: counted %v", name, counted)
		}
		drains, keeps := c.b, c.b
		drains.Draining, keeps.Keeps = time.Minute, true
		i = inspect(Question{Observed: Observed{View: v, Balancers: []Balancer{drains, keeps}}, Leaving: []string{"old"}})
		if found := noDraining(i); len(found) > 0 {
			t.Errorf("%s, with draining, and where connections are kept: %v", name, found)
		}
	}
}

// listener keeps what load balancers were asked about.
type listener struct {
	Nothing
	about []Inquiry
}

func (a *listener) Balancers(_ context.Context, q Inquiry) ([]Balancer, error) {
	a.about = append(a.about, q)
	return nil, nil
}

// Nodes that are no instances hold pods that target groups may have by their
// addresses: those are asked about if the cluster names such groups.
func TestPodsOnNodesThatAreNoInstancesAreAskedAbout(t *testing.T) {
	v := NewView()
	v.PutNode(&Node{Name: "fargate", Ready: true})
	v.PutPod(&Pod{Ref: Ref{"apps", "web-1", "1"}, Node: "fargate", Address: "10.0.0.1", Workload: "deployment/apps/web"})
	a := &listener{}
	r := &run{Mover: &Mover{balancers: a}}
	r.scope.Nodes = []string{"fargate"}
	if _, err := r.read(t.Context(), nil, v); err != nil || len(a.about) > 0 {
		t.Errorf("without a group: %+v, %v", a.about, err)
	}
	v.PutService(&Service{Namespace: "apps", Name: "web", TargetGroups: []string{"arn"}})
	if _, err := r.read(t.Context(), nil, v); err != nil || len(a.about) != 1 || !slices.Equal(a.about[0].Addresses, []string{"10.0.0.1"}) {
		t.Errorf("asked about %+v, %v", a.about, err)
	}
}

// Of nodes that are yet to come only what holds whatever they are like is told.
func TestWhatIsSaidOfNodesThatAreYetToCome(t *testing.T) {
	all := []Placement{
		{Pod: Ref{UID: "placed"}, Node: "new"},
		{Pod: Ref{UID: "taint"}, Why: "0/3 nodes are available: 3 node(s) had untolerated taint"},
		{Pod: Ref{UID: "room"}, Why: "0/3 nodes are available: 3 Insufficient cpu", Lasting: true},
	}
	for _, c := range []struct {
		fresh bool
		want  []string
	}{{false, []string{"placed", "room", "taint"}}, {true, []string{"placed", "room"}}} {
		var got []string
		for _, w := range all {
			if w.holds(c.fresh) {
				got = append(got, w.Pod.UID)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("fresh %v: %v", c.fresh, got)
		}
	}
}
