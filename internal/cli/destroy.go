package cli

import (
	"github.com/spf13/cobra"

	"github.com/droverhq/drover"
)

func newDestroy(env Env) *cobra.Command {
	var o changeOptions
	cmd := &cobra.Command{
		Use:   "destroy",
		Short: "Delete everything the stack has",
		Long: `Delete all of the stack's resources: workloads first, then node groups, cluster
and network. There is no hand-over: what runs there ends. The stack itself stays,
empty, until "drover stack rm".`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runChange(cmd, env, o, (*drover.Project).Destroy, "Delete all of this?")
		},
	}
	o.flags(cmd)
	return cmd
}
