package engine_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// find is the object of that type whose name begins so.
func (c *cloud) named(typ, begins string) *object {
	for _, o := range c.objects {
		if o.typ == typ && strings.HasPrefix(o.name, begins) {
			return o
		}
	}
	return nil
}

// What somebody deleted by hand is found, and made again with all that lived
// in it: a group, a Deployment, the whole cluster.
func TestDeletedByHandIsMadeAgain(t *testing.T) {
	for _, c := range []struct{ typ, name, why string }{
		{group, "web", "AutoScalingGroup web-"},
		{workload, "apps/nginx", "Deployment apps/nginx was deleted outside of Drover"},
		{"AWS::EKS::Cluster", "shop", "Cluster shop-"},
		{"AWS::EC2::Subnet", "private-b", "Subnet private-b was deleted outside of Drover"},
	} {
		w := newWorld(t)
		g := tutorial("web", standard, before)
		w.mustRun(g)
		n := len(w.cloud.objects)
		w.cloud.lose(w.cloud.named(c.typ, c.name))
		p := w.mustRun(g)
		if len(w.cloud.objects) != n || !strings.Contains(detail(p), c.why) {
			t.Errorf("%s: %d objects, want %d:\n%s", c.typ, len(w.cloud.objects), n, detail(p))
		}
	}
}

// Without a look, the state is believed.
func TestNoReadBelievesTheState(t *testing.T) {
	w := newWorld(t)
	g := tutorial("web", standard)
	w.mustRun(g)
	w.cloud.lose(w.cloud.named(workload, "apps/nginx"))
	p, err := w.up(context.Background(), g, func(e *engine.Engine) { e.NoRead = true })
	if err != nil || len(p.Steps) > 0 {
		t.Errorf("%v:\n%s", err, detail(p))
	}
}

// A cluster that was deleted by hand does not stop a destroy: what was in it
// is gone with it, and nobody asks it any more.
func TestDestroyAfterTheClusterIsGone(t *testing.T) {
	w := newWorld(t)
	w.mustRun(tutorial("web", standard, before))
	w.cloud.lose(w.cloud.named("AWS::EKS::Cluster", "shop"))
	w.cloud.refuse = func(r engine.Request) error {
		if len(r.Conn) > 0 {
			return errors.New("Unauthorized")
		}
		return nil
	}
	w.mustRun(nil)
}

// A cluster that does not answer holds up a destroy until the user gives it up.
func TestDestroyForgetsWhatCannotBeReached(t *testing.T) {
	w := newWorld(t)
	w.mustRun(tutorial("web", standard, before))
	w.cloud.refuse = func(r engine.Request) error {
		if len(r.Conn) > 0 {
			return errors.New("Unauthorized")
		}
		return nil
	}
	if _, err := w.run(nil, new(faults)); err == nil {
		t.Fatal("what is in the cluster was to be tried")
	}
	for id, o := range w.cloud.objects {
		if o.conn != "" {
			delete(w.cloud.objects, id) // they die with the cluster
		}
	}
	w.forget = true
	w.mustRun(nil)
}

// What cannot be read is told, and the plan goes by the state.
func TestUnreadableIsToldOnce(t *testing.T) {
	w := newWorld(t)
	g := tutorial("web", standard, before)
	w.mustRun(g)
	w.cloud.refuse = func(engine.Request) error { return errors.New("AccessDenied") }
	var told []event.Finding
	s := w.lock()
	e := w.cloud.engine(sink(func(f event.Fact) {
		if f, is := f.(event.Finding); is {
			told = append(told, f)
		}
	}))
	p, err := e.Plan(t.Context(), g, s.Snapshot())
	if err != nil || len(p.Steps) > 0 || len(told) != 2 {
		t.Errorf("%v, %d steps, told %v; want it told of AWS and of the cluster", err, len(p.Steps), told)
	}
	w.cloud.refuse = func(engine.Request) error { return engine.ErrCredentials }
	if _, err := e.Plan(t.Context(), g, s.Snapshot()); kind(err) != problem.Outside || !errors.Is(err, engine.ErrCredentials) {
		t.Errorf("%v", err)
	}
}

type sink func(event.Fact)

func (s sink) Emit(f event.Fact) { s(f) }

