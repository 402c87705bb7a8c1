package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/project"
)

// completionLimit is how long a shell waits for what may be typed next: a disk
// that does not answer must not hold up the prompt.
const completionLimit = 2 * time.Second

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
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	t := targetOf(cmd, env)
	found := make(chan project.Candidates, 1)
	go func() {
		var c project.Candidates
		defer func() {
			_ = recover()
			found <- c
		}() // who types has no use for a crash
		c = project.Complete(ctx, project.Options{Dir: t.Dir, Stack: t.Stack, State: t.State})
	}()
	select {
	case c := <-found:
		return c
	case <-time.After(completionLimit):
		return project.Candidates{}
	}
}

func stacksOf(c project.Candidates) []string  { return c.Stacks }
func urnsOf(c project.Candidates) []string    { return c.URNs }
func openOf(c project.Candidates) []string    { return c.Open }
func configOf(c project.Candidates) []string  { return c.Config }
func outputsOf(c project.Candidates) []string { return c.Outputs }
