package cli

import (
	"github.com/spf13/cobra"

	"github.com/droverhq/drover"
)

func newToken(env Env) *cobra.Command {
	var cluster, region string
	cmd := &cobra.Command{
		Use:   "token --cluster NAME",
		Short: "Print a token for an EKS cluster (kubeconfig's exec plugin)",
		Long: `Print an ExecCredential (client.authentication.k8s.io/v1beta1) that lets kubectl
in to an EKS cluster as the AWS identity in the environment. Drover's kubeconfig
output calls it; no other authenticator is needed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			credential, err := drover.Token(cmd.Context(), cluster, region)
			if err != nil {
				return err
			}
			return writeJSON(env.Stdout, credential)
		},
	}
	cmd.Flags().StringVar(&cluster, "cluster", "", "the cluster's `name`")
	cmd.Flags().StringVar(&region, "region", "", "its AWS `region` (default: the AWS chain's)")
	if err := cmd.MarkFlagRequired("cluster"); err != nil {
		panic(err) // the flag is defined two lines above
	}
	return cmd
}
