package cli

import (
	"github.com/spf13/cobra"

	"github.com/droverhq/drover"
)

func newUp(env Env) *cobra.Command {
	var o changeOptions
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Make the stack what drover.yaml declares",
		Long: `Compare drover.yaml with the stack, show the plan, ask, and carry it out.

A node group that must change is replaced: the new one is made, what runs on the
old one is handed over without losing a request, and only then is the old one
deleted. If a guard in drover.yaml sees traffic suffer, the move stops and
everything keeps serving. Interrupted or failed, the same command goes on where
it was.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runChange(cmd, env, o, (*drover.Project).Up, "Carry this plan out?")
		},
	}
	o.flags(cmd)
	return cmd
}
