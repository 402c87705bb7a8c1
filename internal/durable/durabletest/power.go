package durabletest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/droverhq/drover/internal/durable"
)

// Power is the real disk of a machine whose power can be taken away: then files
// are as they were when they were last synced, and names as they were when their
// folder last was.
type Power struct {
	// OffAt is the changing call (1, 2, …; 0: none) at which the power goes: it and
	// all later ones fail, and have no effect.
	OffAt int

	mu    sync.Mutex
	calls int
	names map[string]*inode // as programs see them; nil: removed
	kept  map[string]*inode // as they would be found after a loss
}

// inode is the content of a file, whatever its names.
type inode struct{ kept []byte }

// NewPower makes a disk; what is not made through it is not its business.
func NewPower() *Power { return &Power{names: map[string]*inode{}, kept: map[string]*inode{}} }

// errOff is what calls end with in a machine without power: nobody reads it.
var errOff = errors.New("the power is off")

// on counts a call, and reports that there is power for it.
func (p *Power) on() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	return p.OffAt == 0 || p.calls < p.OffAt
}

// Calls is how many changing calls there were.
func (p *Power) Calls() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

// Lose takes the power away, and gives it back.
func (p *Power) Lose() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.OffAt = 0
	for name := range p.names {
		if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	for name, content := range p.kept {
		if err := os.WriteFile(name, content.kept, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Open makes a name that a loss takes away until its folder is synced.
func (p *Power) Open(name string, flag int, perm fs.FileMode) (durable.File, error) {
	if !p.on() {
		return nil, errOff
	}
	f, err := durable.OS.Open(name, flag, perm)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.names[name] == nil {
		p.names[name] = &inode{}
	}
	return &cached{File: f, name: name, content: p.names[name], power: p}, nil
}

// Rename moves a name, and Link adds one.
func (p *Power) Rename(from, to string) error { return p.move(from, to, durable.OS.Rename, true) }

// Link adds a name.
func (p *Power) Link(from, to string) error { return p.move(from, to, durable.OS.Link, false) }

func (p *Power) move(from, to string, do func(from, to string) error, away bool) error {
	if !p.on() {
		return errOff
	}
	if err := do(from, to); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.names[to] = p.names[from]
	if away {
		p.names[from] = nil
	}
	return nil
}

// Remove takes a name away.
func (p *Power) Remove(name string) error {
	if !p.on() {
		return errOff
	}
	if err := durable.OS.Remove(name); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.names[name] = nil
	return nil
}

// SyncDir keeps the names in a folder.
func (p *Power) SyncDir(dir string) error {
	if !p.on() {
		return errOff
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, content := range p.names {
		switch {
		case filepath.Dir(name) != filepath.Clean(dir):
		case content == nil:
			delete(p.kept, name)
		default:
			p.kept[name] = content
		}
	}
	return nil
}

type cached struct {
	durable.File
	name    string
	content *inode
	power   *Power
}

// Write has a part of its effect if the power goes.
func (c *cached) Write(data []byte) (int, error) {
	if !c.power.on() {
		_, _ = c.File.Write(data[:len(data)/2])
		return 0, errOff
	}
	return c.File.Write(data)
}

// Sync keeps what was written so far.
func (c *cached) Sync() error {
	if !c.power.on() {
		return errOff
	}
	c.power.mu.Lock()
	defer c.power.mu.Unlock()
	data, err := os.ReadFile(c.name)
	c.content.kept = data
	return err
}
