package handover

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/internal/engine"
)

// account is AWS as a test says it is, and what it was asked.
type account struct {
	Nothing
	groups   map[string]Group // others are not found
	states   map[string]string
	fails    map[string]error // by group, or "states", "balancers"
	asked    []string
	inquired []Inquiry
}

func (a *account) Group(_ context.Context, name string) (Group, error) {
	a.asked = append(a.asked, name)
	g, known := a.groups[name]
	switch {
	case a.fails[name] != nil:
		return Group{}, a.fails[name]
	case !known:
		return Group{}, ErrNotFound
	}
	return g, nil
}

func (a *account) States(_ context.Context, ids []string) (map[string]string, error) {
	a.asked = append(a.asked, ids...)
	found := maps.Clone(a.states)
	maps.DeleteFunc(found, func(id, _ string) bool { return !slices.Contains(ids, id) })
	return found, a.fails["states"]
}

func (a *account) Balancers(_ context.Context, q Inquiry) ([]Balancer, error) {
	a.inquired = append(a.inquired, q)
	return []Balancer{{Name: "lb"}}, a.fails["balancers"]
}

// mover makes a run of old in an account, with one node and pod of it.
func (a *account) run() (*run, *View) {
	r := newRun(&Mover{scaling: a, balancers: a}, nil, moveOf("old"))
	r.move.To = []engine.Host{{Name: "new"}}
	v := NewView()
	v.PutNode(&Node{Name: "old", Group: "old", Instance: "i-old"})
	v.PutNode(&Node{Name: "gone", Group: "old", Instance: "i-gone"})
	v.PutPod(&Pod{Ref: Ref{"apps", "web-1", "1"}, Node: "old", Address: "10.0.0.1"})
	return r, v
}

func newAccount() *account {
	return &account{fails: map[string]error{}, states: map[string]string{"i-gone": "terminated"}, groups: map[string]Group{
		"old": {Name: "old", Instances: []Instance{{"i-young", "Pending"}, {"i-old", "InService"}}, Attached: []string{"arn:old"}},
		"new": {Name: "new", Attached: []string{"arn:new"}},
		"b":   {Name: "b", Attached: []string{"arn:b"}},
	}}
}

