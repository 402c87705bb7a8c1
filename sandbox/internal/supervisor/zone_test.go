package supervisor

import (
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/sandbox/internal/machine"
)

// zoned is a supervisor with two machines in one zone and one in another, whose
// processes only sleep.
func zoned(t *testing.T) *supervisor {
	t.Helper()
	r := startReaper(t)
	s := &supervisor{reaper: r, machines: map[string]*node{}, away: map[string]string{}, faults: map[string]*disorder{}}
	for id, zone := range map[string]string{"i-0000000a": "us-west-2a", "i-0000000b": "us-west-2a", "i-0000000c": "us-west-2b"} {
		c, _ := testComponent(t, r, "exec sleep 60")
		c.name, c.grace = "node-"+id, 0
		c.run()
		t.Cleanup(c.stop)
		s.machines[id] = &node{component: c, machine: machine.Machine{ID: id, ProviderID: "aws:///" + zone + "/" + id}}
	}
	s.planes = newPlanes(s.Config)
	s.planes[0].controlplane, _ = testComponent(t, r, "exec sleep 60")
	s.aws, _ = testComponent(t, r, "exec sleep 60")
	return s
}

func (s *supervisor) allIn(zone, state string) func() bool {
	return func() bool {
		for _, n := range s.machines {
			if n.machine.Zone() == zone && n.now().State != state {
				return false
			}
		}
		return true
	}
}

// A zone that is away has no machine that runs, and gets none; the others go on.
func TestZoneGoesAwayAndComesBack(t *testing.T) {
	s := zoned(t)
	eventually(t, "all run", func() bool { return s.allIn("us-west-2a", running)() && s.allIn("us-west-2b", running)() })
	if err := s.disturb("us-west-2a", Fault{Kind: Down}); err != nil {
		t.Fatal(err)
	}
	if !s.allIn("us-west-2a", held)() || !s.allIn("us-west-2b", running)() {
		t.Error("the wrong machines are down")
	}
	late := machine.Machine{ID: "i-0000000d", PrivateIP: "10.0.0.9", PodCIDR: "10.0.1.0/27", NodeName: "d", ProviderID: "aws:///us-west-2a/i-0000000d"}
	if err := s.runMachine(late); err == nil || !strings.Contains(err.Error(), "zone us-west-2a has a fault: down") {
		t.Errorf("a machine comes up there: %v", err)
	}
	if err := s.disturb("us-west-2a", Fault{Kind: Cut}); err == nil {
		t.Error("it went away twice")
	}
	if list := s.listFaults(); len(list) != 1 || list[0].Target != "us-west-2a" {
		t.Errorf("%+v", list)
	}
	if err := s.repair("us-west-2a", nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is back", s.allIn("us-west-2a", running))
	if len(s.away) > 0 || len(s.listFaults()) > 0 {
		t.Errorf("%v %v", s.away, s.listFaults())
	}
}

// The fault ends by its own time, and a machine that had one of its own keeps that.
func TestZoneLeavesFaultsOfItsMachinesAlone(t *testing.T) {
	s := zoned(t)
	eventually(t, "all run", s.allIn("us-west-2a", running))
	if err := s.disturb("i-0000000a", Fault{Kind: Down}); err != nil {
		t.Fatal(err)
	}
	if err := s.disturb("us-west-2a", Fault{Kind: Down, Until: time.Now().Add(50 * time.Millisecond)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the zone is back", func() bool { return s.machines["i-0000000b"].now().State == running && len(s.listFaults()) == 1 })
	if s.machines["i-0000000a"].now().State != held {
		t.Error("a machine's own fault went with its zone's")
	}
	if err := s.repair("i-0000000a", nil); err != nil {
		t.Fatal(err)
	}
}
