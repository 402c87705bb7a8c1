package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/problem"
)

func newUp(env Env, run func(context.Context, changeOptions) error) *cobra.Command {
	o := changeOptions{Env: env}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Make the stack what drover.yaml declares",
		Long: `Compare drover.yaml with the stack, show the plan, ask, and carry it out.

A node group that must change is replaced: the new one is made, what runs on the
old one is handed over without losing a request, and only then is the old one
deleted. If a guard in drover.yaml sees traffic suffer, the move stops and
everything keeps serving. Interrupted or failed, the same command goes on where
it was.`,
		Args:        cobra.NoArgs,
		Annotations: exits(slices.Concat(changes, []problem.Kind{problem.Returned, problem.Changes})...),
	}
	o.serve(cmd, run)
	narrow(cmd, &o.Choices)
	renew(cmd, &o.Choices, &o.MustChangeNothing)
	cmd.Flags().StringVar(&o.Plan, "plan", "", "carry out the plan in this `file` of drover preview --out without asking, and no other")
	cmd.Flags().BoolVar(&o.Choices.Park, "park", false, "begin though some workloads cannot be moved: leave those where they are, move all others")
	cmd.Flags().BoolVar(&o.Choices.Continue, "continue", false, "end the soak of emptied node groups now: delete them")
	cmd.Flags().BoolVar(&o.Choices.Forward, "forward", false, "make a change after all that is being taken back")
	oneOf(cmd.Flags(), &o.Guard, "guard", "", "`off`: move without the guards of drover.yaml, as when traffic is down already", "off")
	return cmd
}

func runUp(ctx context.Context, o changeOptions) error {
	p, err := o.project(ctx)
	if err != nil {
		return err
	}
	return follow(ctx, o, p.Up, "Carry this plan out?")
}
