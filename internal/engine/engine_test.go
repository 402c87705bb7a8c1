package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

var (
	standard = nodes{"standard", "t2.medium", "1.36", 3}
	before   = nodes{"web", "t3.2xlarge", "1.35", 3}
	after    = nodes{"web", "c5.4xlarge", "1.36", 5}
)

// up plans and applies by hand, for tests that change the engine in between.
func (w *world) up(ctx context.Context, g *graph.Graph, change func(*engine.Engine)) (plan.Plan, error) {
	w.t.Helper()
	w.cloud.faults, w.cloud.desired, w.cloud.acting = new(faults), map[plan.URN]graph.Resource{}, w.id
	s := w.lock()
	e := w.cloud.engine(event.Discard)
	change(e)
	p, err := e.Plan(ctx, g, s.Snapshot())
	if err != nil {
		w.t.Fatal(err)
	}
	return p, e.Apply(ctx, p, g, s)
}

func kind(err error) problem.Kind {
	var list problem.List
	var p *problem.Error
	switch {
	case errors.As(err, &list):
		return list[0].Kind
	case errors.As(err, &p) && p.Fix != "":
		return p.Kind
	}
	return 0
}

// wrapped lets a test watch or break single calls of the cloud.
type wrapped struct {
	*cloud
	before func(op plan.Op, r engine.Request) error
}

func (p wrapped) Create(ctx context.Context, r engine.Request) (engine.Created, error) {
	if err := p.before(plan.Create, r); err != nil {
		if errors.Is(err, errLimit) {
			return engine.Created{Certainty: engine.NotMade}, err
		}
		return engine.Created{}, err
	}
	return p.cloud.Create(ctx, r)
}

func (p wrapped) Update(ctx context.Context, r engine.Request) (engine.Object, error) {
	if err := p.before(plan.Update, r); err != nil {
		return engine.Object{}, err
	}
	return p.cloud.Update(ctx, r)
}

func (p wrapped) Delete(ctx context.Context, r engine.Request) error {
	if err := p.before(plan.Delete, r); err != nil {
		return err
	}
	return p.cloud.Delete(ctx, r)
}

func (w *world) intercept(before func(plan.Op, engine.Request) error) func(*engine.Engine) {
	return func(e *engine.Engine) {
		e.Providers = func(string) (engine.Provider, error) { return wrapped{w.cloud, before}, nil }
	}
}

// A blocker shows in the plan, and refuses the run before anything changes.
func TestBlockerRefuses(t *testing.T) {
	w := newWorld(t)
	w.mustRun(tutorial("web", standard, before))
	w.cloud.inspect = func(engine.Host, int) engine.Inspection {
		return engine.Inspection{Nodes: 3, Findings: []event.Finding{
			{Severity: "warning", Object: "pod/a", Effect: "slow"},
			{Severity: "blocker", Object: "pod/b", Effect: "is gone for good", Fix: "give it a controller"}}}
	}
	var told []string
	_, err := w.up(context.Background(), tutorial("web", standard, after), func(e *engine.Engine) {
		e.Events = sink(func(f event.Fact) {
			if f, is := f.(event.Finding); is {
				told = append(told, f.Object)
			}
		})
		w.intercept(func(op plan.Op, r engine.Request) error {
			t.Errorf("%s of %s", op, r.Name)
			return nil
		})(e)
	})
	if kind(err) != problem.Refused || !strings.Contains(err.Error(), "pod/b") {
		t.Fatal(err)
	}
	if !slices.Equal(told, []string{"pod/a", "pod/b"}) {
		t.Errorf("told of %q", told)
	}
}

// killedInItsHandOver is a world whose run was killed while it handed web over.
func killedInItsHandOver(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.mustRun(tutorial("web", standard, before))
	killed := &soaking{broken: true}
	if _, err := w.up(context.Background(), tutorial("web", standard, after), func(e *engine.Engine) { killed.Mover, e.Mover = e.Mover, killed }); err == nil || len(killed.moves) != 1 {
		t.Fatalf("killed in its hand-over, and %v after %d", err, len(killed.moves))
	}
	return w
}

