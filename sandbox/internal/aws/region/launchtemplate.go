package region

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// LaunchTemplate is AWS::EC2::LaunchTemplate. Every update adds a version; the
// default stays 1, since the CloudFormation handler never moves it.
type LaunchTemplate struct {
	LaunchTemplateID   string                  `json:"LaunchTemplateId"`
	LaunchTemplateName string                  `json:""`
	Default            Num                     `json:"DefaultVersionNumber"`
	Latest             Num                     `json:"LatestVersionNumber"`
	Data               json.RawMessage         `json:"LaunchTemplateData,omitempty"` // of a request; Versions keep it
	VersionDescription string                  `json:",omitempty"`                   // of a request
	TagSpecifications  []TagSpecification      `json:",omitempty"`                   // of a request
	Tags               Tags                    `json:",omitempty"`
	Versions           []LaunchTemplateVersion `json:",omitempty"`
	Created            time.Time               `json:",omitzero"`
}

// LaunchTemplateVersion is one version's content.
type LaunchTemplateVersion struct {
	Number      int
	Description string `json:",omitempty"`
	Created     time.Time
	Data        LaunchTemplateData
}

// LaunchTemplateData is what the sandbox keeps of a launch template's content:
// what it uses, and what most templates hold besides.
type LaunchTemplateData struct {
	ImageID            string `json:"ImageId,omitempty"`
	InstanceType       string `json:",omitempty"`
	UserData           string `json:",omitempty"` // base64
	IamInstanceProfile struct {
		Arn  string `json:",omitempty"`
		Name string `json:",omitempty"`
	} `json:",omitzero"`
	KeyName             string        `json:",omitempty"`
	EbsOptimized        *bool         `json:",omitempty"`
	SecurityGroupIDs    []string      `json:"SecurityGroupIds,omitempty"`
	BlockDeviceMappings []BlockDevice `json:",omitempty"`
	MetadataOptions     struct {
		HTTPTokens   string `json:"HttpTokens,omitempty"`
		HTTPEndpoint string `json:"HttpEndpoint,omitempty"`
		HopLimit     int    `json:"HttpPutResponseHopLimit,omitempty"`
		InstanceTags string `json:"InstanceMetadataTags,omitempty"`
	} `json:",omitzero"`
	NetworkInterfaces []NetworkInterfaceSpec `json:",omitempty"`
	TagSpecifications []TagSpecification     `json:",omitempty"`
}

// BlockDevice is a disk of an instance to come; it has no effect.
type BlockDevice struct {
	DeviceName string `json:",omitempty"`
	Ebs        struct {
		VolumeSize          int    `json:",omitempty"` // GiB
		VolumeType          string `json:",omitempty"`
		Iops                int    `json:",omitempty"`
		Throughput          int    `json:",omitempty"` // MiB/s
		Encrypted           *bool  `json:",omitempty"`
		KmsKeyID            string `json:"KmsKeyId,omitempty"`
		DeleteOnTermination *bool  `json:",omitempty"`
	} `json:",omitzero"`
}

// NetworkInterfaceSpec is a network interface of an instance to come.
type NetworkInterfaceSpec struct {
	DeviceIndex              int      `json:",omitempty"`
	Groups                   []string `json:",omitempty"`
	AssociatePublicIPAddress *bool    `json:"AssociatePublicIpAddress,omitempty"`
}

// Under lays other data over this: what it says wins, property by property.
func (d LaunchTemplateData) Under(other LaunchTemplateData) (out LaunchTemplateData, err error) {
	merged := map[string]json.RawMessage{}
	for _, layer := range []LaunchTemplateData{d, other} {
		data, err := json.Marshal(layer)
		if err != nil {
			return out, err
		}
		if err := json.Unmarshal(data, &merged); err != nil {
			return out, err
		}
	}
	data, err := json.Marshal(merged)
	if err != nil {
		return out, err
	}
	err = json.Unmarshal(data, &out)
	return out, err
}

