package project

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/aws"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/expand"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/guard"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/kube"
	"github.com/droverhq/drover/internal/kube/cluster"
	"github.com/droverhq/drover/internal/program"
	"github.com/droverhq/drover/internal/render"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/internal/wire"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// Approve sees the plan before anything happens; an error stops the run.
type Approve func(plan.Plan) error

// Preview is the plan that Up would carry out. Findings about moves are
// emitted as events; nothing is changed.
func (p *Project) Preview(ctx context.Context, events event.Sink) (plan.Plan, error) {
	files, cloud, err := p.declared(ctx)
	if err != nil {
		return plan.Plan{}, err
	}
	snapshot, err := p.store.Read(ctx, files.Stack)
	if err != nil {
		return plan.Plan{}, err
	}
	want, _, err := p.desired(ctx, files, cloud, snapshot, events)
	if err != nil {
		return plan.Plan{}, err
	}
	if err := snapshot.Unseal(ctx, p.store.Ring); err != nil {
		return plan.Plan{}, err
	}
	e := p.engine(cloud, events)
	if p.choices.Refresh {
		drifts, err := e.Refresh(ctx, snapshot)
		if err != nil {
			return plan.Plan{}, err
		}
		engine.Tell(events, drifts)
		snapshot = engine.Drifted(snapshot, drifts)
	}
	if want, err = p.direction(e, want, snapshot); err != nil {
		return plan.Plan{}, err
	}
	pl, err := e.Plan(ctx, want, snapshot)
	if err != nil || pl.Returns {
		return pl, err
	}
	for _, g := range (guard.Guard{}).Check(ctx, engine.Guards(pl, want, snapshot)) {
		events.Emit(unable(g))
	}
	return pl, nil
}

// unable is what a preview tells of a guard that could not watch. One that
// cannot be reached from here may well be where up runs: no blocker.
func unable(p *problem.Error) event.Finding {
	severity := event.Blocker
	if p.Kind == problem.Outside {
		severity = event.Warning
	}
	return event.Finding{Severity: severity, Object: p.Op, Effect: "up, run from here, would refuse to move anything: " + p.Err.Error(), Fix: p.Fix}
}

// WithoutGuards makes Up move without the guards of the stack file: the way on
// when traffic is down already, and no guard could tell what a move does to it.
func (p *Project) WithoutGuards() { p.unguarded = true }

// Up makes the stack what the stack file declares. Interrupted or failed, it
// is called again and goes on where it was. Where nothing is to be done nothing
// is written, not even a lock.
func (p *Project) Up(ctx context.Context, events event.Sink, approve Approve) error {
	files, cloud, err := p.declared(ctx)
	if err != nil {
		return err
	}
	u := &up{Project: p, files: files, cloud: cloud}
	if done, err := u.idle(ctx, events, approve); done {
		return err
	}
	return p.change(ctx, "up", files.Stack, events, approve, func(s *state.Session, ask Approve) error {
		return u.carryOut(ctx, s, events, ask)
	})
}

// up is one Up, with what it foresaw before it took the lock: that holds for
// the state that it saw.
type up struct {
	*Project
	files *spec.Spec
	cloud *aws.Cloud
	back  bool // the change under way is to be taken back, whatever the files say

	saw  *state.Snapshot // nil: nothing was foreseen
	want *graph.Graph
	plan plan.Plan
	told kept // what was found on the way
}

// kept are facts that nobody has heard yet.
type kept []event.Fact

// Emit keeps a fact.
func (k *kept) Emit(f event.Fact) { *k = append(*k, f) }

