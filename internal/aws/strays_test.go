package aws

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/droverhq/drover/plan"
)

// strayAPI is AWS with what the controllers of cluster shop made, and left, there.
func strayAPI() *managedAPI {
	tag := func(pairs ...string) string {
		var b strings.Builder
		for i := 0; i < len(pairs); i += 2 {
			fmt.Fprintf(&b, "<member><Key>%s</Key><Value>%s</Value></member>", pairs[i], pairs[i+1])
		}
		return "<Tags>" + b.String() + "</Tags>"
	}
	set := func(pairs ...string) string {
		return strings.NewReplacer("<Tags>", "<tagSet>", "</Tags>", "</tagSet>", "member>", "item>", "Key>", "key>", "Value>", "value>").Replace(tag(pairs...))
	}
	const owned = "kubernetes.io/cluster/shop"
	v2 := func(f url.Values) bool { return f.Get("Version") == "2015-12-01" }
	return &managedAPI{queryAPI: queryAPI{answer: map[string]func(url.Values) string{
		"DescribeLoadBalancers": func(f url.Values) string {
			if v2(f) {
				return "<LoadBalancers><member><LoadBalancerArn>arn:web</LoadBalancerArn></member></LoadBalancers>"
			}
			return "<LoadBalancerDescriptions>" + strings.Repeat("<member><LoadBalancerName>x</LoadBalancerName></member>", 3) + "</LoadBalancerDescriptions>"
		},
		"DescribeTags": func(f url.Values) string {
			if v2(f) {
				return "<TagDescriptions><member><ResourceArn>arn:web</ResourceArn>" + tag("elbv2.k8s.aws/cluster", "shop", "ingress.k8s.aws/stack", "apps/gone") + "</member></TagDescriptions>"
			}
			one := func(name string, tags string) string {
				return "<member><LoadBalancerName>" + name + "</LoadBalancerName>" + tags + "</member>"
			}
			return "<TagDescriptions>" + one("known", tag(owned, "owned", "kubernetes.io/service-name", "apps/nginx")) +
				one("gone", tag(owned, "owned", "kubernetes.io/service-name", "apps/old")) + one("other", tag("kubernetes.io/cluster/bar", "owned")) + "</TagDescriptions>"
		},
		"DescribeVolumes": func(url.Values) string {
			return "=<volumeSet><item><volumeId>vol-1</volumeId>" + set(owned, "owned", "kubernetes.io/created-for/pvc/namespace", "apps", "kubernetes.io/created-for/pvc/name", "data") + "</item></volumeSet>"
		},
		"DescribeSecurityGroups": func(f url.Values) string {
			if f.Get("Filter.1.Name") != "tag-key" {
				return "=<securityGroupInfo/>"
			}
			group := func(id, about, tags string) string {
				return "<item><groupId>" + id + "</groupId><groupDescription>" + about + "</groupDescription>" + tags + "</item>"
			}
			return "=<securityGroupInfo>" + group("sg-cluster", "EKS", set(owned, "owned", "aws:eks:cluster-name", "shop")) +
				group("sg-known", "Security group for Kubernetes ELB a (apps/nginx)", set(owned, "owned")) +
				group("sg-gone", "Security group for Kubernetes ELB b (apps/old)", set(owned, "owned")) +
				group("sg-own", "mine", set(owned, "owned", "drover:urn", "urn:drover:dev:shop:x:y")) + "</securityGroupInfo>"
		},
		"DescribeNetworkInterfaces": func(url.Values) string {
			return "=<networkInterfaceSet><item><networkInterfaceId>eni-1</networkInterfaceId></item></networkInterfaceSet>"
		},
		"DescribeInstances": func(url.Values) string {
			instance := func(id string, tags ...string) string {
				return "<item><instanceId>" + id + "</instanceId>" + set(append([]string{owned, "owned"}, tags...)...) + "</item>"
			}
			return "=<reservationSet><item><instancesSet>" + instance("i-own", "aws:autoscaling:groupName", "web-1") + instance("i-eks", "eks:nodegroup-name", "blue") +
				instance("i-other", "aws:autoscaling:groupName", "old") + instance("i-pool", "karpenter.sh/nodepool", "spot") + instance("i-pool-2", "karpenter.sh/nodepool", "spot") +
				instance("i-hand") + "</instancesSet></item></reservationSet>"
		},
	}}, eks: map[string]func(string) string{
		"GET /clusters/shop/node-groups": func(string) string { return `{"nodegroups": ["own", "blue"]}` },
	}}
}

// knownStrays is what a stack knows of that.
var knownStrays = []string{"v1/Service/apps/nginx", "AWS::AutoScaling::AutoScalingGroup/web-1", "AWS::EKS::Nodegroup/shop/own"}

// What a cluster's controllers made is found by its tags, whoever answers in the
// cluster; what belongs to an object that the stack knows goes with that.
func TestStraysInAWS(t *testing.T) {
	strays, err := strayAPI().cloud().Provider().Strays(t.Context(), plan.Props{"cluster": "shop"}, knownStrays)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range strays {
		got = append(got, fmt.Sprint(s.Object, " of ", s.Owner, " ", s.Blocks))
		if s.Fix != "kubectl delete nodepool/spot" && (!strings.HasPrefix(s.Fix, "aws ") || !strings.Contains(s.Fix, "--region us-west-2")) {
			t.Errorf("%s: %s", s.Object, s.Fix)
		}
	}
	want := []string{"load balancer gone of v1/Service/apps/old true", "load balancer arn:web of networking.k8s.io/v1/Ingress/apps/gone true",
		"volume vol-1 of v1/PersistentVolumeClaim/apps/data false", "security group sg-gone of v1/Service/apps/old false", "network interface eni-1 of  false",
		"instance i-other of Auto Scaling group old of AWS::AutoScaling::AutoScalingGroup/old true", "instance i-pool of Karpenter's NodePool spot of  true",
		"instance i-hand of  true", "node group blue of AWS::EKS::Nodegroup/shop/blue true"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// What may not be read hides nothing else: a destroy is refused because of the rest.
func TestStraysBesideWhatMayNotBeRead(t *testing.T) {
	denied := func(url.Values) string { return "!AccessDenied not allowed" }
	for _, action := range []string{"DescribeTags", "DescribeVolumes", "DescribeInstances"} {
		api := strayAPI()
		api.answer[action] = denied
		strays, err := api.cloud().Provider().Strays(t.Context(), plan.Props{"cluster": "shop"}, knownStrays)
		if err == nil || len(strays) < 5 {
			t.Errorf("%s: found %v, %v", action, strays, err)
		}
		for _, s := range strays {
			if slices.Contains(knownStrays, s.Owner) {
				t.Errorf("%s: %s is the stack's own", action, s.Object)
			}
		}
	}
}
