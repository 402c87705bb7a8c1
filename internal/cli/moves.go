package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/internal/view/jsonl"
	"github.com/droverhq/drover/internal/view/text"
	"github.com/droverhq/drover/move"
	"github.com/droverhq/drover/problem"
)

// movesOptions is what the flags of the commands under `drover moves` say.
type movesOptions struct {
	Env       Env
	Access    move.Access
	Name      string // empty: the only move that there is
	JSON      bool
	DryRun    bool
	Force     bool
	NodesOnly bool // of a return
	Yes       bool
	Log       string
}

func newMoves(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "moves",
		Short: "Look at moves from another terminal or machine, and steer them",
		Long: `Look at the moves of a cluster and steer them, from any terminal or machine. A move is
named by its set (nodegroup/web), a stack's by its group; the name may be left out
if there is only one.`,
	}
	for _, v := range movesVerbs() {
		cmd.AddCommand(movesCommand(env, v, v.run))
	}
	return cmd
}

// movesVerb is a command under `drover moves`.
type movesVerb struct {
	name, short string
	ends        map[string]string
	flags       func(*cobra.Command, *movesOptions) // nil: those of all verbs alone
	run         func(context.Context, movesOptions) error
}

func movesVerbs() []movesVerb {
	return []movesVerb{
		{"ls", "List the moves of the cluster", exits(problem.Outside), nil, listMoves},
		{"status", "Say how far a move is, what it waits for and since when", exits(problem.Outside), nil, tellMove},
		{"log", "Print the last events of a move", exits(problem.Outside), nil, logMove},
		{"pause", "Let a move begin nothing new; what is under way comes to its end", exits(problem.Refused, problem.Outside), nil, ask(move.PauseIt, "asked to pause")},
		{"resume", "End a pause, or go on with a move whose run is gone", exits(movesExits...), yesFlags, resumeMove},
		{"abort", "Let a move put back what it has closed, and end; what has moved stays moved", exits(problem.Refused, problem.Locked, problem.Outside), nil, abortMove},
		{"return", "Move back what a move has moved, once its nodes serve again", exits(movesExits...), returnFlags, returnMove},
		{"recover", "Give back what runs left that are gone (of all moves, or of one)", exits(problem.Refused, problem.Locked, problem.Outside), recoverFlags, recoverMoves},
	}
}

func movesCommand(env Env, v movesVerb, run func(context.Context, movesOptions) error) *cobra.Command {
	o := movesOptions{Env: env}
	cmd := &cobra.Command{
		Use: v.name + " [NAME]", Short: v.short, Args: cobra.MaximumNArgs(1), Annotations: v.ends,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.Name = args[0]
			}
			return run(cmd.Context(), o)
		},
	}
	cmd.ValidArgsFunction = offerCluster(movesOf)
	access(cmd.Flags(), &o.Access)
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print JSON")
	if v.flags != nil {
		v.flags(cmd, &o)
	}
	if v.name == "ls" {
		cmd.Use, cmd.Args, cmd.ValidArgsFunction = v.name, cobra.NoArgs, nil
	}
	return cmd
}

func yesFlags(cmd *cobra.Command, o *movesOptions) {
	cmd.Flags().BoolVarP(&o.Yes, "yes", "y", false, "go on without asking")
	cmd.Flags().StringVar(&o.Log, "log", "", "also write the events as JSON lines to `file`")
}

func dryFlags(cmd *cobra.Command, o *movesOptions) {
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "list what would be given back; change nothing")
}

func returnFlags(cmd *cobra.Command, o *movesOptions) {
	yesFlags(cmd, o)
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "show what would go back; change nothing")
	cmd.Flags().BoolVar(&o.NodesOnly, "nodes-only", false, "only open the nodes again; what has moved stays where it is")
}

func recoverFlags(cmd *cobra.Command, o *movesOptions) {
	dryFlags(cmd, o)
	cmd.Flags().BoolVar(&o.Force, "force", false, "also give back what a run is at work on: its lock is taken away")
}

