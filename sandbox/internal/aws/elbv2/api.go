// Package elbv2 is version 2015-12-01 of the Elastic Load Balancing API, and what
// makes a load balancer of the model a running one: dataplane.go keeps a
// balancer.Balancer for each zone and listener of a Network Load Balancer,
// applications.go an application.Balancer for each Application Load Balancer.
// Gateway Load Balancers are refused.
package elbv2

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// Namespace and Version are those of the API.
const (
	Namespace = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"
	Version   = "2015-12-01"
)

// Healther tells how a target of a group is.
type Healther interface {
	Health(group string, t region.GroupTarget) Health
}

// Service answers ELBv2 requests.
type Service struct {
	store  *region.Store
	health Healther
	now    func() time.Time
}

// New makes the service.
func New(store *region.Store, health Healther, now func() time.Time) *Service {
	return &Service{store: store, health: health, now: now}
}

// Actions lists what is implemented.
func (s *Service) Actions() map[string]wire.Action {
	return map[string]wire.Action{
		"CreateLoadBalancer":             wire.Must(s.createBalancer, "Name"),
		"DeleteLoadBalancer":             wire.Must(s.deleteBalancer, "LoadBalancerArn"),
		"DescribeLoadBalancers":          s.describeBalancers,
		"DescribeLoadBalancerAttributes": wire.Must(s.describeBalancerAttributes, "LoadBalancerArn"),
		"ModifyLoadBalancerAttributes":   wire.Must(s.modifyBalancerAttributes, "Attributes", "LoadBalancerArn"),
		"CreateListener":                 wire.Must(s.createListener, "DefaultActions", "LoadBalancerArn"),
		"ModifyListener":                 wire.Must(s.modifyListener, "ListenerArn"),
		"DeleteListener":                 wire.Must(s.deleteListener, "ListenerArn"),
		"DescribeListeners":              s.describeListeners,
		"DescribeListenerCertificates":   wire.Must(s.describeCertificates, "ListenerArn"),
		"AddListenerCertificates":        wire.Must(s.addCertificates, "Certificates", "ListenerArn"),
		"RemoveListenerCertificates":     wire.Must(s.removeCertificates, "Certificates", "ListenerArn"),
		"CreateRule":                     wire.Must(s.createRule, "Actions", "Conditions", "ListenerArn", "Priority"),
		"ModifyRule":                     wire.Must(s.modifyRule, "RuleArn"),
		"DeleteRule":                     wire.Must(s.deleteRule, "RuleArn"),
		"SetRulePriorities":              wire.Must(s.setPriorities, "RulePriorities"),
		"DescribeRules":                  s.describeRules,
		"SetSecurityGroups":              wire.Must(s.setSecurityGroups, "LoadBalancerArn", "SecurityGroups"),
		"SetSubnets":                     wire.Must(s.setSubnets, "LoadBalancerArn"),
		"SetIpAddressType":               wire.Must(s.setAddressType, "IpAddressType", "LoadBalancerArn"),
		"CreateTargetGroup":              wire.Must(s.createGroup, "Name"),
		"ModifyTargetGroup":              wire.Must(s.modifyGroup, "TargetGroupArn"),
		"DeleteTargetGroup":              wire.Must(s.deleteGroup, "TargetGroupArn"),
		"DescribeTargetGroups":           s.describeGroups,
		"DescribeTargetGroupAttributes":  wire.Must(s.describeGroupAttributes, "TargetGroupArn"),
		"ModifyTargetGroupAttributes":    wire.Must(s.modifyGroupAttributes, "Attributes", "TargetGroupArn"),
		"RegisterTargets":                wire.Must(s.register, "TargetGroupArn", "Targets"),
		"DeregisterTargets":              wire.Must(s.deregister, "TargetGroupArn", "Targets"),
		"DescribeTargetHealth":           wire.Must(s.describeHealth, "TargetGroupArn"),
		"AddTags":                        wire.Must(s.addTags, "ResourceArns", "Tags"),
		"RemoveTags":                     wire.Must(s.removeTags, "ResourceArns", "TagKeys"),
		"DescribeTags":                   wire.Must(s.describeTags, "ResourceArns"),
	}
}

func invalid(format string, args ...any) error {
	return region.Errorf(region.Invalid, "ValidationError", format, args...)
}

// pages are those of every Describe of this API.
var pages = wire.Paging{Least: 1, Most: 400, Default: 400, BadSize: "ValidationError", BadToken: "ValidationError"}

func page[T any](f wire.Form, list []T) ([]T, string, error) {
	return wire.Page(pages, list, f.Get("Marker"), f.Get("PageSize"))
}

type zoneItem struct {
	Zone   string `xml:"ZoneName"`
	Subnet string `xml:"SubnetId"`
	Empty  string `xml:"LoadBalancerAddresses"`
}

