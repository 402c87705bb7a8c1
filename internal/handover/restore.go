package handover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/problem"
)

// hashLabel is what a Deployment's ReplicaSets select by beside its own labels.
const hashLabel = "pod-template-hash"

const (
	// readmit is how long a pod's Services get to list it again before its
	// controller gets it back all the same: a pod that never becomes Ready again
	// must not hold a restoration up.
	readmit = 30 * time.Second

	// rescueLimit is how long nothing may change until a restoration gives up
	// what is left: longer than any pause of Restore's own.
	rescueLimit = 2*backLimit + farewell
)

// Restored is one thing that was given back, or would be.
type Restored struct {
	Object string `json:"object"`          // node/ip-10-0-1-7, pod/apps/web-1, group/web-2f9a6d1
	What   string `json:"what"`            // put back, give back, resume …
	Error  string `json:"error,omitempty"` // why it could not be
}

// Rescue gives back by hand what dead moves left behind, from the cluster and
// its Auto Scaling groups alone: no state and no journal is asked. First each
// dead move is stopped as if it were alive, which loses no request: a pod whose
// replacement serves goes the rest of its way. What no record tells of, or a
// stop could not see to, Restore gives back in rounds, until nothing is left.
type Rescue struct {
	Cluster Cluster
	AWS     func(context.Context) (Scaling, Balancers, error) // asked for when it is needed
	Groups  []string                                          // that the caller knows of, beside those that the cluster names
	Only    string                                            // one move; empty: all
	Force   bool                                              // also what a move is at work on
	Kept    bool                                              // also nodes that a move which is done keeps closed
	DryRun  bool                                              // only tell
	Tell    func(Restored)                                    // hears of each thing; nil: nobody does

	records map[string]*Record
	alive   map[string]time.Time // groups that a move is at work on, and when it last said so
	resting map[string]bool      // moves that are left alone, and that nobody is at work on
	failed  map[string]Restored  // by object: what is given up
	held    map[string]bool      // groups of which it is not known that they act on their own
	told    map[Restored]bool
}

