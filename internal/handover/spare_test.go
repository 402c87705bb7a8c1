package handover

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// What load balancers say, and what a move makes of it, one row each.

// traffic is the middle of a move: load balancer lb of Service apps/web has node old,
// which leaves, and node new, which stays, in service. A row changes what is different.
type traffic struct {
	*View
	*Move
	lb      Balancer
	more    []Balancer
	service *Service
	group   *Group // that takes the pods
}

func newTraffic() *traffic {
	t := &traffic{View: NewView(), Move: NewMove(newRecord("old-group", 0, noon), Options{})}
	t.Now, t.Record.Phase = noon, Shift
	t.Record.Nodes["old"] = &NodeRecord{State: NodeEmptying}
	t.service = &Service{Namespace: "apps", Name: "web", Balanced: true, Hosts: []string{"lb.elb"}}
	t.lb = Balancer{Name: "lb", Host: "lb.elb", Draining: time.Minute}
	t.PutWorkload(&Workload{Kind: "Deployment", API: "apps/v1", Namespace: "apps", Name: "web", Nature: Replicated, Wants: 2, Counted: true, Surge: 1})
	t.PutWorkload(&Workload{Kind: "StatefulSet", API: "apps/v1", Namespace: "apps", Name: "web", Nature: Ordered, Wants: 2, Counted: true})
	t.o = Observed{View: t.View, To: []Group{{Name: "new-group"}}, Asked: noon}
	t.group = &t.o.To[0]
	t.node("old", InService)
	t.node("new", InService)
	t.group.Instances = []Instance{{ID: "i-new"}}
	return t
}

// node adds one that has been Ready for an hour, and is such a target of lb.
func (t *traffic) node(name string, state TargetState) *Node {
	n := &Node{Name: name, Instance: "i-" + name, Ready: true, ReadySince: noon.Add(-time.Hour), Initialized: true, Labels: map[string]string{"topology.kubernetes.io/zone": "a"}}
	t.PutNode(n)
	t.says(name, state)
	return n
}

// fresh adds node new-2, of the group that takes the pods.
func (t *traffic) fresh(state TargetState) *Node {
	t.group.Instances = append(t.group.Instances, Instance{ID: "i-new-2"})
	return t.node("new-2", state)
}

// says changes what lb says of a node; "": it does not list it.
func (t *traffic) says(node string, state TargetState) {
	t.lb.Targets = slices.DeleteFunc(slices.Clone(t.lb.Targets), func(is Target) bool { return is.Instance == "i-"+node })
	if state != "" {
		t.lb.Targets = append(t.lb.Targets, Target{Instance: "i-" + node, State: state})
	}
}

// pod adds one of Deployment apps/web that has served for an hour.
func (t *traffic) pod(name, node string) *Pod { return t.podOf("deployment/apps/web", name, node) }

func (t *traffic) podOf(workload, name, node string) *Pod {
	p := &Pod{
		Ref: Ref{"apps", name, name}, Node: node, Address: "10.0.0." + name, Workload: workload, Owner: &Owner{Kind: "ReplicaSet", Name: "web-abc"}, Handle: "hash", Doors: []string{"app"},
		Ready: true, ReadySince: noon.Add(-time.Hour), Probe: true, Paths: []Path{{Service: "web", Selected: true, Listed: true, Ready: true}},
	}
	t.PutPod(p)
	return p
}

// byAddress makes lb one that has pods as targets.
func (t *traffic) byAddress(targets ...Target) {
	t.lb.ByAddress, t.lb.Group, t.lb.Targets, t.service.TargetGroups = true, "arn:lb", targets, []string{"arn:lb"}
}

// hear lets all of this be known.
func (t *traffic) hear() *Move {
	t.PutService(t.service)
	t.o.Balancers = append([]Balancer{t.lb}, t.more...)
	t.view, t.lack, t.going, t.answeredAt = t.View, map[string]string{}, map[string]goingNodes{}, noon
	t.sortTargets()
	t.unasked = t.allUnasked()
	return t.Move
}

