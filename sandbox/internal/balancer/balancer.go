// Package balancer is the data plane of Classic and Network Load Balancers: a TCP
// proxy that checks the health of its targets and drains those that leave.
//
// Packages aws/elb and aws/elbv2 say with Apply what a balancer shall be; a Balancer accepts
// connections, sends each to the target with the fewest, and reports when a
// target that leaves is gone. What it does like the real one:
//
//   - No healthy target: a connection is accepted and closed. There is no
//     fail-open.
//   - A target that cannot be reached: the client's connection is closed. No
//     other target is tried.
//   - A deregistered target still gets new connections for a moment (lag),
//     then none; with draining its connections may end until the deadline,
//     without they are cut.
//   - Unhealthy targets keep the connections they have.
//
// With Spec.Flows it is one zone of a Network Load Balancer for one listener:
//
//   - Each connection goes to a target by a hash of both its ends, and stays there.
//   - No healthy target: all of them get connections.
//   - A deregistered target gets new connections for as long as the lag says, and
//     keeps those that it has, unless Spec.Cut says that they end with draining.
//   - A registered one is not even checked before Spec.Join is over.
//
// With Spec.Fronts the clients' TLS ends at the balancer, before a target is chosen; with Spec.Behind
// targets are spoken to by TLS.
//
// What it does not: look into HTTP, filter by security group, keep the client's
// address.
package balancer

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Lag is how long after the API's answer a deregistered target still gets new
// connections, before the factor of latencies. On AWS the change takes effect
// within about a second.
const Lag = 200 * time.Millisecond

// Spec is what a balancer shall be.
type Spec struct {
	IP      netip.Addr
	Ports   map[int]int // listener port -> instance port
	Targets map[string]Target
	Check   Check
	Lag     time.Duration  // for which a leaving target still gets new connections
	Join    time.Duration  // after which a new target is looked at
	Idle    time.Duration  // connections without data for that long are closed
	Flows   bool           // as a Network Load Balancer
	Cut     bool           // with Flows: connections to a target that has left are cut
	Fronts  map[int]*Front // by listener port: clients speak TLS, which ends here; none: what they say goes through
	Behind  bool           // targets are spoken to by TLS
}

// Target is an instance behind the balancer.
type Target struct {
	IP       netip.Addr
	Port     int       // 0: the listener's instance port
	Check    int       // port that is checked; 0: the check's
	Leaving  time.Time // when it was deregistered; zero: it was not
	Deadline time.Time // when a leaving target's connections are cut
}

// Network is where a balancer lives.
type Network interface {
	Claim(ip netip.Addr) error   // makes the address local
	Release(ip netip.Addr) error // undoes Claim
	Listen(ip netip.Addr, port int) (*net.TCPListener, error)
	Dial(ctx context.Context, from netip.Addr, to netip.AddrPort) (*net.TCPConn, error)
}

// Balancer is one running load balancer.
type Balancer struct {
	net  Network
	log  *slog.Logger
	gone func(id string, leaving time.Time) // called when a leaving target has no connection left

	// start runs f on its own until it returns; its context ends with stop, or
	// when the balancer is closed, which waits for it.
	start func(f func(context.Context)) (stop context.CancelFunc)
	end   func() // ends everything started, and waits

	mu        sync.Mutex
	closed    bool
	ip        netip.Addr
	spec      Spec // as it was last applied, without ports and targets
	check     Check
	listeners map[int]*listener
	targets   map[string]*target
	loose     map[*connection]struct{} // connections to targets that have left, and are not cut
	turn      uint64                   // breaks ties between equally busy targets
}

type listener struct {
	*net.TCPListener
	port, instancePort int
}

// Tasks are goroutines with one end: start begins one, which the function that it
// returns ends alone; end ends all, and waits for them.
func Tasks() (start func(func(context.Context)) context.CancelFunc, end func()) {
	life, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	start = func(f func(context.Context)) context.CancelFunc {
		ctx, stop := context.WithCancel(life)
		wg.Go(func() {
			defer stop()
			f(ctx)
		})
		return stop
	}
	end = func() {
		cancel()
		wg.Wait()
	}
	return start, end
}

// New makes a balancer that does nothing until Apply.
func New(name string, network Network, log *slog.Logger, gone func(id string, leaving time.Time)) *Balancer {
	b := &Balancer{net: network, log: log.With("balancer", name), gone: gone,
		listeners: map[int]*listener{}, targets: map[string]*target{}, loose: map[*connection]struct{}{}}
	b.start, b.end = Tasks()
	b.start(b.reapIdle)
	return b
}