// An autoscaler has raised a group to 6. The file goes from 3 to 4: nothing is
// handed over, nothing ends, and the plan says why.
func TestRaisedCapacityNeverShrinksALiveGroup(t *testing.T) {
	w := newWorld(t)
	at := func(n int) *graph.Graph {
		g := one(res(group, "web", plan.Props{"nodes": float64(n)}))
		g.Resources[0].Hosts = &graph.Hosts{Nodes: n, Conn: plan.Props{"cluster": "one"}}
		return g
	}
	w.mustRun(at(3))
	o := w.cloud.named(group, "web")
	o.size = 6
	p := w.mustRun(at(4))
	if o.size != 6 || p.Steps[0].Why != "capacity 3 -> 4, stays at the 6 nodes that it has now" || p.Counts()[plan.HandOver] > 0 {
		t.Errorf("%d nodes:\n%s", o.size, detail(p))
	}
	if w.mustRun(at(8)); o.size != 8 {
		t.Errorf("%d nodes, want the 8 that the file asks for", o.size)
	}
}

// What replaces a group is made for the nodes that it has now.
func TestReplacementIsMadeForTheLiveSize(t *testing.T) {
	for _, capacity := range []int{before.capacity, after.capacity} { // the fake holds it to 7
		w := newWorld(t)
		w.mustRun(tutorial("web", standard, before))
		w.cloud.named(group, "web").size = 7
		next := after
		next.capacity = capacity
		w.mustRun(tutorial("web", standard, next))
		if n := w.cloud.named(group, "web").size; n != 7 {
			t.Errorf("%d in the file: %d nodes, want 7", capacity, n)
		}
	}
}

// An inspection is told which nodes will have come by the time the host goes.
func TestInspectionKnowsTheNodesToCome(t *testing.T) {
	fewer, same, grown := after, after, standard
	same.capacity = before.capacity
	fewer.capacity, grown.capacity = 1, standard.capacity+2
	heirs := engine.Fresh{Nodes: after.capacity, Type: after.instanceType, Replaces: true}
	for _, tt := range []struct {
		about string
		want  *graph.Graph
		fresh []engine.Fresh
	}{
		{"its replacement, as large", tutorial("web", standard, same), []engine.Fresh{{Nodes: 3, Type: same.instanceType, Replaces: true}}},
		{"its replacement, no smaller than the host is then", tutorial("web", standard, after), []engine.Fresh{heirs}},
		{"a smaller one is asked for", tutorial("web", standard, fewer), []engine.Fresh{{Nodes: 1, Type: fewer.instanceType}}},
		{"another group grows", tutorial("web", grown, after), []engine.Fresh{{Nodes: 2, Type: standard.instanceType}, heirs}},
		{"it is removed", tutorial("standard", standard), nil},
	} {
		w := newWorld(t)
		w.mustRun(tutorial("web", standard, before))
		w.cloud.inspect = func(h engine.Host, _ int) engine.Inspection {
			if !reflect.DeepEqual(h.Fresh, tt.fresh) {
				t.Errorf("%s: %+v come, want %+v", tt.about, h.Fresh, tt.fresh)
			}
			return engine.Inspection{}
		}
		if _, err := w.up(t.Context(), tt.want, func(*engine.Engine) {}); err != nil {
			t.Fatalf("%s: %v", tt.about, err)
		}
	}
}

// An inspection, for the plan and once more before it is carried out, is told which workloads
// are placed anew, or gone, before the host goes: their pods do not move. What is new has none there.
func TestInspectionKnowsWhatIsPlacedAnew(t *testing.T) {
	w := newWorld(t)
	w.mustRun(tutorial("web", standard, before))
	g := tutorial("web", standard, after)
	more := g.Resources[len(g.Resources)-1]
	nginx := more.Key
	more.Name = "apps/more"
	g.Resources = slices.Insert(g.Resources, len(g.Resources)-1, more)
	for _, r := range g.Resources {
		if r.Type == "AWS::EC2::VPC" { // no Kubernetes object, and updated before the host goes
			r.Props["tag"] = "new"
		}
	}
	w.cloud.sheltered = func(_ engine.Move, s engine.Sheltering) { // by when the new one stands
		if !slices.Equal(s.Replaced, []graph.Key{nginx}) || w.cloud.named(workload, more.Name) == nil {
			t.Errorf("a rollout is sheltered with %v, want %v alone", s.Replaced, nginx)
		}
	}
	w.mustRun(g)
	if !reflect.DeepEqual(w.cloud.replaced, [][]graph.Key{{nginx}, {nginx}}) {
		t.Errorf("told of %v, want %v alone, twice", w.cloud.replaced, nginx)
	}
	w.cloud.replaced = nil
	g = tutorial("standard", standard)
	g.Resources = g.Resources[:len(g.Resources)-1]
	w.mustRun(g)
	w.cloud.sheltered = nil
	for _, told := range w.cloud.replaced {
		if !slices.Contains(told, nginx) {
			t.Errorf("told of %v; what is deleted is not moved, either", told)
		}
	}
}

