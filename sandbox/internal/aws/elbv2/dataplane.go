package elbv2

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/acm"
	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/balancer"
)

// How far a Network Load Balancer's data plane is behind its API, before the
// factor of latencies: about a tenth of what AWS takes. There, connections go on
// to come for two minutes after a deregistration
// (https://github.com/aws/containers-roadmap/issues/470), and a registration
// takes one to three minutes until targets are healthy
// (https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/1834).
const (
	leaveLag = 12 * time.Second
	joinLag  = 9 * time.Second
)

// idle is how long a Network Load Balancer keeps a connection without data.
const idle = 350 * time.Second

// Health is how a target is.
type Health struct {
	InService bool // in every zone that sends to it
	Checked   bool // it has been in service somewhere, or has failed its checks
}

// DataPlane runs all load balancers: of a Network Load Balancer a balancer for every
// zone and listener, an Application Load Balancer as one.
type DataPlane struct {
	store   *region.Store
	network balancer.Network
	latency float64
	log     *slog.Logger
	shelf   *acm.Shelf

	mu           sync.Mutex
	running      map[string]*running            // by load balancer, zone and port
	applications map[string]*runningApplication // by ARN
}

type running struct {
	*balancer.Balancer
	spec  balancer.Spec
	group string
	fail  string // what Apply said last
}

// NewDataPlane makes a DataPlane. Latency is a factor of the lags.
func NewDataPlane(store *region.Store, network balancer.Network, shelf *acm.Shelf, latency float64, log *slog.Logger) *DataPlane {
	return &DataPlane{store: store, network: &shared{Network: network, users: map[netip.Addr]int{}},
		latency: latency, log: log, shelf: shelf, running: map[string]*running{}, applications: map[string]*runningApplication{}}
}

// shared lets several balancers live on one address: listeners of one zone.
type shared struct {
	balancer.Network
	mu    sync.Mutex
	users map[netip.Addr]int
}

func (s *shared) Claim(ip netip.Addr) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.Network.Claim(ip)
	if err == nil {
		s.users[ip]++
	}
	return err
}

func (s *shared) Release(ip netip.Addr) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users[ip]--; s.users[ip] > 0 {
		return nil
	}
	delete(s.users, ip)
	return s.Network.Release(ip)
}

func (d *DataPlane) scaled(t time.Duration) time.Duration {
	return time.Duration(float64(t) * d.latency)
}

// Run follows every change, and time, until ctx ends; then all load balancers stop.
func (d *DataPlane) Run(ctx context.Context) {
	changed := d.store.Watch()
	tick := time.NewTicker(time.Second) // for what time alone changes, and what could not be applied
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			d.apply(map[string]*running{})
			d.applyApplications(map[string]*runningApplication{})
			return
		case <-changed:
		case <-tick.C:
			d.forgetLeft()
		}
		d.apply(d.specs())
		d.applyApplications(d.applicationSpecs())
	}
}

// forgetLeft takes targets out of the model that neither API nor data plane knows any more.
func (d *DataPlane) forgetLeft() {
	over := func(g *region.TargetGroup) func(t region.GroupTarget) bool {
		lag := leaveLag
		if !g.Flows() {
			lag = applicationLeaveLag
		}
		return func(t region.GroupTarget) bool {
			return t.Left(time.Now()) && time.Now().After(t.Leaving.Add(d.scaled(lag)))
		}
	}
	any := false
	d.store.View(func(st *region.State) {
		for _, g := range st.TargetGroups {
			any = any || slices.ContainsFunc(g.Targets, over(g))
		}
	})
	if !any {
		return
	}
	err := d.store.Update(func(st *region.State) error {
		for _, g := range st.TargetGroups {
			g.Targets = slices.DeleteFunc(g.Targets, over(g))
		}
		return nil
	})
	if err != nil {
		d.log.Error("end deregistrations", "err", err)
	}
}

// specs are the balancers that shall be, by their keys.
func (d *DataPlane) specs() map[string]*running {
	want := map[string]*running{}
	d.store.View(func(st *region.State) {
		for _, l := range st.TargetListeners {
			lb := st.V2Balancers[l.Balancer]
			if lb == nil || lb.Type != region.Network {
				continue
			}
			g := st.TargetGroups[l.Actions[0].Forward[0].ARN]
			if g == nil {
				continue
			}
			for _, z := range lb.Zones {
				want[fmt.Sprintf("%s/%s/%d", lb.Name, z.Zone, l.Port)] = &running{spec: d.spec(st, lb, z, l, g), group: g.ARN}
			}
		}
	})
	return want
}

