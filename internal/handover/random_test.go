package handover_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/droverhq/drover/internal/handover/world"
	"github.com/droverhq/drover/problem"
)

// worlds is how many are drawn if nobody asks for more: a few seconds' worth.
const worlds = 15

// drawn is a world and what befalls it, as rapid draws them.
type drawn struct {
	seed   uint64
	nodes  int
	apps   []*world.App
	faults int
	stale  int
	skew   time.Duration
	crash  []int         // the move is killed after so many calls, and run again
	stop   string        // then: breach, interrupt, or nothing
	after  time.Duration // … so long after it began
	hands  []hand        // what others do meanwhile
	back   bool          // however it ended, it is taken back
	kills  []int         // … by runs that are killed after so many calls, and one that is not
	evicts time.Duration // how often a descheduler looks; 0: there is none
}

// hand is something that others do after a while.
type hand struct {
	after time.Duration
	what  string
	i     int
}

func draw(t *rapid.T) drawn {
	d := drawn{
		seed: rapid.Uint64().Draw(t, "seed"), nodes: rapid.IntRange(1, 4).Draw(t, "nodes"),
		faults: rapid.SampledFrom([]int{0, 0, 20, 8, 5}).Draw(t, "faults"),
		stale:  rapid.IntRange(0, 4).Draw(t, "stale"),
		skew:   rapid.SampledFrom([]time.Duration{0, 0, time.Hour, -time.Minute}).Draw(t, "skew"),
		crash:  rapid.SliceOfN(rapid.IntRange(0, 60), 0, 3).Draw(t, "crash"),
		stop:   rapid.SampledFrom([]string{"", "", "breach", "interrupt"}).Draw(t, "stop"),
		after:  seconds(t, "after", 240),
	}
	if d.back = rapid.IntRange(0, 2).Draw(t, "back") == 0; d.back {
		d.kills = rapid.SliceOfN(rapid.IntRange(0, 60), 0, 2).Draw(t, "kills")
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "apps") {
		d.apps = append(d.apps, drawApp(t, string(rune('a'+i))))
	}
	for _, a := range d.apps[1:] { // sets of one pod stand behind the first one's Service
		if first := d.apps[0]; a.Kind == "StatefulSet" && !a.Each && !a.Local && slices.Contains([]string{"Deployment", "StatefulSet"}, first.Kind) && rapid.Bool().Draw(t, "behind") {
			a.Behind, a.Replicas, a.Budget = first.Name, 1, min(a.Budget, 1)
		}
	}
	for range rapid.IntRange(0, 3).Draw(t, "hands") {
		d.hands = append(d.hands, hand{
			after: seconds(t, "when", 120), i: rapid.IntRange(0, 3).Draw(t, "which"),
			what: rapid.SampledFrom([]string{"uncordon", "unmark", "aws down", "api down", "scale", "dead node", "finalizer", "records lost"}).Draw(t, "what"),
		})
	}
	d.evicts = rapid.SampledFrom([]time.Duration{0, 0, 0, 20 * time.Second}).Draw(t, "evicts")
	return d
}

func seconds(t *rapid.T, label string, most int) time.Duration {
	return time.Duration(rapid.IntRange(0, 10*most).Draw(t, label)) * 100 * time.Millisecond
}

func drawApp(t *rapid.T, name string) *world.App {
	a := &world.App{
		Name: name, Kind: rapid.SampledFrom([]string{
			"Deployment", "Deployment", "Deployment", "Deployment", "StatefulSet", "ReplicaSet", "ReplicationController", "Rollout", "DaemonSet", "Cluster", "Job", "Pod", "LeaderWorkerSet.leaderworkerset.x-k8s.io",
		}).Draw(t, "kind"),
		Replicas: rapid.IntRange(1, 5).Draw(t, "replicas"), Surge: rapid.IntRange(0, 3).Draw(t, "surge"),
		Ready: seconds(t, "ready", 30), Grace: seconds(t, "grace", 30),
		Tolerates: rapid.IntRange(0, 7).Draw(t, "tolerates") == 0, AcceptGap: rapid.IntRange(0, 7).Draw(t, "gap") == 0,
		NewNeverReady: rapid.IntRange(0, 9).Draw(t, "bad") == 0, Paused: rapid.IntRange(0, 9).Draw(t, "paused") == 0,
	}
	if rapid.Bool().Draw(t, "budgeted") {
		a.Budget = rapid.IntRange(1, a.Replicas).Draw(t, "budget")
	}
	switch a.Kind {
	case "Job":
		a.NoService, a.Work = true, time.Minute+seconds(t, "work", 600)
	case "Pod":
		a.NoService, a.Expendable = true, rapid.Bool().Draw(t, "expendable")
	case "Deployment":
		a.Local = rapid.IntRange(0, 3).Draw(t, "local") == 0
		switch kind := rapid.IntRange(0, 6).Draw(t, "balancer"); kind {
		case 2:
			a.Host = "other.example.com"
		case 0, 1:
			a.Balancer = []string{world.NLB, world.ALB}[kind]
			a.ByAddress = !a.Local && rapid.Bool().Draw(t, "by address")
			a.Gated = a.ByAddress && rapid.Bool().Draw(t, "gated")
			a.Unbound = a.ByAddress && rapid.Bool().Draw(t, "unbound")
		}
		switch denied := rapid.IntRange(0, 9).Draw(t, "denied"); {
		case a.Local:
		case denied == 0:
			a.Denies = []string{rapid.SampledFrom([]string{"labels", "owner", "evict", "create"}).Draw(t, "call")}
		case denied == 1:
			a.DeniesLate = []string{rapid.SampledFrom([]string{"labels", "owner", "evict"}).Draw(t, "late call")}
		}
	case "LeaderWorkerSet.leaderworkerset.x-k8s.io":
		a.Group = rapid.IntRange(1, a.Replicas).Draw(t, "group")
		a.Replicas -= a.Replicas % a.Group
		a.Budget = min(a.Budget, a.Replicas)
	case "StatefulSet":
		a.Each = rapid.IntRange(0, 4).Draw(t, "each") == 0
		a.Local = rapid.IntRange(0, 3).Draw(t, "local") == 0
	case "Rollout":
		a.SelectsHash = true
	case "Cluster":
		a.Late = seconds(t, "late", 60)
		if a.Budget == a.Replicas && rapid.Bool().Draw(t, "operator's") {
			a.Yields = seconds(t, "yields", 120) + time.Second
		}
	}
	if a.Surge == 0 || a.Kind != "Deployment" && a.Kind != "ReplicaSet" && a.Kind != "Rollout" {
		a.PreStop = 10 * time.Second // what is not surged first is covered so
	}
	return a
}

