package cli

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/problem"
)

const sandboxHelp = `The sandbox is an EKS-like region on this machine: a real Kubernetes control
plane, real kubelets, kube-proxies and load balancers' cloud-controller-manager
as plain processes, and an AWS endpoint. It needs Linux, nginx and nft, and no
root where unprivileged user namespaces are allowed.

  drover sandbox start            start it, or bring it back after a crash
  drover sandbox status           what runs, where it listens
  eval "$(drover sandbox env)"    point kubectl, aws and drover at it
  drover sandbox exec -- CMD      run CMD inside its network
  drover sandbox logs [NAME]      what its parts wrote
  drover sandbox fault            let AWS, a node or a part go wrong
  drover sandbox clock [+TIME]    AWS's time, moved forward
  drover sandbox stop             end everything

"drover sandbox COMMAND --help" tells the options of each.`

// newSandbox hands its arguments to drover-sandbox, a binary of its own
// because it holds all of Kubernetes.
func newSandbox(env Env) *cobra.Command {
	return &cobra.Command{
		Use:                "sandbox start|stop|status|env|exec|logs|fault|clock",
		Short:              "Run an EKS-like region on this machine",
		Long:               sandboxHelp,
		DisableFlagParsing: true,
		ValidArgs:          []string{"start", "stop", "status", "env", "exec", "logs", "fault", "clock"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || args[0] == "--help" || args[0] == "-h" {
				return cmd.Help()
			}
			bin, err := findSandbox(env)
			if err != nil {
				return err
			}
			return runAttached(cmd.Context(), env, bin, args...)
		},
	}
}

// findSandbox looks where $DROVER_SANDBOX says, beside this binary, and in PATH.
func findSandbox(env Env) (string, error) {
	const name = "drover-sandbox"
	if runtime.GOOS != "linux" {
		return "", &problem.Error{
			Kind: problem.Refused, Op: "find " + name, Err: fmt.Errorf("the sandbox needs Linux, this is %s", runtime.GOOS),
			Fix: "run it on a Linux machine or in a Linux virtual machine",
		}
	}
	candidates := []string{filepath.Join(filepath.Dir(env.Self), name), name}
	if set := env.Getenv("DROVER_SANDBOX"); set != "" {
		candidates = []string{set}
	}
	for _, c := range candidates {
		if path, err := exec.LookPath(c); err == nil {
			return path, nil
		}
	}
	return "", &problem.Error{
		Kind: problem.Refused, Op: "find " + name,
		Err: fmt.Errorf("it is neither beside %s nor in PATH", env.Self),
		Fix: "run `make build` in Drover's repository, or set DROVER_SANDBOX to its path",
	}
}

// runAttached runs a program with our terminal and hands its exit code on.
// On Ctrl-C the program is asked to end in its own way; it is never killed.
func runAttached(ctx context.Context, env Env, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = env.Dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = env.Stdin, env.Stdout, env.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if code := exit.ExitCode(); code > 0 {
			return exitCode(code)
		}
		return exitCode(problem.Interrupted)
	}
	return err
}
