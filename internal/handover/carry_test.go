package handover

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
)

// answering is a cluster, and AWS, that answer every change alike; nil: it is done.
type answering struct {
	Cluster
	Nothing
	err error
}

func (a answering) PatchNode(context.Context, string, Patch) error       { return a.err }
func (a answering) PatchEvictor(context.Context, Evictor, Patch) error   { return a.err }
func (a answering) PatchPod(context.Context, Ref, Patch) error           { return a.err }
func (a answering) Evict(context.Context, Ref) error                     { return a.err }
func (a answering) TouchBudget(context.Context, string, string) error    { return a.err }
func (a answering) Guard(context.Context, string, []Repelled) error      { return a.err }
func (a answering) Unguard(context.Context, string) error                { return a.err }
func (a answering) Suspend(context.Context, string, []string) error      { return a.err }
func (a answering) Resume(context.Context, string, []string) error       { return a.err }
func (a answering) SetMin(context.Context, string, int) error            { return a.err }
func (a answering) Tag(context.Context, string, map[string]string) error { return a.err }
func (a answering) Untag(context.Context, string, []string) error        { return a.err }
func (a answering) Register(context.Context, string, string) error       { return a.err }
func (a answering) Deregister(context.Context, string, string) error     { return a.err }

// carrying is a run in the middle of a move, which keeps what it has carried out.
type carrying struct {
	*run
	mu   sync.Mutex
	done []string
}

func carries(answer error) *carrying {
	a := answering{err: answer}
	c := &carrying{run: newRun(New(a, a, nil, event.Discard), a, engine.Move{Events: event.Discard})}
	c.core = NewMove(newRecord("old", 0, noon), Options{})
	c.core.Record.Phase, c.core.view = Shift, NewView()
	c.core.view.Now, c.aws.at = noon, noon
	c.did = func(a Action) { c.mu.Lock(); defer c.mu.Unlock(); c.done = append(c.done, a.String()) }
	return c
}

// What an action asks for is done, or fails; and what AWS said before it changed
// something there is asked anew.
func TestActionsAreCarriedOut(t *testing.T) {
	down := errors.New("connection refused")
	for _, row := range []struct {
		action Action
		anew   bool
	}{
		{Hold{Group: "g", Min: 1}, true}, {Resume{Group: "g", Min: -1}, true}, {Resume{Group: "g", Processes: []string{"AZRebalance"}, Min: 1}, true},
		{Deregister{Node: "n", From: []string{"lb"}}, true}, {ChangeNode{Node: "n", Register: []string{"lb"}}, true}, {ChangeNode{Node: "n"}, false},
		{ChangeEvictor{}, false}, {ChangePod{}, false}, {Evict{}, false}, {Recount{}, false}, {Sentinel{Node: "n"}, false}, {Unguard{Node: "n"}, false},
	} {
		c := carries(down)
		if c.carryOut(t.Context(), []Action{row.action}); len(c.done) > 0 || c.failing.IsZero() || !errors.Is(c.lastErr, down) {
			t.Errorf("%s: %v, and nothing answered: %v", row.action, c.done, c.lastErr)
		}
		c = carries(nil)
		if c.carryOut(t.Context(), []Action{row.action}); len(c.done) != 1 || !c.failing.IsZero() || c.aws.at.IsZero() != row.anew {
			t.Errorf("%s: done %v; AWS is asked anew: %t", row.action, c.done, c.aws.at.IsZero())
		}
	}
	c := carries(down)
	if c.carryOut(t.Context(), []Action{Wait{For: "a pod"}}); len(c.done) > 0 || !c.failing.IsZero() {
		t.Errorf("a wait is something to do: %v", c.done)
	}
	var many []Action
	for i := range 3 * writers {
		many = append(many, Evict{Pod: Ref{UID: strconv.Itoa(i)}})
	}
	c = carries(nil)
	if c.carryOut(t.Context(), many); len(c.done) != len(many) {
		t.Errorf("%d of %d are done", len(c.done), len(many))
	}
}

// What changes one object comes one after the other, in the order in which it was asked for.
func TestActionsOnOneObjectKeepTheirOrder(t *testing.T) {
	for name, of := range map[string][]Action{
		"a pod":      {ChangePod{Pod: Ref{UID: "1"}, What: "renew"}, Evict{Pod: Ref{UID: "1"}}},
		"a node":     {ChangeNode{Node: "n", What: "exclude"}, Deregister{Node: "n"}},
		"a group":    {Hold{Group: "g", Min: -1}, Resume{Group: "g", Min: -1}},
		"a sentinel": {Sentinel{Node: "n"}, Unguard{Node: "n"}},
		"a budget":   {Recount{Namespace: "apps", Budget: "b"}, Recount{Namespace: "apps", Budget: "b"}},
		"an evictor": {ChangeEvictor{What: "rest"}, ChangeEvictor{What: "wake"}},
	} {
		if object(of[0]) == "" || object(of[0]) != object(of[1]) {
			t.Errorf("%s is called %q, and %q", name, object(of[0]), object(of[1]))
		}
		c := carries(nil)
		if c.carryOut(t.Context(), of); !slices.Equal(c.done, []string{of[0].String(), of[1].String()}) {
			t.Errorf("%s: %v", name, c.done)
		}
	}
	if a, b := object(Recount{Namespace: "apps", Budget: "a"}), object(Recount{Namespace: "apps", Budget: "b"}); a == b {
		t.Errorf("two budgets are called %s", a)
	}
}

