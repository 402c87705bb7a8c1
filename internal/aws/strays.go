package aws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbv2types "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/plan"
)

var _ engine.Strayer = (*Provider)(nil)

// controllers are where a cluster's controllers make things: what they made is
// known by its tags.
type controllers struct {
	region   string
	ec2      *ec2.Client
	eks      *eks.Client
	families []family // of load balancers
}

// Strays are what controllers of a cluster made in AWS for objects that the stack
// does not know, or that are not there any more: a controller that ended before
// it could clean up leaves it for good. The cluster need not answer.
func (p *Provider) Strays(ctx context.Context, conn plan.Props, known []string) ([]engine.Stray, error) {
	name, _ := conn["cluster"].(string)
	if name == "" {
		return nil, nil
	}
	var strays []engine.Stray
	var errs []error
	for _, look := range []func(context.Context, string) ([]engine.Stray, error){
		p.controllers.balancers, p.controllers.volumes, p.controllers.groups, p.controllers.interfaces, p.controllers.instances, p.controllers.nodegroups,
	} {
		found, err := look(ctx, name)
		if err != nil { // what cannot be seen hides nothing else
			errs = append(errs, fmt.Errorf("look for what cluster %s made in AWS: %w", name, err))
		}
		strays = append(strays, found...)
	}
	return slices.DeleteFunc(strays, func(s engine.Stray) bool { return slices.Contains(known, s.Owner) }), errors.Join(errs...)
}

// clusterTagOf is the key of the tag of all that belongs to a cluster; lbcTag is
// that of the AWS Load Balancer Controller, whose value is the cluster's name.
func clusterTagOf(cluster string) string { return "kubernetes.io/cluster/" + cluster }

const lbcTag = "elbv2.k8s.aws/cluster"

// madeFor is the object that a controller made something for, by the tags that
// it left; empty: they do not tell.
func madeFor(tags map[string]string) string {
	claim := tags["kubernetes.io/created-for/pvc/namespace"] + "/" + tags["kubernetes.io/created-for/pvc/name"]
	for _, o := range []struct{ typ, name string }{
		{"v1/Service", cmp.Or(tags["kubernetes.io/service-name"], tags["service.k8s.aws/stack"])},
		{"networking.k8s.io/v1/Ingress", tags["ingress.k8s.aws/stack"]},
		{"v1/PersistentVolumeClaim", strings.TrimPrefix(claim, "/")},
	} {
		if o.name != "" {
			return o.typ + "/" + o.name
		}
	}
	return ""
}

func belongs(tags map[string]string, cluster string) bool {
	_, tagged := tags[clusterTagOf(cluster)]
	return tagged || tags[lbcTag] == cluster
}

// atOnce is how many load balancers may be asked for their tags at once.
const atOnce = 20

// found is a load balancer by what AWS knows it by, with its tags, and the command of
// aws that deletes it.
type found struct {
	id, remove string
	tags       map[string]string
}

// balancers are those that belong to the cluster by their tags.
func (c controllers) balancers(ctx context.Context, cluster string) (strays []engine.Stray, _ error) {
	var errs []error
	for _, family := range c.families {
		all, err := family.tagged(ctx)
		errs = append(errs, err)
		for _, b := range all {
			if belongs(b.tags, cluster) {
				strays = append(strays, engine.Stray{Object: "load balancer " + b.id, Owner: madeFor(b.tags), Blocks: true,
					Leaves: "a load balancer in AWS, which blocks the network's subnets and goes on to cost money", Fix: b.remove + " --region " + c.region})
			}
		}
	}
	return strays, errors.Join(errs...)
}

func (c classic) tagged(ctx context.Context) ([]found, error) {
	pages := elasticloadbalancing.NewDescribeLoadBalancersPaginator(c.api, &elasticloadbalancing.DescribeLoadBalancersInput{})
	var names []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, b := range page.LoadBalancerDescriptions {
			names = append(names, aws.ToString(b.LoadBalancerName))
		}
	}
	var all []found
	for some := range slices.Chunk(names, atOnce) {
		out, err := c.api.DescribeTags(ctx, &elasticloadbalancing.DescribeTagsInput{LoadBalancerNames: some})
		if err != nil {
			return nil, err
		}
		for _, d := range out.TagDescriptions {
			name := aws.ToString(d.LoadBalancerName)
			all = append(all, found{name, "aws elb delete-load-balancer --load-balancer-name " + name,
				asTags(d.Tags, func(t elbtypes.Tag) (key, value *string) { return t.Key, t.Value })})
		}
	}
	return all, nil
}

