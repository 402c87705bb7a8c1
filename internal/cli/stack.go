package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/project"
)

func newStack(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stack",
		Short: "Manage the stacks of a project: init, ls, select, rename, rm, output, history, graph, secrets",
		Long: `A stack is one instance of what drover.yaml declares: dev, staging, production.
Each has its own state and its own config (drover.<stack>.yaml).`,
	}
	cmd.AddCommand(newStackInit(env), newStackList(env), newStackSelect(env), newStackRename(env), newStackRemove(env), newStackOutput(env), newStackHistory(env), newStackGraph(env), newStackSecrets(env))
	return cmd
}

func newStackInit(env Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "init NAME",
		Short:   "Make a new, empty stack and select it",
		Example: "  drover stack init dev",
		Args:    cobra.ExactArgs(1),
		RunE: on(env, func(cmd *cobra.Command, p *project.Project, args []string) error {
			if err := p.Init(cmd.Context(), args[0]); err != nil {
				return err
			}
			url, _ := p.StateURL()
			if err := answer(env, asJSON, map[string]any{"stack": args[0], "state": url}, "stack %s is there and selected", args[0]); err != nil {
				return err
			}
			return sayPlace(env, p)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON: {\"stack\", \"state\"}")
	return cmd
}

// sayPlace tells who keeps a new stack's state elsewhere how all the others will know.
func sayPlace(env Env, p *project.Project) error {
	url, known := p.StateURL()
	if known {
		return nil
	}
	_, err := fmt.Fprintf(env.Stderr, "its state is in %[1]s. Write \"state: %[1]s\" into drover.yaml: who works without it or DROVER_STATE makes a second copy\n", url)
	return err
}

func newStackList(env Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List the stacks, with the number of their resources",
		Args:  cobra.NoArgs,
		RunE: on(env, func(cmd *cobra.Command, p *project.Project, _ []string) error {
			stacks, err := p.Stacks(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(env.Stdout, stacks)
			}
			return writeTable(env.Stdout, "NAME\tRESOURCES\tUPDATED", len(stacks), func(i int) string {
				s := stacks[i]
				name := s.Name
				if s.Selected {
					name += "*"
				}
				return fmt.Sprintf("%s\t%d\t%s", name, s.Resources, age(s.Updated))
			})
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newStackSelect(env Env) *cobra.Command {
	return &cobra.Command{
		Use:   "select NAME",
		Short: "Choose the stack that commands work on",
		Args:  cobra.ExactArgs(1),

		ValidArgsFunction: offer(env, stacksOf),
		RunE: on(env, func(cmd *cobra.Command, p *project.Project, args []string) error {
			return p.Select(cmd.Context(), args[0])
		}),
	}
}

func newStackRename(env Env) *cobra.Command {
	var name string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "rename STACK NEW | --project NEW",
		Short: "Give a stack another name, or its state the new name of the project",
		Long: `Give a stack another name: its state, its history, drover.STACK.yaml and the
selection follow. With --project, move the selected stack's state to the name that
drover.yaml now has.

Nothing outside is touched and nothing is replaced: physical names come from the
stack's random ID and stay. The next up changes the Name tags of the network in
place; owner tags follow when an object is changed for another reason. A stack
with a call whose end is unknown is refused.`,
		Example: "  drover stack rename dev staging\n  drover stack rename --project store",
		Args: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("project") {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.ExactArgs(2)(cmd, args)
		},
		Annotations: exits(problem.Refused, problem.Locked, problem.Outside),

		ValidArgsFunction: offer(env, stacksOf),
		RunE: on(env, func(cmd *cobra.Command, p *project.Project, args []string) error {
			if cmd.Flags().Changed("project") {
				if err := p.RenameProject(cmd.Context(), name); err != nil {
					return err
				}
				return answer(env, asJSON, map[string]any{"project": name}, "the project is called %s in the state too", name)
			}
			if err := p.Rename(cmd.Context(), args[0], args[1]); err != nil {
				return err
			}
			return answer(env, asJSON, map[string]any{"stack": args[1], "was": args[0]}, "stack %s is called %s", args[0], args[1])
		}),
	}
	cmd.Flags().StringVar(&name, "project", "", "the new `name` of the project, as it stands in drover.yaml")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON: {\"stack\", \"was\"}, or {\"project\"}")
	return cmd
}

func newStackRemove(env Env) *cobra.Command {
	var yes, force, asJSON bool
	cmd := &cobra.Command{
		Use:   "rm NAME",
		Short: "Remove a stack that has no resources left, with its history",
		Long: `Remove a stack that has no resources left, with its history. With --force also
one that has some: they stay where they are, go on to cost money, and no command
of Drover finds them any more. Each is named with its type, name and ID first.`,
		Args:        cobra.ExactArgs(1),
		Annotations: exits(problem.Refused, problem.Locked, problem.Outside),

		ValidArgsFunction: offer(env, stacksOf),
		RunE: on(env, func(cmd *cobra.Command, p *project.Project, args []string) error {
			if asJSON && !yes {
				return jsonNeedsYes()
			}
			removed := removal{Stack: args[0]}
			err := p.Remove(cmd.Context(), args[0], force, func(left []project.Object) error {
				removed.Left = left
				if asJSON {
					return nil
				}
				return agreeToLeave(cmd.Context(), env, yes, removed)
			})
			if err != nil {
				return err
			}
			return answer(env, asJSON, removed, "stack %s is removed", args[0])
		}),
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&force, "force", false, "leave the resources where they are, and forget them")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON: {\"stack\", \"left\": [{\"type\", \"name\", \"id\", ...}]}")
	return cmd
}

// removal is the answer to --json.
type removal struct {
	Stack string           `json:"stack"`
	Left  []project.Object `json:"left"`
}

func agreeToLeave(ctx context.Context, env Env, yes bool, r removal) error {
	if len(r.Left) == 0 {
		return confirm(ctx, env, yes, fmt.Sprintf("Remove stack %s and its history?", r.Stack))
	}
	if _, err := fmt.Fprintln(env.Stdout, "These stay where they are, and Drover forgets them:"); err != nil {
		return err
	}
	if err := printObjects(env.Stdout, r.Left); err != nil {
		return err
	}
	return confirm(ctx, env, yes, fmt.Sprintf("Leave %d resources and remove stack %s and its history?", len(r.Left), r.Stack))
}

func printObjects(w io.Writer, all []project.Object) error {
	return writeTable(w, "TYPE\tNAME\tID\tNOTE", len(all), func(i int) string {
		o := all[i]
		return fmt.Sprintf("%s\t%s\t%s\t%s", o.Type, o.Name, cmp.Or(o.ID, "unknown"), o.Note)
	})
}

func newStackOutput(env Env) *cobra.Command {
	var asJSON, show bool
	cmd := &cobra.Command{
		Use:     "output [NAME]",
		Short:   "Print the stack's outputs, or one of them alone",
		Example: "  drover stack output kubeconfig > kubeconfig",
		Args:    cobra.MaximumNArgs(1),

		ValidArgsFunction: offer(env, outputsOf),
		RunE: on(env, func(cmd *cobra.Command, p *project.Project, args []string) error {
			read := p.Outputs
			if show {
				read = p.RevealOutputs
			}
			outputs, err := read(cmd.Context())
			if err != nil {
				return err
			}
			if len(args) == 1 {
				value, err := project.Output(outputs, args[0])
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(env.Stdout, value)
				}
				_, err = fmt.Fprintln(env.Stdout, value)
				return err
			}
			if asJSON {
				return writeJSON(env.Stdout, outputs)
			}
			for _, name := range slices.Sorted(maps.Keys(outputs)) {
				if _, err := fmt.Fprintf(env.Stdout, "%s: %v\n", name, outputs[name]); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&show, "show-secrets", false, "print secrets in the open")
	return cmd
}

func newStackHistory(env Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "history [RUN]",
		Short:   "List what was done to the stack, newest first; or show one run, with its plan",
		Example: "  drover stack history\n  drover stack history 12",
		Args:    cobra.MaximumNArgs(1),
		RunE: on(env, func(cmd *cobra.Command, p *project.Project, args []string) error {
			runs, err := p.History(cmd.Context())
			if err != nil {
				return err
			}
			if len(args) > 0 {
				return showRun(env, runs, args[0], asJSON)
			}
			if asJSON {
				return writeJSON(env.Stdout, runs)
			}
			return writeTable(env.Stdout, "RUN\tCOMMAND\tWHO\tWHEN\tTOOK\tRESULT\tMESSAGE", len(runs), func(i int) string {
				r := runs[i]
				return fmt.Sprintf("%d\t%s\t%s\t%s\t%s\t%s\t%s", r.N, r.Command, r.User, age(r.Started), took(r), r.Result, r.Message)
			})
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func took(r project.Run) string {
	if r.Finished.IsZero() {
		return "-"
	}
	return r.Finished.Sub(r.Started).Round(time.Second).String()
}

// showRun tells all that is kept of one run.
func showRun(env Env, runs []project.Run, number string, asJSON bool) error {
	i := slices.IndexFunc(runs, func(r project.Run) bool { return strconv.Itoa(r.N) == number })
	if i < 0 {
		return &problem.Error{Kind: problem.Usage, Op: "stack history " + number, Err: errors.New("there is no such run"), Fix: "drover stack history lists them"}
	}
	r := runs[i]
	if asJSON {
		return writeJSON(env.Stdout, r)
	}
	if _, err := fmt.Fprintf(env.Stdout, "run %d: %s by %s on %s, %s, took %s, %s\n", r.N, r.Command, r.User, r.Host, r.Started.Format(time.RFC3339), took(r), r.Result); err != nil {
		return err
	}
	for _, text := range []string{r.Message, r.Error} {
		if text == "" {
			continue
		}
		if _, err := fmt.Fprintf(env.Stdout, "  %s\n", text); err != nil {
			return err
		}
	}
	if len(r.Plan) == 0 {
		return nil
	}
	return plan.Table(env.Stdout, r.Plan)
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func writeTable(w io.Writer, header string, rows int, row func(int) string) error {
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	if _, err := fmt.Fprintln(tw, header); err != nil {
		return err
	}
	for i := range rows {
		if _, err := fmt.Fprintln(tw, row(i)); err != nil {
			return err
		}
	}
	return tw.Flush()
}

// age says how long ago something happened, roughly.
func age(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	ago := time.Since(t)
	switch {
	case ago < time.Minute:
		return fmt.Sprintf("%d seconds ago", int(ago.Seconds()))
	case ago < time.Hour:
		return fmt.Sprintf("%d minutes ago", int(ago.Minutes()))
	}
	return t.Local().Format("2006-01-02 15:04")
}