// A node leaves its load balancers when each of them has others to send through.
func TestWhenLoadBalancersCanSpareANode(t *testing.T) {
	for _, row := range []struct {
		situation string
		scene     func(*traffic)
		want      string
	}{
		{"another node is in service", func(*traffic) {}, ""},
		{"no other node is", func(s *traffic) { s.says("new", OutOfService) }, "load balancer lb: no node outside old-group is InService"},
		{"… and nothing is ever sent through this one", func(s *traffic) { s.says("old", Unused); s.says("new", OutOfService) }, ""},
		{"… another one that leaves", func(s *traffic) {
			s.says("new", "")
			s.node("old-2", InService)
			s.Record.Nodes["old-2"] = &NodeRecord{Wave: 1}
		}, "load balancer lb: no node outside old-group is InService"},
		{"AWS does not answer", func(s *traffic) { s.o.Stale = "throttled" }, "AWS does not answer: throttled"},
		{"a new node is not in service yet", func(s *traffic) { s.fresh(OutOfService) }, "load balancer lb: 1 of 2 new nodes InService"},
		{"… or not registered yet", func(s *traffic) { s.fresh("") }, "load balancer lb: 1 of 2 new nodes InService"},
		{"… and never gets anything to do", func(s *traffic) { s.fresh(Unused) }, ""},
		{"… and somebody has cordoned it", func(s *traffic) { s.fresh("").Cordoned = true }, ""},
		{"… and somebody keeps it out of load balancers", func(s *traffic) { s.fresh("").Exclude = new("true") }, ""},
		{"… and the Service does not take such nodes", func(s *traffic) {
			s.service.NodeLabels = map[string]string{"tier": "front"}
			s.fresh("")
		}, ""},
		{"… and leaves itself", func(s *traffic) { s.fresh(""); s.Record.Nodes["new-2"] = &NodeRecord{Wave: 1} }, ""},
		{"one that left is gone", func(s *traffic) { s.Record.Nodes["old-0"] = &NodeRecord{} }, ""},
		{"a new node has yet to be registered, and is none of the cluster's", func(s *traffic) { s.group.Instances = append(s.group.Instances, Instance{ID: "i-x"}) }, ""},
		{"a second load balancer lacks a node", func(s *traffic) {
			s.more = []Balancer{{Name: "lb-2", Targets: []Target{{Instance: "i-old", State: InService}}}}
		}, "load balancer lb-2: no node outside old-group is InService"},
		{"a second one does not send through the node", func(s *traffic) { s.more = []Balancer{{Name: "lb-2"}} }, ""},

		{"nobody's: as many as go are enough", func(s *traffic) {
			s.service.Hosts, s.group.Attached = nil, []string{"lb"}
			s.fresh(OutOfService)
		}, ""},
		{"… not fewer", func(s *traffic) {
			s.service.Hosts, s.group.Attached = nil, []string{"lb"}
			s.fresh(OutOfService)
			s.node("old-2", InService)
			s.Record.Nodes["old-2"] = &NodeRecord{Wave: 1}
		}, "load balancer lb: 1 of 2 new nodes InService"},
		{"… of which only those count that are in service", func(s *traffic) {
			s.service.Hosts, s.group.Attached = nil, []string{"lb"}
			s.fresh(OutOfService)
			s.node("old-2", Draining)
			s.Record.Nodes["old-2"] = &NodeRecord{Wave: 1}
		}, ""},
		{"… and nobody knows whether others are to join, where their group does not register them", func(s *traffic) {
			s.service.Hosts = nil
			s.fresh("")
			s.node("old-2", InService)
			s.Record.Nodes["old-2"] = &NodeRecord{Wave: 1}
		}, ""},

		{"nothing is behind its Service: no node is ever in service", func(s *traffic) {
			s.says("old", OutOfService)
			s.says("new", OutOfService)
		}, ""},
		{"… and a pod is: one will be", func(s *traffic) {
			s.says("old", OutOfService)
			s.says("new", OutOfService)
			s.pod("1", "old")
		}, "load balancer lb: no node outside old-group is InService"},

		{"local traffic: one other node is enough, how many pods are is another matter", func(s *traffic) {
			s.service.Local = true
			s.pod("1", "old")
			s.fresh(OutOfService)
		}, ""},
		{"… also at one that others made send to its node port", func(s *traffic) {
			s.service.Hosts, s.lb.Port, s.service.NodePorts, s.service.Local = nil, 30080, []int{30080}, true
			s.group.Attached = []string{"lb"}
			s.pod("1", "old")
			s.fresh(OutOfService)
			s.node("old-2", InService)
			s.Record.Nodes["old-2"] = &NodeRecord{Wave: 1}
		}, ""},
		{"… none is not", func(s *traffic) { s.service.Local = true; s.pod("1", "old"); s.says("new", OutOfService) }, "load balancer lb: no node outside old-group is InService"},
		{"… unless no pod of the Service is on the node", func(s *traffic) { s.service.Local = true; s.pod("1", "new"); s.says("new", OutOfService) }, ""},
		{"… a pod that is selected no more, and listed yet, is one of the Service", func(s *traffic) {
			s.service.Local = true
			s.pod("1", "old").Paths[0].Selected = false
			s.says("new", OutOfService)
		}, "load balancer lb: no node outside old-group is InService"},
		{"… one that is not listed any more either is not", func(s *traffic) {
			s.service.Local = true
			s.pod("1", "old").Paths = []Path{{Service: "web"}, {Service: "other", Selected: true, Listed: true}}
			s.pod("2", "new")
			s.says("new", OutOfService)
		}, ""},
		{"… and of a Service without pods nobody knows who answers on the node", func(s *traffic) {
			s.service.Local = true
			s.says("new", OutOfService)
		}, "load balancer lb: no node outside old-group is InService"},
		{"… which nobody does, if the node is not in service either", func(s *traffic) {
			s.service.Local = true
			s.says("old", OutOfService)
			s.says("new", OutOfService)
		}, ""},
		{"… where pods go one after the other, one that leaves later serves meanwhile", func(s *traffic) {
			s.service.Local = true
			s.podOf("statefulset/apps/web", "1", "old")
			s.says("new", "")
			s.node("old-2", InService)
			s.Record.Nodes["old-2"] = &NodeRecord{Wave: 1}
		}, ""},

		{"its zone would have no other", func(s *traffic) {
			s.lb.Zonal = true
			s.Nodes["new"].Labels["topology.kubernetes.io/zone"] = "b"
		}, "load balancer lb: no target outside old-group is InService in zone a"},
		{"… and has another", func(s *traffic) { s.lb.Zonal = true }, ""},
		{"… that is not in service", func(s *traffic) {
			s.lb.Zonal = true
			s.node("spare", OutOfService)
			s.Nodes["new"].Labels["topology.kubernetes.io/zone"] = "b"
		}, "load balancer lb: no target outside old-group is InService in zone a"},
		{"… nor this one: it has none now", func(s *traffic) {
			s.lb.Zonal = true
			s.says("old", Draining)
			s.Nodes["new"].Labels["topology.kubernetes.io/zone"] = "b"
		}, ""},
		{"… which it does not keep apart", func(s *traffic) { s.Nodes["new"].Labels["topology.kubernetes.io/zone"] = "b" }, ""},
		{"… and nobody knows its zone", func(s *traffic) {
			s.lb.Zonal = true
			s.Nodes["old"].Labels = nil
			s.Nodes["new"].Labels["topology.kubernetes.io/zone"] = "b"
		}, ""},
		{"a load balancer that nobody can ask has the nodes that stay", func(s *traffic) { s.service.Hosts = append(s.service.Hosts, "other.elb") }, ""},
		{"… for too short a time", func(s *traffic) {
			s.service.Hosts = append(s.service.Hosts, "other.elb")
			s.Nodes["new"].ReadySince = noon.Add(-unaskedTime + time.Second)
		}, "load balancer other.elb cannot be asked: 0 of 1 nodes outside old-group have been there for 7m0s, which it may take to send through them"},
	} {
		t.Run(row.situation, func(t *testing.T) {
			s := newTraffic()
			row.scene(s)
			if got := s.hear().cannotSpare(s.Nodes["old"]); got != row.want {
				t.Errorf("\nwant %s\ngot  %s", row.want, got)
			}
		})
	}
}

