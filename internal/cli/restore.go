package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/move"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/project"
)

// restoreOptions is what the flags of `drover restore` say.
type restoreOptions struct {
	Env                 Env
	On                  target
	DryRun, Force, JSON bool
	Elsewhere           bool // the cluster of a kubeconfig instead of the stack's
	Kubeconfig, Context string
}

func newRestore(env Env, run func(context.Context, restoreOptions) error) *cobra.Command {
	o := restoreOptions{Env: env}
	cmd := &cobra.Command{
		Use:   "restore",
		Short: "Give back what a run that died left closed, released or held",
		Long: `Give back what hand-overs changed and whose run is gone, from the marks and records
in the cluster alone: nodes take pods and traffic again, released pods return to
their controllers (or end, if their replacement serves), sentinels go, and Auto
Scaling groups act on their own again. What was moved stays moved.

It is not needed before "drover up", which goes on where the dead run was. Use it
when you want the cluster as it was, or the stack's state is lost.

It works on the stack's clusters; with --context or --kubeconfig on any cluster, by
kubectl's rules, and needs no project then. A hand-over renews its lock every few
seconds: what one is at work on is left alone and named, and the exit code is 3.`,
		Example: `  drover restore --dry-run
  drover restore --context staging`,
		Args:        cobra.NoArgs,
		Annotations: exits(problem.Refused, problem.Locked, problem.Outside),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.On = targetOf(cmd, env)
			o.Elsewhere = cmd.Flags().Changed("context") || cmd.Flags().Changed("kubeconfig")
			if o.Elsewhere && o.On.Stack != "" {
				return &problem.Error{Kind: problem.Usage, Op: "--stack", Err: errors.New("a stack and a kubeconfig name two clusters"),
					Fix: "give --stack, or --context and --kubeconfig"}
			}
			return run(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "list what would be given back; change nothing")
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print JSON: {\"dryRun\", \"restored\": [{\"object\", \"what\", \"error\"}]}")
	cmd.Flags().BoolVar(&o.Force, "force", false, "also give back what a hand-over is at work on: its lock is taken away")
	cmd.Flags().StringVar(&o.Context, "context", "", "the kubeconfig `context` of the cluster")
	cmd.Flags().StringVar(&o.Kubeconfig, "kubeconfig", "", "the kubeconfig `file` (default: kubectl's)")
	return cmd
}

func runRestore(ctx context.Context, o restoreOptions) error {
	if o.Elsewhere {
		return giveBack(o, func(tell func(project.Restored)) error {
			return move.Recover(ctx, move.Recovery{Access: move.Access{Kubeconfig: o.Kubeconfig, Context: o.Context}, DryRun: o.DryRun, Force: o.Force, Tell: tell})
		})
	}
	p, err := o.On.open(ctx)
	if err != nil {
		return err
	}
	return giveBack(o, func(tell func(project.Restored)) error {
		return p.Restore(ctx, project.RestoreOptions{DryRun: o.DryRun, Force: o.Force, Tell: tell})
	})
}

// restoration is the answer to --json.
type restoration struct {
	DryRun   bool               `json:"dryRun"`
	Restored []project.Restored `json:"restored"`
}

// giveBack prints each thing as it is given back.
func giveBack(o restoreOptions, restore func(tell func(project.Restored)) error) error {
	told := restoration{DryRun: o.DryRun, Restored: []project.Restored{}}
	var printed error
	err := restore(func(d project.Restored) {
		told.Restored = append(told.Restored, d)
		if !o.JSON && printed == nil {
			printed = printRestored(o, d)
		}
	})
	switch {
	case o.JSON:
		printed = writeJSON(o.Env.Stdout, told)
	case err == nil && len(told.Restored) == 0:
		_, printed = fmt.Fprintln(o.Env.Stdout, "nothing is left of any hand-over")
	}
	return errors.Join(err, printed)
}

func printRestored(o restoreOptions, d project.Restored) error {
	line := d.Object + ": " + d.What
	if o.DryRun {
		line = "would do: " + line
	}
	if d.Error != "" {
		line = "not done: " + d.Object + ": " + d.What + ": " + d.Error
	}
	_, err := fmt.Fprintln(o.Env.Stdout, line)
	return err
}
