package ec2

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

func (s *Service) templateActions() map[string]wire.Action {
	return map[string]wire.Action{
		"CreateLaunchTemplate":           s.createTemplate,
		"CreateLaunchTemplateVersion":    s.createVersion,
		"DescribeLaunchTemplates":        s.describeTemplates,
		"DescribeLaunchTemplateVersions": s.describeVersions,
		"ModifyLaunchTemplate":           s.modifyTemplate,
		"DeleteLaunchTemplate":           s.deleteTemplate,
	}
}

type templateItem struct {
	ID      string `xml:"launchTemplateId"`
	Name    string `xml:"launchTemplateName"`
	Created string `xml:"createTime"`
	By      string `xml:"createdBy"`
	Default int    `xml:"defaultVersionNumber"`
	Latest  int    `xml:"latestVersionNumber"`
	Tags    []tag  `xml:"tagSet>item"`
}

func showTemplate(_ *region.State, t *region.LaunchTemplate) templateItem {
	return templateItem{t.LaunchTemplateID, t.LaunchTemplateName, wire.Stamp(t.Created), region.UserARN, int(t.Default), int(t.Latest), tagSet(t.Tags)}
}

func unknownTemplateName(name string) error {
	return region.Errorf(region.NotFound, "InvalidLaunchTemplateName.NotFoundException",
		"At least one of the launch templates specified in the request does not exist: %s", name)
}

func unknownVersion(t *region.LaunchTemplate, version string) error {
	return region.Errorf(region.NotFound, "InvalidLaunchTemplateId.VersionNotFound",
		"Could not find launch template version %s of %s", version, t.LaunchTemplateID)
}

// templateOf finds the template that a request or a part of it names, by ID or by name.
func templateOf(st *region.State, f wire.Form) (t *region.LaunchTemplate, version string, err error) {
	id, name := f.Get("LaunchTemplateId"), f.Get("LaunchTemplateName")
	version = f.Get("Version")
	switch {
	case id != "" && name != "":
		return nil, "", region.Errorf(region.Invalid, "InvalidParameterCombination",
			"Either provide launch template ID or launch template name to describe")
	case name != "":
		if t = st.LaunchTemplateNamed(name); t == nil {
			return nil, "", unknownTemplateName(name)
		}
		return t, version, nil
	case id == "":
		return nil, "", region.Errorf(region.Invalid, "MissingParameter", "The request must contain the parameter LaunchTemplateId or LaunchTemplateName")
	}
	t, err = found(st.LaunchTemplates, templateIDs, id)
	return t, version, err
}

func (s *Service) createTemplate(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Template templateItem `xml:"launchTemplate"`
	}
	err := s.once(f, func(st *region.State) (string, error) {
		if err := need(f, "LaunchTemplateName"); err != nil {
			return "", err
		}
		t := &region.LaunchTemplate{LaunchTemplateName: f.Get("LaunchTemplateName"), VersionDescription: f.Get("VersionDescription")}
		var err error
		if t.Tags, err = specifiedTags(f, "launch-template"); err != nil {
			return "", err
		}
		d, err := launchData(f.Sub("LaunchTemplateData"))
		if err != nil {
			return "", err
		}
		if t.Data, err = json.Marshal(d); err != nil {
			return "", err
		}
		return st.CreateLaunchTemplate(t, region.Stamp(s.now()))
	}, func(st *region.State, id string) {
		if t, ok := st.LaunchTemplates[id]; ok {
			out.Template = showTemplate(st, t)
		}
	})
	return out, err
}

func (s *Service) createVersion(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Version versionItem `xml:"launchTemplateVersion"`
	}
	err := s.once(f, func(st *region.State) (string, error) {
		t, _, err := templateOf(st, f)
		if err != nil {
			return "", err
		}
		d, err := launchData(f.Sub("LaunchTemplateData"))
		if err != nil {
			return "", err
		}
		if source := f.Get("SourceVersion"); source != "" {
			base, err := t.Version(source)
			if err != nil {
				return "", unknownVersion(t, source)
			}
			if d, err = base.Data.Under(d); err != nil {
				return "", err
			}
		}
		t.VersionDescription = f.Get("VersionDescription")
		if t.Data, err = json.Marshal(d); err != nil {
			return "", err
		}
		err = st.AddVersion(t, region.Stamp(s.now()))
		return t.LaunchTemplateID + "|" + strconv.Itoa(int(t.Latest)), err
	}, func(st *region.State, id string) {
		for _, v := range allVersions(st) {
			if v.key() == id {
				out.Version = showVersion(st, v)
			}
		}
	})
	return out, err
}

