package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What can be wrong with a part of the sandbox, or with a machine.
const (
	Down = "down" // its processes have ended and are not started again; a machine's link is cut
	Hang = "hang" // its processes stand still, with their connections open
	Full = "full" // a machine's disk has no room
	Cut  = "cut"  // a machine's link is down, and what runs on it goes on
)

// Fault is an order that something be wrong.
type Fault struct {
	Target string    `json:"target"` // a part's name, a machine's ID, a zone
	Node   string    `json:"node,omitempty"`
	Kind   string    `json:"kind"`
	Until  time.Time `json:"until,omitzero"` // zero: until it is taken away
}

// disorder is a Fault under way.
type disorder struct {
	Fault
	undo  func() error
	there func() bool // what it befell is there yet
	timer *time.Timer // nil: it has no end of its own
}

func (s *supervisor) handleFaults(mux *http.ServeMux) {
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.listFaults()) })
	mux.HandleFunc("PUT /faults/{target}", func(w http.ResponseWriter, r *http.Request) {
		var f Fault
		order(w, json.NewDecoder(r.Body).Decode(&f), func() error { return s.disturb(r.PathValue("target"), f) })
	})
	mux.HandleFunc("DELETE /faults/{target}", func(w http.ResponseWriter, r *http.Request) {
		order(w, nil, func() error { return s.repair(r.PathValue("target"), nil) })
	})
}

// disturb lets something go wrong, and returns when it has.
func (s *supervisor) disturb(target string, f Fault) error {
	s.disorders.Lock()
	defer s.disorders.Unlock()
	if zoneName.MatchString(target) {
		return s.disturbZone(target, f)
	}
	c, n, err := s.find(target)
	if err != nil {
		return err
	}
	if err := s.undisturbed(c.name, target); err != nil {
		return err
	}
	d := &disorder{Fault: f, there: func() bool { _, _, err := s.find(c.name); return err == nil }}
	d.Target = c.name
	if n != nil {
		d.Target, d.Node = n.machine.ID, n.machine.NodeName
	}
	if d.undo, err = s.spoil(c, n, f.Kind); err != nil {
		return err
	}
	s.keep(c.name, d)
	return nil
}

func (s *supervisor) undisturbed(name, target string) error {
	if old, ok := s.faults[name]; ok {
		return fmt.Errorf("%s has a fault already: %s", target, old.Kind)
	}
	return nil
}

// keep remembers a fault until it is taken away, or its time is over.
func (s *supervisor) keep(name string, d *disorder) {
	if !d.Until.IsZero() {
		d.timer = time.AfterFunc(time.Until(d.Until), func() {
			if err := s.repair(name, d); err != nil {
				slog.Error("end a fault", "target", name, "error", err)
			}
		})
	}
	s.faults[name] = d
	slog.Info("fault", "target", d.Target, "kind", d.Kind, "until", d.Until)
}

