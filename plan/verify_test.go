package plan_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/droverhq/drover/plan"
)

// step is one of a resource's steps; number gives them their places.
func step(op plan.Op, name string, gen int, needs ...int) plan.Step {
	return plan.Step{Op: op, URN: urn("v1/Thing", name), Gen: gen, Name: name, Needs: needs}
}

// first is a delete that must come before its replacement.
func first(s plan.Step) plan.Step {
	s.DeleteFirst = true
	return s
}

func number(steps ...plan.Step) plan.Plan {
	for i := range steps {
		steps[i].ID = i + 1
	}
	return plan.Plan{Steps: steps}
}

// What may be left waiting is as narrow as the rule says: beside each plan that passes
// stand its neighbours that do not.
func TestWhatMayComeEarly(t *testing.T) {
	for name, c := range map[string]struct {
		steps []plan.Step
		says  string // empty: it passes
	}{
		"a step that needs itself": {[]plan.Step{step(plan.Create, "a", 1, 1)}, "not before it"},

		"a group shrinks after its hand-over": {[]plan.Step{
			step(plan.HandOver, "web", 1), step(plan.Update, "web", 1, 1)}, ""},
		"and what follows the shrinking comes later still": {[]plan.Step{
			step(plan.HandOver, "web", 1), step(plan.Update, "web", 1, 1), step(plan.Create, "a", 2, 2)}, ""},
		"a replacement is made only after the hand-over to it": {[]plan.Step{
			step(plan.HandOver, "web", 1), step(plan.Create, "web", 2, 1)}, "hands over before step 2"},
		"a hand-over before what does not wait for it": {[]plan.Step{
			step(plan.HandOver, "web", 1), step(plan.Create, "a", 1)}, "hands over before step 2"},
		"a group that shrinks is another one's generation": {[]plan.Step{
			step(plan.HandOver, "web", 1), step(plan.Update, "web", 2)}, "hands over before step 2"},

		"what cannot stand twice goes first": {[]plan.Step{
			first(step(plan.Delete, "a", 1)), step(plan.Create, "a", 2, 1)}, ""},
		"whatever else is made beside it": {[]plan.Step{
			step(plan.Create, "b", 1), first(step(plan.Delete, "a", 1)), step(plan.Create, "a", 2, 2), step(plan.Update, "c", 1)}, ""},
		"its replacement does not wait": {[]plan.Step{
			first(step(plan.Delete, "a", 1)), step(plan.Create, "a", 2), step(plan.Create, "b", 1, 1)}, "step 2 does not wait for it"},
		"only an update follows it": {[]plan.Step{
			first(step(plan.Delete, "a", 1)), step(plan.Update, "b", 1, 1)}, "nothing comes in its place"},

		"a delete that a hand-over waits for, for what is made after that": {[]plan.Step{
			step(plan.Delete, "a", 1), step(plan.HandOver, "web", 1, 1), step(plan.Create, "b", 2, 2)}, ""},
		"what is made after it waits for no hand-over": {[]plan.Step{
			step(plan.Delete, "a", 1), step(plan.Create, "b", 1, 1)}, "deletes before step 2"},
		"the hand-over does not wait for the delete": {[]plan.Step{
			step(plan.Delete, "a", 1), step(plan.HandOver, "web", 1), step(plan.Create, "b", 1, 2)}, "deletes before step 3"},
		"what lies between is no hand-over": {[]plan.Step{
			step(plan.Create, "c", 1), step(plan.Delete, "a", 1, 1), step(plan.Delete, "d", 1, 2), step(plan.Create, "b", 1, 3)}, "deletes before step 4"},
		"a replacement after such a hand-over": {[]plan.Step{
			step(plan.Delete, "a", 1), step(plan.HandOver, "web", 1, 1), step(plan.Create, "a", 2, 2)}, "before its replacement in step 3"},
		"what stood before comes back after such a hand-over": {[]plan.Step{
			step(plan.Delete, "a", 2), step(plan.HandOver, "web", 1, 1), step(plan.Create, "a", 1, 2)}, ""},
	} {
		err := number(c.steps...).Verify()
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// A plan with several mistakes names each.
func TestVerifyNamesEveryStep(t *testing.T) {
	err := number(step(plan.Delete, "a", 1), step(plan.Delete, "b", 1), step(plan.Create, "c", 1)).Verify()
	if err == nil || !strings.Contains(err.Error(), "step 1 (delete a)") || !strings.Contains(err.Error(), "step 2 (delete b)") {
		t.Errorf("%v", err)
	}
}

// after are all steps that come before a step for sure.
func after(steps []plan.Step, id int) []int {
	found := map[int]bool{}
	var visit func(int)
	visit = func(id int) {
		for _, n := range steps[id-1].Needs {
			if !found[n] {
				found[n] = true
				visit(n)
			}
		}
	}
	visit(id)
	var all []int
	for id := range len(steps) + 1 {
		if found[id] {
			all = append(all, id)
		}
	}
	return all
}

// Reduce takes from deletes what their other needs imply, and nothing else: every step
// still waits for all that it waited for.
func TestReduce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var steps []plan.Step
		for i := range rapid.IntRange(1, 90).Draw(t, "steps") { // more than one word of bits
			s := step(rapid.SampledFrom([]plan.Op{plan.Create, plan.Delete}).Draw(t, "op"), "x", i)
			s.ID = i + 1
			if i > 0 {
				s.Needs = rapid.SliceOfNDistinct(rapid.IntRange(1, i), 0, min(i, 4), rapid.ID[int]).Draw(t, "needs")
			}
			steps = append(steps, s)
		}
		was := slices.Clone(steps)
		for i := range was {
			was[i].Needs = slices.Clone(was[i].Needs)
		}
		plan.Reduce(steps)
		for i, s := range steps {
			if got, want := after(steps, s.ID), after(was, s.ID); !slices.Equal(got, want) {
				t.Fatalf("step %d waits for %v, and waited for %v", s.ID, got, want)
			}
			if s.Op != plan.Delete {
				if !slices.Equal(s.Needs, was[i].Needs) {
					t.Fatalf("step %d is no delete: %v became %v", s.ID, was[i].Needs, s.Needs)
				}
				continue
			}
			if !slices.IsSorted(s.Needs) {
				t.Fatalf("step %d: needs %v", s.ID, s.Needs)
			}
			for _, n := range s.Needs {
				for _, m := range s.Needs {
					if slices.Contains(after(steps, m), n) {
						t.Fatalf("step %d needs %d, which its need %d implies", s.ID, n, m)
					}
				}
			}
		}
	})
}
