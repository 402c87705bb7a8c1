package move

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// The way back of a move: its nodes open, and once they serve again what it has
// moved goes back to them, by the same machines and under the same promise. What
// has to be remembered lies in two records: the move's own, which stays until all
// is through, and that of the way back, which is a move of the nodes that took the
// pods.

// Return moves back what a move has moved; o says how, as Taken tells. Interrupted
// or killed, the same call goes on.
func Return(ctx context.Context, m Move, o Options) error {
	s, err := open(ctx, o.Access)
	if err != nil {
		return err
	}
	defer s.close()
	return giveBack(ctx, s, m, o)
}

// Taken are the options by which a move is taken back: those that it was given.
func Taken(a Access, m Move) (Options, error) {
	refuse := func(why, fix string) error {
		return &problem.Error{Kind: problem.Refused, Op: "return the move of " + m.Name, Err: errors.New(why), Fix: fix}
	}
	switch {
	case m.By != "":
		return Options{}, &problem.Error{Kind: problem.Locked, Op: "return the move of " + m.Name, Err: fmt.Errorf("%s works on it", m.By), Fix: "drover moves abort " + m.Name + " puts back what it has closed"}
	case m.Stack:
		return Options{}, refuse("it is a stack's", "drover return, in its project; drover moves recover "+m.Name+" only opens the nodes of a run that is gone")
	}
	if of := returns(m.order); of != "" {
		return Options{}, refuse("it is the way back of "+of, "drover moves return "+of)
	}
	o, err := readOrder(m.order)
	o.Access = a
	return o, err
}

// wayBack is what the record of a way back keeps of what was asked for.
type wayBack struct {
	Returns string `json:"returns"` // the move that is taken back
}

// returns is the move of which the order is the way back; empty: it is none.
func returns(order []byte) string {
	var w wayBack
	if json.Unmarshal(order, &w) != nil {
		return ""
	}
	return w.Returns
}

// way is the way back of one move.
type way struct {
	*job
	move   string           // that is taken back
	record *handover.Record // its own
	memo   json.RawMessage  // the same, as it lies in the cluster
	nodes  found            // those that took the pods
}

func newWay(ctx context.Context, s *session, m Move, o Options) (*way, error) {
	records, err := s.cluster.Records(ctx)
	if err != nil {
		return nil, unread(err)
	}
	y := &way{move: m.Name, memo: records[m.Name]}
	if y.record, err = handover.ReadRecord(y.memo); err != nil {
		return nil, unread(err)
	}
	if y.job, err = newJob(ctx, s, o); err != nil {
		return nil, err
	}
	took, err := y.took(records[y.backName()])
	if err != nil || len(took) == 0 {
		return y, err
	}
	if y.nodes, err = s.resolve(ctx, nodeSets(took)); err != nil {
		return nil, err
	}
	if y.nodes, err = s.resolve(ctx, nodeSets(append(took, y.beside(y.nodes)...))); err != nil {
		return nil, err
	}
	return y, nil
}

func nodeSets(names []string) []Set {
	var sets []Set
	for _, name := range names {
		sets = append(sets, Set{Node, name})
	}
	return sets
}

// beside are the other nodes of the groups that took pods: these would go from one
// to another of them instead of back.
func (y *way) beside(took found) []string {
	v, err := y.cluster.View()
	if err != nil {
		return nil // the next look says so, too
	}
	groups := map[string]bool{}
	for _, name := range took.nodes {
		groups[groupOf(v.Nodes[name])] = true
	}
	var names []string
	for name, n := range v.Nodes {
		if group := groupOf(n); group != "" && groups[group] && y.record.Nodes[name] == nil {
			names = append(names, name)
		}
	}
	return names
}

// groupOf is the group of a node, as a label tells; empty: none does.
func groupOf(n *handover.Node) string {
	if n == nil {
		return ""
	}
	if n.Group != "" {
		return stackLabel + "=" + n.Group
	}
	for _, label := range []string{managedLabel, poolLabel, eksctlLabel} {
		if name := n.Labels[label]; name != "" {
			return label + "=" + name
		}
	}
	return ""
}

// backName is what the way back is called.
func (y *way) backName() string { return y.move + "/return" }

