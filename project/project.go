package project

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/examples"
	"github.com/droverhq/drover/internal/durable"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/problem"
)

// Options say which project and which of its stacks.
type Options struct {
	Dir   string // the folder that holds drover.yaml
	Stack string // empty: the selected one
	State string // a gocloud.dev/blob URL for the state; empty: what drover.yaml says, else Dir/.drover

	// Secrets are sealed with a key that a passphrase protects, or the key of a
	// cloud's service: a gocloud.dev/secrets URL.
	Passphrases Passphrases
	KMS         string

	// Stderr is where a program that says what the stack has may print; nil: nowhere.
	Stderr io.Writer
}

// Project is an open project.
type Project struct {
	dir        string
	stack      string // to work on
	remembered string // the selected one
	place      place  // of the state
	store      *state.Store
	disk       durable.Disk // where the config and the selection are
	unguarded  bool
	choices    Choices
	stderr     io.Writer
}

// What Drover keeps in a project's folder: its own folder holds the state,
// unless that lies elsewhere, and the file that remembers which stack commands
// work on.
const (
	ownFolder = ".drover"
	selection = ownFolder + "/selected"
)

// Open opens the project. Of its files it reads the selection and where the
// state is, so that a project with mistakes in it can still be looked at and
// destroyed.
func Open(ctx context.Context, o Options) (*Project, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, spec.File)); err != nil {
		return nil, &problem.Error{
			Kind: problem.Usage, Op: "open project", Err: err,
			Fix: "go to the folder that holds " + spec.File + ", name it with -C, or make one: drover new FOLDER",
		}
	}
	if own, err := os.Stat(filepath.Join(dir, ownFolder)); err == nil && !own.IsDir() {
		return nil, &problem.Error{
			Kind: problem.Usage, Op: "open project", Err: fmt.Errorf("%s is a file, and should be the folder that holds the state", ownFolder),
			Fix: "move the file away",
		}
	}
	selected, err := os.ReadFile(filepath.Join(dir, selection))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	p := &Project{dir: dir, stderr: o.Stderr, disk: durable.OS, remembered: strings.TrimSpace(string(selected))}
	p.stack = cmp.Or(o.Stack, p.remembered)
	if p.place, err = findState(dir, o.State); err != nil {
		return nil, err
	}
	if p.store, err = state.Open(ctx, p.place.url); err != nil {
		return nil, err
	}
	p.store.Ring = newRing(o)
	return p, nil
}

// New makes a project folder from the example migrate-nodegroups. The folder
// must not hold a project yet.
func New(dir string) error {
	return begin(dir, examples.Write)
}

// Library is what a program is built with that says what a stack has: see package drover.
type Library = examples.Library

// NewProgram is New for the same example as a program in Go.
func NewProgram(dir string, library Library) error {
	return begin(dir, func(dir string) error { return examples.WriteProgram(dir, library) })
}

func begin(dir string, write func(string) error) error {
	if _, err := os.Stat(filepath.Join(dir, spec.File)); err == nil {
		return &problem.Error{
			Kind: problem.Usage, Op: "make project", Err: fmt.Errorf("%s holds a project already", dir), Fix: "name another folder",
		}
	}
	if err := write(dir); err != nil {
		return &problem.Error{Kind: problem.Usage, Op: "make project", Err: err, Fix: "name a folder that is empty or not there yet"}
	}
	return nil
}

// selected is the name of the stack to work on.
func (p *Project) selected() (string, error) {
	if p.stack == "" {
		return "", &problem.Error{
			Kind: problem.Usage, Err: errors.New("no stack is selected"),
			Fix: "drover stack init dev, drover stack select NAME, or --stack NAME",
		}
	}
	return p.stack, nil
}

// Init makes a stack and selects it.
func (p *Project) Init(ctx context.Context, stack string) error {
	name, problems := spec.ReadName(os.DirFS(p.dir))
	if err := problems.Err(); err != nil {
		return err
	}
	if err := p.second(ctx, stack); err != nil {
		return err
	}
	if err := p.store.Init(ctx, stack, name); err != nil {
		return err
	}
	return p.remember(stack)
}

// Select makes a stack the one that commands work on.
func (p *Project) Select(ctx context.Context, stack string) error {
	if _, err := p.store.Read(ctx, stack); err != nil {
		return err
	}
	return p.remember(stack)
}