// What holds data, or is protected, goes only if it is named.
func TestDataIsDeletedOnlyByName(t *testing.T) {
	kept := res(role, "kept", plan.Props{})
	kept.Protect = true
	have := one(res("AWS::S3::Bucket", "assets", plan.Props{}), kept, res("v1/PersistentVolumeClaim", "apps/db", plan.Props{}))
	names := []string{"AWS::S3::Bucket/assets", "AWS::IAM::Role/kept", "v1/PersistentVolumeClaim/apps/db"}
	for n := range len(names) + 1 {
		w := newWorld(t)
		w.mustRun(have)
		var blockers []string
		p, err := w.up(context.Background(), one(), func(e *engine.Engine) {
			e.AllowDelete = names[:n]
			e.Events = sink(func(f event.Fact) {
				if f, is := f.(event.Finding); is && f.Severity == event.Blocker {
					blockers = append(blockers, f.Fix)
				}
			})
		})
		if all := n == len(names); all != (err == nil) || !all && kind(err) != problem.Refused || len(blockers) != len(names)-n {
			t.Errorf("%d of %d allowed: %v, blockers %q\n%s", n, len(names), err, blockers, detail(p))
		}
		for _, name := range names[n:] {
			var p *problem.Error
			if !errors.As(err, &p) || !strings.Contains(p.Fix, "--allow-delete "+name) {
				t.Errorf("%v does not say how to allow %s", err, name)
			}
		}
		if left := len(w.cloud.objects); (left == 0) != (n == len(names)) || left != 0 && left != 3 {
			t.Errorf("%d objects left", left)
		}
	}
}

// What an object says decides whether its data goes with it.
func TestDataThatGoesAlong(t *testing.T) {
	set := func(whenDeleted string) plan.Props {
		return plan.Props{"spec": plan.Props{"volumeClaimTemplates": []any{plan.Props{}},
			"persistentVolumeClaimRetentionPolicy": plan.Props{"whenDeleted": whenDeleted}}}
	}
	volume := func(policy string) plan.Props {
		return plan.Props{"spec": plan.Props{"persistentVolumeReclaimPolicy": policy}}
	}
	for _, c := range []struct {
		have *graph.Graph
		why  string // empty: it may go
	}{
		{one(res("v1/PersistentVolume", "disk", volume("Delete"))), "reclaimed by deleting"},
		{one(res("v1/PersistentVolume", "disk", volume("Retain"))), ""},
		{one(res("v1/PersistentVolume", "disk", plan.Props{})), ""},
		{one(res("apps/v1/StatefulSet", "data/db", set("Delete"))), "takes along"},
		{one(res("apps/v1/StatefulSet", "data/db", set("Retain"))), ""},
		{one(res("apps/v1/StatefulSet", "data/db", plan.Props{})), ""},
		{one(res("v1/Namespace", "data", plan.Props{}), res("apps/v1/StatefulSet", "data/db", set("Retain"))), "StatefulSet data/db"},
		{one(res("apps.kruise.io/v1alpha1/CloneSet", "data/web", set(""))), "takes along"},
		{one(res("apps.kruise.io/v1beta1/CloneSet", "data/web", plan.Props{})), ""},
		{one(res("apps.kruise.io/v1beta1/StatefulSet", "data/web", set(""))), ""},
		{one(res("v1/Namespace", "data", plan.Props{}), res("apps.kruise.io/v1beta1/CloneSet", "data/web", set(""))), "CloneSet data/web"},
		{one(res("v1/Namespace", "data", plan.Props{}), res("apps/v1/StatefulSet", "database/db", set("Retain"))), ""},
	} {
		w := newWorld(t)
		w.mustRun(c.have)
		_, err := w.up(context.Background(), one(), func(*engine.Engine) {})
		if c.why == "" && err != nil || c.why != "" && (kind(err) != problem.Refused || !strings.Contains(err.Error(), c.why)) {
			t.Errorf("%v: %v, want %q", c.have.Resources[0].Key, err, c.why)
		}
	}
}

