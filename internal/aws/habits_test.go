package aws

import (
	"net/url"
	"reflect"
	"testing"

	"github.com/droverhq/drover/internal/handover"
)

// All that acts on a group by itself is told; what may not be read does not hide the rest.
func TestHabits(t *testing.T) {
	api := &managedAPI{queryAPI: queryAPI{answer: map[string]func(url.Values) string{
		"DescribeAutoScalingGroups": fenced("", member("i-1", "InService")+member("i-2", handover.Retained), ""),
		"DescribePolicies": func(url.Values) string {
			return "<ScalingPolicies><member><PolicyName>cpu</PolicyName><Enabled>true</Enabled></member><member><PolicyName>off</PolicyName><Enabled>false</Enabled></member></ScalingPolicies>"
		},
		"DescribeScheduledActions": func(url.Values) string {
			return "<ScheduledUpdateGroupActions><member><ScheduledActionName>night</ScheduledActionName></member></ScheduledUpdateGroupActions>"
		},
		"DescribeWarmPool": func(url.Values) string { return "!AccessDenied no" },
		"DescribeInstanceRefreshes": func(url.Values) string {
			return "<InstanceRefreshes><member><Status>Successful</Status></member><member><Status>InProgress</Status></member></InstanceRefreshes>"
		},
	}}}
	got, err := api.cloud().Scaling().Habits(t.Context(), "web")
	want := handover.Habits{Policies: []string{"cpu"}, Schedules: []string{"night"}, Refresh: "InProgress", Retained: []string{"i-2"}}
	if err == nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v; %v", got, want, err)
	}
}
