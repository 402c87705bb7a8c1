package aws

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/droverhq/drover/problem"
)

// defaultAddon is the version that EKS makes of an add-on where none is asked for.
// The name is that of the add-on and the version of Kubernetes: coredns/1.36.
func (c *Cloud) defaultAddon(ctx context.Context, name string) (any, error) {
	addon, cluster, _ := strings.Cut(name, "/")
	versions, err := c.addonVersions(ctx, addon, cluster)
	if err != nil {
		return nil, err
	}
	for _, v := range versions {
		for _, goes := range v.Compatibilities {
			if aws.ToString(goes.ClusterVersion) == cluster && goes.DefaultVersion {
				return aws.ToString(v.AddonVersion), nil
			}
		}
	}
	return nil, &problem.Error{Kind: problem.Usage, Op: "look up the version of add-on " + addon,
		Err: fmt.Errorf("EKS has none by default for Kubernetes %s", cluster), Fix: "name one: " + ways(addon, cluster)}
}

// CheckAddon refuses a version of an add-on that EKS does not have for the cluster's
// version: it would be found in the middle of an up.
func (c *Cloud) CheckAddon(ctx context.Context, addon, version, cluster string) error {
	versions, err := c.addonVersions(ctx, addon, cluster)
	if err != nil {
		return err
	}
	var names []string
	for _, v := range versions {
		if aws.ToString(v.AddonVersion) == version {
			return nil
		}
		names = append(names, aws.ToString(v.AddonVersion))
	}
	return &problem.Error{Kind: problem.Usage, Err: fmt.Errorf("EKS has no %s %s for Kubernetes %s", addon, version, cluster),
		Fix: "choose from " + strings.Join(names[:min(len(names), maxNamed)], ", ") + ", or default"}
}

// maxNamed bounds how many versions an error lists; EKS has a dozen and more of some, newest first.
const maxNamed = 5

// addonVersions lists what EKS has of an add-on for a version of Kubernetes.
func (c *Cloud) addonVersions(ctx context.Context, addon, cluster string) ([]ekstypes.AddonVersionInfo, error) {
	var versions []ekstypes.AddonVersionInfo
	pages := eks.NewDescribeAddonVersionsPaginator(c.eks, &eks.DescribeAddonVersionsInput{AddonName: &addon, KubernetesVersion: &cluster})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the versions of add-on %s: %w", addon, err)
		}
		for _, a := range page.Addons {
			versions = append(versions, a.AddonVersions...)
		}
	}
	if len(versions) == 0 {
		return nil, &problem.Error{Kind: problem.Usage, Op: "look up add-on " + addon, Err: errors.New("EKS has no such add-on for Kubernetes " + cluster),
			Fix: "see which there are: aws eks describe-addon-versions --kubernetes-version " + cluster + " --query 'addons[].addonName'"}
	}
	return versions, nil
}

func ways(addon, cluster string) string {
	return "aws eks describe-addon-versions --addon-name " + addon + " --kubernetes-version " + cluster
}