// TagSpecification gives tags to what is created along.
type TagSpecification struct {
	ResourceType string
	Tags         Tags
}

// CreateLaunchTemplate makes a template with its first version.
func (s *State) CreateLaunchTemplate(t *LaunchTemplate, now time.Time) (string, error) {
	t.LaunchTemplateID = NewID("lt")
	if t.LaunchTemplateName == "" {
		t.LaunchTemplateName = t.LaunchTemplateID
	}
	if s.LaunchTemplateNamed(t.LaunchTemplateName) != nil {
		return "", Errorf(Exists, "InvalidLaunchTemplateName.AlreadyExistsException",
			"Launch template name already in use.")
	}
	t.Default, t.Created = 1, now
	for _, spec := range t.TagSpecifications {
		if spec.ResourceType == "launch-template" {
			t.Tags = append(t.Tags, spec.Tags...)
		}
	}
	if err := s.AddVersion(t, now); err != nil {
		return "", err
	}
	s.LaunchTemplates[t.LaunchTemplateID] = t
	return t.LaunchTemplateID, nil
}

// AddVersion turns the content of a request into the template's newest version.
func (s *State) AddVersion(t *LaunchTemplate, now time.Time) error {
	v := LaunchTemplateVersion{Number: len(t.Versions) + 1, Description: t.VersionDescription, Created: now}
	if err := json.Unmarshal(t.Data, &v.Data); err != nil {
		return Errorf(Invalid, "InvalidParameterValue", "launch template data: %s", err)
	}
	t.Versions = append(t.Versions, v)
	t.Latest = Num(v.Number)
	t.Data, t.VersionDescription, t.TagSpecifications = nil, "", nil
	return nil
}

// LaunchTemplateNamed finds a template by name, nil if there is none.
func (s *State) LaunchTemplateNamed(name string) *LaunchTemplate {
	for _, t := range s.LaunchTemplates {
		if t.LaunchTemplateName == name {
			return t
		}
	}
	return nil
}

// DeleteLaunchTemplate succeeds even while a group uses it: that group then
// cannot launch.
func (s *State) DeleteLaunchTemplate(t *LaunchTemplate) error {
	delete(s.LaunchTemplates, t.LaunchTemplateID)
	return nil
}

// TemplateVersion finds what a group's reference means; a version may be a
// number, $Latest or $Default.
func (s *State) TemplateVersion(ref LaunchTemplateRef) (*LaunchTemplate, *LaunchTemplateVersion, error) {
	t := s.LaunchTemplates[ref.LaunchTemplateID]
	if ref.LaunchTemplateID == "" {
		t = s.LaunchTemplateNamed(ref.LaunchTemplateName)
	}
	if t == nil {
		return nil, nil, Errorf(Invalid, "ValidationError",
			"You must use a valid fully-formed launch template. The specified launch template, with template ID %s%s, does not exist.",
			ref.LaunchTemplateID, ref.LaunchTemplateName)
	}
	v, err := t.Version(ref.Version)
	if err != nil {
		return nil, nil, Errorf(Invalid, "ValidationError", "You must use a valid fully-formed launch template. %s", err)
	}
	return t, v, nil
}

// Version is one version: of a number, $Latest, or $Default, which an empty text means too.
func (t *LaunchTemplate) Version(text string) (*LaunchTemplateVersion, error) {
	number := 0
	switch text {
	case "$Latest":
		number = int(t.Latest)
	case "$Default", "":
		number = int(t.Default)
	default:
		number, _ = strconv.Atoi(text)
	}
	if number < 1 || number > len(t.Versions) {
		return nil, fmt.Errorf("Could not find the specified version %s for the launch template with ID %s.", text, t.LaunchTemplateID) //nolint:staticcheck // AWS's words
	}
	return &t.Versions[number-1], nil
}
