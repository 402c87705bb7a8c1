package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/move"
	"github.com/droverhq/drover/problem"
)

// migrateOptions is what the flags of the commands say that move: migrate and drain.
type migrateOptions struct {
	Env      Env
	Move     move.Options
	Sets     setFlags
	Guards   guardFlags
	Then     string
	Like     bool // make a new group first, as Made says
	Made     move.Like
	PlanOnly bool
	Yes      bool
	JSON     bool
	Log      string
	Verify   func(move.Report) error // of drain: what kubectl drain refuses; nil: nothing
}

// movesExits are the exit codes of the commands that move.
var movesExits = []problem.Kind{problem.Refused, problem.Locked, problem.Outside, problem.Guarded, problem.Parked}

func newMigrate(env Env, run func(context.Context, migrateOptions) error) *cobra.Command {
	o := migrateOptions{Env: env}
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Move what runs on some nodes of any cluster, without losing a request",
		Long: `Move every pod off some nodes: the new one serves before the old one is told to go,
load balancers let go of each node before it counts as empty, and guards watch the
traffic. What cannot be moved is named with its remedy before anything is changed.

It works on any cluster, by kubectl's rules, and needs no project: the state of the
move lies in the cluster. Interrupted, killed or failed, the same command goes on
where it was, from any machine; two cannot move the same nodes. AWS is asked only
where nodes are its instances and credentials are there.

` + setHelp,
		Example: `  drover migrate --from nodegroup/web --to nodegroup/web-arm --guard https://shop.example.com/
  drover migrate --from asg/old --then delete --yes
  drover migrate --from nodegroup/web --create-like --instance-type m7g.large --ami AL2023_ARM_64_STANDARD --then delete
  drover migrate --from nodes/role=web --workload nginx --plan-only`,
		Args:        cobra.NoArgs,
		Annotations: exits(movesExits...),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needFrom(cmd, o.Sets); err != nil {
				return err
			}
			if err := o.complete(); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	access(f, &o.Move.Access)
	o.Sets.flags(f)
	oneOf(f, &o.Then, "then", string(move.Keep), "what becomes of the nodes: keep (closed and empty), empty (the group is scaled to none) or delete (the group, too)",
		string(move.Keep), string(move.Empty), string(move.Delete))
	f.BoolVar(&o.Like, "create-like", false, "first make a new group for the pods, as a copy of the one in --from, with these changes:")
	f.StringVar(&o.Made.InstanceType, "instance-type", "", "of --create-like: another instance `type`")
	f.StringVar(&o.Made.Version, "version", "", "of --create-like: another Kubernetes `version`, with the newest image for it of the kind that the group has")
	f.StringVar(&o.Made.AMI, "ami", "", "of --create-like: another `image` (ami-…), or type of images of EKS (AL2023_ARM_64_STANDARD)")
	f.StringVar(&o.Made.Capacity, "capacity", "", "of --create-like: how many `nodes`: 4, or MIN:DESIRED:MAX")
	f.StringVar(&o.Made.Name, "name", "", "of --create-like: the new group's `name` (default: the old one's with a suffix)")
	only(f, &o.Move.Only)
	o.Guards.flags(f)
	times(f, &o.Move)
	timeout(f, &o.Move)
	f.DurationVar(&o.Move.Soak, "soak", 0, "how long the emptied nodes are watched before the end, or before they go (5s at the least)")
	f.BoolVar(&o.Move.Park, "park", false, "begin though some workloads cannot be moved: leave those where they are, move all others")
	f.BoolVar(&o.PlanOnly, "plan-only", false, "show what would be done; change nothing")
	f.BoolVarP(&o.Yes, "yes", "y", false, "move without asking")
	f.BoolVar(&o.JSON, "json", false, "print events as JSON lines (docs/events.md); with --plan-only the report")
	f.StringVar(&o.Log, "log", "", "also write the events as JSON lines to `file`")
	return cmd
}

var errNoEvents = errors.New("nothing is done, so there are no events")

var errNoCopy = errors.New("they are of the group that --create-like makes")

// complete turns the texts of the flags into options.
func (o *migrateOptions) complete() error {
	if o.JSON && !o.Yes && !o.PlanOnly {
		return &problem.Error{Kind: problem.Usage, Op: "--json", Err: errNobody, Fix: "give --yes too; --plan-only --json shows what would be done"}
	}
	o.Move.Then = move.Then(o.Then)
	o.Move.CreateLike = nil
	switch {
	case o.Like:
		o.Move.CreateLike = &o.Made
	case o.Made != (move.Like{}):
		return &problem.Error{Kind: problem.Usage, Op: "--instance-type, --version, --ami, --capacity, --name", Err: errNoCopy, Fix: "give --create-like too, or leave them out"}
	}
	guards, err := o.Guards.guards()
	o.Move.Guards = guards
	return errors.Join(o.Sets.parse(&o.Move), err)
}

func runMigrate(ctx context.Context, o migrateOptions) (err error) {
	if o.PlanOnly {
		if o.Log != "" {
			return &problem.Error{Kind: problem.Usage, Op: "--log", Err: errNoEvents, Fix: "leave it out: --json prints the report"}
		}
		seen := looking(o.Env.Stderr)
		defer seen()
		report, err := move.Check(ctx, o.Move)
		seen()
		if err != nil {
			return err
		}
		refused := tellReports(o.Env, o.JSON, []move.Report{report})
		if o.Move.Park && report.CanPark() && errors.As(refused, new(*problem.Error)) {
			return nil // what is in the way would be left where it is
		}
		return refused
	}
	show, err := newScreen(o.Env, o.JSON, o.Log)
	if err != nil {
		return err
	}
	defer func() { err = show.close(err) }()
	seen := looking(o.Env.Stderr)
	defer seen()
	o.Move.Events = show.log
	o.Move.Show = func(r move.Report) error {
		seen()
		if o.Verify != nil {
			if err := o.Verify(r); err != nil {
				return err
			}
		}
		if o.JSON {
			return nil
		}
		return r.Print(o.Env.Stdout)
	}
	o.Move.Approve = func(move.Report) error {
		if err := confirm(ctx, o.Env, o.Yes, "Move them?"); err != nil {
			return err
		}
		show.start()
		return nil
	}
	return move.Run(ctx, o.Move)
}
