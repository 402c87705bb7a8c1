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

// V2Balancer is a load balancer of the second version of Elastic Load Balancing:
// a Network or an Application Load Balancer. It is found by its ARN.
type V2Balancer struct {
	ARN            string
	Name           string
	Type           string // network, application
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

// TargetGroup is where a listener forwards to.
type TargetGroup struct {
	ARN        string
	Name       string
	Protocol   string // TCP, TLS, HTTP, HTTPS
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
	Protocol  string // TCP, HTTP, HTTPS
	Port      string // a number, or traffic-port
	Path      string `json:",omitempty"` // of HTTP
	Matcher   string `json:",omitempty"` // of HTTP: 200, 200-399, 200,204
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

// TrafficPort is the health check port that follows the target's own.
const TrafficPort = "traffic-port"

// CheckPort is the port that is checked of a target.
func (g *TargetGroup) CheckPort(t GroupTarget) int {
	if n, err := strconv.Atoi(g.Check.Port); err == nil {
		return n
	}
	return t.Port
}

// Flows: it is one of Network Load Balancers, which know connections and no requests.
func (g *TargetGroup) Flows() bool { return g.Protocol == "TCP" || g.Protocol == "TLS" }

// Delay is the deregistration delay.
func (g *TargetGroup) Delay() time.Duration {
	n, err := strconv.Atoi(g.Attributes["deregistration_delay.timeout_seconds"])
	if err != nil {
		n = 300
	}
	return time.Duration(n) * time.Second
}

// CrossZone: the group's targets get connections from every zone of the balancer.
func (g *TargetGroup) CrossZone(lb *V2Balancer) bool {
	switch own := g.Attributes[crossZone]; own {
	case "true", "false":
		return own == "true"
	}
	return lb.Attributes[crossZone] == "true"
}

const crossZone = "load_balancing.cross_zone.enabled"

// CreateV2Balancer makes a load balancer with AWS's defaults.
func (s *State) CreateV2Balancer(lb *V2Balancer, subnets []string, now time.Time) error {
	if lb.Name == "" || len(lb.Name) > 32 || strings.Trim(lb.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
		return Errorf(Invalid, "ValidationError", "Load balancer name '%s' must have 1 to 32 letters, digits and hyphens", lb.Name)
	}
	for _, o := range s.V2Balancers {
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
	if len(lb.SecurityGroups) == 0 && lb.Type == Application {
		lb.SecurityGroups = []string{s.VPCs[lb.VpcID].DefaultSecurityGroup}
	}
	if lb.Scheme == "" {
		lb.Scheme = "internet-facing"
	}
	lb.Created = now
	lb.identify(s)
	s.V2Balancers[lb.ARN] = lb
	return nil
}

// identify gives a new load balancer its ARN, name and default attributes.
func (lb *V2Balancer) identify(s *State) {
	id := randomHex(16)
	lb.Attributes = map[string]string{"deletion_protection.enabled": "false", "access_logs.s3.enabled": "false",
		"access_logs.s3.bucket": "", "access_logs.s3.prefix": "", "ipv6.deny_all_igw_traffic": "false"}
	if lb.Type == Application {
		lb.ARN = s.ARN("elasticloadbalancing", "loadbalancer/app/"+lb.Name+"/"+id)
		prefix := ""
		if lb.Scheme == "internal" {
			prefix = "internal-"
		}
		lb.DNSName = fmt.Sprintf("%s%s-%d.%s.elb.amazonaws.com", prefix, lb.Name, 1000000000+hash(lb.ARN)%1000000000, s.Region)
		maps.Copy(lb.Attributes, map[string]string{crossZone: "true", "idle_timeout.timeout_seconds": "60", "client_keep_alive.seconds": "3600",
			"routing.http2.enabled": "true", "routing.http.drop_invalid_header_fields.enabled": "false",
			"routing.http.desync_mitigation_mode": "defensive", "routing.http.preserve_host_header.enabled": "false",
			"routing.http.xff_client_port.enabled": "false", "routing.http.xff_header_processing.mode": "append",
			"routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false", "waf.fail_open.enabled": "false",
			"zonal_shift.config.enabled": "false", "connection_logs.s3.enabled": "false", "connection_logs.s3.bucket": "",
			"connection_logs.s3.prefix": ""})
		return
	}
	lb.ARN = s.ARN("elasticloadbalancing", "loadbalancer/net/"+lb.Name+"/"+id)
	lb.DNSName = fmt.Sprintf("%s-%s.elb.%s.amazonaws.com", lb.Name, id, s.Region)
	maps.Copy(lb.Attributes, map[string]string{crossZone: "false", "dns_record.client_routing_policy": "any_availability_zone"})
}

// placeZones takes an address in each subnet: all of one VPC, one per zone.
func (s *State) placeZones(lb *V2Balancer, subnets []string) error {
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
	if lb.Type == Application && len(lb.Zones) < 2 {
		return Errorf(Invalid, "ValidationError", "At least two subnets in two different Availability Zones must be specified")
	}
	return nil
}

// MoveV2Balancer puts a load balancer into other subnets. It keeps its address in a
// subnet that it is in already.
func (s *State) MoveV2Balancer(lb *V2Balancer, subnets []string) error {
	moved := *lb
	moved.VpcID, moved.Zones = "", nil
	if err := s.placeZones(&moved, subnets); err != nil {
		return err
	}
	for k, z := range moved.Zones {
		for _, old := range lb.Zones {
			if old.SubnetID == z.SubnetID {
				moved.Zones[k] = old
			}
		}
	}
	lb.Zones = moved.Zones
	return nil
}

// V2Balancer finds a load balancer by its ARN.
func (s *State) V2Balancer(arn string) (*V2Balancer, error) {
	if lb, ok := s.V2Balancers[arn]; ok {
		return lb, nil
	}
	return nil, Errorf(NotFound, "LoadBalancerNotFound", "Load balancer '%s' not found", arn)
}

// DeleteV2Balancer takes a load balancer and its listeners away; its target
// groups stay. One that is gone is no error, as on AWS.
func (s *State) DeleteV2Balancer(arn string) error {
	if lb, ok := s.V2Balancers[arn]; ok && lb.Attributes["deletion_protection.enabled"] == "true" {
		return Errorf(Busy, "OperationNotPermitted", "Load balancer '%s' cannot be deleted because deletion protection is enabled", arn)
	}
	delete(s.V2Balancers, arn)
	for _, l := range Sorted(s.TargetListeners) {
		if l.Balancer == arn {
			s.DeleteListener(l.ARN)
		}
	}
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
	g.Attributes = map[string]string{"deregistration_delay.timeout_seconds": "300", crossZone: "use_load_balancer_configuration",
		"stickiness.enabled": "false"}
	if g.Flows() {
		maps.Copy(g.Attributes, map[string]string{"deregistration_delay.connection_termination.enabled": "false", "stickiness.type": "source_ip",
			"preserve_client_ip.enabled": strconv.FormatBool(g.Type == "instance"), "proxy_protocol_v2.enabled": "false"})
	} else {
		maps.Copy(g.Attributes, map[string]string{"slow_start.duration_seconds": "0", "load_balancing.algorithm.type": "round_robin",
			"load_balancing.algorithm.anomaly_mitigation": "off", "stickiness.type": "lb_cookie",
			"stickiness.lb_cookie.duration_seconds": "86400", "stickiness.app_cookie.cookie_name": "", "stickiness.app_cookie.duration_seconds": "86400"})
	}
	s.TargetGroups[g.ARN] = g
	return nil
}

// Seconds reads an attribute that is a number of seconds; it is what AWS's
// defaults hold if it cannot be read.
func Seconds(attributes map[string]string, key string) time.Duration {
	n, _ := strconv.Atoi(attributes[key])
	return time.Duration(n) * time.Second
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
