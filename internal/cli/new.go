package cli

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/project"
)

func newNew(env Env) *cobra.Command {
	var program bool
	var source string
	cmd := &cobra.Command{
		Use:   "new FOLDER",
		Short: "Make a project from the example migrate-nodegroups",
		Long: `Make a project folder with drover.yaml and manifests: a cluster with two node
groups, the NGINX ingress controller and an echoserver. With --program the same
as a program in Go, which is built with the go command of this machine.`,
		Example: "  drover new shop && cd shop && drover stack init dev\n  drover new --program shop",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := args[0]
			if !filepath.IsAbs(dir) {
				dir = filepath.Join(env.Dir, dir)
			}
			tidy, err := writeNew(env, dir, program, source)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(env.Stdout, "project in %s; next:\n  cd %s\n%s  drover stack init dev\n  drover config set aws:region us-west-2\n  drover up\n", args[0], args[0], tidy)
			return err
		},
	}
	cmd.Flags().BoolVar(&program, "program", false, "a program in Go says what the stack has, in place of drover.yaml")
	cmd.Flags().StringVar(&source, "library", "", libraryUsage)
	return cmd
}

// writeNew makes the project, and says what a person must do before it can be built.
func writeNew(env Env, dir string, program bool, source string) (tidy string, err error) {
	if !program {
		return "", project.New(dir)
	}
	lib, err := library(env, source)
	if err != nil {
		return "", err
	}
	if lib.Version != "" {
		tidy = "  go mod tidy\n"
	}
	return tidy, project.NewProgram(dir, lib)
}
