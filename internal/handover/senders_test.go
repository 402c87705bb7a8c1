package handover

import (
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

// A group that registers its instances itself keeps them registered until they
// end, which no move can wait for.
func TestGroupsThatRegisterThemselvesAreRefused(t *testing.T) {
	group := Balancer{Name: "net/web", Group: "arn:web"}
	classic := Balancer{Name: "old-elb", Host: "old-elb.example.com"}
	for name, c := range map[string]struct {
		b        Balancer
		attached []string
		refused  bool
	}{
		"a target group":   {group, []string{"arn:web"}, true},
		"a Classic one":    {classic, []string{"old-elb"}, true},
		"another's":        {group, []string{"arn:other"}, false},
		"a controller's":   {group, nil, false},
		"called like that": {group, []string{"net/web"}, false},
	} {
		found := attached(behindNodes(c.b, service(false, "", ""), Group{Name: "web-asg", Attached: c.attached}))
		if told := len(found) == 1 && found[0].Severity == blocker && strings.Contains(found[0].Effect, "web-asg"); told != c.refused {
			t.Errorf("%s: %+v", name, found)
		}
	}
	idle := behindNodes(group, service(false, "", ""), Group{Name: "web-asg", Attached: []string{"arn:web"}})
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
}

func TestConnectionsThatOutliveTheDrainingAreTold(t *testing.T) {
	b := Balancer{Name: "net/web", Group: "arn:web", Draining: 5 * time.Minute}
	if found := outlived(behindNodes(b, service(false, "", b.Group), Group{})); len(found) != 1 || !strings.Contains(found[0].Effect, "5m0s") {
		t.Errorf("%+v", found)
	}
	b.Draining = 0
	if found := outlived(behindNodes(b, service(false, "", b.Group), Group{})); len(found) > 0 {
		t.Errorf("without draining that is told alone: %+v", found)
	}
}
