package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/project"
)

// target is what a command works on: the project in a folder, one of its
// stacks, and where its state lies.
type target struct {
	Dir   string // -C
	Stack string // -s; empty: the selected one
	State string // DROVER_STATE; empty: the project's own folder
	KMS   string // DROVER_KMS; empty: a passphrase protects what is secret

	passphrases project.Passphrases
	stderr      io.Writer // where the user's program may print
}

func targetOf(cmd *cobra.Command, env Env) target {
	return target{Dir: global(cmd, "dir"), Stack: global(cmd, "stack"), State: env.Getenv("DROVER_STATE"),
		KMS: env.Getenv("DROVER_KMS"), passphrases: passphrases(env), stderr: env.Stderr}
}

// global is the value of a flag of the root command.
func global(cmd *cobra.Command, name string) string {
	if f := cmd.Flag(name); f != nil {
		return f.Value.String()
	}
	return "" // the command stands alone, in a test
}

func (t target) open(ctx context.Context) (*project.Project, error) {
	return project.Open(ctx, project.Options{Dir: t.Dir, Stack: t.Stack, State: t.State, Stderr: t.stderr,
		KMS: t.KMS, Passphrases: t.passphrases})
}

// open opens the project that -C and -s name.
func open(cmd *cobra.Command, env Env) (*project.Project, error) {
	return targetOf(cmd, env).open(cmd.Context())
}

// on is what a command does that needs no more than the open project.
func on(env Env, do func(cmd *cobra.Command, p *project.Project, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		p, err := open(cmd, env)
		if err != nil {
			return err
		}
		return do(cmd, p, args)
	}
}

// answer prints what a command did: for a program as JSON, for a person in words.
func answer(env Env, asJSON bool, result any, format string, args ...any) error {
	if asJSON {
		return writeJSON(env.Stdout, result)
	}
	_, err := fmt.Fprintf(env.Stdout, format+"\n", args...)
	return err
}
