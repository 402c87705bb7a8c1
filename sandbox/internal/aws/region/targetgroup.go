package region

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// NetworkBalancer is a Network Load Balancer, as the second version of Elastic
// Load Balancing has it. It is found by its ARN.
type NetworkBalancer struct {
	ARN            string
	Name           string
	DNSName        string
	Scheme         string // internet-facing, internal
	VpcID          string
	Zones          []BalancerZone
	SecurityGroups []string
	Attributes     map[string]string
	Tags           Tags
	Created        time.Time
}

// BalancerZone is one zone that a load balancer has an address in.
type BalancerZone struct {
	Zone     string
	SubnetID string
	IP       string
}

// TargetListener forwards a port of a load balancer to a target group.
type TargetListener struct {
	ARN      string
	Balancer string // ARN
	Protocol string // TCP
	Port     int
	Group    string // ARN
	Tags     Tags
}

// TargetGroup is where a listener forwards to.
type TargetGroup struct {
	ARN        string
	Name       string
	Protocol   string // TCP
	Port       int    // of targets that are registered without one
	VpcID      string
	Type       string // instance, ip
	Check      GroupCheck
	Attributes map[string]string
	Targets    []GroupTarget
	Tags       Tags
	Created    time.Time
}

// GroupCheck says how targets are probed; times are seconds.
type GroupCheck struct {
	Protocol  string // TCP, HTTP
	Port      string // a number, or traffic-port
	Path      string `json:",omitempty"` // of HTTP
	Interval  int
	Timeout   int
	Healthy   int
	Unhealthy int
}

// GroupTarget is an instance or an address behind a target group. One that was
// deregistered stays until its deregistration delay is over, and after that for
// as long as the data plane lags behind; then the API shows it no more.
type GroupTarget struct {
	ID       string // i-0123456789abcdef0, or an address
	Port     int
	Since    time.Time
	Leaving  time.Time `json:",omitzero"` // when it was deregistered
	Deadline time.Time `json:",omitzero"`
}

// Left: its deregistration delay is over.
func (t GroupTarget) Left(now time.Time) bool { return !t.Leaving.IsZero() && !now.Before(t.Deadline) }

// traffic is the health check port that follows the target's own.
const traffic = "traffic-port"

// CheckPort is the port that is checked of a target.
func (g *TargetGroup) CheckPort(t GroupTarget) int {
	if n, err := strconv.Atoi(g.Check.Port); err == nil {
		return n
	}
	return t.Port
}

// Delay is the deregistration delay.
func (g *TargetGroup) Delay() time.Duration {
	n, err := strconv.Atoi(g.Attributes["deregistration_delay.timeout_seconds"])
	if err != nil {
		n = 300
	}
	return time.Duration(n) * time.Second
}

// CrossZone: the group's targets get connections from every zone of the balancer.
func (g *TargetGroup) CrossZone(lb *NetworkBalancer) bool {
	switch own := g.Attributes[crossZone]; own {
	case "true", "false":
		return own == "true"
	}
	return lb.Attributes[crossZone] == "true"
}

const crossZone = "load_balancing.cross_zone.enabled"

// CreateNetworkBalancer makes a load balancer with AWS's defaults.
func (s *State) CreateNetworkBalancer(lb *NetworkBalancer, subnets []string, now time.Time) error {
	if lb.Name == "" || len(lb.Name) > 32 || strings.Trim(lb.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
		return Errorf(Invalid, "ValidationError", "Load balancer name '%s' must have 1 to 32 letters, digits and hyphens", lb.Name)
	}
	for _, o := range s.NetworkBalancers {
		if o.Name == lb.Name {
			return Errorf(Exists, "DuplicateLoadBalancerName", "A load balancer with the same name '%s' exists, but with different settings", lb.Name)
		}
	}
	if err := s.placeZones(lb, subnets); err != nil {
		return err
	}
	for _, id := range lb.SecurityGroups {
		if _, ok := s.SecurityGroups[id]; !ok {
			return Errorf(Invalid, "InvalidSecurityGroup", "One or more security groups are invalid: %s", id)
		}
	}
	if lb.Scheme == "" {
		lb.Scheme = "internet-facing"
	}
	id := randomHex(16)
	lb.ARN = s.ARN("elasticloadbalancing", "loadbalancer/net/"+lb.Name+"/"+id)
	lb.DNSName = fmt.Sprintf("%s-%s.elb.%s.amazonaws.com", lb.Name, id, s.Region)
	lb.Created = now
	lb.Attributes = map[string]string{crossZone: "false", "deletion_protection.enabled": "false", "access_logs.s3.enabled": "false",
		"access_logs.s3.bucket": "", "access_logs.s3.prefix": "", "ipv6.deny_all_igw_traffic": "false",
		"dns_record.client_routing_policy": "any_availability_zone"}
	s.NetworkBalancers[lb.ARN] = lb
	return nil
}