func listMoves(ctx context.Context, o movesOptions) error {
	all, err := move.List(ctx, o.Access)
	if err != nil {
		return err
	}
	if o.JSON {
		return writeJSON(o.Env.Stdout, map[string]any{"moves": all})
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(o.Env.Stdout, "the cluster has no moves")
		return err
	}
	table := tabwriter.NewWriter(o.Env.Stdout, 0, 0, 2, ' ', 0)
	_, err = fmt.Fprintln(table, "MOVE\tSTATE\tPHASE\tNODES\tWORKLOADS\tBY")
	for _, m := range all {
		_, more := fmt.Fprintf(table, "%s\t%s\t%s\t%d of %d empty\t%d moved, %d to go, %d parked\t%s\n",
			m.Name, m.State, m.Phase, m.Empty, len(m.Nodes), m.Moved, m.Moving, len(m.Parked), m.By)
		err = errors.Join(err, more)
	}
	return errors.Join(err, table.Flush())
}

func tellMove(ctx context.Context, o movesOptions) error {
	m, err := move.Find(ctx, o.Access, o.Name)
	if err != nil {
		return err
	}
	if o.JSON {
		return writeJSON(o.Env.Stdout, m)
	}
	return printMove(o.Env.Stdout, m, time.Now())
}

func printMove(w io.Writer, m move.Move, now time.Time) (err error) {
	say := func(format string, args ...any) {
		_, failed := fmt.Fprintf(w, format+"\n", args...)
		err = errors.Join(err, failed)
	}
	ago := func(t time.Time) time.Duration { return now.Sub(t).Round(time.Second) }
	by := ""
	if m.By != "" {
		by = ", by " + m.By
	}
	say("%s: %s%s", m.Name, m.State, by)
	say("  phase      %s for %s", m.Phase, ago(m.Since))
	say("  nodes      %d of %d empty", m.Empty, len(m.Nodes))
	say("  workloads  %d moved, %d to go, %d parked", m.Moved, m.Moving, len(m.Parked))
	if m.Wish != "" {
		say("  asked for  %s", m.Wish)
	}
	for _, key := range slices.Sorted(maps.Keys(m.Parked)) {
		say("  parked     %s: %s", key, m.Parked[key])
	}
	for _, wait := range m.Waits {
		say("  waits      %s (for %s)", wait.For, ago(wait.Since))
	}
	say("  heard      %s ago", ago(m.Heard))
	if hint := hints[m.State]; hint != "" {
		say("  next       "+hint, m.Name)
	}
	return err
}

// hints are what to do about a move that nobody works on.
var hints = map[move.State]string{
	move.Dead:    "the same command, or drover moves resume %[1]s, goes on; drover moves recover %[1]s gives back what it closed",
	move.Kept:    "drover moves return %s opens its nodes again, and moves back what has moved",
	move.Returns: "drover moves return %[1]s goes on; drover moves abort %[1]s leaves it as it is, with all nodes open",
	move.Ending:  "the same command, or drover moves resume %[1]s, ends what is left of its nodes; drover moves recover %[1]s opens them again",
	move.Soaking: "the same command goes on; its time counts all the same (%s)",
	move.Pausing: "drover moves resume %s",
}

// logMove prints events as the command itself does.
func logMove(ctx context.Context, o movesOptions) error {
	m, err := move.Find(ctx, o.Access, o.Name)
	if err != nil {
		return err
	}
	if o.JSON {
		lines := jsonl.New(o.Env.Stdout)
		for _, e := range m.Events {
			lines.Read(e)
		}
		return lines.Close()
	}
	lines := text.New(o.Env.Stdout, text.Style{Plain: !o.Env.color()})
	for _, e := range m.Events {
		lines.Read(e)
	}
	return lines.Close()
}

