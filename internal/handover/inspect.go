package handover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
)

// Looking at what a move would meet: what it rests on is gathered here, and asked
// by the checks (check.go). Nothing is changed.

// Inspect says what a hand-over of the host would meet.
func (m *Mover) Inspect(ctx context.Context, from engine.Host, keep int, replaced []graph.Key) (engine.Inspection, error) {
	cluster, err := m.open(ctx, from)
	if err != nil {
		return engine.Inspection{}, err
	}
	defer cluster.Close()
	r := &run{Mover: m, cluster: cluster, move: engine.Move{From: from, Keep: keep, Events: event.Discard}}
	o, err := r.observe(ctx, nil)
	if err != nil {
		return engine.Inspection{}, fmt.Errorf("inspect %s: %w", from.Name, err)
	}
	q := r.question(ctx, o, placedAnew(replaced), from.Fresh)
	i := inspect(q)
	return engine.Inspection{Nodes: len(q.Leaving), Pods: len(i.pods), Balancers: i.balancers(), Findings: Findings(q), Closed: r.closed(ctx, o.View.Now)}, nil
}

// closed: a move of the host's that was cut off has closed nodes, and nobody is at
// work on it.
func (r *run) closed(ctx context.Context, now time.Time) bool {
	all, err := r.cluster.Records(ctx)
	locks, lockErr := r.cluster.Locks(ctx)
	rec, readErr := ReadRecord(all[r.move.From.Name])
	if err != nil || lockErr != nil || readErr != nil || locks[r.move.From.Name].Live(now) {
		return false
	}
	return !rec.Kept && !rec.Paused && closing(rec.Phase)
}

// balancers counts those that send to nodes that leave, or to pods on them.
func (i *inspection) balancers() int {
	return len(slices.DeleteFunc(slices.Clone(i.Balancers), func(b Balancer) bool { return !i.sends(b) }))
}

// placedAnew are the keys of the workloads that the plan places anew, and of the Services
// that it changes, in whatever version of their API the stack has them.
func placedAnew(replaced []graph.Key) map[string]bool {
	found := map[string]bool{}
	for _, key := range replaced {
		kind := graph.KindOf(key.Type)
		namespace, name, _ := strings.Cut(key.Name, "/")
		found[WorkloadKey(kind.Group, kind.Name, namespace, name)] = true
	}
	return found
}

// question gathers what an inspection rests on: where pods would go, and what
// the API server says to each call when it is only tried.
func (r *run) question(ctx context.Context, o Observed, replaced map[string]bool, fresh []engine.Fresh) Question {
	q := Question{Observed: o, Options: r.options(), Group: r.move.From.Name, Keep: r.move.Keep, Replaced: replaced, Coming: len(fresh) > 0}
	for _, n := range q.Scope.chosen(o, q.Group, q.Keep) {
		q.Leaving = append(q.Leaving, n.Name)
	}
	for _, f := range fresh {
		if f.Type == "" { // it may be any
			for _, n := range o.View.Nodes {
				q.Types = append(q.Types, n.Labels["node.kubernetes.io/instance-type"])
			}
		}
		q.Types = append(q.Types, f.Type)
	}
	coming := r.freshNodes(ctx, fresh, len(q.Leaving))
	for _, n := range coming {
		q.Arches = append(q.Arches, n.Arch)
	}
	q.Host, _ = os.Hostname() // without one it is no pod
	i := inspect(q)
	q.Denied, q.Closing = r.rehearse(ctx, rehearsals(i)), r.rehearseClosing(ctx, q.Leaving)
	q.Placements = r.place(ctx, i, fresh, coming)
	around, err := r.cluster.Surroundings(ctx)
	if q.Around = around; err != nil {
		q.Unseen = err.Error()
	}
	return q
}

// place asks where the pods would go. Without an answer nothing is said about it,
// nor if nodes that are yet to be made may have what those that are there lack.
func (r *run) place(ctx context.Context, i *inspection, fresh []engine.Fresh, coming []Size) map[string]Placement {
	heir := len(fresh) == 1 && fresh[0].Replaces // who is placed anew goes there
	var refs, anew []Ref
	for _, p := range i.pods {
		switch {
		case p.Workload == "" || p.Deleting || p.beside() || i.promised(p).how == AfterJob:
		case i.leftToMove(p):
			refs = append(refs, p.Ref)
		case heir && p.Group == i.Group:
			anew = append(anew, p.Ref)
		}
	}
	where, err := r.cluster.Place(ctx, i.Leaving, refs, anew, coming)
	if err != nil {
		return nil
	}
	found := map[string]Placement{}
	for _, w := range where {
		if w.holds(len(fresh) > 0) {
			found[w.Pod.UID] = w
		}
	}
	return found
}

// freshNodes are the nodes that a plan makes, with the room of their types. Those
// that take the place of nodes that leave are no fewer. What a type has is not
// worth an error: without an answer its nodes have ample room.
func (r *run) freshNodes(ctx context.Context, fresh []engine.Fresh, leaving int) []Size {
	var types []string
	for _, f := range fresh {
		if f.Type != "" {
			types = append(types, f.Type)
		}
	}
	sizes := map[string]Size{}
	if len(types) > 0 {
		if known, err := r.scaling.Sizes(ctx, types); err == nil {
			sizes = known
		}
	}
	var nodes []Size
	for _, f := range fresh {
		n := f.Nodes
		if f.Replaces {
			n = max(n, leaving)
		}
		nodes = append(nodes, slices.Repeat([]Size{sizes[f.Type]}, n)...)
	}
	return nodes
}

// rehearse tries calls as dry runs, several at once. Only a refusal counts.
func (r *run) rehearse(ctx context.Context, tries []rehearsal) map[string]map[string]string {
	denied := map[string]map[string]string{}
	var mu sync.Mutex
	each(tries, func(t rehearsal) {
		var refusal *Refusal
		if err := r.cluster.Rehearse(ctx, t.Rehearsal); !errors.As(err, &refusal) || refusal.Passing {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if denied[t.workload] == nil {
			denied[t.workload] = map[string]string{}
		}
		denied[t.workload][t.verb] = refusal.Why
	})
	return denied
}

// rehearseClosing tries what is done to every node that leaves on one of them, and
// says what is refused of it; empty: nothing is.
func (r *run) rehearseClosing(ctx context.Context, leaving []string) string {
	if len(leaving) == 0 {
		return ""
	}
	mark := map[string]*string{BeforeAnnotation: new(encode(before{}))}
	for _, try := range []struct {
		what  string
		patch Patch
	}{
		{"cordon", Patch{Annotations: mark, Unschedulable: new(true)}},
		{"exclude", Patch{Annotations: mark, Labels: map[string]*string{excludeLabel: new("true")}}},
	} {
		var refusal *Refusal
		if err := r.cluster.Rehearse(ctx, Rehearsal{Node: leaving[0], Patch: &try.patch}); errors.As(err, &refusal) && !refusal.Passing {
			return fmt.Sprintf("%s is refused: %s", try.what, refusal.Why)
		}
	}
	return ""
}