// A run that is refused opens what one before it had closed when it was killed.
func TestRefusalOpensWhatAKilledRunClosed(t *testing.T) {
	w := killedInItsHandOver(t)
	for _, closed := range []bool{false, true} {
		w.cloud.inspect = func(engine.Host, int) engine.Inspection {
			return engine.Inspection{Closed: closed, Findings: []event.Finding{{Severity: "blocker", Object: "pod/b", Effect: "is gone for good"}}}
		}
		opened := &opening{}
		_, err := w.up(context.Background(), tutorial("web", standard, after), func(e *engine.Engine) { opened.Mover, e.Mover = e.Mover, opened })
		if kind(err) != problem.Refused || (len(opened.hosts) == 1) != closed {
			t.Errorf("closed %t: %v, opened %v", closed, err, opened.hosts)
		}
	}
	w.cloud.inspect = nil
	w.mustRun(tutorial("web", standard, after))
}

// hasty is interrupted while it looks at a host that a killed run has closed.
type hasty struct {
	engine.Mover
	interrupt func()
	opened    int
}

func (m *hasty) Inspect(context.Context, engine.Host, int, []graph.Key) (engine.Inspection, error) {
	m.interrupt()
	return engine.Inspection{Closed: true, Findings: []event.Finding{{Severity: event.Blocker, Object: "pod/b", Effect: "is gone for good"}}}, nil
}

func (m *hasty) Reopen(ctx context.Context, mv engine.Move) error {
	m.opened++
	return errors.Join(ctx.Err(), m.Mover.Reopen(ctx, mv))
}

// So does one that is interrupted while it looks.
func TestInterruptOpensWhatAKilledRunClosed(t *testing.T) {
	w := killedInItsHandOver(t)
	ctx, interrupt := context.WithCancel(t.Context())
	mover, events := &hasty{interrupt: interrupt}, new(told)
	_, err := w.up(ctx, tutorial("web", standard, after), func(e *engine.Engine) { mover.Mover, e.Mover, e.Events = e.Mover, mover, events })
	if kind(err) != problem.Refused || mover.opened != 1 || slices.ContainsFunc(events.facts, func(f event.Fact) bool {
		x, is := f.(event.Finding)
		return is && strings.Contains(x.Effect, "could not all be opened again")
	}) {
		t.Errorf("%v, opened %d, told %v", err, mover.opened, events.facts)
	}
}

// Nor does it stay closed if the next run fails before it comes to the hand-over.
func TestFailureOpensWhatAKilledRunClosed(t *testing.T) {
	w := killedInItsHandOver(t)
	for _, closed := range []bool{false, true} {
		w.cloud.inspect = func(engine.Host, int) engine.Inspection { return engine.Inspection{Closed: closed} }
		opened := &opening{}
		more := nodes{"web", "c5.4xlarge", "1.36", 6} // the new group is to grow before anything moves
		_, err := w.up(context.Background(), tutorial("web", standard, more), func(e *engine.Engine) {
			opened.Mover, e.Mover = e.Mover, opened
			w.intercept(func(op plan.Op, r engine.Request) error {
				if op == plan.Update && r.Type == group {
					return errLimit
				}
				return nil
			})(e)
		})
		if err == nil || (len(opened.hosts) == 1) != closed {
			t.Errorf("closed %t: %v, opened %v", closed, err, opened.hosts)
		}
	}
	w.cloud.inspect = nil
	w.mustRun(tutorial("web", standard, after))
}

// A failed step holds back what depends on it and nothing else; the rest is
// saved, and the error names the step.
func TestFailureHoldsBackOnlyWhatDependsOnIt(t *testing.T) {
	w := newWorld(t)
	_, err := w.up(context.Background(), tutorial("web", standard, before), w.intercept(
		func(op plan.Op, r engine.Request) error {
			if r.Type == "AWS::IAM::InstanceProfile" && strings.HasPrefix(r.Name, "web") {
				return errors.New("limit exceeded")
			}
			return nil
		}))
	if kind(err) != problem.Outside || !strings.Contains(err.Error(), "create InstanceProfile web-") {
		t.Fatalf("%v", err)
	}
	var names []string
	for _, o := range w.cloud.objects {
		if o.typ == group {
			names = append(names, o.name[:3])
		}
	}
	if !slices.Equal(names, []string{"sta"}) {
		t.Errorf("groups %v: standard depends on nothing that failed, web does", names)
	}
	w.mustRun(tutorial("web", standard, before))
}

