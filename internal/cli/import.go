package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/project"
)

func newImport(env Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "import TYPE ID [NAME]",
		Short: "Take an object that exists into the stack, and print what drover.yaml must say of it",
		Long: `Read an object that something else has made, write it into the state under NAME,
protected, and print the entry for drover.yaml. Pasted as printed, the next
preview has nothing to do. Nothing is changed outside; the owner's tags come with
the next change. Of an AWS object ID is what Cloud Control calls it, of a
Kubernetes object in the stack's cluster namespace/name, or its name. What only
the service sets is left out; defaults that it filled in are printed.`,
		Example:     "  drover import AWS::SQS::Queue https://sqs.us-west-2.amazonaws.com/111122223333/orders orders\n  drover import apps/v1/Deployment shop/web",
		Args:        cobra.RangeArgs(2, 3),
		Annotations: exits(problem.Refused, problem.Locked, problem.Outside),
		RunE: on(env, func(cmd *cobra.Command, p *project.Project, args []string) error {
			name := ""
			if len(args) == 3 {
				name = args[2]
			}
			adopted, err := p.Adopt(cmd.Context(), findingsOn{env.Stderr}, args[0], args[1], name)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(env.Stdout, adopted)
			}
			if _, err := fmt.Fprint(env.Stdout, adopted.Spec); err != nil {
				return err
			}
			_, err = fmt.Fprintln(env.Stderr, "the stack has it, protected; put this into drover.yaml, then drover preview")
			return err
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON: {\"urn\", \"id\", \"spec\"}")
	return cmd
}
