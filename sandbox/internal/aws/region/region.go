// Package region is the model behind every API of the sandbox: what exists in
// one AWS region and account, and the rules AWS keeps about it (names are
// unique, what is used cannot be deleted, addresses do not overlap).
//
// The packages beside it are faces of this model: cloudcontrol, ec2,
// autoscaling, elb, elbv2, eks, iam, sts, ssm, acm and cloudformation translate a wire protocol
// into methods of State and back. A VPC made through Cloud Control is the VPC that
// ec2:DescribeVpcs shows, because there is only one.
//
// An object is stored under its CloudFormation identifier, and its JSON form
// is its CloudFormation model plus a few fields of our own, which Cloud
// Control leaves out because the type's schema does not know them.
package region

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The one account and user of the sandbox.
const (
	Account   = "111122223333"
	UserARN   = "arn:aws:iam::" + Account + ":user/drover"
	UserID    = "AIDADROVERSANDBOX0000"
	AccessKey = "AKIADROVERSANDBOX000"
	SecretKey = "drover-sandbox"
)

// State is everything that exists. Maps are keyed by the CloudFormation
// identifier of the type; parts of a compound one are joined with "|".
type State struct {
	Region string

	VPCs            map[string]*VPC
	Subnets         map[string]*Subnet
	Gateways        map[string]*InternetGateway
	Attachments     map[string]*GatewayAttachment
	Addresses       map[string]*Address
	NATs            map[string]*NATGateway
	RouteTables     map[string]*RouteTable
	Routes          map[string]*Route
	Associations    map[string]*Association
	SecurityGroups  map[string]*SecurityGroup
	Rules           map[string]*Rule
	LaunchTemplates map[string]*LaunchTemplate
	Instances       map[string]*Instance
	Roles           map[string]*Role
	Profiles        map[string]*InstanceProfile
	Policies        map[string]*ManagedPolicy // by ARN
	OIDCProviders   map[string]*OIDCProvider  // by ARN
	Clusters        map[string]*Cluster
	AccessEntries   map[string]*AccessEntry
	Addons          map[string]*Addon
	PodIdentities   map[string]*PodIdentity // by ARN
	Keys            map[string]*Key         // by ID
	Nodegroups      map[string]*Nodegroup
	Groups          map[string]*Group
	LoadBalancers   map[string]*LoadBalancer
	V2Balancers     map[string]*V2Balancer // by ARN, as what follows
	TargetListeners map[string]*TargetListener
	ListenerRules   map[string]*ListenerRule
	TargetGroups    map[string]*TargetGroup
	Certificates    map[string]*Certificate // of ACM, by ARN
	Volumes         map[string]*Volume
	Stacks          map[string]*Stack // of CloudFormation, by ARN

	Operations map[string]*Operation // Cloud Control requests by token
	Sessions   map[string]*Session   // temporary credentials by access key
	Made       map[string]*Made      // by operation and client token
}

func newState(name string) *State {
	s := &State{Region: name}
	s.fill()
	return s
}

// fill makes the maps that a stored state did not have.
func (s *State) fill() {
	fill(&s.VPCs)
	fill(&s.Subnets)
	fill(&s.Gateways)
	fill(&s.Attachments)
	fill(&s.Addresses)
	fill(&s.NATs)
	fill(&s.RouteTables)
	fill(&s.Routes)
	fill(&s.Associations)
	fill(&s.SecurityGroups)
	fill(&s.Rules)
	fill(&s.LaunchTemplates)
	fill(&s.Instances)
	fill(&s.Roles)
	fill(&s.Profiles)
	fill(&s.Policies)
	fill(&s.OIDCProviders)
	fill(&s.Clusters)
	fill(&s.AccessEntries)
	fill(&s.Addons)
	fill(&s.PodIdentities)
	fill(&s.Keys)
	fill(&s.Nodegroups)
	fill(&s.Groups)
	fill(&s.LoadBalancers)
	fill(&s.V2Balancers)
	fill(&s.TargetListeners)
	fill(&s.ListenerRules)
	fill(&s.TargetGroups)
	fill(&s.Certificates)
	fill(&s.Volumes)
	fill(&s.Stacks)
	fill(&s.Operations)
	fill(&s.Sessions)
	fill(&s.Made)
}

func fill[T any](m *map[string]T) {
	if *m == nil {
		*m = map[string]T{}
	}
}

// Zone is an Availability Zone.
type Zone struct{ Name, ID string }

// Zones are the Availability Zones of the region: four in us-west-2, as the
// real one has, else three.
func (s *State) Zones() []Zone {
	letters := "abc"
	if s.Region == "us-west-2" {
		letters = "abcd"
	}
	var zones []Zone
	for i, c := range letters {
		zones = append(zones, Zone{Name: s.Region + string(c), ID: fmt.Sprintf("%s-az%d", shortRegion(s.Region), i+1)})
	}
	return zones
}

