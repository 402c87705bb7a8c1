// Package folder names what lies in a sandbox's folder. The launcher makes the
// folder, the supervisor and its children fill it; all of them find their
// files through it and nowhere else.
package folder

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/idmap"
)

// Folder is the absolute path of a sandbox's folder. Two sandboxes never share one.
type Folder string

// Info is what a sandbox was started with, in sandbox.json.
type Info struct {
	PID     int       `json:"pid"` // of the supervisor, seen from the host; 0 while nothing runs
	AWSPort int       `json:"awsPort"`
	APIPort int       `json:"apiPort"`
	Region  string    `json:"region"`
	Started time.Time `json:"started"`
	UserNS  bool      `json:"userNamespace"`   // false: started by root on a kernel that refuses user namespaces
	IDs     idmap.IDs `json:"ids"`             // that there are in it, and so who owns what pods wrote
	Alone   string    `json:"alone,omitempty"` // why there is one user alone, if so
}

// What every AWS client in the sandbox signs with.
const (
	AccessKeyID     = "AKIADROVERSANDBOX000"
	SecretAccessKey = "drover-sandbox"
)

// maxPath is the longest folder a sandbox can have: a unix socket's path ends
// at 107 bytes (unix(7)), and run/supervisor.sock is the longest one in it.
const maxPath = 107 - len("/run/supervisor.sock")

// Locate is the folder a user means by --dir: the flag, else
// DROVER_SANDBOX_DIR, else the user's state directory.
func Locate(flag string, getenv func(string) string) (Folder, error) {
	dir := flag
	if dir == "" {
		dir = getenv("DROVER_SANDBOX_DIR")
	}
	if dir == "" {
		state := getenv("XDG_STATE_HOME")
		if state == "" {
			home := getenv("HOME")
			if home == "" {
				return "", errors.New("neither --dir, DROVER_SANDBOX_DIR, XDG_STATE_HOME nor HOME is set")
			}
			state = filepath.Join(home, ".local", "state")
		}
		dir = filepath.Join(state, "drover", "sandbox")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if len(abs) > maxPath {
		return "", fmt.Errorf("folder %s has a path of %d bytes, the longest possible is %d", abs, len(abs), maxPath)
	}
	return Folder(abs), nil
}

// Claim makes the folder. It refuses one that holds anything but a sandbox, as
// that would go with it when it is purged.
func (f Folder) Claim() error {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(string(f))
	if err != nil || f.Is() {
		return err
	}
	for _, entry := range entries {
		if name := entry.Name(); name != "lock" && !strings.HasPrefix(name, unfinished) { // a start that was cut short
			return fmt.Errorf("%s is not empty (it has %s), and no sandbox's folder", f, name)
		}
	}
	return nil
}

// Create makes the folder's standing parts.
func (f Folder) Create() error {
	for _, dir := range []string{"aws", "logs", "run", "machines"} {
		if err := os.MkdirAll(f.path(dir), 0o700); err != nil {
			return err
		}
	}
	return f.Plane(0).Create()
}

// Is reports whether the folder holds a sandbox.
func (f Folder) Is() bool {
	_, err := os.Stat(f.info())
	return err == nil
}

func (f Folder) String() string { return string(f) }

// Lock is flocked by the supervisor for as long as it lives.
func (f Folder) Lock() string { return f.path("lock") }

// Run holds sockets.
func (f Folder) Run() string { return f.path("run") }

// Socket is where the supervisor listens.
func (f Folder) Socket() string { return f.path("run", "supervisor.sock") }

// ResolvConf is /etc/resolv.conf inside the sandbox.
func (f Folder) ResolvConf() string { return f.path("run", "resolv.conf") }

// Volumes holds a folder for each volume.
func (f Folder) Volumes() string { return f.path("volumes") }

// Volume is what a volume holds.
func (f Folder) Volume(id string) string { return filepath.Join(f.Volumes(), filepath.Base(id)) }

// Logs holds one file for each component.
func (f Folder) Logs() string { return f.path("logs") }

// Log is the file that takes a component's output.
func (f Folder) Log(component string) string { return f.path("logs", component+".log") }

// Machines holds a folder for each machine.
func (f Folder) Machines() string { return f.path("machines") }

// Machine is the folder of one machine.
func (f Folder) Machine(id string) string { return f.path("machines", id) }

// DiskFull is there while a machine's disk is said to be full.
func (f Folder) DiskFull(id string) string { return f.path("machines", id, "disk-full") }

func (f Folder) path(parts ...string) string {
	return filepath.Join(append([]string{string(f)}, parts...)...)
}

// ReadInfo is the zero Info if the sandbox was never started.
func (f Folder) ReadInfo() (Info, error) {
	var info Info
	err := ReadJSON(f.info(), &info)
	if errors.Is(err, fs.ErrNotExist) {
		return Info{}, nil
	}
	return info, err
}

// WriteInfo replaces sandbox.json.
func (f Folder) WriteInfo(info Info) error { return WriteJSON(f.info(), info) }

func (f Folder) info() string { return f.path("sandbox.json") }

// ReadJSON reads a file into v.
func ReadJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// unfinished is how the name of a file begins that WriteJSON has not put in place yet.
const unfinished = ".new-"

// WriteJSON replaces a file by v as a whole: a reader never sees half of it,
// not even after a crash.
func WriteJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), unfinished+"*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(append(data, '\n'))
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

// RemoveAll removes a folder. Unlike os.RemoveAll it also opens what its owner
// closed to himself, as overlay file systems do with their work folders.
func RemoveAll(path string) error {
	if os.RemoveAll(path) == nil {
		return nil
	}
	err := filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		if entry != nil && entry.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return err
	})
	return errors.Join(err, os.RemoveAll(path))
}
