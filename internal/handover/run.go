package handover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

const (
	// reread is how often Auto Scaling and the load balancers are asked: they
	// have no watch. AWS throttles these reads per account at some 10 a second.
	reread = time.Second

	// beat is the longest time between two turns: so long may a breach go
	// unnoticed when nothing else happens.
	beat = 250 * time.Millisecond

	// pace is the shortest time between two turns, so that a busy cluster's
	// watches do not keep a processor busy.
	pace = 100 * time.Millisecond

	// outage is how long calls may fail, one after the other, before the
	// hand-over gives up. State is saved by then.
	outage = 5 * time.Minute
)

// Connect opens a cluster from graph.Resource.Conn.
type Connect func(ctx context.Context, conn plan.Props) (Cluster, error)

// Mover moves workloads off node groups.
type Mover struct {
	scaling   Scaling
	balancers Balancers
	connect   Connect
	events    event.Sink // for what Retire does; a hand-over's go to its Move
}

var _ engine.Mover = (*Mover)(nil)

// New makes a Mover.
func New(scaling Scaling, balancers Balancers, connect Connect, events event.Sink) *Mover {
	return &Mover{scaling: scaling, balancers: balancers, connect: connect, events: events}
}

// Inspect says what a hand-over of the host would meet.
func (m *Mover) Inspect(ctx context.Context, from engine.Host, keep int, replaced []graph.Key) (engine.Inspection, error) {
	cluster, err := m.connect(ctx, from.Conn)
	if err != nil {
		return engine.Inspection{}, err
	}
	defer cluster.Close()
	s := State{Group: from.Name, Keep: keep, Phase: Inspect}
	r := &run{Mover: m, cluster: cluster, now: time.Now}
	o, err := r.observe(ctx, s)
	if err != nil {
		return engine.Inspection{}, fmt.Errorf("inspect %s: %w", from.Name, err)
	}
	s.Nodes = newTurn(s, o).choose()
	t := newTurn(s, o)
	return engine.Inspection{
		Nodes:     len(t.old),
		Pods:      len(t.pods),
		Balancers: count(o.Balancers, t.uses),
		Findings:  findings(t, keys(o.Cluster, replaced)),
	}, nil
}

// keys are the workloads of the snapshot that the plan replaces.
func keys(s Snapshot, replaced []graph.Key) map[string]bool {
	found := map[string]bool{}
	for _, w := range s.Workloads {
		key := graph.Key{Type: w.API + "/" + w.Kind, Name: w.Namespace + "/" + w.Name}
		if slices.Contains(replaced, key) {
			found[w.Key()] = true
		}
	}
	return found
}

// HandOver empties the host.
func (m *Mover) HandOver(ctx context.Context, mv engine.Move) error {
	s, err := resume(mv)
	if err != nil {
		return err
	}
	cluster, err := m.connect(ctx, mv.From.Conn)
	if err != nil {
		return err
	}
	defer cluster.Close()
	r := &run{Mover: m, cluster: cluster, move: mv, now: time.Now, refused: map[string]Refused{}}
	return r.loop(ctx, s)
}

// resume reads what was saved before a crash. A hand-over that had stopped
// starts anew; one that was done watches the nodes once more.
func resume(mv engine.Move) (State, error) {
	s := State{Group: mv.From.Name, Keep: mv.Keep, Phase: Inspect}
	if len(mv.Memo) == 0 {
		return s, nil
	}
	var saved State
	if err := json.Unmarshal(mv.Memo, &saved); err != nil {
		return State{}, fmt.Errorf("read the saved state of the hand-over of %s: %w", mv.From.Name, err)
	}
	switch {
	case saved.Phase == Stopped || saved.Group != s.Group || saved.Keep != s.Keep:
		return s, nil
	case saved.Phase == Done:
		saved.Phase, saved.Since = Soak, time.Now()
	}
	return saved, nil
}

// run is one hand-over under way.
type run struct {
	*Mover
	cluster Cluster
	move    engine.Move
	now     func() time.Time

	aws     outside            // as last read
	refused map[string]Refused // by pod UID
	failing time.Time          // since when every turn had an error; zero: the last one had none
	seen    Observed           // by the turn before
	waiting string             // last said
}

