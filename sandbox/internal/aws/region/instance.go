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
	Stopping     InstanceState = "stopping"
	Stopped      InstanceState = "stopped"
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
	case Stopping:
		return 64
	case Stopped:
		return 80
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
	Public         bool   `json:",omitempty"` // it gets a public address whenever it is started
	PodCIDR        string // addresses of the subnet lent for its pods
	ProfileARN     string
	SecurityGroups []string
	UserData       string // base64
	Tags           Tags
	Launched       time.Time // or started the last time
	Rebooting      bool      `json:",omitempty"`
	Ended          time.Time `json:",omitzero"` // when it became terminated

	Spot            bool `json:",omitempty"` // capacity that AWS may take back
	TemplateID      string
	TemplateName    string
	TemplateVersion int
	Reservation     string `json:",omitempty"` // the first instance of its launch; empty: itself

	// Of its Auto Scaling group:
	Group     string
	Lifecycle string    // Pending, Pending:Wait, InService, Terminating, Terminating:Wait, Terminating:Retained, Terminated
	Waits     time.Time `json:",omitzero"` // in one of the Wait states: for its hook, since
	Protected bool      // from scale-in
	Unhealthy bool      // set by SetInstanceHealth or by EC2
	Retired   bool      // its group knows of its end; one that is not retired shall be replaced
	// What its group has registered it with, until that has let go of it, and what the
	// group was attached to when it came into service while AddToLoadBalancer was
	// suspended: with that it is never registered.
	Joined []TrafficSource `json:",omitempty"`
	Apart  []TrafficSource `json:",omitempty"`
	Served time.Time       `json:",omitzero"` // when it came into service
}

// Alive tells whether an instance runs, or is about to.
func (i *Instance) Alive() bool { return i.State == Pending || i.State == Running }

// Ending tells whether an instance is over, or about to be.
func (i *Instance) Ending() bool { return i.State == ShuttingDown || i.State == Terminated }

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
	if _, ok := s.Image(data.ImageID); !ok {
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
	if i.Public = public; public {
		i.PublicIP = s.publicIP()
	}
	return nil
}

// Stop switches an instance off. Its volumes and private address stay.
func (s *State) Stop(i *Instance, reason string) error {
	switch i.State {
	case Running:
		if i.Spot {
			return Errorf(Invalid, "UnsupportedOperation", "You can't stop the Spot Instance '%s' because it is associated with a one-time Spot Instance request. "+
				"You can only stop Spot Instances associated with persistent Spot Instance requests.", i.ID)
		}
		i.State, i.Reason, i.Rebooting = Stopping, reason, false
	case Stopping, Stopped:
	case Pending, ShuttingDown, Terminated:
		return Errorf(Invalid, "IncorrectInstanceState", "The instance '%s' is not in a state from which it can be stopped.", i.ID)
	}
	return nil
}

// HasStopped ends what Stop began: its public address goes.
func (i *Instance) HasStopped() { i.State, i.PublicIP = Stopped, "" }

// Start switches an instance on that was stopped.
func (s *State) Start(i *Instance, now time.Time) error {
	switch i.State {
	case Stopped:
		i.State, i.Reason, i.Launched = Pending, "", now
		if i.Public {
			i.PublicIP = s.publicIP()
		}
	case Pending, Running:
	case Stopping, ShuttingDown, Terminated:
		return Errorf(Invalid, "IncorrectInstanceState", "The instance '%s' is not in a state from which it can be started.", i.ID)
	}
	return nil
}

// Reboot switches a running instance off and on; it is running all the while.
func (s *State) Reboot(i *Instance) error {
	if i.State != Running {
		return Errorf(Invalid, "IncorrectState", "The instance '%s' is not in a state from which it can be rebooted.", i.ID)
	}
	i.Rebooting = true
	return nil
}

// Terminate begins the end of an instance.
func (s *State) Terminate(i *Instance, reason string) {
	if !i.Ending() {
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