// check plays what was drawn, and returns what was wrong with it and all that
// was asked of the world.
func (d drawn) check(t *testing.T) (wrong, diary []string) {
	synctest.Test(t, func(t *testing.T) {
		w := world.NewWorld(d.seed, d.skew, d.nodes, d.anew()...)
		w.Settle(41 * time.Second)
		if slices.ContainsFunc(d.apps, func(a *world.App) bool { return a.Balancer == world.NLB }) {
			w.Settle(2 * time.Minute) // it takes its time to begin
		}
		w.With(func(h *world.Hand) { w.Stale = d.stale; w.Faults = d.faults; w.Deschedules = d.evicts; h.Forgive() })
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { w.Run(ctx) })
		for i, h := range d.hands {
			h.after += time.Duration(i) * time.Microsecond // no two at once, nor with the move
			running.Go(func() { d.lend(ctx, w, h) })
		}
		p := &play{World: w, t: t}
		if wrong = d.play(p); len(wrong) == 0 && d.back {
			wrong = d.takeBack(&way{play: p})
		}
		cancel()
		running.Wait()
		if b := w.Broken(); len(b) > 0 {
			wrong = append(wrong, b[0])
		}
		if len(wrong) > 0 {
			wrong = append(wrong, p.tail())
		}
		diary = w.Diary()
	})
	return wrong, diary
}

// anew are the apps as they were drawn: a world changes those that it is made of.
func (d drawn) anew() []*world.App {
	var all []*world.App
	for _, a := range d.apps {
		copied := *a
		all = append(all, &copied)
	}
	return all
}