// Of a load balancer that nobody can ask nodes leave when it has had the time to take up
// as many others, or all that there are.
func TestWhenAnUnaskedLoadBalancerCanSpareANode(t *testing.T) {
	late := noon.Add(-unaskedTime + time.Second)
	two := func(s *traffic) { // more leave than stay
		s.Record.Nodes["old-2"], s.Record.Nodes["old-3"] = &NodeRecord{}, &NodeRecord{}
		s.node("new-2", "").ReadySince = late
	}
	for _, row := range []struct {
		situation string
		scene     func(*traffic)
		had, want int // 0, 0: it can
	}{
		{"a node that stays has been there for long enough", func(s *traffic) { s.Nodes["new"].ReadySince = noon.Add(-unaskedTime) }, 0, 0},
		{"… or not", func(s *traffic) { s.Nodes["new"].ReadySince = late }, 0, 1},
		{"… as the user says", func(s *traffic) { s.Nodes["new"].ReadySince, s.Options.UnaskedTime = late, time.Minute }, 0, 0},
		{"no more are waited for than leave", func(s *traffic) { s.node("new-2", "").ReadySince = late }, 0, 0},
		{"no fewer are, if there are as many", two, 1, 2},
		{"no more are than there are", func(s *traffic) { two(s); s.Nodes["new-2"].ReadySince = noon.Add(-time.Hour) }, 0, 0},
		{"none stays", func(s *traffic) { s.DropNode("new") }, 0, 1},
		{"it sends to pods", func(s *traffic) { s.Nodes["new"].ReadySince, s.service.ToPods = late, true }, 0, 0},
		{"it does not take nodes like this one", func(s *traffic) {
			s.Nodes["new"].ReadySince, s.service.NodeLabels = late, map[string]string{"tier": "front"}
		}, 0, 0},
		{"the node is none that load balancers send through", func(s *traffic) {
			s.Nodes["old"].Instance, s.Nodes["old"].Cloud = "", "aws"
			s.Nodes["new"].ReadySince = late
		}, 0, 0},
		{"one is not Ready", func(s *traffic) { two(s); s.Nodes["new"].Ready = false }, 0, 1},
		{"one is not set up yet", func(s *traffic) { two(s); s.Nodes["new"].Initialized = false }, 0, 1},
		{"one is kept out of load balancers", func(s *traffic) { two(s); s.Nodes["new"].Exclude = new("true") }, 0, 1},
		{"one leaves itself", func(s *traffic) { two(s); s.Record.Nodes["new"] = &NodeRecord{} }, 0, 1},
		{"local traffic: those count that have pods of the Service", func(s *traffic) {
			s.service.Local = true
			s.pod("1", "old")
			s.pod("2", "new-2")
			s.node("new-2", "").ReadySince = late
		}, 0, 1},
		{"… and have been there for long enough", func(s *traffic) {
			s.service.Local = true
			s.pod("1", "old")
			s.pod("2", "new")
			s.node("new-2", "").ReadySince = late
		}, 0, 0},
		{"… if there are any yet", func(s *traffic) {
			s.service.Local = true
			s.pod("1", "old")
			s.node("new-2", "").ReadySince = late
		}, 0, 0},
		{"… and nothing is sent through a node without", func(s *traffic) { s.service.Local, s.Nodes["new"].ReadySince = true, late }, 0, 0},
		{"all traffic: pods are no matter", func(s *traffic) {
			s.pod("1", "old")
			s.pod("2", "new-2")
			s.node("new-2", "").ReadySince = late
		}, 0, 0},
		{"a move that takes another back has opened the nodes itself", func(s *traffic) { s.Record.Back, s.Record.Since = true, late }, 0, 1},
		{"… and any other has not", func(s *traffic) { s.Record.Since = late }, 0, 0},
		{"… which were not Ready then", func(s *traffic) {
			s.Record.Back, s.Record.Since, s.Nodes["new"].ReadySince = true, noon.Add(-time.Hour), late
		}, 0, 1},
	} {
		t.Run(row.situation, func(t *testing.T) {
			s := newTraffic()
			s.service.Hosts = []string{"mute.elb"}
			row.scene(s)
			why := s.hear().unaskedShort(s.Nodes["old"])
			if said := strings.Contains(why, "load balancer mute.elb cannot be asked: "+string(rune('0'+row.had))+" of "+string(rune('0'+row.want))+" nodes outside"); said != (row.want > 0) || row.want == 0 && why != "" {
				t.Errorf("%d of %d: %q", row.had, row.want, why)
			}
		})
	}
}

// Which nodes and workloads are looked at again when AWS has answered.
func TestWhatLoadBalancersSayAnewIsLookedAt(t *testing.T) {
	pods := func(targets ...Target) Balancer { return Balancer{Name: "pods", ByAddress: true, Targets: targets} }
	for _, row := range []struct {
		situation string
		change    func(*traffic)
		want      string
	}{
		{"the same", func(*traffic) {}, ""},
		{"of a node that leaves", func(s *traffic) { s.says("old", Draining) }, "old"},
		{"… behind which pods are reached through it alone", func(s *traffic) {
			s.service.Local = true
			s.PutService(s.service)
			s.says("old", Draining)
		}, "old deployment/apps/web"},
		{"of a node that stays: on it rests whether any can be spared", func(s *traffic) { s.says("new", Draining) }, "old old-2"},
		{"… it is listed no more", func(s *traffic) { s.says("new", "") }, "old old-2"},
		{"… and another one that leaves is", func(s *traffic) { s.says("new", ""); s.says("old-2", InService) }, "old old-2"},
		{"of what is no node that is known", func(s *traffic) { s.says("other", InService) }, "old old-2"},
		{"a node that leaves is listed no more", func(s *traffic) { s.says("old", "") }, "old"},
		{"of itself", func(s *traffic) { s.lb.Draining = time.Hour }, "old old-2"},
		{"another one is there", func(s *traffic) { s.more = append(s.more, Balancer{Name: "lb-2"}) }, "old old-2"},
		{"nothing: AWS does not answer any more", func(s *traffic) { s.o.Stale = "throttled" }, "old old-2"},
		{"of a pod's address", func(s *traffic) { s.more = []Balancer{pods(Target{Address: "10.0.0.1", State: Draining})} }, "deployment/apps/web"},
		{"… it is listed no more", func(s *traffic) { s.more = []Balancer{pods()} }, "deployment/apps/web"},
	} {
		t.Run(row.situation, func(t *testing.T) {
			s := newTraffic()
			s.PutNode(&Node{Name: "old-2", Instance: "i-old-2"})
			s.Record.Nodes["old-2"] = &NodeRecord{}
			s.pod("1", "old")
			s.podOf("daemonset/apps/edge", "2", "old").Daemon = true
			s.more = []Balancer{pods(Target{Address: "10.0.0.1", State: InService})}
			s.PutService(s.service)
			s.view, s.begun = s.View, true
			s.listen()
			clear(s.dueNodes)
			clear(s.dueWorkloads)
			row.change(s)
			s.listen()
			due := slices.Concat(slices.Sorted(maps.Keys(s.dueNodes)), slices.Sorted(maps.Keys(s.dueWorkloads)))
			if got := strings.Join(due, " "); got != row.want {
				t.Errorf("want %q, got %q", row.want, got)
			}
			clear(s.dueNodes)
			clear(s.dueWorkloads)
			if s.listen(); len(s.dueNodes)+len(s.dueWorkloads) > 0 {
				t.Errorf("the same once more makes %v due, and %v", s.dueNodes, s.dueWorkloads)
			}
		})
	}
}