// idle looks, without a lock, whether there is anything to do. It is done if
// there is not, or if that cannot be known.
func (u *up) idle(ctx context.Context, events event.Sink, approve Approve) (done bool, err error) {
	began := time.Now()
	s, err := u.store.Peek(ctx, u.files.Stack)
	if err != nil {
		return false, nil //nolint:nilerr // whoever takes the lock meets it, too
	}
	err = u.foresee(ctx, s, &u.told)
	if err == nil && len(u.plan.Steps) == 0 {
		err = u.engine(u.cloud, &u.told).Apply(ctx, u.plan, u.want, s)
	}
	if errors.Is(err, state.ErrReadOnly) || err == nil && len(u.plan.Steps) > 0 {
		return false, nil
	}
	return true, framed(ctx, "up", s, began, events, approve, func(ask Approve) error {
		u.repeat(events)
		if err == nil {
			err = errors.Join(u.guarded(ctx, nil, events), ask(u.plan))
		}
		return err
	})
}

// foresee makes the plan.
func (u *up) foresee(ctx context.Context, s *state.Session, events event.Sink) error {
	want, at, err := u.desired(ctx, u.files, u.cloud, s.Snapshot(), events)
	if err != nil {
		return err
	}
	if err := s.Pin(ctx, at); err != nil { // before the plan, which holds for the state that it saw
		return err
	}
	if err := s.Snapshot().Unseal(ctx, u.store.Ring); err != nil {
		return err
	}
	e := u.engine(u.cloud, events)
	if u.choices.Refresh {
		if err := refreshed(ctx, e, s); err != nil {
			return err
		}
	}
	snapshot := s.Snapshot()
	if u.back {
		want, err = e.Former(snapshot, want.Guards)
	} else {
		want, err = u.direction(e, want, snapshot)
	}
	if err != nil {
		return err
	}
	if u.plan, err = e.Plan(ctx, want, snapshot); err != nil {
		return err
	}
	u.saw, u.want = snapshot, want
	return nil
}

// refreshed takes over what others have changed, so that the plan sets it back.
func refreshed(ctx context.Context, e *engine.Engine, s *state.Session) error {
	drifts, err := e.Refresh(ctx, s.Snapshot())
	if err != nil {
		return err
	}
	engine.Tell(e.Events, drifts)
	return engine.Learn(ctx, drifts, s)
}

// direction is what the files declare, as far as the change is about it; or, as long as a change is being taken
// back, what stood before that.
func (p *Project) direction(e *engine.Engine, want *graph.Graph, s *state.Snapshot) (*graph.Graph, error) {
	if s.Way == nil || !s.Way.Returns || p.choices.Forward {
		return e.Narrow(want, s, p.choices.scope())
	}
	e.Events.Emit(event.Finding{Severity: event.Note, Object: "stack/" + s.Stack, Effect: "its last change is being taken back: that comes first",
		Fix: "run drover up once more after it; or, to make the change after all: drover up --forward"})
	return e.Former(s, want.Guards)
}

// repeat tells what was found before anybody listened.
func (u *up) repeat(events event.Sink) {
	for _, f := range u.told {
		events.Emit(f)
	}
}

// carryOut makes the plan, unless what was foreseen still holds, and carries it out.
func (u *up) carryOut(ctx context.Context, s *state.Session, events event.Sink, ask Approve) error {
	now := s.Snapshot()
	if u.saw == nil || u.saw.ID != now.ID || u.saw.Serial != now.Serial {
		if err := u.foresee(ctx, s, events); err != nil {
			return err
		}
	} else {
		u.repeat(events)
		if err := now.Unseal(ctx, u.store.Ring); err != nil {
			return err
		}
	}
	e := u.engine(u.cloud, events)
	if err := u.prepareKey(ctx, e, s, u.plan, u.want); err != nil {
		return err
	}
	guards := engine.Guards(u.plan, u.want, s.Snapshot())
	if u.plan.Returns {
		guards = nil // traffic that is down keeps nobody from the way back
	}
	if err := u.guarded(ctx, guards, events); err != nil {
		return err
	}
	if err := ask(u.plan); err != nil {
		return err
	}
	s.Describe(u.choices.Message, plan.Lines(u.plan))
	if err := e.Apply(ctx, u.plan, u.want, s); err != nil || !u.plan.Returns || u.back {
		return err
	}
	return &problem.Error{Kind: problem.Returned, Op: "up", Err: errors.New("the last change has been taken back, and everything is as it was before it"),
		Fix: "run the same command again: it makes what drover.yaml declares"}
}