// Ctrl-C lets the call that runs finish, starts nothing more, and saves.
func TestCancelLetsRunningStepsFinish(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(context.Background())
	calls := 0
	_, err := w.up(ctx, tutorial("web", standard), func(e *engine.Engine) {
		w.intercept(func(plan.Op, engine.Request) error {
			calls++
			cancel()
			return nil
		})(e)
		e.Parallel = 1
	})
	if !errors.Is(err, context.Canceled) || kind(err) != problem.Outside {
		t.Fatal(err)
	}
	if calls != 1 || len(w.cloud.objects) != 1 {
		t.Fatalf("%d calls, %d objects", calls, len(w.cloud.objects))
	}
	s, err := w.store.Read(context.Background(), stackName)
	if err != nil || len(s.Resources) != 1 || len(s.Pending) != 0 {
		t.Fatalf("%v: %+v", err, s)
	}
}

// A file of another project, or a stack folder that was copied, would make all
// anew and delete all that is there: no plan is made of it.
func TestForeignFilesAreRefused(t *testing.T) {
	w := newWorld(t)
	w.mustRun(tutorial("web", standard))
	for name, change := range map[string]func(*graph.Graph){
		"project": func(g *graph.Graph) { g.Project = "renamed" },
		"stack":   func(g *graph.Graph) { g.Stack = "prod" },
	} {
		g := tutorial("web", standard)
		change(g)
		e := w.cloud.engine(event.Discard)
		s := w.lock()
		if _, err := e.Plan(t.Context(), g, s.Snapshot()); kind(err) != problem.Refused {
			t.Errorf("another %s: %v", name, err)
		}
		p := plan.Plan{Stack: g.Stack, Project: g.Project, Serial: s.Snapshot().Serial}
		if err := e.Apply(t.Context(), p, g, s); kind(err) != problem.Refused {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

// Every object says which stack's it is, which resource, and which generation.
func TestOwnerTagsNameStackAndGeneration(t *testing.T) {
	w := newWorld(t)
	w.mustRun(tutorial("web", standard, before))
	w.mustRun(tutorial("web", standard, after))
	s, err := w.store.Read(context.Background(), stackName)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range w.cloud.objects {
		gen := "1"
		if strings.HasPrefix(o.name, "web-") {
			gen = "2"
		}
		if !strings.Contains(o.tags, `"drover:stack-id":"`+s.ID+`"`) || !strings.Contains(o.tags, `"drover:generation":"`+gen+`"`) {
			t.Errorf("%s has tags %s", o.name, o.tags)
		}
	}
}

// Credentials that are refused end the run at once: nothing else is tried.
func TestExpiredCredentialsStopTheRun(t *testing.T) {
	w := newWorld(t)
	calls := 0
	_, err := w.up(context.Background(), tutorial("web", standard, before), func(e *engine.Engine) {
		w.intercept(func(op plan.Op, r engine.Request) error {
			if calls++; calls > 3 {
				return fmt.Errorf("ExpiredToken: %w", engine.ErrCredentials)
			}
			return nil
		})(e)
		e.Parallel = 1
	})
	if !errors.Is(err, engine.ErrCredentials) || calls != 4 {
		t.Errorf("%v after %d calls", err, calls)
	}
	w.mustRun(tutorial("web", standard, before))
}

// A plan is for the state that it was made from.
func TestStalePlanIsRefused(t *testing.T) {
	w := newWorld(t)
	g := tutorial("web", standard, before)
	ctx := context.Background()
	s := w.lock()
	e := w.cloud.engine(event.Discard)
	p, err := e.Plan(ctx, g, s.Snapshot())
	if err := errors.Join(err, s.Learn(ctx, state.Resource{URN: "urn:drover:dev:shop:T:x", Gen: 1})); err != nil {
		t.Fatal(err)
	}
	if err := e.Apply(ctx, p, g, s); kind(err) != problem.Refused {
		t.Fatal(err)
	}
}

// A change that failed early and is taken back moves nothing: the old group
// never stopped serving, and what was begun of the new one goes.
func TestTakenBackChangeMovesNothing(t *testing.T) {
	w := newWorld(t)
	g := tutorial("web", standard, before)
	w.mustRun(g)
	_, err := w.up(context.Background(), tutorial("web", standard, after), w.intercept(
		func(op plan.Op, r engine.Request) error {
			if r.Type == template {
				return errLimit
			}
			return nil
		}))
	if err == nil {
		t.Fatal("it was to fail")
	}
	p := w.mustRun(g)
	for _, s := range p.Steps {
		if s.Op == plan.Create || s.Op == plan.HandOver || s.Hosts && s.Op == plan.Delete {
			t.Errorf("%s of %s, though nothing has to change", s.Op, s.Name)
		}
	}
}

// A group that is not Ready yet is not forgotten: the next run waits for it
// before it hands anything over.
func TestUnreadyNodesAreAwaitedAgain(t *testing.T) {
	w := newWorld(t)
	w.mustRun(tutorial("web", standard, before))
	g := tutorial("web", standard, after)
	_, err := w.up(context.Background(), g, func(e *engine.Engine) { e.Mover = unready{e.Mover} })
	if err == nil || !strings.Contains(err.Error(), "wait for nodes") {
		t.Fatal(err)
	}
	ready := w.cloud.ready
	p := w.mustRun(g)
	if w.cloud.ready == ready || p.Steps[0].Op != plan.Update || p.Steps[0].Why != "finish what was cut off" {
		t.Fatalf("nobody waited for the nodes again:\n%s", detail(p))
	}
}

type unready struct{ engine.Mover }

func (unready) Ready(context.Context, engine.Host, func(string)) error {
	return errors.New("0 of 5 nodes Ready")
}

// An update whose answer was lost may have had an effect: taken back, it is
// undone, although the state says that nothing has to change.
func TestTakenBackUpdateIsUndone(t *testing.T) {
	w := newWorld(t)
	g := func(props plan.Props) *graph.Graph {
		return &graph.Graph{Stack: stackName, Project: projectName, Resources: []graph.Resource{
			{Key: graph.Key{Type: role, Name: "x"}, Props: props}}}
	}
	w.mustRun(g(plan.Props{"value": 1}))
	if _, err := w.run(g(plan.Props{"value": 2, "more": true}), &faults{at: 4, kind: "lost after"}); err == nil { // 1: it is looked at
		t.Fatal("the fault did not strike")
	}
	w.mustRun(g(plan.Props{"value": 1}))
}

// An object that exists and did not become ready is waited for again, by an
// update that changes nothing.
func TestUnreadyObjectIsAwaitedAgain(t *testing.T) {
	w := newWorld(t)
	g := &graph.Graph{Stack: stackName, Project: projectName, Resources: []graph.Resource{
		{Key: graph.Key{Type: workload, Name: "apps/x"}, Props: plan.Props{"kind": "Deployment"}}}}
	if _, err := w.run(g, &faults{at: 3, kind: "not ready"}); !errors.Is(err, errReady) {
		t.Fatal(err)
	}
	if p := w.mustRun(g); len(p.Steps) != 1 || p.Steps[0].Op != plan.Update || w.cloud.objects["id-001"].version != 2 {
		t.Fatalf("nobody waited again:\n%s", detail(p))
	}
}

// What was looked up when a resource was made stays until its path changes.
func TestLookupsAreKept(t *testing.T) {
	w := newWorld(t)
	asked := 0
	count := func(e *engine.Engine) {
		e.Lookup = func(_ context.Context, path string) (any, error) {
			asked++
			return fmt.Sprintf("ami-%d of %s", asked, path), nil
		}
	}
	g := &graph.Graph{Stack: stackName, Project: projectName, Resources: []graph.Resource{{
		Key: graph.Key{Type: role, Name: "x"}, Props: plan.Props{"image": value.Ref{Lookup: "/a"}.Expr(), "size": 1}}}}
	for _, c := range []struct {
		props plan.Props
		want  string
		steps int
	}{
		{plan.Props{"image": value.Ref{Lookup: "/a"}.Expr(), "size": 1}, `{"image":"ami-1 of /a","size":1}`, 1},
		{plan.Props{"image": value.Ref{Lookup: "/a"}.Expr(), "size": 1}, `{"image":"ami-1 of /a","size":1}`, 0},
		{plan.Props{"image": value.Ref{Lookup: "/a"}.Expr(), "size": 2}, `{"image":"ami-1 of /a","size":2}`, 1},
		{plan.Props{"image": value.Ref{Lookup: "/b"}.Expr(), "size": 2}, `{"image":"ami-2 of /b","size":2}`, 1},
	} {
		g.Resources[0].Props = c.props
		p, err := w.up(context.Background(), g, count)
		if err != nil || len(p.Steps) != c.steps || w.cloud.objects["id-001"].inputs != c.want {
			t.Fatalf("%v: %d steps, %s, want %d steps, %s", err, len(p.Steps), w.cloud.objects["id-001"].inputs, c.steps, c.want)
		}
	}
}

// Outputs are what the run left; a resource may refer to its own name.
func TestOutputs(t *testing.T) {
	w := newWorld(t)
	key := graph.Key{Type: role, Name: "x"}
	g := &graph.Graph{Stack: stackName, Project: projectName,
		Resources: []graph.Resource{{Key: key, NameProperty: "name", Props: plan.Props{"label": key.To(graph.NamePath)}}},
		Outputs:   []graph.Output{{Name: "id", Value: key.To("Id")}, {Name: "text", Value: value.Text("at ", key.To("version"))}}}
	w.mustRun(g)
	s, err := w.store.Read(context.Background(), stackName)
	if err != nil || s.Outputs["id"] != "id-001" || s.Outputs["text"] != "at 1" {
		t.Fatalf("%v: %v", err, s.Outputs)
	}
	g.Outputs = append(g.Outputs, graph.Output{Name: "bad", Value: key.To("nothing")})
	if _, err := w.run(g, new(faults)); kind(err) != problem.Outside || !strings.Contains(err.Error(), "bad") {
		t.Fatal(err)
	}
}

// watcher is a guard that breaches when it is told to.
type watcher struct {
	mu       sync.Mutex
	urls     []string
	watches  bool
	breached bool
	stops    int
	answer   graph.OnBreach // to a breach
	once     bool           // it cannot be started again
	befores  []string       // baselines that it was started with
}

// suffer breaches it, as long as it watches.
func (w *watcher) suffer() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.breached = w.breached || w.watches
}

func (w *watcher) starts() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.urls)
}

