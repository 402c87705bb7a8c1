package ec2

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// instanceItem is an instance in EC2's XML.
type instanceItem struct {
	ID           string     `xml:"instanceId"`
	Image        string     `xml:"imageId"`
	State        stateItem  `xml:"instanceState"`
	PrivateDNS   string     `xml:"privateDnsName"`
	PublicDNS    string     `xml:"dnsName"`
	Reason       string     `xml:"reason"`
	Type         string     `xml:"instanceType"`
	Launched     string     `xml:"launchTime"`
	Zone         string     `xml:"placement>availabilityZone"`
	Tenancy      string     `xml:"placement>tenancy"`
	Monitoring   string     `xml:"monitoring>state"`
	Subnet       string     `xml:"subnetId,omitempty"`
	VPC          string     `xml:"vpcId,omitempty"`
	PrivateIP    string     `xml:"privateIpAddress,omitempty"`
	PublicIP     string     `xml:"ipAddress,omitempty"`
	SourceCheck  bool       `xml:"sourceDestCheck"`
	Groups       []groupRef `xml:"groupSet>item"`
	Architecture string     `xml:"architecture"`
	RootType     string     `xml:"rootDeviceType"`
	RootName     string     `xml:"rootDeviceName"`
	Hypervisor   string     `xml:"hypervisor"`
	Profile      *profile   `xml:"iamInstanceProfile"`
	Interfaces   []nicItem  `xml:"networkInterfaceSet>item"`
	Tags         []tag      `xml:"tagSet>item"`
}

type stateItem struct {
	Code int    `xml:"code"`
	Name string `xml:"name"`
}

type profile struct {
	ARN string `xml:"arn"`
	ID  string `xml:"id"`
}

