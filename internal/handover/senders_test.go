package handover

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// behindNodes is an inspection of one old node that a load balancer sends through,
// of an Auto Scaling group.
func behindNodes(b Balancer, s *Service, g Group) *inspection {
	v := NewView()
	v.PutNode(&Node{Name: "old", Instance: "i-old", Ready: true})
	v.PutService(s)
	b.Targets = []Target{{Instance: "i-old", State: InService}}
	return inspect(Question{Observed: Observed{View: v, From: g, Balancers: []Balancer{b}}, Leaving: []string{"old"}})
}

func service(local bool, host, group string) *Service {
	return &Service{Namespace: "apps", Name: "web", Local: local, Hosts: []string{host}, TargetGroups: []string{group}}
}

// A load balancer that would be left without targets, because no group that stays
// registers any with it, is refused; before that group is made it is only told.
func TestLoadBalancersThatOnlyTheOldGroupRegistersWithAreRefused(t *testing.T) {
	group := Balancer{Name: "net/web", Group: "arn:web"}
	classic := Balancer{Name: "old-elb", Host: "old-elb.example.com"}
	to := func(ids ...string) []Group { return []Group{{Name: "new-asg", Attached: ids}} }
	for name, c := range map[string]struct {
		b        Balancer
		attached []string
		to       []Group
		says     string
	}{
		"a target group":          {group, []string{"arn:web"}, to(), "Identifier=arn:web,Type=elbv2"},
		"a Classic one":           {classic, []string{"old-elb"}, nil, "Identifier=old-elb,Type=elb"},
		"the new one has another": {group, []string{"arn:web"}, to("arn:other"), "Identifier=arn:web,Type=elbv2"},
		"the new one, too":        {group, []string{"arn:web"}, to("arn:web"), ""},
		"another's":               {group, []string{"arn:other"}, to(), ""},
		"a controller's":          {group, nil, to(), ""},
		"called like that":        {group, []string{"net/web"}, to(), ""},
	} {
		i := behindNodes(c.b, service(false, "", ""), Group{Name: "web-asg", Attached: c.attached})
		i.To = c.to
		for _, i.Coming = range []bool{false, true} {
			found := attached(i)
			if told := len(found) == 1 && (found[0].Severity == blocker) != i.Coming && strings.Contains(found[0].Effect, "web-asg") && strings.HasSuffix(found[0].Fix, c.says); told != (c.says != "") {
				t.Errorf("%s, yet to come %t: %+v", name, i.Coming, found)
			}
		}
	}
}

func TestLoadBalancersThatKeepATargetAreNotRefused(t *testing.T) {
	for state, refused := range map[TargetState]bool{InService: false, OutOfService: false, Draining: true, Unused: true} {
		i := behindNodes(Balancer{Name: "net/web", Group: "arn:web"}, service(false, "", ""), Group{Name: "web-asg", Attached: []string{"arn:web"}})
		i.Balancers[0].Targets = append(i.Balancers[0].Targets, Target{Instance: "i-by-hand", State: state})
		if found := attached(i); (len(found) > 0) != refused {
			t.Errorf("%s: %+v", state, found)
		}
	}
	idle := behindNodes(Balancer{Name: "net/web", Group: "arn:web"}, service(false, "", ""), Group{Name: "web-asg", Attached: []string{"arn:web"}})
	idle.Balancers[0].Targets[0].State = Unused
	if found := attached(idle); len(found) > 0 {
		t.Errorf("nothing is sent through it: %+v", found)
	}
}

