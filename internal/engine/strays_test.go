package engine

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// oneCluster is a stack of a cluster, an object in it, and a group of its nodes; a test
// changes what is different.
func oneCluster(change func(cluster, object, group *state.Resource)) *state.Snapshot {
	conn := plan.Props{"cluster": "one"}
	needs := []state.Need{{URN: "cluster", Gen: 1}}
	cluster := state.Resource{URN: "cluster", Gen: 1, Type: "AWS::EKS::Cluster"}
	object := state.Resource{URN: plan.NewURN("dev", "shop", "v1/Service", "apps/web"), Gen: 1, Type: "v1/Service", Needs: needs, Conn: state.Conn{Declared: conn, Resolved: conn}}
	group := state.Resource{URN: "group", Gen: 1, ID: "asg", Type: "AWS::AutoScaling::AutoScalingGroup", Needs: needs, Hosts: &state.Hosts{Conn: state.Conn{Declared: conn, Resolved: conn}}}
	change(&cluster, &object, &group)
	return &state.Snapshot{Resources: []state.Resource{cluster, object, group}}
}

// Clusters are looked into that are the stack's own, still stand, and go.
func TestWhichClustersAreLookedInto(t *testing.T) {
	conn := plan.Props{"cluster": "one"}
	any := func(*state.Resource) bool { return true }
	for about, c := range map[string]struct {
		change func(cluster, object, group *state.Resource)
		seen   sightings
		such   func(*state.Resource) bool
		want   []plan.Props
	}{
		"once, for all that is in it": {func(_, _, _ *state.Resource) {}, nil, any, []plan.Props{conn}},
		"by a group of nodes":         {func(_, o, _ *state.Resource) { o.Conn = state.Conn{} }, nil, any, []plan.Props{conn}},
		"by an object":                {func(_, _, g *state.Resource) { g.Hosts = nil }, nil, any, []plan.Props{conn}},
		"two": {func(_, o, _ *state.Resource) { o.Conn.Resolved = plan.Props{"cluster": "two"} }, nil, any,
			[]plan.Props{{"cluster": "two"}, conn}},
		"what is in it is gone":            {func(_, o, g *state.Resource) { o.Gone, g.Gone = true, true }, nil, any, nil},
		"… as was seen":                    {func(_, _, g *state.Resource) { g.Hosts = nil }, sightings{{URN: plan.NewURN("dev", "shop", "v1/Service", "apps/web"), Gen: 1}: {gone: true}}, any, nil},
		"it is gone itself":                {func(cl, _, _ *state.Resource) { cl.Gone = true }, nil, any, nil},
		"it stays":                         {func(_, _, _ *state.Resource) {}, nil, func(*state.Resource) bool { return false }, nil},
		"it is another stack's":            {func(_, o, g *state.Resource) { o.Needs, g.Needs = nil, nil }, nil, any, nil},
		"nobody knows how to reach it yet": {func(_, o, g *state.Resource) { o.Conn.Resolved, g.Hosts.Conn.Resolved = nil, nil }, nil, any, nil},
	} {
		if got := clusters(oneCluster(c.change), c.seen, c.such); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v", about, got)
		}
	}
}

// finding is a provider that finds what others made, by the type that it is asked as.
type finding struct {
	Provider
	found map[string][]Stray
	fails map[string]error
	typ   string
	known map[string][]string
}

func (p *finding) Strays(_ context.Context, _ plan.Props, known []string) ([]Stray, error) {
	p.known[p.typ] = known
	return p.found[p.typ], p.fails[p.typ]
}

// What would be left behind is refused if it blocks, all of it named; the rest is told, and
// so is what cannot be seen.
func TestWhatWouldBeLeftBehind(t *testing.T) {
	balancer := Stray{Object: "service apps/legacy", Owner: "v1/Service/apps/legacy", Leaves: "a load balancer", Blocks: true, Fix: "kubectl delete it"}
	second := Stray{Object: "ingress apps/shop", Leaves: "another one", Blocks: true, Fix: "delete that"}
	volume := Stray{Object: "claim apps/data", Leaves: "its volume", Fix: "delete it"}
	const kube, aws = "v1/Service", "AWS::EKS::Cluster"
	for about, c := range map[string]struct {
		found   map[string][]Stray
		fails   map[string]error
		refused string
		notes   int
		told    string
	}{
		"nothing":                            {},
		"a load balancer":                    {found: map[string][]Stray{kube: {balancer}}, refused: "service apps/legacy is not in the stack and leaves a load balancer"},
		"two":                                {found: map[string][]Stray{kube: {balancer, second}}, refused: "apps/legacy", notes: 1},
		"one in the cluster, and one of AWS": {found: map[string][]Stray{kube: {balancer}, aws: {second}}, refused: "apps/legacy", notes: 1},
		"a volume":                           {found: map[string][]Stray{kube: {volume}}, told: "claim apps/data leaves its volume delete it"},
		"the cluster does not answer":        {fails: map[string]error{kube: errors.New("away")}, told: "cluster it cannot be seen whether load balancers of others would be left behind: away"},
		"AWS does not":                       {found: map[string][]Stray{kube: {balancer}}, fails: map[string]error{aws: errors.New("denied")}, refused: "apps/legacy", told: "left behind: denied"},
	} {
		p := &finding{found: c.found, fails: c.fails, known: map[string][]string{}}
		var told []string
		e := &Engine{Events: sinkFunc(func(f event.Fact) {
			x := f.(event.Finding)
			told = append(told, strings.TrimSpace(x.Object+" "+x.Effect+" "+x.Fix))
		}), Providers: func(typ string) (Provider, error) { p.typ = typ; return p, nil }}
		err := e.strays(t.Context(), new(graph.Graph), oneCluster(func(_, _, _ *state.Resource) {}), nil)
		var refused *problem.Error
		switch {
		case c.refused == "" && err != nil:
			t.Errorf("%s: %v", about, err)
		case c.refused != "" && (!errors.As(err, &refused) || refused.Kind != problem.Refused || !strings.Contains(err.Error(), c.refused) || len(refused.Notes) != c.notes || refused.Fix != balancer.Fix):
			t.Errorf("%s: %+v", about, err)
		}
		if text := strings.Join(told, "; "); (text == "") != (c.told == "") || !strings.Contains(text, c.told) {
			t.Errorf("%s: told %q", about, text)
		}
		if want := []string{"v1/Service/apps/web", "AWS::AutoScaling::AutoScalingGroup/asg"}; !reflect.DeepEqual(p.known[kube], want) {
			t.Errorf("%s: known are %q", about, p.known[kube])
		}
		if n := len(p.known[aws]); n != 2+len(c.found[kube]) {
			t.Errorf("%s: AWS is asked beside %q", about, p.known[aws])
		}
	}
}

// Without a provider that can look, nothing is found; where there is none, that is told.
func TestWhoLooksForStrays(t *testing.T) {
	e := &Engine{Providers: func(string) (Provider, error) { return secretive{}, nil }}
	if found, err := e.straysOf(t.Context(), "v1/Service", nil, nil); len(found) > 0 || err != nil {
		t.Errorf("%v, %v", found, err)
	}
	e.Providers = func(string) (Provider, error) { return nil, errors.New("no region") }
	if _, err := e.straysOf(t.Context(), "v1/Service", nil, nil); err == nil {
		t.Error("nobody looks, and nobody is told")
	}
}