// After a breach nothing more is begun; what puts back is.
func TestNothingIsBegunAfterABreach(t *testing.T) {
	for phase, done := range map[Phase]int{Ready: 0, Shift: 0, Soak: 0, Stop: 1} {
		c := carries(nil)
		c.core.Record.Phase = phase
		c.move.Breach = func() (string, bool) { return "GET /: 502", true }
		if c.carryOut(t.Context(), []Action{Evict{}}); len(c.done) != done {
			t.Errorf("%s: %v", phase, c.done)
		}
		c.done, c.move.Breach = nil, func() (string, bool) { return "", false }
		if c.carryOut(t.Context(), []Action{Evict{}}); len(c.done) != 1 {
			t.Errorf("%s, and there was none: %v", phase, c.done)
		}
	}
}

// A refusal is of its object alone; what every call may meet is an outage, which one that
// gets through ends, and which begins anew after a lull.
func TestRefusalsAndOutages(t *testing.T) {
	c := carries(nil)
	down := errors.New("connection refused")
	c.report(Evict{}, down)
	began := c.failing
	time.Sleep(time.Millisecond)
	c.report(Evict{}, down)
	if !c.failing.Equal(began) || !c.failed.After(began) {
		t.Errorf("two calls that fail: since %s, the last %s", c.failing, c.failed)
	}
	c.failing, c.failed = began.Add(-time.Hour), began.Add(-lull)
	if c.report(Evict{}, down); c.failing.Before(began) {
		t.Errorf("after a lull it has failed since %s", c.failing)
	}
	if c.report(Evict{}, &Refusal{Why: "a policy"}); !c.failing.IsZero() {
		t.Error("who refuses does not answer")
	}
	c.report(Evict{}, down)
	if c.report(Evict{}, nil); !c.failing.IsZero() {
		t.Error("a call that gets through ends no outage")
	}
	if c.barred != nil {
		t.Error("barred by an outage")
	}
	if c.report(Evict{}, Barred(down)); c.barred == nil || c.failing.IsZero() {
		t.Errorf("who may not: %v", c.barred)
	}
}

// An eviction that is refused is asked for again, and given up when that has lasted; one
// that passes by itself never is.
func TestEvictionsThatAreRefused(t *testing.T) {
	evict := Evict{Pod: Ref{UID: "1"}, Workload: "w"}
	for _, row := range []struct {
		passing bool
		lasts   time.Duration
		denied  bool
	}{{false, 0, false}, {false, backLimit - time.Second, false}, {false, backLimit, true}, {true, time.Hour, false}} {
		c := carries(&Refusal{Why: "a policy", Passing: row.passing})
		c.core.Record.Workloads["w"] = &WorkloadRecord{}
		c.carryOut(t.Context(), []Action{evict})
		c.core.view.Now = noon.Add(row.lasts)
		c.carryOut(t.Context(), []Action{evict})
		if r := c.refused["1"]; !r.Since.Equal(noon) || !r.At.Equal(noon.Add(row.lasts)) || r.Why != "a policy" {
			t.Errorf("%+v: %+v", row, r)
		}
		if why := c.core.Record.Workloads["w"].Denied[verbEvict]; (why == "a policy") != row.denied {
			t.Errorf("%+v: denied %q", row, why)
		}
		if c.report(evict, nil); len(c.refused) > 0 {
			t.Errorf("it was carried out, and is refused: %v", c.refused)
		}
	}
}

