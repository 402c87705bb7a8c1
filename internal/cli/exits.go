package cli

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/problem"
)

// exitsKey is the annotation of a command that lists its exit codes.
const exitsKey = "exit codes"

// everywhere are the exit codes that any command may end with.
var everywhere = []problem.Kind{0, problem.Internal, problem.Usage, problem.Crashed, problem.Interrupted}

// exits annotates a command with the exit codes it has beside those.
func exits(kinds ...problem.Kind) map[string]string {
	codes := make([]string, len(kinds))
	for i, k := range kinds {
		codes[i] = strconv.Itoa(int(k))
	}
	return map[string]string{exitsKey: strings.Join(codes, " ")}
}

// everyExit annotates the root: its help has the whole table.
func everyExit() map[string]string {
	var kinds []problem.Kind
	for _, c := range problem.Codes {
		kinds = append(kinds, c.Kind)
	}
	return exits(kinds...)
}

// tellExits adds to the help of every command that does something the rows of
// the exit codes it uses.
func tellExits(cmd *cobra.Command) {
	if cmd.RunE != nil || !cmd.HasParent() {
		cmd.Long = cmp.Or(cmd.Long, cmd.Short+".") + "\n\nExit codes:\n" + strings.TrimSuffix(problem.Table(kindsOf(cmd)...), "\n")
	}
	for _, sub := range cmd.Commands() {
		tellExits(sub)
	}
}

func kindsOf(cmd *cobra.Command) []problem.Kind {
	kinds := slices.Clone(everywhere)
	for _, code := range strings.Fields(cmd.Annotations[exitsKey]) {
		if n, err := strconv.Atoi(code); err == nil {
			kinds = append(kinds, problem.Kind(n))
		}
	}
	return kinds
}