// What is asked of AWS, and what of it is an answer: a group that is gone is one.
func TestWhatAWSIsAsked(t *testing.T) {
	away := errors.New("away")
	for name, c := range map[string]struct {
		change func(a *account, r *run)
		rec    *Record
		says   string // the error; empty: none
		groups []string
		ended  bool // i-gone
		asked  *Inquiry
	}{
		"a group": {groups: []string{"old", "new"}, ended: true,
			asked: &Inquiry{Instances: []string{"i-gone", "i-old", "i-young"}, Addresses: []string{"10.0.0.1"}, Groups: []string{"arn:old", "arn:new"}}},
		"a group beside": {change: func(_ *account, r *run) { r.scope.Beside = []string{"b"} }, groups: []string{"old", "new", "b"}, ended: true,
			asked: &Inquiry{Instances: []string{"i-gone", "i-old", "i-young"}, Addresses: []string{"10.0.0.1"}, Groups: []string{"arn:old", "arn:new", "arn:b"}}},
		"with what a record knows": {rec: &Record{Balancers: []string{"known"}}, groups: []string{"old", "new"}, ended: true,
			asked: &Inquiry{Instances: []string{"i-gone", "i-old", "i-young"}, Addresses: []string{"10.0.0.1"}, Known: []string{"known"}, Groups: []string{"arn:old", "arn:new"}}},
		"nodes by name": {change: func(_ *account, r *run) { r.scope.Nodes = []string{"old"} }, rec: &Record{Nodes: map[string]*NodeRecord{"gone": {}}}, groups: []string{"new"}, ended: true,
			asked: &Inquiry{Instances: []string{"i-gone", "i-old"}, Addresses: []string{"10.0.0.1"}, Groups: []string{"arn:new"}}},
		"nodes by name that are a group": {change: func(_ *account, r *run) { r.scope.Nodes, r.scope.Group = []string{"old"}, "old" }, groups: []string{"old", "new"},
			asked: &Inquiry{Instances: []string{"i-old"}, Addresses: []string{"10.0.0.1"}, Groups: []string{"arn:old", "arn:new"}}},
		"the group is deleted": {change: func(a *account, _ *run) { delete(a.groups, "old") }, groups: []string{"new"}, ended: true,
			asked: &Inquiry{Instances: []string{"i-gone", "i-old"}, Addresses: []string{"10.0.0.1"}, Groups: []string{"arn:new"}}},
		"the group cannot be read":         {change: func(a *account, _ *run) { a.fails["old"] = away }, says: "read Auto Scaling group old: away"},
		"the group that takes pods cannot": {change: func(a *account, _ *run) { a.fails["new"] = away }, says: "away"},
		"a group beside cannot":            {change: func(a *account, r *run) { r.scope.Beside, a.fails["b"] = []string{"b"}, away }, says: "away"},
		"EC2 does not answer":              {change: func(a *account, _ *run) { a.fails["states"] = away }, says: "away"},
		"load balancers cannot be read":    {change: func(a *account, _ *run) { a.fails["balancers"] = away }, says: "read the load balancers of old: away"},
		"EC2 said before that it has ended": {change: func(a *account, r *run) { a.states, r.aws.ended = nil, map[string]bool{"i-gone": true} }, groups: []string{"old", "new"}, ended: true,
			asked: &Inquiry{Instances: []string{"i-gone", "i-old", "i-young"}, Addresses: []string{"10.0.0.1"}, Groups: []string{"arn:old", "arn:new"}}},
	} {
		a := newAccount()
		r, v := a.run()
		if c.change != nil {
			c.change(a, r)
		}
		now, err := r.read(t.Context(), c.rec, v)
		if (err != nil) != (c.says != "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		var groups []string
		for _, g := range slices.Concat([]Group{now.from}, now.to, now.beside) {
			if g.Name != "" {
				groups = append(groups, g.Name)
			}
		}
		if !slices.Equal(groups, c.groups) || now.ended["i-gone"] != c.ended || now.ended["i-old"] || now.at.IsZero() || len(now.balancers) != 1 {
			t.Errorf("%s: %+v", name, now)
		}
		if len(a.inquired) != 1 || !same(a.inquired[0], *c.asked) {
			t.Errorf("%s: asked about %+v, want %+v", name, a.inquired, *c.asked)
		}
		if again := r.aws.ended["i-gone"] && slices.Contains(a.asked, "i-gone"); again {
			t.Errorf("%s: what has ended is asked about again", name)
		}
	}
}

func same(a, b Inquiry) bool {
	return slices.Equal(a.Instances, b.Instances) && slices.Equal(a.Addresses, b.Addresses) && slices.Equal(a.Groups, b.Groups) && slices.Equal(a.Known, b.Known)
}

// Where nothing is sent to by a load balancer, none is asked, and groups are known all the same.
func TestNoLoadBalancerIsAskedAboutNothing(t *testing.T) {
	a := &account{groups: map[string]Group{"old": {Name: "old"}, "new": {Name: "new"}}}
	r, _ := a.run()
	now, err := r.read(t.Context(), nil, NewView())
	if err != nil || len(a.inquired) > 0 || now.from.Name != "old" || len(now.to) != 1 {
		t.Errorf("%+v, %v: asked %v", now, err, a.inquired)
	}
}

// An instance that has ended is remembered while others are asked about: none comes back.
func TestInstancesThatHaveEndedAreRemembered(t *testing.T) {
	a := newAccount()
	r, v := a.run()
	v.PutNode(&Node{Name: "former", Group: "old", Instance: "i-former"})
	r.aws.ended = map[string]bool{"i-former": true}
	if now, err := r.read(t.Context(), nil, v); err != nil || !maps.Equal(now.ended, map[string]bool{"i-former": true, "i-gone": true}) || slices.Contains(a.asked, "i-former") {
		t.Errorf("%v, %v: asked %v", now.ended, err, a.asked)
	}
}

// seeing is a cluster that has one view.
type seeing struct {
	Cluster
	view  *View
	fails error
}

func (s seeing) View() (*View, error) { return s.view, s.fails }

// What AWS said counts for a moment, and for as long as it is silent after that, which is
// told; without any answer nothing begins.
func TestWhatAWSSaidCountsForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccount()
		r, v := a.run()
		r.cluster = seeing{view: v}
		rec := newRecord("old", 0, noon)
		look := func(after time.Duration, asks bool, stale string) (o Observed) {
			t.Helper()
			time.Sleep(after)
			a.asked = nil
			o, err := r.observe(t.Context(), rec)
			if err != nil || (len(a.asked) > 0) != asks || o.Stale != stale || o.View != v || o.From.Name != "old" || len(o.To) != 1 || len(o.Balancers) != 1 || !o.Ended["i-gone"] {
				t.Errorf("%v: asked %v, stale %q: %+v", err, a.asked, o.Stale, o)
			}
			return o
		}
		first := look(0, true, "").Asked
		look(reread-1, false, "")
		if next := look(1, true, "").Asked; next.Sub(first) != reread {
			t.Errorf("asked at %s, then at %s", first, next)
		}
		a.fails["old"] = errors.New("throttled")
		look(reread, true, "read Auto Scaling group old: throttled")
		since := r.awsOff
		look(reread-1, false, "read Auto Scaling group old: throttled")
		look(1, true, "read Auto Scaling group old: throttled")
		if !r.awsOff.Equal(since) || since.IsZero() {
			t.Errorf("silent since %s, and then %s", since, r.awsOff)
		}
		time.Sleep(reread)
		if _, err := r.observe(t.Context(), nil); err == nil {
			t.Error("it begins by what was said before")
		}
		clear(a.fails)
		if look(reread, true, ""); !r.awsOff.IsZero() {
			t.Error("it answers, and counts as silent")
		}
		r.move.Breach = func() (string, bool) { return "502", true }
		if o := look(0, false, ""); o.Breach != "502" {
			t.Errorf("breach: %q", o.Breach)
		}
		r.move.Breach = func() (string, bool) { return "502", false }
		if o := look(0, false, ""); o.Breach != "" {
			t.Errorf("breach: %q", o.Breach)
		}
		r.cluster = seeing{view: v, fails: errors.New("broken")}
		if _, err := r.observe(t.Context(), rec); err == nil {
			t.Error("the watches are broken")
		}
	})
}
