package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/droverhq/drover/sandbox/internal/folder"
	"github.com/droverhq/drover/sandbox/internal/machine"
)

// node is a machine and the process that it is.
type node struct {
	*component
	machine     machine.Machine
	terminating chan struct{} // non-nil once it is being terminated; closed when nothing is left
}

// errClosing answers orders that come while the sandbox stops.
var errClosing = errors.New("the sandbox is stopping")

// instanceID is also what keeps an order from naming a file elsewhere.
var instanceID = regexp.MustCompile(`^i-[0-9a-f]{8,17}$`)

// restoreMachines starts the machines whose record is in the folder.
func (s *supervisor) restoreMachines() error {
	entries, err := os.ReadDir(s.Dir.Machines())
	if err != nil {
		return err
	}
	for _, entry := range entries {
		var m machine.Machine
		err := folder.ReadJSON(s.machineFile(entry.Name()), &m)
		if _, off := os.Stat(s.offFile(entry.Name())); off == nil && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if errors.Is(err, fs.ErrNotExist) {
			// Its creation or its removal was cut short.
			err = folder.RemoveAll(s.Dir.Machine(entry.Name()))
		} else if err == nil {
			err = s.runMachine(m)
		}
		if err != nil {
			return fmt.Errorf("restore machine %s: %w", entry.Name(), err)
		}
	}
	return nil
}

// runMachine starts a machine, unless it runs.
func (s *supervisor) runMachine(m machine.Machine) error {
	if err := validate(m); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return errClosing
	}
	if old, ok := s.machines[m.ID]; ok {
		if old.terminating != nil {
			return fmt.Errorf("%s is being terminated", m.ID)
		}
		return nil
	}
	if kind, away := s.away[m.Zone()]; away {
		return zoneFault(m.Zone(), kind, away)
	}
	if err := s.prepare(m); err != nil {
		return err
	}
	n := &node{machine: m}
	n.component = s.nodeComponent(m)
	s.machines[m.ID] = n
	n.run()
	slog.Info("machine started", "machine", m.ID, "address", m.PrivateIP)
	return nil
}

