package engine

import (
	"slices"
	"strings"
	"testing"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
)

// newStack is a stack of which some stands: a network and its subnet, a group of nodes of
// two parts that are replaced together, and a role by itself are wanted; a queue, and a topic
// that needs it, go; and so does a bucket of which nobody knows whether it was made.
func newStack(stands ...string) *narrowing {
	key := func(name string) graph.Key { return graph.Key{Type: "T", Name: name} }
	want := func(name, component string, needs ...string) graph.Resource {
		r := graph.Resource{Key: key(name), Component: component}
		for _, n := range needs {
			r.After = append(r.After, key(n))
		}
		if component != "" {
			r.Generation = plan.Props{"type": "c5"}
		}
		return r
	}
	g := &graph.Graph{Stack: "dev", Project: "shop", Resources: []graph.Resource{
		want("net", ""), want("subnet", "", "net"), want("template", "nodegroup/web"), want("group", "nodegroup/web", "subnet", "template"), want("role", ""),
	}}
	urn := func(name string) plan.URN { return plan.NewURN("dev", "shop", "T", name) }
	s := &state.Snapshot{Stack: "dev", Project: "shop", Resources: []state.Resource{
		{URN: urn("queue"), Type: "T", Gen: 1, Name: "queue-1"}, {URN: urn("topic"), Type: "T", Gen: 1, Name: "topic-1", Needs: []state.Need{{URN: urn("queue"), Gen: 1}}},
	}, Pending: []state.Intent{{Op: plan.Create, URN: urn("bucket"), Resource: &state.Resource{URN: urn("bucket"), Type: "T"}}}}
	for _, name := range stands {
		s.Resources = append(s.Resources, state.Resource{URN: urn(name), Type: "T", Gen: 1, Name: name + "-1"})
	}
	return newNarrowing(g, s)
}

// A change about a part takes in what that needs, the parts that go with it, and what has
// to go before what goes; what is left out keeps what it needs, and takes along what needs
// it and cannot stand without.
func TestWhatAChangeIsAbout(t *testing.T) {
	stands := []string{"net", "subnet", "template", "group", "role"}
	for about, c := range map[string]struct {
		scope  Scope
		stands []string
		want   string
	}{
		"all":                                 {Scope{}, stands, "bucket group net queue role subnet template topic"},
		"what needs nothing":                  {Scope{Only: []string{"T/role"}}, stands, "role"},
		"what needs something":                {Scope{Only: []string{"T/subnet"}}, stands, "net subnet"},
		"a part of a whole":                   {Scope{Only: []string{"T/template"}}, stands, "group net subnet template"},
		"a whole":                             {Scope{Only: []string{"nodegroup/web"}}, nil, "group net subnet template"},
		"what goes, and is needed":            {Scope{Only: []string{"T/queue"}}, stands, "queue topic"},
		"what goes, and needs something":      {Scope{Only: []string{"T/topic"}}, stands, "topic"},
		"what was begun":                      {Scope{Only: []string{"T/bucket"}}, stands, "bucket"},
		"by its physical name":                {Scope{Only: []string{"queue-1", "role-1"}}, stands, "queue role topic"},
		"all but what others need, it stands": {Scope{Except: []string{"T/net"}}, stands, "bucket group queue role subnet template topic"},
		"… and does not":                      {Scope{Except: []string{"T/net"}}, nil, "bucket queue role topic"},
		"all but what stands half":            {Scope{Except: []string{"T/subnet"}}, []string{"net"}, "bucket net queue role topic"},
		"all but a part of a whole":           {Scope{Except: []string{"T/group"}}, stands, "bucket net queue role subnet topic"},
		"all but what goes":                   {Scope{Except: []string{"T/topic"}}, stands, "bucket group net role subnet template"},
		"all but what goes after it":          {Scope{Except: []string{"T/queue"}}, stands, "bucket group net role subnet template topic"},
		"some, but not one of them":           {Scope{Only: []string{"T/group", "T/role"}, Except: []string{"T/role"}}, stands, "group net subnet template"},
	} {
		n := newStack(c.stands...)
		if err := n.choose(c.scope); err != nil {
			t.Fatal(err)
		}
		var in []string
		for k, is := range n.in {
			if is {
				in = append(in, k.Name)
			}
		}
		slices.Sort(in)
		if got := strings.Join(in, " "); got != c.want {
			t.Errorf("%s: %s, want %s", about, got, c.want)
		}
	}
	for _, scope := range []Scope{{Only: []string{"T/nothing"}}, {Except: []string{"nothing"}}, {Only: []string{""}}} {
		if err := newStack().choose(scope); err == nil {
			t.Errorf("%+v names nothing, and nobody is told", scope)
		}
	}
	if !(Scope{}).isAll() || (Scope{Only: []string{"x"}}).isAll() || (Scope{Except: []string{"x"}}).isAll() {
		t.Error("all is what names nothing")
	}
}

// What is in use stands; what is leaving, or about which a call is open, does not.
func TestWhatStands(t *testing.T) {
	urn := func(name string) plan.URN { return plan.NewURN("dev", "shop", "T", name) }
	s := &state.Snapshot{Resources: []state.Resource{
		{URN: urn("stands"), Gen: 1}, {URN: urn("condemned"), Gen: 1, Condemned: true}, {URN: urn("gone"), Gen: 1, Gone: true}, {URN: urn("leaving"), Gen: 1, Leaving: true}, {URN: urn("changed"), Gen: 1},
	}, Pending: []state.Intent{{Op: plan.Update, URN: urn("changed"), Gen: 1}}}
	n := newNarrowing(new(graph.Graph), s)
	if _, is := n.stands[graph.Key{Type: "T", Name: "stands"}]; !is || len(n.stands) != 1 {
		t.Errorf("%v", n.stands)
	}
}
