package ec2

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

func (s *Service) instanceActions() map[string]wire.Action {
	return map[string]wire.Action{
		"RunInstances":                  s.run,
		"DescribeInstances":             s.describeInstances,
		"DescribeInstanceStatus":        s.describeStatus,
		"DescribeInstanceTopology":      s.describeTopology,
		"TerminateInstances":            s.terminate,
		"StopInstances":                 s.stop,
		"StartInstances":                s.start,
		"RebootInstances":               s.reboot,
		"DescribeInstanceTypes":         s.describeTypes,
		"DescribeInstanceTypeOfferings": s.describeOfferings,
		"DescribeImages":                s.describeImages,
	}
}

// instanceItem is an instance in EC2's XML.
type instanceItem struct {
	Lifecycle    string       `xml:"instanceLifecycle,omitempty"`
	ID           string       `xml:"instanceId"`
	Image        string       `xml:"imageId"`
	State        stateItem    `xml:"instanceState"`
	PrivateDNS   string       `xml:"privateDnsName"`
	PublicDNS    string       `xml:"dnsName"`
	Reason       string       `xml:"reason"`
	LaunchIndex  int          `xml:"amiLaunchIndex"`
	Type         string       `xml:"instanceType"`
	Launched     string       `xml:"launchTime"`
	Zone         string       `xml:"placement>availabilityZone"`
	Tenancy      string       `xml:"placement>tenancy"`
	Monitoring   string       `xml:"monitoring>state"`
	Subnet       string       `xml:"subnetId,omitempty"`
	VPC          string       `xml:"vpcId,omitempty"`
	PrivateIP    string       `xml:"privateIpAddress,omitempty"`
	PublicIP     string       `xml:"ipAddress,omitempty"`
	SourceCheck  bool         `xml:"sourceDestCheck"`
	Groups       []groupRef   `xml:"groupSet>item"`
	StateReason  *stateReason `xml:"stateReason"`
	Architecture string       `xml:"architecture"`
	RootType     string       `xml:"rootDeviceType"`
	RootName     string       `xml:"rootDeviceName"`
	Virtual      string       `xml:"virtualizationType"`
	Token        string       `xml:"clientToken"`
	Hypervisor   string       `xml:"hypervisor"`
	EbsOptimized bool         `xml:"ebsOptimized"`
	Profile      *profile     `xml:"iamInstanceProfile"`
	Interfaces   []nicItem    `xml:"networkInterfaceSet>item"`
	Tags         []tag        `xml:"tagSet>item"`
}

type stateItem struct {
	Code int    `xml:"code"`
	Name string `xml:"name"`
}

type stateReason struct {
	Code    string `xml:"code"`
	Message string `xml:"message"`
}

type profile struct {
	ARN string `xml:"arn"`
	ID  string `xml:"id"`
}

type nicItem struct {
	ID         string      `xml:"networkInterfaceId"`
	Subnet     string      `xml:"subnetId"`
	VPC        string      `xml:"vpcId"`
	Owner      string      `xml:"ownerId"`
	Status     string      `xml:"status"`
	PrivateIP  string      `xml:"privateIpAddress"`
	PrivateDNS string      `xml:"privateDnsName"`
	Index      int         `xml:"attachment>deviceIndex"`
	Attached   string      `xml:"attachment>status"`
	Groups     []groupRef  `xml:"groupSet>item"`
	Addresses  []nicAddr   `xml:"privateIpAddressesSet>item"`
	Prefixes   []nicPrefix `xml:"ipv4PrefixSet>item"`
}

type nicAddr struct {
	IP      string `xml:"privateIpAddress"`
	DNS     string `xml:"privateDnsName"`
	Primary bool   `xml:"primary"`
}

type nicPrefix struct {
	Prefix string `xml:"ipv4Prefix"`
}

func state(i *region.Instance) stateItem { return stateItem{i.State.Code(), string(i.State)} }

