// This program is the tutorial: an EKS cluster with two node groups, NGINX on the
// nodes of web, and an echoserver behind it on those of standard. Change the instance
// type or the image of web, and pulumi up replaces the group: the new nodes come, what
// runs on the old ones moves while it serves, and the old group is deleted once it is
// empty.
package main

import (
	drover "github.com/droverhq/drover/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"

	"github.com/droverhq/drover/move"
)

func main() { pulumi.Run(protected) }

// protected is the program with Drover in it: one line more.
func protected(ctx *pulumi.Context) error {
	c, err := newCluster(ctx)
	if err != nil {
		return err
	}
	if err := drover.Protect(ctx, drover.Options{Kubeconfig: c.kubeconfig(), Guards: guards(ctx)}); err != nil {
		return err
	}
	return c.shop(ctx, (*cluster).group)
}

// guards watch the traffic while pods move, once the stack says where.
func guards(ctx *pulumi.Context) []move.Guard {
	url := config.Get(ctx, "url")
	if url == "" {
		return nil
	}
	none := 0
	return []move.Guard{{URL: url, Host: "apps.example.com", MaxErrors: &none}}
}

// shop is what is in the cluster: web has nodes for NGINX alone, and standard for all
// else.
func (c *cluster) shop(ctx *pulumi.Context, standard maker, opts ...pulumi.ResourceOption) error {
	all, err := standard(c, ctx, "standard", "", opts...)
	if err != nil {
		return err
	}
	web, err := c.group(ctx, "web", "nginx=true:NoSchedule", opts...)
	if err != nil {
		return err
	}
	return c.workloads(ctx, all, web)
}
