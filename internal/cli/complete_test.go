package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// everyCommand visits the tree.
func everyCommand(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, sub := range cmd.Commands() {
		everyCommand(sub, visit)
	}
}

// A flag that takes a text either says in backquotes what its value is, or takes one of
// some words: then it is declared by oneOf, which offers and refuses by one list.
func TestEveryFlagNamesItsValue(t *testing.T) {
	env, _, _ := screenOf()
	everyCommand(newRoot(env), func(cmd *cobra.Command) {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			_, words := f.Value.(*word)
			text := f.Value.Type() == "string" || f.Value.Type() == "stringArray"
			if text && !words && strings.Count(f.Usage, "`") != 2 {
				t.Errorf("%s --%s (%q): its usage names the value in backquotes, or oneOf its words", path(cmd), f.Name, f.Usage)
			}
		})
	})
}

// A shell offers for each flag what it takes: words, what there is, or files where its
// value is one; and for each argument.
func TestEveryFlagOffersItsValues(t *testing.T) {
	env, _, _ := screenOf()
	everyCommand(newRoot(env), func(cmd *cobra.Command) {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			complete, has := cmd.GetFlagCompletionFunc(f.Name)
			if has == takesFile(f) {
				t.Errorf("%s --%s: offers values %v, and takes a file %v", path(cmd), f.Name, has, takesFile(f))
			}
			w, is := f.Value.(*word)
			if !is {
				return
			}
			offers, directive := complete(cmd, nil, "")
			if strings.Join(offers, " ") != strings.Join(w.of, " ") || directive != cobra.ShellCompDirectiveNoFileComp {
				t.Errorf("%s --%s offers %q, and takes %q", path(cmd), f.Name, offers, w.of)
			}
			for _, one := range w.of {
				if err := f.Value.Set(one); err != nil || !strings.Contains(f.Usage, one) {
					t.Errorf("%s --%s=%s: %v, or its usage does not tell of it", path(cmd), f.Name, one, err)
				}
			}
			if err := f.Value.Set("perhaps"); err == nil {
				t.Errorf("%s --%s takes any word", path(cmd), f.Name)
			}
		})
		files := strings.Contains(cmd.Use, "FILE") || strings.Contains(cmd.Use, "FOLDER")
		if (cmd.ValidArgsFunction != nil || len(cmd.ValidArgs) > 0) == files {
			t.Errorf("%s: its arguments are files: %v", path(cmd), files)
		}
	})
}
