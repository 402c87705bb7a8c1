package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/droverhq/drover/move"
	"github.com/droverhq/drover/project"
)

// completionLimit is how long a shell waits for what may be typed next: a disk, or a
// cluster, that does not answer must not hold up the prompt.
const completionLimit = 2 * time.Second

// within asks for what may be typed next; what takes too long, or crashes, is nothing.
func within[T any](cmd *cobra.Command, ask func(context.Context) T) (none T) {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completionLimit)
	defer cancel()
	found := make(chan T, 1)
	go func() {
		var answer T
		defer func() {
			_ = recover()
			found <- answer
		}() // who types has no use for a crash
		answer = ask(ctx)
	}()
	select {
	case answer := <-found:
		return answer
	case <-ctx.Done():
		return none
	}
}

// offer completes the arguments of a command, each by what its place wants.
func offer(env Env, places ...func(project.Candidates) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= len(places) || places[len(args)] == nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return places[len(args)](candidates(cmd, env)), cobra.ShellCompDirectiveNoFileComp
	}
}

func candidates(cmd *cobra.Command, env Env) project.Candidates {
	t := targetOf(cmd, env)
	return within(cmd, func(ctx context.Context) project.Candidates {
		return project.Complete(ctx, project.Options{Dir: t.Dir, Stack: t.Stack, State: t.State})
	})
}

func stacksOf(c project.Candidates) []string  { return c.Stacks }
func urnsOf(c project.Candidates) []string    { return c.URNs }
func openOf(c project.Candidates) []string    { return c.Open }
func configOf(c project.Candidates) []string  { return c.Config }
func outputsOf(c project.Candidates) []string { return c.Outputs }

// offerCluster completes by what a cluster has, that the flags on the line name.
func offerCluster(ask func(context.Context, move.Access) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		var a move.Access
		a.Context, _ = cmd.Flags().GetString("context")
		a.Kubeconfig, _ = cmd.Flags().GetString("kubeconfig")
		has := within(cmd, func(ctx context.Context) []string { return ask(ctx, a) })
		return slices.DeleteFunc(has, func(one string) bool { return slices.Contains(args, one) }), cobra.ShellCompDirectiveNoFileComp
	}
}

// setsOf are sets of nodes as they are written.
func setsOf(ctx context.Context, a move.Access) (texts []string) {
	sets, _ := move.Sets(ctx, a) // without an answer there is nothing to offer
	for _, s := range sets {
		texts = append(texts, s.String())
	}
	return texts
}

// nodesIn are nodes by their names.
func nodesIn(ctx context.Context, a move.Access) (names []string) {
	sets, _ := move.Sets(ctx, a)
	for _, s := range sets {
		if s.Kind == move.Node {
			names = append(names, s.Name)
		}
	}
	return names
}

// movesOf are moves by their names.
func movesOf(ctx context.Context, a move.Access) (names []string) {
	all, _ := move.List(ctx, a)
	for _, m := range all {
		names = append(names, m.Name)
	}
	return names
}

// contextsOf are those of the kubeconfig.
func contextsOf(_ context.Context, a move.Access) []string { return move.Contexts(a.Kubeconfig) }

// offered is what flags take that mean the same wherever they stand.
var offered = map[string]cobra.CompletionFunc{
	"from": offerCluster(setsOf), "to": offerCluster(setsOf), "context": offerCluster(contextsOf),
}

// offerAll sees to it that a shell offers for each flag and argument what it takes, and
// files only where a file is meant.
func offerAll(cmd *cobra.Command) {
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if _, has := cmd.GetFlagCompletionFunc(f.Name); has || takesFile(f) {
			return
		}
		if err := cmd.RegisterFlagCompletionFunc(f.Name, valuesOf(f)); err != nil {
			panic(err) // the flag is the command's
		}
	})
	if cmd.ValidArgsFunction == nil && len(cmd.ValidArgs) == 0 && !strings.Contains(cmd.Use, "FILE") && !strings.Contains(cmd.Use, "FOLDER") {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, sub := range cmd.Commands() {
		offerAll(sub)
	}
}

// valuesOf are what the flag takes, as far as that is known beforehand.
func valuesOf(f *pflag.Flag) cobra.CompletionFunc {
	if w, is := f.Value.(*word); is {
		return cobra.FixedCompletions(w.of, cobra.ShellCompDirectiveNoFileComp)
	}
	if values := offered[f.Name]; values != nil {
		return values
	}
	return cobra.NoFileCompletions
}

// takesFile: its usage says that its value is the name of a file.
func takesFile(f *pflag.Flag) bool {
	value, _ := pflag.UnquoteUsage(f)
	return strings.EqualFold(value, "file") || strings.EqualFold(value, "folder")
}
