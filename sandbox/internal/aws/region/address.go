package region

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Addresses of a subnet are handed out from three places, so that they meet
// only when it is nearly full: instances and NAT gateways from its start, pod
// blocks from its middle, load balancers from its end. What matters is that
// nothing ever overlaps; that is checked against everything in use.

// AWS keeps the first four addresses and the last one of every subnet.
const (
	keptFirst = 4
	keptLast  = 1
	balancers = 16 // the last addresses of a subnet are not given to pods
)

// hostAddress takes the next free address for an interface.
func (s *State) hostAddress(sub *Subnet) (netip.Addr, error) {
	whole := netip.MustParsePrefix(sub.CidrBlock)
	free := s.freeIn(sub)
	first, last := offset(whole.Masked().Addr(), keptFirst), offset(lastAddr(whole), -keptLast)
	start := first
	if a, err := netip.ParseAddr(sub.NextHost); err == nil && whole.Contains(a) && a.Compare(last) <= 0 {
		start = a
	}
	for a, n := start, size(whole); n > 0; n-- {
		if free(netip.PrefixFrom(a, 32)) {
			sub.NextHost = a.Next().String()
			return a, nil
		}
		if a = a.Next(); a.Compare(last) > 0 {
			a = first
		}
	}
	return netip.Addr{}, full(sub)
}

// podBlock takes the next free block that holds at least n addresses: /28 at
// the smallest, as the VPC CNI's prefix delegation, /26 at the largest.
func (s *State) podBlock(sub *Subnet, n int) (netip.Prefix, error) {
	length := min(28, max(26, 32-bits.Len(uint(max(n-1, 1)))))
	whole := netip.MustParsePrefix(sub.CidrBlock)
	free := s.freeIn(sub)
	step := 1 << (32 - length)
	middle := offset(whole.Masked().Addr(), (size(whole)/2)/step*step)
	last := offset(lastAddr(whole), -balancers)
	start := middle
	if p, err := netip.ParsePrefix(sub.NextBlock); err == nil && whole.Contains(p.Addr()) {
		start = netip.PrefixFrom(p.Addr(), length).Masked().Addr()
	}
	for a, left := start, size(whole)/step+1; left > 0; left-- {
		p := netip.PrefixFrom(a, length)
		if lastAddr(p).Compare(last) > 0 || !whole.Contains(a) {
			a = middle
			continue
		}
		if free(p) {
			sub.NextBlock = netip.PrefixFrom(offset(a, step), length).String()
			return p, nil
		}
		a = offset(a, step)
	}
	return netip.Prefix{}, full(sub)
}

// balancerAddress takes the highest free address.
func (s *State) balancerAddress(sub *Subnet) (netip.Addr, error) {
	whole := netip.MustParsePrefix(sub.CidrBlock)
	free := s.freeIn(sub)
	for a := offset(lastAddr(whole), -keptLast); whole.Contains(a); a = a.Prev() {
		if free(netip.PrefixFrom(a, 32)) {
			return a, nil
		}
	}
	return netip.Addr{}, full(sub)
}

// freeIn tells for one subnet whether a block meets nothing that is in use.
func (s *State) freeIn(sub *Subnet) func(netip.Prefix) bool {
	var used []netip.Prefix
	add := func(text string) {
		if p, err := netip.ParsePrefix(text); err == nil {
			used = append(used, p)
		} else if a, err := netip.ParseAddr(text); err == nil {
			used = append(used, netip.PrefixFrom(a, 32))
		}
	}
	for _, i := range s.Instances {
		if i.SubnetID == sub.SubnetID && i.State != Terminated {
			add(i.PrivateIP)
			add(i.PodCIDR)
		}
	}
	for _, n := range s.NATs {
		if n.SubnetID == sub.SubnetID {
			add(n.PrivateIPAddress)
		}
	}
	for _, lb := range s.LoadBalancers {
		add(lb.IP)
	}
	for _, lb := range s.V2Balancers {
		for _, z := range lb.Zones {
			add(z.IP)
		}
	}
	return func(p netip.Prefix) bool {
		for _, u := range used {
			if u.Overlaps(p) {
				return false
			}
		}
		return true
	}
}

// publicIP makes up an address of TEST-NET-3 or, when those are used up, of
// the benchmarking range: nothing in the sandbox ever sends to it.
func (s *State) publicIP() string {
	used := map[string]bool{}
	for _, a := range s.Addresses {
		used[a.PublicIP] = true
	}
	for _, i := range s.Instances {
		used[i.PublicIP] = true
	}
	for _, block := range []string{"203.0.113.0/24", "198.18.0.0/15"} {
		p := netip.MustParsePrefix(block)
		for a := p.Addr().Next(); p.Contains(a); a = a.Next() {
			if !used[a.String()] {
				return a.String()
			}
		}
	}
	return "198.18.0.0"
}

func full(sub *Subnet) error {
	return Errorf(Limit, "InsufficientFreeAddressesInSubnet",
		"The specified subnet does not have enough free addresses: %s", sub.SubnetID)
}

// FreeAddresses is what DescribeSubnets shows: each instance takes one address
// and its pod block.
func (s *State) FreeAddresses(sub *Subnet) int {
	n := size(netip.MustParsePrefix(sub.CidrBlock)) - keptFirst - keptLast
	for _, i := range s.Instances {
		if i.SubnetID == sub.SubnetID && i.State != Terminated {
			n--
			if p, err := netip.ParsePrefix(i.PodCIDR); err == nil {
				n -= size(p)
			}
		}
	}
	return n
}

func size(p netip.Prefix) int { return 1 << (32 - p.Bits()) }

func lastAddr(p netip.Prefix) netip.Addr { return offset(p.Masked().Addr(), size(p)-1) }

func offset(a netip.Addr, n int) netip.Addr {
	b := a.As4()
	var out [4]byte
	binary.BigEndian.PutUint32(out[:], uint32(int64(binary.BigEndian.Uint32(b[:]))+int64(n)))
	return netip.AddrFrom4(out)
}
