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
	writing sync.Mutex // held over a whole Update: its file may be long in coming on a busy disk

	mu       sync.RWMutex // of the state alone, so that whoever reads does not wait for the disk
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
		data, err := encode(st.state)
		if err != nil {
			return nil, err
		}
		err = st.save(data)
		return st, err
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

// Read is View for what may not be there: its error is that of f.
func (st *Store) Read(f func(*State) error) (err error) {
	st.View(func(s *State) { err = f(s) })
	return err
}

// Update lets f change the state. When it returns nil the change is in the
// file; when it returns an error nothing has changed, however far f came. Others
// may see the change a moment before it is safe.
func (st *Store) Update(f func(*State) error) error {
	st.writing.Lock()
	defer st.writing.Unlock()
	data, err := st.change(f)
	if err != nil {
		return err
	}
	err = st.save(data)
	st.mu.Lock()
	defer st.mu.Unlock()
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

// change is what the file is to hold after f.
func (st *Store) change(f func(*State) error) ([]byte, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if err := f(st.state); err != nil {
		return nil, errors.Join(err, st.revert())
	}
	return encode(st.state)
}

func encode(s *State) ([]byte, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("save state: %w", err)
	}
	return data, nil
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
func (st *Store) save(data []byte) error {
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
