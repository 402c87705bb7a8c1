package move

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/handover/world"
	"github.com/droverhq/drover/problem"
)

// region is a model of a cluster with its Auto Scaling groups.
type region struct{ *world.World }

// GroupsOf are those of the model's instances, whose names tell: i-2f9a6d100.
func (r region) GroupsOf(ctx context.Context, instances []string) (map[string]string, error) {
	of := map[string]string{}
	for _, name := range []string{world.Old, world.New} {
		g, err := r.Group(ctx, name)
		if err != nil {
			continue
		}
		for _, i := range g.Instances {
			if slices.Contains(instances, i.ID) {
				of[i.ID] = name
			}
		}
	}
	return of, nil
}

// DeleteGroup refuses one that is not empty, as AWS does.
func (r region) DeleteGroup(ctx context.Context, e handover.Ending) error {
	switch g, err := r.Group(ctx, e.Group); {
	case errors.Is(err, handover.ErrNotFound):
		return nil
	case err != nil || len(g.Instances) > 0:
		return errors.Join(err, errors.New("it has instances"))
	}
	r.With(func(h *world.Hand) { h.DeleteGroup(e.Group) })
	return nil
}

// Habits are those that the test gives the old group.
func (r region) Habits(_ context.Context, group string) (handover.Habits, error) {
	if group == world.Old {
		return handover.Habits{Policies: []string{"cpu"}, WarmPool: true, Retained: []string{"i-9"}}, nil
	}
	return handover.Habits{Schedules: []string{"night"}}, errors.New("denied")
}

// What the groups do on their own is told, of each by what it means there.
func TestHabitsAreTold(t *testing.T) {
	in(t, 2, web(), func(r region) {
		j, err := newJob(context.Background(), r.session(), Options{From: []Set{{ASG, world.Old}}, To: []Set{{ASG, world.New}}})
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		for _, f := range j.habits(context.Background(), handover.Foresight{}) {
			told = append(told, string(f.Severity)+" "+f.Effect)
		}
		text := strings.Join(told, "\n")
		for _, want := range []string{"note its scaling policies (cpu)", "note it has a warm pool", "warning somebody ended instances of it that its fence retains: i-9", "warning its scheduled actions (night) may make it smaller", "note not all that it does"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: want %q", text, want)
			}
		}
	})
}

func (r region) session() *session {
	return &session{cluster: r.Another(), scaling: r, balancers: r, fleet: r, undo: r}
}

// in plays a scene in a model whose time passes by itself.
func in(t *testing.T, nodes int, apps []*world.App, scene func(r region)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := world.NewWorld(1, 0, nodes, apps...)
		w.Settle(41 * time.Second)
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { w.Run(ctx) })
		defer func() {
			cancel()
			running.Wait()
			if b := w.Broken(); len(b) > 0 {
				t.Errorf("what must never be: %s", b[0])
			}
		}()
		scene(region{w})
	})
}

func web() []*world.App {
	return []*world.App{{Name: "web", Replicas: 4, Surge: 1, Budget: 3}, {Name: "one", Replicas: 1, Surge: 1}}
}

func (r region) left() (left []string) {
	r.With(func(h *world.Hand) { left = h.Left() })
	return left
}

// What becomes of a group once it is empty is what was asked for.
func TestThen(t *testing.T) {
	for then, want := range map[Then]string{Keep: "3 instances", Empty: "none", Delete: "gone"} {
		t.Run(string(then), func(t *testing.T) {
			in(t, 3, web(), func(r region) {
				o := Options{From: []Set{{ASG, world.Old}}, To: []Set{{ASG, world.New}}, Then: then}
				if err := run(context.Background(), r.session(), o); err != nil {
					t.Fatal(err)
				}
				got := "gone"
				if g, err := r.Group(context.Background(), world.Old); err == nil {
					got = problem.Count(len(g.Instances), "instance")
					if len(g.Instances) == 0 {
						got = "none"
					}
					if len(g.Suspended)+len(g.Tags) > 0 {
						t.Errorf("the group is not let go: %v %v", g.Suspended, g.Tags)
					}
				}
				if got != want {
					t.Errorf("of the group is left: %s, want %s", got, want)
				}
				for _, line := range r.left() {
					if strings.HasPrefix(line, "pod") || strings.Contains(line, world.New) {
						t.Error(line)
					}
				}
			})
		})
	}
}

