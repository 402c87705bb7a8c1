package aws

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/droverhq/drover/examples"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/expand"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// fenced is an Auto Scaling group as the API tells of it.
func fenced(settings, instances, tags string) func(url.Values) string {
	return func(url.Values) string {
		return "<AutoScalingGroups><member><AutoScalingGroupName>web</AutoScalingGroupName><MinSize>1</MinSize><DesiredCapacity>2</DesiredCapacity>" + settings +
			"<Instances>" + instances + "</Instances><Tags>" + tags + "</Tags></member></AutoScalingGroups>"
	}
}

func member(id, state string) string {
	return "<member><InstanceId>" + id + "</InstanceId><LifecycleState>" + state + "</LifecycleState></member>"
}

// What a group was like is written down before anything is changed, and no weaker
// protection takes the place of a stronger one.
func TestProtectRemembersWhatWas(t *testing.T) {
	api := &managedAPI{queryAPI: queryAPI{answer: map[string]func(url.Values) string{
		"DescribeAutoScalingGroups": fenced("<DeletionProtection>prevent-all-deletion</DeletionProtection>", "", ""),
		"CreateOrUpdateTags": func(form url.Values) string {
			if got := form.Get("Tags.member.1.Value"); got != `{"abandon":"terminate","protection":"prevent-all-deletion"}` {
				t.Errorf("remembers %s", got)
			}
			return ""
		},
		"PutLifecycleHook": func(form url.Values) string {
			if form.Get("DefaultResult") != "ABANDON" || form.Get("LifecycleTransition") != "autoscaling:EC2_INSTANCE_TERMINATING" {
				t.Errorf("hook %v", form)
			}
			return ""
		},
		"UpdateAutoScalingGroup": func(form url.Values) string {
			if form.Get("DeletionProtection") != "prevent-all-deletion" || form.Get("InstanceLifecyclePolicy.RetentionTriggers.TerminateHookAbandon") != "retain" {
				t.Errorf("update %v", form)
			}
			return ""
		},
	}}}
	if err := api.cloud().Scaling().Protect(t.Context(), "web"); err != nil {
		t.Fatal(err)
	}
	want := []string{"CreateOrUpdateTags", "PutLifecycleHook", "UpdateAutoScalingGroup"}
	if got := slices.DeleteFunc(api.asked, func(c string) bool { return strings.HasPrefix(c, "Describe") }); !slices.Equal(got, want) {
		t.Errorf("asked %v, want %v", got, want)
	}
}

// EKS answers the hooks of its groups itself: a fence there would be none.
func TestProtectRefusesManagedGroups(t *testing.T) {
	api := &managedAPI{queryAPI: queryAPI{answer: map[string]func(url.Values) string{"DescribeAutoScalingGroups": groupsAPI(behind("eks-web-1", ""))}}}
	var p *problem.Error
	if err := api.cloud().Scaling().Protect(t.Context(), "eks-web-1"); !errors.As(err, &p) || p.Kind != problem.Refused || len(api.asked) != 1 {
		t.Errorf("%v, asked %v", err, api.asked)
	}
}

// The fence goes as it came; while it holds an instance it stays, since the end of
// a hook is the end of whom it holds.
func TestUnprotectPutsBack(t *testing.T) {
	const tag = "<member><Key>" + handover.FenceTag + "</Key><Value>{\"abandon\":\"terminate\",\"protection\":\"none\"}</Value></member>"
	state := "Terminating:Wait"
	api := &managedAPI{queryAPI: queryAPI{answer: map[string]func(url.Values) string{
		"DescribeAutoScalingGroups": func(form url.Values) string { return fenced("", member("i-1", state), tag)(form) },
		"UpdateAutoScalingGroup": func(form url.Values) string {
			if form.Get("DeletionProtection") != "none" || form.Get("InstanceLifecyclePolicy.RetentionTriggers.TerminateHookAbandon") != "terminate" {
				t.Errorf("update %v", form)
			}
			return ""
		},
		"DeleteLifecycleHook": func(url.Values) string { return "" },
		"DeleteTags":          func(url.Values) string { return "" },
	}}}
	var p *problem.Error
	if _, err := api.cloud().Scaling().Unprotect(t.Context(), "web"); !errors.As(err, &p) || p.Kind != problem.Refused || !strings.Contains(p.Error(), "i-1") {
		t.Errorf("a fence that holds an instance: %v", err)
	}
	state = handover.Retained
	retained, err := api.cloud().Scaling().Unprotect(t.Context(), "web")
	if err != nil || !slices.Equal(retained, []string{"i-1"}) || api.asked[len(api.asked)-1] != "DeleteTags" {
		t.Errorf("%v %v, asked %v", retained, err, api.asked)
	}
}

// An instance that was retained is ended without a smaller group, which AWS refuses.
func TestTerminateEndsWhatIsRetained(t *testing.T) {
	var ended []string
	api := &managedAPI{queryAPI: queryAPI{answer: map[string]func(url.Values) string{
		"DescribeAutoScalingGroups": fenced("", member("i-1", handover.Retained)+member("i-2", "InService"), ""),
		"TerminateInstanceInAutoScalingGroup": func(form url.Values) string {
			ended = append(ended, form.Get("InstanceId")+form.Get("InstanceIds.member.1")+" "+form.Get("ShouldDecrementDesiredCapacity"))
			return ""
		},
	}}}
	if err := api.cloud().Scaling().Terminate(t.Context(), "web", []string{"i-1", "i-2"}); err != nil || !slices.Equal(ended, []string{"i-1 false", "i-2 true"}) {
		t.Errorf("%v, ended %v", err, ended)
	}
}

