package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/project"
)

// Where the passphrase comes from that is to protect a stack's secrets instead
// of the present one.
const (
	newPassphraseVariable = "DROVER_NEW_PASSPHRASE"
	newPassphraseFile     = "DROVER_NEW_PASSPHRASE_FILE"
)

func newStackSecrets(env Env) *cobra.Command {
	cmd := &cobra.Command{Use: "secrets", Short: "Change what protects the stack's secrets: change"}
	cmd.AddCommand(newSecretsChange(env))
	return cmd
}

func newSecretsChange(env Env) *cobra.Command {
	var kms string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "change [--kms URL]",
		Short: "Seal the stack's secrets anew, with another passphrase or a cloud's key service",
		Long: `Seal all secrets of the stack, in its state and in drover.STACK.yaml, with a new key,
and protect that with a new passphrase or with a cloud's key service. The present
passphrase comes from where it always does; the new one from DROVER_NEW_PASSPHRASE,
DROVER_NEW_PASSPHRASE_FILE, or is asked for. Cut off, the same command ends it.

What was written before stays as it is: the state's backups, earlier versions in a
bucket and in Git are opened by the old passphrase. If that got out, change the
secrets themselves at their source.`,
		Example: `  drover stack secrets change
  drover stack secrets change --kms 'awskms://alias/drover?region=us-west-2'`,
		Args:        cobra.NoArgs,
		Annotations: exits(problem.Refused, problem.Locked, problem.Outside),
		RunE: on(env, func(cmd *cobra.Command, p *project.Project, _ []string) error {
			backup, err := p.ChangeSecrets(cmd.Context(), kms, newPassphrases(env))
			if err != nil {
				return err
			}
			said := "the secrets are sealed anew"
			if backup != "" {
				said += "; the state before, which the old protection opens, is in " + backup
			}
			return answer(env, asJSON, map[string]any{"kms": kms, "backup": backup}, "%s", said)
		}),
	}
	cmd.Flags().StringVar(&kms, "kms", "", "the `URL` of a key (docs/secrets.md); without it a passphrase protects the secrets")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON: {\"kms\", \"backup\"}")
	return cmd
}

func newPassphrases(env Env) project.Passphrases {
	p := project.Passphrases{Given: func() (string, error) {
		given, err := passphraseFrom(env, newPassphraseVariable, newPassphraseFile)
		if err == nil && given == "" && !env.TTY {
			err = &problem.Error{Kind: problem.Usage, Op: "change secrets", Err: errors.New("there is no new passphrase"),
				Fix: "set " + newPassphraseVariable + ", or " + newPassphraseFile + " to a file that holds it; or give --kms"}
		}
		return given, err
	}}
	if env.TTY {
		p.Ask = func(ctx context.Context, fresh bool) (string, error) {
			if !fresh {
				return hiddenLine(ctx, env, "That is not it. The new one, if this change was begun before: ")
			}
			return askPassphrase(ctx, env, fresh)
		}
	}
	return p
}