func (w *watcher) Start(_ context.Context, guards []graph.Guard, before engine.Baseline, _ event.Sink) (engine.Watch, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.befores = append(w.befores, string(before))
	if w.once && w.urls != nil {
		return nil, errors.New("no answer")
	}
	w.watches, w.breached = true, false
	for _, g := range guards {
		w.urls = append(w.urls, g.URL)
	}
	return w, nil
}

func (w *watcher) Breach() (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return "1 request failed", w.breached
}

func (w *watcher) OnBreach() graph.OnBreach { return w.answer }

// Baseline tells which start it is of.
func (w *watcher) Baseline() engine.Baseline { return fmt.Appendf(nil, `"look %d"`, len(w.befores)) }

func (w *watcher) Stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watches = false
	w.stops++
}

// The guard watches from before workloads move to after the last node is gone,
// and once traffic suffers nothing more is moved or deleted.
func TestGuard(t *testing.T) {
	guarded := func(n nodes) *graph.Graph {
		g := tutorial("web", standard, n)
		service := graph.Key{Type: "v1/Service", Name: "apps/nginx"}
		g.Guards = []graph.Guard{{Target: graph.Target{URL: value.Text("http://", service.To("Id"), "/echo")}}}
		return g
	}
	for breachAt, ends := range map[string]plan.Op{"": "", workload: plan.HandOver, group: plan.Delete, template: ""} {
		w, guard := newWorld(t), &watcher{}
		if _, err := w.up(context.Background(), guarded(before), func(e *engine.Engine) { e.Guard = guard }); err != nil {
			t.Fatal(err)
		}
		if guard.urls != nil {
			t.Fatal("a guard for a plan that moves nothing")
		}
		_, err := w.up(context.Background(), guarded(after), func(e *engine.Engine) {
			w.intercept(func(op plan.Op, r engine.Request) error {
				moves := op == plan.Update && r.Type == workload || op == plan.Delete && r.Type == group
				if moves && guard.urls == nil {
					t.Errorf("%s of %s is not watched", op, r.Name)
				}
				if r.Type == breachAt && (moves || op == plan.Delete) {
					guard.suffer()
				}
				return nil
			})(e)
			e.Guard = guard
		})
		if ends == "" { // the last node is gone by then
			if err != nil || guard.stops != 1 || !strings.HasPrefix(guard.urls[0], "http://id-") {
				t.Errorf("%v, %d stops, %v", err, guard.stops, guard.urls)
			}
			continue
		}
		if kind(err) != problem.Guarded || guard.stops != 1 {
			t.Errorf("breach at %s: %v, %d stops", breachAt, err, guard.stops)
		}
		groups := 0
		for _, o := range w.cloud.objects {
			if o.typ == group && (!o.emptied || ends == plan.Delete) {
				groups++
			}
		}
		if want := map[plan.Op]int{plan.HandOver: 3, plan.Delete: 2}[ends]; groups != want {
			t.Errorf("breach at %s: %d groups serve, want %d", breachAt, groups, want)
		}
	}
}