// Load balancers that others made in the cluster are told before it goes.
func TestDestroyNamesWhatWouldBeLeftBehind(t *testing.T) {
	w := newWorld(t)
	w.mustRun(tutorial("web", standard))
	w.cloud.strays = []engine.Stray{{Object: "service default/legacy", Leaves: "a load balancer", Blocks: true, Fix: "kubectl delete it"}}
	s := w.lock()
	if _, err := w.cloud.engine(event.Discard).PlanDestroy(t.Context(), s.Snapshot()); kind(err) != problem.Refused || !strings.Contains(err.Error(), "legacy") {
		t.Errorf("%v", err)
	}
	groups := func(known string) bool { return strings.HasPrefix(known, group+"/") }
	if !slices.Contains(w.cloud.known, "v1/Service/apps/nginx") || !slices.ContainsFunc(w.cloud.known, groups) {
		t.Errorf("the stack's own objects are not told: %v", w.cloud.known)
	}
	if _, err := w.narrow(nil, engine.Scope{Except: []string{"cluster"}}, as); err != nil {
		t.Errorf("the cluster stays, and so may what others have in it: %v", err)
	}
	w.cloud.strays = nil
	w.mustRun(nil)
}

// A group that a killed run may have made has nodes, too: what replaces it is
// made for as many, however many something else has added meanwhile.
func TestNewGroupIsAsLargeAsOneThatWasCutOff(t *testing.T) {
	struck := false
	for at := 1; at < 40; at++ {
		w := newWorld(t)
		w.mustRun(tutorial("web", standard, before))
		_, _ = w.run(tutorial("web", standard, nodes{"web", "c5.4xlarge", "1.36", 3}), &faults{at: at, kind: "crash after"})
		for _, o := range w.cloud.objects {
			if o.typ == group && strings.Contains(o.tags, `"drover:generation":"2"`) {
				o.size, struck = 9, true
			}
		}
		w.mustRun(tutorial("web", standard, nodes{"web", "m5.large", "1.36", 3}))
	}
	if !struck {
		t.Error("no run was cut off after it had made the group")
	}
}

// rehearsing is a provider that tries updates.
type rehearsing struct {
	*cloud
	try func(engine.Request) error
}

func (p rehearsing) Rehearse(_ context.Context, r engine.Request) error { return p.try(r) }

// An update that would be refused is told by the plan, and nothing is made for
// it. What is not known yet cannot be tried.
func TestUpdateThatWouldBeRefusedIsToldBeforehand(t *testing.T) {
	w := newWorld(t)
	w.mustRun(tutorial("web", standard, before))
	objects := len(w.cloud.objects)
	var tried, blockers []string
	p, err := w.up(t.Context(), tutorial("web", standard, after), func(e *engine.Engine) {
		e.Providers = func(string) (engine.Provider, error) {
			return rehearsing{w.cloud, func(r engine.Request) error {
				tried = append(tried, r.Type)
				return &problem.Error{Kind: problem.Refused, Op: "update deployment apps/nginx",
					Err: errors.New("fields were changed by others: spec.replicas"), Fix: "take the fields out of the file"}
			}}, nil
		}
		e.Events = sink(func(f event.Fact) {
			if f, is := f.(event.Finding); is && f.Severity == event.Blocker {
				blockers = append(blockers, f.Effect)
			}
		})
	})
	if kind(err) != problem.Refused || !strings.Contains(err.Error(), "spec.replicas") {
		t.Errorf("up: %v, want a refusal\n%s", err, detail(p))
	}
	if want := []string{"apps/v1/Deployment"}; !slices.Equal(tried, want) || len(blockers) != 1 {
		t.Errorf("tried %q, want %q; blockers %q", tried, want, blockers)
	}
	if n := len(w.cloud.objects); n != objects {
		t.Errorf("%d objects stand, want %d as before", n, objects)
	}
}

// knowledgeable is a provider that refuses updates and gives advice.
type knowledgeable struct {
	*cloud
	asked []string
}

