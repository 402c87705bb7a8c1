package region

import (
	"encoding/json"
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

// LaunchTemplateData is what the sandbox uses of a launch template's content;
// the rest is accepted and has no effect.
type LaunchTemplateData struct {
	ImageID            string `json:"ImageId,omitempty"`
	InstanceType       string `json:",omitempty"`
	UserData           string `json:",omitempty"` // base64
	IamInstanceProfile struct {
		Arn  string `json:",omitempty"`
		Name string `json:",omitempty"`
	}
	SecurityGroupIDs  []string `json:"SecurityGroupIds,omitempty"`
	NetworkInterfaces []struct {
		DeviceIndex              int      `json:",omitempty"`
		Groups                   []string `json:",omitempty"`
		AssociatePublicIPAddress *bool    `json:"AssociatePublicIpAddress,omitempty"`
	} `json:",omitempty"`
	TagSpecifications []TagSpecification `json:",omitempty"`
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
	number := 0
	switch ref.Version {
	case "$Latest":
		number = int(t.Latest)
	case "$Default", "":
		number = int(t.Default)
	default:
		number, _ = strconv.Atoi(ref.Version)
	}
	if number < 1 || number > len(t.Versions) {
		return nil, nil, Errorf(Invalid, "ValidationError", "You must use a valid fully-formed launch template. "+
			"Could not find the specified version %s for the launch template with ID %s.", ref.Version,
			t.LaunchTemplateID)
	}
	return t, &t.Versions[number-1], nil
}
