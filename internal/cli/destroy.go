package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/problem"
)

func newDestroy(env Env, run func(context.Context, changeOptions) error) *cobra.Command {
	o := changeOptions{Env: env}
	cmd := &cobra.Command{
		Use:   "destroy",
		Short: "Delete everything the stack has",
		Long: `Delete all of the stack's resources: workloads first, then node groups, cluster
and network. There is no hand-over: what runs there ends. The stack itself stays,
empty, until "drover stack rm".`,
		Args:        cobra.NoArgs,
		Annotations: exits(problem.Refused, problem.Locked, problem.Outside),
	}
	o.serve(cmd, run)
	narrow(cmd, &o.Choices)
	cmd.Flags().BoolVar(&o.Choices.ForgetUnreachable, "forget-unreachable", false,
		"forget what is in a cluster that does not answer any more, and delete the rest")
	return cmd
}

func runDestroy(ctx context.Context, o changeOptions) error {
	p, err := o.project(ctx)
	if err != nil {
		return err
	}
	return follow(ctx, o, p.Destroy, "Delete all of this?")
}
