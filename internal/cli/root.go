package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/problem"
)

const rootHelp = `Drover launches an EKS cluster with its network, node groups and workloads from
one declared file. When a node group must change, it moves everything that runs
there to the new one with zero downtime, and takes the old group down to nothing.

Exit codes:
  0  it is done
  1  an error nobody foresaw
  2  the command line or a file is wrong; nothing was changed
  3  a check found a blocker, or you said no; nothing was changed
  4  somebody else works on the stack
  5  AWS, Kubernetes or this machine failed; state is saved, run it again
  6  traffic suffered: the move stopped, and everything still serves
  7  a load test or the demo lost requests
130  interrupted; state is saved, run it again`

func newRoot(env Env) *cobra.Command {
	root := &cobra.Command{
		Use:           "drover",
		Short:         "Move EKS node groups with zero downtime",
		Long:          rootHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(usage)
	root.PersistentFlags().StringP("dir", "C", env.Dir, "the project `folder` (where drover.yaml is)")
	root.PersistentFlags().StringP("stack", "s", "", "the `stack` to work on (default: the one selected)")
	root.AddCommand(
		newNew(env), newStack(env), newConfig(env),
		newPreview(env), newUp(env), newDestroy(env), newCancel(env),
		newLoad(env), newToken(env),
		newSandbox(env), newDemo(env), newVersion(env),
	)
	asUsage(root)
	return root
}

// asUsage makes every command report wrong arguments as usage errors.
func asUsage(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usage(c, err)
			}
			return nil
		}
	}
	if !cmd.Runnable() {
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			err := fmt.Errorf("unknown command %q", args[0])
			if near := c.SuggestionsFor(args[0]); len(near) > 0 {
				err = fmt.Errorf("%w; did you mean %q?", err, near[0])
			}
			return usage(c, err)
		}
	}
	for _, sub := range cmd.Commands() {
		asUsage(sub)
	}
}

func usage(cmd *cobra.Command, err error) error {
	var known *problem.Error
	if errors.As(err, &known) {
		return err
	}
	return &problem.Error{Kind: problem.Usage, Err: err, Fix: cmd.CommandPath() + " --help"}
}
