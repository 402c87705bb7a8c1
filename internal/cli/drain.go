package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/move"
	"github.com/droverhq/drover/problem"
)

// drainFlags are those of kubectl drain that are no option of a move by
// themselves.
type drainFlags struct {
	IgnoreDaemonSets bool
	DeleteEmptyDir   bool
	DisableEviction  bool
	DryRun           string
	Selector         string
	PodSelector      string
	GracePeriod      int // seconds; below 0: each pod's own
	SkipEnding       int // seconds
	ChunkSize        int64
}

func newDrain(env Env, run func(context.Context, migrateOptions) error) *cobra.Command {
	o, d := migrateOptions{Env: env, Yes: true}, drainFlags{}
	cmd := &cobra.Command{
		Use:   "drain [flags] NODE... | -l SELECTOR",
		Short: "Empty nodes as kubectl drain does, without losing a request",
		Long: `Empty nodes. It takes the flags of kubectl drain, with their meanings, and may stand in
its place. The differences:

  - the new pod serves before the old one is told to go, and load balancers are asked
    whether they have let go of the node; it ends when nothing is sent there any more
  - disruption budgets are never passed by: --disable-eviction is refused
  - several nodes are emptied side by side, and no workload loses more than it may
  - what cannot be moved is told, with its remedy, before a node is closed
  - ended early (Ctrl-C, --timeout), it opens the nodes that it has closed
  - a node that was drained is cordoned and out of load balancers; to have it back:
    drover moves return node/NAME --nodes-only, rather than kubectl uncordon

Run as kubectl-drover it is a plugin: kubectl drover drain NODE.`,
		Example: `  drover drain ip-10-0-1-7.ec2.internal --ignore-daemonsets
  kubectl drover drain -l role=web --ignore-daemonsets --delete-emptydir-data --timeout 30m`,
		Args:              cobra.ArbitraryArgs,
		Annotations:       exits(movesExits...),
		ValidArgsFunction: offerCluster(nodesIn),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := d.apply(args, &o); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	access(f, &o.Move.Access)
	f.BoolVar(&d.IgnoreDaemonSets, "ignore-daemonsets", false, "leave DaemonSets' pods where they are, as they belong to their nodes")
	f.BoolVar(&d.DeleteEmptyDir, "delete-emptydir-data", false, "go on though pods use emptyDir, whose data end with them")
	f.BoolVar(&d.DeleteEmptyDir, "delete-local-data", false, "the same")
	f.BoolVar(&o.Move.EndBare, "force", false, "end pods for good that nothing controls")
	f.BoolVar(&d.DisableEviction, "disable-eviction", false, "refused: it would pass disruption budgets by")
	f.IntVar(&d.GracePeriod, "grace-period", -1, "seconds that each pod gets to end; negative: its own time")
	f.StringVarP(&d.Selector, "selector", "l", "", "the nodes that these `labels` select")
	f.StringVar(&d.PodSelector, "pod-selector", "", "only the pods that these `labels` select")
	oneOf(f, &d.DryRun, "dry-run", "none", "none, client or server: only say what would be done", "none", "client", "server")
	f.Lookup("dry-run").NoOptDefVal = "client"
	f.IntVar(&d.SkipEnding, "skip-wait-for-delete-timeout", 0, "do not wait for a pod that should have ended more than these seconds ago, by its deletion timestamp")
	f.Int64Var(&d.ChunkSize, "chunk-size", 500, "without effect: the cluster is watched")
	o.Guards.flags(f)
	times(f, &o.Move)
	timeout(f, &o.Move)
	f.BoolVar(&o.JSON, "json", false, "print events as JSON lines (docs/events.md); with --dry-run the report")
	f.StringVar(&o.Log, "log", "", "also write the events as JSON lines to `file`")
	for _, hidden := range []string{"delete-local-data", "chunk-size"} {
		f.Lookup(hidden).Hidden = true
	}
	return cmd
}

// apply turns kubectl's flags into those of a move.
func (d drainFlags) apply(args []string, o *migrateOptions) error {
	if err := d.verify(args); err != nil {
		return err
	}
	o.Then, o.PlanOnly, o.Verify = string(move.Keep), d.DryRun != "none", d.refuse
	o.Sets.From = nil
	for _, name := range args {
		o.Sets.From = append(o.Sets.From, "node/"+strings.TrimPrefix(strings.TrimPrefix(name, "node/"), "nodes/"))
	}
	if d.Selector != "" {
		o.Sets.From = append(o.Sets.From, "nodes/"+d.Selector)
	}
	if err := o.complete(); err != nil {
		return err
	}
	if d.GracePeriod >= 0 {
		grace := time.Duration(d.GracePeriod) * time.Second
		o.Move.Grace = &grace
	}
	o.Move.Only.SkipEnding = time.Duration(d.SkipEnding) * time.Second
	if err := o.Move.Only.Select(d.PodSelector); err != nil {
		return badFlag("--pod-selector", err, "see kubectl get pods --show-labels")
	}
	return nil
}

func (d drainFlags) verify(args []string) error {
	switch {
	case d.DisableEviction:
		return &problem.Error{Kind: problem.Refused, Op: "--disable-eviction", Err: errors.New("pods would be deleted past their disruption budgets, which are there to keep enough of them serving"),
			Fix: "leave it out: an extra pod makes room in a budget that allows nothing. What a budget still blocks is named, with its remedy"}
	case len(args) == 0 && d.Selector == "":
		return &problem.Error{Kind: problem.Usage, Op: "drain", Err: errors.New("which nodes?"), Fix: "name nodes, or select them by -l SELECTOR"}
	case len(args) > 0 && d.Selector != "":
		return &problem.Error{Kind: problem.Usage, Op: "--selector", Err: errors.New("nodes are named, too"), Fix: "give either of them"}
	}
	return nil
}

// refuse is what kubectl drain refuses as long as a flag does not allow it.
func (d drainFlags) refuse(r move.Report) error {
	var wrong problem.List
	add := func(flag, what string, is func(move.Pod) bool) {
		var pods []string
		for _, p := range r.Pods {
			if is(p) {
				pods = append(pods, p.Name)
			}
		}
		if len(pods) > 0 {
			wrong = append(wrong, &problem.Error{Kind: problem.Refused, Op: "drain " + r.From, Err: fmt.Errorf("%s: %s", what, strings.Join(pods, ", ")), Fix: "allow it: " + flag})
		}
	}
	if !d.IgnoreDaemonSets {
		add("--ignore-daemonsets", "pods of DaemonSets run there, which stay", func(p move.Pod) bool { return p.Daemon })
	}
	if !d.DeleteEmptyDir {
		add("--delete-emptydir-data", "pods use emptyDir, whose data end with them", func(p move.Pod) bool { return p.EmptyDir && p.Moves() })
	}
	add("--force", "nothing controls these pods, so they would be gone for good", func(p move.Pod) bool { return p.Bare && p.Moves() && p.How == "never" })
	return wrong.Err()
}