func showInstance(st *region.State, i *region.Instance) instanceItem {
	image, _ := st.Image(i.ImageID)
	item := instanceItem{ID: i.ID, Image: i.ImageID, State: state(i), Reason: i.Reason, Type: i.Type, Launched: wire.Stamp(i.Launched),
		Zone: i.Zone, Tenancy: "default", Monitoring: "disabled", Architecture: image.Arch, RootType: "ebs", RootName: "/dev/xvda",
		Virtual: "hvm", Hypervisor: "xen", Tags: tagSet(i.Tags)}
	if i.Reason != "" {
		item.StateReason = &stateReason{"Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown"}
	}
	if i.Spot {
		item.Lifecycle = "spot"
	}
	if i.ProfileARN != "" {
		item.Profile = &profile{i.ProfileARN, "AIPA" + i.ID[2:]}
	}
	if i.State == region.Terminated {
		return item // EC2 has taken its interface away
	}
	dns := st.NodeName(i.PrivateIP)
	item.PrivateDNS, item.PrivateIP, item.PublicIP = dns, i.PrivateIP, i.PublicIP
	item.Subnet, item.VPC, item.SourceCheck = i.SubnetID, i.VpcID, true
	item.Groups = groupRefs(st, i.SecurityGroups)
	item.Interfaces = []nicItem{{ID: i.InterfaceID(), Subnet: i.SubnetID, VPC: i.VpcID, Owner: region.Account, Status: "in-use",
		PrivateIP: i.PrivateIP, PrivateDNS: dns, Attached: "attached", Groups: item.Groups,
		Addresses: []nicAddr{{i.PrivateIP, dns, true}},
		Prefixes:  []nicPrefix{{i.PodCIDR}}}}
	return item
}

// connected makes a filter of what an instance has until it is terminated.
func connected(of func(*region.State, *region.Instance) []string) func(*region.State, *region.Instance) []string {
	return func(st *region.State, i *region.Instance) []string {
		if i.State == region.Terminated {
			return nil
		}
		return of(st, i)
	}
}

var instanceFilters = filters[*region.Instance]{
	"instance-id":              one(func(i *region.Instance) string { return i.ID }),
	"instance-state-name":      one(func(i *region.Instance) string { return string(i.State) }),
	"instance-state-code":      one(func(i *region.Instance) string { return strconv.Itoa(i.State.Code()) }),
	"instance-type":            one(func(i *region.Instance) string { return i.Type }),
	"image-id":                 one(func(i *region.Instance) string { return i.ImageID }),
	"availability-zone":        one(func(i *region.Instance) string { return i.Zone }),
	"iam-instance-profile.arn": one(func(i *region.Instance) string { return i.ProfileARN }),
	"reservation-id":           one(reservationOf),
	"owner-id":                 always[*region.Instance](region.Account),
	"instance-lifecycle": func(_ *region.State, i *region.Instance) []string {
		if i.Spot {
			return []string{"spot"}
		}
		return nil
	},
	"architecture": func(st *region.State, i *region.Instance) []string {
		image, _ := st.Image(i.ImageID)
		return []string{image.Arch}
	},
	"private-dns-name":   connected(func(st *region.State, i *region.Instance) []string { return []string{st.NodeName(i.PrivateIP)} }),
	"private-ip-address": connected(privateIP),
	"ip-address":         connected(func(_ *region.State, i *region.Instance) []string { return []string{i.PublicIP} }),
	"network-interface.addresses.private-ip-address": connected(privateIP),
	"network-interface.network-interface-id":         connected(func(_ *region.State, i *region.Instance) []string { return []string{i.InterfaceID()} }),
	"network-interface.subnet-id":                    connected(subnetOf),
	"network-interface.vpc-id":                       connected(vpcOf),
	"network-interface.group-id":                     connected(groupsOf),
	"vpc-id":                                         connected(vpcOf),
	"subnet-id":                                      connected(subnetOf),
	"instance.group-id":                              connected(groupsOf),
}

func privateIP(_ *region.State, i *region.Instance) []string { return []string{i.PrivateIP} }
func subnetOf(_ *region.State, i *region.Instance) []string  { return []string{i.SubnetID} }
func vpcOf(_ *region.State, i *region.Instance) []string     { return []string{i.VpcID} }
func groupsOf(_ *region.State, i *region.Instance) []string  { return i.SecurityGroups }

// reservationOf names a launch after its first instance.
func reservationOf(i *region.Instance) string {
	return "r-" + cmp.Or(i.Reservation, i.ID)[2:]
}

var instanceNames = []name[*region.Instance]{{"InstanceId", func(i *region.Instance) string { return i.ID }, instanceIDs.unknown}}

// reservation is a launch: here always of one instance.
type reservation struct {
	ID        string         `xml:"reservationId"`
	Owner     string         `xml:"ownerId"`
	Groups    []groupRef     `xml:"groupSet>item"`
	Instances []instanceItem `xml:"instancesSet>item"`
}