// zoneName is how AWS calls availability zones: us-west-2a.
var zoneName = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]+[a-z]$`)

// disturbZone lets a zone go away: its machines go wrong, but for those that have a
// fault of their own, and no other comes up there until it is over.
func (s *supervisor) disturbZone(zone string, f Fault) error {
	if err := s.undisturbed(zone, zone); err != nil {
		return err
	}
	d := &disorder{Fault: f, there: func() bool { return true }}
	d.Target = zone
	var undo []func() error
	d.undo = func() error {
		s.mu.Lock()
		delete(s.away, zone)
		s.mu.Unlock()
		var errs []error
		for _, u := range undo {
			errs = append(errs, u())
		}
		return errors.Join(errs...)
	}
	for _, n := range s.shut(zone, f.Kind) {
		if s.undisturbed(n.name, zone) != nil {
			continue
		}
		back, err := s.spoil(n.component, n, f.Kind)
		if err != nil {
			return errors.Join(err, d.undo())
		}
		undo = append(undo, func() error {
			if _, _, err := s.find(n.name); err != nil {
				return nil // the machine is gone
			}
			return back()
		})
	}
	s.keep(zone, d)
	return nil
}

// shut keeps machines from coming up in a zone, and tells of those that are there.
func (s *supervisor) shut(zone, kind string) (there []*node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away[zone] = kind
	for _, n := range s.machines {
		if n.machine.Zone() == zone && n.terminating == nil {
			there = append(there, n)
		}
	}
	return there
}

// find is a part by its name, or a machine by its ID or its node's name.
func (s *supervisor) find(target string) (*component, *node, error) {
	for _, c := range s.parts() {
		if c.name == target {
			return c, nil, nil
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.machines {
		if n.terminating == nil && slices.Contains([]string{n.name, n.machine.ID, n.machine.NodeName}, target) {
			return n.component, n, nil
		}
	}
	return nil, nil, fmt.Errorf("there is neither a part nor a machine %q", target)
}

// spoil carries a fault out; undo takes it back.
func (s *supervisor) spoil(c *component, n *node, kind string) (undo func() error, err error) {
	switch {
	case kind == Down:
		c.hold()
		return func() error { c.release(); return nil }, nil
	case kind == Hang:
		since := time.Now()
		return func() error { return wake(c, time.Since(since)) }, signalTree(c, syscall.SIGSTOP)
	case kind == Cut && n != nil:
		return func() error { return mend(n.machine) }, cut(n.machine.ID)
	case kind == Full && n != nil:
		file := s.Dir.DiskFull(n.machine.ID)
		return func() error { return os.Remove(file) }, os.WriteFile(file, nil, 0o600)
	case kind == Full:
		return nil, errors.New("only a machine has a disk that can be full")
	case kind == Cut:
		return nil, errors.New("only a machine has a link to cut")
	}
	return nil, fmt.Errorf("%q is no fault of a part or a machine", kind)
}

// wake lets a component that stood still go on, or start anew if it has lost its lease.
func wake(c *component, stood time.Duration) error {
	if c.lease > 0 && stood > c.lease {
		c.hold()
		c.release()
		return nil
	}
	return signalTree(c, syscall.SIGCONT)
}

// signalTree signals a component's process and all below it, also those in
// namespaces of their own.
func signalTree(c *component, sig syscall.Signal) error {
	state := c.now()
	if state.PID == 0 {
		return fmt.Errorf("%s does not run: it is %s", c.name, state.State)
	}
	return signalBelow(strconv.Itoa(hostPIDs()[state.PID]), sig)
}

// signalBelow takes a PID of /proc. Parents come first, so that they see
// nothing of what happens to their children.
func signalBelow(process string, sig syscall.Signal) error {
	pid, err := innerPID(process)
	if err != nil {
		return nil // it has ended
	}
	if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal process %d: %w", pid, err)
	}
	var errs []error
	for _, child := range childrenOf(process) {
		errs = append(errs, signalBelow(child, sig))
	}
	return errors.Join(errs...)
}

// repair takes a fault away. With only set, it does so if that is the one.
func (s *supervisor) repair(target string, only *disorder) error {
	s.disorders.Lock()
	defer s.disorders.Unlock()
	for name, d := range s.faults {
		if only != nil && d != only || !slices.Contains([]string{name, d.Target, d.Node}, target) {
			continue
		}
		delete(s.faults, name)
		if d.timer != nil {
			d.timer.Stop()
		}
		slog.Info("fault is over", "target", target, "kind", d.Kind)
		if !d.there() {
			return nil // the machine is gone, and its fault with it
		}
		return d.undo()
	}
	if only != nil {
		return nil
	}
	return fmt.Errorf("%s has no fault", target)
}

// listFaults are those whose target is still there.
func (s *supervisor) listFaults() []Fault {
	s.disorders.Lock()
	defer s.disorders.Unlock()
	list := []Fault{}
	for _, d := range s.faults {
		if d.there() {
			list = append(list, d.Fault)
		}
	}
	slices.SortFunc(list, func(a, b Fault) int { return strings.Compare(a.Target, b.Target) })
	return list
}