// placeZones takes an address in each subnet: all of one VPC, one per zone.
func (s *State) placeZones(lb *NetworkBalancer, subnets []string) error {
	if len(subnets) == 0 {
		return Errorf(Invalid, "ValidationError", "You must specify subnets or subnet mappings")
	}
	for _, id := range subnets {
		sub, ok := s.Subnets[id]
		if !ok {
			return Errorf(NotFound, "SubnetNotFound", "The subnet ID '%s' does not exist", id)
		}
		if lb.VpcID != "" && lb.VpcID != sub.VpcID {
			return Errorf(Invalid, "InvalidConfigurationRequest", "All subnets must belong to the same VPC: '%s'", lb.VpcID)
		}
		if slices.ContainsFunc(lb.Zones, func(z BalancerZone) bool { return z.Zone == sub.AvailabilityZone }) {
			return Errorf(Invalid, "InvalidConfigurationRequest", "A load balancer cannot be attached to multiple subnets in the same Availability Zone")
		}
		ip, err := s.balancerAddress(sub)
		if err != nil {
			return err
		}
		lb.VpcID = sub.VpcID
		lb.Zones = append(lb.Zones, BalancerZone{Zone: sub.AvailabilityZone, SubnetID: id, IP: ip.String()})
	}
	return nil
}

// NetworkBalancer finds a load balancer by its ARN.
func (s *State) NetworkBalancer(arn string) (*NetworkBalancer, error) {
	if lb, ok := s.NetworkBalancers[arn]; ok {
		return lb, nil
	}
	return nil, Errorf(NotFound, "LoadBalancerNotFound", "Load balancer '%s' not found", arn)
}

// DeleteNetworkBalancer takes a load balancer and its listeners away; its target
// groups stay. One that is gone is no error, as on AWS.
func (s *State) DeleteNetworkBalancer(arn string) error {
	if lb, ok := s.NetworkBalancers[arn]; ok && lb.Attributes["deletion_protection.enabled"] == "true" {
		return Errorf(Busy, "OperationNotPermitted", "Load balancer '%s' cannot be deleted because deletion protection is enabled", arn)
	}
	delete(s.NetworkBalancers, arn)
	maps.DeleteFunc(s.TargetListeners, func(_ string, l *TargetListener) bool { return l.Balancer == arn })
	return nil
}

// CreateTargetGroup makes a target group; its check and attributes hold what was
// asked for, and get AWS's defaults for the rest.
func (s *State) CreateTargetGroup(g *TargetGroup, now time.Time) error {
	for _, o := range s.TargetGroups {
		if o.Name == g.Name {
			return Errorf(Exists, "DuplicateTargetGroupName", "A target group with the same name '%s' exists, but with different settings", g.Name)
		}
	}
	if _, ok := s.VPCs[g.VpcID]; !ok {
		return Errorf(NotFound, "ValidationError", "The VPC ID '%s' is not found", g.VpcID)
	}
	g.ARN = s.ARN("elasticloadbalancing", "targetgroup/"+g.Name+"/"+randomHex(16))
	g.Created = now
	g.Attributes = map[string]string{"deregistration_delay.timeout_seconds": "300", "deregistration_delay.connection_termination.enabled": "false",
		crossZone: "use_load_balancer_configuration", "stickiness.enabled": "false", "stickiness.type": "source_ip",
		"preserve_client_ip.enabled": strconv.FormatBool(g.Type == "instance"), "proxy_protocol_v2.enabled": "false"}
	s.TargetGroups[g.ARN] = g
	return nil
}