type balancerItem struct {
	ARN       string     `xml:"LoadBalancerArn"`
	DNSName   string     `xml:"DNSName"`
	HostedID  string     `xml:"CanonicalHostedZoneId"`
	Created   string     `xml:"CreatedTime"`
	Name      string     `xml:"LoadBalancerName"`
	Scheme    string     `xml:"Scheme"`
	VPC       string     `xml:"VpcId"`
	State     string     `xml:"State>Code"`
	Type      string     `xml:"Type"`
	Zones     []zoneItem `xml:"AvailabilityZones>member"`
	Groups    []string   `xml:"SecurityGroups>member,omitempty"`
	Addresses string     `xml:"IpAddressType"`
}

func showBalancer(lb *region.V2Balancer) balancerItem {
	item := balancerItem{ARN: lb.ARN, DNSName: lb.DNSName, HostedID: "Z18D5FSROUN65G", Created: wire.Stamp(lb.Created), Name: lb.Name,
		Scheme: lb.Scheme, VPC: lb.VpcID, State: "active", Type: lb.Type, Groups: lb.SecurityGroups, Addresses: "ipv4"}
	for _, z := range lb.Zones {
		item.Zones = append(item.Zones, zoneItem{Zone: z.Zone, Subnet: z.SubnetID})
	}
	return item
}

type balancers struct {
	Items []balancerItem `xml:"LoadBalancers>member"`
	Next  string         `xml:"NextMarker,omitempty"`
}

func (s *Service) createBalancer(_ *http.Request, f wire.Form) (any, error) {
	kind := cmp.Or(f.Get("Type"), region.Application)
	if kind != region.Network && kind != region.Application {
		return nil, region.Errorf(region.Invalid, "InvalidConfigurationRequest", "The sandbox has no load balancers of type '%s'", kind)
	}
	lb := &region.V2Balancer{Name: f.Get("Name"), Type: kind, Scheme: f.Get("Scheme"), SecurityGroups: f.List("SecurityGroups"), Tags: tagsIn(f)}
	if addresses := cmp.Or(f.Get("IpAddressType"), "ipv4"); addresses != "ipv4" {
		return nil, region.Errorf(region.Invalid, "InvalidConfigurationRequest", "The sandbox does not implement IpAddressType '%s'", addresses)
	}
	subnets := f.List("Subnets")
	for _, m := range f.Each("SubnetMappings") {
		if m.Has("AllocationId") || m.Has("PrivateIPv4Address") {
			return nil, region.Errorf(region.Invalid, "InvalidConfigurationRequest", "The sandbox's load balancers choose their own addresses")
		}
		subnets = append(subnets, m.Get("SubnetId"))
	}
	err := s.store.Update(f.Whole(func(st *region.State) error { return st.CreateV2Balancer(lb, subnets, region.Stamp(s.now())) }))
	return balancers{Items: []balancerItem{showBalancer(lb)}}, err
}

func (s *Service) deleteBalancer(_ *http.Request, f wire.Form) (any, error) {
	return nil, s.store.Update(f.Whole(func(st *region.State) error { return st.DeleteV2Balancer(f.Get("LoadBalancerArn")) }))
}

func (s *Service) describeBalancers(_ *http.Request, f wire.Form) (any, error) {
	arns, names := f.List("LoadBalancerArns"), f.List("Names")
	var out balancers
	err := s.store.Read(func(st *region.State) error {
		found := 0
		for _, lb := range region.Sorted(st.V2Balancers) {
			if len(arns)+len(names) == 0 || slices.Contains(arns, lb.ARN) || slices.Contains(names, lb.Name) {
				out.Items = append(out.Items, showBalancer(lb))
				found++
			}
		}
		if found < len(arns) || found < len(names) {
			return region.Errorf(region.NotFound, "LoadBalancerNotFound", "One or more load balancers not found")
		}
		return nil
	})
	if err == nil {
		out.Items, out.Next, err = page(f, out.Items)
	}
	return out, err
}

type attribute struct{ Key, Value string }

type attributes struct {
	Items []attribute `xml:"Attributes>member"`
}

func showAttributes(of map[string]string) attributes {
	var out attributes
	for key, value := range of {
		out.Items = append(out.Items, attribute{key, value})
	}
	slices.SortFunc(out.Items, func(a, b attribute) int {
		if a.Key < b.Key {
			return -1
		}
		return 1
	})
	return out
}

// setAttributes changes attributes that exist to values that they may have.
func setAttributes(of map[string]string, f wire.Form) error {
	for _, a := range f.Each("Attributes") {
		key, value := a.Get("Key"), a.Get("Value")
		was, known := of[key]
		n, err := strconv.Atoi(value)
		switch {
		case !known:
			return invalid("Target group or load balancer attribute key '%s' is not recognized", key)
		case (was == "true" || was == "false") && value != "true" && value != "false":
			return invalid("Attribute '%s' must be true or false", key)
		case key == "deregistration_delay.timeout_seconds" && (err != nil || n < 0 || n > 3600):
			return invalid("'%s' must be between '0' and '3600' inclusive", key)
		case key == "slow_start.duration_seconds" && (err != nil || n != 0 && (n < 30 || n > 900)):
			return invalid("'%s' must be 0 or between '30' and '900' inclusive", key)
		case key == "idle_timeout.timeout_seconds" && (err != nil || n < 1 || n > 4000):
			return invalid("'%s' must be between '1' and '4000' inclusive", key)
		case cannot(of, key, value):
			return region.Errorf(region.Invalid, "InvalidConfigurationRequest", "The sandbox's load balancers cannot do %s=%s", key, value)
		}
		of[key] = value
	}
	return nil
}

