package handover

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/internal/engine"
)

// A move that no plan asked for: of nodes that anybody made, or of some pods on
// them. It goes the same way as a plan's; its Scope says what it is about.

// Scope narrows a move to nodes by name and to some of their pods. The zero value
// is a plan's: all of a node group.
type Scope struct {
	Nodes  []string // that leave; nil: those of the move's host
	Group  string   // the Auto Scaling group that they make up; empty: there is none, or they are a part of it
	Beside []string // Auto Scaling groups of which some nodes leave
	In     In       // pods that are to move; nil: all
	Stay   bool     // the nodes stay when they are empty, and their groups act on their own again
}

// In asks whether a pod is to move, at a time of the API server's clock.
type In func(p *Pod, now time.Time) bool

// named is what is emptied, as a person names it: a set says what it is.
func named(group string) string {
	if strings.Contains(group, "/") {
		return group
	}
	return "nodegroup/" + group
}

// concerns: the pod is among those that are to move.
func (s Scope) concerns(p *Pod, now time.Time) bool { return s.In == nil || s.In(p, now) }

func (m *Move) concerns(p *Pod) bool { return m.Options.Scope.concerns(p, m.view.Now) }

// chosen are the nodes that leave, in their order.
func (s Scope) chosen(o Observed, group string, keep int) []*Node {
	if s.Nodes == nil {
		return chosen(o, group, keep)
	}
	var nodes []*Node
	for _, name := range s.Nodes {
		if n := o.View.Nodes[name]; n != nil {
			nodes = append(nodes, n)
		}
	}
	slices.SortFunc(nodes, surplusFirst(o.From, movable(o.View)))
	return nodes
}

// pause begins or ends a pause: nothing new begins in it, and what is under way
// comes to its end. Patience with what the move itself waits for begins anew.
func (m *Move) pause() {
	pausing := m.o.Pause != "" && (m.Record.Phase == Ready || m.Record.Phase == Shift)
	if pausing == m.pausing {
		return
	}
	m.pausing, m.clean, m.unclosed = pausing, mark{}, mark{}
	for name, r := range m.Record.Nodes {
		r.mark, m.dueNodes[name] = mark{}, time.Time{}
	}
	for key := range m.Record.Workloads {
		m.dueWorkloads[key] = time.Time{}
	}
}

// Errand is a move that no plan asked for. What a plan's move is told as well is a
// field of the engine's Move; beside it is what no plan has. Of both run.options makes
// what the core goes by.
type Errand struct {
	engine.Move
	Scope       Scope
	UnaskedTime time.Duration   // see Options.UnaskedTime
	Order       json.RawMessage // how to go on with it, for whoever finds its record
	Baseline    engine.Baseline // what traffic was like before it, for a run that goes on with it; nil: nobody looked
	Ending      *Ending         // what ends once the nodes are empty: the record stays until End has seen to it; nil: nothing
}

// Run empties the nodes of an errand's scope. Interrupted, the same errand goes
// on from what the cluster keeps.
func (m *Mover) Run(ctx context.Context, e Errand) error {
	cluster, err := m.open(context.WithoutCancel(ctx), e.From)
	if err != nil {
		return err
	}
	defer cluster.Close()
	r := e.run(m, cluster)
	return r.loop(ctx)
}

// run is one that does the errand.
func (e Errand) run(m *Mover, cluster Cluster) *run {
	r := newRun(m, cluster, e.Move)
	r.scope, r.unaskedTime, r.order, r.baseline, r.ending = e.Scope, e.UnaskedTime, e.Order, e.Baseline, e.Ending
	return r
}

// UnaskedTime is how long a load balancer that nobody can ask is given to let go
// of a node, if the user does not say otherwise.
const UnaskedTime = unaskedTime

// LetGo lets an Auto Scaling group that a move held still, and emptied, act on its
// own again, with none to keep.
func (m *Mover) LetGo(ctx context.Context, group string) error {
	g, err := m.scaling.Group(ctx, group)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	h, held := g.hold()
	if !held {
		return nil
	}
	return letLoose(ctx, m.scaling, Resume{Group: group, Processes: h.Processes, Min: 0})
}

// Nothing is Scaling and Balancers where nobody can be asked: there are no groups
// to hold still, and each load balancer is one that cannot be asked.
type Nothing struct{}

var _ Scaling = Nothing{}

// Group is never there, and of no instance type is anything known.
func (Nothing) Group(context.Context, string) (Group, error) { return Group{}, ErrNotFound }
func (Nothing) Sizes(context.Context, []string) (map[string]Size, error) {
	return map[string]Size{}, nil
}

// States cannot be told: an instance that is left out would be gone.
func (Nothing) States(context.Context, []string) (map[string]string, error) { return nil, errNobody }

// Suspend and the other changes have no group to be of.
func (Nothing) Suspend(context.Context, string, []string) error      { return errNobody }
func (Nothing) Resume(context.Context, string, []string) error       { return errNobody }
func (Nothing) SetMin(context.Context, string, int) error            { return errNobody }
func (Nothing) Terminate(context.Context, string, []string) error    { return errNobody }
func (Nothing) Release(context.Context, string, []string) error      { return errNobody }
func (Nothing) Tag(context.Context, string, map[string]string) error { return errNobody }
func (Nothing) Untag(context.Context, string, []string) error        { return errNobody }

// Balancers are none, and nothing is registered with one.
func (Nothing) Balancers(context.Context, Inquiry) ([]Balancer, error) { return nil, nil }
func (Nothing) Deregister(context.Context, string, string) error       { return errNobody }
func (Nothing) Register(context.Context, string, string) error         { return errNobody }

var errNobody = errors.New("AWS cannot be asked")

// alone: the move is of no node group that AWS has to be asked about.
func (r *Record) alone() bool { return len(r.Order) > 0 && len(r.Holds) == 0 }

// readGroups reads Auto Scaling groups; those that are gone are left out.
func readGroups(ctx context.Context, scaling Scaling, names []string) ([]Group, error) {
	var groups []Group
	for _, name := range names {
		g, err := scaling.Group(ctx, name)
		if errors.Is(err, ErrNotFound) {
			continue // somebody deleted it: its nodes are missed soon enough
		}
		if err != nil {
			return nil, err
		}
		groups = append(groups, g)
	}
	return groups, nil
}
