package region

import (
	"fmt"
	"strings"
)

// Interface is an elastic network interface. None is stored: each follows from
// the object that owns it. They are what keeps subnets, security groups and
// VPCs from being deleted.
type Interface struct {
	ID          string
	Type        string // interface, nat_gateway
	Description string
	VpcID       string
	SubnetID    string
	PrivateIP   string
	PublicIP    string
	Groups      []string
	InstanceID  string
}

// InterfaceID is that of the instance's only interface.
func (i *Instance) InterfaceID() string { return "eni-" + i.ID[2:] }

// Interfaces lists the network interfaces that match.
func (s *State) Interfaces(match func(Interface) bool) []Interface {
	var list []Interface
	add := func(n Interface) {
		if match(n) {
			list = append(list, n)
		}
	}
	for _, i := range Sorted(s.Instances) {
		if i.State != Terminated {
			add(Interface{ID: i.InterfaceID(), Type: "interface", VpcID: i.VpcID, SubnetID: i.SubnetID,
				PrivateIP: i.PrivateIP, PublicIP: i.PublicIP, Groups: i.SecurityGroups, InstanceID: i.ID})
		}
	}
	for _, n := range Sorted(s.NATs) {
		nic := Interface{ID: n.EniID, Type: "nat_gateway", Description: "Interface for NAT Gateway " + n.NatGatewayID,
			VpcID: n.VpcID, SubnetID: n.SubnetID, PrivateIP: n.PrivateIPAddress}
		if a := s.AddressByAllocation(n.AllocationID); a != nil {
			nic.PublicIP = a.PublicIP
		}
		add(nic)
	}
	for _, lb := range Sorted(s.LoadBalancers) {
		for k, sub := range lb.Subnets {
			nic := Interface{ID: fmt.Sprintf("eni-%016x%x", hash(lb.Name), k), Type: "interface",
				Description: "ELB " + lb.Name,
				VpcID:       lb.VpcID, SubnetID: sub, Groups: lb.SecurityGroups}
			if k == 0 {
				nic.PrivateIP = lb.IP
			}
			if lb.Scheme == "internet-facing" {
				nic.PublicIP = fmt.Sprintf("198.51.100.%d", 1+(hash(lb.Name)+uint64(k))%254)
			}
			add(nic)
		}
	}
	for _, lb := range Sorted(s.V2Balancers) {
		_, name, _ := strings.Cut(lb.ARN, ":loadbalancer/")
		kind := "network_load_balancer"
		if lb.Type == Application {
			kind = "interface"
		}
		for k, z := range lb.Zones {
			nic := Interface{ID: fmt.Sprintf("eni-%016x%x", hash(lb.ARN), k), Type: kind, Description: "ELB " + name,
				VpcID: lb.VpcID, SubnetID: z.SubnetID, PrivateIP: z.IP, Groups: lb.SecurityGroups}
			if lb.Scheme == "internet-facing" {
				nic.PublicIP = fmt.Sprintf("198.51.100.%d", 1+(hash(lb.ARN)+uint64(k))%254)
			}
			add(nic)
		}
	}
	for _, c := range Sorted(s.Clusters) {
		for k, sub := range c.Network.SubnetIDs {
			if k == 2 {
				break // EKS places two interfaces
			}
			groups := append([]string{c.ClusterSecurityGroupID}, c.Network.SecurityGroupIDs...)
			add(Interface{ID: fmt.Sprintf("eni-%016x%x", hash(c.Name), k), Type: "interface",
				Description: "Amazon EKS " + c.Name,
				VpcID:       c.VpcID, SubnetID: sub, Groups: groups})
		}
	}
	return list
}

// hash is FNV-1a: a stable number for a name.
func hash(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return h
}