// What sends requests on connections that it keeps may hit one that its pod closes,
// unless the pods are its targets, or nodes leave it before their pods do.
func TestConnectionsThatALoadBalancerKeepsAreTold(t *testing.T) {
	app := Balancer{Name: "app/web", Host: "app.example.com", Group: "arn:web", Reuses: true}
	pods, flows := app, app
	pods.ByAddress, flows.Reuses = true, false
	for name, c := range map[string]struct {
		b    Balancer
		s    *Service
		told bool
	}{
		"nodes":         {app, service(false, app.Host, app.Group), true},
		"nobody's":      {app, service(true, "other.example.com", "arn:other"), true},
		"local traffic": {app, service(true, app.Host, app.Group), false},
		"pods":          {pods, service(false, app.Host, app.Group), false},
		"flows":         {flows, service(false, app.Host, app.Group), false},
	} {
		if found := keptByBalancer(behindNodes(c.b, c.s, Group{})); (len(found) == 1) != c.told {
			t.Errorf("%s: %+v", name, found)
		}
	}
	i := behindNodes(app, service(true, app.Host, app.Group), Group{})
	both := service(false, app.Host, app.Group)
	both.Name = "both"
	if i.v.PutService(both); len(keptByBalancer(i)) != 1 {
		t.Error("of two Services one has local traffic, and that is taken for both")
	}
}

func TestConnectionsThatOutliveTheDrainingAreTold(t *testing.T) {
	b := Balancer{Name: "net/web", Group: "arn:web", Draining: 5 * time.Minute}
	if found := outlived(behindNodes(b, service(false, "", b.Group), Group{})); len(found) != 1 || !strings.Contains(found[0].Effect, "5m0s") {
		t.Errorf("%+v", found)
	}
	b.Keeps = true
	if found := outlived(behindNodes(b, service(false, "", b.Group), Group{})); len(found) != 1 || !strings.Contains(found[0].Effect, "when it ends, 5m0s after") {
		t.Errorf("kept until the instance ends: %+v", found)
	}
	b.Draining, b.Keeps = 0, false
	if found := outlived(behindNodes(b, service(false, "", b.Group), Group{})); len(found) > 0 {
		t.Errorf("without draining that is told alone: %+v", found)
	}
}

