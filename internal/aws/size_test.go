package aws

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// An autoscaler has raised a group to 8. A change of the file from 3 to 5
// leaves it at 8, one to 10 raises it, and a limit below 8 is refused: it
// would end nodes that nothing was handed over from.
func TestUpdateNeverShrinksALiveGroup(t *testing.T) {
	group := func(desired, most string) plan.Props {
		return plan.Props{"AutoScalingGroupName": "web-0a1b2c3", "MinSize": "3", "MaxSize": most, "DesiredCapacity": desired}
	}
	for _, c := range []struct {
		want    plan.Props
		desired string
		refused bool
	}{
		{group("5", "12"), "8", false}, {group("10", "12"), "10", false}, {group("5", "6"), "8", true}, {group("3", "12"), "8", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			fake, cloud := newFake(t)
			fake.objects["web-0a1b2c3"] = group("8", "10")
			r := engine.Request{Type: "AWS::AutoScaling::AutoScalingGroup", ID: "web-0a1b2c3", Name: "web-0a1b2c3",
				Old: group("3", "10"), Want: c.want}
			live, err := cloud.Provider().Read(t.Context(), r)
			if err != nil || live.Size == nil || *live.Size != 8 {
				t.Fatalf("%v, size %v", err, live.Size)
			}
			r.Size = *live.Size
			_, err = cloud.Provider().Update(t.Context(), r)
			var p *problem.Error
			if refused := errors.As(err, &p) && p.Kind == problem.Refused; refused != c.refused || !refused && err != nil {
				t.Errorf("%v: %v", c.want, err)
			}
			if got := fake.objects["web-0a1b2c3"]["DesiredCapacity"]; got != c.desired {
				t.Errorf("%v: desired %v, want %s", c.want, got, c.desired)
			}
		})
	}
}

// What replaces a group is as large as the group is now, within its own limit.
func TestReplacementIsAsLargeAsTheLiveGroup(t *testing.T) {
	for most, want := range map[float64]float64{10: 8, 6: 6, 3: 5} {
		r := engine.Request{Type: "AWS::EKS::Nodegroup", Size: 8}
		got := enlarged(r, map[string]any{"ScalingConfig": map[string]any{"DesiredSize": 5.0, "MaxSize": most}})
		if n := at(got, "ScalingConfig/DesiredSize"); n != want {
			t.Errorf("max %v: %v nodes, want %v", most, n, want)
		}
	}
}
