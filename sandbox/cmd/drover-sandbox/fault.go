package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/sandbox/internal/aws/fault"
	"github.com/droverhq/drover/sandbox/internal/launch"
	"github.com/droverhq/drover/sandbox/internal/supervisor"
)

func faultCommand(locate locator) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fault",
		Short: "Let AWS, a node or a part of the sandbox go wrong, for a rehearsal",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(faultAWSCommand(locate), faultImageCommand(locate), disturbCommand(locate, "node", "NODE", nodeFaults), disturbCommand(locate, "zone", "ZONE", zoneFaults),
		disturbCommand(locate, "part", "NAME", partFaults), faultListCommand(locate), faultRemoveCommand(locate))
	return cmd
}

func faultAWSCommand(locate locator) *cobra.Command {
	var f fault.Fault
	var lasts, delay time.Duration
	cmd := &cobra.Command{
		Use:   "aws throttle|fail|expire|hang|lose|slow",
		Short: "Let requests to AWS go wrong",
		Long: `Let requests to AWS go wrong, until the fault is taken away ("fault rm"):

  throttle  refused: too many requests
  fail      refused with --code, else with an internal error of the service
  expire    refused: the credentials have expired
  hang      never answered, with the connection open
  lose      carried out, and the connection is cut instead of an answer
  slow      carried out after --delay

Without --service, --operation and --resource every request is hit. The oldest fault that
matches a request hits it.

    drover sandbox fault aws throttle --service ec2 --operation 'Describe*' --count 20
    drover sandbox fault aws lose --operation CreateResource --resource AWS::EKS::Cluster --count 1`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.Kind, f.Delay = fault.Kind(args[0]), fault.Duration(delay)
			return addFault(cmd, locate, f, lasts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.Service, "service", "", "as requests are signed for it: ec2, autoscaling, cloudcontrolapi, elasticloadbalancing, eks, iam, sts, ssm, acm")
	flags.StringVar(&f.Operation, "operation", "", "such as DescribeInstances; * stands for any text")
	flags.StringVar(&f.Resource, "resource", "", "text that the request holds: an ID, a name, an ARN, a type")
	flags.StringVar(&f.Code, "code", "", "AWS's error code, with fail")
	flags.IntVar(&f.Status, "status", 0, "HTTP status, with fail (default the one that goes with the code)")
	flags.DurationVar(&delay, "delay", 0, "how much later, with slow")
	flags.IntVar(&f.Count, "count", 0, "how many requests are hit (default all)")
	forFlag(cmd, &lasts)
	return cmd
}

// addFault has it that requests go wrong, for a while or (0) until it is taken away.
func addFault(cmd *cobra.Command, locate locator, f fault.Fault, lasts time.Duration) error {
	f.Until = until(lasts)
	box, err := find(locate, "")
	if err != nil {
		return err
	}
	made, err := box.AddFault(cmd.Context(), f)
	if err != nil {
		return faultError(cmd, err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s; take it away: drover sandbox fault rm %s\n", made.ID, made.ID)
	return err
}

// imageFaults are what can be wrong with an image, and the same in words of requests.
var imageFaults = map[string]fault.Kind{"missing": fault.Fail, "slow": fault.Slow, "denied": fault.Expire, "throttled": fault.Throttle}

func faultImageCommand(locate locator) *cobra.Command {
	f := fault.Fault{Service: fault.Registry}
	var lasts, delay time.Duration
	cmd := &cobra.Command{
		Use:   "image IMAGE missing|slow|denied|throttled",
		Short: "Let pulls of an image fail, or take long",
		Long: `Let nodes fail to pull an image, or pull it slowly, until the fault is taken away ("fault rm").
IMAGE is any text in its name, such as nginx or shop/web:1.2:

  missing    it is not there
  slow       it is there after --delay
  denied     the registry does not let the node in
  throttled  the registry is asked too often

What a node has pulled already it does not pull again, unless the pod says imagePullPolicy: Always.

    drover sandbox fault image shop/web slow --delay 40s
    drover sandbox fault image nginx missing --count 3`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, known := imageFaults[args[1]]
			if !known {
				return usageError(cmd, fmt.Errorf("%q is none of missing, slow, denied, throttled", args[1]))
			}
			f.Resource, f.Kind, f.Delay = args[0], kind, fault.Duration(delay)
			return addFault(cmd, locate, f, lasts)
		},
	}
	cmd.Flags().DurationVar(&delay, "delay", 0, "how much later, with slow")
	cmd.Flags().IntVar(&f.Count, "count", 0, "how many pulls are hit (default all)")
	forFlag(cmd, &lasts)
	return cmd
}

// faultWord is a fault that a part or a machine can have.
type faultWord struct{ kind, about string }

var (
	nodeFaults = []faultWord{
		{supervisor.Down, "it has died: everything on it has ended, and it does not start again. EC2 does not notice"},
		{supervisor.Hang, "it stands still: kubelet, kube-proxy and pods, with their connections open"},
		{supervisor.Cut, "it has lost its network; what runs on it goes on"},
		{supervisor.Full, "its disk is full: DiskPressure, pods are evicted, and no image is pulled"},
	}
	zoneFaults = []faultWord{
		{supervisor.Down, "its nodes have died, and none comes up there. EC2 does not notice"},
		{supervisor.Cut, "its nodes have lost their network, and none comes up there"},
	}
	partFaults = []faultWord{
		{supervisor.Down, "it has ended, and does not start again: its port refuses connections"},
		{supervisor.Hang, "it stands still: its port takes connections, and nothing is answered"},
	}
)

func disturbCommand(locate locator, what, arg string, words []faultWord) *cobra.Command {
	var lasts time.Duration
	var kinds []string
	about := map[string]string{"node": "Let a node die, hang, lose its network or run out of disk", "part": "Let a part of the sandbox be down, or hang",
		"zone": "Let an availability zone go away"}[what]
	long := about + ". It is one of \"drover sandbox status\"; a node may be named by its\ninstance. \"fault rm\" repairs it.\n"
	if what == "zone" {
		long = about + ", as in us-west-2a. \"fault rm\" brings it back.\n"
	}
	for _, w := range words {
		kinds = append(kinds, w.kind)
		long += fmt.Sprintf("\n  %-5s %s", w.kind, w.about)
	}
	cmd := &cobra.Command{
		Use:   fmt.Sprintf("%s %s %s", what, arg, strings.Join(kinds, "|")),
		Short: about,
		Long:  long,
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(kinds, args[1]) {
				return usageError(cmd, fmt.Errorf("%q is none of %s", args[1], strings.Join(kinds, ", ")))
			}
			box, err := find(locate, "")
			if err != nil {
				return err
			}
			f := supervisor.Fault{Target: args[0], Kind: args[1], Until: until(lasts)}
			if err := box.Disturb(cmd.Context(), f); err != nil {
				return faultError(cmd, err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s; repair it: drover sandbox fault rm %s\n", args[0], args[1], args[0])
			return err
		},
	}
	forFlag(cmd, &lasts)
	return cmd
}

// until is when a fault is over that lasts so long; zero: somebody takes it away.
func until(lasts time.Duration) (end time.Time) {
	if lasts > 0 {
		end = time.Now().Add(lasts)
	}
	return end
}

func forFlag(cmd *cobra.Command, lasts *time.Duration) {
	cmd.Flags().DurationVar(lasts, "for", 0, "how long it lasts (default until it is taken away)")
}

func faultError(cmd *cobra.Command, err error) error {
	return &problem.Error{Kind: problem.Usage, Op: "order a fault", Err: err, Fix: "see " + cmd.CommandPath() + " --help"}
}

// faultList is what goes wrong in a sandbox.
type faultList struct {
	AWS   []fault.Fault      `json:"aws"`
	Other []supervisor.Fault `json:"nodesAndParts"`
}

func listFaults(ctx context.Context, box launch.Sandbox) (list faultList, err error) {
	if list.Other, err = box.Disorders(ctx); err != nil {
		return list, err
	}
	for _, f := range list.Other {
		if f.Target == "aws" {
			return list, nil // nobody is there to ask
		}
	}
	list.AWS, err = box.Faults(ctx)
	return list, err
}

func faultListCommand(locate locator) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List faults, with the requests that they have hit",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			box, err := find(locate, "")
			if err != nil {
				return err
			}
			list, err := listFaults(cmd.Context(), box)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), list)
			}
			return printFaults(cmd.OutOrStdout(), list, time.Now())
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func printFaults(out io.Writer, list faultList, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(cells ...any) { _, _ = fmt.Fprintf(w, "%v\t%v\t%v\t%v\t%v\n", cells...) } // Flush has the error
	row("FAULT", "KIND", "WHAT", "HITS", "LEFT")
	left := func(until time.Time) string {
		if until.IsZero() {
			return ""
		}
		return until.Sub(now).Round(time.Second).String()
	}
	for _, f := range list.AWS {
		hits := fmt.Sprint(f.Hits)
		if f.Count > 0 {
			hits += fmt.Sprintf(" of %d", f.Count)
		}
		remaining := left(f.Until)
		if f.Over(now) {
			remaining = "over"
		}
		what := strings.Join(slices.DeleteFunc([]string{f.Service, f.Operation, f.Resource}, func(s string) bool { return s == "" }), " ")
		row(f.ID, f.Kind, cmp.Or(what, "every request"), hits, remaining)
	}
	for _, f := range list.Other {
		row(f.Target, f.Kind, f.Node, "", left(f.Until))
	}
	return w.Flush()
}

