package balancer

import (
	"context"
	"maps"
	"net/netip"
	"time"
)

// target is a registered instance. The balancer's lock guards it.
type target struct {
	id   string
	spec Target
	b    *Balancer

	stopChecks context.CancelFunc
	stopLeave  context.CancelFunc

	healthy   bool
	checked   bool
	successes int
	failures  int

	out    bool // of rotation: gets no new connections
	busy   int  // connections it has, those being dialed included
	served uint64
	conns  map[*connection]struct{}
	idle   chan struct{} // holds a token when busy became 0
}

func (b *Balancer) add(id string, want Target) *target {
	t := &target{id: id, spec: Target{IP: want.IP, Port: want.Port, Check: want.Check}, b: b, stopChecks: func() {}, stopLeave: func() {},
		conns: map[*connection]struct{}{}, idle: make(chan struct{}, 1)}
	b.targets[id] = t
	t.startChecks()
	return t
}

// drop forgets a target and cuts its connections, or lets them be.
func (b *Balancer) drop(id string, t *target) {
	t.stopChecks()
	t.stopLeave()
	delete(b.targets, id)
	t.out = true
	if b.spec.Flows && !b.spec.Cut {
		maps.Copy(b.loose, t.conns)
		return
	}
	t.cut()
}

func (t *target) cut() {
	for c := range t.conns {
		c.close()
	}
}

func (t *target) signal() {
	select {
	case t.idle <- struct{}{}:
	default:
	}
}

// startChecks begins health checks anew; the state so far stays until they say
// something else.
func (t *target) startChecks() {
	t.stopChecks()
	t.successes, t.failures = 0, 0
	check, begin := t.b.check, time.Now()
	if t.spec.Check != 0 {
		check.Port = t.spec.Check
	}
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
func (t *target) watch(ctx context.Context, check Check) {
	check.Repeat(ctx, func() error { return check.Probe(ctx, t.b.net, t.b.address(), t.spec.IP) }, t.judge)
}

// judge counts a probe's result and changes the target's state at a threshold.
func (t *target) judge(check Check, err error) {
	t.b.mu.Lock()
	defer t.b.mu.Unlock()
	was := t.healthy
	if err == nil {
		t.successes, t.failures = t.successes+1, 0
		if t.successes >= check.Healthy {
			t.healthy, t.checked = true, true
		}
	} else {
		t.successes, t.failures = 0, t.failures+1
		if t.failures >= check.Unhealthy {
			t.healthy, t.checked = false, true
		}
	}
	if was != t.healthy {
		t.b.log.Info("target changed", "instance", t.id, "inService", t.healthy, "err", err)
	}
}

// leave takes the target out: of rotation after the lag, and altogether once
// its connections have ended or the deadline has passed. With flows nothing is
// waited for: whoever applies specs knows when the target has left.
func (t *target) leave(want Target) {
	t.spec = want
	rest, flows := want.Leaving.Add(t.b.spec.Lag), t.b.spec.Flows
	t.stopLeave = t.b.start(func(ctx context.Context) {
		if !sleepUntil(ctx, rest) {
			return
		}
		t.b.mu.Lock()
		t.out = true
		t.b.mu.Unlock()
		if flows {
			return
		}
		if t.drain(ctx, want.Deadline) {
			t.b.gone(t.id, want.Leaving)
		}
	})
}

// rejoin takes back a target that was leaving: it is new, but keeps its
// connections.
func (t *target) rejoin() {
	t.stopLeave()
	t.spec.Leaving, t.spec.Deadline = time.Time{}, time.Time{}
	t.out, t.healthy, t.checked = false, false, false
	t.startChecks()
}

// drain waits until the target has no connection left, and cuts what is there
// at the deadline; false if ctx ended before.
func (t *target) drain(ctx context.Context, deadline time.Time) bool {
	late := time.NewTimer(time.Until(deadline))
	defer late.Stop()
	for {
		t.b.mu.Lock()
		busy := t.busy
		t.b.mu.Unlock()
		if busy == 0 {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-t.idle:
		case <-late.C:
			t.b.log.Info("connections are cut: draining took too long", "instance", t.id, "connections", busy)
			t.b.mu.Lock()
			t.cut()
			t.b.mu.Unlock()
			return true
		}
	}
}

func (b *Balancer) address() netip.Addr {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ip
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
