package cli

import (
	"context"

	"github.com/spf13/cobra"
)

func newReturn(env Env, run func(context.Context, changeOptions) error) *cobra.Command {
	o := changeOptions{Env: env}
	cmd := &cobra.Command{
		Use:   "return",
		Short: "Take the change under way back",
		Long: `Take back the change that an "up" has begun: after it stopped, or while the
emptied nodes soak. The old nodes take pods and traffic again, workloads that were
placed anew are placed where they were, what has moved goes back to the old nodes
without losing a request, and the new node group is deleted. Then everything is as
it was before that "up", whatever drover.yaml says by now.

It can be taken back until the delete of the old node group begins. Interrupted or
failed, the same command, or "up", goes on with it.`,
		Args:        cobra.NoArgs,
		Annotations: exits(changes...),
	}
	o.serve(cmd, run)
	cmd.Flags().BoolVar(&o.Choices.Park, "park", false, "begin though some workloads cannot be moved: leave those where they are, move all others")
	oneOf(cmd.Flags(), &o.Guard, "guard", "", "`off`: move without the guards of drover.yaml", "off")
	return cmd
}

func runReturn(ctx context.Context, o changeOptions) error {
	p, err := o.project(ctx)
	if err != nil {
		return err
	}
	return follow(ctx, o, p.Return, "Take the change back?")
}
