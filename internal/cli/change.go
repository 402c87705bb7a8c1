package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover"
	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// changeOptions is what the commands that change a stack have in common.
type changeOptions struct {
	Env     Env
	On      target
	Yes     bool
	JSON    bool   // events as JSON lines on stdout
	Log     string // file that also gets the JSON lines
	Choices drover.Choices
	Guard   string // of up: "off" watches nothing; empty: as the stack file says
}

// serve gives the command the flags of a change, and lets it run what they make of it.
func (o *changeOptions) serve(cmd *cobra.Command, run func(context.Context, changeOptions) error) {
	o.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o.On = targetOf(cmd, o.Env)
		if err := o.verify(); err != nil {
			return err
		}
		return run(cmd.Context(), *o)
	}
}

// project opens the project as the flags want it.
func (o changeOptions) project(ctx context.Context) (*drover.Project, error) {
	p, err := o.On.open(ctx)
	if err != nil {
		return nil, err
	}
	if o.Guard == "off" {
		p.WithoutGuards()
	}
	p.Choose(o.Choices)
	return p, nil
}

func (o *changeOptions) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&o.Yes, "yes", "y", false, "carry the plan out without asking")
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print events as JSON lines (docs/events.md)")
	choose(cmd, &o.Choices)
	cmd.Flags().StringVar(&o.Log, "log", "", "also write the events as JSON lines to `file`")
}

// choose adds the flags that say what a plan may do.
func choose(cmd *cobra.Command, c *drover.Choices) {
	cmd.Flags().BoolVar(&c.NoRead, "no-read", false, "plan by the state alone, without a look at what exists")
	cmd.Flags().StringArrayVar(&c.AllowDelete, "allow-delete", nil,
		"let this protected `resource` be deleted or replaced (AWS::S3::Bucket/assets); may be repeated")
}

// verify refuses flags that do not go together.
func (o *changeOptions) verify() error {
	if o.JSON && !o.Yes {
		return &problem.Error{Kind: problem.Usage, Op: "--json", Err: errors.New("nobody could read the plan and answer"),
			Fix: "give --yes too; drover preview --json shows the plan"}
	}
	if o.Guard != "" && o.Guard != "off" {
		return &problem.Error{Kind: problem.Usage, Op: "--guard", Err: fmt.Errorf("%q is not a choice", o.Guard),
			Fix: "give --guard off, or leave it out; what guards allow stands in the stack file"}
	}
	return nil
}

// changes are the exit codes of a command that carries out a plan.
var changes = []problem.Kind{problem.Refused, problem.Locked, problem.Outside, problem.Guarded, problem.Parked}

// change is Up or Destroy of an open project.
type change func(context.Context, event.Sink, drover.Approve) error

// carryOut shows the plan, asks, and lets the views follow the run.
func carryOut(ctx context.Context, o changeOptions, do change, question string) (err error) {
	show, err := newScreen(o.Env, o.JSON, o.Log)
	if err != nil {
		return err
	}
	defer func() { err = show.close(err) }()
	seen := looking(o.Env.Stderr)
	defer seen()
	approve := func(pl plan.Plan) error {
		seen()
		if len(pl.Steps) == 0 {
			return show.nothing()
		}
		if err := show.plan(pl); err != nil {
			return err
		}
		if err := confirm(ctx, o.Env, o.Yes, question); err != nil {
			return err
		}
		show.start()
		return nil
	}
	return do(ctx, show.log, approve)
}
