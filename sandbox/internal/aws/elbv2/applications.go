package elbv2

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/balancer/application"
)

// How far an Application Load Balancer's data plane is behind its API, before the
// factor of latencies: about a tenth of what AWS takes. There requests go on to
// come for some ten seconds after a deregistration
// (https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/1064: 5 s
// were not enough, 25 s were).
const (
	applicationLeaveLag = time.Second
	applicationJoinLag  = time.Second
)

type runningApplication struct {
	*application.Balancer
	name string
	spec application.Spec
	fail string // what Apply said last
}

// applicationSpecs are the Application Load Balancers that shall be, by ARN.
func (d *DataPlane) applicationSpecs() map[string]*runningApplication {
	want := map[string]*runningApplication{}
	d.store.View(func(st *region.State) {
		for arn, lb := range st.V2Balancers {
			if lb.Type == region.Application {
				want[arn] = &runningApplication{name: lb.Name, spec: d.applicationSpec(st, lb)}
			}
		}
	})
	return want
}

func (d *DataPlane) applicationSpec(st *region.State, lb *region.V2Balancer) application.Spec {
	spec := application.Spec{Addresses: map[netip.Addr]string{}, Listeners: map[int]application.Listener{}, Groups: map[string]application.Group{},
		Lag: d.scaled(applicationLeaveLag), Join: d.scaled(applicationJoinLag), Idle: region.Seconds(lb.Attributes, "idle_timeout.timeout_seconds"),
		HTTP1Only: lb.Attributes["routing.http2.enabled"] != "true"}
	for _, z := range lb.Zones {
		if ip, err := netip.ParseAddr(z.IP); err == nil {
			spec.Addresses[ip] = z.Zone
		}
	}
	for _, l := range st.TargetListeners {
		if l.Balancer != lb.ARN {
			continue
		}
		listener := application.Listener{TLS: l.Secure(), Identities: d.shelf.Identities(st, l.Certificates...)}
		forwards := region.Forwards(l.Actions)
		for _, r := range st.ListenerRulesOf(l.ARN) {
			listener.Rules = append(listener.Rules, application.Rule{Conditions: conditions(r.Conditions), Action: action(r.Actions[0])})
			forwards = append(forwards, region.Forwards(r.Actions)...)
		}
		listener.Rules = append(listener.Rules, application.Rule{Action: action(l.Actions[0])})
		spec.Listeners[l.Port] = listener
		for _, arn := range forwards {
			if g := st.TargetGroups[arn]; g != nil {
				spec.Groups[arn] = d.applicationGroup(st, lb, g)
			}
		}
	}
	return spec
}

func (d *DataPlane) applicationGroup(st *region.State, lb *region.V2Balancer, g *region.TargetGroup) application.Group {
	group := application.Group{Protocol: g.Protocol, Targets: map[string]application.Target{}, Check: check(g), CrossZone: g.CrossZone(lb),
		SlowStart: region.Seconds(g.Attributes, "slow_start.duration_seconds"),
		LeastBusy: g.Attributes["load_balancing.algorithm.type"] == "least_outstanding_requests"}
	if g.Attributes["stickiness.enabled"] == "true" {
		group.Stickiness = region.Seconds(g.Attributes, "stickiness.lb_cookie.duration_seconds")
	}
	for _, t := range g.Targets {
		to, zone, ok := st.TargetAddress(g, t.ID)
		if ok {
			group.Targets[key(t)] = application.Target{At: netip.AddrPortFrom(to, uint16(t.Port)), Zone: zone, Check: g.CheckPort(t),
				Leaving: t.Leaving, Deadline: t.Deadline}
		}
	}
	return group
}

func conditions(of []region.RuleCondition) (list []application.Condition) {
	for _, c := range of {
		condition := application.Condition{Field: c.Field, Header: c.Header, Values: c.Values}
		for _, p := range c.Query {
			condition.Query = append(condition.Query, application.Pair(p))
		}
		list = append(list, condition)
	}
	return list
}

// action puts what the API stored, and checked, into the data plane's words.
func action(a region.ListenerAction) application.Action {
	switch {
	case a.Fixed != nil:
		status, _ := strconv.Atoi(a.Fixed.Code)
		return application.Action{Fixed: &application.Fixed{Status: status, ContentType: a.Fixed.ContentType, Body: a.Fixed.Body}}
	case a.Redirect != nil:
		r := a.Redirect
		status, _ := strconv.Atoi(strings.TrimPrefix(r.Code, "HTTP_"))
		return application.Action{Redirect: &application.Redirect{Protocol: r.Protocol, Port: r.Port, Host: r.Host, Path: r.Path, Query: r.Query, Status: status}}
	}
	out := application.Action{Sticky: a.Sticky}
	for _, g := range a.Forward {
		out.Forward = append(out.Forward, application.Weighted{Group: g.ARN, Weight: g.Weight})
	}
	return out
}

func (d *DataPlane) applyApplications(want map[string]*runningApplication) {
	for _, a := range d.dropApplications(want) {
		a.Close() // without the lock that readers of the store wait for in Health
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for arn, w := range want {
		a, ok := d.applications[arn]
		if !ok {
			a = w
			a.Balancer = application.New(a.name, d.network, d.log)
			d.applications[arn] = a
		}
		a.spec = w.spec
		fail := ""
		if err := a.Apply(a.spec); err != nil {
			fail = err.Error()
		}
		if fail != a.fail && fail != "" {
			d.log.Error("run load balancer", "balancer", a.name, "err", fail)
		}
		a.fail = fail
	}
}

// dropApplications takes out those that shall not be.
func (d *DataPlane) dropApplications(want map[string]*runningApplication) (old []*runningApplication) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for arn, a := range d.applications {
		if want[arn] == nil {
			delete(d.applications, arn)
			old = append(old, a)
		}
	}
	return old
}

// servesApplication: some target group of the load balancer has a healthy target
// for the zone.
func (d *DataPlane) servesApplication(arn, zone string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.applications[arn]
	if a == nil {
		return false
	}
	for group, g := range a.spec.Groups {
		for id, t := range g.Targets {
			if h, _ := a.Health(group, id); h.InService && !h.Leaving && (g.CrossZone || t.Zone == zone) {
				return true
			}
		}
	}
	return false
}
