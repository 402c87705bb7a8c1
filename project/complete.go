package project

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/droverhq/drover/internal/spec"
)

// Candidates are the words that a shell may offer.
type Candidates struct {
	Stacks  []string
	URNs    []string // of the stack's resources
	Open    []string // URNs of calls whose end is unknown
	Config  []string // keys
	Outputs []string // names
}

// Complete finds candidates on the disk of this machine alone: it asks no cloud
// and wants no passphrase. Of a stack whose state is elsewhere it knows what its
// config file tells. What cannot be read is left out.
func Complete(ctx context.Context, o Options) Candidates {
	var c Candidates
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return c
	}
	c.Stacks = configured(dir)
	where, err := findState(dir, o.State)
	if err != nil || !strings.HasPrefix(where.url, "file:") {
		c.Config = configKeys(dir, o.Stack)
		return c
	}
	p, err := Open(ctx, o)
	if err != nil {
		return c
	}
	c.Config = configKeys(dir, p.stack)
	if stacks, err := p.Stacks(ctx); err == nil {
		c.Stacks = nil
		for _, s := range stacks {
			c.Stacks = append(c.Stacks, s.Name)
		}
	}
	c.read(ctx, p)
	return c
}

func (c *Candidates) read(ctx context.Context, p *Project) {
	s, err := p.snapshot(ctx)
	if err != nil {
		return
	}
	for _, o := range objects(s) {
		c.URNs = append(c.URNs, string(o.URN))
	}
	for _, in := range s.Pending {
		c.Open = append(c.Open, string(in.URN))
	}
	c.Outputs = slices.Sorted(maps.Keys(s.Outputs))
}

// configured are the stacks that have a config file.
func configured(dir string) []string {
	files, _ := filepath.Glob(filepath.Join(dir, spec.ConfigFile("*"))) // the pattern is ours
	var stacks []string
	for _, f := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f), "drover."), ".yaml")
		stacks = append(stacks, name)
	}
	return stacks
}

func configKeys(dir, stack string) []string {
	config, problems := spec.ReadConfig(os.DirFS(dir), stack)
	if problems.Err() != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(config))
}
