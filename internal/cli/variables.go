package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// variable is one that commands read from the environment.
type variable struct{ Name, Means string }

// variables are all that Drover reads by itself; help prints them, and
// docs/commands.md. What the AWS and Kubernetes clients read is theirs.
var variables = []variable{
	{"DROVER_STATE", "where the state is kept, if drover.yaml does not say (state: URL)"},
	{passphraseVariable, "the passphrase that protects the stack's secrets"},
	{passphraseFile, "a file that holds it"},
	{"DROVER_KMS", "the key service that protects them instead, read with a stack's first secret"},
	{newPassphraseVariable, "for stack secrets change: the passphrase that is to protect them from now on"},
	{newPassphraseFile, "a file that holds that one"},
	{"DROVER_SANDBOX", "path of drover-sandbox, if it is neither beside drover nor in PATH"},
	{"NO_COLOR", "set: plain lines instead of the live view, and no colours"},
	{"TERM", "dumb: the same"},
	{"XDG_STATE_HOME", "where the demo keeps its folder (default: ~/.local/state)"},
	{"HOME", "for that default"},
}

// tellVariables adds them to the help of a command.
func tellVariables(cmd *cobra.Command) {
	width := 0
	for _, v := range variables {
		width = max(width, len(v.Name))
	}
	var b strings.Builder
	for _, v := range variables {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, v.Name, v.Means)
	}
	cmd.Long += "\n\nEnvironment:\n" + strings.TrimSuffix(b.String(), "\n")
}
