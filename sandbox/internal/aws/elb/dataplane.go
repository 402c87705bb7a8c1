package elb

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/acm"
	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/balancer"
)

// DataPlane runs a balancer for every load balancer of the model.
type DataPlane struct {
	store   *region.Store
	network balancer.Network
	shelf   *acm.Shelf
	lag     time.Duration
	log     *slog.Logger

	mu      sync.Mutex
	running map[string]*running
}

type running struct {
	*balancer.Balancer
	ip   netip.Addr
	fail string // what Apply said last
}

// NewDataPlane makes a DataPlane. Latency is a factor of the balancers' lag.
func NewDataPlane(store *region.Store, network balancer.Network, shelf *acm.Shelf, latency float64, log *slog.Logger) *DataPlane {
	lag := time.Duration(float64(balancer.Lag) * latency)
	return &DataPlane{store: store, network: network, shelf: shelf, lag: lag, log: log, running: map[string]*running{}}
}

// Run follows every change until ctx ends; then all load balancers stop.
func (d *DataPlane) Run(ctx context.Context) {
	changed := d.store.Watch()
	tick := time.NewTicker(time.Second) // for what could not be applied
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			d.apply(map[string]balancer.Spec{})
			return
		case <-changed:
		case <-tick.C:
			if !d.failing() {
				continue
			}
		}
		specs := map[string]balancer.Spec{}
		d.store.View(func(st *region.State) {
			for name, lb := range st.LoadBalancers {
				specs[name] = d.spec(st, lb)
			}
		})
		d.apply(specs)
	}
}

func (d *DataPlane) failing() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.running {
		if r.fail != "" {
			return true
		}
	}
	return false
}

func (d *DataPlane) apply(specs map[string]balancer.Spec) {
	// Closing waits for connections to report their end, which needs the store:
	// it must not hold the lock that readers of the store wait for in Health.
	for _, r := range d.forget(specs) {
		r.Close()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, spec := range specs {
		r, ok := d.running[name]
		if !ok {
			gone := func(id string, leaving time.Time) { d.left(name, id, leaving) }
			r = &running{Balancer: balancer.New(name, d.network, d.log, gone), ip: spec.IP}
			d.running[name] = r
		}
		fail := ""
		if err := r.Apply(spec); err != nil {
			fail = err.Error()
		}
		if fail != r.fail && fail != "" {
			d.log.Error("run load balancer", "balancer", name, "err", fail)
		}
		r.fail = fail
	}
}

// forget takes out the balancers that shall not be. One of the same name that
// was deleted and made again has another address.
func (d *DataPlane) forget(specs map[string]balancer.Spec) []*running {
	d.mu.Lock()
	defer d.mu.Unlock()
	var old []*running
	for name, r := range d.running {
		if spec, ok := specs[name]; !ok || spec.IP != r.ip {
			delete(d.running, name)
			old = append(old, r)
		}
	}
	return old
}

// left notes that a deregistered instance has no connection left.
func (d *DataPlane) left(name, instance string, leaving time.Time) {
	err := d.store.Update(func(st *region.State) error {
		if lb, ok := st.LoadBalancers[name]; ok {
			lb.Left(instance, leaving)
		}
		return nil
	})
	if err != nil {
		d.log.Error("end deregistration", "balancer", name, "instance", instance, "err", err)
	}
}

// Health tells how an instance behind a load balancer is.
func (d *DataPlane) Health(name, instance string) (balancer.Health, bool) {
	d.mu.Lock()
	r, ok := d.running[name]
	d.mu.Unlock()
	if !ok {
		return balancer.Health{}, false
	}
	return r.Health(instance)
}

func (d *DataPlane) spec(st *region.State, lb *region.LoadBalancer) balancer.Spec {
	ip, _ := netip.ParseAddr(lb.IP)
	spec := balancer.Spec{IP: ip, Ports: map[int]int{}, Fronts: map[int]*balancer.Front{}, Targets: map[string]balancer.Target{}, Lag: d.lag,
		Idle: time.Duration(lb.IdleTimeout) * time.Second}
	spec.Check.Protocol, spec.Check.Port, spec.Check.Path, _ = balancer.ParseTarget(lb.Check.Target) // was checked when it was set
	spec.Check.Interval = time.Duration(lb.Check.Interval) * time.Second
	spec.Check.Timeout = time.Duration(lb.Check.Timeout) * time.Second
	spec.Check.Healthy, spec.Check.Unhealthy = lb.Check.HealthyThreshold, lb.Check.UnhealthyThreshold
	for _, l := range lb.Listeners {
		spec.Ports[l.Port] = l.InstancePort
		if l.Secure() {
			spec.Fronts[l.Port] = &balancer.Front{Identities: d.shelf.Identities(st, l.Certificate)}
		}
	}
	for _, r := range lb.Instances {
		if i, ok := st.Instances[r.InstanceID]; ok {
			ip, _ := netip.ParseAddr(i.PrivateIP)
			spec.Targets[r.InstanceID] = balancer.Target{IP: ip, Leaving: r.Leaving, Deadline: r.Deadline}
		}
	}
	return spec
}