// listen hears as a turn does.
func (t *traffic) listen() {
	t.o.Balancers, t.o.Asked = append([]Balancer{t.lb}, t.more...), t.o.Asked.Add(time.Second)
	t.Move.hear(t.o)
}

// What sends through a node that leaves, or to a pod on it, is remembered by its name, so
// that it is asked when it lists the node no more.
func TestLoadBalancersThatSentToWhatLeavesAreRemembered(t *testing.T) {
	s := newTraffic()
	s.pod("1", "old")
	s.pod("2", "new")
	s.says("new", "")
	s.more = []Balancer{
		{Name: "stays", Targets: []Target{{Instance: "i-new", State: InService}}}, {Name: "a-pod", ByAddress: true, Targets: []Target{{Address: "10.0.0.1", State: InService}}},
		{Name: "other-pod", ByAddress: true, Targets: []Target{{Address: "10.0.0.2", State: InService}}},
	}
	version := s.version
	if s.hear(); !slices.Equal(s.Record.Balancers, []string{"a-pod", "lb"}) || s.version == version {
		t.Errorf("%q, version %d after %d", s.Record.Balancers, s.version, version)
	}
	s.more, s.lb.Targets = nil, nil
	if s.hear(); !slices.Equal(s.Record.Balancers, []string{"a-pod", "lb"}) {
		t.Errorf("when they let go of them: %q", s.Record.Balancers)
	}
}

// A group's nodes are registered by the group that has their instance.
func TestWhatAGroupRegistersItsNodesWith(t *testing.T) {
	s := newTraffic()
	s.o.From = Group{Name: "old-group", Attached: []string{"arn:from"}, Instances: []Instance{{ID: "i-old"}}}
	s.o.Beside = []Group{{Name: "beside", Attached: []string{"arn:beside"}, Instances: []Instance{{ID: "i-one"}}}}
	for instance, want := range map[string]string{"i-old": "arn:from", "i-one": "arn:beside", "i-nobody": "", "": ""} {
		if got := strings.Join(s.hear().attached(&Node{Instance: instance}), " "); got != want {
			t.Errorf("%q: %q, want %q", instance, got, want)
		}
	}
}

// With local traffic a pod counts as one that serves if requests come through its node.
func TestThroughWhichNodesLocalTrafficComes(t *testing.T) {
	for _, row := range []struct {
		situation string
		scene     func(*traffic)
		want      bool
	}{
		{"it is in service", func(*traffic) {}, true},
		{"it is not", func(s *traffic) { s.says("old", OutOfService) }, false},
		{"nobody has registered it", func(s *traffic) { s.says("old", "") }, false},
		{"it is in service at one of two", func(s *traffic) {
			s.says("old", "")
			s.more = []Balancer{{Name: "lb-2", Host: "lb.elb", Targets: []Target{{Instance: "i-old", State: InService}}}}
		}, true},
		{"none can be asked", func(s *traffic) { s.service.Hosts = nil }, true},
		{"those that send to pods do not tell", func(s *traffic) { s.byAddress() }, true},
		{"it was asked to leave", func(s *traffic) { s.Record.Nodes["old"].asked = true }, false},
		{"somebody keeps it out of load balancers", func(s *traffic) { s.Nodes["old"].Exclude = new("true") }, false},
		{"… while the move puts back: what it is in counts", func(s *traffic) {
			s.Nodes["old"].Exclude, s.Record.Nodes["old"].asked, s.Record.Phase = new("true"), true, Stop
		}, true},
		{"it is gone", func(s *traffic) { s.DropNode("old") }, false},
	} {
		s := newTraffic()
		s.service.Local = true
		row.scene(s)
		if got := s.hear().reached("old", s.service); got != row.want {
			t.Errorf("%s: %t", row.situation, got)
		}
	}
}

// A pod counts behind target groups of pods once each of them sends to it.
func TestWhichPodsTargetGroupsSendTo(t *testing.T) {
	for _, row := range []struct {
		situation string
		scene     func(*traffic)
		want      bool
	}{
		{"it is in service", func(s *traffic) { s.byAddress(Target{Address: "10.0.0.1", State: InService}) }, true},
		{"it is not", func(s *traffic) { s.byAddress(Target{Address: "10.0.0.1", State: OutOfService}) }, false},
		{"nobody has registered it", func(s *traffic) { s.byAddress() }, false},
		{"nothing is ever sent to it", func(s *traffic) { s.byAddress(Target{Address: "10.0.0.1", State: Unused}) }, true},
		{"nodes are its targets", func(s *traffic) { s.says("old", OutOfService) }, true},
		{"another group of the host is other Services'", func(s *traffic) {
			s.byAddress(Target{Address: "10.0.0.1", State: InService})
			s.more = []Balancer{{Name: "tg-2", Host: "lb.elb", Group: "arn:2", ByAddress: true}}
		}, true},
		{"a second one of its own does not", func(s *traffic) {
			s.byAddress(Target{Address: "10.0.0.1", State: InService})
			s.service.TargetGroups = append(s.service.TargetGroups, "arn:2")
			s.more = []Balancer{{Name: "tg-2", Group: "arn:2", ByAddress: true}}
		}, false},
		{"a group of its has not answered yet", func(s *traffic) { s.service.TargetGroups, s.o.Stale = []string{"arn:mute"}, "throttled" }, false},
		{"… and AWS does not know it: nobody can ask", func(s *traffic) { s.service.TargetGroups = []string{"arn:mute"} }, true},
		{"AWS does not answer: what it said counts", func(s *traffic) {
			s.byAddress(Target{Address: "10.0.0.1", State: InService})
			s.o.Stale = "throttled"
		}, true},
	} {
		s := newTraffic()
		p := s.pod("1", "old")
		row.scene(s)
		if got := s.hear().healthy(p, s.service); got != row.want {
			t.Errorf("%s: %t", row.situation, got)
		}
	}
}

