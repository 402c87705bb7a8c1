package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

func newState(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state",
		Short: "Repair what Drover knows of a stack: resolve",
	}
	cmd.AddCommand(newStateResolve(env))
	return cmd
}

func newStateResolve(env Env) *cobra.Command {
	var made string
	var absent bool
	cmd := &cobra.Command{
		Use:   "resolve URN",
		Short: "Say what came of a call whose end nobody could find out",
		Long: `A create, an update or a delete whose answer was lost is looked into by every
run. Where that never ends, a person can tell what exists.`,
		Example: `  drover state resolve urn:drover:dev:shop:AWS::EC2::VPC:network --made vpc-0a1b2c3d
  drover state resolve urn:drover:dev:shop:AWS::EC2::VPC:network --absent`,
		Args:        cobra.ExactArgs(1),
		Annotations: exits(problem.Locked, problem.Outside),
		RunE: func(cmd *cobra.Command, args []string) error {
			if absent == (made != "") {
				return usage(cmd, errors.New("give one of --made ID and --absent"))
			}
			p, err := open(cmd, env)
			if err != nil {
				return err
			}
			if err := p.Resolve(cmd.Context(), plan.URN(args[0]), made); err != nil {
				return err
			}
			_, err = fmt.Fprintln(env.Stdout, "noted: the next up or destroy goes by it")
			return err
		},
	}
	cmd.Flags().StringVar(&made, "made", "", "the object exists, and this is its `identifier`")
	cmd.Flags().BoolVar(&absent, "absent", false, "nothing exists")
	return cmd
}