// Return takes the change under way back: everything becomes what it was before
// that, and nothing is lost on the way. It can be taken back from its first step
// until the delete of what it empties begins.
func (p *Project) Return(ctx context.Context, events event.Sink, approve Approve) error {
	files, cloud, err := p.declared(ctx)
	if err != nil {
		return err
	}
	u := &up{Project: p, files: files, cloud: cloud, back: true}
	return p.change(ctx, "return", files.Stack, events, approve, func(s *state.Session, ask Approve) error {
		return u.carryOut(ctx, s, events, ask)
	})
}

// guarded tries the guards that will watch the plan, so that one that cannot
// is told before the first create, and not when a whole new group stands.
func (p *Project) guarded(ctx context.Context, guards []graph.Guard, events event.Sink) error {
	if p.unguarded {
		events.Emit(event.Finding{Severity: event.Warning, Object: "guard", Effect: "is off: nothing watches the traffic while workloads move"})
		return nil
	}
	return guard.Guard{}.Check(ctx, guards).Err()
}

// Destroy deletes everything the stack has. It does not read the stack file,
// which may have changed or be wrong.
func (p *Project) Destroy(ctx context.Context, events event.Sink, approve Approve) error {
	stack, err := p.selected()
	if err != nil {
		return err
	}
	config, problems := spec.ReadConfig(os.DirFS(p.dir), stack)
	if err := problems.Err(); err != nil {
		return err
	}
	cloud, err := aws.Load(ctx, config.Region())
	if err != nil {
		return err
	}
	e := p.engine(cloud, events)
	return p.change(ctx, "destroy", stack, events, approve, func(s *state.Session, ask Approve) error {
		if _, err := locate(ctx, cloud, s.Snapshot(), events); err != nil {
			return err
		}
		if err := s.Snapshot().UnsealPending(ctx, p.store.Ring); err != nil {
			return err
		}
		want, err := e.Narrow(&graph.Graph{Stack: stack, Project: s.Snapshot().Project}, s.Snapshot(), p.choices.scope())
		if err != nil {
			return err
		}
		pl, err := e.PlanDestroyOf(ctx, want, s.Snapshot())
		if err != nil {
			return err
		}
		if err := ask(pl); err != nil {
			return err
		}
		s.Describe(p.choices.Message, plan.Lines(pl))
		return e.Apply(ctx, pl, want, s)
	})
}

// question asks for approval, tells what was approved, and keeps how long the
// answer took: that time is not the run's.
type question struct {
	approve Approve
	events  event.Sink
	took    time.Duration
}

func (q *question) ask(pl plan.Plan) error {
	began := time.Now()
	err := q.approve(pl)
	q.took = time.Since(began)
	if err != nil {
		return err
	}
	q.events.Emit(event.Planned{Plan: pl, Waited: q.took})
	return nil
}

// change runs one command on the locked stack. Apply stores what happened.
func (p *Project) change(ctx context.Context, command, stack string, events event.Sink, approve Approve, run func(*state.Session, Approve) error) error {
	session, err := p.store.Lock(ctx, stack, command)
	if err != nil {
		return err
	}
	return framed(ctx, command, session, time.Now(), events, approve, func(ask Approve) error { return run(session, ask) })
}

// framed runs a command between the first and the last of its events, and gives
// the stack back; an unlock that fails is reported too.
func framed(ctx context.Context, command string, session *state.Session, began time.Time, events event.Sink, approve Approve, run func(Approve) error) (err error) {
	q, s := question{approve: approve, events: events}, session.Snapshot()
	events.Emit(event.RunStarted{Command: command, Stack: s.Stack, Project: s.Project})
	for _, note := range session.Notes {
		events.Emit(event.Finding{Severity: event.Note, Object: "stack/" + s.Stack, Effect: note})
	}
	defer func() {
		err = errors.Join(err, session.Unlock(context.WithoutCancel(ctx)))
		finished := event.RunFinished{Took: time.Since(began) - q.took}
		if err != nil {
			finished.Error = problem.Reason(ctx, err)
		}
		events.Emit(finished)
	}()
	defer problem.Recover(&err) // before the above: a panic must not keep the lock
	return run(q.ask)
}

