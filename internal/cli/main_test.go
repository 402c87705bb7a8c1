package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/problem"
)

// doing is a command line whose only command does that.
func doing(do func(context.Context) error) *cobra.Command {
	return &cobra.Command{SilenceErrors: true, SilenceUsage: true, RunE: func(cmd *cobra.Command, _ []string) error { return do(cmd.Context()) }}
}

// A panic ends with a message, an exit code of its own, and its stack in a file.
func TestPanicIsReported(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	env, _, errs := screenOf()
	back := 0
	env.terminal.taken(func() { back++ })
	code := run(context.Background(), env, doing(func(context.Context) error { panic("a lone quote") }))
	if code != int(problem.Crashed) || back != 1 || !strings.Contains(errs.String(), "error: panic: a lone quote\n  fix: ") {
		t.Fatalf("exit %d, terminal given back %d times:\n%s", code, back, errs)
	}
	_, name, _ := strings.Cut(errs.String(), "details: ")
	details, err := os.ReadFile(strings.TrimSpace(name))
	if err != nil || !strings.Contains(string(details), "TestPanicIsReported") {
		t.Errorf("%v:\n%s", err, details)
	}
}

// What a run was busy with, and what failed beside, is told; "context canceled" is not.
func TestInterruptionIsTold(t *testing.T) {
	env, _, errs := screenOf()
	ctx, cancel := context.WithCancelCause(context.Background())
	code := run(ctx, env, doing(func(ctx context.Context) error {
		cancel(Terminated)
		return problem.List{
			{Kind: problem.Outside, Op: "hand over web", Err: fmt.Errorf("list pods: %w", ctx.Err()), Fix: "remove the cause"},
			{Kind: problem.Outside, Op: "create vpc", Err: fmt.Errorf("no such region"), Fix: "another region"},
		}
	}))
	want := `error: create vpc: no such region
  fix: another region
error: told to end (SIGTERM)
  note: it came during: hand over web
  fix: state is saved: run the same command again
`
	if code != int(problem.Interrupted) || errs.String() != want {
		t.Errorf("exit %d:\n%s", code, errs)
	}
}

// The cause of the end of a context counts as its end: net/http hands it on.
func TestInterruptionIsCancellation(t *testing.T) {
	env, _, errs := screenOf()
	ctx, cancel := context.WithCancelCause(context.Background())
	run(ctx, env, doing(func(ctx context.Context) error {
		cancel(HungUp)
		return fmt.Errorf("get: %w", context.Cause(ctx))
	}))
	if want := "error: the terminal is gone (SIGHUP)\n  fix: state is saved: run the same command again\n"; errs.String() != want {
		t.Error(errs)
	}
}

// What is wrong with this machine is exit code 5 and has a remedy, wherever it
// came up.
func TestMachineErrorsHaveARemedy(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EACCES, syscall.ENOTDIR, syscall.EMFILE, syscall.EIO} {
		env, _, errs := screenOf()
		code := run(context.Background(), env, doing(func(context.Context) error {
			return fmt.Errorf("save: %w", &fs.PathError{Op: "write", Path: ".drover/x", Err: cause})
		}))
		if code != int(problem.Outside) || !strings.Contains(errs.String(), "error: save: write .drover/x: ") || !strings.Contains(errs.String(), "  fix: ") {
			t.Errorf("exit %d:\n%s", code, errs)
		}
	}
}

// A reader that goes away (drover … | head) is no failure; what else failed stays.
func TestBrokenPipeIsNoFailure(t *testing.T) {
	env, _, errs := screenOf()
	gone := fmt.Errorf("write /dev/stdout: %w", syscall.EPIPE)
	if code := run(context.Background(), env, doing(func(context.Context) error { return gone })); code != 0 || errs.Len() > 0 {
		t.Errorf("exit %d: %s", code, errs)
	}
	suffers := &problem.Error{Kind: problem.Guarded, Err: fmt.Errorf("traffic suffers"), Fix: "look"}
	code := run(context.Background(), env, doing(func(context.Context) error { return errors.Join(suffers, gone) }))
	if code != int(problem.Guarded) || errs.String() != "error: traffic suffers\n  fix: look\n" {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// A second Ctrl-C ends a run that does not end by itself, and even then gives
// the terminal back.
func TestSecondCtrlCGivesTheTerminalBack(t *testing.T) {
	env, _, errs := screenOf()
	abort, back := make(chan struct{}), 0
	env.Abort = abort
	env.terminal.taken(func() { back++ })
	stuck := make(chan struct{})
	defer close(stuck)
	code := run(context.Background(), env, doing(func(context.Context) error {
		close(abort)
		<-stuck
		return nil
	}))
	if code != int(problem.Interrupted) || back != 1 || !strings.Contains(errs.String(), "interrupted twice") {
		t.Errorf("exit %d, given back %d times:\n%s", code, back, errs)
	}
}
