package handover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/droverhq/drover/internal/sleep"
)

// How a turn's actions are carried out, and what becomes of those that fail.

// carryOut does what a turn asked for, side by side; what changes the same
// object comes one after the other. A breach in between stops what is not yet begun.
func (r *run) carryOut(ctx context.Context, actions []Action) {
	var objects [][]Action
	at := map[string]int{}
	for _, a := range actions {
		key := object(a)
		if key == "" {
			continue
		}
		if i, known := at[key]; known {
			objects[i] = append(objects[i], a)
			continue
		}
		at[key] = len(objects)
		objects = append(objects, []Action{a})
	}
	each(objects, func(of []Action) {
		for _, a := range of {
			if r.breached() {
				return
			}
			r.report(a, r.do(ctx, a))
		}
	})
	r.learn()
}

func (r *run) breached() bool {
	if r.move.Breach == nil || !reversible(r.core.Record.Phase) {
		return false
	}
	_, yes := r.move.Breach()
	return yes
}

// object names what an action changes; "" for one that changes nothing.
func object(a Action) string {
	switch a := a.(type) {
	case Hold:
		return "group/" + a.Group
	case Resume:
		return "group/" + a.Group
	case ChangeNode:
		return "node/" + a.Node
	case ChangeEvictor:
		return a.Evictor.Key()
	case Deregister:
		return "node/" + a.Node
	case Sentinel:
		return "sentinel/" + a.Node
	case Unguard:
		return "sentinel/" + a.Node
	case ChangePod:
		return "pod/" + a.Pod.UID
	case Evict:
		return "pod/" + a.Pod.UID
	case Recount:
		return "budget/" + a.Namespace + "/" + a.Budget
	}
	return ""
}

// do carries one action out.
func (r *run) do(ctx context.Context, a Action) error {
	switch a := a.(type) {
	case Hold:
		return r.hold(ctx, a)
	case Resume:
		r.stale()
		return letLoose(ctx, r.scaling, a)
	case ChangeNode:
		if len(a.Register) > 0 {
			r.stale()
		}
		return a.carryOut(ctx, r.cluster, r.balancers)
	case ChangeEvictor:
		return r.cluster.PatchEvictor(ctx, a.Evictor, a.Patch)
	case Deregister:
		r.stale()
		return a.carryOut(ctx, r.balancers)
	case ChangePod:
		return r.cluster.PatchPod(ctx, a.Pod, a.Patch)
	case Evict:
		return r.cluster.Evict(ctx, a.Pod)
	case Recount:
		return r.cluster.TouchBudget(ctx, a.Namespace, a.Budget)
	case Sentinel:
		return r.cluster.Guard(ctx, a.Node, a.Repels)
	case Unguard:
		return r.cluster.Unguard(ctx, a.Node)
	case Wait: // kept by the move, and told once a turn
	}
	return nil
}

// carryOut registers first: the record is part of the patch.
func (a ChangeNode) carryOut(ctx context.Context, cluster Cluster, balancers Balancers) error {
	for _, with := range a.Register {
		if err := balancers.Register(ctx, with, a.Instance); err != nil {
			return err
		}
	}
	return cluster.PatchNode(ctx, a.Node, a.Patch)
}

func (a Deregister) carryOut(ctx context.Context, balancers Balancers) error {
	for _, from := range a.From {
		if err := balancers.Deregister(ctx, from, a.Instance); err != nil {
			return err
		}
	}
	return nil
}

// stale makes AWS be asked anew before the next turn.
func (r *run) stale() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.aws.at = time.Time{}
}

func (r *run) hold(ctx context.Context, a Hold) error {
	if err := r.scaling.Tag(ctx, a.Group, a.Tags); err != nil {
		return err
	}
	if err := r.scaling.Suspend(ctx, a.Group, a.Processes); err != nil {
		return err
	}
	r.stale()
	return setMin(ctx, r.scaling, a.Group, a.Min)
}

func setMin(ctx context.Context, scaling Scaling, group string, n int) error {
	if n < 0 {
		return nil
	}
	return scaling.SetMin(ctx, group, n)
}

// letLoose undoes a Hold; the record goes last.
func letLoose(ctx context.Context, scaling Scaling, a Resume) error {
	if len(a.Processes) > 0 {
		if err := scaling.Resume(ctx, a.Group, a.Processes); err != nil {
			return err
		}
	}
	if err := setMin(ctx, scaling, a.Group, a.Min); err != nil {
		return err
	}
	return scaling.Untag(ctx, a.Group, []string{suspendedTag, minTag})
}