// Nothing of a pod begins while nobody knows whom requests would go to instead.
func TestPodsOfWhichNothingIsHeardWait(t *testing.T) {
	const away = "AWS does not answer: throttled"
	first := func(s *traffic) { s.service.Local = true }
	for _, row := range []struct {
		situation string
		scene     func(*traffic)
		heard     bool // AWS has answered since the run began
		want      string
	}{
		{"a target group holds it", func(s *traffic) { s.byAddress(Target{Address: "10.0.0.1", State: InService}) }, true, away},
		{"one did before its binding was removed", func(s *traffic) { s.lb.ByAddress, s.lb.Group = true, "arn:lb" }, true, away},
		{"its Service names a target group", func(s *traffic) { s.service.TargetGroups = []string{"arn:mute"} }, true, away},
		{"its Service has a host that nobody knows", func(s *traffic) { s.service.Hosts = []string{"mute.elb"} }, true, away},
		{"local traffic, and AWS has never answered", first, false, away},
		{"local traffic, and it has", first, true, ""},
		{"it is behind nodes alone", func(*traffic) {}, false, ""},
	} {
		s := newTraffic()
		p := s.pod("1", "old")
		row.scene(s)
		s.hear()
		if s.o.Stale = "throttled"; !row.heard {
			s.answeredAt = time.Time{}
		}
		if got := s.unheard(p); got != row.want {
			t.Errorf("%s: %q", row.situation, got)
		}
		if s.o.Stale = ""; s.unheard(p) != "" {
			t.Errorf("%s, and AWS answers: %q", row.situation, s.unheard(p))
		}
	}
}

// A zone keeps its last target until another one of it is in service.
func TestThePodThatAZoneNeeds(t *testing.T) {
	one, two := Target{Address: "10.0.0.1", State: InService}, Target{Address: "10.0.0.2", State: InService}
	const empty = "load balancer lb: no target outside old-group is InService in zone a"
	for _, row := range []struct {
		situation string
		targets   []Target
		scene     func(*traffic)
		want      string
	}{
		{"another pod is in service there", []Target{one, two}, func(*traffic) {}, ""},
		{"… that leaves, too", []Target{one, two}, func(s *traffic) { s.Pods["2"].Node = "old" }, empty},
		{"none is", []Target{one}, func(*traffic) {}, empty},
		{"… nor this one", []Target{{Address: "10.0.0.1", State: OutOfService}}, func(*traffic) {}, ""},
		{"no zone is kept apart", []Target{one}, func(s *traffic) { s.lb.Zonal = false }, ""},
		{"AWS does not answer", []Target{one, two}, func(s *traffic) { s.o.Stale = "throttled" }, "AWS does not answer: throttled"},
	} {
		s := newTraffic()
		p := s.pod("1", "old")
		s.pod("2", "new")
		s.byAddress(row.targets...)
		s.lb.Zonal = true
		row.scene(s)
		if got := s.hear().needed(p); got != row.want {
			t.Errorf("%s: %q", row.situation, got)
		}
	}
}

// A load balancer may send through a node to the pods on it: then these stay in their Services.
func TestWhoSendsThroughANode(t *testing.T) {
	lag := func(left time.Duration) func(*traffic) {
		return func(s *traffic) {
			s.says("old", "")
			s.lb.Lag, s.Record.Nodes["old"].Left = time.Minute, Left{"lb": noon.Add(-left)}
		}
	}
	mute := func(excluded time.Duration) func(*traffic) {
		return func(s *traffic) {
			s.service.Hosts, s.Nodes["old"].Exclude = []string{"mute.elb"}, new("true")
			s.Record.Nodes["old"].Excluded = noon.Add(-excluded)
		}
	}
	for _, row := range []struct {
		situation string
		scene     func(*traffic)
		want      string
	}{
		{"it has the node", func(*traffic) {}, "lb"},
		{"it drains it", func(s *traffic) { s.says("old", Draining) }, "lb"},
		{"it never sends to it", func(s *traffic) { s.says("old", Unused) }, ""},
		{"it lists it no more", func(s *traffic) { s.says("old", "") }, ""},
		{"… and may send on", lag(time.Minute - time.Second), "lb"},
		{"… no longer", lag(time.Minute), ""},
		{"nobody can ask it", func(s *traffic) { s.service.Hosts = []string{"mute.elb"} }, "mute.elb"},
		{"… and the node was just excluded", mute(0), "mute.elb"},
		{"… which nobody has seen yet", func(s *traffic) { mute(0)(s); s.Record.Nodes["old"].Excluded = time.Time{} }, "mute.elb"},
		{"… almost long enough ago", mute(unaskedTime - time.Second), "mute.elb"},
		{"… long enough ago", mute(unaskedTime), ""},
		{"… by somebody, of a node that does not leave", func(s *traffic) { mute(0)(s); delete(s.Record.Nodes, "old") }, ""},
		{"a node that does not leave, and that it lists no more", func(s *traffic) { s.says("old", ""); delete(s.Record.Nodes, "old") }, ""},
		{"the node is gone", func(s *traffic) { s.DropNode("old") }, ""},
	} {
		s := newTraffic()
		row.scene(s)
		if got, sends := s.hear().sender("old", s.service); got != row.want || sends != (row.want != "") {
			t.Errorf("%s: %q, %t", row.situation, got, sends)
		}
	}
}

