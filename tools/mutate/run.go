package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// try runs the tests once as they are, and then once for each mutant that they reach.
func (p *pack) try(run string, jobs int) error {
	list := filepath.Join(p.scratch, "reached")
	began := time.Now()
	if out, err := p.test(context.Background(), run, "MUTANTS_REACHED="+list); err != nil {
		return fmt.Errorf("the tests fail before anything is changed: %w\n%s", err, out)
	}
	limit := patience*time.Since(began) + slack
	reached, err := numbers(list)
	if err != nil {
		return err
	}
	due := make(chan *mutant)
	var work sync.WaitGroup
	for range jobs {
		work.Go(func() {
			for m := range due {
				m.fate = p.fateOf(m, run, limit)
			}
		})
	}
	for _, m := range p.mutants {
		if reached[m.id] {
			due <- m
		}
	}
	close(due)
	work.Wait()
	return nil
}

func (p *pack) fateOf(m *mutant, run string, limit time.Duration) fate {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	_, err := p.test(ctx, run, "MUTANT="+strconv.Itoa(m.id))
	switch {
	case err == nil:
		return survived
	case ctx.Err() != nil:
		return endless
	}
	return killed
}

// test runs the binary where go test would.
func (p *pack) test(ctx context.Context, run, choice string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, p.binary(), "-test.failfast", "-test.run", run)
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
