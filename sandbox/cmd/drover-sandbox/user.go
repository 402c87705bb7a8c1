package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/sandbox/internal/aws"
	"github.com/droverhq/drover/sandbox/internal/folder"
	"github.com/droverhq/drover/sandbox/internal/launch"
	"github.com/droverhq/drover/sandbox/internal/supervisor"
)

// latencyVariable holds a factor of AWS's latencies.
const latencyVariable = "DROVER_SANDBOX_AWS_LATENCY"

func startCommand(locate locator) *cobra.Command {
	var opts launch.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Start the sandbox and wait until it is ready",
		Long: `Start the sandbox and wait until its API server is ready and its AWS endpoint answers.
A sandbox that was stopped, or killed, goes on where it was. One that runs is left alone.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if opts.Dir, err = locate(); err != nil {
				return err
			}
			if opts.Program, err = os.Executable(); err != nil {
				return err
			}
			opts.Env = os.Environ()
			if _, err := aws.LatencyScale(os.Getenv(latencyVariable)); err != nil {
				return &problem.Error{Kind: problem.Usage, Op: "read " + latencyVariable, Err: err,
					Fix: "unset it, or set it to a factor such as 0.1"}
			}
			progress := newProgress(cmd.ErrOrStderr())
			opts.Progress = progress.waiting
			begin := time.Now()
			box, running, err := launch.Start(cmd.Context(), opts)
			progress.end()
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), started{description: describe(box), AlreadyRunning: running})
			}
			return printStarted(cmd.OutOrStdout(), box, running, time.Since(begin))
		},
	}
	cmd.Flags().IntVar(&opts.AWSPort, "aws-port", 0, "port of the AWS endpoint on 127.0.0.1 (default the last one, else any)")
	cmd.Flags().IntVar(&opts.APIPort, "api-port", 0, "port of the API server on 127.0.0.1 (default the last one, else any)")
	cmd.Flags().StringVar(&opts.Region, "region", "", "AWS region to be (default the last one, else "+launch.DefaultRegion+")")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func stopCommand(locate locator) *cobra.Command {
	var purge bool
	cmd := &cobra.Command{
		Use:   "stop",
		Short: "End everything that runs in the sandbox",
		Long: `End everything that runs in the sandbox, and wait until it is gone: processes, mounts, network
namespaces, also commands that were started with exec. The data stays, so that start goes
on with it; --purge removes it too.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := locate()
			if err != nil {
				return err
			}
			ran, err := launch.Stop(cmd.Context(), dir)
			if err != nil {
				return err
			}
			said := "stopped; its data stays in " + dir.String()
			if !ran {
				said = "no sandbox runs in " + dir.String()
			}
			if purge {
				if err := launch.Purge(cmd.Context(), dir, os.Environ()); err != nil {
					return err
				}
				said = "nothing is left of the sandbox in " + dir.String()
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), said)
			return err
		},
	}
	cmd.Flags().BoolVar(&purge, "purge", false, "remove the sandbox's folder too")
	return cmd
}

func statusCommand(locate locator) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what runs, and where",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := locate()
			if err != nil {
				return err
			}
			box, err := launch.Find(dir)
			if errors.Is(err, launch.ErrNotRunning) {
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), status{description: description{Dir: dir}})
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "no sandbox runs in %s (drover sandbox start)\n", dir)
				return err
			}
			if err != nil {
				return err
			}
			now, err := box.Status(cmd.Context())
			if err != nil {
				return &problem.Error{Kind: problem.Outside, Op: "look at the sandbox", Err: err,
					Fix: "wait until it has started, or stop it (drover sandbox stop) and start it again"}
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), status{describe(box), true, now})
			}
			return printStatus(cmd.OutOrStdout(), box, now)
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func envCommand(locate locator) *cobra.Command {
	var asJSON bool
	var cluster string
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print the environment that points kubectl and AWS clients at the sandbox",
		Long:  "Print the environment that points kubectl and AWS clients at the sandbox:\n\n    eval \"$(drover sandbox env)\"",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			box, err := find(locate, cluster)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), describe(box).Env)
			}
			for _, v := range box.Env(os.Environ()) {
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "export %s=%s\n", v.Name, quote(v.Value)); err != nil {
					return err
				}
			}
			for _, name := range launch.Unset(os.Environ()) {
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "unset %s\n", quote(name)); err != nil {
					return err
				}
			}
			return nil
		},
	}
	jsonFlag(cmd, &asJSON)
	clusterFlag(cmd, &cluster)
	return cmd
}

func execCommand(locate locator) *cobra.Command {
	var cluster string
	cmd := &cobra.Command{
		Use:   "exec -- COMMAND [ARGUMENT...]",
		Short: "Run a command in the sandbox's network",
		Long: `Run a command in the sandbox's network, where the names and addresses of load balancers lead to
them, with the environment that "env" prints. Files and the working folder are the host's;
signals, terminal and exit code are the command's own.

    drover sandbox exec -- curl -s http://NAME.us-west-2.elb.amazonaws.com/`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError(cmd, errors.New("no command to run"))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			box, err := find(locate, cluster)
			if err != nil {
				return err
			}
			dir, err := os.Getwd()
			if err != nil {
				return err
			}
			return box.Exec(launch.Command{Args: args, Env: os.Environ(), Dir: dir})
		},
	}
	clusterFlag(cmd, &cluster)
	return cmd
}

