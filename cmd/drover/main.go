// Command drover launches EKS clusters from a declared file and moves their
// node groups with zero downtime. All it does itself is turn the operating
// system into a cli.Env and the result into an exit code.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/term"
	"k8s.io/klog/v2"

	"github.com/droverhq/drover/internal/cli"
)

// ballast lets the garbage collector begin later. A command's heap is small and
// lives a second; to collect it at each doubling from 4 MB on costs a tenth of
// the time. Nobody touches it, so it takes no memory.
var ballast = make([]byte, 32<<20)

func main() {
	code := run()
	runtime.KeepAlive(ballast)
	os.Exit(code)
}

func run() int {
	ctx, abort := heed()
	klog.LogToStderr(false) // client-go's own lines; what matters comes back as an error
	klog.SetOutput(io.Discard)
	dir, err := os.Getwd()
	if err != nil {
		dir = "."
	}
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	return cli.Main(ctx, cli.Env{
		Args:   os.Args[1:],
		Name:   calledAs(os.Args[0]),
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Stderr: os.Stderr,
		Getenv: os.Getenv,
		TTY:    term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())),
		Dir:    dir,
		Self:   self,
		Abort:  abort,
	})
}

// calledAs is how the user calls a program of that path: kubectl runs what is
// called kubectl-drover as kubectl drover.
func calledAs(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), ".exe")
	if plugin, is := strings.CutPrefix(name, "kubectl-"); is {
		return "kubectl " + plugin
	}
	return ""
}

// heed listens for signals until the process ends. The first ends ctx, and the
// run in order; a second Ctrl-C closes abort. Any other may come twice: whoever
// started us passes the same Ctrl-C on as SIGTERM.
func heed() (ctx context.Context, abort <-chan struct{}) {
	ctx, cancel := context.WithCancelCause(context.Background())
	atOnce := make(chan struct{})
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup means it
		signal.Notify(signals, syscall.SIGHUP)
	}
	// A pager that is closed must not kill a run: heard by nobody, the signal makes
	// the write fail, and the run goes on. (Ignored, our children would inherit it.)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		presses := 0
		for s := range signals {
			switch s {
			case os.Interrupt:
				cancel(cli.CtrlC)
				if presses++; presses == 2 {
					close(atOnce)
				}
			case syscall.SIGTERM:
				cancel(cli.Terminated)
			default:
				cancel(cli.HungUp)
			}
		}
	}()
	return ctx, atOnce
}
