package cli

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/project"
)

func newNew(env Env) *cobra.Command {
	return &cobra.Command{
		Use:   "new FOLDER",
		Short: "Make a project from the example migrate-nodegroups",
		Long: `Make a project folder with drover.yaml and manifests: a cluster with two node
groups, the NGINX ingress controller and an echoserver.`,
		Example: "  drover new shop && cd shop && drover stack init dev",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := args[0]
			if !filepath.IsAbs(dir) {
				dir = filepath.Join(env.Dir, dir)
			}
			if err := project.New(dir); err != nil {
				return err
			}
			_, err := fmt.Fprintf(env.Stdout, "project in %s; next:\n  cd %s\n  drover stack init dev\n  drover config set aws:region us-west-2\n  drover up\n", args[0], args[0])
			return err
		},
	}
}
