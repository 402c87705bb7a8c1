package supervisor

import (
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/droverhq/drover/sandbox/internal/folder"
	"github.com/droverhq/drover/sandbox/internal/machine"
)

// A link's name is one that the kernel takes, and depends on the end of the
// instance ID, where its random digits are.
func TestLinkName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`[0-9a-f]{17}`)
		a, b := "i-"+digits.Draw(t, "a"), "i-"+digits.Draw(t, "b")
		if len(linkName(a)) > 15 {
			t.Fatalf("%s has %d characters", linkName(a), len(linkName(a)))
		}
		if a[len(a)-13:] != b[len(b)-13:] && linkName(a) == linkName(b) {
			t.Fatalf("%s and %s share the link %s", a, b, linkName(a))
		}
	})
}

// An order for a machine that could not work, or that names a file elsewhere, is refused.
func TestValidate(t *testing.T) {
	good := machine.Machine{ID: "i-0123456789abcdef0", PrivateIP: "172.16.96.10", PodCIDR: "172.16.127.0/27", NodeName: "ip-172-16-96-10"}
	if err := validate(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*machine.Machine){
		"path":    func(m *machine.Machine) { m.ID = "../../etc" },
		"no id":   func(m *machine.Machine) { m.ID = "" },
		"address": func(m *machine.Machine) { m.PrivateIP = "fe80::1" },
		"pods":    func(m *machine.Machine) { m.PodCIDR = "172.16.127.0" },
		"name":    func(m *machine.Machine) { m.NodeName = "" },
	} {
		bad := good
		spoil(&bad)
		if validate(bad) == nil {
			t.Errorf("%s: %+v was taken", name, bad)
		}
	}
}

func TestNSPIDs(t *testing.T) {
	got := nsPIDs([]byte("Name:\tnode\nPid:\t4264\nNSpid:\t4264\t77\t1\nThreads:\t9\n"))
	if len(got) != 3 || got[0] != "4264" || got[1] != "77" || got[2] != "1" {
		t.Errorf("got %v", got)
	}
}

// A machine that is off keeps its files, but for the disk of its instance, over the
// sandbox's end; it ends with them.
func TestAMachineThatIsOffKeepsItsFiles(t *testing.T) {
	s := &supervisor{Config: Config{Dir: folder.Folder(t.TempDir())}, machines: map[string]*node{}}
	const id = "i-0123456789abcdef0"
	dir := s.Dir.Machine(id)
	for _, sub := range []string{"kubelet", "disk/data"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := folder.WriteJSON(s.machineFile(id), machine.Machine{ID: id}); err != nil {
		t.Fatal(err)
	}
	there := func(name string) bool { _, err := os.Stat(filepath.Join(dir, name)); return err == nil }
	for range 2 {
		if err := s.stopMachine(id); err != nil {
			t.Fatal(err)
		}
	}
	if !there("kubelet") || there("disk") || there("machine.json") {
		t.Error("the wrong files are gone")
	}
	if err := s.restoreMachines(); err != nil || !there("kubelet") {
		t.Errorf("the sandbox's start takes it for half of a machine: %v", err)
	}
	if err := s.terminateMachine(id); err != nil || there(".") {
		t.Errorf("it is left: %v", err)
	}
	if err := s.stopMachine("i-0123456789abcdef1"); err != nil {
		t.Errorf("one that never ran: %v", err)
	}
}

// A reboot is a new process. A machine with a fault, or in a zone with one, waits for it.
func TestRebootMachine(t *testing.T) {
	s := zoned(t)
	const id = "i-0000000a"
	n := s.machines[id]
	eventually(t, "it runs", func() bool { return n.now().State == running })
	pid := n.now().PID
	if err := s.rebootMachine(id); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it runs again", func() bool { return n.now().State == running && n.now().PID != pid })
	for _, target := range []string{id, "us-west-2a"} {
		if err := s.disturb(target, Fault{Kind: Hang}); err != nil {
			t.Fatal(err)
		}
		if err := s.rebootMachine(id); err == nil {
			t.Errorf("%s has a fault, and it is rebooted", target)
		}
		if err := s.repair(target, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.rebootMachine("i-0000000f"); err != nil {
		t.Errorf("one that does not run: %v", err)
	}
}

// A machine's disk is full as long as the fault lasts; a part has none.
func TestADiskThatIsFull(t *testing.T) {
	s := zoned(t)
	s.Dir = folder.Folder(t.TempDir())
	const id = "i-0000000a"
	if err := os.MkdirAll(s.Dir.Machine(id), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.disturb(id, Fault{Kind: Full}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Dir.DiskFull(id)); err != nil {
		t.Errorf("it is not full: %v", err)
	}
	if err := s.repair(id, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Dir.DiskFull(id)); err == nil {
		t.Error("it is full yet")
	}
	if err := s.disturb(s.planes[0].controlplane.name, Fault{Kind: Full}); err == nil {
		t.Error("a part has a full disk")
	}
}
