package region

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// LoadBalancer is a Classic Load Balancer.
type LoadBalancer struct {
	Name           string
	DNSName        string
	IP             string // the one address of its data plane
	Scheme         string // internet-facing, internal
	VpcID          string
	Subnets        []string
	SecurityGroups []string
	Listeners      []Listener
	Instances      []Registration
	Check          HealthCheck
	CrossZone      bool // stored only: one proxy serves all zones
	Draining       bool
	DrainTimeout   int // seconds
	IdleTimeout    int // seconds
	Policies       []Policy
	BackendPolicy  map[int][]string // instance port -> policies
	Tags           Tags
	Created        time.Time
}

// Listener forwards a port to a port of every instance.
type Listener struct {
	Protocol         string // TCP, SSL; HTTP and HTTPS are carried as those, without X-Forwarded headers
	Port             int
	InstanceProtocol string
	InstancePort     int
	Certificate      string   `json:",omitempty"` // of SSL and HTTPS: ARN of ACM
	Policies         []string `json:",omitempty"`
}

// Secure: clients speak TLS with it.
func (l Listener) Secure() bool { return l.Protocol == "SSL" || l.Protocol == "HTTPS" }

// CheckClassic refuses a listener whose certificate ACM does not have, or has not issued yet.
func (s *State) CheckClassic(l Listener) error {
	c := s.Certificates[l.Certificate]
	switch {
	case !l.Secure() && l.Certificate != "":
		return Errorf(Invalid, "InvalidConfigurationRequest", "A listener of protocol %s has no SSLCertificateId", l.Protocol)
	case l.Secure() && l.Certificate == "":
		return Errorf(Invalid, "InvalidConfigurationRequest", "Secure Listeners need to specify a SSLCertificateId")
	case l.Secure() && (c == nil || c.Status != CertificateIssued):
		return Errorf(NotFound, "CertificateNotFound", "Server Certificate not found for the key: %s", l.Certificate)
	}
	return nil
}

// Policy is stored and shown; none has an effect.
type Policy struct {
	Name, Type string
	Attributes map[string]string
}

// Registration is an instance behind a load balancer. One that is being
// deregistered stays until its last connection ends, Deadline at the latest.
type Registration struct {
	InstanceID string
	Since      time.Time
	Leaving    time.Time `json:",omitzero"` // when it was deregistered
	Deadline   time.Time `json:",omitzero"`
}

// HealthCheck says how instances are probed; times are seconds.
type HealthCheck struct {
	Target             string // TCP:30080 or HTTP:30080/healthz
	Interval           int
	Timeout            int
	HealthyThreshold   int
	UnhealthyThreshold int
}

// CreateLoadBalancer makes a load balancer with AWS's defaults.
func (s *State) CreateLoadBalancer(lb *LoadBalancer, now time.Time) error {
	if len(lb.Subnets) == 0 {
		return Errorf(Invalid, "ValidationError", "At least one subnet must be specified: the sandbox has no EC2-Classic")
	}
	if err := s.PlaceLoadBalancer(lb); err != nil {
		return err
	}
	for _, id := range lb.SecurityGroups {
		if _, ok := s.SecurityGroups[id]; !ok {
			return Errorf(Invalid, "InvalidSecurityGroup", "One or more of the specified security groups do not exist: %s", id)
		}
	}
	if len(lb.SecurityGroups) == 0 {
		lb.SecurityGroups = []string{s.VPCs[lb.VpcID].DefaultSecurityGroup}
	}
	ip, err := s.balancerAddress(s.Subnets[lb.Subnets[0]])
	if err != nil {
		return err
	}
	lb.IP, lb.Created = ip.String(), now
	lb.Scheme = cmp.Or(lb.Scheme, "internet-facing")
	prefix := ""
	if lb.Scheme == "internal" {
		prefix = "internal-"
	}
	lb.DNSName = fmt.Sprintf("%s%s-%d.%s.elb.amazonaws.com", prefix, lb.Name,
		1000000000+hash(lb.Name+now.String())%1000000000, s.Region)
	lb.Check = HealthCheck{Target: fmt.Sprintf("TCP:%d", lb.Listeners[0].InstancePort), Interval: 30, Timeout: 5,
		HealthyThreshold: 10, UnhealthyThreshold: 2}
	lb.IdleTimeout, lb.DrainTimeout = 60, 300
	s.LoadBalancers[lb.Name] = lb
	return nil
}

// PlaceLoadBalancer checks the subnets: all of one VPC, one per zone.
func (s *State) PlaceLoadBalancer(lb *LoadBalancer) error {
	zones := map[string]bool{}
	lb.VpcID = ""
	for _, id := range lb.Subnets {
		sub, ok := s.Subnets[id]
		if !ok {
			return Errorf(NotFound, "SubnetNotFound", "The subnet ID '%s' does not exist", id)
		}
		if lb.VpcID != "" && lb.VpcID != sub.VpcID {
			return Errorf(Invalid, "InvalidConfigurationRequest", "Subnets must be in the same VPC")
		}
		if zones[sub.AvailabilityZone] {
			return Errorf(Invalid, "InvalidConfigurationRequest",
				"ELB cannot be attached to multiple subnets in the same AZ.")
		}
		lb.VpcID, zones[sub.AvailabilityZone] = sub.VpcID, true
	}
	return nil
}

// LoadBalancer finds a load balancer.
func (s *State) LoadBalancer(name string) (*LoadBalancer, error) {
	if lb, ok := s.LoadBalancers[name]; ok {
		return lb, nil
	}
	return nil, Errorf(NotFound, "LoadBalancerNotFound", "There is no ACTIVE Load Balancer named '%s'", name)
}

// Register puts an instance behind the load balancer, or back, if it was leaving.
func (lb *LoadBalancer) Register(instance string, now time.Time) {
	if r := lb.Find(instance); r != nil {
		if !r.Leaving.IsZero() {
			*r = Registration{InstanceID: instance, Since: now}
		}
		return
	}
	lb.Instances = append(lb.Instances, Registration{InstanceID: instance, Since: now})
}

// Deregister begins to take an instance out.
func (lb *LoadBalancer) Deregister(instance string, now time.Time) {
	if r := lb.Find(instance); r != nil && r.Leaving.IsZero() {
		r.Leaving, r.Deadline = now, now
		if lb.Draining {
			r.Deadline = now.Add(time.Duration(lb.DrainTimeout) * time.Second)
		}
	}
}

// Left is the end of a deregistration that began at that time.
func (lb *LoadBalancer) Left(instance string, leaving time.Time) {
	if r := lb.Find(instance); r != nil && r.Leaving.Equal(leaving) {
		lb.remove(instance)
	}
}

func (lb *LoadBalancer) remove(instance string) {
	lb.Instances = slices.DeleteFunc(lb.Instances, func(r Registration) bool { return r.InstanceID == instance })
}

// Find is the registration of an instance, nil if there is none.
func (lb *LoadBalancer) Find(instance string) *Registration {
	for k := range lb.Instances {
		if lb.Instances[k].InstanceID == instance {
			return &lb.Instances[k]
		}
	}
	return nil
}
