package state_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

var ctx = context.Background()

func open(t *testing.T, url string) *state.Store {
	t.Helper()
	s, err := state.Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func lock(t *testing.T, s *state.Store) *state.Session {
	t.Helper()
	session, err := s.Lock(ctx, "dev", "up")
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func newStack(t *testing.T, url string) (*state.Store, *state.Session) {
	t.Helper()
	s := open(t, url)
	if err := s.Init(ctx, "dev", "shop"); err != nil {
		t.Fatal(err)
	}
	return s, lock(t, s)
}

func resource(name string, gen int, needs ...state.Need) state.Resource {
	return state.Resource{URN: urn(name), Gen: gen, Type: "T", Name: name, Inputs: plan.Props{"name": name}, Needs: needs}
}

func agreed(*state.Snapshot) error { return nil }

func urn(name string) plan.URN { return plan.NewURN("dev", "shop", "T", name) }

func create(t *testing.T, s *state.Session, r state.Resource) {
	t.Helper()
	in, err := s.Begin(ctx, state.Intent{Op: plan.Create, URN: r.URN, Gen: r.Gen, Resource: &r})
	if err != nil {
		t.Fatal(err)
	}
	r.ID = "id-" + r.Name
	if err := s.Done(ctx, in, &r); err != nil {
		t.Fatal(err)
	}
}

func kind(err error) problem.Kind {
	var p *problem.Error
	if !errors.As(err, &p) || p.Fix == "" {
		return 0
	}
	return p.Kind
}

// What a run wrote is what the next one reads, whether the run ended well
// (checkpoint) or was killed (journal), and also over both.
func TestStateSurvivesTheRun(t *testing.T) {
	url := "file://" + t.TempDir()
	store, s := newStack(t, url)
	if err := s.Start(ctx, map[plan.Op]int{plan.Create: 2}); err != nil {
		t.Fatal(err)
	}
	create(t, s, resource("vpc", 1))
	if err := errors.Join(s.Finish(ctx, nil), s.Unlock(ctx)); err != nil {
		t.Fatal(err)
	}

	killed := lock(t, store)
	create(t, killed, resource("subnet", 1, state.Need{URN: urn("vpc"), Gen: 1}))
	pending := resource("group", 1)
	in, err := killed.Begin(ctx, state.Intent{Op: plan.Create, URN: pending.URN, Gen: 1, Resource: &pending})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Break(ctx, "dev"); err != nil {
		t.Fatal(err)
	}

	next := lock(t, open(t, url))
	if !state.Equal(next.Snapshot(), killed.Snapshot()) || len(next.Snapshot().Resources) != 2 {
		t.Fatalf("read %+v, want %+v", next.Snapshot(), killed.Snapshot())
	}
	again, err := next.Begin(ctx, state.Intent{Op: plan.Create, URN: pending.URN, Gen: 1, Resource: &pending})
	if err != nil || again.Token != in.Token {
		t.Fatalf("token %q (%v) for the repeated create, want %q: it would make a second object", again.Token, err, in.Token)
	}
	if runs, err := store.History(ctx, "dev"); err != nil || len(runs) != 1 || runs[0].Result != state.Succeeded {
		t.Fatalf("history %+v, %v", runs, err)
	}
}

// An update that came back with an error may be refused for ever under its
// token; a create must keep it until nothing was made for sure.
func TestTokens(t *testing.T) {
	_, s := newStack(t, "mem://")
	create(t, s, resource("vpc", 1))
	begin := func(op plan.Op, name string) state.Intent {
		r := resource(name, 1)
		in, err := s.Begin(ctx, state.Intent{Op: op, URN: r.URN, Gen: 1, Resource: &r})
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	for _, c := range []struct {
		op      plan.Op
		name    string
		notMade bool
		same    bool
	}{
		{plan.Update, "vpc", false, false},
		{plan.Create, "a", false, true},
		{plan.Create, "b", true, false},
	} {
		first := begin(c.op, c.name)
		if err := s.Failed(ctx, first, c.notMade); err != nil {
			t.Fatal(err)
		}
		if second := begin(c.op, c.name); (second.Token == first.Token) != c.same {
			t.Errorf("%s %s, not made %v: tokens %q and %q", c.op, c.name, c.notMade, first.Token, second.Token)
		}
	}
}

// The state never holds what no run can have left. Each case drops one rule of Verify.
func TestWritesAreVerified(t *testing.T) {
	vpc := state.Need{URN: urn("vpc"), Gen: 1}
	cases := map[string]func(*state.Session) error{
		"needs what is not there": func(s *state.Session) error {
			return s.Learn(ctx, resource("subnet", 1, state.Need{URN: urn("nothing"), Gen: 1}))
		},
		"deletes what is needed": func(s *state.Session) error {
			in, err := s.Begin(ctx, state.Intent{Op: plan.Delete, URN: vpc.URN, Gen: 1})
			return errors.Join(err, s.Done(ctx, in, nil))
		},
		"deletes what an unfinished update may refer to": func(s *state.Session) error {
			other := resource("subnet", 1) // no longer refers to vpc, if it went through
			_, err := s.Begin(ctx, state.Intent{Op: plan.Update, URN: other.URN, Gen: 1, Resource: &other})
			if err != nil {
				return nil
			}
			in, err := s.Begin(ctx, state.Intent{Op: plan.Delete, URN: vpc.URN, Gen: 1})
			return errors.Join(err, s.Done(ctx, in, nil))
		},
		"deletes what an unfinished update may refer to now": func(s *state.Session) error {
			create(t, s, resource("later", 1))
			other := resource("subnet", 1, state.Need{URN: urn("later"), Gen: 1})
			in, err := s.Begin(ctx, state.Intent{Op: plan.Update, URN: other.URN, Gen: 1, Resource: &other})
			if err := errors.Join(err, s.Failed(ctx, in, false)); err != nil {
				return nil
			}
			in, err = s.Begin(ctx, state.Intent{Op: plan.Delete, URN: urn("later"), Gen: 1})
			return errors.Join(err, s.Done(ctx, in, nil))
		},
		"creates what exists": func(s *state.Session) error {
			r := resource("vpc", 1)
			_, err := s.Begin(ctx, state.Intent{Op: plan.Create, URN: r.URN, Gen: 1, Resource: &r})
			return err
		},
		"updates what does not exist": func(s *state.Session) error {
			r := resource("vpc", 2)
			_, err := s.Begin(ctx, state.Intent{Op: plan.Update, URN: r.URN, Gen: 2, Resource: &r})
			return err
		},
	}
	for name, write := range cases {
		_, s := newStack(t, "mem://")
		create(t, s, resource("vpc", 1))
		create(t, s, resource("subnet", 1, vpc))
		if write(s) == nil {
			t.Errorf("%s: written", name)
		}
		if n := len(s.Snapshot().Resources); n < 2 {
			t.Errorf("%s: the refused entry changed the state", name)
		}
	}
}

// A replacement takes over; what goes before its replacement comes stays as a
// name until nothing refers to it.
func TestReplacement(t *testing.T) {
	_, s := newStack(t, "mem://")
	create(t, s, resource("web", 1))
	create(t, s, resource("app", 1, state.Need{URN: urn("web"), Gen: 1}))
	in, err := s.Begin(ctx, state.Intent{Op: plan.Delete, URN: urn("web"), Gen: 1, First: true})
	if err := errors.Join(err, s.Done(ctx, in, nil)); err != nil {
		t.Fatal(err)
	}
	if r, ok := s.Snapshot().Find(urn("web"), 1); !ok || !r.Gone || !r.Condemned {
		t.Fatalf("while app refers to it: %+v", r)
	}
	create(t, s, resource("web", 2))
	if r, ok := s.Snapshot().Live(urn("web")); !ok || r.Gen != 2 {
		t.Fatalf("in use: %+v", r)
	}
	app := resource("app", 1, state.Need{URN: urn("web"), Gen: 2})
	if err := s.Learn(ctx, app); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Snapshot().Find(urn("web"), 1); ok {
		t.Fatal("nothing refers to it, and it is remembered")
	}
	if rs := s.Snapshot().Resources; rs[0].URN != urn("web") {
		t.Fatalf("app stands before what it now needs: %v", rs)
	}
}

// After an update whose end is unknown, both old and new values are in doubt, and
// what it was to apply is kept until one has ended.
func TestDoubt(t *testing.T) {
	_, s := newStack(t, "mem://")
	create(t, s, resource("vpc", 1))
	for _, step := range []struct {
		inputs plan.Props
		want   string
		before int // calls whose end is unknown
	}{
		{plan.Props{"name": "vpc", "a": 1}, "a", 0},
		{plan.Props{"name": "vpc", "a": 1}, "a", 0},
		{plan.Props{"name": "other"}, "a name", 1},
		{plan.Props{"name": "vpc"}, "a name", 2},
		{plan.Props{"name": "other"}, "a name", 3},
		{plan.Props{"name": "vpc"}, "a name", 3},
	} {
		r := resource("vpc", 1)
		r.Inputs = step.inputs
		in, err := s.Begin(ctx, state.Intent{Op: plan.Update, URN: r.URN, Gen: 1, Resource: &r})
		if err != nil || strings.Join(in.Doubt, " ") != step.want || len(in.Earlier) != step.before {
			t.Fatalf("doubt %q after %d calls (%v), want %q after %d", in.Doubt, len(in.Earlier), err, step.want, step.before)
		}
	}
}

func TestInitListRemove(t *testing.T) {
	dir := t.TempDir()
	store, s := newStack(t, "file://"+dir)
	if err := store.Init(ctx, "dev", "shop"); kind(err) != problem.Usage {
		t.Errorf("init twice: %v", err)
	}
	if err := store.Init(ctx, "../x", "shop"); kind(err) != problem.Usage {
		t.Errorf("a name that leaves the folder: %v", err)
	}
	if _, err := store.Read(ctx, "none"); kind(err) != problem.Usage {
		t.Errorf("unknown stack: %v", err)
	}
	create(t, s, resource("vpc", 1))
	list, err := store.List(ctx)
	if err != nil || len(list) != 1 || list[0].Stack != "dev" || list[0].Resources != 1 || list[0].Locked == nil {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := s.Unlock(ctx); err != nil {
		t.Fatal(err)
	}
	if err := store.Remove(ctx, "dev", false, agreed); kind(err) != problem.Refused {
		t.Errorf("removed while a resource exists: %v", err)
	}
	if s, err = store.Lock(ctx, "dev", "destroy"); err != nil {
		t.Fatal(err)
	}
	in, err := s.Begin(ctx, state.Intent{Op: plan.Delete, URN: urn("vpc"), Gen: 1})
	if err := errors.Join(err, s.Done(ctx, in, nil), s.Unlock(ctx)); err != nil {
		t.Fatal(err)
	}
	if err := store.Remove(ctx, "dev", false, agreed); err != nil {
		t.Fatal(err)
	}
	if list, err := store.List(ctx); err != nil || len(list) != 0 {
		t.Fatalf("after remove: %+v, %v", list, err)
	}
}

// A look without a lock writes nothing, and does not count while somebody works
// on the stack, or something is left to do of an earlier run.
func TestPeek(t *testing.T) {
	s, session := newStack(t, "mem://")
	if _, err := s.Peek(ctx, "dev"); !errors.Is(err, state.ErrReadOnly) {
		t.Errorf("while somebody works on it: %v", err)
	}
	create(t, session, resource("a", 1))
	if err := session.Unlock(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Peek(ctx, "dev"); !errors.Is(err, state.ErrReadOnly) {
		t.Errorf("with a journal that nobody has folded: %v", err)
	}
	session = lock(t, s)
	if err := errors.Join(session.Start(ctx, nil), session.Finish(ctx, nil), session.Unlock(ctx)); err != nil {
		t.Fatal(err)
	}
	peek, err := s.Peek(ctx, "dev")
	if err != nil {
		t.Fatal(err)
	}
	known, _ := peek.Live(urn("a"))
	if err := errors.Join(peek.Start(ctx, nil), peek.Learn(ctx, known), peek.SetOutputs(ctx, nil), peek.Finish(ctx, nil), peek.Unlock(ctx)); err != nil {
		t.Errorf("nothing new: %v", err)
	}
	known.Name = "b"
	_, beginErr := peek.Begin(ctx, state.Intent{Op: plan.Delete, URN: urn("a"), Gen: 1})
	for _, err := range []error{peek.Learn(ctx, known), beginErr, peek.Start(ctx, map[plan.Op]int{plan.Delete: 1}), peek.Pin(ctx, state.Identity{Region: "x"})} {
		if !errors.Is(err, state.ErrReadOnly) {
			t.Errorf("it wrote: %v", err)
		}
	}
}
