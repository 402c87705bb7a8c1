package drover_test

import (
	drover "github.com/droverhq/drover/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/droverhq/drover/move"
)

// kubeconfig is what a program has of its cluster.
var kubeconfig = pulumi.String("apiVersion: v1\nkind: Config\n")

func Example() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		if err := drover.Protect(ctx, drover.Options{Kubeconfig: kubeconfig}); err != nil {
			return err
		}
		// node groups …
		return nil
	})
}

func Example_guards() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		return drover.Protect(ctx, drover.Options{
			Guards: []move.Guard{{URL: "https://shop.example.com/healthz"}},
		})
	})
}