func (p *Project) remember(stack string) error {
	file := filepath.Join(p.dir, selection)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return durable.Explain(file, err)
	}
	p.stack, p.remembered = stack, stack
	return durable.Replace(p.disk, file, []byte(stack+"\n"), 0o644)
}

// StackInfo is one line of `drover stack ls`.
type StackInfo struct {
	Name      string    `json:"name"`
	Selected  bool      `json:"selected"`
	Resources int       `json:"resources"`
	Updated   time.Time `json:"updated,omitzero"` // start of the last run; zero: none yet
}

// Stacks lists the project's stacks by name.
func (p *Project) Stacks(ctx context.Context) ([]StackInfo, error) {
	list, err := p.store.List(ctx)
	if err != nil {
		return nil, err
	}
	stacks := make([]StackInfo, 0, len(list))
	for _, s := range list {
		info := StackInfo{Name: s.Stack, Selected: s.Stack == p.remembered, Resources: s.Resources}
		if s.LastRun != nil {
			info.Updated = s.LastRun.Started
		}
		stacks = append(stacks, info)
	}
	return stacks, nil
}

// Remove forgets a stack that has nothing left, or leaves what it has where it
// is. Agree is told what that is while nobody else can change it.
func (p *Project) Remove(ctx context.Context, stack string, leave bool, agree func([]Object) error) error {
	err := p.store.Remove(ctx, stack, leave, func(s *state.Snapshot) error { return agree(objects(s)) })
	if err != nil {
		return err
	}
	if stack == p.remembered {
		return p.remember("")
	}
	return nil
}

// Holder says who holds the stack's lock, since when and for what; it is an
// error if nobody does.
func (p *Project) Holder(ctx context.Context) (string, error) {
	stack, err := p.selected()
	if err != nil {
		return "", err
	}
	lock, err := p.store.Holder(ctx, stack)
	return lock.String(), err
}

// Cancel takes the stack's lock away from whoever holds it. Only a person can
// know that this is safe.
func (p *Project) Cancel(ctx context.Context) error {
	stack, err := p.selected()
	if err != nil {
		return err
	}
	return p.store.Break(ctx, stack)
}

// Outputs are the values that the last successful up stored.
func (p *Project) Outputs(ctx context.Context) (map[string]any, error) {
	stack, err := p.selected()
	if err != nil {
		return nil, err
	}
	snapshot, err := p.store.Read(ctx, stack)
	if err != nil {
		return nil, err
	}
	return snapshot.Outputs, nil
}

// Output picks one output, or says which there are.
func Output(outputs map[string]any, name string) (any, error) {
	value, ok := outputs[name]
	if !ok {
		fix := "run drover up first"
		if len(outputs) > 0 {
			fix = "take one of: " + strings.Join(slices.Sorted(maps.Keys(outputs)), ", ")
		}
		return nil, &problem.Error{Kind: problem.Usage, Err: fmt.Errorf("the stack has no output %q", name), Fix: fix}
	}
	return value, nil
}

// Run is one line of the history.
type Run = state.Run

// History lists what was done to the stack, newest first.
func (p *Project) History(ctx context.Context) ([]Run, error) {
	stack, err := p.selected()
	if err != nil {
		return nil, err
	}
	return p.store.History(ctx, stack)
}

// Config is the stack's config, by key: text, and secrets that do not show.
func (p *Project) Config(context.Context) (map[string]any, error) {
	stack, err := p.selected()
	if err != nil {
		return nil, err
	}
	config, problems := spec.ReadConfig(os.DirFS(p.dir), stack)
	return config, problems.Err()
}

// SetConfig sets one value in the stack's config file; the rest of the file
// stays as it is.
func (p *Project) SetConfig(ctx context.Context, key, value string) error {
	stack, err := p.selected()
	if err != nil {
		return err
	}
	if _, err := p.store.Read(ctx, stack); err != nil {
		return err
	}
	return p.editConfig(stack, func(old []byte) ([]byte, error) { return spec.SetConfig(old, key, value) })
}

// RemoveConfig takes one value out of the stack's config file; the rest of the
// file stays as it is.
func (p *Project) RemoveConfig(_ context.Context, key string) error {
	stack, err := p.selected()
	if err != nil {
		return err
	}
	return p.editConfig(stack, func(old []byte) ([]byte, error) {
		text, was, err := spec.RemoveConfig(old, key)
		if err == nil && !was {
			err = &problem.Error{Kind: problem.Usage, Op: "config rm", Err: fmt.Errorf("%q is not set", key), Fix: "drover config ls lists what is"}
		}
		return text, err
	})
}
