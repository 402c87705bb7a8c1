package region

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// InstanceState is the state of an instance, in EC2's words.
type InstanceState string

// States in their order.
const (
	Pending      InstanceState = "pending"
	Running      InstanceState = "running"
	ShuttingDown InstanceState = "shutting-down"
	Terminated   InstanceState = "terminated"
)

// Code is the number EC2 gives a state.
func (s InstanceState) Code() int {
	switch s {
	case Running:
		return 16
	case ShuttingDown:
		return 32
	case Terminated:
		return 48
	case Pending:
	}
	return 0
}

// Instance is an EC2 instance, of an Auto Scaling group or of none.
type Instance struct {
	ID             string
	State          InstanceState
	Reason         string `json:",omitempty"` // why it is not running
	ImageID        string
	Type           string
	VpcID          string
	SubnetID       string
	Zone           string
	PrivateIP      string
	PublicIP       string `json:",omitempty"`
	PodCIDR        string // addresses of the subnet lent for its pods
	ProfileARN     string
	SecurityGroups []string
	UserData       string // base64
	Tags           Tags
	Launched       time.Time
	Ended          time.Time `json:",omitzero"` // when it became terminated

	Spot            bool `json:",omitempty"` // capacity that AWS may take back
	TemplateID      string
	TemplateName    string
	TemplateVersion int
	Reservation     string `json:",omitempty"` // the first instance of its launch; empty: itself

	// Of its Auto Scaling group:
	Group     string
	Lifecycle string    // Pending, Pending:Wait, InService, Terminating:Wait, Terminating, Terminated
	Waits     time.Time `json:",omitzero"` // in one of the Wait states: for its hook, since
	Protected bool      // from scale-in
	Unhealthy bool      // set by SetInstanceHealth or by EC2
	Retired   bool      // its group knows of its end; one that is not retired shall be replaced
}

// Alive tells whether an instance runs, or is about to.
func (i *Instance) Alive() bool { return i.State == Pending || i.State == Running }

// Counts tells whether an instance counts in its group: one that a hook holds
// back from its end does no longer, although it still runs.
func (i *Instance) Counts() bool { return i.Alive() && !strings.HasPrefix(i.Lifecycle, "Terminating") }

// Instance finds an instance; a terminated one is visible for a while.
func (s *State) Instance(id string) (*Instance, error) {
	if i, ok := s.Instances[id]; ok {
		return i, nil
	}
	return nil, Errorf(NotFound, "InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", id)
}

// Launch is what an instance is made of.
type Launch struct {
	Data            LaunchTemplateData
	Subnet          *Subnet
	TemplateID      string
	TemplateName    string
	TemplateVersion int
}

// Run makes an instance.
func (s *State) Run(l Launch, now time.Time) (*Instance, error) {
	data, sub := l.Data, l.Subnet
	typ, ok := LookupType(data.InstanceType)
	if !ok {
		return nil, Errorf(Invalid, "InvalidParameterValue", "Invalid value '%s' for InstanceType.", data.InstanceType)
	}
	if _, ok := LookupImage(s.Region, data.ImageID); !ok {
		return nil, Errorf(Invalid, "InvalidAMIID.NotFound", "The image id '[%s]' does not exist", data.ImageID)
	}
	profile := s.ProfileOf(data)
	if profile == nil && data.IamInstanceProfile.Arn+data.IamInstanceProfile.Name != "" {
		return nil, Errorf(Invalid, "InvalidParameterValue", "Value (%s%s) for parameter iamInstanceProfile is invalid. "+
			"Invalid IAM Instance Profile", data.IamInstanceProfile.Arn, data.IamInstanceProfile.Name)
	}
	i := &Instance{ID: NewID("i"), State: Pending, ImageID: data.ImageID, Type: data.InstanceType, VpcID: sub.VpcID,
		SubnetID: sub.SubnetID, Zone: sub.AvailabilityZone, UserData: data.UserData, Launched: now,
		TemplateID: l.TemplateID, TemplateName: l.TemplateName, TemplateVersion: l.TemplateVersion}
	if profile != nil {
		i.ProfileARN = profile.Arn
	}
	if err := s.connect(i, sub, data, typ.MaxPods); err != nil {
		return nil, err
	}
	for _, spec := range data.TagSpecifications {
		if spec.ResourceType == "instance" {
			i.Tags = append(i.Tags, spec.Tags...)
		}
	}
	if l.TemplateID != "" {
		i.Tags.Set(Tag{Key: "aws:ec2launchtemplate:id", Value: l.TemplateID})
		i.Tags.Set(Tag{Key: "aws:ec2launchtemplate:version", Value: strconv.Itoa(l.TemplateVersion)})
	}
	s.Instances[i.ID] = i
	return i, nil
}

