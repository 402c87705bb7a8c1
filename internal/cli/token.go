package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/project"
)

// tokenOptions is what the flags of `drover token` say.
type tokenOptions struct {
	Env             Env
	Cluster, Region string
}

func newToken(env Env, run func(context.Context, tokenOptions) error) *cobra.Command {
	o := tokenOptions{Env: env}
	cmd := &cobra.Command{
		Use:   "token --cluster NAME",
		Short: "Print a token for an EKS cluster (kubeconfig's exec plugin)",
		Long: `Print an ExecCredential (client.authentication.k8s.io/v1beta1) that lets kubectl
in to an EKS cluster as the AWS identity in the environment. Drover's kubeconfig
output calls it; no other authenticator is needed.`,
		Args:        cobra.NoArgs,
		Annotations: exits(problem.Outside),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.Cluster, "cluster", "", "the cluster's `name`")
	cmd.Flags().StringVar(&o.Region, "region", "", "its AWS `region` (default: the AWS chain's)")
	if err := cmd.MarkFlagRequired("cluster"); err != nil {
		panic(err) // the flag is defined two lines above
	}
	return cmd
}

func runToken(ctx context.Context, o tokenOptions) error {
	credential, err := project.Token(ctx, o.Cluster, o.Region)
	if err != nil {
		return err
	}
	return writeJSON(o.Env.Stdout, credential)
}