// Pods that are served by one of their own node leave before it: those that do leave.
func TestWhichPodsAreServedOnTheirNode(t *testing.T) {
	for _, row := range []struct {
		situation string
		scene     func(*traffic, *Pod)
		want      bool
	}{
		{"one of another workload has yet to leave", func(*traffic, *Pod) {}, true},
		{"… of its own", func(s *traffic, p *Pod) { p.Workload = "deployment/apps/web" }, false},
		{"… is on another node", func(s *traffic, p *Pod) { p.Node = "new" }, false},
		{"… is a DaemonSet's", func(s *traffic, p *Pod) { p.Daemon = true }, false},
		{"… ends", func(s *traffic, p *Pod) { p.Deleting = true }, false},
		{"… is not to move", func(s *traffic, p *Pod) { s.Options.Scope.In = func(*Pod, time.Time) bool { return false } }, false},
		{"… serves its node as well", func(s *traffic, p *Pod) {
			s.PutService(&Service{Namespace: "apps", Name: "cache", NodeLocal: true})
			p.Paths[0].Service = "cache"
		}, false},
		{"… is parked", func(s *traffic, p *Pod) { s.Record.Workloads[p.Workload].State = WorkloadParked }, false},
		{"… has moved", func(s *traffic, p *Pod) { s.Record.Workloads[p.Workload].State = WorkloadMoved }, false},
		{"… is unknown to the move", func(s *traffic, p *Pod) { delete(s.Record.Workloads, p.Workload) }, false},
		{"the move puts back", func(s *traffic, p *Pod) { s.Record.Phase = Stop }, false},
	} {
		s := newTraffic()
		server, client := s.pod("1", "old"), *s.pod("2", "old")
		client.Workload = "deployment/apps/shop"
		s.Record.Workloads["deployment/apps/shop"] = &WorkloadRecord{State: WorkloadWaiting}
		row.scene(s, &client)
		s.PutPod(&client)
		if got := s.hear().clients(server); (got == "apps/2") != row.want || !row.want && got != "" {
			t.Errorf("%s: %q", row.situation, got)
		}
	}
}

// A pod that is out of its Services ends when its last clients do not come back through
// a node that leaves, where nobody says goodbye to them.
func TestWhereTheLastClientsWouldComeBack(t *testing.T) {
	drains := func(node string, cutIn time.Duration) func(*traffic) {
		return func(s *traffic) {
			if s.Nodes[node] == nil {
				s.node(node, Draining)
			}
			s.says(node, Draining)
			s.Record.Nodes[node] = &NodeRecord{State: NodeEmptying, Left: Left{"lb": noon.Add(cutIn - s.lb.Draining)}}
		}
	}
	later := func(s *traffic) { // another node that leaves, and is in service
		s.node("old-9", InService)
		s.Record.Nodes["old-9"] = &NodeRecord{State: NodeEmptying}
	}
	edge := func(s *traffic) { // the node is needed in load balancers, and its wave has not come
		s.PutService(&Service{Namespace: "apps", Name: "edge", Local: true})
		s.podOf("deployment/apps/edge", "9", "old").Paths[0].Service = "edge"
		s.Record.Nodes["old"].Wave, s.Record.Nodes["old"].State = 2, NodeClosed
	}
	const old = "load balancer lb and node old"
	for _, row := range []struct {
		situation string
		scene     func(*traffic, *Pod)
		want      string
	}{
		{"a node that leaves is in service", func(*traffic, *Pod) {}, old},
		{"… and pods are not sent to through others", func(s *traffic, _ *Pod) { s.service.Local = true }, ""},
		{"… and the move puts back", func(s *traffic, _ *Pod) { s.Record.Phase = Stop }, ""},
		{"its Service is gone", func(s *traffic, _ *Pod) { s.service = &Service{Namespace: "apps", Name: "other"} }, ""},
		{"pods are the targets", func(s *traffic, _ *Pod) { s.byAddress(Target{Instance: "i-old", State: InService}) }, ""},
		{"the node is not closed yet", func(s *traffic, _ *Pod) { s.Record.Nodes["old"].State = NodeOpen }, ""},
		{"the node is empty", func(s *traffic, _ *Pod) { s.Record.Nodes["old"].State = NodeEmpty }, ""},
		{"the node stays in its load balancers", func(s *traffic, _ *Pod) { s.Record.Nodes["old"].serving = true }, ""},
		{"its instance has ended", func(s *traffic, _ *Pod) { s.o.Ended = map[string]bool{"i-old": true} }, ""},
		{"it is gone", func(s *traffic, _ *Pod) { s.DropNode("old") }, ""},
		{"its wave has not come, and it leaves load balancers before", func(s *traffic, _ *Pod) {
			s.Record.Nodes["old"].Wave, s.Record.Nodes["old"].State = 2, NodeClosed
		}, old},
		{"… or only then", func(s *traffic, _ *Pod) { edge(s) }, ""},
		{"… but was asked to", func(s *traffic, _ *Pod) { edge(s); s.Record.Nodes["old"].asked = true }, old},
		{"… but somebody took it out", func(s *traffic, _ *Pod) { edge(s); s.Nodes["old"].Exclude = new("true") }, old},
		{"… and it has come", func(s *traffic, _ *Pod) { edge(s); s.Record.Nodes["old"].Wave = 0 }, old},
		{"what is kept lives until the instance ends", func(s *traffic, _ *Pod) { s.lb.Keeps = true; drains("old", time.Second)(s) }, ""},
		{"… which another node waits for", func(s *traffic, _ *Pod) { s.lb.Keeps = true; drains("old", time.Second)(s); later(s) }, "load balancer lb and node old-9"},
		{"connections are cut before it could say goodbye", func(s *traffic, _ *Pod) { drains("old", goodbyes)(s); later(s) }, ""},
		{"… after that", func(s *traffic, _ *Pod) { drains("old", goodbyes+time.Second)(s); later(s) }, "load balancer lb and node old-9"},
		{"… which takes as long as its hook sleeps", func(s *traffic, p *Pod) {
			p.PreStopTime = 20 * time.Second
			drains("old", goodbyes+20*time.Second)(s)
			later(s)
		}, ""},
		{"… the first that are counts", func(s *traffic, _ *Pod) { drains("old", time.Minute)(s); drains("old-2", goodbyes)(s); later(s) }, ""},
		{"… whatever node it is", func(s *traffic, _ *Pod) { drains("old", goodbyes)(s); drains("old-2", time.Minute)(s); later(s) }, ""},
		{"it was let go of, and may be sent through yet", func(s *traffic, _ *Pod) {
			s.lb.Lag = 3 * time.Minute
			s.says("old", "")
			s.Record.Nodes["old"].Left = Left{"lb": noon.Add(-time.Minute)}
		}, old + ", through which it may open connections for 2m0s more"},
		{"… the one for which that takes longest", func(s *traffic, _ *Pod) {
			s.lb.Lag = 3 * time.Minute
			s.says("old", "")
			s.PutNode(&Node{Name: "old-2", Instance: "i-old-2"})
			s.Record.Nodes["old"].Left = Left{"lb": noon.Add(-time.Minute)}
			s.Record.Nodes["old-2"] = &NodeRecord{State: NodeEmptying, Left: Left{"lb": noon.Add(-2 * time.Minute)}}
		}, old + ", through which it may open connections for 2m0s more"},
		{"it has waited for that", func(s *traffic, p *Pod) { p.Released = encode(Release{Out: true, OutAt: noon.Add(-comeBack)}) }, ""},
		{"one that ends in its Services waits as long from its node's wave on", func(s *traffic, p *Pod) {
			p.Released = ""
			s.Record.Nodes["old"].Since = noon.Add(time.Second - comeBack)
		}, old},
		{"… and no longer", func(s *traffic, p *Pod) { p.Released, s.Record.Nodes["old"].Since = "", noon.Add(-comeBack) }, ""},
		{"… of a node that nobody knows, not at all", func(s *traffic, p *Pod) { p.Released, p.Node = "", "other" }, ""},
	} {
		t.Run(row.situation, func(t *testing.T) {
			s := newTraffic()
			p := &Pod{Ref: Ref{"apps", "1", "1"}, Node: "old", Released: encode(Release{Out: true, OutAt: noon.Add(-time.Minute)})}
			row.scene(s, p)
			if got := s.hear().wouldComeBack(p, "apps/web"); got != row.want {
				t.Errorf("\nwant %s\ngot  %s", row.want, got)
			}
		})
	}
}