// Apply makes the balancer what the spec says. A listener that cannot be
// opened is an error; the rest is done all the same.
func (b *Balancer) Apply(spec Spec) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.move(spec.IP)
	b.spec = spec
	b.spec.Ports, b.spec.Targets = nil, nil
	if lerr := b.listen(spec.Ports); err == nil {
		err = lerr
	}
	changed := b.check != spec.Check
	b.check = spec.Check
	for id, t := range b.targets {
		if want, ok := spec.Targets[id]; !ok || want.IP != t.spec.IP {
			b.drop(id, t)
		}
	}
	for id, want := range spec.Targets {
		t, ok := b.targets[id]
		switch {
		case !ok:
			t = b.add(id, want)
		case !t.spec.Leaving.IsZero() && want.Leaving.IsZero():
			t.rejoin()
		case changed || t.spec.Check != want.Check:
			t.spec.Check = want.Check
			t.startChecks()
		}
		if !want.Leaving.IsZero() && t.spec.Leaving.IsZero() {
			t.leave(want)
		}
	}
	return err
}

func (b *Balancer) move(ip netip.Addr) error {
	if b.ip == ip {
		return nil
	}
	if err := b.net.Claim(ip); err != nil {
		return fmt.Errorf("take address %s: %w", ip, err)
	}
	b.ip = ip
	return nil
}

func (b *Balancer) listen(ports map[int]int) (err error) {
	for port, l := range b.listeners {
		if _, ok := ports[port]; !ok {
			_ = l.Close()
			delete(b.listeners, port)
		}
	}
	for port, instancePort := range ports {
		if l, ok := b.listeners[port]; ok {
			l.instancePort = instancePort
			continue
		}
		tcp, lerr := b.net.Listen(b.ip, port)
		if lerr != nil {
			err = fmt.Errorf("listen on %s port %d: %w", b.ip, port, lerr)
			continue
		}
		l := &listener{tcp, port, instancePort}
		b.listeners[port] = l
		b.start(func(ctx context.Context) { b.accept(ctx, l) })
	}
	return err
}

// Close ends the balancer and every connection through it.
func (b *Balancer) Close() {
	b.mu.Lock()
	b.closed = true
	for port, l := range b.listeners {
		_ = l.Close()
		delete(b.listeners, port)
	}
	b.spec.Flows = false // nothing outlives the balancer
	for id, t := range b.targets {
		b.drop(id, t)
	}
	for c := range b.loose {
		c.close()
	}
	ip := b.ip
	b.mu.Unlock()
	b.end()
	if ip.IsValid() {
		if err := b.net.Release(ip); err != nil {
			b.log.Warn("give back address", "ip", ip, "err", err)
		}
	}
}

// Health is what DescribeInstanceHealth says of a target.
type Health struct {
	InService bool
	Checked   bool // it has been in service, or has failed its checks
	Leaving   bool
}

// Health tells how a target is; false if the balancer does not know it.
func (b *Balancer) Health(id string) (Health, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t, ok := b.targets[id]
	if !ok {
		return Health{}, false
	}
	return Health{InService: t.healthy, Checked: t.checked, Leaving: !t.spec.Leaving.IsZero()}, true
}

// pick chooses the target for a new connection and counts the connection as
// its own at once; nil if none is healthy.
func (b *Balancer) pick(client net.Addr) *target {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spec.Flows {
		return b.pickFlow(client)
	}
	var best *target
	b.turn++
	for _, t := range b.targets {
		if !t.healthy || t.out {
			continue
		}
		if best == nil || t.busy < best.busy || t.busy == best.busy && t.served < best.served {
			best = t
		}
	}
	if best != nil {
		best.busy++
		best.served = b.turn
	}
	return best
}

// pickFlow chooses by the client's end of the connection, the other being the
// listener's; of all targets, if none is healthy.
func (b *Balancer) pickFlow(client net.Addr) *target {
	var open, healthy []string
	for id, t := range b.targets {
		if t.out {
			continue
		}
		open = append(open, id)
		if t.healthy {
			healthy = append(healthy, id)
		}
	}
	if len(healthy) > 0 {
		open = healthy
	}
	if len(open) == 0 {
		return nil
	}
	slices.Sort(open)
	h := fnv.New32a()
	_, _ = io.WriteString(h, client.String())
	t := b.targets[open[h.Sum32()%uint32(len(open))]]
	t.busy++
	return t
}

// release undoes what pick counted.
func (b *Balancer) release(t *target) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t.busy--
	if t.busy == 0 {
		t.signal()
	}
}
