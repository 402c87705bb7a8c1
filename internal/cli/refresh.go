package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/project"
)

// refreshOptions is what the flags of `drover refresh` say.
type refreshOptions struct {
	Env  Env
	On   target
	Yes  bool
	JSON bool
}

func newRefresh(env Env, run func(context.Context, refreshOptions) error) *cobra.Command {
	o := refreshOptions{Env: env}
	cmd := &cobra.Command{
		Use:   "refresh",
		Short: "Show what others have changed, property by property, and take it over",
		Long: `Read every object of the stack and show what differs from what was last applied.
Nothing outside is changed. Taken over, it counts as what was last applied: the
next up sets back what drover.yaml still says otherwise. To keep a change, write
it into drover.yaml as well. What was deleted is made again by up in any case.`,
		Args:        cobra.NoArgs,
		Annotations: exits(problem.Refused, problem.Locked, problem.Outside),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.On = targetOf(cmd, env)
			return run(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVarP(&o.Yes, "yes", "y", false, "take it over without asking")
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print what differs as JSON, and take nothing over unless --yes is given")
	return cmd
}

func runRefresh(ctx context.Context, o refreshOptions) error {
	p, err := o.On.open(ctx)
	if err != nil {
		return err
	}
	return p.Refresh(ctx, findingsOn{o.Env.Stderr}, func(drifts []project.Drift) error {
		if o.JSON {
			if err := writeJSON(o.Env.Stdout, drifts); err != nil || !o.Yes {
				return stopUnless(o.Yes, err)
			}
			return nil
		}
		if err := printDrift(o.Env, drifts); err != nil || len(drifts) == 0 {
			return err
		}
		return confirm(ctx, o.Env, o.Yes, "Take this over into the state?")
	})
}

// findingsOn writes what was noticed on the way, one line each.
type findingsOn struct{ w io.Writer }

func (f findingsOn) Emit(fact event.Fact) {
	if found, is := fact.(event.Finding); is {
		_, _ = fmt.Fprintf(f.w, "%s: %s: %s\n", found.Severity, found.Object, found.Effect)
	}
}

// stopUnless ends a refresh that only shows.
func stopUnless(yes bool, err error) error {
	if err == nil && !yes {
		return project.ErrShownOnly
	}
	return err
}

func printDrift(env Env, drifts []project.Drift) error {
	if len(drifts) == 0 {
		_, err := fmt.Fprintln(env.Stdout, "nothing has changed")
		return err
	}
	var rows []string
	for _, d := range drifts {
		if d.Gone {
			rows = append(rows, fmt.Sprintf("%s\t%s\t\tdeleted: up makes it again", d.URN.Type(), d.Name))
		}
		for _, c := range d.Changes {
			rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%v -> %v", d.URN.Type(), d.Name, c.Path, c.State, c.Live))
		}
	}
	return writeTable(env.Stdout, "TYPE\tNAME\tPROPERTY\tAPPLIED -> NOW", len(rows), func(i int) string { return rows[i] })
}