func (g *grouped) tagged(ctx context.Context) ([]found, error) {
	pages := elasticloadbalancingv2.NewDescribeLoadBalancersPaginator(g.api, &elasticloadbalancingv2.DescribeLoadBalancersInput{})
	var arns []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, b := range page.LoadBalancers {
			arns = append(arns, aws.ToString(b.LoadBalancerArn))
		}
	}
	var all []found
	for some := range slices.Chunk(arns, atOnce) {
		out, err := g.api.DescribeTags(ctx, &elasticloadbalancingv2.DescribeTagsInput{ResourceArns: some})
		if err != nil {
			return nil, err
		}
		for _, d := range out.TagDescriptions {
			arn := aws.ToString(d.ResourceArn)
			all = append(all, found{arn, "aws elbv2 delete-load-balancer --load-balancer-arn " + arn,
				asTags(d.Tags, func(t elbv2types.Tag) (key, value *string) { return t.Key, t.Value })})
		}
	}
	return all, nil
}

// nodegroups are the managed ones: EKS deletes no cluster that has any.
func (c controllers) nodegroups(ctx context.Context, cluster string) (strays []engine.Stray, err error) {
	pages := eks.NewListNodegroupsPaginator(c.eks, &eks.ListNodegroupsInput{ClusterName: &cluster})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		var gone *ekstypes.ResourceNotFoundException
		switch {
		case errors.As(err, &gone):
			return nil, nil
		case err != nil:
			return nil, err
		}
		for _, name := range page.Nodegroups {
			strays = append(strays, engine.Stray{Object: "node group " + name, Owner: "AWS::EKS::Nodegroup/" + cluster + "/" + name, Blocks: true,
				Leaves: "a node group in EKS, which does not delete its cluster before it",
				Fix:    fmt.Sprintf("aws eks delete-nodegroup --region %s --cluster-name %s --nodegroup-name %s", c.region, cluster, name)})
		}
	}
	return strays, nil
}

// instances are nodes that others launched: Karpenter, an Auto Scaling group, a person.
// EKS ends those of its node groups and of its Auto Mode itself.
func (c controllers) instances(ctx context.Context, cluster string) (strays []engine.Stray, err error) {
	pages := ec2.NewDescribeInstancesPaginator(c.ec2, &ec2.DescribeInstancesInput{Filters: append(
		filters("tag-key", clusterTagOf(cluster)), ec2types.Filter{Name: aws.String("instance-state-name"), Values: []string{"pending", "running", "stopping", "stopped"}})})
	told := map[string]bool{}
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, r := range page.Reservations {
			for _, i := range r.Instances {
				tags := ec2Tags(i.Tags)
				s := c.launched(aws.ToString(i.InstanceId), tags)
				if ofEKS(tags) || told[s.Fix] { // of many that one launched, the first
					continue
				}
				told[s.Fix] = true
				strays = append(strays, s)
			}
		}
	}
	return strays, nil
}

func ofEKS(tags map[string]string) bool {
	return tags[managedName] != "" || tags["aws:eks:cluster-name"] != ""
}

// launched is an instance, with the command that ends it so that no other one follows.
func (c controllers) launched(id string, tags map[string]string) engine.Stray {
	s := engine.Stray{Object: "instance " + id, Blocks: true, Leaves: "itself, which blocks the network's subnets and goes on to cost money"}
	switch pool, group := tags["karpenter.sh/nodepool"], tags["aws:autoscaling:groupName"]; {
	case pool != "":
		s.Object, s.Fix = s.Object+" of Karpenter's NodePool "+pool, "kubectl delete nodepool/"+pool
	case group != "":
		s.Object, s.Owner = s.Object+" of Auto Scaling group "+group, "AWS::AutoScaling::AutoScalingGroup/"+group
		s.Fix = fmt.Sprintf("aws autoscaling delete-auto-scaling-group --region %s --auto-scaling-group-name %s --force-delete", c.region, group)
	default:
		s.Fix = fmt.Sprintf("aws ec2 terminate-instances --region %s --instance-ids %s", c.region, id)
	}
	return s
}

