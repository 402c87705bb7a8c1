package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/move"
)

// rbacOptions is what the flags of `drover rbac` say.
type rbacOptions struct {
	Env     Env
	Command string // empty: all
	User    string
	IAM     bool
}

func newRBAC(env Env, run func(context.Context, rbacOptions) error) *cobra.Command {
	o := rbacOptions{Env: env}
	cmd := &cobra.Command{
		Use:   "rbac [" + strings.Join(move.Commands(), "|") + "]",
		Short: "Print the roles that a command needs in a cluster, or its IAM policy",
		Long: `Print what a command needs: a ClusterRole and a Role in kube-system with their bindings,
for kubectl apply, each rule with its reason; with --iam the policy for AWS, which
only clusters on EC2 need. Without a command: what all of them need.`,
		Example: `  drover rbac drain --user alice | kubectl apply -f -
  drover rbac migrate --iam > policy.json`,
		Args:        cobra.MaximumNArgs(1),
		ValidArgs:   move.Commands(),
		Annotations: exits(),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Command = ""
			if len(args) > 0 {
				o.Command = args[0]
			}
			return run(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.User, "user", "drover", "the `user` that the roles are bound to, as the cluster knows it")
	cmd.Flags().BoolVar(&o.IAM, "iam", false, "print the IAM policy")
	return cmd
}

func runRBAC(_ context.Context, o rbacOptions) error {
	p, err := move.PermissionsFor(o.Command)
	if err != nil {
		return err
	}
	if !o.IAM {
		if len(p.Needs) == 0 {
			_, err := fmt.Fprintln(o.Env.Stderr, "it asks nothing of a cluster; --iam prints what it asks of AWS")
			return err
		}
		return p.Roles(o.Env.Stdout, o.User)
	}
	if len(p.Calls) == 0 {
		_, err := fmt.Fprintln(o.Env.Stderr, "it asks nothing of AWS")
		return err
	}
	return p.Policy(o.Env.Stdout)
}