// declared reads the files. Mistakes in them are all reported before AWS is
// asked anything.
func (p *Project) declared(ctx context.Context) (*spec.Spec, *aws.Cloud, error) {
	stack, err := p.selected()
	if err != nil {
		return nil, nil, err
	}
	s, problems := spec.LoadWith(os.DirFS(p.dir), stack, spec.Outside{
		Run: func(folder string, q wire.Question) (wire.Answer, error) {
			return program.Program{Project: p.dir, Folder: folder, Stderr: p.stderr}.Ask(ctx, q)
		},
		Outputs: func(r spec.StackRef) (map[string]any, error) { return p.outputsOf(ctx, stack, r) },
		Charts:  func(c render.Chart) ([]byte, error) { return render.NewHelm(p.dir).Render(ctx, c) },
	})
	if err := problems.Err(); err != nil {
		return nil, nil, err
	}
	if err := p.unlockConfig(ctx, stack, s.Config); err != nil {
		return nil, nil, err
	}
	cloud, err := aws.Load(ctx, s.Config.Region())
	return s, cloud, err
}

// desired expands the files into a graph of what shall stand where the stack
// lives, which it tells, too.
func (p *Project) desired(ctx context.Context, files *spec.Spec, cloud *aws.Cloud, stack *state.Snapshot, events event.Sink) (*graph.Graph, state.Identity, error) {
	if err := stack.Named(files.Name, files.Stack); err != nil {
		return nil, state.Identity{}, err
	}
	at, err := locate(ctx, cloud, stack, events)
	if err != nil {
		return nil, at, err
	}
	if at.Zones, err = zones(ctx, cloud, files.Cluster, at); err != nil {
		return nil, at, err
	}
	if err := checkAddons(ctx, cloud, files.Cluster); err != nil {
		return nil, at, err
	}
	there, err := network(ctx, cloud, files.Cluster, events)
	if err != nil {
		return nil, at, err
	}
	images, err := newest(ctx, cloud, files)
	if err != nil {
		return nil, at, err
	}
	places, err := places(ctx, cloud, files.Providers)
	if err != nil {
		return nil, at, err
	}
	want, problems := expand.Graph(files, expand.Env{Region: at.Region, Zones: at.Zones, Network: there, Newest: images, Where: places})
	if err := problems.Err(); err != nil {
		return nil, at, err
	}
	defaultTags(want, files.Tags, cloud.Provider())
	if p.unguarded {
		want.Guards = nil
	}
	return want, at, nil
}

// prepareKey gets the key of the stack while a person can still be asked for
// its passphrase, if the run is going to store secrets.
func (p *Project) prepareKey(ctx context.Context, e *engine.Engine, s *state.Session, pl plan.Plan, want *graph.Graph) error {
	defer p.store.Ring.Quiet()
	secrets, err := e.StoresSecrets(ctx, pl, want)
	if err != nil || !secrets {
		return err
	}
	return s.PrepareKey(ctx)
}

// newEngine wires the engine to the world, for every change of a stack: here is the
// one place that knows all of it.
func newEngine(cloud *aws.Cloud, events event.Sink) *engine.Engine {
	connect := func(ctx context.Context, conn plan.Props) (handover.Cluster, error) {
		config, err := kube.Connect(conn, cloud.Token)
		if err != nil {
			return nil, err
		}
		return cluster.Open(ctx, config)
	}
	return &engine.Engine{
		Providers: engine.ByFamily(cloud.Provider(), kube.NewProvider(cloud.Token)),
		Lookup:    cloud.Lookup,
		Mover:     handover.New(cloud.Scaling(), cloud.Balancers(), connect, events),
		Guard:     guard.Guard{},
		Events:    events,
	}
}