func (s *Service) describeTemplates(_ *http.Request, f wire.Form) (any, error) {
	type template = *region.LaunchTemplate
	id, templateName := func(t template) string { return t.LaunchTemplateID }, func(t template) string { return t.LaunchTemplateName }
	items, next, err := list(s, f, listing[template, templateItem]{
		all: func(st *region.State) []template { return region.Sorted(st.LaunchTemplates) },
		names: []name[template]{{"LaunchTemplateId", id, templateIDs.unknown},
			{"LaunchTemplateName", templateName, unknownTemplateName}},
		filters: filters[template]{"launch-template-name": one(templateName),
			"create-time": one(func(t template) string { return wire.Stamp(t.Created) })},
		tags:  func(t template) region.Tags { return t.Tags },
		show:  showTemplate,
		pages: wire.Paging{Least: 1, Most: 200, Default: 200, BadSize: "InvalidParameterValue", BadToken: "InvalidParameterValue"},
	})
	return struct {
		Templates []templateItem `xml:"launchTemplates>item"`
		Next      string         `xml:"nextToken,omitempty"`
	}{items, next}, err
}

type versionItem struct {
	ID          string   `xml:"launchTemplateId"`
	Name        string   `xml:"launchTemplateName"`
	Number      int      `xml:"versionNumber"`
	Description string   `xml:"versionDescription,omitempty"`
	Created     string   `xml:"createTime"`
	By          string   `xml:"createdBy"`
	Default     bool     `xml:"defaultVersion"`
	Data        dataItem `xml:"launchTemplateData"`
}

// dataItem is a version's content in EC2's XML: only what it says.
type dataItem struct {
	Image      string        `xml:"imageId,omitempty"`
	Type       string        `xml:"instanceType,omitempty"`
	Key        string        `xml:"keyName,omitempty"`
	User       string        `xml:"userData,omitempty"`
	Optimized  *bool         `xml:"ebsOptimized"`
	Profile    *profileRef   `xml:"iamInstanceProfile"`
	Groups     []string      `xml:"securityGroupIdSet>item,omitempty"`
	Devices    []device      `xml:"blockDeviceMappingSet>item,omitempty"`
	Interfaces []nicSpec     `xml:"networkInterfaceSet>item,omitempty"`
	Tags       []tagSpec     `xml:"tagSpecificationSet>item,omitempty"`
	Metadata   *metadataItem `xml:"metadataOptions"`
}

type profileRef struct {
	ARN  string `xml:"arn,omitempty"`
	Name string `xml:"name,omitempty"`
}

type device struct {
	Name string  `xml:"deviceName,omitempty"`
	Disk ebsItem `xml:"ebs"`
}

type ebsItem struct {
	Size       int    `xml:"volumeSize,omitempty"`
	Type       string `xml:"volumeType,omitempty"`
	Iops       int    `xml:"iops,omitempty"`
	Throughput int    `xml:"throughput,omitempty"`
	Encrypted  *bool  `xml:"encrypted"`
	Delete     *bool  `xml:"deleteOnTermination"`
}

type nicSpec struct {
	Index  int      `xml:"deviceIndex"`
	Public *bool    `xml:"associatePublicIpAddress"`
	Groups []string `xml:"groupSet>item"`
}

type tagSpec struct {
	Type string `xml:"resourceType"`
	Tags []tag  `xml:"tagSet>item"`
}

type metadataItem struct {
	Tokens   string `xml:"httpTokens,omitempty"`
	Endpoint string `xml:"httpEndpoint,omitempty"`
	Hops     int    `xml:"httpPutResponseHopLimit,omitempty"`
	Tags     string `xml:"instanceMetadataTags,omitempty"`
}

func showData(d region.LaunchTemplateData) dataItem {
	item := dataItem{Image: d.ImageID, Type: d.InstanceType, Key: d.KeyName, User: d.UserData, Optimized: d.EbsOptimized}
	if p := d.IamInstanceProfile; p.Arn+p.Name != "" {
		item.Profile = &profileRef{p.Arn, p.Name}
	}
	item.Groups = d.SecurityGroupIDs
	var devices []device
	for _, m := range d.BlockDeviceMappings {
		e := m.Ebs
		devices = append(devices, device{m.DeviceName, ebsItem{e.VolumeSize, e.VolumeType, e.Iops, e.Throughput, e.Encrypted, e.DeleteOnTermination}})
	}
	var interfaces []nicSpec
	for _, n := range d.NetworkInterfaces {
		interfaces = append(interfaces, nicSpec{n.DeviceIndex, n.AssociatePublicIPAddress, n.Groups})
	}
	var specs []tagSpec
	for _, t := range d.TagSpecifications {
		specs = append(specs, tagSpec{t.ResourceType, tagSet(t.Tags)})
	}
	item.Devices, item.Interfaces, item.Tags = devices, interfaces, specs
	if m := d.MetadataOptions; m != (region.LaunchTemplateData{}).MetadataOptions {
		item.Metadata = &metadataItem{m.HTTPTokens, m.HTTPEndpoint, m.HopLimit, m.InstanceTags}
	}
	return item
}

