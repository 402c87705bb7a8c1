package handover_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/handover/world"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// errand empties nodes by name, as a command does that knows no plan.
func (p *play) errand(name string, nodes ...string) handover.Errand {
	return handover.Errand{
		Move:  engine.Move{Step: 1, From: engine.Host{Name: name}, Events: p},
		Scope: handover.Scope{Nodes: nodes, Beside: []string{world.Old}, Stay: true},
	}
}

func (p *play) send(ctx context.Context, e handover.Errand) error {
	m := handover.New(p.World, p.World, func(ctx context.Context, _ plan.Props) (handover.Cluster, error) {
		return watched{p.Another(), ctx}, nil
	}, p)
	return m.Run(ctx, e)
}

// old are the names of the old nodes.
func (p *play) old() (names []string) {
	p.With(func(h *world.Hand) { names = h.Nodes(world.Old) })
	return names
}

// left are what is left behind, but for what a node that was emptied keeps.
func (p *play) leftBut(kept ...string) []string {
	var left []string
	p.With(func(h *world.Hand) { left = h.Left() })
	return slices.DeleteFunc(left, func(line string) bool {
		return slices.ContainsFunc(kept, func(k string) bool { return strings.Contains(line, k) })
	})
}

func (p *play) podsOn(app, node string) int {
	n := 0
	p.With(func(h *world.Hand) { n = h.PodsOn(app, node) })
	return n
}

func TestOneNodeIsEmptiedAndKept(t *testing.T) {
	in(t, 3, apps(web(3), other(), &world.App{Name: "data", Kind: "StatefulSet", Replicas: 3}), func(p *play) {
		node := p.old()[0]
		for range 2 { // the second time there is nothing left to do
			if err := p.send(context.Background(), p.errand("node/"+node, node)); err != nil {
				t.Fatal(err)
			}
			for _, app := range []string{"web", "zeta", "data"} {
				if n := p.podsOn(app, node); n > 0 {
					t.Errorf("%d pods of %s are on the node", n, app)
				}
			}
			if left := p.leftBut("node "+node, "record of node/"+node); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		}
		if left := p.leftBut(); len(left) < 3 {
			t.Errorf("the node is not kept closed, out of load balancers and in mind: %v", left)
		}
	})
}

// What is foreseen of an errand changes nothing, and is what becomes of it.
func TestWhatIsForeseenHappens(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Replicas: 4, Surge: 1, Balancer: world.ALB}, &world.App{Name: "data", Kind: "StatefulSet", Replicas: 3}), func(p *play) {
		old := p.old()
		node := old[slices.IndexFunc(old, func(name string) bool { return p.podsOn("web", name) > 0 && p.podsOn("data", name) > 0 })]
		e := p.errand("node/"+node, node)
		m := handover.New(p.World, p.World, func(context.Context, plan.Props) (handover.Cluster, error) { return p.Another(), nil }, p)
		foreseen, err := m.Foresee(context.Background(), e)
		if err != nil {
			t.Fatal(err)
		}
		if left := p.leftBut(); len(left) > 0 {
			t.Errorf("to look has changed: %v", left)
		}
		if !slices.Equal(foreseen.Nodes, []string{node}) || foreseen.Balancers == 0 || slices.ContainsFunc(foreseen.Findings, func(f event.Finding) bool { return f.Severity == event.Blocker }) {
			t.Errorf("%+v", foreseen)
		}
		moves := map[handover.How]int{}
		for _, f := range foreseen.Pods {
			if f.Node != node {
				t.Errorf("a pod of another node: %+v", f)
			}
			moves[f.How]++
		}
		if web, data := p.podsOn("web", node), p.podsOn("data", node); moves[handover.SurgeFirst] != web || moves[handover.InOrder] != data {
			t.Errorf("%v of %d and %d pods", moves, web, data)
		}
		began := time.Now()
		if err := p.send(context.Background(), e); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 2*foreseen.Takes || foreseen.Takes > 2*took {
			t.Errorf("it took %s, and was to take about %s", took, foreseen.Takes)
		}
	})
}

// What is not to move stays, serves on, and its node stays in the load balancers.
func TestOnlySomePodsMove(t *testing.T) {
	in(t, 2, apps(web(4), &world.App{Name: "zeta", Replicas: 4, Surge: 1}), func(p *play) {
		e := p.errand("nodes/old", p.old()...)
		e.Scope.In = func(q *handover.Pod, _ time.Time) bool { return strings.HasPrefix(q.Name, "web") }
		if err := p.send(context.Background(), e); err != nil {
			t.Fatal(err)
		}
		p.With(func(h *world.Hand) {
			if left := h.On(world.Old, "web"); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			if on := h.On(world.Old, "zeta"); len(on) != 4 {
				t.Errorf("of 4 pods that were not to move %d are there", len(on))
			}
		})
		if left := p.leftBut("is cordoned", "carries a record", "record of", "is excluded"); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		for _, node := range p.old() {
			if p.podsOn("zeta", node) > 0 && slices.Contains(p.leftBut(), "node "+node+" is excluded") {
				t.Errorf("node %s has left its load balancers, and pods serve there", node)
			}
		}
	})
}