// A run that goes on with a change judges traffic by what it was like before the
// change; one that begins another looks anew.
func TestGuardGoesOnByTheBaselineOfItsChange(t *testing.T) {
	w, guard := newWorld(t), &watcher{}
	guarded := func(n nodes) *graph.Graph {
		g := tutorial("web", standard, n)
		g.Guards = []graph.Guard{{Target: graph.Target{URL: "http://shop"}}}
		return g
	}
	w.mustRun(guarded(before))
	fails := w.intercept(func(op plan.Op, r engine.Request) error {
		if op == plan.Update && r.Type == workload {
			return errors.New("no")
		}
		return nil
	})
	watched := func(n nodes, fit func(*engine.Engine)) error {
		_, err := w.up(context.Background(), guarded(n), func(e *engine.Engine) {
			fit(e)
			e.Guard = guard
		})
		return err
	}
	whole := func(*engine.Engine) {}
	if watched(after, fails) == nil {
		t.Fatal("the workload's update was refused, and all is well")
	}
	for _, n := range []nodes{after, before} {
		if err := watched(n, whole); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"", `"look 1"`, ""}; !slices.Equal(guard.befores, want) {
		t.Errorf("baselines %q, want %q", guard.befores, want)
	}
}

// The guard breaks while nodes are taken away: the group that they were in is
// not deleted.
func TestGuardIsAskedBeforeTheGroupIsDeleted(t *testing.T) {
	w, guard := newWorld(t), &watcher{}
	guarded := func(n nodes) *graph.Graph {
		g := tutorial("web", standard, n)
		g.Guards = []graph.Guard{{Target: graph.Target{URL: value.Text("http://", graph.Key{Type: "v1/Service", Name: "apps/nginx"}.To("Id"))}}}
		return g
	}
	w.mustRun(guarded(before))
	_, err := w.up(context.Background(), guarded(after), func(e *engine.Engine) {
		e.Guard, e.Mover = guard, breaching{e.Mover, guard}
	})
	if kind(err) != problem.Guarded {
		t.Errorf("%v", err)
	}
	groups := 0
	for _, o := range w.cloud.objects {
		if o.typ == group {
			groups++
		}
	}
	if groups != 3 {
		t.Errorf("%d groups, want 3: nothing may be deleted any more", groups)
	}
}