func (d drawn) lend(ctx context.Context, w *world.World, h hand) {
	pause(ctx, h.after)
	switch h.what {
	case "uncordon":
		w.With((*world.Hand).Uncordon)
	case "unmark":
		w.With((*world.Hand).Unmark)
	case "scale":
		w.With(func(hand *world.Hand) { hand.Scale(d.apps[h.i%len(d.apps)].Name, 1+h.i) })
	case "dead node":
		w.With(func(hand *world.Hand) {
			if nodes := hand.Nodes(world.Old); len(nodes) > 0 {
				hand.Kill(nodes[h.i%len(nodes)])
			}
		})
	case "finalizer":
		w.With(func(hand *world.Hand) {
			if app := d.apps[h.i%len(d.apps)]; hand.Ready(app.Name) > 0 {
				hand.Stick(app.Name, 0)
			}
		})
		pause(ctx, time.Duration(h.i)*time.Minute)
		w.With((*world.Hand).Free)
	case "records lost":
		w.With((*world.Hand).Forget)
	default:
		// With calls that fail right before and after it, an outage is shorter than farewell:
		// after that a move that stops is left, with the remedy.
		w.With(func(hand *world.Hand) { hand.Down(h.what == "aws down", h.what == "api down") })
		pause(ctx, time.Duration(h.i)*50*time.Second)
		w.With(func(hand *world.Hand) { hand.Down(false, false) })
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// play is the move with its crashes, then one that comes to an end.
func (d drawn) play(p *play) (wrong []string) {
	for _, calls := range d.crash {
		if err, through := p.killedAfter(calls); through {
			return d.judge(p, err, world.Old)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop := time.AfterFunc(d.after, func() {
		switch d.stop {
		case "breach":
			p.suffer("GET /: 502")
		case "interrupt":
			cancel()
		}
	})
	defer stop.Stop()
	began := time.Now()
	endless := time.AfterFunc(6*time.Hour, func() { p.With((*world.Hand).Blind) })
	defer endless.Stop()
	err := p.by(p.World, p.World).HandOver(ctx, p.step(func(memo json.RawMessage) error { p.memo = memo; return nil }))
	p.took = time.Since(began)
	return d.judge(p, err, world.Old)
}

// takeBack is the way back with its crashes, then one that comes to an end.
func (d drawn) takeBack(y *way) (wrong []string) {
	for _, calls := range d.kills {
		if y.killed(calls) {
			return d.judge(y.play, nil, world.New)
		}
	}
	err := y.reopen(y.World, y.World, always)
	if err == nil {
		err = y.handOver(y.World, y.World, always)
	} else if len(y.memo) > 0 {
		err = errors.Join(err, y.unshelter()) // as the engine does with what was begun and does not go on
	}
	return d.judge(y.play, err, world.New)
}

// judge says what is wrong with an ending of a move off a group.
func (d drawn) judge(p *play, err error, group string) (wrong []string) {
	var told *problem.Error
	switch {
	case err == nil:
		p.With(func(h *world.Hand) {
			for _, a := range d.apps {
				if left := h.On(group, a.Name); len(left) > 0 && a.Kind != "DaemonSet" {
					wrong = append(wrong, fmt.Sprintf("done, and %v are on nodes of %s", left, group))
				}
			}
			for _, node := range h.Calmed() {
				if !slices.Contains(h.Nodes(group), node) {
					wrong = append(wrong, "done, and autoscalers are kept off node "+node)
				}
			}
		})
		return wrong
	case errors.Is(err, context.Canceled):
	case !errors.As(err, &told):
		return []string{fmt.Sprintf("after %s: %v", p.took, err)}
	case told.Kind == problem.Outside && len(d.hands) == 0:
		wrong = append(wrong, fmt.Sprintf("after %s, and nothing was ever away: %v", p.took, err))
	}
	time.Sleep(30 * time.Second) // what was given back is settled by its controllers
	p.With(func(h *world.Hand) {
		for _, left := range h.Left() {
			if !strings.HasPrefix(left, "record of ") { // it could not be removed, which harms nothing
				wrong = append(wrong, "left behind: "+left+" after "+err.Error())
			}
		}
	})
	return wrong
}

// Whatever is drawn: no promise is broken, every run ends, and every ending that
// is not done leaves nothing closed. make fuzz draws 10,000 worlds.
func TestAnyWorld(t *testing.T) {
	defer few(t, worlds)()
	rapid.Check(t, func(r *rapid.T) {
		d := draw(r)
		if wrong, _ := d.check(t); len(wrong) > 0 {
			r.Fatalf("%s", strings.Join(wrong, "\n"))
		}
	})
}

// The same where Auto Scaling groups have registered their nodes themselves.
func TestAnyWorldOfAttachedGroups(t *testing.T) {
	t.Parallel()
	defer few(t, worlds/4)()
	rapid.Check(t, func(r *rapid.T) {
		d := draw(r)
		for _, a := range d.apps {
			if a.Kind == "Deployment" && !a.ByAddress && (a.Balancer != "" || a.Local) {
				a.Attached, a.Balancer, a.Host = true, cmp.Or(a.Balancer, world.ALB), ""
			}
		}
		if wrong, _ := d.check(t); len(wrong) > 0 {
			r.Fatalf("%s", strings.Join(wrong, "\n"))
		}
	})
}

// few has rapid draw so many, the same ones each time, if nobody asks for another
// number or others: make fuzz does.
func few(t *testing.T, checks int) (restore func()) {
	t.Helper()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" || f.Name == "rapid.seed" })
	if asked {
		return func() {}
	}
	before := map[string]string{}
	for name, value := range map[string]int{"rapid.checks": checks, "rapid.seed": 20261126} {
		set := flag.Lookup(name).Value
		before[name] = set.String()
		if err := set.Set(strconv.Itoa(value)); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		for name, value := range before {
			_ = flag.Lookup(name).Value.Set(value)
		}
	}
}

// A drawn world goes the same way whenever it is played, so that one which shows
// a fault can be looked at again.
func TestDrawnWorldGoesTheSameWayTwice(t *testing.T) {
	t.Parallel()
	defer few(t, worlds/5)()
	rapid.Check(t, func(r *rapid.T) {
		d := draw(r)
		_, first := d.check(t)
		_, again := d.check(t)
		for i := range min(len(first), len(again)) {
			if first[i] != again[i] {
				from := max(0, i-6)
				r.Fatalf("the calls were\n%s\n\nand then\n%s", strings.Join(first[from:i+1], "\n"), strings.Join(again[from:i+1], "\n"))
			}
		}
		if len(first) != len(again) {
			r.Fatalf("%d calls, and then %d", len(first), len(again))
		}
	})
}