// prepare writes what the node process starts with. The record comes last: a
// machine that has one can be started.
func (s *supervisor) prepare(m machine.Machine) error {
	dir := s.Dir.Machine(m.ID)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := s.planes[m.Plane].keys(dir, m); err != nil {
		return err
	}
	if err := folder.WriteJSON(s.machineFile(m.ID), m); err != nil {
		return err
	}
	if err := os.Remove(s.offFile(m.ID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// nodeComponent is the process that a machine is.
func (s *supervisor) nodeComponent(m machine.Machine) *component {
	return &component{
		name:   "node-" + m.ID,
		log:    s.Dir.Log("node-" + m.ID),
		start:  func(out *os.File) (*child, error) { return s.boot(m, out) },
		grace:  0, // a machine is switched off
		reaper: s.reaper,
		ending: func() {
			if err := cut(m.ID); err != nil {
				slog.Error("cut the link of a machine", "machine", m.ID, "error", err)
			}
		},
	}
}

// portOf is where a machine's cluster answers.
func (s *supervisor) portOf(m machine.Machine) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.planes[m.Plane].port
}

// boot starts a machine's process, the first one in process, network and mount
// namespaces of its own. It begins its work when a line on its standard input
// tells it that its network stands.
func (s *supervisor) boot(m machine.Machine, out *os.File) (*child, error) {
	begin, tell, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = begin.Close(); _ = tell.Close() }()
	cmd := s.command(nil, "node", "--machine", s.machineFile(m.ID), "--api-port", strconv.Itoa(s.portOf(m)),
		"--aws-port", strconv.Itoa(s.AWSPort), "--region", s.Region)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = begin, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS |
			syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	child, err := s.reaper.start(cmd)
	if err != nil {
		return nil, err
	}
	err = s.reaper.alive(child, func(pidfd int) error { return connect(m, child.pid, pidfd) })
	if err == nil {
		_, err = tell.WriteString("\n")
	}
	if err != nil {
		s.reaper.signal(child, syscall.SIGKILL)
		<-child.done
		return nil, err
	}
	return child, nil
}

// terminateMachine ends a machine and returns when nothing of it is left.
func (s *supervisor) terminateMachine(id string) error {
	return s.switchOff(id, s.forget)
}

// stopMachine ends a machine's processes and returns when they are gone. Its files
// stay, but for the disk that is the instance's own.
func (s *supervisor) stopMachine(id string) error { return s.switchOff(id, s.rest) }

// switchOff ends a machine that runs, and then does what becomes of its files. What is
// being switched off already is waited for.
func (s *supervisor) switchOff(id string, then func(id string) error) error {
	if !instanceID.MatchString(id) {
		return fmt.Errorf("%q is no instance ID", id)
	}
	s.mu.Lock()
	n, ok := s.machines[id]
	switch {
	case !ok:
		s.mu.Unlock()
		return then(id)
	case n.terminating != nil:
		s.mu.Unlock()
		<-n.terminating
		return s.switchOff(id, then)
	}
	n.terminating = make(chan struct{})
	s.mu.Unlock()

	n.stop()
	err := errors.Join(disconnect(id), then(id))
	s.mu.Lock()
	delete(s.machines, id)
	s.mu.Unlock()
	close(n.terminating)
	slog.Info("machine is off", "machine", id)
	return err
}

// rebootMachine ends a machine's processes and starts them again. One with a fault is
// not to be moved to anything.
func (s *supervisor) rebootMachine(id string) error {
	s.disorders.Lock()
	defer s.disorders.Unlock()
	c, n, err := s.find(id)
	if err != nil {
		return nil // it does not run: it starts afresh when it does
	}
	s.mu.Lock()
	kind, away := s.away[n.machine.Zone()]
	s.mu.Unlock()
	if err := s.undisturbed(c.name, id); err != nil || away {
		return errors.Join(err, zoneFault(n.machine.Zone(), kind, away))
	}
	c.hold()
	c.release()
	slog.Info("machine rebooted", "machine", id)
	return nil
}

func zoneFault(zone, kind string, away bool) error {
	if !away {
		return nil
	}
	return fmt.Errorf("zone %s has a fault: %s", zone, kind)
}

// rest turns a machine's record into that of one that is off, the disk of the instance
// first: half of a machine must not come back to life.
func (s *supervisor) rest(id string) error {
	dir := s.Dir.Machine(id)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil // it never ran
	}
	if err := os.WriteFile(s.offFile(id), nil, 0o600); err != nil {
		return err
	}
	if err := folder.RemoveAll(filepath.Join(dir, "disk")); err != nil {
		return err
	}
	if err := os.Remove(s.machineFile(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// offFile tells that a machine without a record is off, and not half of one.
func (s *supervisor) offFile(id string) string { return filepath.Join(s.Dir.Machine(id), "off") }

// forget removes a machine's files, the record first: half of a folder must
// not come back to life.
func (s *supervisor) forget(id string) error {
	if err := os.Remove(s.machineFile(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return folder.RemoveAll(s.Dir.Machine(id))
}

func (s *supervisor) machineFile(id string) string {
	return filepath.Join(s.Dir.Machine(id), "machine.json")
}

func validate(m machine.Machine) error {
	if !instanceID.MatchString(m.ID) {
		return fmt.Errorf("%q is no instance ID", m.ID)
	}
	if ip := net.ParseIP(m.PrivateIP); ip == nil || ip.To4() == nil {
		return fmt.Errorf("machine %s: private address %q is no IPv4 address", m.ID, m.PrivateIP)
	}
	if _, _, err := net.ParseCIDR(m.PodCIDR); err != nil {
		return fmt.Errorf("machine %s: %w", m.ID, err)
	}
	if m.NodeName == "" {
		return fmt.Errorf("machine %s has no node name", m.ID)
	}
	if m.Plane < 0 || m.Plane >= machine.Planes {
		return fmt.Errorf("machine %s: a sandbox has no control plane number %d", m.ID, m.Plane)
	}
	return nil
}

// MachineStatus is a machine and what it is doing.
type MachineStatus struct {
	Machine machine.Machine `json:"machine"`
	State
}

func (s *supervisor) machineStatuses() []MachineStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]MachineStatus, 0, len(s.machines))
	for _, n := range s.machines {
		status := MachineStatus{Machine: n.machine, State: n.now()}
		if n.terminating != nil {
			status.State.State = "terminating"
		}
		list = append(list, status)
	}
	slices.SortFunc(list, func(a, b MachineStatus) int { return strings.Compare(a.Machine.ID, b.Machine.ID) })
	return list
}