func faultRemoveCommand(locate locator) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "rm FAULT...",
		Short: "Take faults away: an ID, or the node or part that has one",
		Args: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return usageError(cmd, errors.New("name faults, or take all away with --all"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			box, err := find(locate, "")
			if err != nil {
				return err
			}
			if all {
				if args, err = everyFault(cmd.Context(), box); err != nil {
					return err
				}
			}
			var errs []error
			for _, name := range args {
				errs = append(errs, removeFault(cmd.Context(), box, name))
			}
			if err := errors.Join(errs...); err != nil {
				return &problem.Error{Kind: problem.Usage, Op: "take a fault away", Err: err, Fix: "drover sandbox fault ls"}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "take all of them away")
	return cmd
}

// everyFault names all faults: those of parts come first, as the AWS endpoint
// may be one of them and then has more.
func everyFault(ctx context.Context, box launch.Sandbox) ([]string, error) {
	list, err := listFaults(ctx, box)
	var names []string
	for _, f := range list.Other {
		names = append(names, f.Target)
	}
	for _, f := range list.AWS {
		names = append(names, f.ID)
	}
	return names, err
}

func removeFault(ctx context.Context, box launch.Sandbox, name string) error {
	var number int
	if _, err := fmt.Sscanf(name, "f%d", &number); err == nil && fmt.Sprintf("f%d", number) == name {
		return box.RemoveFault(ctx, name)
	}
	return box.Repair(ctx, name)
}

func clockCommand(locate locator) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "clock [+DURATION]",
		Short: "Tell AWS's time, or move it forward",
		Long: `Tell AWS's time, or move it forward: what was signed before is old after it, such as the tokens
for the cluster (15 minutes) and Cloud Control's client tokens (36 hours). Clients go on with
this machine's clock; so do Kubernetes, certificates and load balancers.

    drover sandbox clock +36h`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var by time.Duration
			if len(args) == 1 {
				var err error
				text, plus := strings.CutPrefix(args[0], "+")
				if by, err = time.ParseDuration(text); err != nil || !plus || by <= 0 {
					return usageError(cmd, fmt.Errorf("%q is no time to move forward by, such as +36h", args[0]))
				}
			}
			box, err := find(locate, "")
			if err != nil {
				return err
			}
			now, err := box.Clock(cmd.Context(), by)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), now)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s, %s ahead of this machine\n", now.Now.Format(time.RFC3339), time.Duration(now.Ahead))
			return err
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}
