package autoscaling

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// A read is refused for what it says and nobody reads, before it looks.
func TestReadOfHooksIsStrict(t *testing.T) {
	store, err := region.Open(filepath.Join(t.TempDir(), "state.json"), "us-west-2")
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"Action": {"DescribeLifecycleHooks"}, "AutoScalingGroupName": {"nobody"}, "LifecycleHookNames.member.1": {"fence"}, "MaxRecords": {"1"}}
	_, err = New(store, nil, time.Now).Actions()["DescribeLifecycleHooks"](nil, wire.NewForm(form))
	if err == nil || err.Error() != "ValidationError: the sandbox does not implement MaxRecords" {
		t.Error(err)
	}
}

// Reads of what a region never has are as strict as if it had some: what clients may
// ask is taken, and what AWS refuses is refused, with its code. Clients of the SDK
// would not send most of it.
func TestReadsOfWhatCannotBeMadeAreStrict(t *testing.T) {
	store, err := region.Open(filepath.Join(t.TempDir(), "state.json"), "us-west-2")
	if err != nil {
		t.Fatal(err)
	}
	err = store.Update(func(st *region.State) error {
		st.Groups["web"] = &region.Group{Name: "web"}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	actions := New(store, nil, time.Now).Actions()
	for name, c := range map[string]struct {
		must bool // name a group
		may  url.Values
	}{
		"DescribePolicies":          {may: url.Values{"PolicyNames.member.1": {"p"}, "PolicyTypes.member.1": {"SimpleScaling"}}},
		"DescribeScheduledActions":  {may: url.Values{"ScheduledActionNames.member.1": {"a"}, "StartTime": {"2026-11-01T00:00:00Z"}, "EndTime": {"2026-11-02T00:00:00Z"}}},
		"DescribeWarmPool":          {must: true},
		"DescribeInstanceRefreshes": {must: true, may: url.Values{"InstanceRefreshIds.member.1": {"08b91cf7-8fa6-48af-b6a6-d227f40f1b9b"}}},
	} {
		ask := func(more url.Values, code string) {
			t.Helper()
			form := url.Values{"Action": {name}, "Version": {"2011-01-01"}}
			if more["AutoScalingGroupName"] == nil {
				form.Set("AutoScalingGroupName", "web")
			}
			maps.Copy(form, more)
			if form.Get("AutoScalingGroupName") == "" {
				form.Del("AutoScalingGroupName")
			}
			_, err := actions[name](nil, wire.NewForm(form))
			var answer *region.Error
			if got := errors.As(err, &answer); got != (code != "") || got && answer.Code != code {
				t.Errorf("%s %v: %v, want %q", name, more, err, code)
			}
		}
		ask(nil, "")
		ask(c.may, "")
		ask(url.Values{"MaxRecords": {"10"}}, "")
		ask(url.Values{"MaxRecords": {"0"}}, "ValidationError")
		ask(url.Values{"NextToken": {"x"}}, "InvalidNextToken")
		ask(url.Values{"AutoScalingGroupName": {"other"}}, "ValidationError")
		ask(url.Values{"StartTime": {"tomorrow"}}, "ValidationError")
		ask(url.Values{"Colour": {"red"}}, "ValidationError")
		if nameless := (url.Values{"AutoScalingGroupName": {""}}); c.must {
			ask(nameless, "ValidationError")
		} else {
			ask(nameless, "")
		}
	}
}

// Instances that serve are protected, all that are named or none: one that ends is refused,
// and so are more than AWS takes.
func TestWhichInstancesAreProtected(t *testing.T) {
	for name, c := range map[string]struct {
		ids     []string
		refused string
	}{
		"two that serve":        {[]string{"i-1", "i-2"}, ""},
		"one of them ends":      {[]string{"i-1", "i-ends"}, "i-ends is not in InService"},
		"one of them has ended": {[]string{"i-1", "i-over"}, "i-over is not in InService"},
		"one of another group":  {[]string{"i-1", "i-other"}, "is not part of"},
		"more than are taken":   {slices.Repeat([]string{"i-1"}, 51), "must not exceed 50"},
	} {
		store, err := region.Open(filepath.Join(t.TempDir(), "state.json"), "us-west-2")
		if err != nil {
			t.Fatal(err)
		}
		err = store.Update(func(st *region.State) error {
			st.Groups["web"] = &region.Group{Name: "web"}
			for _, i := range []region.Instance{
				{ID: "i-1", Group: "web", State: region.Running, Lifecycle: "InService"}, {ID: "i-2", Group: "web", State: region.Running, Lifecycle: "InService"},
				{ID: "i-ends", Group: "web", State: region.Running, Lifecycle: "Terminating:Wait"}, {ID: "i-over", Group: "web", State: region.Terminated, Lifecycle: "InService"},
				{ID: "i-other", Group: "db", State: region.Running, Lifecycle: "InService"},
			} {
				st.Instances[i.ID] = &i
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		form := url.Values{"Action": {"SetInstanceProtection"}, "AutoScalingGroupName": {"web"}, "ProtectedFromScaleIn": {"true"}}
		for n, id := range c.ids {
			form.Set(fmt.Sprintf("InstanceIds.member.%d", n+1), id)
		}
		_, err = New(store, nil, time.Now).Actions()["SetInstanceProtection"](nil, wire.NewForm(form))
		if (err != nil) != (c.refused != "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%s: %v", name, err)
		}
		store.View(func(st *region.State) {
			if st.Instances["i-1"].Protected != (c.refused == "") {
				t.Errorf("%s: i-1 is protected: %v", name, st.Instances["i-1"].Protected)
			}
		})
	}
}

// What must be one of some words, a truth or a number is refused if it is not, and
// nothing is changed.
func TestChangesRefuseWordsThatAreNone(t *testing.T) {
	for _, form := range []url.Values{
		{"Action": {"SetInstanceHealth"}, "InstanceId": {"i-1"}, "HealthStatus": {"Sick"}},
		{"Action": {"SetInstanceProtection"}, "AutoScalingGroupName": {"web"}, "InstanceIds.member.1": {"i-1"}, "ProtectedFromScaleIn": {"perhaps"}},
		{"Action": {"TerminateInstanceInAutoScalingGroup"}, "InstanceId": {"i-1"}, "ShouldDecrementDesiredCapacity": {"perhaps"}},
		{"Action": {"SetDesiredCapacity"}, "AutoScalingGroupName": {"web"}, "DesiredCapacity": {"many"}},
	} {
		store, err := region.Open(filepath.Join(t.TempDir(), "state.json"), "us-west-2")
		if err != nil {
			t.Fatal(err)
		}
		wants := region.Num(1)
		err = store.Update(func(st *region.State) error {
			st.Groups["web"] = &region.Group{Name: "web", MaxSize: 2, DesiredCapacity: &wants}
			st.Instances["i-1"] = &region.Instance{ID: "i-1", Group: "web", State: region.Running, Lifecycle: "InService"}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		name := form.Get("Action")
		_, err = New(store, nil, time.Now).Actions()[name](nil, wire.NewForm(form))
		if err == nil || !strings.Contains(err.Error(), "is invalid: it must be") {
			t.Errorf("%s: %v", name, err)
		}
		store.View(func(st *region.State) {
			if i := st.Instances["i-1"]; i.Unhealthy || i.Protected || i.State != region.Running || *st.Groups["web"].DesiredCapacity != 1 {
				t.Errorf("%s changed %+v", name, i)
			}
		})
	}
}
