package aws

import (
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/problem"
)

const oldGroup = `{"nodegroup": {"status": "ACTIVE", "nodegroupName": "web", "nodeRole": "arn:aws:iam::1:role/nodes", "subnets": ["subnet-1"], "amiType": "AL2_x86_64",
	"capacityType": "SPOT", "diskSize": 40, "instanceTypes": ["m5.large"], "labels": {"role": "web"}, "taints": [{"key": "a", "value": "b", "effect": "NO_SCHEDULE"}],
	"version": "1.32", "releaseVersion": "1.32.1-20250101", "scalingConfig": {"minSize": 2, "desiredSize": 3, "maxSize": 6},
	"tags": {"team": "shop", "aws:cloudformation:stack-name": "x"}}}`

// A managed group is copied with its labels, taints, sizes and tags; what is asked
// for is other, and a release of the old version is not taken along. Another call for
// the same finds it made.
func TestCopyOfAManagedGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &managedAPI{queryAPI: queryAPI{answer: map[string]func(url.Values) string{"DescribeAutoScalingGroups": groupsAPI(behind("eks-web-1", ""))}}}
		made := ""
		with := Changes{InstanceType: "m7g.large", Version: "1.33", AMI: "AL2023_ARM_64_STANDARD"}
		api.eks = map[string]func(string) string{"GET " + groupPath: func(string) string { return oldGroup }}
		name := (&Copy{changes: with}).named("web")
		api.eks["GET /clusters/shop/node-groups/"+name] = func(string) string {
			if made == "" {
				return "!ResourceNotFoundException"
			}
			return `{"nodegroup": {"status": "ACTIVE", "tags": {"drover.dev/copy-of": "web"}, "resources": {"autoScalingGroups": [{"name": "eks-new-1"}]}}}`
		}
		api.eks["POST /clusters/shop/node-groups"] = func(body string) string { made = body; return "{}" }
		s := api.cloud().Scaling()
		for range 2 {
			c, err := s.PlanCopy(t.Context(), ending, with)
			if err != nil || c.Name != name || c.Nodes != 3 || c.Type != "m7g.large" || c.Made != (made != "") {
				t.Fatalf("%+v, %v", c, err)
			}
			if group, err := s.Make(t.Context(), c, func(string) {}); err != nil || group != "eks-new-1" {
				t.Fatalf("%s, %v", group, err)
			}
		}
		if n := len(slices.DeleteFunc(api.asked, func(c string) bool { return !strings.HasPrefix(c, "POST") })); n != 1 {
			t.Errorf("%d groups were made", n)
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(made), &got); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{"nodegroupName": name, "clientRequestToken": name, "nodeRole": "arn:aws:iam::1:role/nodes", "subnets": []any{"subnet-1"},
			"amiType": "AL2023_ARM_64_STANDARD", "capacityType": "SPOT", "diskSize": 40.0, "instanceTypes": []any{"m7g.large"}, "labels": map[string]any{"role": "web"},
			"taints": []any{map[string]any{"key": "a", "value": "b", "effect": "NO_SCHEDULE"}}, "version": "1.33",
			"scalingConfig": map[string]any{"minSize": 2.0, "desiredSize": 3.0, "maxSize": 6.0}, "tags": map[string]any{"team": "shop", copyTag: "web"}}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("asked for\n%v, want\n%v", got, want)
		}
	})
}

// An Auto Scaling group is copied with a launch template of its own. What an earlier
// move or AWS itself has written on it is not.
func TestCopyOfAnAutoScalingGroup(t *testing.T) {
	tag := func(key, value string) string {
		return "<member><Key>" + key + "</Key><Value>" + value + "</Value><PropagateAtLaunch>true</PropagateAtLaunch></member>"
	}
	var template, group url.Values
	api := &managedAPI{queryAPI: queryAPI{answer: map[string]func(url.Values) string{
		"DescribeAutoScalingGroups": func(form url.Values) string {
			if form.Get("AutoScalingGroupNames.member.1") != "web" {
				return "<AutoScalingGroups></AutoScalingGroups>"
			}
			return fenced("<MaxSize>5</MaxSize><LaunchTemplate><LaunchTemplateId>lt-1</LaunchTemplateId><Version>3</Version></LaunchTemplate><VPCZoneIdentifier>subnet-1</VPCZoneIdentifier>", "",
				tag("team", "shop")+tag("aws:x", "y")+tag(handover.FenceTag, ""))(form)
		},
		"DescribeLifecycleHooks": func(url.Values) string {
			return "<LifecycleHooks><member><LifecycleHookName>" + fenceHook + "</LifecycleHookName></member><member><LifecycleHookName>mine</LifecycleHookName><LifecycleTransition>autoscaling:EC2_INSTANCE_LAUNCHING</LifecycleTransition></member></LifecycleHooks>"
		},
		"DescribeLaunchTemplateVersions": func(url.Values) string {
			return "=<launchTemplateVersionSet><item><launchTemplateName>old</launchTemplateName><launchTemplateData><imageId>ami-1</imageId><instanceType>m5.large</instanceType><userData>eA==</userData></launchTemplateData></item></launchTemplateVersionSet>"
		},
		"CreateLaunchTemplate": func(form url.Values) string {
			template = form
			return "=<launchTemplate><launchTemplateId>lt-2</launchTemplateId></launchTemplate>"
		},
		"CreateAutoScalingGroup": func(form url.Values) string { group = form; return "" },
	}}}
	s := api.cloud().Scaling()
	c, err := s.PlanCopy(t.Context(), handover.Ending{Group: "web"}, Changes{InstanceType: "m6i.large", AMI: "ami-2", Size: &Bounds{1, 4, 8}})
	if err != nil {
		t.Fatal(err)
	}
	if name, err := s.Make(t.Context(), c, nil); err != nil || name != c.Name {
		t.Fatalf("%s, %v", name, err)
	}
	for key, want := range map[string]string{"LaunchTemplateData.InstanceType": "m6i.large", "LaunchTemplateData.ImageId": "ami-2", "LaunchTemplateData.UserData": "eA==", "ClientToken": c.Name} {
		if template.Get(key) != want {
			t.Errorf("template: %s is %q, want %q", key, template.Get(key), want)
		}
	}
	text := group.Encode()
	for key, want := range map[string]string{"MinSize": "1", "DesiredCapacity": "4", "MaxSize": "8", "LaunchTemplate.LaunchTemplateId": "lt-2", "VPCZoneIdentifier": "subnet-1",
		"LifecycleHookSpecificationList.member.1.LifecycleHookName": "mine", "LifecycleHookSpecificationList.member.2.LifecycleHookName": ""} {
		if group.Get(key) != want {
			t.Errorf("group: %s is %q, want %q", key, group.Get(key), want)
		}
	}
	if !strings.Contains(text, "team") || strings.Contains(text, "aws%3Ax") || strings.Contains(text, "fence") {
		t.Errorf("tags: %s", text)
	}
}

