package application

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/balancer"
)

// dialTimeout is how long a target may take to accept a connection; after that
// the answer is 504, as on AWS.
const dialTimeout = 10 * time.Second

// poolSize is how many idle connections to one target are kept. AWS tells no number.
const poolSize = 512

// Group is a target group.
type Group struct {
	Protocol   string // HTTP or HTTPS: how targets are spoken to
	Targets    map[string]Target
	Check      balancer.Check
	CrossZone  bool          // all targets get requests from all zones
	SlowStart  time.Duration // for which the share of a target that became healthy grows
	LeastBusy  bool          // least outstanding requests, not round robin
	Stickiness time.Duration // for which a client stays with a target; 0: it does not
}

// Target is an instance or address of a group.
type Target struct {
	At       netip.AddrPort
	Zone     string
	Check    int       // port that is checked
	Leaving  time.Time // when it was deregistered; zero: it was not
	Deadline time.Time // when the requests of a leaving target are cut
}

// group and target are the running ones. The balancer's lock guards them.
type group struct {
	arn     string
	spec    Group
	targets map[string]*target
}

type target struct {
	id    string
	token string // what a client that sticks to it carries
	spec  Target
	group *group
	b     *Balancer
	http  *http.Transport // a pool of connections that is the target's alone

	stopChecks context.CancelFunc
	stopLeave  context.CancelFunc

	healthy   bool
	checked   bool
	since     time.Time // when it became healthy
	successes int
	failures  int

	out     bool // of rotation: gets no new requests
	current float64
	flights map[*flight]struct{}
}

// flight is a request on its way to a target and back.
type flight struct {
	*target
	cancel context.CancelFunc
}

// apply makes the group what the spec says.
func (g *group) apply(b *Balancer, spec Group) {
	changed := g.spec.Check != spec.Check
	protocol := g.spec.Protocol
	g.spec = spec
	for id, t := range g.targets {
		if want, ok := spec.Targets[id]; !ok || want.At != t.spec.At || protocol != spec.Protocol {
			t.drop()
		}
	}
	for id, want := range spec.Targets {
		t, ok := g.targets[id]
		switch {
		case !ok:
			t = b.add(g, id, want)
		case !t.spec.Leaving.IsZero() && want.Leaving.IsZero():
			t.rejoin(want)
		case changed || t.spec.Check != want.Check:
			t.spec.Check = want.Check
			t.startChecks()
		}
		if !want.Leaving.IsZero() && t.spec.Leaving.IsZero() {
			t.leave(want)
		}
		t.spec.Zone = want.Zone
	}
}

func (b *Balancer) add(g *group, id string, want Target) *target {
	sum := sha256.Sum256([]byte(g.arn + " " + id))
	t := &target{id: id, token: hex.EncodeToString(sum[:]), group: g, b: b, stopChecks: func() {}, stopLeave: func() {},
		spec: Target{At: want.At, Zone: want.Zone, Check: want.Check}, flights: map[*flight]struct{}{}}
	t.http = &http.Transport{DialContext: t.dial, DisableCompression: true, MaxIdleConns: poolSize, MaxIdleConnsPerHost: poolSize,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // targets' certificates are not validated, as on AWS
	g.targets[id] = t
	t.startChecks()
	return t
}

// drop forgets a target and cuts what is under way to it.
func (t *target) drop() {
	t.stopChecks()
	t.stopLeave()
	delete(t.group.targets, t.id)
	t.out = true
	t.cut()
}

func (t *target) cut() {
	for f := range t.flights {
		f.cancel()
	}
	t.http.CloseIdleConnections()
}

// dial connects to the target, by a connection that ends when it carries nothing
// for the idle timeout.
func (t *target) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	from, idle := t.b.source()
	conn, err := t.b.net.Dial(ctx, from, t.spec.At)
	if err != nil {
		return nil, err
	}
	return &restless{Conn: conn, idle: idle}, nil
}

// restless is a connection whose reads and writes fail once nothing has moved for idle.
type restless struct {
	net.Conn
	idle time.Duration
}

func (c *restless) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.moved()
	return n, err
}

func (c *restless) Write(p []byte) (int, error) {
	c.moved()
	return c.Conn.Write(p)
}

func (c *restless) moved() {
	if c.idle > 0 {
		_ = c.SetDeadline(time.Now().Add(c.idle))
	}
}

