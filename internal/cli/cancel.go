package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/problem"
)

// cancelOptions is what the flags of `drover cancel` say.
type cancelOptions struct {
	Env Env
	On  target
	Yes bool

	JSON bool
}

func newCancel(env Env, run func(context.Context, cancelOptions) error) *cobra.Command {
	o := cancelOptions{Env: env}
	cmd := &cobra.Command{
		Use:   "cancel",
		Short: "Take the lock away from a run that cannot come back",
		Long: `Remove the stack's lock, which a run on another machine holds. Do it only when you
know that this run is over: two at once would work against each other. A run of
this machine that was killed needs no cancel: its lock is taken over.`,
		Args:        cobra.NoArgs,
		Annotations: exits(problem.Refused, problem.Outside),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.On = targetOf(cmd, env)
			return run(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVarP(&o.Yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print JSON: {\"holder\"}, who held the lock")
	return cmd
}

func runCancel(ctx context.Context, o cancelOptions) error {
	if o.JSON && !o.Yes {
		return jsonNeedsYes()
	}
	p, err := o.On.open(ctx)
	if err != nil {
		return err
	}
	holder, err := p.Holder(ctx)
	if err != nil {
		return err
	}
	if err := confirm(ctx, o.Env, o.Yes, holder+". Is that run really over?"); err != nil {
		return err
	}
	if err := p.Cancel(ctx); err != nil {
		return err
	}
	return answer(o.Env, o.JSON, map[string]any{"holder": holder}, "the lock is gone; run your command again")
}
