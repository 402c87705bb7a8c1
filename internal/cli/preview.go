package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/plan"
)

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
