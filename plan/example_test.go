package plan_test

import (
	"fmt"
	"os"

	"github.com/droverhq/drover/plan"
)

// A plan as drover preview prints it. It is data: what carries it out, prints it or
// refuses it reads the same steps.
func ExampleText() {
	group := plan.NewURN("dev", "shop", "AWS::AutoScaling::AutoScalingGroup", "web")
	p := plan.Plan{Stack: "dev", Project: "shop", Steps: []plan.Step{
		{ID: 1, Op: plan.Create, URN: group, Gen: 2, Name: "web-7c1e04b", Why: "instanceType m7i.large -> m7i.xlarge", Hosts: true},
		{ID: 2, Op: plan.HandOver, URN: group, Gen: 1, Name: "web-51f00d2", Needs: []int{1}, Hosts: true},
		{ID: 3, Op: plan.Delete, URN: group, Gen: 1, Name: "web-51f00d2", Needs: []int{2}, Hosts: true, WhenEmpty: true, Why: "only when empty"},
	}}
	fmt.Println(p.Verify(), p.Counts()[plan.Create])
	_ = plan.Text(os.Stdout, p)
	// Output:
	// <nil> 1
	// 1 create    autoscalinggroup/web-7c1e04b   instanceType m7i.large -> m7i.xlarge
	// 2 hand over autoscalinggroup/web-51f00d2                                                 needs [1]
	// 3 delete    autoscalinggroup/web-51f00d2   only when empty                               needs [2]
}
