// Command drover launches EKS clusters from a declared file and moves their
// node groups with zero downtime. All it does itself is turn the operating
// system into a cli.Env and the result into an exit code.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
	"k8s.io/klog/v2"

	"github.com/droverhq/drover/internal/cli"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first Ctrl-C ends the run in order, the second at once. SIGTERM stays
	// caught: whoever started us passes the same Ctrl-C on as one.
	context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt) })
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
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Stderr: os.Stderr,
		Getenv: os.Getenv,
		TTY:    term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())),
		Dir:    dir,
		Self:   self,
	})
}