// TargetGroup finds a target group by its ARN.
func (s *State) TargetGroup(arn string) (*TargetGroup, error) {
	if g, ok := s.TargetGroups[arn]; ok {
		return g, nil
	}
	return nil, Errorf(NotFound, "TargetGroupNotFound", "One or more target groups not found")
}

// DeleteTargetGroup refuses one that a listener forwards to.
func (s *State) DeleteTargetGroup(arn string) error {
	if s.BalancerOf(arn) != nil {
		return Errorf(Dependency, "ResourceInUse", "Target group '%s' is currently in use by a listener or a rule", arn)
	}
	delete(s.TargetGroups, arn)
	return nil
}

// BalancerOf is the load balancer that forwards to a target group; nil: none does.
func (s *State) BalancerOf(group string) *NetworkBalancer {
	for _, l := range Sorted(s.TargetListeners) {
		if l.Group == group {
			return s.NetworkBalancers[l.Balancer]
		}
	}
	return nil
}

// AddListener makes a listener of a load balancer.
func (s *State) AddListener(l *TargetListener) error {
	lb, err := s.NetworkBalancer(l.Balancer)
	if err != nil {
		return err
	}
	g, err := s.TargetGroup(l.Group)
	if err != nil {
		return err
	}
	if of := s.BalancerOf(g.ARN); of != nil && of != lb {
		return Errorf(Limit, "TargetGroupAssociationLimit", "The following target groups cannot be associated with more than one load balancer: %s", g.ARN)
	}
	for _, o := range s.TargetListeners {
		if o.Balancer == l.Balancer && o.Port == l.Port {
			return Errorf(Exists, "DuplicateListener", "A listener already exists on this port for this load balancer '%s'", l.Balancer)
		}
	}
	l.ARN = strings.Replace(lb.ARN, ":loadbalancer/", ":listener/", 1) + "/" + randomHex(16)
	s.TargetListeners[l.ARN] = l
	return nil
}

// Register puts a target into the group, or back, if it was leaving.
func (g *TargetGroup) Register(id string, port int, now time.Time) {
	for k, t := range g.Targets {
		if t.ID == id && t.Port == port {
			if !t.Leaving.IsZero() {
				g.Targets[k] = GroupTarget{ID: id, Port: port, Since: now}
			}
			return
		}
	}
	g.Targets = append(g.Targets, GroupTarget{ID: id, Port: port, Since: now})
}

// Deregister begins to take a target out; without a port all of that ID.
func (g *TargetGroup) Deregister(id string, port int, now time.Time) {
	for k, t := range g.Targets {
		if t.ID == id && (port == 0 || t.Port == port) && t.Leaving.IsZero() {
			g.Targets[k].Leaving, g.Targets[k].Deadline = now, now.Add(g.Delay())
		}
	}
}

// TargetAddress is where a target is, and in which zone; false: nowhere.
func (s *State) TargetAddress(g *TargetGroup, id string) (ip netip.Addr, zone string, ok bool) {
	if g.Type == "instance" {
		i := s.Instances[id]
		if i == nil || i.State == Terminated || s.Subnets[i.SubnetID] == nil {
			return ip, "", false
		}
		ip, err := netip.ParseAddr(i.PrivateIP)
		return ip, s.Subnets[i.SubnetID].AvailabilityZone, err == nil
	}
	ip, err := netip.ParseAddr(id)
	if err != nil {
		return ip, "", false
	}
	for _, sub := range s.Subnets {
		if p, err := netip.ParsePrefix(sub.CidrBlock); err == nil && sub.VpcID == g.VpcID && p.Contains(ip) {
			return ip, sub.AvailabilityZone, true
		}
	}
	return ip, "", false
}
