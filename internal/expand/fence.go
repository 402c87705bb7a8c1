package expand

import "github.com/droverhq/drover/plan"

// The fence of a self-managed group, from its birth: what `drover protect` puts round
// groups of others, in the words of CloudFormation. It is part of the group itself,
// since what is made beside it goes before it. Package aws passes it.
const (
	fenceTag   = "drover.dev/fence"
	fenceHook  = "drover-fence"
	fenceHolds = 60 // seconds, until what nobody let go is retained
)

// fence adds the fence to a group's properties.
func fence(props plan.Props) {
	props["LifecycleHookSpecificationList"] = []any{plan.Props{"LifecycleHookName": fenceHook, "DefaultResult": "ABANDON",
		"LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING", "HeartbeatTimeout": float64(fenceHolds)}}
	props["InstanceLifecyclePolicy"] = plan.Props{"RetentionTriggers": plan.Props{"TerminateHookAbandon": "retain"}}
	props["DeletionProtection"] = "prevent-force-deletion"
	marks, _ := props["Tags"].([]any)
	// Empty: nothing was there before.
	props["Tags"] = append(marks, plan.Props{"Key": fenceTag, "Value": "", "PropagateAtLaunch": false})
}
