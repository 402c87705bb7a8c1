package aws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// Images that AWS publishes for nodes of EKS. The name of one says of what kind it
// is, and for each kind a public parameter holds the newest of a version: a copy of a
// group gets an image of its original's kind.

// kinds are those of images: what their names look like, and which parameter holds
// the newest ("Retrieve recommended Amazon Linux AMI IDs", "… Bottlerocket AMI IDs",
// "… Windows AMI IDs", EKS User Guide).
var kinds = []struct {
	name   *regexp.Regexp
	newest string // with what else the name says
}{
	{regexp.MustCompile(`^amazon-eks-node-al2023-(?<arch>x86_64|arm64)-(?<variant>[a-z0-9-]+)-(?<version>\d+\.\d+)-v`), "/aws/service/eks/optimized-ami/{version}/amazon-linux-2023/{arch}/{variant}/recommended/image_id"},
	{regexp.MustCompile(`^amazon-eks-node-(?<version>\d+\.\d+)-v`), "/aws/service/eks/optimized-ami/{version}/amazon-linux-2/recommended/image_id"},
	{regexp.MustCompile(`^amazon-eks-(?<variant>arm64|gpu)-node-(?<version>\d+\.\d+)-v`), "/aws/service/eks/optimized-ami/{version}/amazon-linux-2-{variant}/recommended/image_id"},
	{regexp.MustCompile(`^bottlerocket-aws-k8s-(?<version>\d+\.\d+)(?<variant>(-[a-z]+)*)-(?<arch>x86_64|arm64|aarch64)-v`), "/aws/service/bottlerocket/aws-k8s-{version}{variant}/{arch}/latest/image_id"},
	{regexp.MustCompile(`^(?<variant>Windows_Server-\d+-English-[A-Za-z]+-EKS_Optimized)-(?<version>\d+\.\d+)-`), "/aws/service/ami-windows-latest/{variant}-{version}/image_id"},
}

// published is what the name of an image says.
type published struct {
	version string // of Kubernetes: 1.35
	arch    string // empty: the kind has one only
	variant string
	newest  string
}

// publishedAs reads the name of an image; false: it is of no kind that is known.
func publishedAs(name string) (published, bool) {
	for _, k := range kinds {
		m := k.name.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		part := func(group string) string {
			if at := k.name.SubexpIndex(group); at >= 0 {
				return m[at]
			}
			return ""
		}
		arch := part("arch")
		if arch == "aarch64" { // Bottlerocket's word for it in names, but not in parameters
			arch = string(ec2types.ArchitectureTypeArm64)
		}
		return published{part("version"), arch, part("variant"), k.newest}, true
	}
	return published{}, false
}

// parameter holds the newest image of the kind.
func (p published) parameter() string {
	return strings.NewReplacer("{version}", p.version, "{arch}", p.arch, "{variant}", p.variant).Replace(p.newest)
}

// resolved begins an image in a launch template that is the value of a parameter,
// read anew at every launch.
const resolved = "resolve:ssm:"

// chooseImage gives the copy of a self-managed group another image of the same kind, if
// another version is asked for, or instances that its image does not run on.
func (s *Scaling) chooseImage(ctx context.Context, c *Copy) error {
	with := c.changes
	if with.AMI != "" || with.Version == "" && with.InstanceType == "" {
		return nil
	}
	id := aws.ToString(c.template.ImageId)
	name, follows := strings.CutPrefix(id, resolved)
	if follows {
		var err error
		if id, err = s.parameter(ctx, name); err != nil {
			return err
		}
	}
	image, err := s.image(ctx, id)
	if err != nil {
		return err
	}
	arch, err := s.misfit(ctx, image, string(c.template.InstanceType))
	if err != nil || arch == "" && with.Version == "" {
		return err
	}
	kind, err := c.kindOf(image, id, arch)
	if err != nil {
		return err
	}
	newest, err := s.newest(ctx, c, kind)
	if err != nil {
		return err
	}
	c.say("image %s, for Kubernetes %s, of parameter %s; the other group has %s", newest, kind.version, kind.parameter(), id)
	if follows {
		newest = resolved + kind.parameter()
	}
	c.template.ImageId = &newest
	return nil
}