// Nobody takes a node out of a load balancer for a pod that listens on a port of the
// node itself: that is refused, unless it is accepted.
func TestLoadBalancersThatSendToHostPortsAreRefused(t *testing.T) {
	old := Target{Instance: "i-old", State: InService}
	for name, c := range map[string]struct {
		port    int
		accept  bool
		targets []Target
		found   int
	}{
		"its port": {80, false, []Target{old}, 1}, "another port": {443, false, []Target{old}, 0}, "it may": {80, true, []Target{old}, 0},
		"nothing is ever sent there": {80, false, []Target{{Instance: "i-old", State: Unused}}, 0},
		"through nodes of others":    {80, false, []Target{{Instance: "i-other", State: InService}, {Instance: "i-unknown", State: InService}}, 0},
	} {
		i := behindNodes(Balancer{Name: "net/web", Group: "arn:web", Port: c.port}, service(false, "", ""), Group{})
		p := &Pod{Ref: Ref{Namespace: "apps", Name: "web-1", UID: "1"}, Node: "old", Workload: "deployment/apps/web", HostPorts: []int{80}, AcceptGap: c.accept}
		i.Balancers[0].Targets = c.targets
		i.v.PutNode(&Node{Name: "other", Instance: "i-other"})
		i.v.PutPod(p)
		i.pods = []*Pod{p}
		found := hostPorts(i)
		if len(found) != c.found || c.found > 0 && (found[0].Severity != blocker || !strings.Contains(found[0].Effect, "net/web sends to port 80")) {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// A target group that nobody can ask, as one of another account, may send to nodes: these
// are given the time of a load balancer that nobody can ask, whatever type the Service has.
func TestNodesWaitForTargetGroupsThatNobodyCanAsk(t *testing.T) {
	m := NewMove(&Record{Phase: Shift, Nodes: map[string]*NodeRecord{"old": {}}}, Options{})
	m.view = NewView()
	m.view.PutNode(&Node{Name: "old", Instance: "i-1"})
	m.view.PutService(&Service{Namespace: "apps", Name: "web", TargetGroups: []string{"arn:elsewhere", "arn:own"}, NodePorts: []int{30080}})
	m.o.Balancers = []Balancer{{Name: "own", Group: "arn:own"}}
	m.sortTargets()
	m.unasked = m.allUnasked()
	if got := m.unaskedOf(m.view.Nodes["old"]); !slices.Equal(got, []string{"arn:elsewhere"}) {
		t.Errorf("%v", got)
	}
	m.lack = map[string]string{}
	if why := m.unaskedShort(m.view.Nodes["old"]); !strings.Contains(why, "arn:elsewhere cannot be asked: 0 of 1 nodes outside") {
		t.Error(why)
	}
}

// Who waits for new nodes at a load balancer reads why the first of them is not in service.
func TestWhatALoadBalancerLacksIsSaidInItsWords(t *testing.T) {
	m := NewMove(&Record{Group: "old"}, Options{})
	m.view = NewView()
	b := Balancer{Name: "web", Host: "web.elb", Targets: []Target{{Instance: "i-1", State: InService}, {Instance: "i-2", State: OutOfService, Why: "Health checks failed"}}}
	for name, id := range map[string]string{"new-1": "i-1", "new-2": "i-2"} {
		m.view.PutNode(&Node{Name: name, Instance: id, Ready: true, Initialized: true})
	}
	m.view.PutService(&Service{Namespace: "apps", Name: "web", Balanced: true, Hosts: []string{"web.elb"}})
	m.o = Observed{View: m.view, Balancers: []Balancer{b}, To: []Group{{Instances: []Instance{{ID: "i-1"}, {ID: "i-2"}}}}}
	m.sortTargets()
	if got, want := m.notInService(b), "load balancer web: 1 of 2 new nodes InService (node new-2: Health checks failed)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A pod that is out of its Services waits for load balancers to let go of nodes that
// leave, and once more for what lags behind that: in all for less than its workload has
// patience, however many nodes leave one after the other. Another pod does not wait
// for the same nodes again. One that ends in its Services has not waited in vain.
func TestPodsWaitForNodesThatLeaveForAWhile(t *testing.T) {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	b := Balancer{Name: "net/web", Host: "net.elb", Lag: 3 * time.Minute, Keeps: true, Targets: []Target{{Instance: "i-1", State: InService}, {Instance: "i-2", State: Draining}}}
	m := NewMove(&Record{Phase: Shift, Wave: 1, Nodes: map[string]*NodeRecord{
		"old-1": {Wave: 1, State: NodeEmptying}, "old-2": {Wave: 1, State: NodeEmptying, Left: Left{b.Name: noon.Add(-time.Second)}},
	}}, Options{})
	m.view = NewView()
	m.view.Now = noon
	m.view.PutNode(&Node{Name: "old-1", Instance: "i-1"})
	m.view.PutNode(&Node{Name: "old-2", Instance: "i-2"})
	m.view.PutService(&Service{Namespace: "apps", Name: "web", Hosts: []string{b.Host}})
	m.o.Balancers = []Balancer{b}
	m.sortTargets()
	waits := func(p *Pod) string {
		m.going = map[string]goingNodes{}
		return m.wouldComeBack(p, "apps/web")
	}
	if got := waits(&Pod{}); got != "" { // its wave came long ago
		t.Errorf("one that ends in its Services waits for %q", got)
	}
	for _, c := range []struct {
		out  time.Duration
		says string
	}{
		{comeBack - time.Second, "node old-1"},
		{comeBack - time.Second, "node old-1"},
		{comeBack, "node old-2, through which it may open connections for 2m59s more"},
		{comeBack - time.Second, "node old-2, through which"}, // another pod
		{comeBack + b.Lag, ""},
	} {
		if got := waits(&Pod{Released: encode(Release{Out: true, OutAt: noon.Add(-c.out)})}); !strings.Contains(got, c.says) || c.says == "" && got != "" {
			t.Errorf("out for %s it waits for %q, and not for %q", c.out, got, c.says)
		}
	}
	if comeBack+b.Lag >= patience {
		t.Error("it is parked before it has waited")
	}
}