// Run carries it out. A group that a move is at work on is left alone, and is an
// error of kind Refused once all else is given back.
func (r *Rescue) Run(ctx context.Context) error {
	if r.Tell == nil {
		r.Tell = func(Restored) {}
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	if err := r.stopDead(ctx); err != nil {
		return err
	}
	if err := r.rounds(ctx); err != nil {
		return err
	}
	if err := r.resume(ctx); err != nil {
		return err
	}
	if err := r.forget(ctx); err != nil {
		return err
	}
	return errors.Join(r.leftBehind(), r.leftAlone())
}

// begin reads the records, and who is alive.
func (r *Rescue) begin(ctx context.Context) error {
	r.records, r.alive, r.failed, r.held = map[string]*Record{}, map[string]time.Time{}, map[string]Restored{}, map[string]bool{}
	r.told, r.resting = map[Restored]bool{}, map[string]bool{}
	v, err := r.Cluster.View()
	if err != nil {
		return err
	}
	all, err := r.Cluster.Records(ctx)
	if err != nil {
		return outsideError("read the records of moves", err)
	}
	locks, err := r.Cluster.Locks(ctx)
	if err != nil {
		return outsideError("read the locks of moves", err)
	}
	for group, data := range all {
		rec, err := ReadRecord(data)
		if err != nil {
			rec = newRecord(group, 0, time.Time{}) // the marks on the objects are left
		}
		r.records[group] = rec
		switch l := locks[group]; {
		case r.Force:
			if err := r.takeAway(ctx, group, l); err != nil {
				return err
			}
		case l.Live(v.Now):
			r.alive[group] = l.Renewed
		case rec.Kept && !r.Kept || r.Only != "" && group != r.Only:
			r.resting[group] = true
		}
	}
	return nil
}

// takeAway takes a lock from its holder, who finds out when he renews it.
func (r *Rescue) takeAway(ctx context.Context, group string, l Lock) error {
	if r.DryRun || l.Holder == "" {
		return nil
	}
	if err := r.Cluster.Unlock(ctx, group, l.Holder); err != nil {
		return outsideError("take the lock of "+group+" away", err)
	}
	return nil
}

// isAlive: what the move changed is left alone. A move is at work on it, or it
// is done and its nodes are kept closed.
func (r *Rescue) isAlive(group string) bool {
	_, is := r.alive[group]
	return is || r.resting[group]
}

// stopDead stops every dead move. It needs AWS, and a cluster without another
// move at work: the two might share workloads.
func (r *Rescue) stopDead(ctx context.Context) error {
	if r.DryRun || len(r.alive) > 0 {
		return nil
	}
	v, err := r.Cluster.View()
	if err != nil {
		return err
	}
	r.gather(v)
	if len(r.records) == 0 {
		return nil
	}
	scaling, balancers, err := r.AWS(ctx)
	if err != nil { // told of by resume, if a group is held
		scaling, balancers = Nothing{}, Nothing{}
	}
	for _, group := range slices.Sorted(maps.Keys(r.records)) {
		if r.resting[group] || err != nil && !r.records[group].alone() {
			continue
		}
		mover := New(scaling, balancers, nil, event.Discard)
		if r.stop(ctx, mover, v, r.records[group]) {
			delete(r.records, group)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// gather makes records of what the marks on nodes tell, where there are none.
func (r *Rescue) gather(v *View) {
	for name, n := range v.Nodes {
		b, marked := n.before()
		if !marked || n.Group == "" || r.Only != "" && n.Group != r.Only || r.known(name) {
			continue
		}
		if r.records[n.Group] == nil {
			r.records[n.Group] = newRecord(n.Group, 0, v.Now)
		}
		r.records[n.Group].Nodes[name] = &NodeRecord{Before: b, State: NodeClosed, Since: v.Now}
	}
}

// known: a record tells of the node, whatever group it is of.
func (r *Rescue) known(node string) bool {
	for _, rec := range r.records {
		if rec.Nodes[node] != nil {
			return true
		}
	}
	return false
}

// stop has a dead move put everything back; true: it did.
func (r *Rescue) stop(ctx context.Context, mover *Mover, v *View, rec *Record) bool {
	x := newRun(mover, r.Cluster, engine.Move{
		From: engine.Host{Name: rec.Group}, Keep: rec.Keep, Events: event.Discard, Save: func(json.RawMessage) error { return nil },
	})
	x.did, x.order = r.tell, rec.Order
	_ = x.undo(ctx, v, rec, Reason{Kind: problem.Outside, Op: "restore " + rec.Group, Why: "its run is gone", Fix: "drover restore"}) // what is left is Restore's
	return rec.Phase == Stopped
}

// rounds has Restore decide, and carries out what it says, until it has nothing
// more to say but of what is given up.
func (r *Rescue) rounds(ctx context.Context) error {
	var last mark
	for {
		v, err := r.Cluster.View()
		if err != nil {
			return err
		}
		actions := slices.DeleteFunc(Restore(v, r.records, r.isAlive), func(a Action) bool { _, gone := r.failed[object(a)]; return gone })
		switch {
		case len(actions) == 0:
			return nil
		case r.DryRun:
			r.list(actions)
			return nil
		}
		actions = nodesFirst(actions)
		stuck := last.stuck(v.Now, fmt.Sprint(actions), rescueLimit)
		for _, a := range actions {
			r.carryOut(ctx, a, stuck)
		}
		if !pause(ctx, reread) { // so that the watches see what was done
			return ctx.Err()
		}
	}
}

// nodesFirst leaves deschedulers off as long as a node is to be opened: they would
// evict what is on it.
func nodesFirst(actions []Action) []Action {
	if !slices.ContainsFunc(actions, func(a Action) bool { _, is := a.(ChangeNode); return is }) {
		return actions
	}
	return slices.DeleteFunc(actions, func(a Action) bool { _, is := a.(ChangeEvictor); return is })
}

// list tells what would be done.
func (r *Rescue) list(actions []Action) {
	for _, a := range actions {
		if _, waits := a.(Wait); !waits {
			r.tell(a)
		}
	}
}

// carryOut does one thing. A refusal for good, or anything that still fails when
// nothing has changed for long, is given up.
func (r *Rescue) carryOut(ctx context.Context, a Action, stuck bool) {
	err := r.do(ctx, a)
	var refusal *Refusal
	switch _, waits := a.(Wait); {
	case waits: // no wait is without an end of its own
	case err == nil && stuck:
		r.giveUp(a, "it is undone again and again by somebody else")
	case err == nil:
		r.tell(a)
	case stuck, errors.As(err, &refusal) && !refusal.Passing:
		r.giveUp(a, err.Error())
	}
}

// tell tells of each thing once, though it is asked for until it is seen.
func (r *Rescue) tell(a Action) {
	done := Restored{Object: thing(a), What: what(a)}
	if !r.told[done] {
		r.told[done] = true
		r.Tell(done)
	}
}

func (r *Rescue) giveUp(a Action, why string) {
	f := Restored{Object: thing(a), What: what(a), Error: why}
	r.failed[object(a)] = f
	r.Tell(f)
}

func (r *Rescue) do(ctx context.Context, a Action) error {
	switch a := a.(type) {
	case ChangeNode:
		return r.changeNode(ctx, a)
	case ChangeEvictor:
		return r.Cluster.PatchEvictor(ctx, a.Evictor, a.Patch)
	case ChangePod:
		return r.Cluster.PatchPod(ctx, a.Pod, a.Patch)
	case Evict:
		return r.Cluster.Evict(ctx, a.Pod)
	case Unguard:
		return r.Cluster.Unguard(ctx, a.Node)
	case Wait:
		return nil
	}
	return fmt.Errorf("%s is not of a restoration", a)
}

// changeNode asks for AWS only where a node has to be registered again.
func (r *Rescue) changeNode(ctx context.Context, a ChangeNode) error {
	if len(a.Register) == 0 {
		return r.Cluster.PatchNode(ctx, a.Node, a.Patch)
	}
	_, balancers, err := r.AWS(ctx)
	if err != nil {
		return err
	}
	return a.carryOut(ctx, r.Cluster, balancers)
}

// resume lets the Auto Scaling groups act on their own again, as their tags and
// the records say.
func (r *Rescue) resume(ctx context.Context) error {
	groups, err := r.groups()
	if err != nil || len(groups) == 0 {
		return err
	}
	scaling, _, err := r.AWS(ctx)
	if err != nil {
		for _, name := range groups {
			r.notResumed(name, err)
		}
		return nil
	}
	for _, name := range groups {
		if err := r.resumeGroup(ctx, scaling, name); err != nil {
			r.notResumed(name, err)
		}
	}
	return nil
}

// groups are all that a dead move may have held still.
func (r *Rescue) groups() ([]string, error) {
	v, err := r.Cluster.View()
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, name := range r.Groups {
		found[name] = true
	}
	for _, n := range v.Nodes {
		found[n.Group] = r.Only == "" || n.Group == r.Only
	}
	for group, rec := range r.records {
		if r.resting[group] {
			continue
		}
		found[group] = !rec.alone()
		for name := range rec.Holds {
			found[name] = true
		}
	}
	maps.DeleteFunc(found, func(name string, is bool) bool { return !is || name == "" || r.isAlive(name) || r.heldByLiving(name) })
	return slices.Sorted(maps.Keys(found)), nil
}

// heldByLiving: a move at work holds the group for its own sake.
func (r *Rescue) heldByLiving(group string) bool {
	for of, rec := range r.records {
		if _, holds := rec.Holds[group]; holds && r.isAlive(of) {
			return true
		}
	}
	return false
}

func (r *Rescue) resumeGroup(ctx context.Context, scaling Scaling, name string) error {
	g, err := scaling.Group(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	h, held := g.hold()
	for _, of := range slices.Sorted(maps.Keys(r.records)) {
		if rec, known := r.records[of].Holds[name]; known && !held && !r.isAlive(of) {
			h, held = rec, len(g.running(rec.Processes)) < len(rec.Processes)
		}
	}
	if !held {
		return nil
	}
	a := Resume{Group: name, Processes: h.Processes, Min: min(h.Min, g.Desired)}
	if !r.DryRun {
		if err := letLoose(ctx, scaling, a); err != nil {
			return err
		}
	}
	r.tell(a)
	return nil
}

// notResumed notes a group that could not be seen to. One that no record names
// need not have been held at all.
func (r *Rescue) notResumed(group string, err error) {
	named := false
	for of, rec := range r.records {
		_, holds := rec.Holds[group]
		named = named || of == group || holds
	}
	f := Restored{Object: "group/" + group, What: "resume", Error: err.Error()}
	if named || r.marked(group) {
		r.failed[f.Object] = f
	}
	r.held[group] = true
	r.Tell(f)
}

// marked: the caller knows the group to be of this cluster.
func (r *Rescue) marked(group string) bool { return slices.Contains(r.Groups, group) }

// forget drops the records of which nothing is left.
func (r *Rescue) forget(ctx context.Context) error {
	for _, group := range slices.Sorted(maps.Keys(r.records)) {
		if r.isAlive(group) || r.needed(group) {
			continue
		}
		if !r.DryRun {
			if err := r.Cluster.SaveRecord(ctx, group, nil); err != nil {
				return outsideError("drop the record of "+group, err)
			}
		}
		r.Tell(Restored{Object: "record/" + group, What: "drop"})
	}
	return nil
}

// needed: something that the record tells of is not given back yet.
func (r *Rescue) needed(group string) bool {
	rec := r.records[group]
	for name := range rec.Holds {
		if r.held[name] {
			return true
		}
	}
	for name := range rec.Nodes {
		if _, failed := r.failed["node/"+name]; failed {
			return true
		}
	}
	for key := range rec.Rested {
		if _, failed := r.failed[key]; failed {
			return true
		}
	}
	return r.held[group]
}

// leftBehind is what could not be given back.
func (r *Rescue) leftBehind() error {
	if len(r.failed) == 0 {
		return nil
	}
	var notes []string
	for _, key := range slices.Sorted(maps.Keys(r.failed)) {
		f := r.failed[key]
		notes = append(notes, f.Object+": "+f.Error)
	}
	return &problem.Error{
		Kind: problem.Outside, Op: "restore", Err: fmt.Errorf("not all could be given back: %s", notes[0]),
		Fix: cure(notes[0]), Notes: notes[1:],
	}
}

// leftAlone names the groups that a move is at work on.
func (r *Rescue) leftAlone() error {
	if len(r.alive) == 0 {
		return nil
	}
	v, err := r.Cluster.View()
	if err != nil {
		return err
	}
	var lines []string
	for _, group := range slices.Sorted(maps.Keys(r.alive)) {
		lines = append(lines, fmt.Sprintf("%s (heard of %s ago)", group, v.Now.Sub(r.alive[group]).Round(time.Second)))
	}
	return &problem.Error{
		Kind: problem.Refused, Op: "restore", Err: fmt.Errorf("a move is at work on %s: that was left alone", strings.Join(lines, ", ")),
		Fix: fmt.Sprintf("end that run with Ctrl-C, or by drover moves abort: it puts everything back. If it is gone, wait until it has not been heard of for %s, or give --force", lockFor),
	}
}

func outsideError(op string, err error) error {
	if errors.Is(err, ErrBarred) {
		return wrap(err, op) // with its own remedy
	}
	return &problem.Error{Kind: problem.Outside, Op: op, Err: err, Fix: "see that the cluster answers, then run the same command again"}
}

// thing names what an action changes, for a person.
func thing(a Action) string {
	switch a := a.(type) {
	case ChangePod:
		return "pod/" + a.Pod.String()
	case Evict:
		return "pod/" + a.Pod.String()
	case Unguard:
		return "node/" + a.Node
	}
	return object(a)
}

// what says what an action does to it.
func what(a Action) string {
	switch a := a.(type) {
	case ChangeNode:
		return a.What
	case ChangeEvictor:
		return a.What
	case ChangePod:
		return a.What
	case Evict:
		return "end, since its replacement serves"
	case Unguard:
		return "take the sentinel away"
	case Resume:
		return fmt.Sprintf("resume %s, min %d", strings.Join(a.Processes, " "), a.Min)
	}
	return a.String()
}

// handBack gives a released pod back. One that is out of its Services returns
// to those first: its controller has a pod too many once it owns it again, and
// may end one that serves before this one does.
func (v *View) handBack(p *Pod, r Release) Action {
	switch {
	case r.Out && p.Ready:
		return letIn(p, r, v.Now)
	case !r.Out && len(r.Services) > 0 && !p.readmitted(r) && v.Now.Sub(r.OutAt) < readmit:
		return Wait{For: fmt.Sprintf("pod %s: its Services list it again", p.Ref)}
	}
	return giveBack(p, r, v.Now)
}

// letIn returns to a released pod the labels that its Services select by, and
// not that by which its ReplicaSet would.
func letIn(p *Pod, r Release, now time.Time) ChangePod {
	labels, left := map[string]*string{}, map[string]string{}
	for key, value := range r.Labels {
		if r.Owner == nil && key == hashLabel {
			left[key] = value
			continue
		}
		if _, set := p.Labels[key]; !set { // else by others, since
			labels[key] = new(value)
		}
	}
	r.Labels, r.Out, r.OutAt = left, false, now
	return ChangePod{Pod: p.Ref, Workload: r.Workload, What: "let in", Patch: Patch{
		Labels: labels, Annotations: map[string]*string{ReleasedAnnotation: new(encode(r))},
	}}
}

// readmitted: every Service that it was taken out of lists it as serving.
func (p *Pod) readmitted(r Release) bool {
	return !slices.ContainsFunc(r.Services, func(service string) bool {
		return !slices.ContainsFunc(p.Paths, func(x Path) bool { return x.Service == service && x.Listed && x.Ready })
	})
}

// taken removes the last trace from a pod that was given back, once its
// controller owns it again and has no pod too many, or should have long ago.
func (v *View) taken(p *Pod, r Release) Action {
	owned := 0
	for _, q := range v.Of(r.Workload) {
		if !q.Deleting && !q.stays() && !q.beside() {
			owned++
		}
	}
	w := v.Workloads[r.Workload]
	if w == nil || p.daemon() || p.Workload == r.Workload && owned <= w.Wants || v.Now.Sub(r.OutAt) >= 2*backLimit {
		return forget(p, r)
	}
	return Wait{For: fmt.Sprintf("pod %s: its controller takes it back", p.Ref)}
}