// A stack's own delete takes the fence down first: what is retained is ended while the
// hook can still hold it, and ends with the hook. The tag goes last, so that a run that
// was cut off does all of it again.
func TestDeletePassesTheFence(t *testing.T) {
	const tag = "<member><Key>" + handover.FenceTag + "</Key><Value></Value></member>"
	for name, tt := range map[string]struct {
		tag  string
		want []string
	}{
		"fenced":    {tag, []string{"DescribeAutoScalingGroups", "TerminateInstanceInAutoScalingGroup", "UpdateAutoScalingGroup", "DeleteLifecycleHook", "DescribeAutoScalingGroups", "DeleteTags"}},
		"no fence":  {"", []string{"DescribeAutoScalingGroups"}},
		"gone":      {"gone", []string{"DescribeAutoScalingGroups"}},
		"forbidden": {"!AccessDenied no", []string{"DescribeAutoScalingGroups"}},
	} {
		t.Run(name, func(t *testing.T) {
			api := &queryAPI{answer: map[string]func(url.Values) string{
				"DescribeAutoScalingGroups": func(form url.Values) string {
					switch {
					case strings.HasPrefix(tt.tag, "!"):
						return tt.tag
					case tt.tag == "gone":
						return "<AutoScalingGroups></AutoScalingGroups>"
					}
					return fenced("", member("i-1", handover.Retained)+member("i-2", "InService"), tt.tag)(form)
				},
				"TerminateInstanceInAutoScalingGroup": func(form url.Values) string {
					if form.Get("InstanceIds.member.1") != "i-1" || form.Get("InstanceIds.member.2") != "" || form.Get("ShouldDecrementDesiredCapacity") != "false" {
						t.Errorf("ends %v", form)
					}
					return ""
				},
				"UpdateAutoScalingGroup": func(form url.Values) string {
					if form.Get("DeletionProtection") != "none" || form.Get("InstanceLifecyclePolicy.RetentionTriggers.TerminateHookAbandon") != "terminate" {
						t.Errorf("update %v", form)
					}
					return ""
				},
				"DeleteLifecycleHook": func(url.Values) string { return "!ValidationError No Lifecycle Hook found with name: drover-fence" },
				"DeleteTags":          func(url.Values) string { return "" },
			}}
			err := api.cloud().Scaling().lower(t.Context(), "web")
			if (err != nil) != (name == "forbidden") || !slices.Equal(api.asked, tt.want) {
				t.Errorf("%v, asked %v, want %v", err, api.asked, tt.want)
			}
		})
	}
}

// A delete that could not take the fence down is not sent: it would wait for hours.
func TestDeleteBehindAFenceThatStays(t *testing.T) {
	api := &queryAPI{answer: map[string]func(url.Values) string{"DescribeAutoScalingGroups": func(url.Values) string { return "!AccessDenied no" }}}
	err := api.cloud().Provider().Delete(t.Context(), engine.Request{Type: "AWS::AutoScaling::AutoScalingGroup", ID: "web"})
	if err == nil || len(api.asked) != 1 {
		t.Errorf("%v, asked %v", err, api.asked)
	}
}

// The fence that a stack's group is born with is the one that is passed here.
func TestTheFenceFromBirth(t *testing.T) {
	project, err := fs.Sub(examples.FS, "migrate-nodegroups")
	if err != nil {
		t.Fatal(err)
	}
	s, problems := spec.Load(project, "dev")
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	g, problems := expand.Graph(s, expand.Env{Region: "us-west-2", Zones: []string{"us-west-2a", "us-west-2b"}})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	fences := 0
	for _, r := range g.Resources {
		hooks, _ := r.Props["LifecycleHookSpecificationList"].([]any)
		if len(hooks) == 0 {
			continue
		}
		fences++
		hook := hooks[0].(plan.Props)
		if hook["LifecycleHookName"] != fenceHook || hook["HeartbeatTimeout"] != float64(fenceHolds) || hook["LifecycleTransition"] != terminating || hook["DefaultResult"] != "ABANDON" {
			t.Errorf("%v", hook)
		}
		tags := r.Props["Tags"].([]any)
		if last := tags[len(tags)-1].(plan.Props); last["Key"] != handover.FenceTag || last["PropagateAtLaunch"] != false {
			t.Errorf("%v", last)
		}
	}
	if fences == 0 {
		t.Error("no group of the example has a fence")
	}
}

// Instances are let go side by side, and one that is not held is no error.
func TestReleaseLetsAllGo(t *testing.T) {
	api := &managedAPI{}
	ids := []string{"i-1", "i-2", "i-3", "i-4", "i-5", "i-6", "i-7", "i-8", "i-9", "i-10"}
	released := make(chan string, len(ids))
	api.answer = map[string]func(url.Values) string{"CompleteLifecycleAction": func(form url.Values) string {
		released <- form.Get("InstanceId") + form.Get("LifecycleActionResult")
		return "!ValidationError No active Lifecycle Action found with instance ID"
	}}
	if err := api.cloud().Scaling().Release(context.Background(), "web", ids); err != nil || len(released) != len(ids) {
		t.Errorf("%v, %d let go", err, len(released))
	}
}
