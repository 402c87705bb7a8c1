package handover_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/handover/world"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// retired takes the old group's nodes away; breach is what the guard says.
func (p *play) retired(keep int, breach string) error {
	m := handover.New(p.World, p.World, func(context.Context, plan.Props) (handover.Cluster, error) { return p.World, nil }, p)
	return m.Retire(p.t.Context(), engine.Retirement{
		Host: engine.Host{Name: world.Old}, Keep: keep, Wait: func(string) {}, Breach: func() (string, bool) { return breach, breach != "" },
	})
}

func (p *play) instances() int {
	g, err := p.Group(p.t.Context(), world.Old)
	if err != nil {
		p.t.Fatal(err)
	}
	return len(g.Instances)
}

// Ending instances cannot be undone: the guard is asked before.
func TestRetireAsksTheGuardBeforeInstancesEnd(t *testing.T) {
	in(t, 2, apps(web(2)), func(p *play) {
		p.done(p.move(), "web")
		err := p.retired(0, "GET /: 502")
		var told *problem.Error
		if !errors.As(err, &told) || told.Kind != problem.Guarded || p.instances() != 2 {
			t.Errorf("%v, %d instances left of 2", err, p.instances())
		}
		if err := p.retired(0, ""); err != nil || p.instances() != 0 {
			t.Errorf("%v, %d instances left", err, p.instances())
		}
	})
}

// A host that is not empty is not taken away, whatever was thought before.
func TestRetireRefusesAHostThatIsNotEmpty(t *testing.T) {
	in(t, 2, apps(web(2)), func(p *play) {
		if err := p.retired(0, ""); err == nil || !strings.Contains(err.Error(), "not empty") || p.instances() != 2 {
			t.Errorf("%v, %d instances left of 2", err, p.instances())
		}
		p.With((*world.Hand).Uncordon)
	})
}

// Retire ends no more than there are too many.
func TestRetireKeepsWhatStays(t *testing.T) {
	in(t, 3, apps(web(3)), func(p *play) {
		p.keep = 1
		p.done(p.move())
		if err := p.retired(1, ""); err != nil || p.instances() != 1 {
			t.Errorf("%v, %d instances left, want 1", err, p.instances())
		}
	})
}

// A lifecycle hook holds instances as long as its owner wants, an hour by
// default: that is no failure, and it is told.
func TestRetireWaitsForALifecycleHook(t *testing.T) {
	in(t, 2, apps(web(2)), func(p *play) {
		p.done(p.move(), "web")
		p.Hook = time.Hour
		var said []string
		m := handover.New(p.World, p.World, func(context.Context, plan.Props) (handover.Cluster, error) { return p.World, nil }, p)
		err := m.Retire(p.t.Context(), engine.Retirement{
			Host: engine.Host{Name: world.Old}, Wait: func(s string) { said = append(said, s) }, Breach: func() (string, bool) { return "", false },
		})
		if err != nil || p.instances() != 0 || !slices.Contains(said, "0 of 2 instances terminated; a lifecycle hook of the group holds 2 (Terminating:Wait)") {
			t.Errorf("%v, %d instances left; said %q", err, p.instances(), said)
		}
	})
}

// Instances that a fence holds end as soon as they were judged to be empty: Drover
// answers its own hook.
func TestRetirePassesTheFence(t *testing.T) {
	in(t, 2, apps(web(2)), func(p *play) {
		p.Fence = true
		p.With(func(h *world.Hand) { h.Group(world.Old).Tags = map[string]string{handover.FenceTag: ""} })
		p.done(p.move(), "web")
		if err := p.retired(0, ""); err != nil || p.instances() != 0 {
			t.Errorf("%v, %d instances left", err, p.instances())
		}
	})
}