func (p *knowledgeable) Check(typ, name string, old, want plan.Props) error {
	if want["version"] == "1.34" {
		return &problem.Error{Kind: problem.Refused, Op: "update " + name, Err: errors.New("no way back"), Fix: "leave it"}
	}
	return nil
}

func (p *knowledgeable) Advise(typ, name string, old, want plan.Props) []event.Finding {
	p.asked = append(p.asked, fmt.Sprint(typ, " ", old["version"], " ", want["version"]))
	return []event.Finding{{Severity: event.Note, Object: name, Effect: "by the way"}}
}

func (p *knowledgeable) Quota(typ string, total int) []event.Finding {
	p.asked = append(p.asked, fmt.Sprint(typ, " x ", total))
	return []event.Finding{{Severity: event.Note, Object: typ, Effect: "by the way"}}
}

// What a service would refuse ends the plan, with the place in the file; what a
// change or a delete leaves to the user is told with it.
func TestProvidersAreAskedAboutEveryChange(t *testing.T) {
	w := newWorld(t)
	at := func(version string) *graph.Graph {
		return one(res(cluster, "a", plan.Props{"version": version}), res(role, "b", plan.Props{}))
	}
	w.mustRun(at("1.35"))
	told := 0
	provider := &knowledgeable{cloud: w.cloud}
	e := w.cloud.engine(sink(func(f event.Fact) {
		if f, is := f.(event.Finding); is && f.Effect == "by the way" {
			told++
		}
	}))
	e.Providers = func(string) (engine.Provider, error) { return provider, nil }
	s := w.lock().Snapshot()

	g := at("1.34")
	g.Resources[0].At = problem.Place{File: "drover.yaml", Line: 7}
	if _, err := e.Plan(t.Context(), g, s); kind(err) != problem.Refused || !strings.Contains(err.Error(), "drover.yaml:7") || !strings.Contains(err.Error(), "no way back") {
		t.Errorf("refused by its service: %v", err)
	}
	if _, err := e.Plan(t.Context(), at("1.36"), s); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Plan(t.Context(), at("1.35"), s); err != nil { // nothing to do
		t.Fatal(err)
	}
	if _, err := e.PlanDestroy(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	want := []string{cluster + " 1.35 1.36", cluster + " 1.35 <nil>", role + " <nil> <nil>"}
	if slices.Sort(provider.asked); !slices.Equal(provider.asked, want) || told != len(want) {
		t.Errorf("told %d times, asked %q, want %q", told, provider.asked, want)
	}

	provider.asked, told = nil, 0
	more := at("1.35")
	more.Resources = append(more.Resources, res(role, "c", plan.Props{}))
	if _, err := e.Plan(t.Context(), more, s); err != nil || !slices.Equal(provider.asked, []string{role + " x 2"}) || told != 1 {
		t.Errorf("%v; of what there will be more, asked %q, told %d times", err, provider.asked, told)
	}
}

// What is given up with a cluster that does not answer is what is in it: of what a
// killed run may have made outside of it nothing is forgotten, and of what it may have
// made in it nothing as long as nobody gives it up.
func TestOnlyWhatCannotBeReachedIsForgotten(t *testing.T) {
	app := inCluster(plan.Props{"cluster": "one"})
	for _, forget := range []bool{false, true} {
		w := newWorld(t)
		if _, err := w.run(one(res(network, "net", plan.Props{"size": 1.0})), &faults{at: 3, kind: "lost after"}); err == nil {
			t.Fatal("the fault did not strike")
		}
		w.forget = forget
		w.mustRun(nil)

		w = newWorld(t)
		w.mustRun(one(res(network, "net", plan.Props{"size": 1.0}), app))
		app.Name = "apps/more"
		if _, err := w.up(t.Context(), one(res(network, "net", plan.Props{"size": 1.0}), inCluster(app.Conn), app), w.intercept(failing(plan.Create, workload, errLost))); err == nil {
			t.Fatal("an answer was lost, and no error")
		}
		app.Name = "apps/app"
		w.cloud.refuse = func(r engine.Request) error {
			if len(r.Conn) > 0 {
				return errors.New("Unauthorized")
			}
			return nil
		}
		w.forget = forget
		_, err := w.run(nil, new(faults))
		if s := w.read(); (err == nil) != forget || s.Empty() != forget {
			t.Errorf("given up %v: %v, and the state has %d and %d pending", forget, err, len(s.Resources), len(s.Pending))
		}
	}
}
