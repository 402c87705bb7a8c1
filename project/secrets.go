package project

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/droverhq/drover/internal/durable"
	"github.com/droverhq/drover/internal/seal"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// Passphrases say how to get the passphrase that protects a stack's secrets. It
// is wanted only where there are any.
type Passphrases struct {
	Given func() (string, error)                                // from the environment; empty: there is none
	Ask   func(ctx context.Context, fresh bool) (string, error) // of a person; nil: there is nobody. Fresh: for a new key
}

func newRing(o Options) *seal.Ring {
	return &seal.Ring{KMS: o.KMS, Given: o.Passphrases.Given, Ask: o.Passphrases.Ask}
}

// unlockConfig opens the secrets of the config, which then are sealed anew
// where they are stored: the state may have a key of its own.
func (p *Project) unlockConfig(ctx context.Context, stack string, config spec.Config) error {
	if !value.Locked(map[string]any(config)) {
		return p.preferConfigKey(stack)
	}
	key, err := p.configKey(ctx, stack)
	if err != nil {
		return err
	}
	if err := value.Open(map[string]any(config), key); err != nil {
		return err
	}
	value.Detach(map[string]any(config))
	return nil
}

// preferConfigKey makes a state without a key take that of the config.
func (p *Project) preferConfigKey(stack string) error {
	e, problems := spec.ReadEncryption(os.DirFS(p.dir), stack)
	if err := problems.Err(); err != nil || e.Key == "" {
		return err
	}
	p.store.Ring.Prefer(seal.Wrapped(e))
	return nil
}

func (p *Project) configKey(ctx context.Context, stack string) (*seal.Key, error) {
	if err := p.preferConfigKey(stack); err != nil {
		return nil, err
	}
	_, key, err := p.store.Ring.New(ctx)
	return key, err
}

// SetSecret seals a value and sets it in the stack's config file.
func (p *Project) SetSecret(ctx context.Context, key, secret string) error {
	stack, err := p.selected()
	if err != nil {
		return err
	}
	snapshot, err := p.store.Read(ctx, stack)
	if err != nil {
		return err
	}
	if snapshot.Wrapped != nil {
		p.store.Ring.Prefer(*snapshot.Wrapped)
	}
	if err := p.preferConfigKey(stack); err != nil {
		return err
	}
	wrapped, k, err := p.store.Ring.New(ctx)
	if err != nil {
		return err
	}
	hidden := value.Hide(secret)
	if err := value.Seal(hidden, k); err != nil {
		return err
	}
	return p.editConfig(stack, func(old []byte) ([]byte, error) {
		return spec.SetSecret(old, key, hidden.Sealed(), spec.Encryption(wrapped))
	})
}

// ChangeSecrets seals all secrets of the stack, in its state and in its config,
// with a new key, which the given way protects from now on. Cut off, the same
// call ends it: what has the new protection already is opened with that. It
// tells where the state before is kept, which the old one still opens; empty if
// the state has no secrets.
func (p *Project) ChangeSecrets(ctx context.Context, kms string, passphrases Passphrases) (backup string, err error) {
	return p.protectWith(ctx, newRing(Options{KMS: kms, Passphrases: passphrases}))
}

func (p *Project) protectWith(ctx context.Context, ring *seal.Ring) (backup string, err error) {
	snapshot, err := p.snapshot(ctx)
	if err != nil {
		return "", err
	}
	config, problems := spec.ReadEncryption(os.DirFS(p.dir), p.stack)
	if err := problems.Err(); err != nil {
		return "", err
	}
	if snapshot.Wrapped == nil && config.Key == "" {
		return "", &problem.Error{Kind: problem.Usage, Op: "change secrets", Err: fmt.Errorf("stack %s has no secrets", p.stack),
			Fix: "nothing needs to be done: the first one chooses how they are protected"}
	}
	c := &change{old: p.store.Ring, new: ring}
	open := func(w seal.Wrapped) (*seal.Key, error) { return c.open(ctx, w) }
	for _, w := range []*seal.Wrapped{snapshot.Wrapped, (*seal.Wrapped)(&config)} { // all of them, before anything is written
		if w != nil && w.Key != "" {
			if _, err := open(*w); err != nil {
				return "", err
			}
		}
	}
	wrapped, key, err := ring.New(ctx)
	if err != nil {
		return "", err
	}
	if snapshot.Wrapped != nil {
		backup, err = p.store.Rewrite(ctx, p.stack, "stack secrets change", func(s *state.Snapshot) (*state.Snapshot, error) {
			return s.Resealed(open, wrapped, key)
		})
	}
	if err == nil && config.Key != "" {
		err = p.resealConfig(open, wrapped, key)
	}
	return backup, err
}

// change is the way from one protection of secrets to another.
type change struct{ old, new *seal.Ring }

// open opens a key that is protected in either way.
func (c *change) open(ctx context.Context, w seal.Wrapped) (*seal.Key, error) {
	key, err := c.old.Open(ctx, w)
	if err == nil {
		return key, nil
	}
	if key, newErr := c.new.Open(ctx, w); newErr == nil {
		return key, nil
	}
	return nil, err
}

func (p *Project) resealConfig(open func(seal.Wrapped) (*seal.Key, error), wrapped seal.Wrapped, key *seal.Key) error {
	e, problems := spec.ReadEncryption(os.DirFS(p.dir), p.stack)
	if err := problems.Err(); err != nil {
		return err
	}
	old, err := open(seal.Wrapped(e))
	if err != nil {
		return err
	}
	again := func(sealed string) (string, error) {
		plain, err := old.Open(sealed)
		if err != nil {
			return "", err
		}
		return key.Seal(plain)
	}
	return p.editConfig(p.stack, func(text []byte) ([]byte, error) { return spec.Reseal(text, again, spec.Encryption(wrapped)) })
}

// editConfig rewrites the stack's config file.
func (p *Project) editConfig(stack string, edit func(old []byte) ([]byte, error)) error {
	file := filepath.Join(p.dir, spec.ConfigFile(stack))
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text, err := edit(old)
	if err != nil {
		return err
	}
	return durable.Replace(p.disk, file, text, 0o644)
}

// RevealConfig is the stack's config with its secrets in the open.
func (p *Project) RevealConfig(ctx context.Context) (map[string]any, error) {
	config, err := p.Config(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.unlockConfig(ctx, p.stack, config); err != nil {
		return nil, err
	}
	return value.RevealMap(config)
}

// RevealOutputs are the stack's outputs with their secrets in the open.
func (p *Project) RevealOutputs(ctx context.Context) (map[string]any, error) {
	stack, err := p.selected()
	if err != nil {
		return nil, err
	}
	snapshot, err := p.store.Read(ctx, stack)
	if err != nil {
		return nil, err
	}
	if err := snapshot.Unseal(ctx, p.store.Ring); err != nil {
		return nil, err
	}
	return value.RevealMap(snapshot.Outputs)
}