// Where pods end before their successors start, their node leaves its load balancer
// while another one is in service.
func TestWhichPodsGoInTurnWithTheirNode(t *testing.T) {
	set := func(s *traffic, change func(*Workload)) {
		w := *s.Workloads["statefulset/apps/web"]
		change(&w)
		s.PutWorkload(&w)
	}
	for _, row := range []struct {
		situation string
		scene     func(*traffic, *Pod)
		want      bool
	}{
		{"another node is in service", func(*traffic, *Pod) {}, true},
		{"… one that leaves later", func(s *traffic, _ *Pod) { s.Record.Nodes["new"] = &NodeRecord{Wave: 1} }, true},
		{"… one that was asked to leave", func(s *traffic, _ *Pod) { s.Record.Nodes["new"] = &NodeRecord{asked: true} }, false},
		{"… one that somebody takes out", func(s *traffic, _ *Pod) { s.Nodes["new"].Exclude = new("true") }, false},
		{"no other is", func(s *traffic, _ *Pod) { s.says("new", OutOfService) }, false},
		{"… that is known", func(s *traffic, _ *Pod) { s.DropNode("new") }, false},
		{"… in its zone", func(s *traffic, _ *Pod) { s.lb.Zonal = true; s.Nodes["new"].Labels = nil }, false},
		{"… which are not kept apart", func(s *traffic, _ *Pod) { s.Nodes["new"].Labels = nil }, true},
		{"one is in its zone", func(s *traffic, _ *Pod) { s.lb.Zonal = true }, true},
		{"no other is, and the gap is accepted", func(s *traffic, p *Pod) {
			set(s, func(w *Workload) { w.Wants = 1 })
			p.AcceptGap = true
			s.says("new", OutOfService)
		}, true},
		{"its successor comes first", func(_ *traffic, p *Pod) { p.Workload = "deployment/apps/web" }, false},
		{"it is released: its successor came first", func(_ *traffic, p *Pod) { p.Released = encode(Release{Workload: p.Workload}) }, false},
		{"it stays", func(_ *traffic, p *Pod) { p.Daemon = true }, false},
		{"it is of no such Service", func(_ *traffic, p *Pod) { p.Paths[0].Service = "other" }, false},
		{"another one there is of another Service", func(s *traffic, _ *Pod) { s.pod("0", "old").Paths[0].Service = "other" }, true},
		{"another one there, whose successor comes first, waits for it", func(s *traffic, _ *Pod) { s.pod("0", "old") }, false},
	} {
		t.Run(row.situation, func(t *testing.T) {
			s := newTraffic()
			s.service.Local = true
			p := *s.podOf("statefulset/apps/web", "1", "old")
			row.scene(s, &p)
			s.PutPod(&p)
			if m := s.hear(); m.inTurn(s.Nodes["old"], s.service, s.lb) != row.want {
				t.Error(!row.want)
			}
		})
	}
}