// Launch makes an instance of a group in one of its subnets.
func (s *State) Launch(g *Group, sub *Subnet, now time.Time) (*Instance, error) {
	template, version, err := s.TemplateVersion(g.Launches())
	if err != nil {
		return nil, err
	}
	data := version.Data
	typ, spot := g.Mixed.next(s.Members(g.Name))
	data.InstanceType = cmp.Or(typ, data.InstanceType)
	i, err := s.Run(Launch{Data: data, Subnet: sub, TemplateID: template.LaunchTemplateID,
		TemplateName: template.LaunchTemplateName, TemplateVersion: version.Number}, now)
	if err != nil {
		return nil, err
	}
	i.Group, i.Lifecycle, i.Protected, i.Spot = g.Name, "Pending", g.ProtectNew, spot || g.Spot
	for _, t := range g.Tags {
		if t.Propagate != nil && *t.Propagate {
			i.Tags.Set(Tag{Key: t.Key, Value: t.Value})
		}
	}
	i.Tags.Set(Tag{Key: "aws:autoscaling:groupName", Value: g.Name})
	return i, nil
}

// connect gives an instance its addresses and security groups.
func (s *State) connect(i *Instance, sub *Subnet, data LaunchTemplateData, pods int) error {
	ip, err := s.hostAddress(sub)
	if err != nil {
		return err
	}
	block, err := s.podBlock(sub, pods)
	if err != nil {
		return err
	}
	i.PrivateIP, i.PodCIDR = ip.String(), block.String()
	public := sub.MapPublicIPOnLaunch
	i.SecurityGroups = data.SecurityGroupIDs
	for _, nic := range data.NetworkInterfaces {
		i.SecurityGroups = append(i.SecurityGroups, nic.Groups...)
		if nic.AssociatePublicIPAddress != nil {
			public = *nic.AssociatePublicIPAddress
		}
	}
	if len(i.SecurityGroups) == 0 {
		i.SecurityGroups = []string{s.VPCs[sub.VpcID].DefaultSecurityGroup}
	}
	for _, id := range i.SecurityGroups {
		if _, err := s.SecurityGroup(id); err != nil {
			return err
		}
	}
	if public {
		i.PublicIP = s.publicIP()
	}
	return nil
}

// Terminate begins the end of an instance.
func (s *State) Terminate(i *Instance, reason string) {
	if i.Alive() {
		i.State, i.Reason, i.Lifecycle = ShuttingDown, reason, "Terminating"
	}
}

// EndInstance marks an instance as terminated; load balancers let go of it by themselves.
func (s *State) EndInstance(i *Instance, now time.Time) {
	i.State, i.Ended, i.Lifecycle = Terminated, now, "Terminated"
	s.detachAll(i)
	for _, lb := range s.LoadBalancers {
		lb.remove(i.ID)
	}
	for _, g := range s.TargetGroups {
		g.Targets = slices.DeleteFunc(g.Targets, func(t GroupTarget) bool { return t.ID == i.ID })
	}
}

// Resolve answers the sandbox's DNS: names of load balancers and of instances.
func (s *State) Resolve(name string) (netip.Addr, bool) {
	for _, lb := range s.LoadBalancers {
		if strings.EqualFold(lb.DNSName, name) {
			a, err := netip.ParseAddr(lb.IP)
			return a, err == nil
		}
	}
	for _, i := range s.Instances {
		if i.State != Terminated && strings.EqualFold(s.NodeName(i.PrivateIP), name) {
			a, err := netip.ParseAddr(i.PrivateIP)
			return a, err == nil
		}
	}
	return netip.Addr{}, false
}
