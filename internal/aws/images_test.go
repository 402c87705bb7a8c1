package aws

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/problem"
)

// The names of images lead to the parameter of the newest of their kind.
func TestParameterOfAnImage(t *testing.T) {
	for name, want := range map[string]string{
		"amazon-eks-node-al2023-x86_64-standard-1.35-v20261101":          "/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/x86_64/standard/recommended/image_id",
		"amazon-eks-node-al2023-arm64-nvidia-1.34-v20261101":             "/aws/service/eks/optimized-ami/1.34/amazon-linux-2023/arm64/nvidia/recommended/image_id",
		"amazon-eks-node-1.32-v20251101":                                 "/aws/service/eks/optimized-ami/1.32/amazon-linux-2/recommended/image_id",
		"amazon-eks-gpu-node-1.32-v20251101":                             "/aws/service/eks/optimized-ami/1.32/amazon-linux-2-gpu/recommended/image_id",
		"amazon-eks-arm64-node-1.32-v20251101":                           "/aws/service/eks/optimized-ami/1.32/amazon-linux-2-arm64/recommended/image_id",
		"bottlerocket-aws-k8s-1.36-x86_64-v1.50.0-4f2a1b3c":              "/aws/service/bottlerocket/aws-k8s-1.36/x86_64/latest/image_id",
		"bottlerocket-aws-k8s-1.36-nvidia-aarch64-v1.50.0-4f2a1b3c":      "/aws/service/bottlerocket/aws-k8s-1.36-nvidia/arm64/latest/image_id",
		"bottlerocket-aws-k8s-1.36-nvidia-fips-x86_64-v1.50.0-4f2a1b3c":  "/aws/service/bottlerocket/aws-k8s-1.36-nvidia-fips/x86_64/latest/image_id",
		"Windows_Server-2022-English-Core-EKS_Optimized-1.35-2026.11.01": "/aws/service/ami-windows-latest/Windows_Server-2022-English-Core-EKS_Optimized-1.35/image_id",
		"golden-1.35": "",
		"my-amazon-eks-node-al2023-x86_64-standard-1.35-v20261101":             "",
		"ubuntu-eks/k8s_1.32/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-1": "",
	} {
		kind, known := publishedAs(name)
		if known != (want != "") || known && kind.parameter() != want {
			t.Errorf("%s: %v %s, want %s", name, known, kind.parameter(), want)
		}
	}
}

const (
	al2023  = "amazon-eks-node-al2023-x86_64-standard-1.35-v20261001"
	al36    = "/aws/service/eks/optimized-ami/1.36/amazon-linux-2023/x86_64/standard/recommended/image_id"
	al35arm = "/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/arm64/standard/recommended/image_id"
	al35    = "/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/x86_64/standard/recommended/image_id"
)

// selfManaged is a region with an Auto Scaling group of cluster shop, whose control
// plane is at 1.36, and with an image of a name and an owner.
func selfManaged(imageID, name, owner string) *managedAPI {
	return &managedAPI{parameters: map[string]string{al36: "ami-36", al35arm: "ami-35-arm", al35: "ami-1", "/golden": "ami-1"},
		eks: map[string]func(string) string{"GET /clusters/shop": func(string) string { return `{"cluster": {"version": "1.36"}}` }},
		queryAPI: queryAPI{answer: map[string]func(url.Values) string{
			"DescribeAutoScalingGroups": func(form url.Values) string {
				if form.Get("AutoScalingGroupNames.member.1") != "web" {
					return "<AutoScalingGroups></AutoScalingGroups>"
				}
				return fenced("<LaunchTemplate><LaunchTemplateId>lt-1</LaunchTemplateId><Version>3</Version></LaunchTemplate>", "",
					"<member><Key>kubernetes.io/cluster/shop</Key><Value>owned</Value></member>")(form)
			},
			"DescribeLifecycleHooks": func(url.Values) string { return "<LifecycleHooks></LifecycleHooks>" },
			"DescribeLaunchTemplateVersions": func(url.Values) string {
				return "=<launchTemplateVersionSet><item><launchTemplateData><imageId>" + imageID + "</imageId><instanceType>m5.large</instanceType></launchTemplateData></item></launchTemplateVersionSet>"
			},
			"DescribeImages": func(form url.Values) string {
				if form.Get("Filter.1.Value.1") != "ami-1" || name == "" {
					return "=<imagesSet></imagesSet>"
				}
				return "=<imagesSet><item><imageId>ami-1</imageId><name>" + name + "</name><imageOwnerAlias>" + owner + "</imageOwnerAlias><architecture>x86_64</architecture></item></imagesSet>"
			},
			"DescribeInstanceTypes": func(form url.Values) string {
				arch := "x86_64"
				if strings.HasPrefix(form.Get("Filter.1.Value.1"), "m7g.") {
					arch = "arm64"
				}
				return "=<instanceTypeSet><item><processorInfo><supportedArchitectures><item>" + arch + "</item></supportedArchitectures></processorInfo></item></instanceTypeSet>"
			},
		}}}
}

