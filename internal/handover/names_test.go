package handover

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

// names of load balancers that a directory finds for a Service.
func found(d directory, s *Service) (names []string) {
	for _, b := range d.of(s) {
		names = append(names, b.Name)
	}
	return names
}

// A Service's load balancers are found by each of its names, once each; what has
// none of them is told as nobody's that can be asked.
func TestServicesAndLoadBalancersFindEachOther(t *testing.T) {
	d := newDirectory([]Balancer{{Name: "a", Host: "A.elb"}, {Name: "b", Host: "b.elb", Group: "arn:b"}, {Name: "c"}, {Name: "d", Group: "arn:d", Port: 30080},
		{Name: "r/1", Group: "arn:r"}, {Name: "r/2", Group: "arn:r"}})
	for name, c := range map[string]struct {
		s                 Service
		of, hosts, toPods []string
	}{
		"no name":              {s: Service{}},
		"a host":               {s: Service{Hosts: []string{"a.ELB"}}, of: []string{"a"}},
		"a group":              {s: Service{TargetGroups: []string{"arn:b"}}, of: []string{"b"}},
		"both":                 {s: Service{Hosts: []string{"b.elb"}, TargetGroups: []string{"arn:b"}}, of: []string{"b"}},
		"two of one group":     {s: Service{TargetGroups: []string{"arn:r"}}, of: []string{"r/1", "r/2"}},
		"two":                  {s: Service{Hosts: []string{"b.elb", "a.elb"}}, of: []string{"a", "b"}},
		"a node port":          {s: Service{NodePorts: []int{30443, 30080}}, of: []string{"d"}},
		"no node port":         {s: Service{NodePorts: []int{30443}}},
		"a host of others":     {s: Service{Hosts: []string{"X.elb", "a.elb"}}, of: []string{"a"}, hosts: []string{"X.elb"}},
		"an unasked group":     {s: Service{TargetGroups: []string{"arn:x", "arn:b"}}, of: []string{"b"}, toPods: []string{"arn:x"}},
		"an unasked host":      {s: Service{Hosts: []string{"X.elb", "a.elb"}, ToPods: true}, of: []string{"a"}, hosts: []string{"X.elb"}, toPods: []string{"X.elb"}},
		"whose group is named": {s: Service{Hosts: []string{"X.elb"}, TargetGroups: []string{"arn:b"}, ToPods: true}, of: []string{"b"}, hosts: []string{"X.elb"}},
	} {
		if got := found(d, &c.s); !slices.Equal(got, c.of) {
			t.Errorf("%s: %v, want %v", name, got, c.of)
		}
		if got := d.unasked(&c.s); !slices.Equal(got, c.hosts) {
			t.Errorf("%s: nobody can ask %v, want %v", name, got, c.hosts)
		}
		if got, want := d.unaskedThroughNodes(&c.s), d.unanswered(c.s.TargetGroups); !slices.Equal(got, want) {
			t.Errorf("%s: through nodes are %v, want %v, of a Service that is no load balancer's", name, got, want)
		}
		if got := d.unaskedToPods(&c.s); !slices.Equal(got, c.toPods) {
			t.Errorf("%s: to pods are %v, want %v", name, got, c.toPods)
		}
	}
}

// A load balancer that belongs to no Service by its name is found by its node port; and
// what an inquiry is about is asked, or there is nothing to ask.
func TestNodePortsAndInquiries(t *testing.T) {
	d := newDirectory([]Balancer{{Name: "b", Port: 30080}, {Name: "a", Port: 30080}, {Name: "c", Port: 30081}, {Name: "d", Host: "d.elb"}})
	if got := found(d, &Service{NodePorts: []int{30080, 30090}}); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("by its port: %v", got)
	}
	for name, c := range map[string]struct {
		q    Inquiry
		idle bool
	}{
		"nothing": {Inquiry{}, true}, "instances": {Inquiry{Instances: []string{"i"}}, false}, "known": {Inquiry{Known: []string{"b"}}, false},
		"addresses alone": {Inquiry{Addresses: []string{"10.0.0.1"}}, true}, "groups alone": {Inquiry{Groups: []string{"arn"}}, true},
		"addresses and groups": {Inquiry{Addresses: []string{"10.0.0.1"}, Groups: []string{"arn"}}, false},
	} {
		if c.q.idle() != c.idle {
			t.Errorf("%s: idle %t", name, !c.idle)
		}
	}
}

