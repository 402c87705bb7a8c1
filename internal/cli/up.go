package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover"
	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// changeOptions is what the commands that change a stack have in common.
type changeOptions struct {
	Yes  bool
	JSON bool   // events as JSON lines on stdout
	Log  string // file that also gets the JSON lines
}

func (o *changeOptions) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&o.Yes, "yes", "y", false, "carry the plan out without asking")
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print events as JSON lines (docs/events.md)")
	cmd.Flags().StringVar(&o.Log, "log", "", "also write the events as JSON lines to `file`")
}

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

type change func(*drover.Project, context.Context, event.Sink, drover.Approve) error

// runChange shows the plan, asks, and lets the views follow the run.
func runChange(cmd *cobra.Command, env Env, o changeOptions, do change, question string) (err error) {
	if o.JSON && !o.Yes {
		return &problem.Error{Kind: problem.Usage, Op: "--json", Err: errors.New("nobody could read the plan and answer"),
			Fix: "give --yes too; drover preview --json shows the plan"}
	}
	p, err := open(cmd, env)
	if err != nil {
		return err
	}
	show, err := newScreen(env, o)
	if err != nil {
		return err
	}
	defer func() { err = show.close(err) }()
	approve := func(pl plan.Plan) error {
		if len(pl.Steps) == 0 {
			return show.nothing()
		}
		if err := show.plan(pl); err != nil {
			return err
		}
		if err := confirm(cmd.Context(), env, o.Yes, question); err != nil {
			return err
		}
		show.start()
		return nil
	}
	return do(p, cmd.Context(), show.log, approve)
}

func newPreview(env Env) *cobra.Command {
	var asJSON, detail bool
	cmd := &cobra.Command{
		Use:   "preview",
		Short: "Show the plan that up would carry out; change nothing",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := open(cmd, env)
			if err != nil {
				return err
			}
			var findings []event.Finding
			log := event.NewLog(time.Now, func(e event.Event) {
				if f, ok := e.Fact.(event.Finding); ok {
					findings = append(findings, f)
				}
			})
			pl, err := p.Preview(cmd.Context(), log)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(env.Stdout, pl)
			}
			if len(pl.Steps) == 0 {
				if _, err := fmt.Fprintln(env.Stdout, nothingToDo); err != nil {
					return err
				}
				return printFindings(env.Stdout, findings)
			}
			show := plan.Text
			if detail {
				show = plan.Detail
			}
			if err := show(env.Stdout, pl); err != nil {
				return err
			}
			return printFindings(env.Stdout, findings)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the plan as JSON")
	cmd.Flags().BoolVar(&detail, "detail", false, "one line a resource instead of one a component")
	return cmd
}

// logFile opens the file for --log; none is nil.
func logFile(path string) (*os.File, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, &problem.Error{Kind: problem.Usage, Op: "--log", Err: err, Fix: "name a file in a folder that is there"}
	}
	return file, nil
}
