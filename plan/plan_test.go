package plan_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/droverhq/drover/plan"
)

func urn(typ, name string) plan.URN { return plan.NewURN("dev", "shop", typ, name) }

const asg = "AWS::AutoScaling::AutoScalingGroup"

// move is the plan of DESIGN's example, with two parts a generation.
func move() plan.Plan {
	part := func(op plan.Op, typ, suffix string, gen int, why string, needs ...int) plan.Step {
		return plan.Step{Op: op, URN: urn(typ, "web"), Gen: gen, Name: "web-" + suffix, Suffix: suffix,
			Component: "nodegroup/web", Why: why, Needs: needs}
	}
	p := plan.Plan{Stack: "dev", Project: "shop", Steps: []plan.Step{
		part(plan.Create, "AWS::IAM::Role", "7c1e04b", 2, "version 1.35 -> 1.36"),
		part(plan.Create, asg, "7c1e04b", 2, "version 1.35 -> 1.36", 1),
		{Op: plan.Update, URN: urn("apps/v1/Deployment", "apps/nginx"), Gen: 1, Name: "apps/nginx",
			Component: "workload/nginx", Why: "now placed on web-7c1e04b", Needs: []int{2}},
		part(plan.HandOver, asg, "2f9a6d1", 1, "3 nodes, 4 pods, 1 load balancer", 1, 2, 3),
		part(plan.Delete, asg, "2f9a6d1", 1, "only when empty", 4),
		part(plan.Delete, "AWS::IAM::Role", "2f9a6d1", 1, "", 4, 5),
	}}
	for i := range p.Steps {
		p.Steps[i].ID = i + 1
	}
	p.Steps[4].Hosts, p.Steps[4].WhenEmpty = true, true
	return p
}

func TestText(t *testing.T) {
	var b strings.Builder
	if err := plan.Text(&b, move()); err != nil {
		t.Fatal(err)
	}
	const want = `
1 create    nodegroup/web-7c1e04b   version 1.35 -> 1.36
2 update    deployment/nginx        now placed on web-7c1e04b                     needs [1]
3 hand over nodegroup/web-2f9a6d1   3 nodes, 4 pods, 1 load balancer              needs [1 2]
4 delete    nodegroup/web-2f9a6d1   only when empty                               needs [3]
`
	if got := "\n" + b.String(); got != want {
		t.Errorf("got%swant%s", got, want)
	}
}

