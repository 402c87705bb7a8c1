package region

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever is launched and terminated, in whatever order: no two addresses or
// pod blocks in use overlap, all lie in their subnet, and what was given back
// is not the next to be handed out.
func TestAddressesNeverOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newState("us-west-2")
		sub := &Subnet{SubnetID: "subnet-1", CidrBlock: rapid.SampledFrom([]string{"172.16.96.0/19", "10.0.1.0/24",
			"10.0.0.0/23"}).Draw(t, "cidr")}
		s.Subnets[sub.SubnetID] = sub
		whole := netip.MustParsePrefix(sub.CidrBlock)
		last := ""
		for step := range rapid.IntRange(1, 60).Draw(t, "steps") {
			id := fmt.Sprintf("i-%d", step)
			switch rapid.SampledFrom([]string{"launch", "launch", "terminate", "balance"}).Draw(t, "action") {
			case "launch":
				ip, err := s.hostAddress(sub)
				block, blockErr := s.podBlock(sub, rapid.SampledFrom([]int{4, 17, 58, 234}).Draw(t, "pods"))
				if err != nil || blockErr != nil {
					continue // full
				}
				if block.String() == last && whole.Bits() == 19 {
					t.Fatalf("pod block %s is used again at once", last)
				}
				s.Instances[id] = &Instance{ID: id, State: Running, SubnetID: sub.SubnetID, PrivateIP: ip.String(),
					PodCIDR: block.String()}
			case "terminate":
				for _, i := range Sorted(s.Instances) {
					if i.State != Terminated {
						i.State, last = Terminated, i.PodCIDR
						break
					}
				}
			case "balance":
				if ip, err := s.balancerAddress(sub); err == nil {
					s.LoadBalancers[id] = &LoadBalancer{Name: id, IP: ip.String()}
				}
			}
			checkDisjoint(t, s, whole)
		}
	})
}

func checkDisjoint(t *rapid.T, s *State, whole netip.Prefix) {
	var used []netip.Prefix
	add := func(p netip.Prefix) {
		for _, u := range used {
			if u.Overlaps(p) {
				t.Fatalf("%s and %s overlap", u, p)
			}
		}
		if !whole.Contains(p.Addr()) || p.Contains(lastAddr(whole)) || p.Contains(whole.Addr()) {
			t.Fatalf("%s is not usable in %s", p, whole)
		}
		used = append(used, p)
	}
	for _, i := range s.Instances {
		if i.State != Terminated {
			add(netip.MustParsePrefix(i.PrivateIP + "/32"))
			add(netip.MustParsePrefix(i.PodCIDR))
		}
	}
	for _, lb := range s.LoadBalancers {
		add(netip.MustParsePrefix(lb.IP + "/32"))
	}
}

// A change that fails leaves no trace, in memory or in the file, and what was
// saved is there after a restart.
func TestStoreIsAtomic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "aws", "state.json")
	st, err := Open(path, "us-west-2")
	if err != nil {
		t.Fatal(err)
	}
	var id string
	if err := st.Update(func(s *State) (err error) {
		id, err = s.CreateVPC(&VPC{CidrBlock: "10.0.0.0/16"})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	err = st.Update(func(s *State) error {
		if _, err := s.CreateSubnet(&Subnet{VpcID: id, CidrBlock: "10.0.1.0/24"}); err != nil {
			return err
		}
		return Errorf(Invalid, "Oops", "later")
	})
	if !IsKind(err, Invalid) {
		t.Fatalf("got %v", err)
	}
	again, err := Open(path, "us-west-2")
	if err != nil {
		t.Fatal(err)
	}
	for _, store := range []*Store{st, again} {
		store.View(func(s *State) {
			if len(s.VPCs) != 1 || len(s.Subnets) != 0 || s.VPCs[id] == nil {
				t.Errorf("%d VPCs, %d subnets", len(s.VPCs), len(s.Subnets))
			}
		})
	}
	if _, err := Open(path, "eu-west-1"); err == nil {
		t.Error("the state of one region was opened as another one")
	}
}

// Pods per node are those of AWS's own table (eni-max-pods.txt).
func TestMaxPods(t *testing.T) {
	for name, want := range map[string]int{"t2.medium": 17, "t3.medium": 17, "t3.large": 35, "t3.xlarge": 58,
		"t3.2xlarge": 58, "m5.large": 29,
		"c5.large": 29, "c5.xlarge": 58, "c5.2xlarge": 58, "c5.4xlarge": 234, "c5.9xlarge": 234, "m5.24xlarge": 737,
		"t3.nano": 4, "t3.small": 11} {
		if got, ok := LookupType(name); !ok || got.MaxPods != want {
			t.Errorf("%s: %d pods, want %d", name, got.MaxPods, want)
		}
	}
	if c5, _ := LookupType("c5.4xlarge"); c5.CPU != 16 || c5.MemoryMiB != 32768 {
		t.Errorf("c5.4xlarge %+v", c5)
	}
}

// A write is quick enough to make every answer wait for it: some hundred
// objects take a few milliseconds.
func BenchmarkUpdate(b *testing.B) {
	st, err := Open(filepath.Join(b.TempDir(), "state.json"), "us-west-2")
	if err != nil {
		b.Fatal(err)
	}
	fill := func(s *State) error {
		for k := range 500 {
			token := fmt.Sprint("token-", k)
			s.Operations[token] = &Operation{Token: token, Fingerprint: randomHex(64), Type: "AWS::EC2::VPC",
				Action: "CREATE", Status: "SUCCESS", Started: time.Now()}
			s.Instances[token] = &Instance{ID: NewID("i"), UserData: randomHex(2000)}
		}
		return nil
	}
	if err := st.Update(fill); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := st.Update(func(*State) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
