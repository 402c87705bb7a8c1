package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/internal/demo"
	"github.com/droverhq/drover/problem"
)

const rootHelp = `Drover empties nodes of a Kubernetes cluster without losing a request: what runs there
serves on elsewhere before it goes. On any cluster: drover check, then drover migrate.
Or as a step of a change: it makes an EKS cluster with its network, node groups and
workloads from one declared file, and when a node group must be replaced, it moves
everything to the new one and takes the old one down to nothing.`

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
	for _, c := range chapters(env) {
		root.AddGroup(&cobra.Group{ID: c.title, Title: c.title})
		for _, cmd := range c.commands {
			cmd.GroupID = c.title
			root.AddCommand(cmd)
		}
	}
	root.AddCommand(newToken(env, runToken), newVersion(env))
	tellExits(root)
	tellVariables(root)
	asUsage(root)
	offerAll(root)
	return root
}

// chapter is some of the commands, as the help has them together.
type chapter struct {
	title    string
	commands []*cobra.Command
}

func chapters(env Env) []chapter {
	return []chapter{
		{"A stack, as drover.yaml or a program describes it:", []*cobra.Command{
			newNew(env), newPreview(env, runPreview), newUp(env, runUp), newReturn(env, runReturn), newDestroy(env, runDestroy), newRefresh(env, runRefresh),
			newImport(env), newCancel(env, runCancel), newRestore(env, runRestore), newStack(env), newState(env), newConfig(env),
		}},
		{"Any cluster, without a stack:", []*cobra.Command{
			newCheck(env, runCheck), newMigrate(env, runMigrate), newDrain(env, runMigrate), newMoves(env), newProtect(env, runProtect), newUnprotect(env, runUnprotect), newRBAC(env, runRBAC),
		}},
		{"To try things out, and to measure:", []*cobra.Command{newDemo(env, demo.Run), newSandbox(env), newLoad(env, runLoad)}},
	}
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
