// Command mutate asks whether tests notice that code has changed. It makes small
// changes (mutants) of a package, one at a time: a condition turned round, a
// boundary moved by one, "and" for "or", a statement left out, a zero returned.
// A mutant that no test fails for is a survivor: either nothing promises what it
// changed, or a test is missing.
//
//	mutate [-files run.go,stop.go] [-run TestX] [-budget 10s] [-again list.txt] [-jobs N] ./internal/verdict
//
// All mutants of a package are compiled into one test binary (go test -overlay), in
// which an environment variable chooses one. Each test is run once as it is, which
// tells what it reaches. So a mutant costs no build, and only the tests that reach
// it, until one fails: those first that noticed others of its file, then the quickest.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

func main() {
	// What is interrupted ends its tests: a mutant may go on, and grow, without end.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	files := flag.String("files", "", "only these `files` of the package, separated by commas")
	run := flag.String("run", "", "only the tests that match this `regexp`")
	budget := flag.Duration("budget", 0, "run no more tests for a mutant than take this `time` together (0: all that reach it)")
	again := flag.String("again", "", "only mutants that are in this `list`, which an earlier run printed")
	args := flag.String("args", "", "`arguments` for the test binary, separated by spaces")
	jobs := flag.Int("jobs", max(1, runtime.NumCPU()/2), "run `N` mutants at once")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: mutate [flags] PACKAGE...")
		os.Exit(2)
	}
	failed := false
	for _, pkg := range flag.Args() {
		if err := report(ctx, pkg, split(*files), *again, trial{run: *run, args: strings.Fields(*args), budget: *budget, jobs: *jobs}); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", pkg, err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

func split(list string) []string {
	return slices.DeleteFunc(strings.Split(list, ","), func(s string) bool { return s == "" })
}

// report mutates one package and prints what became of its mutants.
func report(ctx context.Context, pkg string, files []string, again string, t trial) error {
	p, err := load(pkg, files)
	if err != nil {
		return err
	}
	if err := p.keep(again); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(p.scratch) }()
	if err := p.build(); err != nil {
		return err
	}
	if err := p.try(ctx, t); err != nil {
		return err
	}
	count := map[fate]int{}
	for _, m := range p.mutants {
		count[m.fate]++
	}
	fmt.Printf("%s: %d mutants, %d killed, %d timed out, %d survived, %d not reached by a test\n",
		pkg, len(p.mutants), count[killed], count[endless], count[survived], count[unreached])
	return nil
}
