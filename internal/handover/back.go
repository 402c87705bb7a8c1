package handover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/problem"
)

// The way back of a move is a move: the groups change places, and the same
// machines bring what has gone to the new nodes back to the old ones. Two things
// are its own. Before it the old nodes are opened, and must serve again (Reopen);
// and what the first move promised still holds, however little serves by now
// (run.owes). A breach on the way back does not turn it round again: it stops,
// puts back what it closed, and goes on when it is run again.

// Reopen lets a group that a move has closed, or may have, take pods and traffic
// again, and returns when it does.
func (m *Mover) Reopen(ctx context.Context, mv engine.Move) error {
	// What was begun is put back even if it is interrupted, as in HandOver.
	cluster, err := m.open(context.WithoutCancel(ctx), mv.From)
	if err != nil {
		return err
	}
	defer cluster.Close()
	mv.To = nil // what it let go of is in its record
	r := newRun(m, cluster, mv)
	if err := r.putBack(ctx); err != nil {
		return err
	}
	return r.serves(ctx)
}

// Open is Reopen for the nodes of an errand. If it is to be taken back, its record
// stays, and tells what goes back.
func (m *Mover) Open(ctx context.Context, e Errand, takenBack bool) error {
	cluster, err := m.open(context.WithoutCancel(ctx), e.From)
	if err != nil {
		return err
	}
	defer cluster.Close()
	r := e.run(m, cluster)
	r.takenBack = takenBack
	if err := r.putBack(ctx); err != nil {
		return err
	}
	return r.serves(ctx)
}

// Brought: the move brought the pod to where it is, as far as can be known: it is
// of a workload that moved, and was made after the nodes had been closed.
func (r *Record) Brought(p *Pod) bool {
	return r.Workloads[p.owner()] != nil && !r.Closed.IsZero() && !p.Created.Before(r.Closed.Truncate(time.Second))
}

// putBack stops the move that closed the group, as if it were still at work.
func (r *run) putBack(ctx context.Context) error {
	v, err := r.cluster.View()
	if err != nil {
		return err
	}
	if earlier, err := ReadRecord(r.move.Memo); err == nil {
		r.move.Keep = earlier.Keep
	}
	rec, _, err := r.resume(ctx)
	if err != nil {
		return err
	}
	if rec == nil {
		rec = newRecord(r.move.From.Name, r.move.Keep, v.Now)
	}
	rec.gather(v)
	err = r.undo(ctx, v, rec, Reason{Kind: problem.Outside, Op: "open the nodes of " + rec.Group, Why: "it was interrupted", Fix: "run the same command again"})
	if rec.Phase == Stopped && ctx.Err() == nil {
		return nil // the error is the reason above
	}
	return err
}

// undo has a move that nobody is at work on put everything back.
func (r *run) undo(ctx context.Context, v *View, rec *Record, why Reason) error {
	for _, name := range slices.Sorted(maps.Keys(rec.Holds)) {
		if name != rec.Group {
			r.move.To = append(r.move.To, engine.Host{Name: name})
		}
	}
	r.core = NewMove(rec, Options{})
	r.core.view = v
	r.core.stop(why)
	lock, err := keep(ctx, r.cluster, rec.Group, Me(), r.say)
	if err != nil {
		return err // somebody goes on with it, or nothing answers
	}
	defer lock.release(ctx)
	r.lock = lock
	return r.turns(ctx)
}

// gather takes in what the marks on the nodes of its group tell, where the
// record does not.
func (r *Record) gather(v *View) {
	for name, n := range v.Nodes {
		if b, marked := n.before(); marked && n.Group == r.Group && r.Nodes[name] == nil {
			r.Nodes[name] = &NodeRecord{Before: b, State: NodeClosed, Since: v.Now}
		}
	}
}

// serves returns when pods can run on the group's nodes and requests come
// through them. A node that is broken keeps nobody waiting, as long as one is not.
func (r *run) serves(ctx context.Context) error {
	var lacks []string
	err := until(ctx, r.cluster, patience, func() (bool, error) {
		v, err := r.cluster.View()
		if err != nil {
			return false, err
		}
		if r.ask(ctx, r.core.Record, v); r.aws.err != nil {
			return false, r.aws.err
		}
		lacks = r.core.lacking(Observed{View: v, From: r.aws.from, Balancers: r.aws.balancers})
		r.say(list(lacks))
		return len(lacks) == 0, nil
	})
	if !errors.Is(err, errLate) {
		return wrap(err, "wait for the nodes of "+r.move.From.Name+" to serve again")
	}
	return &problem.Error{Kind: problem.Outside, Op: "wait for the nodes of " + r.move.From.Name + " to serve again",
		Err: fmt.Errorf("after %s: %s", patience, lacks[0]), Notes: lacks[1:],
		Fix: "nothing is lost: what has moved serves where it is. Make these nodes healthy, then run the same command again"}
}

// lacking says what keeps the group's own nodes from taking pods and traffic.
// One that is cordoned or excluded by now was so before the move.
func (m *Move) lacking(o Observed) []string {
	m.o, m.view = o, o.View
	m.sortTargets()
	owners, idle := map[string]*Service{}, map[string]bool{}
	for _, b := range o.Balancers {
		s := m.uses(b)
		owners[b.Name] = m.owns(b)
		idle[b.Name] = m.idle(b, s) || s != nil && s.Local
	}
	var lacks, broken []string
	whole := 0
	for _, n := range o.View.Nodes {
		switch {
		case !m.leaves(n.Name) && !belongs(n, m.Record.Group, o.From) || n.Cordoned && n.Before == "":
		case !n.Ready:
			broken = append(broken, "node "+n.Name+" is not Ready")
		case !n.usable():
			lacks = append(lacks, "node "+n.Name+" takes no pods yet")
		default:
			whole++
			lacks = append(lacks, m.outOfService(n, owners, idle)...)
		}
	}
	if whole == 0 {
		lacks = append(lacks, broken...)
	}
	slices.Sort(lacks)
	return lacks
}

// outOfService are the load balancers that do not send through a node yet, and
// shall: those of Services, and those that sent through it before. For local
// traffic it is enough that they know it; it is healthy once a pod is there. So it
// is for those that have nothing to send to.
func (m *Move) outOfService(n *Node, owners map[string]*Service, idle map[string]bool) []string {
	var lacks []string
	if n.excluded() {
		return nil
	}
	for _, b := range m.o.Balancers {
		s := owners[b.Name]
		if b.ByAddress || s == nil && !slices.Contains(m.Record.Balancers, b.Name) || s != nil && !s.admits(n) {
			continue
		}
		t, registered := m.targets[n.Instance][b.Name]
		if !registered || t.State != InService && t.State != Unused && !idle[b.Name] {
			lacks = append(lacks, fmt.Sprintf("load balancer %s: node %s is not InService yet", b.Name, n.Name))
		}
	}
	return lacks
}

// assume takes over what moves promised that this one takes back.
func (r *run) assume() {
	for _, memo := range r.move.Owed {
		earlier, err := ReadRecord(memo)
		if err != nil {
			continue
		}
		for key, w := range earlier.Workloads {
			if len(w.Floors)+w.Wants == 0 || r.core.view.Workloads[key] == nil {
				continue
			}
			r.core.owe(key, w.Floors)
			r.core.Record.Workloads[key].Wants = w.Wants // one of them may be missing just now
		}
	}
}
