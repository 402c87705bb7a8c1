package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/project"
)

func newState(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state",
		Short: "See and repair what Drover knows of a stack: ls, show, mv, rm, export, import, resolve",
	}
	cmd.AddCommand(newStateList(env), newStateShow(env), newStateMove(env), newStateRemove(env), newStateExport(env), newStateImport(env), newStateResolve(env))
	return cmd
}

func newStateList(env Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List what the state tells of, each after what it needs",
		Args:  cobra.NoArgs,
		RunE: on(env, func(cmd *cobra.Command, p *project.Project, _ []string) error {
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
		}),
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

		ValidArgsFunction: offer(env, urnsOf),
		RunE: on(env, func(cmd *cobra.Command, p *project.Project, args []string) error {
			found, err := p.Show(cmd.Context(), plan.URN(args[0]), show)
			if err != nil {
				return err
			}
			return writeJSON(env.Stdout, found)
		}),
	}
	cmd.Flags().BoolVar(&show, "show-secrets", false, "print secrets in the open")
	return cmd
}

func newStateMove(env Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "mv URN NEW",
		Short: "Give one resource another URN, as when its name in drover.yaml changed",
		Long: `Let the state know a resource under another URN of the same type; NEW may be the
name alone. What refers to it follows. Nothing outside is touched: it keeps its
physical name, and its tags follow when it is changed for another reason. So a
resource that was renamed in drover.yaml stays, and is not replaced. The state
before is kept, and "drover state import" brings it back.`,
		Example:     "  drover state mv urn:drover:dev:shop:AWS::SQS::Queue:jobs orders",
		Args:        cobra.ExactArgs(2),
		Annotations: exits(problem.Refused, problem.Locked, problem.Outside),

		ValidArgsFunction: offer(env, urnsOf, urnsOf),
		RunE: on(env, func(cmd *cobra.Command, p *project.Project, args []string) error {
			urn, backup, err := p.Move(cmd.Context(), plan.URN(args[0]), args[1])
			if err != nil {
				return err
			}
			return answer(env, asJSON, map[string]any{"from": args[0], "to": urn, "backup": backup},
				"it is %s; the state before is in %s", urn, backup)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON: {\"from\", \"to\", \"backup\"}")
	return cmd
}

func newStateRemove(env Env) *cobra.Command {
	var yes, force, asJSON bool
	cmd := &cobra.Command{
		Use:   "rm URN",
		Short: "Forget one resource, which stays where it is",
		Long: `Take one resource out of the state, with all its generations. It stays where it
is, and the next up makes another one if drover.yaml still declares it. If others
refer to it, that is refused; --force lets them stand without the reference. The
state before is kept, and "drover state import" brings it back.`,
		Args:        cobra.ExactArgs(1),
		Annotations: exits(problem.Refused, problem.Locked, problem.Outside),

		ValidArgsFunction: offer(env, urnsOf),
		RunE: on(env, func(cmd *cobra.Command, p *project.Project, args []string) error {
			if asJSON && !yes {
				return jsonNeedsYes()
			}
			var forgotten []project.Object
			backup, err := p.Forget(cmd.Context(), plan.URN(args[0]), force, func(left []project.Object) error {
				forgotten = left
				if asJSON {
					return nil
				}
				if err := printObjects(env.Stdout, left); err != nil {
					return err
				}
				return confirm(cmd.Context(), env, yes, "Leave this where it is and forget it?")
			})
			if err != nil {
				return err
			}
			return answer(env, asJSON, map[string]any{"forgotten": forgotten, "backup": backup}, "forgotten; the state before is in %s", backup)
		}),
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&force, "force", false, "also if others refer to it")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON: {\"forgotten\": [{\"type\", \"name\", \"id\", ...}], \"backup\"}")
	return cmd
}

func newStateExport(env Env) *cobra.Command {
	return &cobra.Command{
		Use:     "export",
		Short:   "Print the whole state as a file for import; secrets stay sealed",
		Example: "  drover state export > dev.state",
		Args:    cobra.NoArgs,
		RunE: on(env, func(cmd *cobra.Command, p *project.Project, _ []string) error {
			text, err := p.Export(cmd.Context())
			if err != nil {
				return err
			}
			_, err = env.Stdout.Write(text)
			return err
		}),
	}
}

func newStateImport(env Env) *cobra.Command {
	var yes, asJSON bool
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Make an exported state the stack's",
		Long: `Make what "drover state export" wrote the state of the stack, after it was
verified. It must be of the same stack, or the stack be empty. The state before
is kept. What was made since the export is not known any more: it stays where it
is.`,
		Args:        cobra.ExactArgs(1),
		Annotations: exits(problem.Refused, problem.Locked, problem.Outside),
		RunE: on(env, func(cmd *cobra.Command, p *project.Project, args []string) error {
			if asJSON && !yes {
				return jsonNeedsYes()
			}
			text, err := os.ReadFile(args[0])
			if err != nil {
				return &problem.Error{Kind: problem.Usage, Op: "state import", Err: err, Fix: "name a file that drover state export wrote"}
			}
			result := map[string]any{}
			backup, err := p.Import(cmd.Context(), args[0], text, func(before, after []project.Object) error {
				result["before"], result["after"] = len(before), len(after)
				return confirm(cmd.Context(), env, yes, fmt.Sprintf("Replace the state, which tells of %d resources, by one that tells of %d?", len(before), len(after)))
			})
			if err != nil {
				return err
			}
			result["backup"] = backup
			return answer(env, asJSON, result, "imported; the state before is in %s", backup)
		}),
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON: how many resources the state told of \"before\" and \"after\", and \"backup\"")
	return cmd
}

func newStateResolve(env Env) *cobra.Command {
	var made string
	var absent, asJSON bool
	cmd := &cobra.Command{
		Use:   "resolve URN",
		Short: "Say what came of a call whose end nobody could find out",
		Long: `A create, an update or a delete whose answer was lost is looked into by every
run. Where that never ends, a person can tell what exists.`,
		Example: `  drover state resolve urn:drover:dev:shop:AWS::EC2::VPC:network --made vpc-0a1b2c3d
  drover state resolve urn:drover:dev:shop:AWS::EC2::VPC:network --absent`,
		Args:        cobra.ExactArgs(1),
		Annotations: exits(problem.Locked, problem.Outside),

		ValidArgsFunction: offer(env, openOf),
		RunE: on(env, func(cmd *cobra.Command, p *project.Project, args []string) error {
			if absent == (made != "") {
				return usage(cmd, errors.New("give one of --made ID and --absent"))
			}
			if err := p.Resolve(cmd.Context(), plan.URN(args[0]), made); err != nil {
				return err
			}
			return answer(env, asJSON, map[string]any{"urn": args[0], "made": made}, "noted: the next up or destroy goes by it")
		}),
	}
	cmd.Flags().StringVar(&made, "made", "", "the object exists, and this is its `identifier`")
	cmd.Flags().BoolVar(&absent, "absent", false, "nothing exists")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON: {\"urn\", \"made\"}, which is empty if nothing exists")
	return cmd
}
