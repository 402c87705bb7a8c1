package move

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/aws"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/guard"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/kube/cluster"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// Check looks what Run would do and meet. It changes nothing.
func Check(ctx context.Context, o Options) (Report, error) {
	s, err := o.open(ctx)
	if err != nil {
		return Report{}, err
	}
	defer s.close()
	return check(ctx, s, o)
}

// CheckAll is Check; without From it looks at each node as if it were to be
// emptied by itself.
func CheckAll(ctx context.Context, o Options) ([]Report, error) {
	if len(o.From) > 0 {
		r, err := Check(ctx, o)
		return []Report{r}, err
	}
	s, err := open(ctx, o.Access)
	if err != nil {
		return nil, err
	}
	defer s.close()
	s.cluster = lookedAround(ctx, s.cluster)
	if s.fleet != nil {
		s.fleet = &askedOnce{fleet: s.fleet, habits: map[string]habit{}}
	}
	v, err := s.cluster.View()
	if err != nil {
		return nil, err
	}
	var reports []Report
	for _, name := range slices.Sorted(maps.Keys(v.Nodes)) {
		o.From = []Set{{Node, name}}
		r, err := check(ctx, s, o)
		if err != nil {
			return reports, err
		}
		reports = append(reports, r)
	}
	return reports, nil
}

// lookedAround is a cluster that tells of its surroundings as they were when it was
// first asked: what holds for all nodes is asked once, and not for each.
func lookedAround(ctx context.Context, c handover.Cluster) handover.Cluster {
	return around{c, sync.OnceValues(func() (handover.Surroundings, error) { return c.Surroundings(ctx) })}
}

type around struct {
	handover.Cluster
	ask func() (handover.Surroundings, error)
}

// Surroundings are as they were.
func (a around) Surroundings(context.Context) (handover.Surroundings, error) { return a.ask() }

// askedOnce is a fleet that tells of a group's habits as they were when they were first
// asked for: each of its nodes is looked at by itself.
type askedOnce struct {
	fleet
	habits map[string]habit
}

type habit struct {
	handover.Habits
	err error
}

// Habits are as they were.
func (f *askedOnce) Habits(ctx context.Context, group string) (handover.Habits, error) {
	h, known := f.habits[group]
	if !known {
		h.Habits, h.err = f.fleet.Habits(ctx, group)
		f.habits[group] = h
	}
	return h.Habits, h.err
}

func check(ctx context.Context, s *session, o Options) (Report, error) {
	j, err := newJob(ctx, s, o)
	if err != nil {
		return Report{}, err
	}
	return j.look(ctx)
}

// Run empties the nodes of o.From. Interrupted or failed, the same call goes on
// where it was, on whatever machine: what must be remembered is in the cluster.
func Run(ctx context.Context, o Options) error {
	s, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	return run(ctx, s, o)
}

func run(ctx context.Context, s *session, o Options) error {
	if o.Events == nil {
		o.Events = event.Discard
	}
	o.Fresh = nil // they stand by now, or are not to be counted on
	j, err := newJob(ctx, s, o)
	if err != nil {
		return err
	}
	report, err := j.look(ctx)
	if err != nil {
		return err
	}
	if err := o.show(report); err != nil {
		return err
	}
	if err := j.refuse(report); err != nil {
		return err
	}
	if err := o.approve(report); err != nil {
		return err
	}
	return o.told(ctx, "migrate", j.name, j.plan(report), o.inTime(j.carryOut))
}

var errLate = errors.New("the time that was given is over")

// inTime carries out what was approved, for as long as it may take. A person's time to
// answer does not count.
func (o Options) inTime(carryOut func(context.Context) error) func(context.Context) error {
	if o.Timeout <= 0 {
		return carryOut
	}
	return func(ctx context.Context) error {
		ctx, end := context.WithTimeoutCause(ctx, o.Timeout, errLate)
		defer end()
		err := carryOut(ctx)
		if err == nil || !errors.Is(context.Cause(ctx), errLate) {
			return err
		}
		return &problem.Error{Kind: problem.Outside, Op: "move pods", Err: fmt.Errorf("it was not done after %s (%w)", o.Timeout, err),
			Fix: "what had moved stays moved. Run the same command again: it moves the rest"}
	}
}