// A safe plan passes; each change takes one promise away and must be refused.
func TestVerify(t *testing.T) {
	if err := move().Verify(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spoil func(*plan.Plan)
		says  string
	}{
		"cycle":                           {func(p *plan.Plan) { p.Steps[0].Needs = []int{2} }, "not before it"},
		"unknown need":                    {func(p *plan.Plan) { p.Steps[5].Needs = []int{9} }, "not before it"},
		"wrong number":                    {func(p *plan.Plan) { p.Steps[2].ID = 7 }, "stands at place"},
		"unknown operation":               {func(p *plan.Plan) { p.Steps[2].Op = "replace" }, "unknown operation"},
		"same step twice":                 {func(p *plan.Plan) { p.Steps[5].URN, p.Steps[5].Gen = p.Steps[4].URN, 1 }, "repeats"},
		"hand over before the new group":  {func(p *plan.Plan) { p.Steps[2].Needs, p.Steps[3].Needs = nil, []int{1, 3} }, "hands over before"},
		"hand over before the update":     {func(p *plan.Plan) { p.Steps[3].Needs = []int{1, 2} }, "hands over before"},
		"delete before the replacement":   {func(p *plan.Plan) { p.Steps[5].Needs = nil }, "before its replacement"},
		"delete part before the handover": {func(p *plan.Plan) { p.Steps[5].Needs = []int{1} }, "before the hand-over"},
		"delete group without handover":   {func(p *plan.Plan) { p.Steps[4].Needs = []int{1, 2} }, "nothing hands them over"},
		"delete group that is not empty":  {func(p *plan.Plan) { p.Steps[4].WhenEmpty = false }, "nothing hands them over"},
		"shrink before the handover": {func(p *plan.Plan) {
			p.Steps[5] = plan.Step{ID: 6, Op: plan.Update, URN: p.Steps[3].URN, Gen: 1}
		}, "shrinks before"},
		"delete before something else stands": {func(p *plan.Plan) {
			p.Steps[4].Needs, p.Steps[4].Hosts, p.Steps[4].WhenEmpty, p.Steps[3].Op = []int{1, 2}, false, false, plan.Update
			p.Steps[5].Needs = []int{4, 5}
			p.Steps[3].URN = urn("v1/Service", "x")
		}, "before step 3"},
		"goes first, and nothing comes": {func(p *plan.Plan) {
			p.Steps[5].URN, p.Steps[5].DeleteFirst, p.Steps[5].Component = urn("v1/Service", "x"), true, ""
		}, "nothing comes in its place"},
		"cannot stand twice, and does": {func(p *plan.Plan) { p.Steps[5].DeleteFirst = true }, "cannot stand twice"},
	} {
		p := move()
		c.spoil(&p)
		if err := p.Verify(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
	destroy := plan.Plan{Destroy: true, Steps: []plan.Step{{ID: 1, Op: plan.Delete, URN: urn(asg, "web"), Hosts: true}}}
	if err := destroy.Verify(); err != nil {
		t.Errorf("destroy hands nothing over: %v", err)
	}
}

// However steps depend on each other across components, every step is in one
// line, lines only need earlier ones, and no need of a step is lost.
func TestLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p plan.Plan
		for i := range rapid.IntRange(0, 30).Draw(t, "steps") {
			s := plan.Step{ID: i + 1, Op: rapid.SampledFrom([]plan.Op{plan.Create, plan.Delete}).Draw(t, "op"),
				URN: urn("v1/Thing", "x"), Component: rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "component")}
			for n := 1; n <= i; n++ {
				if rapid.IntRange(0, 5).Draw(t, "need") == 0 {
					s.Needs = append(s.Needs, n)
				}
			}
			p.Steps = append(p.Steps, s)
		}
		lines := plan.Lines(p)
		at := map[int]int{}
		for i, l := range lines {
			if l.ID != i+1 {
				t.Fatalf("line %d has ID %d", i+1, l.ID)
			}
			for _, n := range l.Needs {
				if n >= l.ID {
					t.Fatalf("line %d needs line %d", l.ID, n)
				}
			}
			for _, s := range l.Steps {
				at[s] = l.ID
			}
		}
		if len(at) != len(p.Steps) {
			t.Fatalf("%d of %d steps are shown", len(at), len(p.Steps))
		}
		for _, s := range p.Steps {
			for _, n := range s.Needs {
				if l := lines[at[s.ID]-1]; at[n] != l.ID && !slices.Contains(l.Needs, at[n]) {
					t.Fatalf("step %d needs step %d, line %d does not need line %d", s.ID, n, l.ID, at[n])
				}
			}
		}
	})
}

func TestURN(t *testing.T) {
	for typ, name := range map[string]string{"AWS::EC2::VPC": "main", "apps/v1/Deployment": "apps/nginx"} {
		if u := urn(typ, name); u.Type() != typ || u.Name() != name {
			t.Errorf("%s: type %q, name %q", u, u.Type(), u.Name())
		}
		if u := urn(typ, name).In("prod", "store"); u != plan.NewURN("prod", "store", typ, name) {
			t.Errorf("in another stack: %s", u)
		}
	}
}

func TestCounts(t *testing.T) {
	n := move().Counts()
	if n[plan.Create] != 2 || n[plan.Update] != 1 || n[plan.HandOver] != 1 || n[plan.Delete] != 2 {
		t.Errorf("%v", n)
	}
}

// A plan is data: what was stored is what is carried out.
func TestPlanIsData(t *testing.T) {
	data, err := json.Marshal(move())
	if err != nil {
		t.Fatal(err)
	}
	var back plan.Plan
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil || string(again) != string(data) {
		t.Errorf("%v: %s, want %s", err, again, data)
	}
}