func logsCommand(locate locator) *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs [COMPONENT]",
		Short: "Print a component's log, or list those that are there",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := locate()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return launch.CopyLog(cmd.Context(), cmd.OutOrStdout(), dir, args[0], follow)
			}
			names, err := launch.Logs(dir)
			if err != nil {
				return &problem.Error{Kind: problem.Usage, Op: "list logs", Err: err, Fix: "drover sandbox start"}
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), strings.Join(names, "\n"))
			return err
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on printing what is added")
	return cmd
}

// find is the sandbox that runs, with the environment of one of its clusters.
func find(locate locator, cluster string) (launch.Sandbox, error) {
	dir, err := locate()
	if err != nil {
		return launch.Sandbox{}, err
	}
	box, err := launch.Find(dir)
	if err != nil {
		return box, err
	}
	return box.In(cluster)
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError(cmd, fmt.Errorf("unexpected argument %q", args[0]))
	}
	return nil
}

func clusterFlag(cmd *cobra.Command, cluster *string) {
	cmd.Flags().StringVar(cluster, "cluster", "", "name of the cluster that KUBECONFIG leads to (default the first one)")
}

func jsonFlag(cmd *cobra.Command, asJSON *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print JSON")
}

// description is what a program needs to know of a sandbox.
type description struct {
	Dir        folder.Folder     `json:"dir"`
	PID        int               `json:"pid,omitempty"`
	Region     string            `json:"region,omitempty"`
	Endpoint   string            `json:"awsEndpoint,omitempty"`
	Server     string            `json:"apiServer,omitempty"`
	Kubeconfig string            `json:"kubeconfig,omitempty"`
	Started    time.Time         `json:"started,omitzero"`
	Env        map[string]string `json:"env,omitempty"`
}

type started struct {
	description
	AlreadyRunning bool `json:"alreadyRunning"`
}

type status struct {
	description
	Running bool `json:"running"`
	supervisor.Status
}

func describe(box launch.Sandbox) description {
	env := map[string]string{}
	for _, v := range box.Env(os.Environ()) {
		env[v.Name] = v.Value
	}
	return description{
		Dir: box.Dir, PID: box.PID, Region: box.Region, Endpoint: box.Endpoint(), Server: box.Server(),
		Kubeconfig: box.Kubeconfig, Started: box.Started, Env: env,
	}
}

func printStarted(w io.Writer, box launch.Sandbox, running bool, took time.Duration) error {
	headline := fmt.Sprintf("the sandbox is ready after %s", took.Round(100*time.Millisecond))
	if running {
		headline = "the sandbox runs already, since " + clock(box.Started)
	}
	_, err := fmt.Fprintf(w, `%s

%s
  eval "$(drover sandbox env)"         points kubectl and AWS clients of this shell at it
  drover sandbox exec -- COMMAND       runs a command in its network
  drover sandbox status | logs | stop
`, headline, addresses(box))
	return err
}

func printStatus(out io.Writer, box launch.Sandbox, now supervisor.Status) error {
	if _, err := fmt.Fprintf(out, "running since %s\n\n%s%s%s\n", clock(box.Started), addresses(box), users(box), clusters(now.Clusters)); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(cells ...any) { _, _ = fmt.Fprintf(w, "%v\t%v\t%v\t%v\t%v\n", cells...) } // Flush has the error
	row("COMPONENT", "STATE", "PID", "RESTARTS", "SINCE")
	component := func(name string, s supervisor.State) {
		row(name, s.State, s.PID, s.Restarts, time.Since(s.Since).Round(time.Second))
	}
	for _, c := range now.Components {
		component(c.Name, c.State)
	}
	for _, m := range now.Machines {
		component(fmt.Sprintf("%s (%s)", m.Machine.ID, m.Machine.NodeName), m.State)
	}
	return w.Flush()
}

func addresses(box launch.Sandbox) string {
	return fmt.Sprintf("  AWS endpoint  %s  (region %s)\n  API server    %s\n  folder        %s\n",
		box.Endpoint(), box.Region, box.Server(), box.Dir)
}

// users says which ones pods can run as.
func users(box launch.Sandbox) string {
	if box.Alone != "" {
		return "  users of pods root alone: " + box.Alone + "\n"
	}
	return fmt.Sprintf("  users of pods %s\n", box.IDs.Users)
}

// clusters is a line for each cluster once there are several; one is where the sandbox's own addresses lead.
func clusters(list []supervisor.ClusterStatus) string {
	text := ""
	for _, c := range list {
		if len(list) > 1 {
			text += fmt.Sprintf("  cluster       %s  %s  %s\n", c.Name, c.Server, c.Kubeconfig)
		}
	}
	return text
}

func clock(t time.Time) string { return t.Local().Format(time.DateTime) }

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// quote makes a value safe for a shell to evaluate.
func quote(value string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/:._-", r)
	}
	if value != "" && strings.TrimFunc(value, safe) == "" {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

// progress says on a terminal, on one line, what is being waited for; where
// there is none it says so once for each thing.
type progress struct {
	w    io.Writer
	tty  bool
	last string
}

func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	if !ok {
		return &progress{w: w}
	}
	info, err := f.Stat()
	return &progress{w: w, tty: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

func (p *progress) waiting(what string, since time.Duration) {
	switch {
	case p.tty:
		_, _ = fmt.Fprintf(p.w, "\r\x1b[Kwaiting for %s, %s", what, since.Round(time.Second))
	case what != p.last:
		_, _ = fmt.Fprintf(p.w, "waiting for %s\n", what)
	}
	p.last = what
}

func (p *progress) end() {
	if p.tty && p.last != "" {
		_, _ = fmt.Fprint(p.w, "\r\x1b[K")
	}
}
