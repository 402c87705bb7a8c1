package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/move"
	"github.com/droverhq/drover/problem"
)

// checkOptions is what the flags of `drover check` say.
type checkOptions struct {
	Env  Env
	Move move.Options
	Sets setFlags
	JSON bool
}

func newCheck(env Env, run func(context.Context, checkOptions) error) *cobra.Command {
	o := checkOptions{Env: env}
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say what would lose requests or block a move; change nothing",
		Long: `Say for every pod on some nodes where it would go and how, what would lose requests
or block the move, with the remedy for each, and how long it would take. Nothing is
changed: calls are tried as dry runs. Without --from it looks at every node as if
it were to be emptied by itself.

It works on any cluster, by kubectl's rules, and needs no project. A blocker is what
migrate would refuse: the exit code is then 3.

` + setHelp,
		Example: `  drover check --from nodegroup/web --to nodegroup/web-arm
  drover check --context staging --from nodes/role=web --json`,
		Args:        cobra.NoArgs,
		Annotations: exits(problem.Refused, problem.Outside),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Sets.parse(&o.Move); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	access(f, &o.Move.Access)
	o.Sets.flags(f)
	only(f, &o.Move.Only)
	times(f, &o.Move)
	f.BoolVar(&o.JSON, "json", false, "print the report as JSON")
	return cmd
}

func runCheck(ctx context.Context, o checkOptions) error {
	seen := looking(o.Env.Stderr)
	defer seen()
	reports, err := move.CheckAll(ctx, o.Move)
	seen()
	if err != nil {
		return err
	}
	return tellReports(o.Env, o.JSON, reports)
}

// tellReports prints reports; a blocker in one of them is an error.
func tellReports(env Env, json bool, reports []move.Report) error {
	var found []event.Finding
	told := map[event.Finding]bool{}
	for _, r := range reports {
		found = append(found, r.Findings...)
		if json {
			continue
		}
		again := untold(&r, told)
		if err := r.Print(env.Stdout); err != nil {
			return err
		}
		if again == 0 {
			continue
		}
		if _, err := fmt.Fprintf(env.Stdout, "%s told above\n", problem.Count(again, "finding")); err != nil {
			return err
		}
	}
	if json {
		if err := writeJSON(env.Stdout, map[string]any{"moves": reports}); err != nil {
			return err
		}
	}
	return event.RefusedAbove(found, "a move would change nothing")
}

// untold leaves a report the findings that no report before it told, and counts the
// others. What is said of the nodes as a whole is the same of other nodes.
func untold(r *move.Report, told map[event.Finding]bool) (again int) {
	var left []event.Finding
	for _, f := range r.Findings {
		same := f
		if f.Object == r.From {
			same.Object = ""
		}
		if told[same] {
			again++
			continue
		}
		told[same] = true
		left = append(left, f)
	}
	r.Findings = left
	return again
}

var errNobody = errors.New("nobody could read the plan and answer")