// The copy of a self-managed group gets the newest image of its original's kind for
// the version that is asked for, and for instances of another architecture. What cannot
// be known is refused, with what to give.
func TestCopyChoosesItsImage(t *testing.T) {
	for what, c := range map[string]struct {
		image, name, owner string
		with               Changes
		want, refused      string
	}{
		"another version":            {"ami-1", al2023, "amazon", Changes{Version: "1.36"}, "ami-36", ""},
		"the same one, newest":       {"ami-1", al2023, "amazon", Changes{Version: "1.35"}, "ami-1", ""},
		"another architecture":       {"ami-1", al2023, "amazon", Changes{InstanceType: "m7g.large"}, "ami-35-arm", ""},
		"the same architecture":      {"ami-1", "golden", "self", Changes{InstanceType: "m6i.large"}, "ami-1", ""},
		"it follows a parameter":     {"resolve:ssm:" + al35, al2023, "amazon", Changes{Version: "1.36"}, "resolve:ssm:" + al36, ""},
		"its owner's parameter":      {"resolve:ssm:/golden", "golden", "self", Changes{Version: "1.36"}, "", "give that one: --ami"},
		"an image of its owner's":    {"ami-1", "golden", "self", Changes{Version: "1.36"}, "", "give that one: --ami"},
		"… named like one of AWS's":  {"ami-1", al2023, "self", Changes{Version: "1.36"}, "", "give that one: --ami"},
		"… on another architecture":  {"ami-1", "golden", "self", Changes{InstanceType: "m7g.large"}, "", "give that one: --ami"},
		"an image that is gone":      {"ami-1", "", "", Changes{Version: "1.36"}, "", "give that one: --ami"},
		"a kind of one architecture": {"ami-1", "amazon-eks-node-1.32-v20251101", "amazon", Changes{InstanceType: "m7g.large"}, "", "AWS publishes none of that kind for arm64"},
		"a kind that has ended":      {"ami-1", "amazon-eks-node-1.32-v20251101", "amazon", Changes{Version: "1.36"}, "", "no image of that kind for Kubernetes 1.36"},
		"newer than the cluster":     {"ami-1", al2023, "amazon", Changes{Version: "1.37"}, "", "upgrade the control plane first"},
		"both":                       {"ami-1", al2023, "amazon", Changes{Version: "1.36", AMI: "ami-2"}, "", "its image decides on the version"},
		"an image that is given":     {"ami-1", al2023, "amazon", Changes{InstanceType: "m7g.large", AMI: "ami-2"}, "ami-2", ""},
	} {
		copied, err := selfManaged(c.image, c.name, c.owner).cloud().Scaling().PlanCopy(t.Context(), handover.Ending{Group: "web"}, c.with)
		var p *problem.Error
		switch {
		case c.refused != "":
			if !errors.As(err, &p) || p.Kind != problem.Refused || !strings.Contains(p.Error()+p.Fix, c.refused) {
				t.Errorf("%s: %v, want a refusal with %q", what, err, c.refused)
			}
		case err != nil:
			t.Errorf("%s: %v", what, err)
		case *copied.template.ImageId != c.want:
			t.Errorf("%s: image %s, want %s", what, *copied.template.ImageId, c.want)
		}
	}
}
