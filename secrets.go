package drover

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/droverhq/drover/internal/durable"
	"github.com/droverhq/drover/internal/seal"
	"github.com/droverhq/drover/internal/spec"
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
