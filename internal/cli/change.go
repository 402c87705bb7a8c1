package cli

import (
	"context"
	"errors"

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