// kindOf is what the copy's image has to be like.
func (c *Copy) kindOf(image ec2types.Image, id, arch string) (published, error) {
	kind, known := publishedAs(aws.ToString(image.Name))
	switch {
	case !known || aws.ToString(image.ImageOwnerAlias) != "amazon":
		return kind, c.refuse("its image "+id+" is none of those that AWS publishes for nodes of EKS: which other one is like it, only its owner knows", "give that one: --ami ami-…, without --version")
	case arch != "" && kind.arch == "":
		return kind, c.refuse(fmt.Sprintf("%s does not run its image %s, and AWS publishes none of that kind for %s", c.template.InstanceType, id, arch), "give an image that suits (--ami ami-…), or another --instance-type")
	}
	kind.arch, kind.version = cmp.Or(arch, kind.arch), cmp.Or(c.changes.Version, kind.version)
	return kind, nil
}

// newest is the newest image of a kind.
func (s *Scaling) newest(ctx context.Context, c *Copy, kind published) (string, error) {
	id, err := s.parameter(ctx, kind.parameter())
	var missing *ssmtypes.ParameterNotFound
	if errors.As(err, &missing) {
		return "", c.refuse(fmt.Sprintf("AWS publishes no image of that kind for Kubernetes %s: there is no parameter %s", kind.version, kind.parameter()),
			"give another --version, or an image of another kind that suits the group's user data: --ami ami-…, without --version")
	}
	return id, err
}

// tooNew refuses nodes that are newer than the control plane of their cluster, as
// Kubernetes does not support. A group that does not say of which cluster it is, is
// not judged.
func (s *Scaling) tooNew(ctx context.Context, c *Copy, tags map[string]string) error {
	want, is := minor(c.changes.Version)
	if !is {
		return nil
	}
	for key := range tags {
		cluster, of := strings.CutPrefix(key, clusterTagOf(""))
		if !of {
			continue
		}
		out, err := s.eks.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &cluster})
		if err != nil {
			return fmt.Errorf("read the version of cluster %s: %w", cluster, err)
		}
		if have, is := minor(aws.ToString(out.Cluster.Version)); is && want > have {
			return c.refuse(fmt.Sprintf("the control plane of cluster %s is at %s, and its nodes may not be newer", cluster, aws.ToString(out.Cluster.Version)), "upgrade the control plane first, or give a --version up to that")
		}
	}
	return nil
}

// parameter reads one of Systems Manager.
func (s *Scaling) parameter(ctx context.Context, name string) (string, error) {
	out, err := s.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: &name})
	if err != nil {
		return "", fmt.Errorf("read the parameter %s: %w", name, err)
	}
	return aws.ToString(out.Parameter.Value), nil
}

// image reads one; what EC2 does not tell of has no name.
func (s *Scaling) image(ctx context.Context, id string) (ec2types.Image, error) {
	out, err := s.instances.DescribeImages(ctx, &ec2.DescribeImagesInput{Filters: []ec2types.Filter{{Name: aws.String("image-id"), Values: []string{id}}},
		IncludeDeprecated: aws.Bool(true)})
	if err != nil {
		return ec2types.Image{}, fmt.Errorf("read image %s: %w", id, err)
	}
	if len(out.Images) == 0 {
		return ec2types.Image{}, nil
	}
	return out.Images[0], nil
}

// misfit is the architecture of an instance type that does not run an image; empty: it
// does, or one of the two is not known.
func (s *Scaling) misfit(ctx context.Context, image ec2types.Image, instanceType string) (other string, err error) {
	if instanceType == "" || image.Architecture == "" {
		return "", nil
	}
	out, err := s.instances.DescribeInstanceTypes(ctx, &ec2.DescribeInstanceTypesInput{Filters: []ec2types.Filter{{Name: aws.String("instance-type"), Values: []string{instanceType}}}})
	if err != nil {
		return "", fmt.Errorf("read instance type %s: %w", instanceType, err)
	}
	for _, t := range out.InstanceTypes {
		if t.ProcessorInfo == nil {
			continue
		}
		for _, a := range t.ProcessorInfo.SupportedArchitectures {
			if string(a) == string(image.Architecture) {
				return "", nil
			}
			other = string(a)
		}
	}
	return other, nil
}