// templateVersion is a version and the template it is of.
type templateVersion struct {
	*region.LaunchTemplateVersion
	of *region.LaunchTemplate
}

func (v templateVersion) key() string { return v.of.LaunchTemplateID + "|" + strconv.Itoa(v.Number) }

func (v templateVersion) isDefault() bool { return v.Number == int(v.of.Default) }

// allVersions are those of every template, the newest of each first.
func allVersions(st *region.State) (all []templateVersion) {
	for _, t := range region.Sorted(st.LaunchTemplates) {
		for k := len(t.Versions) - 1; k >= 0; k-- {
			all = append(all, templateVersion{&t.Versions[k], t})
		}
	}
	return all
}

func showVersion(_ *region.State, v templateVersion) versionItem {
	return versionItem{v.of.LaunchTemplateID, v.of.LaunchTemplateName, v.Number, v.Description, wire.Stamp(v.Created), region.UserARN,
		v.isDefault(), showData(v.Data)}
}

func (s *Service) describeVersions(_ *http.Request, f wire.Form) (any, error) {
	wanted, least, most := f.List("LaunchTemplateVersion"), f.Int("MinVersion"), f.Int("MaxVersion")
	f.Ignore("ResolveAlias")
	var of *region.LaunchTemplate
	err := s.store.Read(func(st *region.State) (err error) {
		of, err = s.versionsOf(st, f, wanted)
		return err
	})
	if err != nil {
		return nil, err
	}
	items, next, err := list(s, f, listing[templateVersion, versionItem]{
		all: func(st *region.State) []templateVersion {
			return slices.DeleteFunc(allVersions(st), func(v templateVersion) bool {
				return of != nil && v.of != of || !versionWanted(v, wanted) || least != nil && v.Number < *least || most != nil && v.Number > *most
			})
		},
		filters: filters[templateVersion]{"image-id": one(func(v templateVersion) string { return v.Data.ImageID }),
			"instance-type":      one(func(v templateVersion) string { return v.Data.InstanceType }),
			"is-default-version": one(func(v templateVersion) string { return strconv.FormatBool(v.isDefault()) })},
		show:  showVersion,
		pages: wire.Paging{Least: 1, Most: 200, Default: 200, BadSize: "InvalidParameterValue", BadToken: "InvalidParameterValue"},
	})
	return struct {
		Versions []versionItem `xml:"launchTemplateVersionSet>item"`
		Next     string        `xml:"nextToken,omitempty"`
	}{items, next}, err
}

// versionsOf is the template whose versions are asked for, which must be there;
// nil: those of all templates, of which only $Latest and $Default can be had.
func (s *Service) versionsOf(st *region.State, f wire.Form, wanted []string) (*region.LaunchTemplate, error) {
	aliases := len(wanted) > 0 && !slices.ContainsFunc(wanted, func(v string) bool { return v != "$Latest" && v != "$Default" })
	if !f.Has("LaunchTemplateId") && !f.Has("LaunchTemplateName") && aliases {
		return nil, nil
	}
	t, _, err := templateOf(st, f)
	if err != nil {
		return nil, err
	}
	for _, v := range wanted {
		if _, err := t.Version(v); err != nil {
			return nil, unknownVersion(t, v)
		}
	}
	return t, nil
}

func versionWanted(v templateVersion, wanted []string) bool {
	return len(wanted) == 0 || slices.Contains(wanted, strconv.Itoa(v.Number)) ||
		slices.Contains(wanted, "$Latest") && v.Number == int(v.of.Latest) || slices.Contains(wanted, "$Default") && v.isDefault()
}

func (s *Service) modifyTemplate(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Template templateItem `xml:"launchTemplate"`
	}
	err := s.once(f, func(st *region.State) (string, error) {
		t, _, err := templateOf(st, f)
		if err != nil {
			return "", err
		}
		version := f.Get("SetDefaultVersion") // how botocore writes DefaultVersion
		v, err := t.Version(version)
		if err != nil {
			return "", unknownVersion(t, version)
		}
		t.Default = region.Num(v.Number)
		return t.LaunchTemplateID, nil
	}, func(st *region.State, id string) { out.Template = showTemplate(st, st.LaunchTemplates[id]) })
	return out, err
}

