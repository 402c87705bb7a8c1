package handover

import (
	"fmt"
	"strings"
	"testing"

	"github.com/droverhq/drover/event"
)

// zoned is what is said of a Deployment of so many pods behind a load balancer
// with a node of its targets in each of three zones; spread: by a rule of its own.
func zoned(pods int, spread bool, change func(*Balancer, *Service)) []event.Finding {
	v := NewView()
	b := Balancer{Name: "net/web", Host: "net.example.com", Zonal: true}
	for _, zone := range []string{"a", "b", "c"} {
		v.PutNode(&Node{Name: zone, Group: "web", Instance: "i-" + zone, Ready: true, Initialized: true, Labels: map[string]string{"topology.kubernetes.io/zone": zone}})
		b.Targets = append(b.Targets, Target{Instance: "i-" + zone, State: OutOfService})
	}
	w := &Workload{Kind: "Deployment", API: "apps/v1", Namespace: "apps", Name: "web", Nature: Replicated, Wants: pods, Surge: 1, Holder: &Owner{}}
	s := &Service{Namespace: "apps", Name: "web", Local: true, Balanced: true, Hosts: []string{b.Host}}
	change(&b, s)
	v.PutWorkload(w)
	v.PutService(s)
	for n := range pods {
		id := fmt.Sprint(n)
		v.PutPod(&Pod{Ref: Ref{"apps", "web-" + id, id}, Node: "a", Workload: w.Key(), Ready: true, Probe: true, Zoned: spread, Doors: []string{"app"},
			Paths: []Path{{Service: "web", Selected: true, Listed: true, Ready: true}}})
	}
	return fewForZones(inspect(Question{Observed: Observed{View: v, Balancers: []Balancer{b}}, Group: "web", Leaving: []string{"a"}}))
}

func TestFewerLocalPodsThanZonesAreTold(t *testing.T) {
	as := func(*Balancer, *Service) {}
	found := zoned(2, true, as)
	if len(found) != 1 || found[0].Object != "deployment/apps/web" || !strings.Contains(found[0].Effect, "in 3 zones (a (and 2 more)), and it wants 2") ||
		!strings.Contains(found[0].Fix, "cross-zone") {
		t.Errorf("%+v", found)
	}
	loose := zoned(3, false, as)
	if len(loose) != 1 || !strings.Contains(loose[0].Effect, "no rule of it spreads them over zones") {
		t.Errorf("%+v", loose)
	}
	bound := zoned(2, true, func(b *Balancer, s *Service) { b.Group, s.TargetGroups = "arn:own", []string{"arn:elsewhere"} })
	if len(bound) != 1 {
		t.Errorf("its pods are targets elsewhere, too: %+v", bound)
	}
	for name, nothing := range map[string][]event.Finding{
		"as many pods as zones": zoned(3, true, as),
		"it wants none":         zoned(0, true, as),
		"zones share targets":   zoned(2, true, func(b *Balancer, _ *Service) { b.Zonal = false }),
		"no local traffic":      zoned(2, true, func(_ *Balancer, s *Service) { s.Local = false }),
		"another's":             zoned(2, true, func(_ *Balancer, s *Service) { s.Hosts = nil }),
	} {
		if len(nothing) > 0 {
			t.Errorf("%s: %+v", name, nothing)
		}
	}
}

// nodeIn is a node in a zone.
func nodeIn(zone, name string) *Node {
	return &Node{Name: name, Instance: "i-" + name, Ready: true, Initialized: true, Labels: map[string]string{"topology.kubernetes.io/zone": zone}}
}

// A load balancer's address in a zone is of no use without a node that it may send to.
func TestAZoneWithoutNodesIsTold(t *testing.T) {
	of := func(stays string, change func(*Balancer, *Group)) []event.Finding {
		v := NewView()
		v.PutNode(nodeIn("a", "old"))
		v.PutNode(nodeIn(stays, "new"))
		b := Balancer{Name: "net/web", Zonal: true, Targets: []Target{{Instance: "i-old", State: InService}}}
		to := Group{Instances: []Instance{{ID: "i-new"}}}
		change(&b, &to)
		q := Question{Observed: Observed{View: v, Balancers: []Balancer{b}, To: []Group{to}}, Group: "web", Leaving: []string{"old"}}
		if to.Name == "none" {
			q.To = nil
		}
		return emptyZone(inspect(q))
	}
	as := func(*Balancer, *Group) {}
	if found := of("b", as); len(found) != 1 || found[0].Severity != blocker || found[0].Object != "load balancer net/web" || !strings.Contains(found[0].Effect, "no node stays in zone a") {
		t.Errorf("%+v", found)
	}
	if found := of("b", func(_ *Balancer, g *Group) { g.Name = "none" }); len(found) != 1 {
		t.Errorf("of nodes that are emptied, and the others take their pods: %+v", found)
	}
	for name, nothing := range map[string][]event.Finding{
		"a node stays there":      of("a", as),
		"zones share targets":     of("b", func(b *Balancer, _ *Group) { b.Zonal = false }),
		"nothing is sent there":   of("b", func(b *Balancer, _ *Group) { b.Targets[0].State = OutOfService }),
		"nodes are yet to come":   of("b", func(_ *Balancer, g *Group) { g.Instances = nil }),
		"the target is elsewhere": of("b", func(b *Balancer, _ *Group) { b.Targets[0].Instance = "i-new" }),
	} {
		if len(nothing) > 0 {
			t.Errorf("%s: %+v", name, nothing)
		}
	}
}

// A zone keeps a node if one stays there that takes pods, of whatever group, or one of
// the group that takes them is on its way.
func TestAZoneThatKeepsANode(t *testing.T) {
	for name, c := range map[string]struct {
		change func(third *Node) // besides one that leaves zone a, and a new one in zone b
		to     []string          // instances that take the pods
		found  bool
	}{
		"another group's":          {func(*Node) {}, []string{"i-new"}, false},
		"… that is closed":         {func(n *Node) { n.Cordoned = true }, []string{"i-new"}, true},
		"… in zone b":              {func(n *Node) { n.Labels = nodeIn("b", "").Labels }, []string{"i-new"}, true},
		"… in none that is known":  {func(n *Node) { n.Labels = nil }, []string{"i-new"}, true},
		"a new one, not Ready yet": {func(n *Node) { n.Ready = false }, []string{"i-new", "i-third"}, false},
	} {
		v, third := NewView(), nodeIn("a", "third")
		c.change(third)
		v.PutNode(nodeIn("a", "old"))
		v.PutNode(nodeIn("b", "new"))
		v.PutNode(third)
		var to Group
		for _, id := range c.to {
			to.Instances = append(to.Instances, Instance{ID: id})
		}
		b := Balancer{Name: "net/web", Zonal: true, Targets: []Target{{Instance: "i-old", State: InService}}}
		q := Question{Observed: Observed{View: v, Balancers: []Balancer{b}, To: []Group{to}}, Group: "web", Leaving: []string{"old"}}
		if found := emptyZone(inspect(q)); (len(found) > 0) != c.found {
			t.Errorf("%s: %+v", name, found)
		}
	}
}
