package handover

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// desk is the engine's side of a hand-over.
type desk struct {
	*world
	memo   json.RawMessage
	facts  []event.Fact
	breach atomic.Value // string
}

func (d *desk) Emit(f event.Fact) { d.facts = append(d.facts, f) }

func (d *desk) mover() *Mover {
	return New(d.world, d.world, func(context.Context, plan.Props) (Cluster, error) { return d.world, nil }, event.Discard)
}

func (d *desk) host() engine.Host { return engine.Host{Name: d.from.Name} }

func (d *desk) handOver(ctx context.Context, keep int) error {
	return d.mover().HandOver(ctx, engine.Move{
		Step: 3, From: d.host(), To: []engine.Host{{Name: d.to.Name}}, Keep: keep, Memo: d.memo, Events: d,
		Save:   func(m json.RawMessage) error { d.memo = slices.Clone(m); return nil },
		Breach: func() (string, bool) { reason, _ := d.breach.Load().(string); return reason, reason != "" },
	})
}

func (d *desk) phases() string {
	var names []string
	for _, f := range d.facts {
		if p, ok := f.(event.PhaseChanged); ok {
			names = append(names, string(p.To))
		}
	}
	return strings.Join(names, " ")
}

func kind(err error) problem.Kind {
	var p *problem.Error
	if !errors.As(err, &p) {
		return 0
	}
	return p.Kind
}

// The whole story: ready, hand-over, retire; and nothing is left of the group.
func TestHandOverThenRetire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{world: liveWorld(3, deploymentApp("nginx", 3, 2), statefulApp("db", 2, 1))}
		if err := d.mover().Ready(t.Context(), engine.Host{Name: d.to.Name}, func(string) {}); err != nil {
			t.Fatal(err)
		}
		if err := d.handOver(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if got := d.phases(); got != "inspect ready shift release evict soak done" {
			t.Errorf("phases: %s", got)
		}
		var said []string
		if err := d.mover().Retire(t.Context(), retirement(d.host(), 0, func(s string) { said = append(said, s) })); err != nil {
			t.Fatal(err)
		}
		if d.from.Desired != 0 || len(d.from.Instances) != 0 || len(d.nodes) != 3 {
			t.Errorf("left: %+v, %d nodes", d.from, len(d.nodes))
		}
		if len(said) == 0 || said[len(said)-1] != "3 of 3 instances terminated" {
			t.Errorf("said %q", said)
		}
		if err := d.mover().Retire(t.Context(), retirement(d.host(), 0, func(string) {})); err != nil {
			t.Errorf("again: %v", err)
		}
		if len(d.broken) > 0 {
			t.Error(d.broken[0])
		}
	})
}

// A shrink takes only the chosen nodes, and the group acts on its own again,
// with a MinSize that launches nothing.
func TestShrink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{world: liveWorld(3, deploymentApp("nginx", 3, 2))}
		if err := d.handOver(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if err := d.mover().Retire(t.Context(), retirement(d.host(), 1, func(string) {})); err != nil {
			t.Fatal(err)
		}
		if g := d.from; g.Desired != 1 || g.Min != 1 || len(g.Instances) != 1 || len(g.Suspended) != 0 || len(g.Tags) != 0 {
			t.Errorf("left: %+v", g)
		}
	})
}

// A process that is killed at any turn is followed by one that finishes.
func TestContinuesAfterKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{world: liveWorld(2, deploymentApp("nginx", 2, 2))}
		for n := 1; ; n++ {
			ctx, kill := context.WithTimeout(t.Context(), time.Duration(n)*400*time.Millisecond)
			err := d.handOver(ctx, 0)
			kill()
			if err == nil {
				break
			}
			if !errors.Is(err, context.DeadlineExceeded) || n > 200 {
				t.Fatalf("run %d: %v", n, err)
			}
		}
		if len(d.broken) > 0 {
			t.Error(d.broken[0])
		}
	})
}

// A breach ends the run as Guarded; the same command again finishes the move.
func TestBreachThenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{world: liveWorld(2, deploymentApp("nginx", 2, 2))}
		time.AfterFunc(6*time.Second, func() { d.breach.Store("GET /echoserver: 502") })
		if err := d.handOver(t.Context(), 0); kind(err) != problem.Guarded || !strings.Contains(err.Error(), "502") {
			t.Fatalf("got %v", err)
		}
		d.breach.Store("")
		if err := d.handOver(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	})
}

// A short outage is lived through; a long one ends the run with state saved.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{world: liveWorld(1, deploymentApp("nginx", 1, 1))}
		time.AfterFunc(5*time.Second, func() { d.down.Store(true) })
		if err := d.handOver(t.Context(), 0); kind(err) != problem.Outside {
			t.Fatalf("got %v", err)
		}
		time.AfterFunc(time.Minute, func() { d.down.Store(false) })
		if err := d.handOver(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	})
}

// Retire refuses a group that something still runs on, and ends nothing.
func TestRetireRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{world: liveWorld(2, deploymentApp("nginx", 2, 1))}
		err := d.mover().Retire(t.Context(), retirement(d.host(), 0, func(string) {}))
		if err == nil || !strings.Contains(err.Error(), "not empty") || len(d.ended) > 0 {
			t.Fatalf("got %v, ended %v", err, d.ended)
		}
	})
}

// Nodes that never come are named, with how far each got.
func TestReadyTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{world: liveWorld(2)}
		d.nodes = d.nodes[:3]
		d.nodes[2].Ready = false
		d.step(time.Second)
		began := time.Now()
		err := d.mover().Ready(t.Context(), engine.Host{Name: d.to.Name}, func(string) {})
		var p *problem.Error
		if !errors.As(err, &p) || len(p.Notes) != 2 || time.Since(began) < joinTime {
			t.Fatalf("after %s: %v, notes %q", time.Since(began), err, p.Notes)
		}
		if !strings.Contains(p.Notes[0], "not Ready") || !strings.Contains(p.Notes[1], "never joined") {
			t.Errorf("notes %q", p.Notes)
		}
	})
}

func TestInspectCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{world: liveWorld(3, deploymentApp("nginx", 4, 2))}
		got, err := d.mover().Inspect(t.Context(), d.host(), 0, []graph.Key{{Type: "apps/v1/Deployment", Name: "apps/nginx"}})
		if err != nil {
			t.Fatal(err)
		}
		if got.Nodes != 3 || got.Pods != 4 || got.Balancers != 1 {
			t.Errorf("got %+v", got)
		}
	})
}