// outside is what AWS said at a time.
type outside struct {
	at        time.Time
	from      Group
	to        []Group
	balancers []Balancer
}

// loop takes turns until there is nothing left to do.
func (r *run) loop(ctx context.Context, s State) error {
	r.move.Events.Emit(event.PhaseChanged{Step: r.move.Step, Group: s.Group, To: event.Phase(s.Phase)})
	for {
		began := r.now()
		next, err := r.turn(ctx, s)
		if err := r.endure(ctx, err); err != nil {
			return err
		}
		if next.Phase == Done {
			return nil
		}
		if next.Phase == Stopped {
			return failure(next)
		}
		moved := next.Phase != s.Phase
		s = next
		if err := r.rest(ctx, began, moved); err != nil {
			return err
		}
	}
}

// turn observes, decides, saves, and acts, in this order: what is saved
// before it is done can be done again, never forgotten.
func (r *run) turn(ctx context.Context, s State) (State, error) {
	o, err := r.observe(ctx, s)
	if err != nil {
		return s, err
	}
	for _, f := range changes(r.seen, o, s) {
		r.move.Events.Emit(f)
	}
	r.seen = o
	next, actions := Next(s, o)
	if !reflect.DeepEqual(s, next) {
		if err := r.save(next); err != nil {
			return s, err
		}
	}
	if next.Phase != s.Phase {
		r.move.Events.Emit(event.PhaseChanged{Step: r.move.Step, Group: s.Group, From: event.Phase(s.Phase), To: event.Phase(next.Phase)})
	}
	var failed []error
	for _, a := range actions {
		if err := r.do(ctx, a); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", a, err))
		}
	}
	r.say(actions)
	return next, errors.Join(failed...)
}

func (r *run) save(s State) error {
	memo, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("save the hand-over of %s: %w", s.Group, err)
	}
	if err := r.move.Save(memo); err != nil {
		return fmt.Errorf("save the hand-over of %s: %w", s.Group, err)
	}
	return nil
}

// endure forgives errors that do not last: every action is asked for again.
func (r *run) endure(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		r.failing = time.Time{}
		return nil
	case r.failing.IsZero():
		r.failing = r.now()
	}
	if r.now().Sub(r.failing) < outage {
		r.move.Events.Emit(event.Progress{Step: r.move.Step, Waiting: "trying again: " + err.Error()})
		return nil
	}
	return &problem.Error{
		Kind: problem.Outside, Op: "hand over " + r.move.From.Name, Err: fmt.Errorf("failing for %s: %w", outage, err),
		Fix: "state is saved. Cure what fails, then run the same command again: it continues",
	}
}

// rest waits for a reason to take the next turn.
func (r *run) rest(ctx context.Context, began time.Time, moved bool) error {
	if moved {
		return ctx.Err()
	}
	next := time.NewTimer(beat)
	defer next.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-next.C:
		return nil
	case <-r.cluster.Changed():
	}
	early := time.NewTimer(pace - r.now().Sub(began))
	defer early.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-early.C:
		return nil
	}
}

// observe reads everything that a turn rests on. AWS may be as old as reread;
// it only ever makes a turn wait longer, because what is released there was
// listed before.
func (r *run) observe(ctx context.Context, s State) (Observed, error) {
	snapshot, err := r.cluster.Snapshot()
	if err != nil {
		return Observed{}, err
	}
	o := Observed{At: r.now(), Cluster: snapshot, Refused: r.refused}
	if r.aws.at.IsZero() || o.At.Sub(r.aws.at) >= reread {
		if r.aws, err = r.ask(ctx, s, snapshot); err != nil {
			r.aws = outside{}
			return Observed{}, err
		}
	}
	o.From, o.To, o.Balancers = r.aws.from, r.aws.to, r.aws.balancers
	if r.move.Breach != nil {
		if reason, yes := r.move.Breach(); yes {
			o.Breach = reason
		}
	}
	if s.Phase == Ready {
		t := newTurn(s, o)
		refs := make([]Ref, len(t.pods))
		for i, p := range t.pods {
			refs[i] = p.Ref
		}
		if o.Places, err = r.cluster.Places(refs); err != nil {
			return Observed{}, err
		}
	}
	return o, nil
}