func (d *DataPlane) spec(st *region.State, lb *region.V2Balancer, z region.BalancerZone, l *region.TargetListener, g *region.TargetGroup) balancer.Spec {
	ip, _ := netip.ParseAddr(z.IP)
	spec := balancer.Spec{IP: ip, Ports: map[int]int{l.Port: g.Port}, Targets: map[string]balancer.Target{}, Idle: idle, Flows: true,
		Cut: g.Attributes["deregistration_delay.connection_termination.enabled"] == "true", Lag: d.scaled(leaveLag), Join: d.scaled(joinLag),
		Check: check(g), Behind: g.Protocol == "TLS"}
	if l.Secure() {
		spec.Fronts = map[int]*balancer.Front{l.Port: {Identities: d.shelf.Identities(st, l.Certificates...), Protocols: alpn[l.ALPN]}}
	}
	for _, t := range g.Targets {
		to, zone, ok := st.TargetAddress(g, t.ID)
		if ok && (zone == z.Zone || g.CrossZone(lb)) {
			spec.Targets[key(t)] = balancer.Target{IP: to, Port: t.Port, Check: g.CheckPort(t), Leaving: t.Leaving, Deadline: t.Deadline}
		}
	}
	return spec
}

// alpn is what the policies of listeners let clients agree on, the best first.
var alpn = map[string][]string{"HTTP1Only": {"http/1.1", "http/1.0"}, "HTTP2Only": {"h2"}, "HTTP2Optional": {"http/1.1", "http/1.0", "h2"},
	"HTTP2Preferred": {"h2", "http/1.1", "http/1.0"}}

func check(g *region.TargetGroup) balancer.Check {
	return balancer.Check{Protocol: g.Check.Protocol, Port: g.Port, Path: g.Check.Path, Matcher: g.Check.Matcher,
		Interval: time.Duration(g.Check.Interval) * time.Second, Timeout: time.Duration(g.Check.Timeout) * time.Second,
		Healthy: g.Check.Healthy, Unhealthy: g.Check.Unhealthy, Proxy: g.Attributes["proxy_protocol_v2.enabled"] == "true"}
}

func key(t region.GroupTarget) string { return t.ID + ":" + strconv.Itoa(t.Port) }

func (d *DataPlane) apply(want map[string]*running) {
	for _, r := range d.drop(want) {
		r.Close() // without the lock that readers of the store wait for in Health
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, w := range want {
		r, ok := d.running[name]
		if !ok {
			r = w
			r.Balancer = balancer.New(name, d.network, d.log, func(string, time.Time) {})
			d.running[name] = r
		}
		r.spec, r.group = w.spec, w.group
		fail := ""
		if err := r.Apply(r.spec); err != nil {
			fail = err.Error()
		}
		if fail != r.fail && fail != "" {
			d.log.Error("run load balancer", "balancer", name, "err", fail)
		}
		r.fail = fail
	}
}

// drop takes out the balancers that shall not be.
func (d *DataPlane) drop(want map[string]*running) []*running {
	d.mu.Lock()
	defer d.mu.Unlock()
	var old []*running
	for name, r := range d.running {
		if w, ok := want[name]; !ok || w.spec.IP != r.spec.IP {
			delete(d.running, name)
			old = append(old, r)
		}
	}
	return old
}

// Health tells how a target of a group is.
func (d *DataPlane) Health(group string, t region.GroupTarget) Health {
	d.mu.Lock()
	defer d.mu.Unlock()
	all, found, checked := true, false, false
	add := func(h balancer.Health, ok bool) {
		if ok {
			news := h.Leaving && t.Leaving.IsZero() // it was taken back, and the balancer has yet to be told
			found, checked, all = true, checked || h.Checked && !news, all && h.InService && !news
		}
	}
	for _, r := range d.running {
		if r.group == group {
			add(r.Health(key(t)))
		}
	}
	for _, a := range d.applications {
		add(a.Health(group, key(t)))
	}
	return Health{InService: found && all, Checked: checked}
}

// Resolve answers a load balancer's DNS name, or that of one of its zones: with
// the addresses of the zones that have a healthy target, or of all if none has.
func (d *DataPlane) Resolve(st *region.State, name string) (ips []netip.Addr, ok bool) {
	for _, lb := range st.V2Balancers {
		zone, is := strings.CutSuffix(strings.ToLower(name), "."+strings.ToLower(lb.DNSName))
		if !is && !strings.EqualFold(name, lb.DNSName) {
			continue
		}
		var all, healthy []netip.Addr
		for _, z := range lb.Zones {
			ip, err := netip.ParseAddr(z.IP)
			if err != nil || is && zone != z.Zone {
				continue
			}
			all = append(all, ip)
			if d.serves(ip) || d.servesApplication(lb.ARN, z.Zone) {
				healthy = append(healthy, ip)
			}
		}
		if len(healthy) > 0 {
			return healthy, true
		}
		return all, len(all) > 0
	}
	return nil, false
}

// serves: every target group that the zone forwards to has a healthy target there.
func (d *DataPlane) serves(ip netip.Addr) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	found := false
	for _, r := range d.running {
		if r.spec.IP != ip {
			continue
		}
		found = true
		if !slices.ContainsFunc(slices.Collect(maps.Keys(r.spec.Targets)), func(id string) bool { h, _ := r.Health(id); return h.InService && !h.Leaving }) {
			return false
		}
	}
	return found
}
