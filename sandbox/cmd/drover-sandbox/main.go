// Command drover-sandbox is an EKS region on one machine: a real Kubernetes
// control plane and real nodes as processes, beside an emulation of AWS. Users
// call start, stop, status, env, exec, logs, fault and clock; the other commands are the
// parts that a running sandbox is made of, and are hidden.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/sandbox/internal/folder"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := command(os.Stdout, os.Stderr).ExecuteContext(ctx)
	stop()
	switch {
	case err == nil:
	case errors.Is(err, context.Canceled):
		os.Exit(130)
	default:
		problem.Print(os.Stderr, err)
		os.Exit(problem.Exit(err))
	}
}

func command(out, log io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "drover-sandbox",
		Short: "An EKS region on this machine",
		Long: `An EKS region on this machine: real Kubernetes, with nodes and pods as processes,
beside an emulation of AWS. It runs unprivileged, listens on loopback only and
keeps its data in one folder: --dir, else $DROVER_SANDBOX_DIR, else
$XDG_STATE_HOME/drover/sandbox, else ~/.local/state/drover/sandbox.

Exit codes: 0 done; 1 an error nobody foresaw; 2 wrong usage; 3 refused, nothing
was changed; 4 in use by somebody else; 5 the sandbox or the machine failed;
130 interrupted.`,
		SilenceUsage: true, SilenceErrors: true,
	}
	root.SetOut(out)
	root.SetErr(log)
	root.SetFlagErrorFunc(usageError)
	var dir string
	root.PersistentFlags().StringVar(&dir, "dir", "", "the sandbox's folder")
	locate := func() (folder.Folder, error) {
		f, err := folder.Locate(dir, os.Getenv)
		if err != nil {
			return "", &problem.Error{Kind: problem.Usage, Op: "find the sandbox's folder", Err: err,
				Fix: "name a folder with --dir"}
		}
		return f, nil
	}
	// Kubernetes' packages put flags of their own where cobra finds them for every command.
	pflag.CommandLine.VisitAll(func(f *pflag.Flag) { f.Hidden = true })
	root.AddCommand(
		startCommand(locate), stopCommand(locate), statusCommand(locate),
		envCommand(locate), execCommand(locate), logsCommand(locate),
		faultCommand(locate), clockCommand(locate),
	)
	for _, part := range parts(locate) {
		part.Hidden = true
		root.AddCommand(part)
	}
	return root
}

// locator finds the folder that the command line means.
type locator func() (folder.Folder, error)

func usageError(cmd *cobra.Command, err error) error {
	return &problem.Error{Kind: problem.Usage, Err: err, Fix: "see " + cmd.CommandPath() + " --help"}
}