// Where the guard cannot start nothing moves, and the run has not succeeded.
func TestGuardThatCannotStartStopsTheRun(t *testing.T) {
	w := newWorld(t)
	w.mustRun(guarded(before, graph.Return))
	mover := &soaking{}
	_, err := w.up(t.Context(), guarded(after, graph.Return), func(e *engine.Engine) {
		mover.Mover, e.Mover, e.Guard = e.Mover, mover, &watcher{once: true, urls: []string{}}
	})
	if kind(err) != problem.Outside || !strings.Contains(err.Error(), "start the guard: no answer") || len(mover.moves) > 0 {
		t.Errorf("%v, and %d moves", err, len(mover.moves))
	}
}

// An address that the plan makes is waited for, until something is handed over: without
// it nothing is.
func TestGuardWaitsForItsAddress(t *testing.T) {
	for path, starts := range map[string]int{"Id": 1, "nothing": 0} {
		w, guard, mover := newWorld(t), &watcher{}, &soaking{}
		w.mustRun(tutorial("web", standard, before))
		g := tutorial("web", standard, after)
		service := g.Resources[len(g.Resources)-2]
		service.Name = "apps/next"
		g.Resources = append(g.Resources, service) // after nginx is placed anew
		g.Guards = []graph.Guard{{Target: graph.Target{URL: value.Text("http://", service.To(path))}}}
		_, err := w.up(t.Context(), g, func(e *engine.Engine) { mover.Mover, e.Mover, e.Guard = e.Mover, mover, guard })
		if guard.starts() != starts || len(mover.moves) != starts || (err == nil) != (starts == 1) {
			t.Errorf("%s: %v, %d guards, %d moves, want %d", path, err, guard.starts(), len(mover.moves), starts)
		}
	}
}

