package project

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/droverhq/drover/internal/durable"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/problem"
)

// Rename gives a stack another name, with its config file, its history and, if
// it is the selected one, the selection. Nothing outside is touched: physical
// names stay, and tags follow with what the next runs change. Cut off, the
// same call goes on.
func (p *Project) Rename(ctx context.Context, stack, name string) error {
	if err := state.CheckName(name); err != nil {
		return err
	}
	from, to := filepath.Join(p.dir, spec.ConfigFile(stack)), filepath.Join(p.dir, spec.ConfigFile(name))
	copied, err := p.copyConfig(from, to)
	if err != nil {
		return err
	}
	if err := p.store.Rename(ctx, stack, name); err != nil {
		if copied {
			err = errors.Join(err, p.disk.Remove(to))
		}
		return err
	}
	if err := p.disk.Remove(from); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if p.remembered == stack {
		return p.remember(name)
	}
	return nil
}

// copyConfig gives a config file a second name, under which nothing else may be.
func (p *Project) copyConfig(from, to string) (copied bool, err error) {
	text, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = durable.Create(p.disk, to, text, 0o644)
	if !errors.Is(err, fs.ErrExist) {
		return err == nil, err
	}
	if there, err := os.ReadFile(to); err != nil || bytes.Equal(there, text) {
		return false, err // a rename that was cut off has made it
	}
	return false, &problem.Error{Kind: problem.Usage, Op: "rename stack", Err: fmt.Errorf("there is a %s already", filepath.Base(to)),
		Fix: "move one of the two config files away, or choose another name"}
}

// RenameProject moves the state of the stack to the name that drover.yaml now
// has. Nothing outside is touched.
func (p *Project) RenameProject(ctx context.Context, name string) error {
	stack, err := p.selected()
	if err != nil {
		return err
	}
	declared, problems := spec.ReadName(os.DirFS(p.dir))
	if err := problems.Err(); err != nil {
		return err
	}
	if declared != name {
		return &problem.Error{Kind: problem.Usage, Op: "rename project", Err: fmt.Errorf("%s says name: %s", spec.File, declared),
			Fix: fmt.Sprintf("write name: %s there first", name)}
	}
	_, err = p.store.Rewrite(ctx, stack, "stack rename", func(s *state.Snapshot) (*state.Snapshot, error) {
		if s.Project == name {
			return nil, &problem.Error{Kind: problem.Usage, Op: "rename project", Err: errors.New("the state has that name already"),
				Fix: "nothing needs to be done"}
		}
		return s.Under(stack, name)
	})
	return err
}
