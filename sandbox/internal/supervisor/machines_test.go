package supervisor

import (
	"testing"

	"pgregory.net/rapid"

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
