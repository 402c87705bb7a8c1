package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// patience is how many times as long as the unchanged code a mutant may take, and
// slack is given to it besides: a machine that does other work is slow at times.
const (
	patience = 5
	slack    = 20 * time.Second
)

// trial is how mutants are tried.
type trial struct {
	run    string        // regexp of the tests
	args   []string      // for the test binary
	budget time.Duration // of tests for each mutant; 0: all that reach it
	jobs   int
}

// test is a test of the package, how long it takes and which mutants it reaches.
type test struct {
	name    string
	takes   time.Duration
	reaches map[int]bool
}

// try runs each test once as it is, and then, for each mutant, those that reach it.
func (p *pack) try(ctx context.Context, t trial) error {
	tests, err := p.survey(ctx, t)
	if err != nil {
		return err
	}
	due := make(chan *mutant)
	var work sync.WaitGroup
	for range t.jobs {
		work.Go(func() {
			for m := range due {
				if m.fate = p.fateOf(ctx, m, tests, t); ctx.Err() == nil {
					m.tell()
				}
			}
		})
	}
	for _, m := range p.mutants {
		if ctx.Err() == nil {
			due <- m
		}
	}
	close(due)
	work.Wait()
	return ctx.Err()
}

// survey runs the tests one by one. The quickest comes first.
func (p *pack) survey(ctx context.Context, t trial) ([]test, error) {
	names, err := exec.Command(p.binary(), "-test.list", cmp.Or(t.run, ".")).Output()
	if err != nil {
		return nil, told(err)
	}
	var tests []test
	for _, name := range strings.Fields(string(names)) {
		list := filepath.Join(p.scratch, "reached-"+name)
		began := time.Now()
		if out, err := p.test(ctx, exactly(name), t.args, "MUTANTS_REACHED="+list); err != nil {
			return nil, fmt.Errorf("%s fails before anything is changed: %w\n%s", name, err, out)
		}
		reached, err := numbers(list)
		if err != nil {
			return nil, err
		}
		tests = append(tests, test{name: name, takes: time.Since(began), reaches: reached})
	}
	slices.SortFunc(tests, func(a, b test) int { return cmp.Compare(a.takes, b.takes) })
	return tests, nil
}

func exactly(names ...string) string { return "^(" + strings.Join(names, "|") + ")$" }

// fateOf runs the tests that reach a mutant, a few at once: first those that noticed
// others of its file, then the quickest.
func (p *pack) fateOf(ctx context.Context, m *mutant, tests []test, t trial) fate {
	m.fate = unreached
	var names []string
	var these, spent time.Duration
	tests = p.likely(m, tests)
	for i, test := range tests {
		names, these = append(names, test.name), these+test.takes
		last := i == len(tests)-1 || t.budget > 0 && spent+these >= t.budget
		if !last && these < max(spent, time.Second) {
			continue
		}
		if m.fate = p.outcome(ctx, m, names, t.args, these); m.fate != survived || last {
			return m.fate
		}
		names, these, spent = nil, 0, spent+these
	}
	return m.fate
}

// likely are the tests that reach a mutant, in the order in which they are tried.
func (p *pack) likely(m *mutant, tests []test) []test {
	p.mu.Lock()
	defer p.mu.Unlock()
	reaching := slices.DeleteFunc(slices.Clone(tests), func(t test) bool { return !t.reaches[m.id] })
	slices.SortStableFunc(reaching, func(a, b test) int {
		return cmp.Compare(p.noticed[m.file+b.name], p.noticed[m.file+a.name])
	})
	return reaching
}

var failure = regexp.MustCompile(`(?m)^\s*--- FAIL: (\w+)`)

// notice remembers which test failed for a mutant, and that it was the last to.
func (p *pack) notice(m *mutant, output []byte) {
	if found := failure.FindSubmatch(output); found != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.serial++
		p.noticed[m.file+string(found[1])] = p.serial
	}
}

// outcome is what some tests make of a mutant.
func (p *pack) outcome(ctx context.Context, m *mutant, names, args []string, takes time.Duration) fate {
	ctx, cancel := context.WithTimeout(ctx, patience*takes+slack)
	defer cancel()
	output, err := p.test(ctx, exactly(names...), args, "MUTANT="+strconv.Itoa(m.id))
	p.notice(m, output)
	switch {
	case err == nil:
		return survived
	case ctx.Err() != nil:
		return endless
	}
	return killed
}

// test runs the binary where go test would.
func (p *pack) test(ctx context.Context, run string, args []string, choice string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, p.binary(), append([]string{"-test.failfast", "-test.run", run}, args...)...)
	cmd.Dir, cmd.Env = p.dir, append(os.Environ(), choice)
	cmd.WaitDelay = time.Second
	return cmd.CombinedOutput()
}

// numbers reads those that were written down; without a file there are none.
func numbers(list string) (map[int]bool, error) {
	text, err := os.ReadFile(list)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	found := map[int]bool{}
	for _, line := range strings.Fields(string(text)) {
		n, err := strconv.Atoi(line)
		if err != nil {
			return nil, err
		}
		found[n] = true
	}
	return found, nil
}