func (s *Service) describeInstances(_ *http.Request, f wire.Form) (any, error) {
	items, next, err := list(s, f, listing[*region.Instance, reservation]{
		all:     func(st *region.State) []*region.Instance { return region.Sorted(st.Instances) },
		names:   instanceNames,
		filters: instanceFilters,
		tags:    func(i *region.Instance) region.Tags { return i.Tags },
		show: func(st *region.State, i *region.Instance) reservation {
			return reservation{ID: reservationOf(i), Owner: region.Account,
				Instances: []instanceItem{showInstance(st, i)}}
		},
		either: true,
	})
	return struct {
		Reservations []reservation `xml:"reservationSet>item"`
		Next         string        `xml:"nextToken,omitempty"`
	}{items, next}, err
}

type checkItem struct {
	Status  string       `xml:"status"`
	Details []detailItem `xml:"details>item"`
}

type detailItem struct {
	Name   string `xml:"name"`
	Status string `xml:"status"`
}

type statusItem struct {
	ID       string    `xml:"instanceId"`
	Zone     string    `xml:"availabilityZone"`
	State    stateItem `xml:"instanceState"`
	System   checkItem `xml:"systemStatus"`
	Instance checkItem `xml:"instanceStatus"`
}

func showStatus(_ *region.State, i *region.Instance) statusItem {
	check := checkItem{Status: "not-applicable"}
	if i.State == region.Running {
		check = checkItem{"ok", []detailItem{{"reachability", "passed"}}}
	}
	return statusItem{i.ID, i.Zone, state(i), check, check}
}

func (s *Service) describeStatus(_ *http.Request, f wire.Form) (any, error) {
	everything := f.Bool("IncludeAllInstances")
	by := filters[*region.Instance]{}
	for _, name := range []string{"availability-zone", "instance-state-code", "instance-state-name"} {
		by[name] = instanceFilters[name]
	}
	status := func(of func(statusItem) string) func(*region.State, *region.Instance) []string {
		return func(st *region.State, i *region.Instance) []string { return []string{of(showStatus(st, i))} }
	}
	by["system-status.status"] = status(func(i statusItem) string { return i.System.Status })
	by["instance-status.status"] = status(func(i statusItem) string { return i.Instance.Status })
	items, next, err := list(s, f, listing[*region.Instance, []statusItem]{
		all:     func(st *region.State) []*region.Instance { return region.Sorted(st.Instances) },
		names:   instanceNames,
		filters: by,
		tags:    func(i *region.Instance) region.Tags { return i.Tags },
		show: func(st *region.State, i *region.Instance) []statusItem {
			if i.State != region.Running && !everything {
				return nil
			}
			return []statusItem{showStatus(st, i)}
		},
		either: true,
	})
	return struct {
		Status []statusItem `xml:"instanceStatusSet>item"`
		Next   string       `xml:"nextToken,omitempty"`
	}{slices.Concat(items...), next}, err
}

// describeTopology knows nothing: none of the types has a topology.
func (s *Service) describeTopology(_ *http.Request, f wire.Form) (any, error) {
	f.Ignore("InstanceId", "Filter", "GroupName", "MaxResults", "NextToken")
	return struct {
		Instances []struct{} `xml:"instanceSet>item"`
	}{}, nil
}

// counts are MinCount and MaxCount of a request.
func counts(f wire.Form) (least, most int, err error) {
	low, high := f.Int("MinCount"), f.Int("MaxCount")
	switch {
	case low == nil || high == nil:
		return 0, 0, need(f, "MinCount", "MaxCount")
	case *low < 1 || *low > *high:
		return 0, 0, region.Errorf(region.Invalid, "InvalidParameterValue",
			"Value (%d) for parameter minCount is invalid: it must be from 1 to maxCount", *low)
	}
	return *low, *high, nil
}

// run launches instances of no group: as many as there is room for.
func (s *Service) run(_ *http.Request, f wire.Form) (any, error) {
	var out reservation
	err := s.once(f, func(st *region.State) (string, error) {
		least, most, err := counts(f)
		if err != nil {
			return "", err
		}
		launch, err := s.launchOf(st, f)
		if err != nil {
			return "", err
		}
		first := ""
		for n := range most {
			i, err := st.Run(launch, region.Stamp(s.now()))
			if n >= least && region.IsKind(err, region.Limit) {
				break
			}
			if err != nil {
				return "", err
			}
			i.Reservation = first
			if first == "" {
				first = i.ID
			}
		}
		return first, nil
	}, func(st *region.State, first string) {
		for _, i := range region.Sorted(st.Instances) {
			if i.ID == first || i.Reservation == first {
				out.ID, out.Owner = "r-"+first[2:], region.Account
				out.Instances = append(out.Instances, showInstance(st, i))
			}
		}
	})
	return out, err
}

