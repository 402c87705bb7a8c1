package handover_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// die begins a move that ends without a word when it saves for the n-th time.
func (p *play) die(n int) {
	p.With((*world.Hand).Forgive)
	m := handover.New(p.World, p.World, func(context.Context, plan.Props) (handover.Cluster, error) { return p.World, nil }, p)
	_ = m.HandOver(context.Background(), engine.Move{
		Step: 1, From: engine.Host{Name: world.Old}, To: []engine.Host{{Name: world.New}}, Events: p,
		Save: func(memo json.RawMessage) error {
			if n--; n <= 0 {
				return errors.New("killed")
			}
			p.memo = memo
			return nil
		},
	})
}

// restore gives back what is left, and returns what was told.
func (p *play) restore(change func(*handover.Rescue)) (lines []string, err error) {
	r := handover.Rescue{
		Cluster: p.Another(), AWS: func(context.Context) (handover.Scaling, handover.Balancers, error) { return p.World, p.World, nil },
		Tell: func(d handover.Restored) { lines = append(lines, d.What+" "+d.Object+d.Error) },
	}
	if change != nil {
		change(&r)
	}
	err = r.Run(context.Background())
	return lines, err
}

// Wherever a run dies, restore leaves nothing closed, held or marked, and no
// request is lost by it.
func TestRestoreAfterDeathAnywhere(t *testing.T) {
	t.Parallel()
	for n := 1; n < 60; n += 3 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			in(t, 3, []*world.App{
				{Name: "web", Replicas: 3, Surge: 1, Budget: 2}, {Name: "one", Replicas: 1, Surge: 1},
				{Name: "denies", Replicas: 2, Surge: 1, Denies: []string{"owner"}}, {Name: "tolerant", Replicas: 2, Surge: 1, Tolerates: true},
				{Name: "data", Kind: "StatefulSet", Replicas: 2},
			}, func(p *play) {
				p.die(n)
				time.Sleep(10 * time.Minute)
				if lines, err := p.restore(nil); err != nil {
					t.Errorf("%v\n%s", err, strings.Join(lines, "\n"))
				}
				p.open()
			})
		})
	}
}

// The journal does not know of a restoration: the same command goes on by what it
// remembers, and finds the nodes open again.
func TestMoveGoesOnAfterARestoration(t *testing.T) {
	for n := 4; n < 40; n += 7 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			in(t, 3, []*world.App{{Name: "web", Replicas: 4, Surge: 1, Budget: 3}, {Name: "one", Replicas: 1, Surge: 1}}, func(p *play) {
				p.die(n)
				time.Sleep(10 * time.Minute)
				if lines, err := p.restore(nil); err != nil {
					t.Errorf("%v\n%s", err, strings.Join(lines, "\n"))
				}
				time.Sleep(time.Minute)
				p.done(p.move(), "web", "one")
			})
		})
	}
}

// What a move at work has changed is left alone, unless that is forced.
func TestRestoreLeavesTheLivingAlone(t *testing.T) {
	in(t, 3, []*world.App{{Name: "web", Replicas: 3, Surge: 1}}, func(p *play) {
		p.die(6)
		if _, err := p.Lock(context.Background(), world.Old, "alice@laptop/1-0", time.Hour); err != nil {
			t.Fatal(err)
		}
		lines, err := p.restore(nil)
		var told *problem.Error
		if !errors.As(err, &told) || told.Kind != problem.Refused || !strings.Contains(err.Error(), world.Old) || len(lines) > 0 {
			t.Errorf("%v %v", lines, err)
		}
		if lines, err := p.restore(func(r *handover.Rescue) { r.Force = true }); err != nil || len(lines) == 0 {
			t.Errorf("%v %v", lines, err)
		}
		p.open()
	})
}

func TestRestoreDryRunChangesNothing(t *testing.T) {
	in(t, 3, []*world.App{{Name: "web", Replicas: 3, Surge: 1}}, func(p *play) {
		p.die(6)
		time.Sleep(6 * time.Minute)
		var before, after []string
		p.With(func(h *world.Hand) { before = h.Left() })
		lines, err := p.restore(func(r *handover.Rescue) { r.DryRun = true })
		p.With(func(h *world.Hand) { after = h.Left() })
		if err != nil || len(lines) == 0 || !slices.Equal(before, after) {
			t.Errorf("%v %v\n%v\n%v", lines, err, before, after)
		}
	})
}

// Without AWS the cluster is given back all the same; the record stays, for the
// groups that are still held.
func TestRestoreWithoutAWS(t *testing.T) {
	for n := 4; n < 20; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) { restoreWithoutAWS(t, n) })
	}
}

func restoreWithoutAWS(t *testing.T, n int) {
	t.Helper()
	in(t, 3, []*world.App{{Name: "web", Replicas: 3, Surge: 1}, {Name: "tolerant", Replicas: 2, Surge: 1, Tolerates: true}}, func(p *play) {
		p.Deschedules = time.Hour
		p.die(n)
		time.Sleep(6 * time.Minute)
		noAWS := func(r *handover.Rescue) {
			r.AWS = func(context.Context) (handover.Scaling, handover.Balancers, error) {
				return nil, nil, errors.New("no credentials")
			}
		}
		if _, err := p.restore(noAWS); err == nil || !strings.Contains(err.Error(), "no credentials") {
			t.Error(err)
		}
		time.Sleep(10 * time.Second) // pods that were told to end are gone by then
		var left []string
		p.With(func(h *world.Hand) { left = h.Left() })
		for _, line := range left {
			if strings.HasPrefix(line, "node") || strings.HasPrefix(line, "pod") || strings.HasPrefix(line, "the descheduler") {
				t.Error(line)
			}
		}
		if _, err := p.restore(nil); err != nil {
			t.Error(err)
		}
		p.open()
	})
}

// A move that waits for long, with nothing new to record, still says that it is
// alive.
func TestMoveRenewsItsRecord(t *testing.T) {
	in(t, 3, []*world.App{{Name: "job", Kind: "Job", Replicas: 1, Work: 30 * time.Minute}}, func(p *play) {
		ended := make(chan error, 1)
		ctx, cancel := context.WithCancel(context.Background())
		go func() { ended <- p.moveIn(ctx) }()
		for range 4 {
			time.Sleep(6 * time.Minute)
			if lines, err := p.restore(nil); err == nil || len(lines) > 0 {
				t.Errorf("%v %v", lines, err)
			}
		}
		cancel()
		<-ended
	})
}

// A label that others set while a pod was out of its Services, as an operator does
// that made another pod the active one, stays as they set it.
func TestNoLabelIsGivenBackOverOneThatOthersSet(t *testing.T) {
	for _, ready := range []bool{true, false} { // let in first, or given back at once
		v := handover.NewView()
		v.PutPod(&handover.Pod{
			Ref: handover.Ref{Namespace: "apps", Name: "web-1", UID: "1"}, Ready: ready, Doors: []string{"app", "role"}, Labels: map[string]string{"role": "standby"},
			Released: `{"group":"web","workload":"deployment/apps/web","owner":{"Kind":"ReplicaSet","Name":"web","UID":"2"},"labels":{"app":"web","role":"active"},"out":true}`,
		})
		actions := handover.Restore(v, nil, func(string) bool { return false })
		if len(actions) != 1 {
			t.Fatal(actions)
		}
		labels := actions[0].(handover.ChangePod).Patch.Labels
		if role := labels["role"]; role != nil && *role != "standby" || labels["app"] == nil || *labels["app"] != "web" {
			t.Errorf("ready %t: %s", ready, actions[0])
		}
	}
}