// volumes are those of claims: the disks of nodes have the cluster's tag, too.
func (c controllers) volumes(ctx context.Context, cluster string) (strays []engine.Stray, err error) {
	pages := ec2.NewDescribeVolumesPaginator(c.ec2, &ec2.DescribeVolumesInput{Filters: filters(
		"tag-key", clusterTagOf(cluster), "tag-key", "kubernetes.io/created-for/pvc/name")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, v := range page.Volumes {
			id := aws.ToString(v.VolumeId)
			strays = append(strays, engine.Stray{Object: "volume " + id, Owner: madeFor(ec2Tags(v.Tags)), Leaves: "its data in AWS, which goes on to cost money",
				Fix: fmt.Sprintf("aws ec2 delete-volume --region %s --volume-id %s", c.region, id)})
		}
	}
	return strays, nil
}

// forService is how the controller of Kubernetes describes a group of a load balancer's.
var forService = regexp.MustCompile(`^Security group for Kubernetes ELB .* \(([^)]+)\)$`)

// groups are those of load balancers. The cluster's own goes with it, and those of
// the stack are its own business.
func (c controllers) groups(ctx context.Context, cluster string) (strays []engine.Stray, err error) {
	for _, filter := range [][]ec2types.Filter{filters("tag-key", clusterTagOf(cluster)), filters("tag:"+lbcTag, cluster)} {
		pages := ec2.NewDescribeSecurityGroupsPaginator(c.ec2, &ec2.DescribeSecurityGroupsInput{Filters: filter})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for _, g := range page.SecurityGroups {
				tags, id := ec2Tags(g.Tags), aws.ToString(g.GroupId)
				if tags["aws:eks:cluster-name"] != "" || tags["drover:urn"] != "" {
					continue
				}
				owner := madeFor(tags)
				if m := forService.FindStringSubmatch(aws.ToString(g.Description)); m != nil {
					owner = "v1/Service/" + m[1]
				}
				strays = append(strays, engine.Stray{Object: "security group " + id, Owner: owner, Leaves: "the network that it is in, which cannot go before it",
					Fix: fmt.Sprintf("aws ec2 delete-security-group --region %s --group-id %s", c.region, id)})
			}
		}
	}
	return strays, nil
}

// interfaces are those that the VPC CNI of a node made, whose instance ended before
// it took them away.
func (c controllers) interfaces(ctx context.Context, cluster string) (strays []engine.Stray, err error) {
	pages := ec2.NewDescribeNetworkInterfacesPaginator(c.ec2, &ec2.DescribeNetworkInterfacesInput{Filters: filters(
		"tag:cluster.k8s.amazonaws.com/name", cluster, "status", "available")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, i := range page.NetworkInterfaces {
			id := aws.ToString(i.NetworkInterfaceId)
			strays = append(strays, engine.Stray{Object: "network interface " + id, Leaves: "its subnet, which cannot go before it",
				Fix: fmt.Sprintf("aws ec2 delete-network-interface --region %s --network-interface-id %s", c.region, id)})
		}
	}
	return strays, nil
}

// filters are pairs of name and value.
func filters(pairs ...string) []ec2types.Filter {
	var all []ec2types.Filter
	for pair := range slices.Chunk(pairs, 2) {
		all = append(all, ec2types.Filter{Name: &pair[0], Values: []string{pair[1]}})
	}
	return all
}

func ec2Tags(list []ec2types.Tag) map[string]string {
	return asTags(list, func(t ec2types.Tag) (key, value *string) { return t.Key, t.Value })
}

// asTags are the tags of a service, each of which has a type of its own for them.
func asTags[T any](list []T, of func(T) (key, value *string)) map[string]string {
	tags := make(map[string]string, len(list))
	for _, t := range list {
		key, value := of(t)
		tags[aws.ToString(key)] = aws.ToString(value)
	}
	return tags
}