// Nodes that stay in their load balancers, for the sake of pods that stay on them, are
// not waited for to leave these.
func TestNodesThatStayInTheirLoadBalancersHoldUpNoPod(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Replicas: 2, Surge: 1, Balancer: world.ALB}, &world.App{Name: "zeta", Replicas: 4, Surge: 1}), func(p *play) {
		e := p.errand("nodes/old", p.old()...)
		e.Scope.In = func(q *handover.Pod, _ time.Time) bool { return strings.HasPrefix(q.Name, "web") }
		began := time.Now()
		if err := p.send(context.Background(), e); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 2*time.Minute {
			t.Errorf("it took %s\n%s", took, p.tail())
		}
	})
}

// Two who want the same nodes do not get them both.
func TestTwoMovesOfOneNode(t *testing.T) {
	in(t, 3, apps(web(6), &world.App{Name: "slow", Replicas: 2, Surge: 1, Ready: 20 * time.Second}), func(p *play) {
		first := make(chan error, 1)
		go func() { first <- p.send(context.Background(), p.errand("nodes/old", p.old()...)) }()
		time.Sleep(5 * time.Second)
		for _, name := range []string{"nodes/old", "node/" + p.old()[1]} {
			err := p.send(context.Background(), p.errand(name, p.old()[1]))
			var told *problem.Error
			if !errors.As(err, &told) || told.Kind != problem.Locked {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

// Two moves whose nodes have pods of one workload come one after the other: both
// count the same pods as serving. The world says if one of them is missed.
func TestTwoMovesOfOneWorkloadComeInTurn(t *testing.T) {
	in(t, 3, apps(web(6), other()), func(p *play) {
		ends := make(chan error, 3)
		for _, node := range p.old() {
			go func() { ends <- p.send(context.Background(), p.errand("node/"+node, node)) }()
		}
		for range p.old() {
			if err := <-ends; err != nil {
				t.Error(err)
			}
		}
		p.With(func(h *world.Hand) {
			if left := slices.Concat(h.On(world.Old, "web"), h.On(world.Old, "zeta")); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
		p.waited(" first: the move of node/")
	})
}

// waited wants the move to have said that it waits for that.
func (p *play) waited(what string) {
	p.t.Helper()
	if !p.heard(func(f event.Fact) bool { w, is := f.(event.Progress); return is && strings.Contains(w.Waiting, what) }) {
		p.t.Errorf("it never said that it waits: %s", what)
	}
}

func (p *play) ask(move string, what handover.Verb) {
	p.t.Helper()
	if err := p.Ask(context.Background(), move, handover.Wish{What: what, By: "bob@desk", At: time.Now()}); err != nil {
		p.t.Fatal(err)
	}
}

// In a pause nothing new begins, and what is under way ends; afterwards it goes on.
func TestPause(t *testing.T) {
	t.Parallel()
	in(t, 3, apps(web(9), other()), func(p *play) {
		end := make(chan error, 1)
		go func() { end <- p.send(context.Background(), p.errand("nodes/old", p.old()...)) }()
		time.Sleep(20 * time.Second)
		p.ask("nodes/old", handover.PauseIt)
		time.Sleep(2 * time.Minute)
		var before, after int
		p.With(func(h *world.Hand) { before = h.Evictions() })
		time.Sleep(15 * time.Minute)
		p.With(func(h *world.Hand) { after = h.Evictions() })
		if before != after || before == 0 {
			t.Errorf("%d evictions before, %d after a quarter of an hour of pause", before, after)
		}
		p.waited("paused by bob@desk")
		p.ask("nodes/old", "")
		if err := <-end; err != nil {
			t.Error(err)
		}
		p.With(func(h *world.Hand) {
			if left := h.On(world.Old, "web"); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	})
}

// Aborted from elsewhere, also while its nodes soak, a move puts everything back.
func TestAbort(t *testing.T) {
	for _, after := range []time.Duration{3 * time.Second, 20 * time.Second, 10 * time.Minute} {
		in(t, 3, apps(web(9), other()), func(p *play) {
			e := p.errand("nodes/old", p.old()...)
			e.From.Soak = time.Hour
			end := make(chan error, 1)
			go func() { end <- p.send(context.Background(), e) }()
			time.Sleep(after)
			p.ask("nodes/old", handover.AbortIt)
			p.ended(<-end, problem.Interrupted, "aborted by bob@desk")
		})
	}
}

// Killed anywhere, and continued by a process that has nothing but the cluster.
func TestErrandGoesOnFromTheClusterAlone(t *testing.T) {
	for calls := 1; calls < 60; calls += 4 {
		t.Run(fmt.Sprint(calls), func(t *testing.T) {
			in(t, 3, apps(web(4), &world.App{Name: "one", Replicas: 1, Surge: 1}), func(p *play) {
				m := &mortal{World: p.World}
				m.left.Store(int64(calls))
				mover := handover.New(m, p.World, func(ctx context.Context, _ plan.Props) (handover.Cluster, error) { return watched{m, ctx}, nil }, p)
				_ = mover.Run(context.Background(), p.errand("nodes/old", p.old()...))
				if err := p.send(context.Background(), p.errand("nodes/old", p.old()...)); err != nil {
					t.Fatal(err)
				}
				p.With(func(h *world.Hand) {
					if left := slices.Concat(h.On(world.Old, "web"), h.On(world.Old, "one")); len(left) > 0 {
						t.Errorf("left: %v", left)
					}
				})
				if left := p.leftBut("node web-2", "record of nodes/old"); len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
			})
		})
	}
}

// What traffic was like before a move stays known while it lasts.
func TestRecordKeepsTheBaseline(t *testing.T) {
	in(t, 3, apps(web(9)), func(p *play) {
		e := p.errand("nodes/old", p.old()...)
		e.Baseline = []byte(`{"p99":7}`)
		end := make(chan error, 1)
		go func() { end <- p.send(context.Background(), e) }()
		time.Sleep(20 * time.Second)
		records, _ := p.Records(context.Background())
		if rec, err := handover.ReadRecord(records["nodes/old"]); err != nil || string(rec.Baseline) != string(e.Baseline) {
			t.Errorf("%v: %s", err, records["nodes/old"])
		}
		if err := <-end; err != nil {
			t.Error(err)
		}
	})
}

// Who finds that another has taken the lock touches nothing any more.
func TestWhoLosesTheLockEnds(t *testing.T) {
	in(t, 3, apps(web(9)), func(p *play) {
		end := make(chan error, 1)
		go func() { end <- p.send(context.Background(), p.errand("nodes/old", p.old()...)) }()
		time.Sleep(20 * time.Second)
		locks, _ := p.Locks(context.Background())
		_ = p.Unlock(context.Background(), "nodes/old", locks["nodes/old"].Holder)
		if _, err := p.Lock(context.Background(), "nodes/old", "bob@desk/1-0", time.Hour); err != nil {
			t.Fatal(err)
		}
		var told *problem.Error
		if err := <-end; !errors.As(err, &told) || told.Kind != problem.Locked || !strings.Contains(err.Error(), "bob@desk is at work") {
			t.Error(err)
		}
		if left := p.leftBut(); len(left) == 0 {
			t.Error("it put back what is another's to see to")
		}
	})
}

// Where nobody can be asked, load balancers get the time that the user gave them: to take
// up new nodes, and to let go of the old ones.
func TestNodesOfAClusterWithoutAWS(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Replicas: 2, Surge: 1, Host: "203.0.113.7"}), func(p *play) {
		e := p.errand("nodes/old", p.old()...)
		e.Scope.Beside, e.UnaskedTime = nil, 6*time.Minute
		began := time.Now()
		m := handover.New(handover.Nothing{}, handover.Nothing{}, func(ctx context.Context, _ plan.Props) (handover.Cluster, error) {
			return watched{p.Another(), ctx}, nil
		}, p)
		if err := m.Run(context.Background(), e); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 11*time.Minute || took > 14*time.Minute {
			t.Errorf("it took %s", took)
		}
		p.waited("203.0.113.7 cannot be asked")
	})
}

// What a move keeps closed on a cluster without AWS is given back without it.
func TestKeptNodesAreGivenBackWithoutAWS(t *testing.T) {
	in(t, 2, apps(web(2)), func(p *play) {
		e := p.errand("nodes/old", p.old()...)
		e.Scope.Beside, e.Order = nil, []byte("{}")
		m := handover.New(handover.Nothing{}, handover.Nothing{}, func(ctx context.Context, _ plan.Props) (handover.Cluster, error) {
			return watched{p.Another(), ctx}, nil
		}, p)
		if err := m.Run(context.Background(), e); err != nil {
			t.Fatal(err)
		}
		noAWS := func(r *handover.Rescue) {
			r.AWS = func(context.Context) (handover.Scaling, handover.Balancers, error) {
				return nil, nil, errors.New("no credentials")
			}
		}
		if lines, err := p.restore(func(r *handover.Rescue) {}); err != nil || len(lines) > 0 {
			t.Errorf("a restoration took what is kept for what a dead run left: %v %v", lines, err)
		}
		if lines, err := p.restore(func(r *handover.Rescue) { noAWS(r); r.Only, r.Kept = "nodes/old", true }); err != nil {
			t.Errorf("%v %v", lines, err)
		}
		p.open()
	})
}