// launchOf is what a RunInstances request wants: what it says itself, over what
// its launch template says.
func (s *Service) launchOf(st *region.State, f wire.Form) (region.Launch, error) {
	var l region.Launch
	if t := f.Sub("LaunchTemplate"); t.Has("LaunchTemplateId") || t.Has("LaunchTemplateName") {
		template, version, err := templateOf(st, t)
		if err != nil {
			return l, err
		}
		v, err := template.Version(version)
		if err != nil {
			return l, unknownVersion(template, version)
		}
		l = region.Launch{Data: v.Data, TemplateID: template.LaunchTemplateID, TemplateName: template.LaunchTemplateName, TemplateVersion: v.Number}
	}
	own, err := launchData(f)
	if err != nil {
		return l, err
	}
	if l.Data, err = l.Data.Under(own); err != nil {
		return l, err
	}
	subnet := f.Get("SubnetId")
	for _, nic := range f.Each("NetworkInterface") {
		if subnet == "" {
			subnet = nic.Get("SubnetId")
		}
	}
	if subnet == "" {
		return l, region.Errorf(region.Invalid, "VPCIdNotSpecified", "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.")
	}
	if l.Subnet, err = found(st.Subnets, subnetIDs, subnet); err != nil {
		return l, err
	}
	if l.Data.KeyName != "" {
		return l, region.Errorf(region.NotFound, "InvalidKeyPair.NotFound", "The key pair '%s' does not exist", l.Data.KeyName)
	}
	if zone := f.Sub("Placement").Get("AvailabilityZone"); zone != "" && zone != l.Subnet.AvailabilityZone {
		return l, region.Errorf(region.Invalid, "InvalidParameterCombination",
			"The availability zone '%s' and the subnet '%s' do not match", zone, subnet)
	}
	if l.Data.ImageID == "" {
		return l, need(f, "ImageId")
	}
	if l.Data.InstanceType == "" {
		l.Data.InstanceType = "m1.small" // EC2's default, which the sandbox does not have
	}
	return l, nil
}

// transition is what a request has done to the state of an instance.
type transition struct {
	ID  string    `xml:"instanceId"`
	Now stateItem `xml:"currentState"`
	Was stateItem `xml:"previousState"`
}

// switchInstances changes the state of those that a request names: of all, or of none.
func (s *Service) switchInstances(f wire.Form, do func(*region.State, *region.Instance) error) ([]transition, error) {
	var all []transition
	err := s.change(f, func(st *region.State) error {
		ids := f.List("InstanceId")
		if len(ids) == 0 {
			return need(f, "InstanceId")
		}
		for _, id := range ids {
			i, err := found(st.Instances, instanceIDs, id)
			if err != nil {
				return err
			}
			was := state(i)
			if err := do(st, i); err != nil {
				return err
			}
			all = append(all, transition{id, state(i), was})
		}
		return nil
	})
	return all, err
}

type transitions struct {
	Instances []transition `xml:"instancesSet>item"`
}

// byUser is why an instance does not run that somebody has switched off.
func (s *Service) byUser() string {
	return "User initiated (" + s.now().UTC().Format("2006-01-02 15:04:05 GMT") + ")"
}

func (s *Service) terminate(_ *http.Request, f wire.Form) (any, error) {
	f.Ignore("Force", "SkipOsShutdown") // machines are switched off
	all, err := s.switchInstances(f, func(st *region.State, i *region.Instance) error {
		st.Terminate(i, s.byUser())
		return nil
	})
	return transitions{all}, err
}

func (s *Service) stop(_ *http.Request, f wire.Form) (any, error) {
	f.Ignore("Force", "SkipOsShutdown") // machines are switched off
	if f.Bool("Hibernate") {
		return nil, region.Errorf(region.Invalid, "UnsupportedHibernationConfiguration", "The sandbox's instances cannot hibernate")
	}
	all, err := s.switchInstances(f, func(st *region.State, i *region.Instance) error { return st.Stop(i, s.byUser()) })
	return transitions{all}, err
}

func (s *Service) start(_ *http.Request, f wire.Form) (any, error) {
	f.Ignore("AdditionalInfo") // reserved
	all, err := s.switchInstances(f, func(st *region.State, i *region.Instance) error { return st.Start(i, region.Stamp(s.now())) })
	return transitions{all}, err
}