// What is known to block refuses before anything changes; with Park all else moves.
func TestRunRefusesWhatIsBlocked(t *testing.T) {
	in(t, 2, append(web(), &world.App{Name: "tool", Kind: "Pod", Replicas: 1}), func(r region) {
		o := Options{From: []Set{{ASG, world.Old}}}
		var shown Report
		o.Show = func(report Report) error { shown = report; return nil }
		var told *problem.Error
		if err := run(context.Background(), r.session(), o); !errors.As(err, &told) || told.Kind != problem.Refused || len(r.left()) > 0 {
			t.Errorf("%v, %v", err, r.left())
		}
		if len(shown.Blockers()) != 1 || len(shown.Pods) != 6 {
			t.Errorf("%+v", shown)
		}
		o.Park = true
		if err := run(context.Background(), r.session(), o); !errors.As(err, &told) || told.Kind != problem.Parked {
			t.Error(err)
		}
	})
}

// Somebody who says no has changed nothing, and a pod that would go elsewhere is
// told of.
func TestRunAsks(t *testing.T) {
	in(t, 2, web(), func(r region) {
		no := errors.New("no")
		o := Options{From: []Set{{ASG, world.Old}}, Approve: func(Report) error { return no }}
		if err := run(context.Background(), r.session(), o); !errors.Is(err, no) || len(r.left()) > 0 {
			t.Errorf("%v, %v", err, r.left())
		}
	})
}

// The events of a move are those of a plan of its own, from its first to its last.
func TestRunTellsItsStory(t *testing.T) {
	in(t, 2, web(), func(r region) {
		var kinds []string
		log := event.NewLog(time.Now, func(e event.Event) { kinds = append(kinds, e.Kind) })
		if err := run(context.Background(), r.session(), Options{From: []Set{{ASG, world.Old}}, Then: Empty, Events: log}); err != nil {
			t.Fatal(err)
		}
		if kinds[0] != "run-started" || kinds[1] != "planned" || kinds[2] != "step-started" || kinds[len(kinds)-1] != "run-finished" {
			t.Errorf("%v", kinds)
		}
		if n := len(slices.DeleteFunc(slices.Clone(kinds), func(k string) bool { return k != "step-finished" })); n != 2 {
			t.Errorf("%d steps ended, want 2", n)
		}
	})
}

// Options that do not go together are refused, all at once.
func TestVerify(t *testing.T) {
	for words, o := range map[string]Options{
		"say what to move":           {},
		"drover.yaml":                {From: []Set{{Group, "web"}}, Then: Delete},
		"delete nodepool default":    {From: []Set{{NodePool, "default"}}, Then: Delete},
		"asg/NAME":                   {From: []Set{{Node, "a"}}, Then: Empty},
		"--workload, --namespace":    {From: []Set{{ASG, "a"}}, Then: Empty, Only: Only{Workloads: []string{"web"}}},
		"one group at a time":        {From: []Set{{ASG, "a"}, {ASG, "b"}}, Then: Empty},
		"take keep, empty or delete": {From: []Set{{ASG, "a"}}, Then: "gone"},
		"take stop or ignore":        {From: []Set{{ASG, "a"}}, Guards: []Guard{{URL: "http://x", OnBreach: "return"}}},
	} {
		err := o.verify()
		if text := strings.Join([]string{problemText(err)}, ""); err == nil || !strings.Contains(text, words) {
			t.Errorf("%+v: %s, want %q", o, text, words)
		}
	}
}

func problemText(err error) string {
	var b strings.Builder
	problem.Print(&b, err)
	return b.String()
}

// A move is given up when its time is over, which begins with the approval, and says so;
// what ends it before that is told as it is.
func TestTimeoutEndsWhatWasApproved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waits := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		began := time.Now()
		var told *problem.Error
		err := Options{Timeout: time.Hour}.inTime(waits)(t.Context())
		if !errors.As(err, &told) || told.Kind != problem.Outside || !strings.Contains(err.Error(), "not done after 1h0m0s") || time.Since(began) != time.Hour {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		broken := errors.New("broken")
		for _, o := range []Options{{}, {Timeout: time.Hour}} {
			if err := o.inTime(func(context.Context) error { return broken })(t.Context()); err != broken { //nolint:errorlint // as it is
				t.Errorf("%s: %v", o.Timeout, err)
			}
		}
		interrupted, end := context.WithCancel(t.Context())
		end()
		if err := (Options{Timeout: time.Hour}).inTime(waits)(interrupted); !errors.Is(err, context.Canceled) || errors.As(err, &told) && strings.Contains(err.Error(), "not done") {
			t.Errorf("%v", err)
		}
	})
}
