package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/internal/demo"
	"github.com/droverhq/drover/problem"
)

// tutorialRequests is what the demo sends at least: enough to fill the whole
// move at the tutorial's 100 connections on two cores.
const tutorialRequests = 200_000

func newDemo(env Env, run func(context.Context, demo.Options) error) *cobra.Command {
	var o demo.Options
	var asJSON, inside bool
	var source string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Move NGINX between node groups under load, on this machine",
		Long: `Start a sandbox, launch examples/migrate-nodegroups in it, change the node group
"web" from 3 x t3.2xlarge to 5 x c5.4xlarge under load, judge every request, and
take everything down. Succeeds only if every response had the expected status and
came from the right application, and nothing was left behind.`,
		Args:        cobra.NoArgs,
		Annotations: exits(problem.Refused, problem.Outside, problem.Lost),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out, o.Err, o.Stdin, o.Getenv, o.Drover = env.Stdout, env.Stderr, env.Stdin, env.Getenv, env.Self
			o.Color = env.color() && !asJSON
			if asJSON {
				o.Out, o.JSON = env.Stderr, env.Stdout
			}
			if o.Dir == "" {
				o.Dir = demoFolder(env)
			}
			if err := toldByProgram(env, &o, source); err != nil {
				return err
			}
			if inside {
				return passOn(env, demo.Inside(cmd.Context(), o))
			}
			var err error
			if o.Sandbox, err = findSandbox(env); err != nil {
				return err
			}
			return passOn(env, run(cmd.Context(), o))
		},
	}
	cmd.Flags().BoolVar(&o.Keep, "keep", false, "leave everything running at the end, and say how to look around")
	cmd.Flags().BoolVar(&o.Manual, "manual", false, "the same move in the tutorial's steps, each an up of its own")
	cmd.Flags().IntVar(&o.Requests, "requests", tutorialRequests, "the closed loop sends at least `N` requests")
	oneOf(cmd.Flags(), &o.Balancer, "balancer", demo.Classic, "what NGINX sits behind: `classic`, nlb, a Network Load Balancer (its deregistration delay of 300 s makes the move longer), or alb, an Application Load Balancer that sends to pods",
		demo.Classic, demo.NLB, demo.ALB)
	cmd.Flags().BoolVar(&o.Program, "program", false, "the example is a program in Go, examples/migrate-nodegroups-go; needs the go command")
	cmd.Flags().StringVar(&source, "library", "", libraryUsage)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the verdict as JSON; the narration goes to stderr")
	cmd.Flags().StringVar(&o.Dir, "folder", "", "the `folder` where the demo keeps its project and its verdict (default: drover/demo in the user's state folder)")
	cmd.Flags().BoolVar(&inside, "inside", false, "")
	if err := cmd.Flags().MarkHidden("inside"); err != nil {
		panic(err) // the flag is defined one line above
	}
	return cmd
}

// toldByProgram finds what a program is built with. The tutorial's steps and the
// files of an Application Load Balancer are edits of drover.yaml.
func toldByProgram(env Env, o *demo.Options, source string) (err error) {
	if !o.Program {
		return nil
	}
	if o.Manual || o.Balancer == demo.ALB {
		return &problem.Error{Kind: problem.Usage, Op: "demo", Err: errors.New("--program does not go with --manual or --balancer alb, which edit drover.yaml"), Fix: "leave one of them out"}
	}
	o.Library, err = library(env, source)
	return err
}

// passOn ends with the exit code of the program that failed, which has said
// itself what was wrong; what else failed is printed.
func passOn(env Env, err error) error {
	var failed *demo.Failed
	if !errors.As(err, &failed) {
		return err
	}
	if err != error(failed) { //nolint:errorlint // exactly this error, and nothing around it
		problem.Print(env.Stderr, err)
	}
	return exitCode(failed.Code)
}

// demoFolder follows the XDG base directories.
func demoFolder(env Env) string {
	state := env.Getenv("XDG_STATE_HOME")
	if state == "" {
		state = filepath.Join(env.Getenv("HOME"), ".local", "state")
	}
	if !filepath.IsAbs(state) {
		state = os.TempDir()
	}
	return filepath.Join(state, "drover", "demo")
}