// A node that leaves its load balancer takes its pods with it: as many others as are
// owed serve before.
func TestWhatANodeWithLocalTrafficTakesWithIt(t *testing.T) {
	released := func(p *Pod) { p.Released = encode(Release{Group: "old-group", Workload: p.Workload}) }
	const one, begin = "load balancer of Service web: 1 of 2 pods serve beside those on node old", "load balancer of Service web: pod 1 on node old has yet to begin"
	for _, row := range []struct {
		situation string
		scene     func(*traffic, *Pod)
		want      string
	}{
		{"a pod on it has yet to begin", func(*traffic, *Pod) {}, begin},
		{"… which does not serve", func(_ *traffic, p *Pod) { p.Paths[0].Ready = false }, one},
		{"its replacement serves", func(s *traffic, p *Pod) { released(p); s.pod("3", "new") }, ""},
		{"… not yet", func(_ *traffic, p *Pod) { released(p) }, one},
		{"… but proxies have yet to send to it", func(s *traffic, p *Pod) { released(p); s.pod("3", "new").ReadySince = noon.Add(-time.Second) }, one},
		{"… on the very node", func(s *traffic, p *Pod) { released(p); released(s.pod("3", "old")) }, one},
		{"one that ends on the node serves nobody", func(s *traffic, p *Pod) { released(p); s.pod("3", "new"); s.pod("4", "old").Deleting = true }, ""},
		{"… nor one that was asked to leave its Services", func(s *traffic, p *Pod) {
			released(p)
			s.pod("3", "new")
			released(s.pod("4", "old"))
			s.Record.Workloads[p.Workload].asked = map[string]time.Time{"4": noon}
		}, ""},
		{"its workload has moved", func(s *traffic, p *Pod) { s.Record.Workloads[p.Workload].State = WorkloadMoved }, ""},
		{"its workload is none of the move's", func(s *traffic, p *Pod) { delete(s.Record.Workloads, p.Workload) }, ""},
		{"it belongs to its node", func(_ *traffic, p *Pod) { p.Daemon = true }, ""},
		{"it ends", func(_ *traffic, p *Pod) { p.Deleting = true }, ""},
		{"its Service sends through any node", func(s *traffic, _ *Pod) { s.service.Local = false }, ""},
		{"… another one of it does not", func(s *traffic, p *Pod) {
			s.service.Local = false
			s.PutService(&Service{Namespace: "apps", Name: "local", Local: true})
			p.Paths = append(p.Paths, Path{Service: "local", Selected: true, Listed: true, Ready: true})
		}, "load balancer of Service local: pod 1 on node old has yet to begin"},
		{"… which does not select it any more", func(s *traffic, p *Pod) {
			s.service.Local = false
			s.PutService(&Service{Namespace: "apps", Name: "local", Local: true})
			p.Paths = append(p.Paths, Path{Service: "local", Listed: true, Ready: true}, Path{Service: "gone", Selected: true, Ready: true})
		}, ""},
		{"its successor comes when it has gone: one at a time", func(s *traffic, p *Pod) {
			s.Record.Workloads["statefulset/apps/web"] = s.Record.Workloads[p.Workload]
			p.Workload = "statefulset/apps/web"
			s.podOf(p.Workload, "5", "new")
		}, ""},
		{"… not with two of them on the node", func(s *traffic, p *Pod) {
			s.Record.Workloads["statefulset/apps/web"] = s.Record.Workloads[p.Workload]
			p.Workload = "statefulset/apps/web"
			s.podOf(p.Workload, "4", "old")
			s.podOf(p.Workload, "5", "new")
		}, one},
		{"… once another one there, whose replacement comes first, is through", func(s *traffic, p *Pod) {
			w := *s.Workloads[p.Workload]
			w.Surge = 0
			s.PutWorkload(&w)
			released(s.pod("3", "old"))
		}, one},
		{"… but was let go of before that was so: its replacement comes first", func(s *traffic, p *Pod) {
			w := *s.Workloads[p.Workload]
			w.Surge = 0
			s.PutWorkload(&w)
			released(p)
		}, one},
	} {
		t.Run(row.situation, func(t *testing.T) {
			s := newTraffic()
			s.service.Local, s.service.Hosts = true, nil
			s.Record.Workloads["deployment/apps/web"] = &WorkloadRecord{State: WorkloadSurging, Floors: map[string]int{"web": 2}}
			p := *s.pod("1", "old")
			s.pod("2", "new")
			row.scene(s, &p)
			s.PutPod(&p)
			if got := s.hear().localShort(s.Nodes["old"]); got != row.want {
				t.Errorf("\nwant %s\ngot  %s", row.want, got)
			}
		})
	}
}

// Who let go of a target is remembered, and since when, though it lists it no more.
func TestSinceWhenLoadBalancersHaveLetGo(t *testing.T) {
	ago := noon.Add(-time.Minute)
	for _, row := range []struct {
		situation string
		before    Left
		says      map[string]Target
		want      Left
	}{
		{"it has it", nil, map[string]Target{"lb": {State: InService}}, Left{"lb": {}}},
		{"… again", Left{"lb": ago}, map[string]Target{"lb": {State: OutOfService}}, Left{"lb": {}}},
		{"it drains it", Left{"lb": {}}, map[string]Target{"lb": {State: Draining}}, Left{"lb": noon}},
		{"… still", Left{"lb": ago}, map[string]Target{"lb": {State: Draining}}, Left{"lb": ago}},
		{"… as somebody finds it", nil, map[string]Target{"lb": {State: Unused}}, Left{"lb": noon}},
		{"it lists it no more", Left{"lb": {}}, nil, Left{"lb": noon}},
		{"… still", Left{"lb": ago}, nil, Left{"lb": ago}},
		{"it never had it", nil, nil, Left{}},
	} {
		if got := row.before.follow(row.says, noon); !maps.Equal(got, row.want) || got == nil {
			t.Errorf("%s: %v, want %v", row.situation, got, row.want)
		}
	}
	kept := Left{"a": ago}
	if got := kept.suspect([]string{"a", "b"}, noon); !maps.Equal(got, Left{"a": ago, "b": noon}) || len(kept) > 1 {
		t.Errorf("suspected: %v, of %v", got, kept)
	}
	if got := Left(nil).suspect([]string{"b"}, noon); !maps.Equal(got, Left{"b": noon}) {
		t.Errorf("suspected where nothing is known: %v", got)
	}
	for since, want := range map[time.Time]time.Duration{{}: 0, ago: time.Minute, noon.Add(-time.Hour): 0} {
		if got := (Left{"lb": since}).rest("lb", 2*time.Minute, noon); got != want {
			t.Errorf("it let go %s: it may send for %s more, want %s", since, got, want)
		}
	}
	if got := (Left{}).rest("lb", time.Hour, noon); got != 0 {
		t.Errorf("one that never had it may send for %s", got)
	}
	s := newTraffic()
	s.lb.Lag = time.Minute
	s.more = []Balancer{{Name: "pods", ByAddress: true, Lag: time.Minute}, {Name: "at-once"}}
	if got := s.hear().lagging(); !slices.Equal(got, []string{"lb"}) {
		t.Errorf("through nodes %q may send on", got)
	}
}