// startChecks begins health checks anew; the state so far stays until they say
// something else.
func (t *target) startChecks() {
	t.stopChecks()
	t.successes, t.failures = 0, 0
	check, begin := t.group.spec.Check, time.Now()
	check.Port = t.spec.Check
	if !t.checked {
		begin = begin.Add(t.b.spec.Join)
	}
	t.stopChecks = t.b.start(func(ctx context.Context) {
		if sleepUntil(ctx, begin) {
			t.watch(ctx, check)
		}
	})
}

// watch probes the target.
func (t *target) watch(ctx context.Context, check balancer.Check) {
	check.Repeat(ctx, func() error {
		from, _ := t.b.source()
		return check.Probe(ctx, t.b.net, from, t.spec.At.Addr())
	}, t.judge)
}

// judge counts a probe's result and changes the target's state at a threshold. A
// new target is healthy with the first success.
func (t *target) judge(check balancer.Check, err error) {
	t.b.mu.Lock()
	defer t.b.mu.Unlock()
	was := t.healthy
	if err == nil {
		t.successes, t.failures = t.successes+1, 0
		if t.successes >= check.Healthy || !t.checked {
			t.healthy, t.checked = true, true
		}
	} else {
		t.successes, t.failures = 0, t.failures+1
		if t.failures >= check.Unhealthy {
			t.healthy, t.checked = false, true
		}
	}
	if t.healthy && !was {
		t.since = time.Now()
	}
	if was != t.healthy {
		t.b.log.Info("target changed", "target", t.id, "healthy", t.healthy, "err", err)
	}
}

// leave takes the target out of rotation after the lag, and cuts at the deadline
// what is under way to it then. The connections that nobody uses end at once.
func (t *target) leave(want Target) {
	t.spec.Leaving, t.spec.Deadline = want.Leaving, want.Deadline
	out := want.Leaving.Add(t.b.spec.Lag)
	end := want.Deadline
	if end.Before(out) {
		end = out
	}
	t.stopLeave = t.b.start(func(ctx context.Context) {
		if !sleepUntil(ctx, out) {
			return
		}
		t.b.mu.Lock()
		t.out = true
		t.b.mu.Unlock()
		t.http.CloseIdleConnections()
		if !sleepUntil(ctx, end) {
			return
		}
		t.b.mu.Lock()
		t.cut()
		t.b.mu.Unlock()
	})
}

// rejoin takes back a target that was leaving: it is new, but keeps its requests.
func (t *target) rejoin(want Target) {
	t.stopLeave()
	t.spec.Leaving, t.spec.Deadline, t.spec.Check = time.Time{}, time.Time{}, want.Check
	t.out, t.healthy, t.checked = false, false, false
	t.startChecks()
}

// weight is a target's share of the requests: it grows from the moment the target
// is healthy until its slow start is over.
func (t *target) weight(now time.Time) float64 {
	if t.group.spec.SlowStart == 0 || !t.healthy {
		return 1
	}
	return min(1, max(0.01, float64(now.Sub(t.since))/float64(t.group.spec.SlowStart)))
}

// choose picks the target for a request that came to a zone: the one that the
// client sticks to, or who is next of those that are healthy, or of all if none is.
func (g *group) choose(zone string, tokens []string) *target {
	var open, healthy []*target
	for _, t := range g.targets {
		if t.out || !g.spec.CrossZone && t.spec.Zone != zone {
			continue
		}
		open = append(open, t)
		if t.healthy {
			healthy = append(healthy, t)
		}
	}
	if len(healthy) > 0 {
		open = healthy
	}
	for _, t := range open {
		for _, token := range tokens {
			if g.spec.Stickiness > 0 && token == t.token && t.spec.Leaving.IsZero() {
				return t
			}
		}
	}
	if g.spec.LeastBusy {
		return leastBusy(open)
	}
	return next(open)
}

// next goes round by weights, evenly: each gains its weight, and who has most goes
// and pays what all gained.
func next(open []*target) (best *target) {
	now, total := time.Now(), 0.0
	for _, t := range open {
		w := t.weight(now)
		t.current += w
		total += w
		if best == nil || t.current > best.current || t.current == best.current && strings.Compare(t.id, best.id) < 0 {
			best = t
		}
	}
	if best != nil {
		best.current -= total
	}
	return best
}

func leastBusy(open []*target) (best *target) {
	for _, t := range open {
		if best == nil || len(t.flights) < len(best.flights) || len(t.flights) == len(best.flights) && strings.Compare(t.id, best.id) < 0 {
			best = t
		}
	}
	return best
}

func sleepUntil(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