// A Service's host is its own, however many target groups elsewhere its pods are
// registered with. Only where one of these is behind that host, the host's other
// groups are those of other Services.
func TestATargetGroupElsewhereHidesNoHost(t *testing.T) {
	own := Balancer{Name: "net/own", Host: "net.elb", Group: "arn:own"}
	d := newDirectory([]Balancer{own, {Name: "app/web", Host: "app.elb", Group: "arn:web"}, {Name: "app/api", Host: "app.elb", Group: "arn:api"},
		{Name: "alone", Group: "arn:alone"}, {Name: "old", Host: "old.elb"}})
	for name, c := range map[string]struct {
		s    Service
		want []string
	}{
		"its host alone":                   {Service{Hosts: []string{"NET.elb"}}, []string{"net/own"}},
		"and a group elsewhere":            {Service{Hosts: []string{"net.elb"}, TargetGroups: []string{"arn:web"}}, []string{"app/web", "net/own"}},
		"and one that no host has":         {Service{Hosts: []string{"net.elb"}, TargetGroups: []string{"arn:alone"}}, []string{"alone", "net/own"}},
		"and one that nobody can ask":      {Service{Hosts: []string{"net.elb"}, TargetGroups: []string{"arn:mute"}}, []string{"net/own"}},
		"a host that others share":         {Service{Hosts: []string{"app.elb"}, TargetGroups: []string{"arn:web"}}, []string{"app/web"}},
		"and a Classic one":                {Service{Hosts: []string{"old.elb", "app.elb"}, TargetGroups: []string{"arn:web"}}, []string{"app/web", "old"}},
		"a shared host and one of its own": {Service{Hosts: []string{"app.elb", "net.elb"}, TargetGroups: []string{"arn:api"}}, []string{"app/api", "net/own"}},
	} {
		var got []string
		for _, b := range d.of(&c.s) {
			if d.belongsTo(b, &c.s) {
				got = append(got, b.Name)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// How long a move takes is foretold with the time that a load balancer goes on to
// send, and knows it however its host is written.
func TestTheLastNodeIsForetoldAsItIsWaitedFor(t *testing.T) {
	service := &Service{Namespace: "apps", Name: "web", Balanced: true, Hosts: []string{"WEB.elb"}}
	for name, c := range map[string]struct {
		b    Balancer
		want time.Duration
	}{
		"it drains":          {Balancer{Name: "web", Host: "web.elb", Draining: time.Minute, Lag: time.Second}, leaveGuess + time.Minute},
		"it sends on":        {Balancer{Name: "web", Host: "web.elb", Draining: time.Second, Lag: 3 * time.Minute}, leaveGuess + 3*time.Minute},
		"it cannot be asked": {Balancer{Name: "other", Host: "other.elb"}, unaskedTime},
	} {
		i := behindNodes(c.b, service, Group{})
		i.v.PutNode(&Node{Name: "stays", Instance: "i-stays", Ready: true, ReadySince: i.v.Now.Add(-time.Hour)})
		if got := i.balancersTake(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if got := behindNodes(Balancer{Name: "other", Host: "other.elb"}, service, Group{}).balancersTake(); got != 2*unaskedTime {
		t.Errorf("it cannot be asked, and all nodes that stay are yet to come: %s", got)
	}
}

// Families are asked by the hosts of Services with load balancers of their own, and by
// what names target groups, whatever made them.
func TestWhatAServiceIsAskedAboutBy(t *testing.T) {
	for name, c := range map[string]struct {
		service Service
		want    Inquiry
	}{
		"a load balancer of its own": {Service{Balanced: true, Hosts: []string{"a", "b"}}, Inquiry{Hosts: []string{"a", "b"}}},
		"another's, as an ingress's": {Service{Hosts: []string{"a"}}, Inquiry{}},
		"a target group":             {Service{TargetGroups: []string{"arn"}}, Inquiry{Groups: []string{"arn"}}},
		"both":                       {Service{Balanced: true, Hosts: []string{"a"}, TargetGroups: []string{"arn"}}, Inquiry{Hosts: []string{"a"}, Groups: []string{"arn"}}},
	} {
		var q Inquiry
		if q.about(&c.service); !reflect.DeepEqual(q, c.want) {
			t.Errorf("%s: %+v", name, q)
		}
	}
}