// Every step that begins is told to have ended, and how.
func TestStepsAreTold(t *testing.T) {
	w, events := newWorld(t), new(told)
	p, err := w.up(t.Context(), tutorial("web", standard, before), func(e *engine.Engine) {
		e.Events = events
		w.intercept(func(op plan.Op, r engine.Request) error {
			if r.Type == template && strings.HasPrefix(r.Name, "web") {
				return errors.New("limit exceeded")
			}
			return nil
		})(e)
	})
	if err == nil {
		t.Fatal("it was to fail")
	}
	begun, waited := map[int]bool{}, false
	for _, f := range events.facts {
		switch f := f.(type) {
		case event.Progress:
			waited = waited || begun[f.Step] && p.Steps[f.Step-1].Hosts && f.Waiting == "3 of 3 nodes Ready"
		case event.StepStarted:
			begun[f.Step] = true
			if s := p.Steps[f.Step-1]; f.URN != s.URN || f.Op != s.Op {
				t.Errorf("step %d began as %+v", f.Step, f)
			}
		case event.StepFinished:
			s := p.Steps[f.Step-1]
			failed := s.URN.Type() == template && s.URN.Name() == "web"
			if !begun[f.Step] || failed != strings.Contains(f.Error, "limit exceeded") || !failed && f.Error != "" {
				t.Errorf("step %d, %s, began %v, ended with %q", f.Step, s.Name, begun[f.Step], f.Error)
			}
			delete(begun, f.Step)
		}
	}
	if len(begun) > 0 || !waited {
		t.Errorf("%v have not ended, of %d facts; told what it waits for: %v", begun, len(events.facts), waited)
	}
}

// What is refused, or wrong in the file, is told as such only as long as nothing was
// changed; any other failure stays what it is.
func TestRefusalAfterAChangeIsAFailure(t *testing.T) {
	for at, want := range []map[problem.Kind]problem.Kind{
		{problem.Usage: problem.Usage, problem.Refused: problem.Refused, problem.Guarded: problem.Guarded},
		{problem.Usage: problem.Outside, problem.Refused: problem.Outside, problem.Guarded: problem.Guarded},
	} {
		for of, told := range want {
			w, calls := newWorld(t), 0
			_, err := w.up(t.Context(), tutorial("web", standard), w.intercept(func(plan.Op, engine.Request) error {
				if calls++; calls > at {
					return &problem.Error{Kind: of, Op: "create", Err: errors.New("no"), Fix: "write it otherwise"}
				}
				return nil
			}))
			var p *problem.Error
			if kind(err) != told || !errors.As(err, &p) || p.Fix != "write it otherwise" {
				t.Errorf("%v after %d calls: %v, want it told as %v, with its remedy", of, at, err, told)
			}
		}
	}
}

