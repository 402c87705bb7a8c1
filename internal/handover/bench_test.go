package handover_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/handover/world"
	"github.com/droverhq/drover/plan"
)

// shape is 20 nodes of 10 pods, and what no move of it could be faster than.
type shape struct {
	name string
	apps func() []*world.App
	path time.Duration
}

// The critical path of a shape, by its parts.
const (
	canary  = 5 * time.Second  // the first wave's soak, see canaryProof
	settle  = 6 * time.Second  // proxies, see settleProxies
	grace   = 3 * time.Second  // of every pod of these shapes
	drain   = 60 * time.Second // of the load balancer
	soak    = 5 * time.Second  // of the emptied nodes
	replace = settle + grace   // what each pod takes beside its replacement's start
)

// surged: the canary's pods are replaced, and when its replacements have served for
// a while, all others in as many rounds as surge of them leaves: the next one begins
// when the pods of the one before have left their Services. Beside that the load
// balancer lets go of the nodes.
func surged(ready time.Duration, rounds int) time.Duration {
	pods := ready + canary + max(ready, replace) + time.Duration(rounds-1)*ready + replace
	return max(pods, ready+replace+canary+drain) + soak
}

// ordered: one member after the other.
func ordered(ready time.Duration, members int) time.Duration {
	return max(surged(ready, 1), canary+time.Duration(members)*(ready+settle+grace)) + soak
}

func deployments(n, replicas int, ready time.Duration) []*world.App {
	var all []*world.App
	for i := range n {
		all = append(all, &world.App{Name: fmt.Sprintf("app%03d", i), Replicas: replicas, Surge: max(1, (replicas+3)/4), Ready: ready})
	}
	return all
}

var shapes = []shape{
	// maxSurge 25 % of 5 is 2: 5 pods in 3 rounds, of which the canary may be one
	{"40x5-ready20s", func() []*world.App { return deployments(40, 5, 20*time.Second) }, surged(20*time.Second, 3)},
	{"200x1-ready20s", func() []*world.App { return deployments(200, 1, 20*time.Second) }, surged(20*time.Second, 1)},
	{"30x5+10sts-ready20s", func() []*world.App {
		all := deployments(30, 5, 20*time.Second)
		for i := range 10 {
			all = append(all, &world.App{Name: fmt.Sprintf("db%d", i), Kind: "StatefulSet", Replicas: 5, Ready: 20 * time.Second})
		}
		return all
	}, ordered(20*time.Second, 5)},
	{"40x5-ready60s", func() []*world.App { return deployments(40, 5, time.Minute) }, surged(time.Minute, 3)},
}

// BenchmarkMove plays the shapes and reports how many times their critical path they take.
func BenchmarkMove(b *testing.B) {
	for _, s := range shapes {
		b.Run(s.name, func(b *testing.B) {
			for b.Loop() {
				took := s.play(b)
				b.ReportMetric(took.Seconds(), "simulated-s")
				b.ReportMetric(took.Seconds()/s.path.Seconds(), "x-critical-path")
			}
		})
	}
}

// play moves the shape once. testing/synctest wants a *testing.T.
func (s shape) play(b *testing.B) (took time.Duration) {
	var err error
	ok := testing.RunTests(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: s.name, F: func(t *testing.T) {
		synctest.Test(t, func(*testing.T) {
			w := world.NewWorld(1, 0, 20, s.apps()...)
			w.Draining = drain
			w.Settle(91 * time.Second)
			ctx, cancel := context.WithCancel(context.Background())
			var running sync.WaitGroup
			running.Go(func() { w.Run(ctx) })
			began := time.Now()
			m := handover.New(w, w, func(context.Context, plan.Props) (handover.Cluster, error) { return w, nil }, event.Discard)
			err = m.HandOver(ctx, engine.Move{
				Step: 1, From: engine.Host{Name: world.Old}, To: []engine.Host{{Name: world.New}}, Events: event.Discard,
				Save: func(json.RawMessage) error { return nil }, Breach: func() (string, bool) { return "", false },
			})
			took = time.Since(began)
			cancel()
			running.Wait()
		})
	}}})
	if err != nil || !ok {
		b.Fatalf("after %s: %v", took, err)
	}
	return took
}