// What is refused for good is taken up by the next turn, in another way.
func TestWhatIsRefusedForGoodIsLearnt(t *testing.T) {
	learnt := func(passing bool, a Action) (*Move, int) {
		c := carries(&Refusal{Why: "a policy", Passing: passing})
		for _, key := range []string{"w", "other"} {
			c.core.Record.Workloads[key] = &WorkloadRecord{Denied: map[string]string{"before": "kept"}}
		}
		c.core.Record.Workloads["fresh"] = &WorkloadRecord{}
		c.core.Record.Nodes["n"] = &NodeRecord{}
		c.core.tempted = map[string]bool{"other": true, "fresh": true}
		before := c.core.version
		c.carryOut(t.Context(), []Action{a})
		changed := c.core.version - before
		if c.carryOut(t.Context(), nil); c.core.version != before+changed {
			t.Errorf("%#v is learnt once more by a turn in which it was not asked for", a)
		}
		return c.core, changed
	}
	denied := func(m *Move) string {
		var all []string
		for key, w := range m.Record.Workloads {
			for verb, why := range w.Denied {
				if why == "a policy" {
					all = append(all, key+": "+verb)
				} else if why != "kept" || len(w.Denied) > 2 {
					all = append(all, key+" lost "+verb)
				}
			}
			if _, due := m.dueWorkloads[key]; due != (w.Denied[verbHold]+w.Denied[verbKeepOff] != "") {
				all = append(all, key+" is due, or not")
			}
		}
		for key := range m.loud {
			all = append(all, "loud: "+key)
		}
		if why := m.Record.Nodes["n"].Why; why != "" {
			all = append(all, "n: "+why)
		}
		slices.Sort(all)
		return strings.Join(all, ", ")
	}
	for _, row := range []struct {
		action Action
		want   string
	}{
		{ChangeEvictor{Evictor: Evictor{Namespace: "kube-system", Name: "descheduler"}}, "loud: " + (&Evictor{Namespace: "kube-system", Name: "descheduler"}).Key()},
		{ChangePod{Workload: "w", What: verbHold}, "w: hold"}, {ChangePod{What: verbHold}, ""}, {ChangePod{Workload: "gone", What: verbHold}, ""},
		{ChangeNode{Node: "n", What: "cordon"}, "n: cordon is refused: a policy"}, {ChangeNode{Node: "gone", What: "cordon"}, ""},
		{Sentinel{Node: "n"}, "fresh: keep off, other: keep off"}, {Recount{}, ""},
	} {
		m, changed := learnt(false, row.action)
		if got := denied(m); got != row.want || row.want != "" && changed == 0 && len(m.loud) == 0 {
			t.Errorf("%#v: %q, want %q; %d versions", row.action, got, row.want, changed)
		}
		if m, _ := learnt(true, row.action); denied(m) != "" {
			t.Errorf("%#v, for now: %q", row.action, denied(m))
		}
	}
	c := carries(&Refusal{Why: "a policy"})
	c.core.Record.Phase, c.core.Record.Nodes["n"] = Stop, &NodeRecord{}
	if c.carryOut(t.Context(), []Action{ChangeNode{Node: "n"}}); c.core.Record.Nodes["n"].Why != "" {
		t.Error("a node that is put back counts as one that cannot be emptied")
	}
}

// What is to be put back is written down before it is changed, and what tells of it goes
// last: whoever finds it knows what is left to do.
func TestCallsComeInAnOrder(t *testing.T) {
	hold := Hold{Group: "g", Processes: []string{"AZRebalance"}, Min: 1}
	resume := Resume{Group: "g", Processes: hold.Processes, Min: 1}
	for _, row := range []struct {
		action  Action
		failing string
		want    string
	}{
		{hold, "", "tag suspend min"}, {hold, "tag", "tag"}, {hold, "suspend", "tag suspend"}, {hold, "min", "tag suspend min"}, {Hold{Group: "g", Min: -1}, "", "tag suspend"},
		{resume, "", "resume min untag"}, {resume, "resume", "resume"}, {resume, "min", "resume min"}, {resume, "untag", "resume min untag"},
		{Resume{Group: "g", Min: 0}, "", "min untag"}, {Resume{Group: "g", Min: -1}, "", "untag"},
		{ChangeNode{Register: []string{"a", "b"}}, "", "register register patch"}, {ChangeNode{Register: []string{"a", "b"}}, "register", "register"},
		{Deregister{From: []string{"a", "b"}}, "", "deregister deregister"}, {Deregister{From: []string{"a", "b"}}, "deregister", "deregister"},
	} {
		c, calls := carries(nil), &calls{failing: row.failing}
		c.scaling, c.balancers, c.cluster = calls, calls, patched{calls: calls}
		err := c.do(t.Context(), row.action)
		if got := strings.Join(calls.made, " "); got != row.want || (err == nil) != (row.failing == "") {
			t.Errorf("%s, and %q fails: %s, %v", row.action, row.failing, got, err)
		}
	}
}

// calls are those that were made, of which one sort fails.
type calls struct {
	Nothing
	failing string
	made    []string
}

func (c *calls) note(what string) error {
	c.made = append(c.made, what)
	if what == c.failing {
		return errNobody
	}
	return nil
}

func (c *calls) Tag(context.Context, string, map[string]string) error { return c.note("tag") }
func (c *calls) Untag(context.Context, string, []string) error        { return c.note("untag") }
func (c *calls) Suspend(context.Context, string, []string) error      { return c.note("suspend") }
func (c *calls) Resume(context.Context, string, []string) error       { return c.note("resume") }
func (c *calls) SetMin(context.Context, string, int) error            { return c.note("min") }
func (c *calls) Register(context.Context, string, string) error       { return c.note("register") }
func (c *calls) Deregister(context.Context, string, string) error     { return c.note("deregister") }

type patched struct {
	Cluster
	calls *calls
}

func (p patched) PatchNode(context.Context, string, Patch) error { return p.calls.note("patch") }
