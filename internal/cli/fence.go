package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/move"
	"github.com/droverhq/drover/problem"
)

// fenceOptions is what the arguments of `drover protect` and `drover unprotect` say.
type fenceOptions struct {
	Env    Env
	Groups []move.Set
}

func newProtect(env Env, run func(context.Context, fenceOptions) error) *cobra.Command {
	return fenceCommand(env, run, &cobra.Command{
		Use:   "protect asg/NAME...",
		Short: "Keep everybody from ending instances of Auto Scaling groups on which pods may serve",
		Long: `Put a fence round Auto Scaling groups: whoever deletes one or scales it in, by
Terraform, a console or an autoscaler, ends none of its instances. An instance that is
to end is held by a termination hook, and then retained: it runs on beside the group,
with what runs there, until drover migrate has emptied it. A delete by force is refused
by AWS. Drover's own moves pass the fence.

What the group was like before is kept in its tag drover.dev/fence, and drover unprotect
puts it back. A managed node group of EKS cannot have a fence: EKS answers its hooks.`,
		Example: `  drover protect asg/web-2025`,
	})
}

func newUnprotect(env Env, run func(context.Context, fenceOptions) error) *cobra.Command {
	return fenceCommand(env, run, &cobra.Command{
		Use:   "unprotect asg/NAME...",
		Short: "Take the fence of drover protect away, and put back what was there",
		Long: `Take the fence away that drover protect put round Auto Scaling groups, and put back what
they were like before. It is refused while the fence holds an instance, which would end
at once. Instances that are retained stay so, and are named: they cost what they cost
until they are ended by name.`,
		Example: `  drover unprotect asg/web-2025`,
	})
}

func fenceCommand(env Env, run func(context.Context, fenceOptions) error, cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.MinimumNArgs(1)
	cmd.Annotations = exits(problem.Refused, problem.Outside)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o := fenceOptions{Env: env}
		var wrong error
		for _, text := range args {
			s, err := move.ParseSet(text)
			wrong = errors.Join(wrong, err)
			o.Groups = append(o.Groups, s)
		}
		if wrong != nil {
			return wrong
		}
		return run(cmd.Context(), o)
	}
	return cmd
}

func runProtect(ctx context.Context, o fenceOptions) error {
	if err := move.Protect(ctx, o.Groups); err != nil {
		return err
	}
	_, err := fmt.Fprintf(o.Env.Stdout, "%s: nobody's delete or scale-in ends an instance now; drover migrate does, once it is empty\n", setNames(o.Groups))
	return err
}

func runUnprotect(ctx context.Context, o fenceOptions) error {
	retained, err := move.Unprotect(ctx, o.Groups)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(o.Env.Stdout, "%s: the fence is gone\n", setNames(o.Groups)); err != nil || len(retained) == 0 {
		return err
	}
	_, err = fmt.Fprintf(o.Env.Stdout, "still retained: %s; end each once it is empty: aws autoscaling terminate-instance-in-auto-scaling-group --instance-id ID --no-should-decrement-desired-capacity\n",
		strings.Join(retained, ", "))
	return err
}

func setNames(sets []move.Set) string {
	names := make([]string, len(sets))
	for i, s := range sets {
		names[i] = s.String()
	}
	return strings.Join(names, ", ")
}