// each calls do for every item, writers at once, and returns when all are through.
func each[T any](items []T, do func(T)) {
	slots := make(chan struct{}, writers)
	var all sync.WaitGroup
	for _, item := range items {
		slots <- struct{}{}
		all.Go(func() {
			do(item)
			<-slots
		})
	}
	all.Wait()
}

// report notes how a call ended. A refusal concerns its object alone, and what the
// caller has no right to ends the move; only what every call meets is an outage.
func (r *run) report(a Action, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var refusal *Refusal
	switch {
	case err == nil:
		r.failing = time.Time{}
		if r.did != nil {
			r.did(a)
		}
		if e, is := a.(Evict); is {
			delete(r.refused, e.Pod.UID)
		}
	case errors.As(err, &refusal):
		r.failing = time.Time{}
		r.refuse(a, *refusal)
	case errors.Is(err, ErrBarred):
		r.barred = fmt.Errorf("%s: %w", a, err)
		r.fails(r.barred)
	default:
		r.fails(fmt.Errorf("%s: %w", a, err))
	}
}

// fails notes a call that failed for a reason which every other one may meet.
func (r *run) fails(err error) {
	r.lastErr = err
	if now := time.Now(); r.failing.IsZero() || now.Sub(r.failed) >= lull {
		r.failing, r.failed = now, now
	} else {
		r.failed = now
	}
}

// outOfReach notes that nothing can be done now.
func (r *run) outOfReach(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fails(err)
	r.say("trying again: " + r.lastErr.Error())
}

// denial is a call that was refused for good: about a workload, about a node, about
// what runs a descheduler, or about all workloads that need sentinels.
type denial struct{ workload, node, evictor, verb, why string }

// refuse remembers what was refused, so that it is asked for again later, or
// done in another way.
func (r *run) refuse(a Action, refusal Refusal) {
	now := r.core.view.Now
	if _, evicts := a.(Evict); !evicts {
		r.lastErr = fmt.Errorf("%s: %w", a, &refusal)
	}
	switch a := a.(type) {
	case Evict:
		since := now
		if before, known := r.refused[a.Pod.UID]; known {
			since = before.Since
		}
		r.refused[a.Pod.UID] = Refused{At: now, Since: since, Refusal: refusal}
		if !refusal.Passing && now.Sub(since) >= backLimit {
			r.denied = append(r.denied, denial{workload: a.Workload, verb: verbEvict, why: refusal.Why})
		}
	case ChangePod:
		if !refusal.Passing && a.Workload != "" {
			r.denied = append(r.denied, denial{workload: a.Workload, verb: a.What, why: refusal.Why})
		}
	case ChangeNode:
		if !refusal.Passing {
			r.denied = append(r.denied, denial{node: a.Node, verb: a.What, why: refusal.Why})
		}
	case Sentinel:
		if !refusal.Passing {
			r.denied = append(r.denied, denial{verb: verbKeepOff, why: refusal.Why})
		}
	case ChangeEvictor:
		if !refusal.Passing {
			r.denied = append(r.denied, denial{evictor: a.Evictor.Key(), verb: a.What, why: refusal.Why})
		}
	}
}

// learn puts what was refused for good into the record, for the next turn.
func (r *run) learn() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range r.denied {
		switch {
		case d.node != "":
			r.core.nodeRefused(d.node, d.verb, d.why)
		case d.evictor != "":
			r.core.evictorRefused(d.evictor)
			r.say(fmt.Sprintf("%s %s is refused, and it may evict pods that move: %s", d.verb, d.evictor, d.why))
		case d.verb == verbKeepOff:
			for key := range r.core.tempted {
				r.core.refused(key, d.verb, d.why)
			}
		default:
			r.core.refused(d.workload, d.verb, d.why)
		}
	}
	r.denied = nil
	if !r.failing.IsZero() {
		r.say("trying again: " + r.lastErr.Error())
	}
}

// refused keeps that a call about a workload is denied, and makes it due.
func (m *Move) refused(workload, verb, why string) {
	w := m.Record.Workloads[workload]
	if w == nil {
		return
	}
	denied := maps.Clone(w.Denied)
	if denied == nil {
		denied = map[string]string{}
	}
	denied[verb] = why
	w.Denied = denied
	m.dueWorkloads[workload] = time.Time{}
	m.version++
}

// nodeRefused keeps that a node may not be changed as it must be.
func (m *Move) nodeRefused(node, verb, why string) {
	if n := m.Record.Nodes[node]; n != nil && reversible(m.Record.Phase) {
		n.Why = fmt.Sprintf("%s is refused: %s", verb, why)
		m.version++
	}
}

// pause waits, and is false if the context ended before that.
func pause(ctx context.Context, d time.Duration) bool { return sleep.For(ctx, d) == nil }
