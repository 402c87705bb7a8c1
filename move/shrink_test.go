package move

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/internal/handover/world"
	"github.com/droverhq/drover/problem"
)

// A group that shrinks gives up as many nodes as are too many, and no pod of
// those loses a request (the model says so).
func TestLeave(t *testing.T) {
	in(t, 4, web(), func(r region) {
		var shown Report
		o := Options{From: []Set{{ASG, world.Old}}, Then: Empty, Leave: 3, Show: func(r Report) error { shown = r; return nil }}
		if err := run(context.Background(), r.session(), o); err != nil {
			t.Fatal(err)
		}
		g, err := r.Group(context.Background(), world.Old)
		if err != nil || len(g.Instances) != 3 || len(g.Suspended)+len(g.Tags) > 0 {
			t.Errorf("%v %+v", err, g)
		}
		if len(shown.Nodes) != 1 {
			t.Errorf("shown: %+v", shown.Nodes)
		}
		for _, line := range r.left() {
			if !strings.Contains(line, "min 3, was 4") { // whoever made it smaller says what it may be
				t.Error("left behind:", line)
			}
		}
	})
}

// A group that is no larger than what is left of it gives up nothing.
func TestLeaveAll(t *testing.T) {
	in(t, 2, web(), func(r region) {
		if err := run(context.Background(), r.session(), Options{From: []Set{{ASG, world.Old}}, Then: Empty, Leave: 2}); err != nil {
			t.Fatal(err)
		}
		if g, err := r.Group(context.Background(), world.Old); err != nil || len(g.Instances) != 2 {
			t.Errorf("%v %+v", err, g)
		}
	})
}

func TestWhatCannotShrink(t *testing.T) {
	for words, o := range map[string]Options{
		"only one group": {From: []Set{{Node, "a"}}, Then: Empty, Leave: 1},
		"kept":           {From: []Set{{ASG, "a"}}, Leave: 1},
		"cannot stay":    {From: []Set{{ASG, "a"}}, Then: Empty, Leave: -1},
	} {
		if err := o.verify(); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// A move that left some nodes, and was killed, is gone on with as such.
func TestOrderKeepsLeave(t *testing.T) {
	in(t, 4, web(), func(r region) {
		o := Options{From: []Set{{ASG, world.Old}}, Then: Empty, Leave: 3}
		if err := run(context.Background(), r.killedIn(8*time.Second), o); err == nil {
			t.Skip("it was faster")
		}
		time.Sleep(30 * time.Second) // its lock runs out
		again, err := Again(Access{}, r.only(t))
		if err != nil || again.Leave != 3 {
			t.Fatalf("%v %+v", err, again)
		}
		if err := run(context.Background(), r.session(), again); err != nil {
			t.Fatal(err)
		}
		if g, err := r.Group(context.Background(), world.Old); err != nil || len(g.Instances) != 3 {
			t.Errorf("%v %+v", err, g)
		}
	})
}

func TestReady(t *testing.T) {
	in(t, 2, web(), func(r region) {
		s := r.session()
		var told []string
		if err := s.ready(context.Background(), []Set{{ASG, world.New}}, func(what string) { told = append(told, what) }); err != nil || len(told) == 0 {
			t.Errorf("%v, told %v", err, told)
		}
		var p *problem.Error
		if err := s.ready(context.Background(), []Set{{Nodes, "a=b"}}, nil); !errors.As(err, &p) || p.Kind != problem.Usage {
			t.Error(err)
		}
		s.fleet, s.why = nil, "there are no credentials"
		if err := s.ready(context.Background(), []Set{{ASG, world.New}}, nil); err == nil || !strings.Contains(err.Error(), "no credentials") {
			t.Error(err)
		}
	})
}