func (o Options) show(r Report) error {
	if o.Show == nil {
		return nil
	}
	return o.Show(r)
}

func (o Options) approve(r Report) error {
	if o.Approve == nil {
		return nil
	}
	return o.Approve(r)
}

// told carries a plan out, and tells of its beginning and its end.
func (o Options) told(ctx context.Context, command, name string, p plan.Plan, carryOut func(context.Context) error) (err error) {
	began := time.Now()
	o.Events.Emit(event.RunStarted{Command: command, Stack: name})
	o.Events.Emit(event.Planned{Plan: p})
	defer func() {
		finished := event.RunFinished{Took: time.Since(began)}
		if err != nil {
			finished.Error = problem.Reason(ctx, err)
		}
		o.Events.Emit(finished)
	}()
	defer problem.Recover(&err)
	return carryOut(ctx)
}

// open opens the cluster as the options want it dealt with.
func (o Options) open(ctx context.Context) (*session, error) {
	if err := o.verify(); err != nil {
		return nil, err
	}
	var options []cluster.Option
	if o.EndBare {
		options = append(options, cluster.EndBare())
	}
	if o.Grace != nil {
		options = append(options, cluster.Grace(*o.Grace))
	}
	return open(ctx, o.Access, options...)
}

// verify finds what does not go together, all at once.
func (o Options) verify() error {
	var wrong problem.List
	add := func(op string, err error, fix string) {
		wrong = append(wrong, &problem.Error{Kind: problem.Usage, Op: op, Err: err, Fix: fix})
	}
	if len(o.From) == 0 {
		add("--from", errNothing, "as in nodegroup/web")
	}
	switch o.Then {
	case "", Keep:
	case Empty, Delete:
		if why, fix := o.cannot(); why != "" {
			add("--then "+string(o.Then), errors.New(why), fix)
		}
	default:
		add("--then", fmt.Errorf("%q is not a choice", o.Then), "take keep, empty or delete")
	}
	if why, fix := o.unlikely(); why != "" {
		add("--create-like", errors.New(why), fix)
	}
	if why := o.unshrinkable(); why != "" {
		add("leave some nodes", errors.New(why), "name one group, asg/NAME or nodegroup/NAME, how many of its nodes stay, and Then: Empty")
	}
	for _, g := range o.Guards {
		switch g.OnBreach {
		case "", "stop", "ignore":
		default: // only a plan knows the way back of a move that was stopped
			add("guard "+g.URL, fmt.Errorf("%q is not what a breach can lead to", g.OnBreach), "take stop or ignore")
		}
	}
	return wrong.Err()
}

// job is one move: its sets resolved.
type job struct {
	*session
	Options
	name string // of the move: its From, as it was written
	from found
	to   found

	ending *handover.Ending // what ends once the nodes are empty; nil: nothing
	copy   *aws.Copy        // the group that is made first; nil: none
	ends   bool             // an earlier run has emptied them, and they have ended: only that end is left
}

func newJob(ctx context.Context, s *session, o Options) (*job, error) {
	j := &job{session: s, Options: o}
	j.Then = cmp.Or(o.Then, Keep)
	if o.Events == nil {
		j.Events = event.Discard
	}
	var err error
	j.from, err = s.resolve(ctx, o.From)
	if err = j.goOn(ctx, err); err != nil {
		return nil, err
	}
	if j.to, err = s.resolve(ctx, o.To); err != nil {
		return nil, err
	}
	for _, name := range j.to.nodes {
		if slices.Contains(j.from.nodes, name) {
			return nil, &problem.Error{Kind: problem.Usage, Op: "--to " + names(o.To), Err: fmt.Errorf("node %s is among those that are emptied", name), Fix: "name nodes that stay"}
		}
	}
	if err := j.retirable(); err != nil {
		return nil, err
	}
	if j.Then != Keep && j.ending == nil {
		if j.ending, err = j.doomed(ctx); err != nil {
			return nil, err
		}
	}
	if err := j.like(ctx); err != nil {
		return nil, err
	}
	j.name = names(o.From)
	switch {
	case o.Leave > 0:
		j.name = j.ending.Group
	case len(o.From) == 1 && (o.From[0].Kind == ASG || o.From[0].Kind == Group):
		j.name = j.groupName()
	}
	return j, nil
}

