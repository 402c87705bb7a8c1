package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/project"
)

// changeOptions is what the commands that change a stack have in common.
type changeOptions struct {
	Env               Env
	On                target
	Yes               bool
	JSON              bool   // events as JSON lines on stdout
	Log               string // file that also gets the JSON lines
	Choices           project.Choices
	Guard             string // of up and return: "off" watches nothing; empty: as the stack file says
	Plan              string // of up: file with the plan to carry out, and no other
	MustChangeNothing bool   // of up: the plan must change nothing

	saved *planFile // what Plan holds
}

// serve gives the command the flags of a change, and lets it run what they make of it.
func (o *changeOptions) serve(cmd *cobra.Command, run func(context.Context, changeOptions) error) {
	o.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o.On = targetOf(cmd, o.Env)
		if err := o.open(cmd); err != nil {
			return err
		}
		if err := o.verify(); err != nil {
			return err
		}
		return run(cmd.Context(), *o)
	}
}

// project opens the project as the flags want it.
func (o changeOptions) project(ctx context.Context) (*project.Project, error) {
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
	cmd.Flags().IntVar(&o.Choices.Parallel, "parallel", 0, "carry out `N` steps at once at most (default 10)")
	cmd.Flags().StringVarP(&o.Choices.Message, "message", "m", "", "say `why`, for drover stack history")
	cmd.Flags().StringVar(&o.Log, "log", "", "also write the events as JSON lines to `file`")
}

// ofPlan marks a flag that a plan is made by: beside --plan it would be ignored.
const ofPlan = "of the plan"

// choose adds the flags that say what a plan may do.
func choose(cmd *cobra.Command, c *project.Choices) {
	planned(cmd, func(flags *pflag.FlagSet) {
		flags.BoolVar(&c.NoRead, "no-read", false, "plan by the state alone, without a look at what exists")
		flags.StringArrayVar(&c.AllowDelete, "allow-delete", nil,
			"let this protected `resource` be deleted or replaced (AWS::S3::Bucket/assets); may be repeated")
	})
}

// narrow adds the flags that say what a plan is about.
func narrow(cmd *cobra.Command, c *project.Choices) {
	planned(cmd, func(flags *pflag.FlagSet) {
		flags.StringArrayVar(&c.Target, "target", nil, "change nothing but this `resource` and what it needs (nodeGroups.web, AWS::SQS::Queue/jobs); may be repeated")
		flags.StringArrayVar(&c.Exclude, "exclude", nil, "leave this `resource` as it is, and what cannot be without it; may be repeated")
	})
}

// renew adds the flags that make a plan do more than the files ask for, or tell more,
// and the one that ends a run by what the plan is, which is no choice: still.
func renew(cmd *cobra.Command, c *project.Choices, still *bool) {
	planned(cmd, func(flags *pflag.FlagSet) {
		flags.StringArrayVar(&c.Replace, "replace", nil, "make this `resource` anew though nothing has changed; may be repeated")
		flags.BoolVar(&c.Refresh, "refresh", false, "take over first what others have changed, so that the plan sets it back")
		flags.BoolVar(&c.Diff, "diff", false, "show every property that changes, old and new")
		flags.BoolVar(still, "expect-no-changes", false, "end with 11, and change nothing, if the plan changes anything")
	})
}

// planned adds flags that a plan is made by.
func planned(cmd *cobra.Command, add func(*pflag.FlagSet)) {
	set := pflag.NewFlagSet(ofPlan, pflag.ContinueOnError)
	add(set)
	set.VisitAll(func(f *pflag.Flag) { f.Annotations = map[string][]string{ofPlan: nil} })
	cmd.Flags().AddFlagSet(set)
}

// open reads the plan that is to be carried out; it brings the choices that it was
// made by. How it is carried out is this command's to say.
func (o *changeOptions) open(cmd *cobra.Command) error {
	if o.Plan == "" {
		return nil
	}
	var twice error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if _, is := f.Annotations[ofPlan]; is && twice == nil {
			twice = &problem.Error{Kind: problem.Usage, Op: "--plan", Err: fmt.Errorf("--%s is part of what the plan was made by", f.Name),
				Fix: "give it to drover preview --out, or leave --plan out"}
		}
	})
	if twice != nil {
		return twice
	}
	saved, err := openPlan(o.Plan, o.Choices)
	if err != nil {
		return err
	}
	o.saved, o.Choices = &saved, saved.Choices
	return nil
}

// verify refuses flags that do not go together, and choices that mean nothing.
func (o *changeOptions) verify() error {
	if err := o.Choices.Verify(); err != nil {
		return err
	}
	if o.JSON && !o.Yes && o.Plan == "" {
		return &problem.Error{Kind: problem.Usage, Op: "--json", Err: errors.New("nobody could read the plan and answer"),
			Fix: "give --yes too; drover preview --json shows the plan"}
	}
	return nil
}

// changes are the exit codes of a command that carries out a plan.
var changes = []problem.Kind{problem.Refused, problem.Locked, problem.Outside, problem.Guarded, problem.Parked}

// change is Up or Destroy of an open project.
type change func(context.Context, event.Sink, project.Approve) error

// follow shows the plan, asks, and lets the views follow the run.
func follow(ctx context.Context, o changeOptions, do change, question string) (err error) {
	show, err := newScreen(o.Env, o.JSON, o.Log)
	if err != nil {
		return err
	}
	defer func() { err = show.close(err) }()
	seen := looking(o.Env.Stderr)
	defer seen()
	approve := func(pl plan.Plan) error {
		seen()
		if o.saved != nil {
			if err := o.saved.check(pl, o.Env.Stderr); err != nil {
				return err
			}
		}
		if len(pl.Steps) == 0 {
			return show.nothing()
		}
		if err := show.plan(pl, o.write()); err != nil {
			return err
		}
		if o.MustChangeNothing {
			return unexpected(pl)
		}
		if err := confirm(ctx, o.Env, o.Yes || o.saved != nil, question); err != nil {
			return err
		}
		show.start()
		return nil
	}
	return do(ctx, show.log, approve)
}

// write is how the plan is shown.
func (o changeOptions) write() func(io.Writer, plan.Plan) error {
	if o.Choices.Diff {
		return plan.Diff
	}
	return plan.Text
}

// unexpected is how a command ends that was to find nothing to change.
func unexpected(pl plan.Plan) error {
	return &problem.Error{Kind: problem.Changes, Op: "--expect-no-changes", Err: fmt.Errorf("the plan has %d steps", len(pl.Steps)),
		Fix: "somebody has changed the files, or what exists; drover preview --diff tells what differs"}
}
