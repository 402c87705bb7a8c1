package move

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/aws"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/handover/world"
)

// printer makes the model's new group, which stands already, as if it were a copy.
type printer struct {
	made  *atomic.Int32
	stops bool // it is killed when it has made the group
}

func (p printer) PlanCopy(_ context.Context, of handover.Ending, with aws.Changes) (*aws.Copy, error) {
	return &aws.Copy{Name: world.New, Type: with.InstanceType, Nodes: 2, Made: p.made.Load() > 0, Lines: []string{"a copy of " + of.Group}}, nil
}

func (p printer) Make(_ context.Context, c *aws.Copy, wait func(string)) (string, error) {
	wait("it comes")
	if !c.Made {
		p.made.Add(1)
	}
	if p.stops {
		return "", errKilled
	}
	return c.Name, nil
}

// The new group is made once, however often the command is killed, and then the
// pods go there: the plan tells so.
func TestCreateLike(t *testing.T) {
	in(t, 2, web(), func(r region) {
		made := &atomic.Int32{}
		session := func(stops bool) *session {
			s := r.session()
			s.copies = printer{made, stops}
			return s
		}
		var shown Report
		var steps []string
		log := event.NewLog(testClock, func(e event.Event) {
			if p, is := e.Fact.(event.Planned); is {
				steps = nil
				for _, s := range p.Plan.Steps {
					steps = append(steps, s.Name+" "+string(s.Op))
				}
			}
		})
		o := Options{From: []Set{{ASG, world.Old}}, Then: Delete, CreateLike: &Like{InstanceType: "m7g.large"}, Show: func(report Report) error { shown = report; return nil }, Events: log}
		if err := run(context.Background(), session(true), o); err == nil {
			t.Fatal("it was killed, and did not err")
		}
		if made.Load() != 1 || !slices.Equal(shown.Makes, []string{"a copy of " + world.Old}) || shown.To != "asg/"+world.New || len(steps) != 3 || !strings.HasPrefix(steps[0], world.New) {
			t.Errorf("%+v, made %d, steps %v", shown, made.Load(), steps)
		}
		if err := run(context.Background(), session(false), o); err != nil {
			t.Fatal(problemText(err))
		}
		if made.Load() != 1 {
			t.Errorf("made %d times", made.Load())
		}
		r.gone(t, Delete)
	})
}

// What does not go together with a copy is refused beforehand.
func TestCreateLikeVerifies(t *testing.T) {
	for words, o := range map[string]Options{
		"only one group can be copied": {From: []Set{{Node, "a"}}, CreateLike: &Like{}},
		"leave --to out":               {From: []Set{{ASG, "a"}}, To: []Set{{ASG, "b"}}, CreateLike: &Like{}},
		"2:4:8":                        {From: []Set{{ASG, "a"}}, CreateLike: &Like{Capacity: "many"}},
	} {
		if text := problemText(o.verify()); !strings.Contains(text, words) {
			t.Errorf("%s, want %q", text, words)
		}
	}
}