func (s *Service) deleteTemplate(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Template templateItem `xml:"launchTemplate"`
	}
	err := s.change(f, func(st *region.State) error {
		t, _, err := templateOf(st, f)
		if err != nil {
			return err
		}
		out.Template = showTemplate(st, t)
		return st.DeleteLaunchTemplate(t)
	})
	return out, err
}

// launchData reads what a request says of instances to launch: a launch
// template's data, or the parameters of RunInstances, which are named alike.
func launchData(f wire.Form) (d region.LaunchTemplateData, err error) {
	d.ImageID, d.InstanceType, d.UserData, d.KeyName = f.Get("ImageId"), f.Get("InstanceType"), f.Get("UserData"), f.Get("KeyName")
	if _, err := base64.StdEncoding.DecodeString(d.UserData); err != nil {
		return d, region.Errorf(region.Invalid, "InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.")
	}
	if _, ok := region.LookupType(d.InstanceType); d.InstanceType != "" && !ok {
		return d, region.Errorf(region.Invalid, "InvalidParameterValue", "Invalid value '%s' for InstanceType.", d.InstanceType)
	}
	d.EbsOptimized = truthOf(f, "EbsOptimized")
	d.IamInstanceProfile.Arn, d.IamInstanceProfile.Name = f.Get("IamInstanceProfile.Arn"), f.Get("IamInstanceProfile.Name")
	d.SecurityGroupIDs = f.List("SecurityGroupId")
	f.Ignore("Monitoring", "CreditSpecification", "InstanceInitiatedShutdownBehavior", "DisableApiTermination", "Placement.Tenancy",
		"PrivateDnsNameOptions", "MaintenanceOptions")
	metadata := f.Sub("MetadataOptions")
	d.MetadataOptions.HTTPTokens, d.MetadataOptions.HTTPEndpoint = metadata.Word("HttpTokens", "optional", "required"), metadata.Word("HttpEndpoint", "enabled", "disabled")
	if hops := metadata.Within("HttpPutResponseHopLimit", 1, 64); hops != nil {
		d.MetadataOptions.HopLimit = *hops
	}
	d.MetadataOptions.InstanceTags = metadata.Word("InstanceMetadataTags", "enabled", "disabled")
	readDevices(&d, f)
	for _, n := range f.Each("NetworkInterface") {
		n.Ignore("SubnetId", "DeleteOnTermination", "Description", "NetworkCardIndex", "InterfaceType")
		d.NetworkInterfaces = append(d.NetworkInterfaces, region.NetworkInterfaceSpec{DeviceIndex: number(n, "DeviceIndex"),
			Groups: n.List("SecurityGroupId"), AssociatePublicIPAddress: truthOf(n, "AssociatePublicIpAddress")})
	}
	for _, spec := range f.Each("TagSpecification") {
		t := region.TagSpecification{ResourceType: spec.Get("ResourceType")}
		for _, tag := range spec.Each("Tag") {
			if err := mayTag(tag.Get("Key")); err != nil {
				return d, err
			}
			t.Tags.Set(region.Tag{Key: tag.Get("Key"), Value: tag.Get("Value")})
		}
		d.TagSpecifications = append(d.TagSpecifications, t)
	}
	return d, nil
}

func readDevices(d *region.LaunchTemplateData, f wire.Form) {
	for _, m := range f.Each("BlockDeviceMapping") {
		e := m.Sub("Ebs")
		m.Ignore("VirtualName", "NoDevice")
		e.Ignore("SnapshotId", "KmsKeyId")
		mapping := region.BlockDevice{DeviceName: m.Get("DeviceName")}
		mapping.Ebs.VolumeSize, mapping.Ebs.VolumeType = number(e, "VolumeSize"), e.Get("VolumeType")
		mapping.Ebs.Iops, mapping.Ebs.Throughput = number(e, "Iops"), number(e, "Throughput")
		mapping.Ebs.Encrypted, mapping.Ebs.DeleteOnTermination = truthOf(e, "Encrypted"), truthOf(e, "DeleteOnTermination")
		d.BlockDeviceMappings = append(d.BlockDeviceMappings, mapping)
	}
}

// number is a parameter that is left out when it is 0.
func number(f wire.Form, name string) int {
	if n := f.Int(name); n != nil {
		return *n
	}
	return 0
}

// truthOf is a truth that may not have been said.
func truthOf(f wire.Form, name string) *bool {
	if !f.Has(name) {
		return nil
	}
	v := f.Bool(name)
	return &v
}
