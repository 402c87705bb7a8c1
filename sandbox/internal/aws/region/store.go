package region

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Store holds the State, lets one writer at a time change it, keeps it in a
// file, and tells those who act on it that it changed.
type Store struct {
	mu       sync.RWMutex
	state    *State
	path     string
	saved    []byte // the file's content; what a failed Update goes back to
	watchers []chan struct{}
}

// Open reads the state from path, or starts with an empty region.
func Open(path, name string) (*Store, error) {
	st := &Store{path: path, state: newState(name)}
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
		return st, st.save()
	case err != nil:
		return nil, err
	}
	if st.state, err = parse(data); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if st.state.Region != name {
		return nil, fmt.Errorf("read %s: it belongs to region %s, not %s", path, st.state.Region, name)
	}
	st.saved = data
	return st, nil
}

func parse(data []byte) (*State, error) {
	s := &State{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, err
	}
	s.fill()
	return s, nil
}

// View lets f read the state. Nothing it finds may be kept or changed.
func (st *Store) View(f func(*State)) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	f(st.state)
}

// Update lets f change the state. When it returns nil the change is in the
// file; when it returns an error nothing has changed, however far f came.
func (st *Store) Update(f func(*State) error) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	err := f(st.state)
	if err == nil {
		err = st.save()
	}
	if err != nil {
		return errors.Join(err, st.revert())
	}
	for _, w := range st.watchers {
		select {
		case w <- struct{}{}:
		default: // it has not looked since the last change and will see both
		}
	}
	return nil
}

// Watch returns a channel that holds a token after every change since it was
// last received from.
func (st *Store) Watch() <-chan struct{} {
	st.mu.Lock()
	defer st.mu.Unlock()
	w := make(chan struct{}, 1)
	w <- struct{}{}
	st.watchers = append(st.watchers, w)
	return w
}

// save replaces the file. It survives the death of this process at any point;
// it is not synced to the disk, since a sandbox does not outlive its machine.
func (st *Store) save() error {
	data, err := json.Marshal(st.state)
	if err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	next := st.path + ".new"
	if err := os.WriteFile(next, data, 0o600); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	if err := os.Rename(next, st.path); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	st.saved = data
	return nil
}

func (st *Store) revert() error {
	s, err := parse(st.saved)
	if err != nil {
		return fmt.Errorf("go back to the saved state: %w", err)
	}
	st.state = s
	return nil
}