// An output that was taken for steady, and has changed: what refers to it is stored as
// it was sent, so that the next run sees the difference.
func TestStateHasWhatWasSent(t *testing.T) {
	w := newWorld(t)
	of := graph.Key{Type: template, Name: "of"}
	g := func(size float64) *graph.Graph {
		return one(res(of.Type, of.Name, plan.Props{"size": size}), res(role, "user", plan.Props{"version": of.To("version")}))
	}
	w.mustRun(g(1))
	p, err := w.up(t.Context(), g(2), func(e *engine.Engine) {
		e.Providers = func(string) (engine.Provider, error) {
			return knowing{Provider: w.cloud, steady: []string{"version"}}, nil
		}
	})
	if err != nil || len(p.Steps) != 1 {
		t.Fatalf("%v:\n%s", err, detail(p))
	}
	w.mustRun(g(2))
}

// breaching suffers while nodes are taken away.
type breaching struct {
	engine.Mover
	guard *watcher
}

func (m breaching) Retire(ctx context.Context, r engine.Retirement) error {
	err := m.Mover.Retire(ctx, r)
	m.guard.mu.Lock()
	m.guard.breached = true
	m.guard.mu.Unlock()
	return err
}

func TestByFamily(t *testing.T) {
	aws, kubernetes := &wrapped{}, &wrapped{}
	of := engine.ByFamily(aws, kubernetes)
	for typ, want := range map[string]engine.Provider{"AWS::EC2::VPC": aws, "v1/Service": kubernetes, "apps/v1/Deployment": kubernetes} {
		if got, err := of(typ); err != nil || got != want {
			t.Errorf("%s: %v, %v", typ, got, err)
		}
	}
	if _, err := of("Service"); err == nil {
		t.Error("a type of no family")
	}
}

// Guards can be tried before anything is changed where their target exists:
// none for a plan that moves nothing, nor one whose address is still to come.
func TestGuardsThatCanBeTried(t *testing.T) {
	w := newWorld(t)
	service := graph.Key{Type: "v1/Service", Name: "apps/nginx"}
	missing := graph.Key{Type: "v1/Service", Name: "apps/next"}
	guarded := func(n nodes) *graph.Graph {
		g := tutorial("web", standard, n)
		g.Guards = []graph.Guard{
			{Target: graph.Target{URL: value.Text("http://", service.To("Id"), "/echo"), Headers: map[string]any{"X-Of": service.To("Id")}}},
			{Target: graph.Target{URL: "http://written.example.com/"}},
			{Target: graph.Target{URL: value.Text("http://", missing.To("Id"))}},
		}
		return g
	}
	guards := func(g *graph.Graph) []graph.Guard {
		snapshot := w.lock().Snapshot()
		p, err := w.cloud.engine(event.Discard).Plan(t.Context(), g, snapshot)
		if err != nil {
			t.Fatal(err)
		}
		return engine.Guards(p, g, snapshot)
	}
	if got := guards(guarded(before)); len(got) != 0 {
		t.Errorf("before anything exists: %+v", got)
	}
	if _, err := w.up(context.Background(), tutorial("web", standard, before), func(*engine.Engine) {}); err != nil {
		t.Fatal(err)
	}
	got := guards(guarded(after))
	if len(got) != 2 || !strings.HasPrefix(got[0].URL, "http://id-") || !strings.HasPrefix(got[0].Headers["X-Of"], "id-") ||
		got[1].URL != "http://written.example.com/" {
		t.Errorf("%+v", got)
	}
	more := guarded(after)
	for _, r := range more.Resources {
		if r.Key == service {
			r.Key, r.Component = missing, "workload/next"
			more.Resources = append(more.Resources, r)
			break
		}
	}
	if got := guards(more); len(got) != 1 || !strings.HasPrefix(got[0].URL, "http://id-") {
		t.Errorf("while an object is made: %+v", got)
	}
}