// groupName is what a stack's move of the same group is called.
func (j *job) groupName() string {
	if j.From[0].Kind == ASG {
		return j.From[0].Name
	}
	v, err := j.cluster.View()
	if err != nil || len(j.from.nodes) == 0 {
		return j.From[0].Name
	}
	if n := v.Nodes[j.from.nodes[0]]; n != nil {
		return n.Group
	}
	return j.From[0].Name // it has gone in this very moment
}

// names are sets as they are written, in an order of their own.
func names(sets []Set) string {
	texts := make([]string, len(sets))
	for i, s := range sets {
		texts[i] = s.String()
	}
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), ",")
}

// errand is what the core is asked for.
func (j *job) errand() handover.Errand {
	scope := handover.Scope{Nodes: j.from.nodes, Group: j.from.whole, In: j.Only.in(), Stay: j.Then == Keep}
	if scope.Nodes == nil {
		scope.Nodes = []string{}
	}
	ending := j.ending
	switch {
	case j.Leave > 0:
		ending = nil             // its nodes that stay tell what is meant
		scope = handover.Scope{} // of the group by its name, of which the core chooses as many as are too many
	case scope.Group == "":
		scope.Beside = j.from.groupNames()
	}
	e := handover.Errand{
		Move:        engine.Move{Step: j.id(1), From: engine.Host{Name: j.name, Fresh: j.fresh(), Soak: j.Soak, Settle: j.Settle}, Keep: j.Leave, Events: j.Events},
		Scope:       scope,
		UnaskedTime: j.BalancerSettle,
		Ending:      ending,
	}
	for _, g := range j.hosts(j.to, append(j.from.groupNames(), j.name)) {
		e.To = append(e.To, engine.Host{Name: g})
	}
	e.Order, _ = json.Marshal(j.order()) // strings
	return e
}

// fresh are the nodes that a look counts on beside those that stand.
func (j *job) fresh() []engine.Fresh {
	var all []engine.Fresh
	for _, f := range j.Fresh {
		all = append(all, engine.Fresh{Nodes: f.Nodes, Type: f.InstanceType})
	}
	return all
}

// look says what the move would do.
func (j *job) look(ctx context.Context) (Report, error) {
	f, err := j.mover(event.Discard).Foresee(ctx, j.errand())
	if err != nil {
		return Report{}, err
	}
	r := Report{From: names(j.From), To: names(j.To), Then: j.Then, Nodes: f.Nodes, Balancers: f.Balancers, Takes: f.Takes, Findings: f.Findings, Pods: []Pod{}}
	if j.copy != nil {
		r.To, r.Makes = j.set().String(), j.copy.Lines
	}
	for _, fate := range f.Pods {
		r.Pods = append(r.Pods, podOf(fate))
	}
	for _, look := range sights {
		r.Findings = append(r.Findings, look(j, ctx, f)...)
	}
	r.Findings = event.GravestFirst(r.Findings)
	return r, nil
}

// refuse stops before anything is changed.
func (j *job) refuse(r Report) error {
	p := event.Refused("move "+r.From, r.Findings)
	if p == nil || j.Park && r.CanPark() {
		return nil
	}
	p.Notes = append(p.Notes, "drover migrate --park leaves what cannot move where it is, and moves all else")
	return p
}