type nicItem struct {
	ID         string      `xml:"networkInterfaceId"`
	Subnet     string      `xml:"subnetId"`
	VPC        string      `xml:"vpcId"`
	Status     string      `xml:"status"`
	PrivateIP  string      `xml:"privateIpAddress"`
	PrivateDNS string      `xml:"privateDnsName"`
	Index      int         `xml:"attachment>deviceIndex"`
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

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func showInstance(st *region.State, i *region.Instance) instanceItem {
	image, _ := region.LookupImage(st.Region, i.ImageID)
	item := instanceItem{ID: i.ID, Image: i.ImageID, State: state(i), Reason: i.Reason, Type: i.Type,
		Launched: stamp(i.Launched),
		Zone:     i.Zone, Tenancy: "default", Monitoring: "disabled", Architecture: image.Arch, RootType: "ebs",
		RootName:   "/dev/xvda",
		Hypervisor: "xen", Tags: tagSet(i.Tags)}
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
	item.Interfaces = []nicItem{{ID: "eni-" + i.ID[2:], Subnet: i.SubnetID, VPC: i.VpcID, Status: "in-use",
		PrivateIP:  i.PrivateIP,
		PrivateDNS: dns, Groups: item.Groups, Addresses: []nicAddr{{i.PrivateIP, dns, true}},
		Prefixes: []nicPrefix{{i.PodCIDR}}}}
	return item
}

func instanceAttributes(st *region.State, i *region.Instance) attributes {
	at := attributes{"instance-id": {i.ID}, "instance-state-name": {string(i.State)},
		"instance-state-code": {strconv.Itoa(i.State.Code())},
		"instance-type":       {i.Type}, "image-id": {i.ImageID}, "availability-zone": {i.Zone},
		"iam-instance-profile.arn": {i.ProfileARN},
		"private-dns-name":         nil, "private-ip-address": nil, "network-interface.addresses.private-ip-address": nil,
		"vpc-id":    nil,
		"subnet-id": nil, "instance.group-id": nil, "network-interface.group-id": nil}
	if i.State != region.Terminated {
		at["private-dns-name"], at["private-ip-address"] = []string{st.NodeName(i.PrivateIP)}, []string{i.PrivateIP}
		at["network-interface.addresses.private-ip-address"] = []string{i.PrivateIP}
		at["vpc-id"], at["subnet-id"] = []string{i.VpcID}, []string{i.SubnetID}
		at["instance.group-id"], at["network-interface.group-id"] = i.SecurityGroups, i.SecurityGroups
	}
	return at
}

func (s *Service) describeInstances(_ *http.Request, f wire.Form) (any, error) {
	type reservation struct {
		ID        string         `xml:"reservationId"`
		Owner     string         `xml:"ownerId"`
		Instances []instanceItem `xml:"instancesSet>item"`
	}
	var out struct {
		Reservations []reservation `xml:"reservationSet>item"`
		Next         string        `xml:"nextToken,omitempty"`
	}
	err := s.each(f, func(st *region.State, match matcher) error {
		if err := known(f, "InstanceId", st.Instances, "InvalidInstanceID.NotFound", "instance"); err != nil {
			return err
		}
		for _, i := range region.Sorted(st.Instances) {
			if named(f, "InstanceId", i.ID) && match(instanceAttributes(st, i), i.Tags) {
				out.Reservations = append(out.Reservations, reservation{"r-" + i.ID[2:], region.Account,
					[]instanceItem{showInstance(st, i)}})
			}
		}
		return nil
	})
	if err == nil {
		out.Reservations, out.Next, err = page(f, out.Reservations)
	}
	return out, err
}

func (s *Service) describeStatus(_ *http.Request, f wire.Form) (any, error) {
	type check struct {
		Status string `xml:"status"`
	}
	type item struct {
		ID       string    `xml:"instanceId"`
		Zone     string    `xml:"availabilityZone"`
		State    stateItem `xml:"instanceState"`
		System   check     `xml:"systemStatus"`
		Instance check     `xml:"instanceStatus"`
	}
	var out struct {
		Status []item `xml:"instanceStatusSet>item"`
		Next   string `xml:"nextToken,omitempty"`
	}
	err := s.each(f, func(st *region.State, match matcher) error {
		if err := known(f, "InstanceId", st.Instances, "InvalidInstanceID.NotFound", "instance"); err != nil {
			return err
		}
		for _, i := range region.Sorted(st.Instances) {
			if i.State != region.Running && !f.Bool("IncludeAllInstances") {
				continue
			}
			status := "ok"
			if i.State != region.Running {
				status = "not-applicable"
			}
			if named(f, "InstanceId", i.ID) && match(instanceAttributes(st, i), i.Tags) {
				out.Status = append(out.Status, item{i.ID, i.Zone, state(i), check{status}, check{status}})
			}
		}
		return nil
	})
	if err == nil {
		out.Status, out.Next, err = page(f, out.Status)
	}
	return out, err
}

// describeTopology knows nothing: none of the types has a topology.
func (s *Service) describeTopology(*http.Request, wire.Form) (any, error) {
	return struct {
		Instances []struct{} `xml:"instanceSet>item"`
	}{}, nil
}

func (s *Service) terminate(_ *http.Request, f wire.Form) (any, error) {
	type change struct {
		ID  string    `xml:"instanceId"`
		Now stateItem `xml:"currentState"`
		Was stateItem `xml:"previousState"`
	}
	var out struct {
		Instances []change `xml:"instancesSet>item"`
	}
	err := s.store.Update(func(st *region.State) error {
		for _, id := range f.List("InstanceId") {
			i, err := st.Instance(id)
			if err != nil {
				return err
			}
			was := state(i)
			st.Terminate(i, "User initiated ("+s.now().UTC().Format("2006-01-02 15:04:05 GMT")+")")
			out.Instances = append(out.Instances, change{id, state(i), was})
		}
		return nil
	})
	return out, err
}

func (s *Service) describeTypes(_ *http.Request, f wire.Form) (any, error) {
	type item struct {
		Name       string   `xml:"instanceType"`
		Current    bool     `xml:"currentGeneration"`
		CPU        int      `xml:"vCpuInfo>defaultVCpus"`
		MemoryMiB  int      `xml:"memoryInfo>sizeInMiB"`
		Archs      []string `xml:"processorInfo>supportedArchitectures>item"`
		Interfaces int      `xml:"networkInfo>maximumNetworkInterfaces"`
		Addresses  int      `xml:"networkInfo>ipv4AddressesPerInterface"`
		Hypervisor string   `xml:"hypervisor"`
		Usage      []string `xml:"supportedUsageClasses>item"`
	}
	var out struct {
		Types []item `xml:"instanceTypeSet>item"`
		Next  string `xml:"nextToken,omitempty"`
	}
	err := s.each(f, func(_ *region.State, match matcher) error {
		for _, name := range f.List("InstanceType") {
			if _, ok := region.LookupType(name); !ok {
				return region.Errorf(region.Invalid, "InvalidInstanceType",
					"The following supplied instance types do not exist: [%s]", name)
			}
		}
		for _, t := range region.Types() {
			at := attributes{"instance-type": {t.Name}, "processor-info.supported-architecture": {t.Arch},
				"current-generation":      {strconv.FormatBool(currentGeneration(t.Name))},
				"vcpu-info.default-vcpus": {strconv.Itoa(t.CPU)}, "memory-info.size-in-mib": {strconv.Itoa(t.MemoryMiB)}}
			if named(f, "InstanceType", t.Name) && match(at, nil) {
				out.Types = append(out.Types, item{t.Name, currentGeneration(t.Name), t.CPU, t.MemoryMiB, []string{t.Arch},
					t.Interfaces, t.Addresses,
					"nitro", []string{"on-demand", "spot"}})
			}
		}
		return nil
	})
	if err == nil {
		out.Types, out.Next, err = page(f, out.Types)
	}
	return out, err
}

func (s *Service) describeImages(_ *http.Request, f wire.Form) (any, error) {
	type item struct {
		ID           string `xml:"imageId"`
		State        string `xml:"imageState"`
		Owner        string `xml:"imageOwnerId"`
		OwnerAlias   string `xml:"imageOwnerAlias"`
		Public       bool   `xml:"isPublic"`
		Architecture string `xml:"architecture"`
		Type         string `xml:"imageType"`
		Name         string `xml:"name"`
		Description  string `xml:"description"`
		RootType     string `xml:"rootDeviceType"`
		RootName     string `xml:"rootDeviceName"`
		Virtual      string `xml:"virtualizationType"`
		Created      string `xml:"creationDate"`
	}
	var out struct {
		Images []item `xml:"imagesSet>item"`
		Next   string `xml:"nextToken,omitempty"`
	}
	err := s.each(f, func(st *region.State, match matcher) error {
		for _, id := range f.List("ImageId") {
			if _, ok := region.LookupImage(st.Region, id); !ok {
				return region.Errorf(region.NotFound, "InvalidAMIID.NotFound", "The image id '[%s]' does not exist", id)
			}
		}
		owners := f.List("Owner")
		if len(owners) > 0 && !slices.Contains(owners, "amazon") && !slices.Contains(owners, eksOwner) {
			return nil
		}
		for _, i := range region.Images(st.Region) {
			at := attributes{"image-id": {i.ID}, "name": {i.Name}, "architecture": {i.Arch}, "owner-alias": {"amazon"},
				"owner-id": {eksOwner}, "state": {"available"}, "is-public": {"true"}}
			if named(f, "ImageId", i.ID) && match(at, nil) {
				out.Images = append(out.Images, item{i.ID, "available", eksOwner, "amazon", true, i.Arch, "machine",
					i.Name,
					fmt.Sprintf("EKS-optimized Kubernetes node based on Amazon Linux 2023, (k8s: %s)", i.Kubelet[1:]),
					"ebs", "/dev/xvda", "hvm", "2026-11-01T00:00:00.000Z"})
			}
		}
		return nil
	})
	if err == nil {
		out.Images, out.Next, err = page(f, out.Images)
	}
	return out, err
}

// eksOwner is the account that publishes EKS-optimized AMIs.
const eksOwner = "602401143452"

func (s *Service) describeTemplates(_ *http.Request, f wire.Form) (any, error) {
	type item struct {
		ID      string `xml:"launchTemplateId"`
		Name    string `xml:"launchTemplateName"`
		Created string `xml:"createTime"`
		By      string `xml:"createdBy"`
		Default int    `xml:"defaultVersionNumber"`
		Latest  int    `xml:"latestVersionNumber"`
		Tags    []tag  `xml:"tagSet>item"`
	}
	var out struct {
		Templates []item `xml:"launchTemplates>item"`
		Next      string `xml:"nextToken,omitempty"`
	}
	err := s.each(f, func(st *region.State, match matcher) error {
		if err := known(f, "LaunchTemplateId", st.LaunchTemplates, "InvalidLaunchTemplateId.NotFound",
			"launch template"); err != nil {
			return err
		}
		for _, name := range f.List("LaunchTemplateName") {
			if st.LaunchTemplateNamed(name) == nil {
				return region.Errorf(region.NotFound, "InvalidLaunchTemplateName.NotFoundException",
					"At least one of the launch templates specified in the request does not exist: %s", name)
			}
		}
		for _, t := range region.Sorted(st.LaunchTemplates) {
			at := attributes{"launch-template-name": {t.LaunchTemplateName}}
			if named(f, "LaunchTemplateId", t.LaunchTemplateID) &&
				named(f, "LaunchTemplateName", t.LaunchTemplateName) && match(at, t.Tags) {
				out.Templates = append(out.Templates, item{t.LaunchTemplateID, t.LaunchTemplateName, stamp(t.Created),
					region.UserARN,
					int(t.Default), int(t.Latest), tagSet(t.Tags)})
			}
		}
		return nil
	})
	if err == nil {
		out.Templates, out.Next, err = page(f, out.Templates)
	}
	return out, err
}

func (s *Service) describeVersions(_ *http.Request, f wire.Form) (any, error) {
	type data struct {
		Image   string   `xml:"imageId,omitempty"`
		Type    string   `xml:"instanceType,omitempty"`
		User    string   `xml:"userData,omitempty"`
		Profile string   `xml:"iamInstanceProfile>arn,omitempty"`
		Name    string   `xml:"iamInstanceProfile>name,omitempty"`
		Groups  []string `xml:"securityGroupIdSet>item"`
	}
	type item struct {
		ID          string `xml:"launchTemplateId"`
		Name        string `xml:"launchTemplateName"`
		Number      int    `xml:"versionNumber"`
		Description string `xml:"versionDescription,omitempty"`
		Created     string `xml:"createTime"`
		By          string `xml:"createdBy"`
		Default     bool   `xml:"defaultVersion"`
		Data        data   `xml:"launchTemplateData"`
	}
	var out struct {
		Versions []item `xml:"launchTemplateVersionSet>item"`
		Next     string `xml:"nextToken,omitempty"`
	}
	var err error
	s.store.View(func(st *region.State) {
		t := st.LaunchTemplates[f.Get("LaunchTemplateId")]
		if name := f.Get("LaunchTemplateName"); name != "" {
			t = st.LaunchTemplateNamed(name)
		}
		if t == nil {
			err = region.Errorf(region.NotFound, "InvalidLaunchTemplateId.NotFound",
				"The specified launch template does not exist.")
			return
		}
		for _, v := range slices.Backward(t.Versions) {
			if !versionWanted(t, v.Number, f.List("LaunchTemplateVersion")) {
				continue
			}
			d := v.Data
			out.Versions = append(out.Versions, item{t.LaunchTemplateID, t.LaunchTemplateName, v.Number, v.Description,
				stamp(v.Created),
				region.UserARN, v.Number == int(t.Default),
				data{d.ImageID, d.InstanceType, d.UserData, d.IamInstanceProfile.Arn, d.IamInstanceProfile.Name,
					d.SecurityGroupIDs}})
		}
	})
	if err == nil {
		out.Versions, out.Next, err = page(f, out.Versions)
	}
	return out, err
}

func versionWanted(t *region.LaunchTemplate, number int, wanted []string) bool {
	return len(wanted) == 0 || slices.Contains(wanted, strconv.Itoa(number)) ||
		slices.Contains(wanted, "$Latest") && number == int(t.Latest) ||
		slices.Contains(wanted, "$Default") && number == int(t.Default)
}

// currentGeneration: of the types here only the family t2 is what AWS calls
// previous.
func currentGeneration(name string) bool { return !strings.HasPrefix(name, "t2.") }