// shortRegion turns us-west-2 into usw2, as in zone IDs.
func shortRegion(name string) string {
	parts := strings.Split(name, "-")
	if len(parts) != 3 {
		return name
	}
	return parts[0] + parts[1][:1] + parts[2]
}

// ARN names an object of this account and region.
func (s *State) ARN(service, resource string) string {
	return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, s.Region, Account, resource)
}

// NewID makes an identifier as EC2 does: a prefix and 17 hex digits.
func NewID(prefix string) string {
	return prefix + "-" + randomHex(17)
}

// UUID makes a random identifier as requests and activities have.
func UUID() string {
	h := randomHex(32)
	return fmt.Sprintf("%s-%s-4%s-a%s-%s", h[:8], h[8:12], h[13:16], h[17:20], h[20:])
}

func randomHex(digits int) string {
	b := make([]byte, (digits+1)/2)
	_, _ = rand.Read(b) // never fails, see its documentation
	return hex.EncodeToString(b)[:digits]
}

// Tag is one tag; Propagate is used by Auto Scaling groups alone.
type Tag struct {
	Key       string
	Value     string
	Propagate *bool `json:"PropagateAtLaunch,omitempty"`
}

// Tags are the tags of one object.
type Tags []Tag

// Get is the value of a tag.
func (t Tags) Get(key string) (string, bool) {
	for _, tag := range t {
		if tag.Key == key {
			return tag.Value, true
		}
	}
	return "", false
}

// Set adds a tag or changes its value.
func (t *Tags) Set(tag Tag) {
	for i := range *t {
		if (*t)[i].Key == tag.Key {
			(*t)[i] = tag
			return
		}
	}
	*t = append(*t, tag)
}

// Remove takes a tag away. A value, if given, must match, as in DeleteTags.
func (t *Tags) Remove(key string, value *string) {
	*t = slices.DeleteFunc(*t, func(tag Tag) bool {
		return tag.Key == key && (value == nil || *value == tag.Value)
	})
}

// TagsOf finds the tags of any EC2 object by its ID; nil if there is none.
func (s *State) TagsOf(id string) *Tags {
	kind, _, _ := strings.Cut(id, "-")
	switch kind {
	case "vpc":
		return tagsIn(s.VPCs, id, func(o *VPC) *Tags { return &o.Tags })
	case "subnet":
		return tagsIn(s.Subnets, id, func(o *Subnet) *Tags { return &o.Tags })
	case "igw":
		return tagsIn(s.Gateways, id, func(o *InternetGateway) *Tags { return &o.Tags })
	case "nat":
		return tagsIn(s.NATs, id, func(o *NATGateway) *Tags { return &o.Tags })
	case "rtb":
		return tagsIn(s.RouteTables, id, func(o *RouteTable) *Tags { return &o.Tags })
	case "sg":
		return tagsIn(s.SecurityGroups, id, func(o *SecurityGroup) *Tags { return &o.Tags })
	case "i":
		return tagsIn(s.Instances, id, func(o *Instance) *Tags { return &o.Tags })
	case "vol":
		return tagsIn(s.Volumes, id, func(o *Volume) *Tags { return &o.Tags })
	case "lt":
		return tagsIn(s.LaunchTemplates, id, func(o *LaunchTemplate) *Tags { return &o.Tags })
	case "eipalloc":
		if a := s.AddressByAllocation(id); a != nil {
			return &a.Tags
		}
	}
	return nil
}

func tagsIn[T any](m map[string]*T, id string, tags func(*T) *Tags) *Tags {
	if o, ok := m[id]; ok {
		return tags(o)
	}
	return nil
}

// Rest holds the properties of a model that the sandbox stores and shows but
// does not act on.
type Rest map[string]any

// Num is a number that CloudFormation writes as a string.
type Num int

func (n Num) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, `"%d"`, int(n)), nil }

func (n *Num) UnmarshalJSON(data []byte) error {
	_, err := fmt.Sscanf(strings.Trim(string(data), `"`), "%d", (*int)(n))
	if err != nil {
		return fmt.Errorf("%s is not a number", data)
	}
	return nil
}

// Sorted lists the objects of a map in the order of their keys, so that
// answers are stable.
func Sorted[T any](m map[string]*T) []*T {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	list := make([]*T, len(keys))
	for i, k := range keys {
		list[i] = m[k]
	}
	return list
}

// Stamp is a time as the sandbox stores it: UTC, milliseconds.
func Stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