// took are the nodes that took pods: those on which they are now, and those that
// an earlier run was about to empty.
func (y *way) took(earlier []byte) ([]string, error) {
	v, err := y.cluster.View()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range v.Pods {
		if y.goesBack(p) {
			names = append(names, p.Node)
		}
	}
	if rec, err := handover.ReadRecord(earlier); err == nil {
		for name := range rec.Nodes {
			if v.Nodes[name] != nil {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// goesBack: the move brought the pod to a node that took its pods.
func (y *way) goesBack(p *handover.Pod) bool {
	return p.Node != "" && y.record.Nodes[p.Node] == nil && y.record.Brought(p) && (len(y.To) == 0 || slices.Contains(y.to.nodes, p.Node))
}

// opening is the errand that opens the nodes of the move.
func (y *way) opening() handover.Errand {
	e := y.errand()
	e.From.Name, e.Order = y.move, y.record.Order
	return e
}

// back is the errand that moves the pods back.
func (y *way) back(breach func() (string, bool)) handover.Errand {
	e := handover.Errand{
		Move:        engine.Move{Step: 2, From: engine.Host{Name: y.backName(), Settle: y.Settle}, Events: y.Events, Back: true, Owed: []json.RawMessage{y.memo}, Breach: breach},
		UnaskedTime: y.BalancerSettle,
		Scope: handover.Scope{Nodes: y.nodes.nodes, Beside: y.nodes.groupNames(), Stay: true,
			In: func(p *handover.Pod, _ time.Time) bool { return y.goesBack(p) }},
	}
	for _, g := range y.hosts(y.from, append(y.nodes.groupNames(), y.backName())) {
		e.To = append(e.To, engine.Host{Name: g})
	}
	e.Order, _ = json.Marshal(wayBack{y.move}) // a string
	return e
}

// tell is what would be done. Where each pod goes is not known as long as the
// nodes are closed.
func (y *way) tell() (Report, error) {
	v, err := y.cluster.View()
	if err != nil {
		return Report{}, err
	}
	r := Report{From: y.backName(), To: names(y.From), Then: Keep, Nodes: append([]string{}, y.nodes.nodes...), Pods: []Pod{}, Findings: y.unasked(context.Background(), handover.Foresight{}), Back: true}
	for _, name := range y.nodes.nodes {
		for _, p := range v.On(name) {
			if y.goesBack(p) && !p.Stays() {
				r.Pods = append(r.Pods, Pod{Name: p.String(), Workload: p.Subject(), Node: p.Node, How: "goes back"})
			}
		}
	}
	return r, nil
}

func giveBack(ctx context.Context, s *session, m Move, o Options) error {
	if o.Events == nil {
		o.Events = event.Discard
	}
	y, err := newWay(ctx, s, m, o)
	if err != nil {
		return err
	}
	report, err := y.tell()
	if err != nil {
		return err
	}
	if err := o.show(report); err != nil {
		return err
	}
	if err := o.approve(report); err != nil {
		return err
	}
	return o.told(ctx, "return", y.move, y.plan(report), o.inTime(y.carryOut))
}

// plan is the way back as views show it.
func (y *way) plan(r Report) plan.Plan {
	p := plan.Plan{Stack: y.move, Steps: []plan.Step{{ID: 1, Op: plan.Update, URN: y.urn(), Gen: 1, Name: y.urn().Name(), Why: "its nodes take pods and traffic again"}}}
	if len(y.nodes.nodes) > 0 {
		why := fmt.Sprintf("%s, %s", problem.Count(len(r.Nodes), "node"), problem.Count(len(r.Pods), "pod"))
		p.Steps = append(p.Steps, plan.Step{ID: 2, Op: plan.HandOver, URN: y.urn(), Gen: 1, Name: y.backName(), Why: why, Hosts: true, Needs: []int{1}})
	}
	return p
}

// carryOut opens the old nodes, and moves the pods back once these serve again.
func (y *way) carryOut(ctx context.Context) error {
	watch := y.watchBack(ctx)
	defer watch.Stop()
	mover := y.mover(y.Events)
	if err := y.step(ctx, 1, plan.Update, func() error { return mover.Open(ctx, y.opening(), true) }); err != nil {
		return err
	}
	if len(y.nodes.nodes) > 0 {
		if err := y.step(ctx, 2, plan.HandOver, func() error { return y.bring(ctx, mover, y.back(watch.Breach)) }); err != nil {
			return err
		}
	}
	if err := y.cluster.SaveRecord(ctx, y.move, nil); err != nil {
		return &problem.Error{Kind: problem.Outside, Op: "drop the record of " + y.move, Err: err, Fix: "all is back: run the same command again"}
	}
	return nil
}

// bring moves the pods back, and opens the nodes that they leave.
func (y *way) bring(ctx context.Context, mover *handover.Mover, e handover.Errand) error {
	if err := mover.Run(ctx, e); err != nil {
		return err
	}
	return mover.Open(ctx, e, false)
}

// watchBack starts the guards. One that cannot judge the way back keeps nobody from
// it: traffic may be down because of the move.
func (y *way) watchBack(ctx context.Context) engine.Watch {
	watch, err := y.watch(ctx)
	if err != nil {
		y.Events.Emit(event.Finding{Severity: event.Warning, Object: "guard", Effect: "it cannot watch the way back, which goes on without it: " + err.Error()})
		return blind{}
	}
	return watch
}
