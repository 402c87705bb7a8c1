package state

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/droverhq/drover/plan"
)

// lives are a few generations of a few resources, some of which refer to others.
type lives struct {
	t       *rapid.T
	session *Session
	was     map[Need]Stage
	seen    map[[2]Stage]bool
}

// Whatever is written down of calls and their ends, a generation goes from
// stage to stage as Next says; and no way in it is never gone.
func TestLifecycleIsAsDrawn(t *testing.T) {
	seen := map[[2]Stage]bool{}
	rapid.Check(t, func(rt *rapid.T) {
		s, err := Open(ctx, "mem://")
		if err := errors.Join(err, s.Init(ctx, "dev", "shop")); err != nil {
			rt.Fatal(err)
		}
		session, err := s.Lock(ctx, "dev", "up")
		if err != nil {
			rt.Fatal(err)
		}
		l := &lives{t: rt, session: session, was: map[Need]Stage{}, seen: seen}
		for range rapid.IntRange(1, 60).Draw(rt, "entries") {
			l.step()
			l.look()
		}
	})
	for from, all := range Next {
		for _, to := range all {
			if !seen[[2]Stage{from, to}] {
				t.Errorf("nothing went from %q to %q", from, to)
			}
		}
	}
}

func lifeOf(name, gen int) Need {
	return Need{plan.NewURN("dev", "shop", "T", fmt.Sprint("r", name)), gen}
}

// step does to one generation what the engine would do at its stage.
func (l *lives) step() {
	n := lifeOf(rapid.IntRange(0, 1).Draw(l.t, "resource"), rapid.IntRange(1, 3).Draw(l.t, "generation"))
	s := l.session.Snapshot()
	switch s.Stage(n) {
	case None:
		l.begin(plan.Create, n, l.made(n))
	case Begun:
		l.endCreate(s, n)
	case Settling, Live, Condemned:
		l.use(s, n)
	case Leaving:
		l.remove(s, n)
	case Gone: // its end is up to what refers to it
	}
}

// made is a resource; what is r1 refers to r0, if that stands.
func (l *lives) made(n Need) *Resource {
	r := &Resource{URN: n.URN, Gen: n.Gen, Type: "T", Name: "x"}
	if live, ok := l.session.Live(lifeOf(0, 1).URN); ok && n.URN != live.URN {
		r.Needs = []Need{{live.URN, live.Gen}}
	}
	return r
}

func (l *lives) begin(op plan.Op, n Need, r *Resource) Intent {
	in, err := l.session.Begin(ctx, Intent{Op: op, URN: n.URN, Gen: n.Gen, Resource: r, All: op == plan.HandOver,
		First: op == plan.Delete && rapid.Bool().Draw(l.t, "first")})
	l.must(err)
	return in
}

func (l *lives) must(err error) {
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *lives) endCreate(s *Snapshot, n Need) {
	in, _ := s.Intent(plan.Create, n.URN, n.Gen)
	r := *in.Resource
	switch rapid.SampledFrom([]string{"not made", "unknown", "unready", "made", "unwanted"}).Draw(l.t, "end") {
	case "not made":
		l.must(l.session.Failed(ctx, in, true))
		return
	case "unknown":
		l.must(l.session.Failed(ctx, in, false))
		return
	case "unready":
		r.Settling = true
	case "unwanted":
		r.Condemned = true
	}
	l.must(l.session.Done(ctx, in, &r))
}

// use goes on to use an object, or begins to take it away.
func (l *lives) use(s *Snapshot, n Need) {
	r, _ := s.Find(n.URN, n.Gen)
	switch rapid.IntRange(0, 2).Draw(l.t, "use") {
	case 0:
		l.begin(plan.HandOver, n, nil)
	case 1:
		l.begin(plan.Delete, n, nil)
	case 2:
		r.Condemned, r.Settling, r.Needs = false, false, l.made(n).Needs
		l.must(l.session.Done(ctx, l.begin(plan.Update, n, &r), &r))
	}
}

// remove deletes an object, unless something refers to it that must let go of it first.
func (l *lives) remove(s *Snapshot, n Need) {
	in := l.begin(plan.Delete, n, nil)
	refers := func(r Resource) bool { return slices.Contains(r.Needs, n) }
	pending := func(in Intent) bool { return in.Resource != nil && refers(*in.Resource) }
	if !in.First && (slices.ContainsFunc(s.Resources, refers) || slices.ContainsFunc(s.Pending, pending)) {
		return
	}
	l.must(l.session.Done(ctx, in, nil))
}

// look compares each stage with the one before.
func (l *lives) look() {
	s := l.session.Snapshot()
	for name := range 2 {
		for gen := 1; gen <= 3; gen++ {
			n := lifeOf(name, gen)
			from, to := l.was[n], s.Stage(n)
			if from != to && !slices.Contains(Next[from], to) {
				l.t.Fatalf("%s, generation %d, went from %q to %q", n.URN, n.Gen, from, to)
			}
			if from != to {
				l.seen[[2]Stage{from, to}] = true
			}
			l.was[n] = to
		}
	}
	l.must(s.Verify())
}