func (s *Service) reboot(_ *http.Request, f wire.Form) (any, error) {
	_, err := s.switchInstances(f, func(st *region.State, i *region.Instance) error { return st.Reboot(i) })
	return struct {
		Return bool `xml:"return"`
	}{true}, err
}

type typeItem struct {
	Name       string   `xml:"instanceType"`
	Current    bool     `xml:"currentGeneration"`
	FreeTier   bool     `xml:"freeTierEligible"`
	BareMetal  bool     `xml:"bareMetal"`
	CPU        int      `xml:"vCpuInfo>defaultVCpus"`
	MemoryMiB  int      `xml:"memoryInfo>sizeInMiB"`
	Archs      []string `xml:"processorInfo>supportedArchitectures>item"`
	Interfaces int      `xml:"networkInfo>maximumNetworkInterfaces"`
	Addresses  int      `xml:"networkInfo>ipv4AddressesPerInterface"`
	Hypervisor string   `xml:"hypervisor"`
	Usage      []string `xml:"supportedUsageClasses>item"`
	Virtual    []string `xml:"supportedVirtualizationTypes>item"`
}

func showType(_ *region.State, t region.InstanceType) typeItem {
	return typeItem{Name: t.Name, Current: true, CPU: t.CPU, MemoryMiB: t.MemoryMiB, Archs: []string{t.Arch},
		Interfaces: t.Interfaces, Addresses: t.Addresses, Hypervisor: t.Hypervisor,
		Usage: []string{"on-demand", "spot"}, Virtual: []string{"hvm"}}
}

func (s *Service) describeTypes(_ *http.Request, f wire.Form) (any, error) {
	type kind = region.InstanceType
	typeName := func(t kind) string { return t.Name }
	items, next, err := list(s, f, listing[kind, typeItem]{
		all: func(*region.State) []kind { return region.Types() },
		names: []name[kind]{{"InstanceType", typeName, func(n string) error {
			return region.Errorf(region.Invalid, "InvalidInstanceType", "The following supplied instance types do not exist: [%s]", n)
		}}},
		filters: filters[kind]{"instance-type": one(typeName), "current-generation": always[kind]("true"), "bare-metal": always[kind]("false"),
			"processor-info.supported-architecture": one(func(t kind) string { return t.Arch }),
			"hypervisor":                            one(func(t kind) string { return t.Hypervisor }),
			"vcpu-info.default-vcpus":               one(func(t kind) string { return strconv.Itoa(t.CPU) }),
			"memory-info.size-in-mib":               one(func(t kind) string { return strconv.Itoa(t.MemoryMiB) }),
			"supported-usage-class":                 func(*region.State, kind) []string { return []string{"on-demand", "spot"} },
			"supported-virtualization-type":         always[kind]("hvm")},
		show:  showType,
		pages: wire.Paging{Least: 5, Most: 100, Default: 100, BadSize: "InvalidParameterValue", BadToken: "InvalidParameterValue"},
	})
	return struct {
		Types []typeItem `xml:"instanceTypeSet>item"`
		Next  string     `xml:"nextToken,omitempty"`
	}{items, next}, err
}

// offering is a type that is to be had somewhere.
type offering struct {
	Type     string `xml:"instanceType"`
	Kind     string `xml:"locationType"`
	Location string `xml:"location"`
}

// describeOfferings: every type is to be had everywhere.
func (s *Service) describeOfferings(_ *http.Request, f wire.Form) (any, error) {
	kind := f.Get("LocationType")
	if kind == "" {
		kind = "region"
	}
	items, next, err := list(s, f, listing[offering, offering]{
		all: func(st *region.State) (all []offering) {
			for _, place := range locations(st, kind) {
				for _, t := range region.Types() {
					all = append(all, offering{t.Name, kind, place})
				}
			}
			return all
		},
		filters: filters[offering]{"instance-type": one(func(o offering) string { return o.Type }),
			"location": one(func(o offering) string { return o.Location })},
		show: func(_ *region.State, o offering) offering { return o },
	})
	return struct {
		Offerings []offering `xml:"instanceTypeOfferingSet>item"`
		Next      string     `xml:"nextToken,omitempty"`
	}{items, next}, err
}

func locations(st *region.State, kind string) (names []string) {
	for _, z := range st.Zones() {
		switch kind {
		case "availability-zone":
			names = append(names, z.Name)
		case "availability-zone-id":
			names = append(names, z.ID)
		}
	}
	if kind == "region" {
		names = []string{st.Region}
	}
	return names
}