func (s *Service) describeBalancerAttributes(_ *http.Request, f wire.Form) (any, error) {
	var out attributes
	err := s.store.Read(func(st *region.State) error {
		lb, err := st.V2Balancer(f.Get("LoadBalancerArn"))
		if err == nil {
			out = showAttributes(lb.Attributes)
		}
		return err
	})
	return out, err
}

func (s *Service) modifyBalancerAttributes(_ *http.Request, f wire.Form) (any, error) {
	var out attributes
	err := s.store.Update(f.Whole(func(st *region.State) error {
		lb, err := st.V2Balancer(f.Get("LoadBalancerArn"))
		if err != nil {
			return err
		}
		err = setAttributes(lb.Attributes, f)
		out = showAttributes(lb.Attributes)
		return err
	}))
	return out, err
}

// cannot: the sandbox's data planes do not do what the attribute asks for. Networks'
// target groups hold an attribute for the client's address, those of applications do not.
func cannot(of map[string]string, key, value string) bool {
	_, flows := of["preserve_client_ip.enabled"]
	switch key {
	case "access_logs.s3.enabled", "connection_logs.s3.enabled":
		return value == "true"
	case "stickiness.enabled":
		return flows && value == "true"
	case "stickiness.type":
		return value == "app_cookie"
	case "load_balancing.algorithm.type":
		return value == "weighted_random"
	}
	return false
}

// tags finds the tags of anything that has an ARN here.
func tags(st *region.State, arn string) (*region.Tags, error) {
	if lb, ok := st.V2Balancers[arn]; ok {
		return &lb.Tags, nil
	}
	if l, ok := st.TargetListeners[arn]; ok {
		return &l.Tags, nil
	}
	if r, ok := st.ListenerRules[arn]; ok {
		return &r.Tags, nil
	}
	if g, ok := st.TargetGroups[arn]; ok {
		return &g.Tags, nil
	}
	return nil, noResource(st, arn)
}

// noResource says in the words of its kind that there is none.
func noResource(st *region.State, arn string) (err error) {
	resource, ok := strings.CutPrefix(arn, st.ARN("elasticloadbalancing", ""))
	switch kind, _, _ := strings.Cut(resource, "/"); kind {
	case "loadbalancer":
		_, err = st.V2Balancer(arn)
	case "listener":
		_, err = st.Listener(arn)
	case "listener-rule":
		_, err = st.Rule(arn)
	case "targetgroup":
		_, err = st.TargetGroup(arn)
	default:
		ok = false
	}
	if !ok {
		return invalid("'%s' is not a valid load balancer, listener, rule or target group ARN", arn)
	}
	return err
}

func tagsIn(f wire.Form) region.Tags {
	var list region.Tags
	for _, t := range f.Each("Tags") {
		list.Set(region.Tag{Key: t.Get("Key"), Value: t.Get("Value")})
	}
	return list
}

func (s *Service) addTags(_ *http.Request, f wire.Form) (any, error) {
	return s.eachTagged(f, func(of *region.Tags) {
		for _, t := range tagsIn(f) {
			of.Set(t)
		}
	})
}

func (s *Service) removeTags(_ *http.Request, f wire.Form) (any, error) {
	return s.eachTagged(f, func(of *region.Tags) {
		for _, key := range f.List("TagKeys") {
			of.Remove(key, nil)
		}
	})
}

func (s *Service) eachTagged(f wire.Form, change func(*region.Tags)) (any, error) {
	return nil, s.store.Update(f.Whole(func(st *region.State) error {
		for _, arn := range f.List("ResourceArns") {
			of, err := tags(st, arn)
			if err != nil {
				return err
			}
			change(of)
		}
		return nil
	}))
}

func (s *Service) describeTags(_ *http.Request, f wire.Form) (any, error) {
	type description struct {
		ARN  string      `xml:"ResourceArn"`
		Tags []attribute `xml:"Tags>member"`
	}
	var out struct {
		Items []description `xml:"TagDescriptions>member"`
	}
	arns := f.List("ResourceArns")
	if len(arns) > 20 {
		return nil, invalid("ResourceArns must have 20 elements at most")
	}
	err := s.store.Read(func(st *region.State) error {
		for _, arn := range arns {
			of, err := tags(st, arn)
			if err != nil {
				return err
			}
			d := description{ARN: arn}
			for _, t := range *of {
				d.Tags = append(d.Tags, attribute{t.Key, t.Value})
			}
			out.Items = append(out.Items, d)
		}
		return nil
	})
	return out, err
}