// What cannot be copied is refused before anything is made.
func TestCopyRefuses(t *testing.T) {
	api := &managedAPI{queryAPI: queryAPI{answer: map[string]func(url.Values) string{"DescribeAutoScalingGroups": fenced("", "", "")}}}
	var p *problem.Error
	if _, err := api.cloud().Scaling().PlanCopy(t.Context(), handover.Ending{Group: "web"}, Changes{}); !errors.As(err, &p) || p.Kind != problem.Refused {
		t.Errorf("a group without a launch template: %v", err)
	}
	for text, ok := range map[string]bool{"4": true, "2:4:8": true, "0:0:4": true, "": false, "x": false, "4:2:8": false, "1:2": false, "-1": false} {
		if _, err := ParseBounds(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Nothing of a launch template is lost in its copy.
func TestLaunchTemplateIsCopiedWhole(t *testing.T) {
	var data ec2types.ResponseLaunchTemplateData
	fill(reflect.ValueOf(&data).Elem(), 0)
	out, err := asRequest(&data)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := json.Marshal(data)
	after, _ := json.Marshal(out)
	var was, is map[string]any
	_ = json.Unmarshal(before, &was)
	_ = json.Unmarshal(after, &is)
	// What EC2 alone says: who operates a template, how far a setting is, which address is first.
	delete(was, "Operator")
	delete(was["MetadataOptions"].(map[string]any), "State")
	delete(was["NetworkInterfaces"].([]any)[0].(map[string]any)["Ipv6Addresses"].([]any)[0].(map[string]any), "IsPrimaryIpv6")
	for key, value := range was {
		if !reflect.DeepEqual(is[key], value) {
			t.Errorf("%s was %v, is %v", key, value, is[key])
		}
	}
	if aws.ToString(out.ImageId) == "" {
		t.Error("nothing was copied at all")
	}
}

// fill sets every member of a value.
func fill(v reflect.Value, depth int) {
	if depth > 8 {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth+1)
	case reflect.Struct:
		for k := range v.NumField() {
			if v.Type().Field(k).IsExported() {
				fill(v.Field(k), depth+1)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth+1)
	case reflect.String:
		v.SetString("x")
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Bool:
		v.SetBool(true)
	default: // the copied inputs have no others
	}
}

// AWS may list nothing where there was something a moment ago: an error that says so.
func TestCopyWithoutItsTemplate(t *testing.T) {
	api := &managedAPI{queryAPI: queryAPI{answer: map[string]func(url.Values) string{
		"DescribeLaunchTemplateVersions": func(url.Values) string { return "=<launchTemplateVersionSet></launchTemplateVersionSet>" },
		"CreateLaunchTemplate":           func(url.Values) string { return "!InvalidLaunchTemplateName.AlreadyExistsException taken" },
		"DescribeLaunchTemplates":        func(url.Values) string { return "=<launchTemplates></launchTemplates>" },
	}}}
	s := api.cloud().Scaling()
	_, making := s.makeTemplate(t.Context(), &Copy{Name: "web-2", template: &ec2types.RequestLaunchTemplateData{}})
	for _, err := range []error{s.readTemplate(t.Context(), &Copy{}, aws.String("lt-1"), "3"), making} {
		if err == nil || strings.Contains(err.Error(), "%!") || !strings.Contains(err.Error(), ": ") || errors.Unwrap(err) == nil {
			t.Errorf("%v", err)
		}
	}
}
