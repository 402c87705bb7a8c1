package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/problem"
)

// exitCode carries the exit code of a program that a command ran in its stead.
type exitCode int

func (exitCode) Error() string { return "the program ended with an error" }

// Main runs one command line and returns the exit code. Whatever happens to the
// command, the terminal is given back and the user is told.
func Main(ctx context.Context, env Env) int {
	env.terminal = &terminal{}
	return run(ctx, env, newRoot(env))
}

func run(ctx context.Context, env Env, root *cobra.Command) int {
	ended := make(chan error, 1)
	go func() { ended <- execute(ctx, env, root) }()
	select {
	case err := <-ended:
		return report(ctx, env, err)
	case <-env.Abort:
		env.terminal.giveBack()
		problem.Print(env.Stderr, &problem.Error{
			Kind: problem.Interrupted, Err: errors.New("interrupted twice: ended at once"),
			Fix: "all that was written down is kept: run the same command again",
		})
		return int(problem.Interrupted)
	}
}

func execute(ctx context.Context, env Env, root *cobra.Command) (err error) {
	defer problem.Recover(&err)
	root.SetArgs(append([]string{}, env.Args...)) // nil would be taken for the arguments of this process
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	return root.ExecuteContext(ctx)
}

// report tells the user how a command ended.
func report(ctx context.Context, env Env, err error) int {
	var program exitCode
	if errors.As(err, &program) {
		return int(program)
	}
	env.terminal.giveBack()
	err = explained(heard(err))
	code := problem.Exit(err)
	if err == nil || ctx.Err() == nil || code == int(problem.Lost) { // Ctrl-C is how a load test is ended
		tell(env, err)
		return code
	}
	busy := interrupted(ctx, env, err)
	problem.Print(env.Stderr, busy)
	return int(problem.Interrupted)
}

// heard leaves out that nobody reads the output any more (drover … | head): the
// command did its work all the same.
func heard(err error) error {
	var rest []error
	for _, part := range problem.Parts(err) {
		if !errors.Is(part, syscall.EPIPE) {
			rest = append(rest, part)
		}
	}
	if len(rest) == len(problem.Parts(err)) {
		return err
	}
	return errors.Join(rest...)
}

// interrupted prints what failed beside the interruption and returns what is to
// be said of the interruption itself: where it came in, and what to do next.
func interrupted(ctx context.Context, env Env, err error) *problem.Error {
	told := &problem.Error{
		Kind: problem.Interrupted, Err: context.Cause(ctx), Fix: "state is saved: run the same command again",
	}
	for _, part := range problem.Parts(err) {
		var p *problem.Error
		switch {
		case !errors.Is(part, context.Canceled):
			tell(env, part)
		case errors.As(part, &p) && p.Op != "":
			told.Notes = append(told.Notes, "it came during: "+p.Op)
		}
	}
	return told
}

// tell prints an error; the stack of a panic goes into a file.
func tell(env Env, err error) {
	if err == nil {
		return
	}
	problem.Print(env.Stderr, err)
	var p *problem.Panic
	if !errors.As(err, &p) {
		return
	}
	if name, failed := writeCrash(p); failed == nil {
		_, _ = fmt.Fprintf(env.Stderr, "  details: %s\n", name)
		return
	}
	_, _ = fmt.Fprintf(env.Stderr, "%s\n", p.Stack)
}

// writeCrash keeps what a report of the bug needs, and nothing of the command
// line, which may hold a secret.
func writeCrash(p *problem.Panic) (name string, err error) {
	file, err := os.CreateTemp("", "drover-crash-*.txt")
	if err != nil {
		return "", err
	}
	_, err = fmt.Fprintf(file, "drover %s %s %s/%s\n%s\n%s\n\n%s", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH,
		time.Now().UTC().Format(time.RFC3339), p, p.Stack)
	return file.Name(), errors.Join(err, file.Close())
}
