package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newCancel(env Env) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "cancel",
		Short: "Take the lock away from a run that cannot come back",
		Long: `Remove the stack's lock, which a run on another machine holds. Do it only when you
know that this run is over: two at once would work against each other. A run of
this machine that was killed needs no cancel: its lock is taken over.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := open(cmd, env)
			if err != nil {
				return err
			}
			holder, err := p.Holder(cmd.Context())
			if err != nil {
				return err
			}
			if err := confirm(cmd.Context(), env, yes, holder+". Is that run really over?"); err != nil {
				return err
			}
			if err := p.Cancel(cmd.Context()); err != nil {
				return err
			}
			_, err = fmt.Fprintln(env.Stdout, "the lock is gone; run your command again")
			return err
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}
