package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

func newState(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state",
		Short: "See and repair what Drover knows of a stack: ls, show, rm, export, import, resolve",
	}
	cmd.AddCommand(newStateList(env), newStateShow(env), newStateRemove(env), newStateExport(env), newStateImport(env), newStateResolve(env))
	return cmd
}

func newStateList(env Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List what the state tells of, each after what it needs",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := open(cmd, env)
			if err != nil {
				return err
			}
			all, err := p.Objects(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(env.Stdout, all)
			}
			return writeTable(env.Stdout, "URN\tGEN\tNAME\tID\tNOTE", len(all), func(i int) string {
				o := all[i]
				return fmt.Sprintf("%s\t%d\t%s\t%s\t%s", o.URN, o.Gen, o.Name, cmp.Or(o.ID, "unknown"), o.Note)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newStateShow(env Env) *cobra.Command {
	var show bool
	cmd := &cobra.Command{
		Use:   "show URN",
		Short: "Print all that the state tells of one resource, as JSON",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := open(cmd, env)
			if err != nil {
				return err
			}
			found, err := p.Show(cmd.Context(), plan.URN(args[0]), show)
			if err != nil {
				return err
			}
			return writeJSON(env.Stdout, found)
		},
	}
	cmd.Flags().BoolVar(&show, "show-secrets", false, "print secrets in the open")
	return cmd
}

func newStateRemove(env Env) *cobra.Command {
	var yes, force bool
	cmd := &cobra.Command{
		Use:   "rm URN",
		Short: "Forget one resource, which stays where it is",
		Long: `Take one resource out of the state, with all its generations. It stays where it
is, and the next up makes another one if drover.yaml still declares it. If others
refer to it, that is refused; --force lets them stand without the reference. The
state before is kept, and "drover state import" brings it back.`,
		Args:        cobra.ExactArgs(1),
		Annotations: exits(problem.Refused, problem.Locked, problem.Outside),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := open(cmd, env)
			if err != nil {
				return err
			}
			backup, err := p.Forget(cmd.Context(), plan.URN(args[0]), force, func(left []drover.Object) error {
				if err := printObjects(env.Stdout, left); err != nil {
					return err
				}
				return confirm(cmd.Context(), env, yes, "Leave this where it is and forget it?")
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(env.Stdout, "forgotten; the state before is in %s\n", backup)
			return err
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&force, "force", false, "also if others refer to it")
	return cmd
}

func newStateExport(env Env) *cobra.Command {
	return &cobra.Command{
		Use:     "export",
		Short:   "Print the whole state as a file for import; secrets stay sealed",
		Example: "  drover state export > dev.state",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := open(cmd, env)
			if err != nil {
				return err
			}
			text, err := p.Export(cmd.Context())
			if err != nil {
				return err
			}
			_, err = env.Stdout.Write(text)
			return err
		},
	}
}

func newStateImport(env Env) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Make an exported state the stack's",
		Long: `Make what "drover state export" wrote the state of the stack, after it was
verified. It must be of the same stack, or the stack be empty. The state before
is kept. What was made since the export is not known any more: it stays where it
is.`,
		Args:        cobra.ExactArgs(1),
		Annotations: exits(problem.Refused, problem.Locked, problem.Outside),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := open(cmd, env)
			if err != nil {
				return err
			}
			text, err := os.ReadFile(args[0])
			if err != nil {
				return &problem.Error{Kind: problem.Usage, Op: "state import", Err: err, Fix: "name a file that drover state export wrote"}
			}
			backup, err := p.Import(cmd.Context(), args[0], text, func(before, after []drover.Object) error {
				return confirm(cmd.Context(), env, yes, fmt.Sprintf("Replace the state, which tells of %d resources, by one that tells of %d?", len(before), len(after)))
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(env.Stdout, "imported; the state before is in %s\n", backup)
			return err
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
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
