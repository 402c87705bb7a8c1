package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/project"
)

// previewOptions is what the flags of `drover preview` say.
type previewOptions struct {
	Env               Env
	On                target
	JSON              bool
	Detail            bool
	Log               string
	Out               string // file for the plan
	MustChangeNothing bool   // the plan must change nothing

	Choices project.Choices
}

func newPreview(env Env, run func(context.Context, previewOptions) error) *cobra.Command {
	o := previewOptions{Env: env}
	cmd := &cobra.Command{
		Use:   "preview",
		Short: "Show the plan that up would carry out; change nothing",
		Long: `Show the plan that up would carry out, and what was noticed about it: each
finding names the object, what would happen, and the remedy. Nothing is changed.

A blocker is what up would refuse: preview then ends with 3, so that a pipeline
can ask beforehand. --json prints {"plan": …, "findings": […]}.`,
		Args:        cobra.NoArgs,
		Annotations: exits(problem.Refused, problem.Outside, problem.Changes),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.On = targetOf(cmd, env)
			if err := o.Choices.Verify(); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print the plan and the findings as JSON")
	cmd.Flags().BoolVar(&o.Detail, "detail", false, "one line a resource instead of one a component")
	choose(cmd, &o.Choices)
	narrow(cmd, &o.Choices)
	renew(cmd, &o.Choices, &o.MustChangeNothing)
	cmd.Flags().StringVar(&o.Out, "out", "", "also write the plan to a new `file`, which drover up --plan carries out")
	cmd.Flags().StringVar(&o.Log, "log", "", "also write the findings and the plan as JSON lines to `file`")
	return cmd
}

func runPreview(ctx context.Context, o previewOptions) error {
	p, err := o.On.open(ctx)
	if err != nil {
		return err
	}
	p.Choose(o.Choices)
	return printPreview(ctx, o, p.Preview)
}

// foresight is the answer to --json.
type foresight struct {
	Plan     plan.Plan       `json:"plan"`
	Findings []event.Finding `json:"findings"`
}

// look is Preview of an open project.
type look func(context.Context, event.Sink) (plan.Plan, error)

// printPreview prints what a look finds; a blocker is an error.
func printPreview(ctx context.Context, o previewOptions, at look) (err error) {
	show, err := newScreen(o.Env, false, o.Log)
	if err != nil {
		return err
	}
	defer func() { err = show.close(err) }()
	seen := looking(o.Env.Stderr)
	pl, err := at(ctx, show.log)
	seen()
	if err != nil {
		return err
	}
	show.log.Emit(event.Planned{Plan: pl})
	switch {
	case o.JSON:
		err = writeJSON(o.Env.Stdout, foresight{pl, append([]event.Finding{}, show.noticed()...)})
	case len(pl.Steps) == 0:
		err = show.nothing()
	case o.Choices.Diff:
		err = show.planned(pl, plan.Diff)
	case o.Detail:
		err = show.planned(pl, plan.Detail)
	default:
		err = show.planned(pl, plan.Text)
	}
	if err != nil {
		return err
	}
	if err := event.RefusedAbove(show.findings, "up would change nothing"); err != nil {
		return err
	}
	if o.Out != "" {
		err = savePlan(o.Out, o.Choices, pl)
	}
	if err == nil && o.MustChangeNothing && len(pl.Steps) > 0 {
		err = unexpected(pl)
	}
	return err
}