// ask puts a wish to whoever works on the move.
func ask(wish, told string) func(context.Context, movesOptions) error {
	return func(ctx context.Context, o movesOptions) error {
		m, err := move.Find(ctx, o.Access, o.Name)
		if err != nil {
			return err
		}
		if err := move.Ask(ctx, o.Access, m, wish); err != nil {
			return err
		}
		_, err = fmt.Fprintf(o.Env.Stdout, "%s: %s is %s\n", m.Name, m.By, told)
		return err
	}
}

// resumeMove ends a pause; a move whose run is gone it goes on with, here.
func resumeMove(ctx context.Context, o movesOptions) error {
	m, err := move.Find(ctx, o.Access, o.Name)
	if err != nil {
		return err
	}
	if m.By != "" {
		return ask(move.ResumeIt, "asked to go on")(ctx, o)
	}
	again, err := move.Again(o.Access, m)
	if err != nil {
		return err
	}
	return runMigrate(ctx, migrateOptions{Env: o.Env, Move: again, Yes: o.Yes, JSON: o.JSON, Log: o.Log})
}

// abortMove has whoever works on the move put everything back; if nobody does, it
// does so itself.
func abortMove(ctx context.Context, o movesOptions) error {
	m, err := move.Find(ctx, o.Access, o.Name)
	if err != nil {
		return err
	}
	switch m.State {
	case move.Working, move.Pausing:
		return ask(move.AbortIt, "asked to put everything back, and to end")(ctx, o)
	case move.Kept:
		return &problem.Error{Kind: problem.Refused, Op: "abort the move of " + m.Name, Err: errors.New("it is done, and its nodes are kept closed"), Fix: "to take it back: drover moves return " + m.Name}
	case move.Dead, move.Soaking, move.Returns, move.Ending:
	}
	return recoverFrom(ctx, o, m.Name, m.State == move.Returns)
}

// returnMove moves back what the move has moved.
func returnMove(ctx context.Context, o movesOptions) (err error) {
	m, err := move.Find(ctx, o.Access, o.Name)
	if err != nil {
		return err
	}
	back, err := move.Taken(o.Access, m)
	if err != nil {
		return err
	}
	if o.NodesOnly {
		return recoverFrom(ctx, o, m.Name, true)
	}
	if o.JSON && !o.Yes && !o.DryRun {
		return &problem.Error{Kind: problem.Usage, Op: "--json", Err: errNobody, Fix: "give --yes too; --dry-run --json shows what would be done"}
	}
	show, err := newScreen(o.Env, o.JSON && !o.DryRun, o.Log)
	if err != nil {
		return err
	}
	defer func() { err = show.close(err) }()
	back.Events = show.log
	back.Show = func(r move.Report) error {
		if o.JSON && !o.DryRun {
			return nil
		}
		return errors.Join(tellReports(o.Env, o.JSON, []move.Report{r}), onlyShown(o.DryRun))
	}
	back.Approve = func(move.Report) error {
		if err := confirm(ctx, o.Env, o.Yes, "Move them back?"); err != nil {
			return err
		}
		show.start()
		return nil
	}
	if err := move.Return(ctx, m, back); !errors.Is(err, errShown) {
		return err
	}
	return nil
}

// errShown ends a command that was to show what it would do.
var errShown = errors.New("only shown")

func onlyShown(dry bool) error {
	if dry {
		return errShown
	}
	return nil
}

func recoverMoves(ctx context.Context, o movesOptions) error {
	return recoverFrom(ctx, o, o.Name, false)
}

func recoverFrom(ctx context.Context, o movesOptions, name string, kept bool) error {
	return giveBack(restoreOptions{Env: o.Env, DryRun: o.DryRun, JSON: o.JSON}, func(tell func(move.Restored)) error {
		return move.Recover(ctx, move.Recovery{Access: o.Access, Name: name, Kept: kept, DryRun: o.DryRun, Force: o.Force, Tell: tell})
	})
}
