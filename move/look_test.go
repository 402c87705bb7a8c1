package move

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/handover"
)

// nameOf is the name of a look's method.
func nameOf(l look) string {
	name := runtime.FuncForPC(reflect.ValueOf(l).Pointer()).Name()
	return name[strings.LastIndexByte(name, '.')+1:]
}

// seen is a cluster of which nothing is known but its view.
type seen struct {
	handover.Cluster
	view *handover.View
}

func (s seen) View() (*handover.View, error) { return s.view, nil }

// Each look has a case here: what it tells, and that it tells nothing where there is
// nothing to tell. What groups do on their own is in TestHabitsAreTold.
func TestLooks(t *testing.T) {
	grace, view := 5*time.Second, handover.NewView()
	view.PutNode(&handover.Node{Name: "old", Ready: true})
	view.PutNode(&handover.Node{Name: "new", Ready: true})
	view.PutPod(&handover.Pod{Ref: handover.Ref{Namespace: "apps", Name: "web-1", UID: "web-1"}, Workload: "deployment/apps/web", Node: "old"})
	view.PutPod(&handover.Pod{Ref: handover.Ref{Namespace: "shop", Name: "cart-1", UID: "cart-1"}, Workload: "deployment/shop/cart", Node: "new"})
	looked := func(change func(*job)) *job {
		j := &job{session: &session{cluster: seen{view: view}, fleet: region{}}}
		j.From, j.from.nodes = []Set{{Node, "old"}}, []string{"old"}
		change(j)
		return j
	}
	pod := handover.Foresight{Pods: []handover.Fate{{Workload: "deployment/apps/web", To: "other"}}}
	tried := map[string]bool{"habits": true}
	for name, tt := range map[string]struct {
		look     look
		change   func(*job)
		severity event.Severity
		effect   string
	}{
		"a pod goes elsewhere":    {(*job).elsewhere, func(j *job) { j.To, j.to.nodes = []Set{{Node, "new"}}, []string{"new"} }, event.Warning, "would go to node other"},
		"nothing there is Ready":  {(*job).elsewhere, func(j *job) { j.To, j.to.nodes = []Set{{Node, "gone"}}, []string{"gone"} }, event.Blocker, "no node of it is Ready"},
		"no instances":            {(*job).unasked, func(j *job) { j.fleet = nil }, event.Note, "no load balancer can be asked"},
		"no credentials":          {(*job).unasked, func(j *job) { j.fleet, j.why = nil, "no credentials" }, event.Warning, "AWS is not asked (no credentials)"},
		"a name that nothing has": {(*job).nameless, func(j *job) { j.Only.Workloads = []string{"deploy/web", "deployment/web"} }, event.Warning, "no pod of the cluster"},
		"a name of others":        {(*job).nameless, func(j *job) { j.Only.Namespaces = []string{"shop", "apps"} }, event.Note, "none of its pods is on these nodes"},
		"nodes may lose their role": {(*job).roleless, func(j *job) {
			mixed := handover.NewView()
			mixed.PutNode(&handover.Node{Name: "old", Instance: "i-1", Labels: map[string]string{managedLabel: "web"}})
			mixed.PutNode(&handover.Node{Name: "new", Instance: "i-2"})
			j.Then, j.cluster = Delete, seen{view: mixed}
		}, event.Warning, "takes its role out of aws-auth, if no other managed group has that"},
		"a grace period for all": {(*job).hurried, func(j *job) { j.Grace = &grace }, event.Warning, "every pod gets 5s"},
		"only the end is left":   {(*job).begun, func(j *job) { j.ends = true }, event.Note, "an earlier run has moved"},
	} {
		tried[nameOf(tt.look)] = true
		found := tt.look(looked(tt.change), context.Background(), pod)
		if len(found) != 1 || found[0].Severity != tt.severity || !strings.Contains(found[0].Effect, tt.effect) {
			t.Errorf("%s: %+v", name, found)
		}
		if found := tt.look(looked(func(*job) {}), context.Background(), pod); len(found) > 0 {
			t.Errorf("%s: told where there is nothing to tell: %+v", name, found)
		}
	}
	for _, l := range sights {
		if !tried[nameOf(l)] {
			t.Errorf("%s has no case", nameOf(l))
		}
	}
}

// Each look has its row in docs/migrate.md, in its order, with each severity that it
// names itself.
func TestLooksAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/migrate.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## What is told besides\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var names []string
	severities := map[string]string{}
	for line := range strings.Lines(section) {
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| ") && len(cells) == 4 && !strings.HasPrefix(line, "| about ") {
			name := strings.TrimPrefix(cells[0], "| ")
			names, severities[name] = append(names, name), cells[1]
		}
	}
	var want []string
	for _, l := range sights {
		want = append(want, nameOf(l))
		for _, severity := range severitiesOf(t, nameOf(l)) {
			if !strings.Contains(severities[nameOf(l)], severity) {
				t.Errorf("docs/migrate.md: %s may be a %s", nameOf(l), severity)
			}
		}
	}
	if !slices.Equal(names, want) {
		t.Errorf("docs/migrate.md, section What is told besides, has the rows %q, the code %q", names, want)
	}
}

// severitiesOf are those that a method in look.go names.
func severitiesOf(t *testing.T, method string) (all []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "look.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		if f, is := d.(*ast.FuncDecl); is && f.Name.Name == method {
			ast.Inspect(f, func(n ast.Node) bool {
				if s, is := n.(*ast.SelectorExpr); is && slices.Contains([]string{"Blocker", "Warning", "Note"}, s.Sel.Name) {
					all = append(all, strings.ToLower(s.Sel.Name))
				}
				return true
			})
		}
	}
	return all
}

// counting counts how often its surroundings are asked for.
type counting struct {
	handover.Cluster
	asked *int
}

func (c counting) Surroundings(context.Context) (handover.Surroundings, error) {
	*c.asked++
	return handover.Surroundings{Forbidden: []string{"leases"}}, nil
}

// What holds for all nodes that are looked at is asked once.
func TestSurroundingsAreAskedOnce(t *testing.T) {
	asked := 0
	c := lookedAround(t.Context(), counting{asked: &asked})
	for range 3 {
		if s, err := c.Surroundings(t.Context()); err != nil || len(s.Forbidden) == 0 {
			t.Errorf("%+v, %v", s, err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

// habitual counts how often each group's habits are asked for.
type habitual struct {
	fleet
	asked map[string]int
}

func (h habitual) Habits(_ context.Context, group string) (handover.Habits, error) {
	h.asked[group]++
	return handover.Habits{Policies: []string{group}}, errors.New("the rest may not be read")
}

// A group is asked once what it does on its own, though each of its nodes is looked at.
func TestHabitsAreAskedOnceAGroup(t *testing.T) {
	asked := map[string]int{}
	f := &askedOnce{fleet: habitual{asked: asked}, habits: map[string]habit{}}
	for range 3 {
		for _, group := range []string{"web", "db"} {
			if h, err := f.Habits(t.Context(), group); err == nil || !slices.Equal(h.Policies, []string{group}) {
				t.Errorf("%s: %+v, %v", group, h, err)
			}
		}
	}
	if asked["web"] != 1 || asked["db"] != 1 {
		t.Errorf("asked %v times", asked)
	}
}