// ask reads the groups and the load balancers.
func (r *run) ask(ctx context.Context, s State, snapshot Snapshot) (outside, error) {
	now := outside{at: r.now()}
	var err error
	if now.from, err = r.scaling.Group(ctx, s.Group); err != nil && !errors.Is(err, ErrNotFound) {
		return outside{}, fmt.Errorf("read Auto Scaling group %s: %w", s.Group, err)
	}
	for _, host := range r.move.To {
		g, err := r.scaling.Group(ctx, host.Name)
		if err != nil {
			return outside{}, fmt.Errorf("read Auto Scaling group %s: %w", host.Name, err)
		}
		now.to = append(now.to, g)
	}
	ids := instances(s.Group, now.from, snapshot)
	if len(ids) == 0 && len(s.Balancers) == 0 {
		return now, nil
	}
	if now.balancers, err = r.balancers.Balancers(ctx, ids, s.Balancers); err != nil {
		return outside{}, fmt.Errorf("read the load balancers of %s: %w", s.Group, err)
	}
	return now, nil
}

// instances of a group: those in it, and those of nodes that carry its name.
func instances(group string, g Group, s Snapshot) []string {
	var ids []string
	for _, i := range g.Instances {
		ids = append(ids, i.ID)
	}
	for _, n := range s.Nodes {
		if n.Instance != "" && belongs(n, group, g) {
			ids = append(ids, n.Instance)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// do carries an action out.
func (r *run) do(ctx context.Context, a Action) error {
	group := r.move.From.Name
	switch a := a.(type) {
	case Hold:
		if err := r.scaling.Tag(ctx, group, a.Tags); err != nil {
			return err
		}
		if err := r.scaling.Suspend(ctx, group, a.Processes); err != nil {
			return err
		}
		r.aws.at = time.Time{}
		return setMin(ctx, r.scaling, group, a.Min)
	case Resume:
		r.aws.at = time.Time{}
		return letLoose(ctx, r.scaling, group, a)
	case ChangeNode:
		return r.cluster.PatchNode(ctx, a.Node, a.Patch)
	case ChangePod:
		return r.cluster.PatchPod(ctx, a.Pod, a.Patch)
	case Evict:
		err := r.cluster.Evict(ctx, a.Pod)
		var refusal *Refusal
		if errors.As(err, &refusal) {
			r.refused[a.Pod.UID] = Refused{At: r.now(), Refusal: *refusal}
			return nil
		}
		delete(r.refused, a.Pod.UID)
		return err
	case Report:
		r.move.Events.Emit(a.Finding)
	case Wait: // said by say, once a turn
	}
	return nil
}

func setMin(ctx context.Context, scaling Scaling, group string, n int) error {
	if n < 0 {
		return nil
	}
	return scaling.SetMin(ctx, group, n)
}

// letLoose undoes a Hold; the record goes last.
func letLoose(ctx context.Context, scaling Scaling, group string, a Resume) error {
	if len(a.Processes) > 0 {
		if err := scaling.Resume(ctx, group, a.Processes); err != nil {
			return err
		}
	}
	if err := setMin(ctx, scaling, group, a.Min); err != nil {
		return err
	}
	return scaling.Untag(ctx, group, []string{suspendedTag, minTag})
}

// say reports what the turn waits for, if that is news.
func (r *run) say(actions []Action) {
	t := turn{actions: actions}
	if waiting := list(t.waits()); waiting != "" && waiting != r.waiting {
		r.waiting = waiting
		r.move.Events.Emit(event.Progress{Step: r.move.Step, Waiting: waiting})
	}
}

// failure is what a stopped hand-over returns.
func failure(s State) error {
	return &problem.Error{Kind: s.Reason.Kind, Op: s.Reason.Op, Err: errors.New(s.Reason.Why), Fix: s.Reason.Fix, Notes: s.Reason.Notes}
}
