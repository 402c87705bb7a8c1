package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/internal/demo"
	"github.com/droverhq/drover/problem"
)

const rootHelp = `Drover launches an EKS cluster with its network, node groups and workloads from
one declared file. When a node group must change, it moves everything that runs
there to the new one with zero downtime, and takes the old group down to nothing.`

// Root is the tree of all commands.
func Root(env Env) *cobra.Command { return newRoot(env) }

func newRoot(env Env) *cobra.Command {
	root := &cobra.Command{
		Use:           "drover",
		Short:         "Move EKS node groups with zero downtime",
		Long:          rootHelp,
		Annotations:   everyExit(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	if env.Name != "" {
		root.Annotations[cobra.CommandDisplayNameAnnotation] = env.Name
	}
	root.SetFlagErrorFunc(usage)
	root.PersistentFlags().StringP("dir", "C", env.Dir, "the project `folder` (where drover.yaml is)")
	root.PersistentFlags().StringP("stack", "s", "", "the `stack` to work on (default: the one selected)")
	if err := root.RegisterFlagCompletionFunc("stack", offer(env, stacksOf)); err != nil {
		panic(err) // the flag is defined one line above
	}
	root.AddCommand(
		newNew(env), newStack(env), newState(env), newConfig(env),
		newPreview(env, runPreview), newUp(env, runUp), newReturn(env, runReturn), newDestroy(env, runDestroy), newRefresh(env, runRefresh), newImport(env), newCancel(env, runCancel),
		newCheck(env, runCheck), newMigrate(env, runMigrate), newDrain(env, runMigrate), newMoves(env), newRBAC(env, runRBAC),
		newProtect(env, runProtect), newUnprotect(env, runUnprotect),
		newRestore(env, runRestore), newLoad(env, runLoad), newToken(env, runToken),
		newSandbox(env), newDemo(env, demo.Run), newVersion(env),
	)
	tellExits(root)
	tellVariables(root)
	asUsage(root)
	offerAll(root)
	return root
}

// asUsage makes every command report wrong arguments, and flags that are
// missing or do not go together, as usage errors.
func asUsage(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			for _, err := range []error{check(c, args), c.ValidateRequiredFlags(), c.ValidateFlagGroups()} {
				if err != nil {
					return usage(c, err)
				}
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
