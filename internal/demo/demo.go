// Package demo tells the whole story of a node group's move on this machine:
// it starts a sandbox, launches the example in it, changes a node group under
// load, and judges the traffic. It stands beside the CLI, whose commands it
// runs as a person would, as processes of their own.
//
// The story is told in two processes. Run starts the sandbox, tells the story
// inside the sandbox's network by running the same binary there (Inside), ends
// the sandbox and looks for leftovers.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/droverhq/drover/examples"
	"github.com/droverhq/drover/problem"
)

// Options is all the demo knows.
type Options struct {
	Out     io.Writer // the narration
	Err     io.Writer // what the commands of the story complain about
	JSON    io.Writer // the verdict as JSON; nil: not wanted
	Stdin   io.Reader
	Getenv  func(string) string
	Drover  string // this binary
	Sandbox string // the drover-sandbox binary
	Dir     string // the demo's folder: project, records, verdict
	Color   bool   // Out is a terminal with colors

	Keep     bool   // leave everything running at the end
	Manual   bool   // the tutorial's steps, each an up of its own
	Requests int    // the closed loop sends at least this many
	Balancer string // kind of load balancer: Classic, NLB or ALB
	Program  bool   // the example is a program in Go, built with Library
	Library  examples.Library
}

// The kinds of load balancers that the demo knows.
const (
	Classic = "classic"
	NLB     = "nlb"
	ALB     = "alb"
)

// teardown is how long the sandbox may take to end after an interrupted story.
const teardown = 2 * time.Minute

// Run tells the whole story and returns nil only if no request was lost and
// nothing was left behind.
func Run(ctx context.Context, o Options) (err error) {
	began := time.Now()
	sandboxDir := filepath.Join(o.Dir, "sandbox")
	before, err := takeFootprint(sandboxDir)
	if err != nil {
		return err
	}
	if before["folder "+sandboxDir] {
		return &problem.Error{
			Kind: problem.Refused, Op: "start the demo", Err: fmt.Errorf("another demo runs, was kept or broke off: %s is there", sandboxDir),
			Fix: fmt.Sprintf("%s sandbox stop --purge --dir %s, or --folder for another place", o.Drover, sandboxDir),
		}
	}
	n := narrator{out: o.Out}
	n.chapter("The sandbox: an EKS-like region on this machine")
	if err := o.sandbox(ctx, "start"); err != nil {
		return errors.Join(err, o.end(ctx))
	}
	story := o.inside(ctx)
	if o.Keep {
		n.lookAround(o, sandboxDir)
		return story
	}
	n.chapter("The end: the sandbox stops")
	if err := o.end(ctx); err != nil {
		return errors.Join(story, err)
	}
	after, err := takeFootprint(sandboxDir)
	if err != nil {
		return errors.Join(story, err)
	}
	if left := after.since(before); len(left) > 0 {
		return errors.Join(story, &problem.Error{
			Kind: problem.Lost, Op: "look for leftovers", Err: fmt.Errorf("the sandbox left %s", strings.Join(left, ", ")),
			Fix: "drover sandbox stop --purge --dir " + sandboxDir,
		})
	}
	if story != nil {
		return story
	}
	n.say("No process, mount, network namespace or file outside its folder is left. %s in all.", time.Since(began).Round(time.Second))
	return nil
}

// inside runs the story within the sandbox's network, where the load balancer's name resolves.
func (o Options) inside(ctx context.Context) error {
	args := []string{"exec", "--", o.Drover, "demo", "--inside", "--folder", o.Dir, "--requests", strconv.Itoa(o.Requests), "--balancer", o.Balancer}
	if o.Keep {
		args = append(args, "--keep")
	}
	if o.Manual {
		args = append(args, "--manual")
	}
	if o.Program {
		args = append(args, "--program", "--library", o.Library.Dir)
	}
	if o.JSON != nil {
		args = append(args, "--json")
	}
	return o.sandbox(ctx, args[0], args[1:]...)
}

// end stops the sandbox and removes its folder, also after an interruption.
func (o Options) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), teardown)
	defer cancel()
	return o.sandbox(ctx, "stop", "--purge")
}

func (o Options) sandbox(ctx context.Context, verb string, args ...string) error {
	all := append([]string{verb, "--dir", filepath.Join(o.Dir, "sandbox")}, args...)
	cmd := exec.CommandContext(ctx, o.Sandbox, all...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	// kubeconfig's exec plugin is found by the name "drover".
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(o.Drover)+string(os.PathListSeparator)+o.Getenv("PATH"))
	cmd.Stdin, cmd.Stderr = o.Stdin, o.Err
	cmd.Stdout = o.Out
	if verb == "exec" && o.JSON != nil {
		cmd.Stdout = o.JSON
	}
	return failed("drover sandbox "+verb, cmd.Run())
}

// failed keeps the exit code of a program that ended with an error.
func failed(what string, err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	code := exit.ExitCode()
	if code < 0 { // ended by a signal
		code = 128 + int(syscall.SIGINT)
	}
	return &Failed{Code: code, What: what}
}

// Failed is a program of the story that ended with an error, which it has printed itself.
type Failed struct {
	Code int
	What string
}

func (f *Failed) Error() string { return fmt.Sprintf("%s: exit code %d", f.What, f.Code) }