// plan is the move as views show it.
func (j *job) plan(r Report) plan.Plan {
	why := fmt.Sprintf("%s, %s, %s", problem.Count(len(r.Nodes), "node"), problem.Count(len(r.moving()), "pod"), problem.Count(r.Balancers, "load balancer"))
	p := plan.Plan{Stack: j.name, Steps: []plan.Step{{ID: 1, Op: plan.HandOver, URN: j.urn(), Gen: 1, Name: j.urn().Name(), Why: why, Hosts: true}}}
	needs := []int{1}
	switch made := j.making(); {
	case j.ends:
		p.Steps, needs = nil, nil
	case made != nil:
		p.Steps[0].ID, p.Steps[0].Needs, needs = 2, []int{1}, []int{2}
		p.Steps = append(made, p.Steps...)
	}
	if j.Then != Keep {
		op, why := plan.Update, "scaled to none, instance by instance"
		switch {
		case j.Leave > 0:
			why = fmt.Sprintf("scaled to %d, instance by instance", j.Leave)
		case j.Then == Delete:
			op, why = plan.Delete, "only when empty"
		}
		p.Steps = append(p.Steps, plan.Step{ID: j.id(2), Op: op, URN: j.urn(), Gen: 1, Name: j.urn().Name(), Why: why, Needs: needs, WhenEmpty: j.Then == Delete})
	}
	return p
}

// urn names what is moved as views name a resource: its kind, and its name.
func (j *job) urn() plan.URN {
	var all []string
	for _, s := range j.From {
		all = append(all, strings.ReplaceAll(s.Name, ":", " "))
	}
	return plan.NewURN("", "", string(j.From[0].Kind), strings.Join(all, ","))
}

// carryOut moves what runs on the nodes under the eyes of the guards, and then
// does with them what was asked for.
func (j *job) carryOut(ctx context.Context) error {
	watch, err := j.watch(ctx)
	if err != nil {
		return err
	}
	defer watch.Stop()
	if j.copy != nil {
		made := j.making()[0]
		if err := j.stepOf(ctx, made.ID, made.Op, made.URN, func() error { return j.makeIt(ctx) }); err != nil {
			return err
		}
	}
	e := j.errand()
	e.Breach, e.Baseline = watch.Breach, watch.Baseline()
	if !j.ends {
		if err := j.step(ctx, j.id(1), plan.HandOver, func() error { return j.mover(j.Events).Run(ctx, e) }); err != nil {
			return err
		}
	}
	op, end := plan.Delete, j.delete
	switch j.Then {
	case Keep:
		return nil
	case Empty:
		op, end = plan.Update, j.empty
	case Delete:
	}
	return j.step(ctx, j.id(2), op, func() error {
		return j.mover(j.Events).End(ctx, e.Move, func(ctx context.Context) error { return end(ctx, e.Breach) })
	})
}

// step tells of one step's beginning and end.
func (j *job) step(ctx context.Context, id int, op plan.Op, do func() error) error {
	return j.stepOf(ctx, id, op, j.urn(), do)
}

func (j *job) stepOf(ctx context.Context, id int, op plan.Op, urn plan.URN, do func() error) error {
	began := time.Now()
	j.Events.Emit(event.StepStarted{Step: id, Op: op, URN: urn, Name: urn.Name()})
	err := do()
	finished := event.StepFinished{Step: id, Took: time.Since(began)}
	if err != nil {
		finished.Error = problem.Reason(ctx, err)
	}
	j.Events.Emit(finished)
	return err
}

// watch starts the guards; without any nothing is watched.
func (j *job) watch(ctx context.Context) (engine.Watch, error) {
	if len(j.Guards) == 0 {
		return blind{}, nil
	}
	guards := make([]graph.Guard, len(j.Guards))
	for i, g := range j.Guards {
		guards[i] = g.graph()
	}
	return guard.Guard{}.Start(context.WithoutCancel(ctx), guards, j.before(ctx), j.Events)
}

// before is what traffic was like before the move, if an earlier run of it has
// seen it.
func (j *job) before(ctx context.Context) engine.Baseline {
	records, err := j.cluster.Records(ctx)
	if err != nil {
		return nil // its own look is as good as it gets
	}
	rec, err := handover.ReadRecord(records[j.name])
	if err != nil || rec.Kept {
		return nil // none is under way
	}
	return rec.Baseline
}

// blind is a watch that sees nothing.
type blind struct{}

// Breach is never.
func (blind) Breach() (string, bool) { return "", false }

// OnBreach is of no matter.
func (blind) OnBreach() graph.OnBreach { return graph.Stop }

// Baseline is of no traffic.
func (blind) Baseline() engine.Baseline { return nil }

// Stop ends nothing.
func (blind) Stop() {}
