package region

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Role is AWS::IAM::Role.
type Role struct {
	RoleName                 string
	Arn                      string
	RoleID                   string `json:"RoleId"`
	Path                     string
	AssumeRolePolicyDocument json.RawMessage
	ManagedPolicyArns        []string       `json:",omitempty"`
	Policies                 []InlinePolicy `json:",omitempty"`
	Description              string         `json:",omitempty"`
	MaxSessionDuration       int            `json:",omitempty"`
	Tags                     Tags           `json:",omitempty"`
	Rest                     Rest           `json:",omitempty"`

	Created time.Time `json:",omitzero"`
}

// InlinePolicy is a policy that a role has for itself.
type InlinePolicy struct {
	PolicyName     string
	PolicyDocument json.RawMessage
}

// CreateRole makes a role with a name nobody has.
func (s *State) CreateRole(r *Role, now time.Time) (string, error) {
	if r.RoleName == "" {
		r.RoleName = "drover-" + randomHex(12)
	}
	if _, ok := s.Roles[r.RoleName]; ok {
		return "", Errorf(Exists, "EntityAlreadyExists", "Role with name %s already exists.", r.RoleName)
	}
	if r.Path == "" {
		r.Path = "/"
	}
	r.RoleID = "AROA" + strings.ToUpper(randomHex(17))
	r.Arn = "arn:aws:iam::" + Account + ":role" + r.Path + r.RoleName
	r.Created = now
	if r.MaxSessionDuration == 0 {
		r.MaxSessionDuration = 3600
	}
	s.Roles[r.RoleName] = r
	return r.RoleName, nil
}

// DeleteRole refuses while an instance profile holds the role.
func (s *State) DeleteRole(r *Role) error {
	for _, p := range s.Profiles {
		if slices.Contains(p.Roles, r.RoleName) {
			return Errorf(Dependency, "DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
		}
	}
	delete(s.Roles, r.RoleName)
	return nil
}

// RoleByARN finds a role, nil if there is none.
func (s *State) RoleByARN(arn string) *Role {
	for _, r := range s.Roles {
		if r.Arn == arn {
			return r
		}
	}
	return nil
}

// InstanceProfile is AWS::IAM::InstanceProfile.
type InstanceProfile struct {
	InstanceProfileName string
	Arn                 string
	Path                string
	Roles               []string

	Tags    Tags `json:",omitempty"`
	ID      string
	Created time.Time `json:",omitzero"`
}

// CreateProfile makes an instance profile for one existing role.
func (s *State) CreateProfile(p *InstanceProfile, now time.Time) (string, error) {
	if len(p.Roles) != 1 {
		return "", Errorf(Invalid, "ValidationError", "An instance profile has one role, not %d", len(p.Roles))
	}
	return s.AddProfile(p, now)
}

// AddProfile makes an instance profile that may have no role yet.
func (s *State) AddProfile(p *InstanceProfile, now time.Time) (string, error) {
	if p.InstanceProfileName == "" {
		p.InstanceProfileName = "drover-" + randomHex(12)
	}
	if _, ok := s.Profiles[p.InstanceProfileName]; ok {
		return "", Errorf(Exists, "EntityAlreadyExists", "Instance Profile %s already exists.", p.InstanceProfileName)
	}
	if err := s.CheckProfile(p); err != nil {
		return "", err
	}
	if p.Path == "" {
		p.Path = "/"
	}
	p.ID = "AIPA" + strings.ToUpper(randomHex(17))
	p.Arn = "arn:aws:iam::" + Account + ":instance-profile" + p.Path + p.InstanceProfileName
	p.Created = now
	s.Profiles[p.InstanceProfileName] = p
	return p.InstanceProfileName, nil
}

// CheckProfile refuses a profile with more than one role, or one that does not exist.
func (s *State) CheckProfile(p *InstanceProfile) error {
	if len(p.Roles) > 1 {
		return Errorf(Limit, "LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
	}
	for _, name := range p.Roles {
		if _, ok := s.Roles[name]; !ok {
			return Errorf(NotFound, "NoSuchEntity", "The role with name %s cannot be found.", name)
		}
	}
	return nil
}

// DeleteProfile always succeeds: running instances keep their credentials.
func (s *State) DeleteProfile(p *InstanceProfile) error {
	delete(s.Profiles, p.InstanceProfileName)
	return nil
}

// ProfileOf finds the instance profile that a launch template names.
func (s *State) ProfileOf(d LaunchTemplateData) *InstanceProfile {
	for _, p := range s.Profiles {
		if p.Arn == d.IamInstanceProfile.Arn || p.InstanceProfileName == d.IamInstanceProfile.Name {
			return p
		}
	}
	return nil
}

// ProfileRole is the role of an instance profile, nil if either is gone.
func (s *State) ProfileRole(arn string) *Role {
	for _, p := range s.Profiles {
		if p.Arn == arn && len(p.Roles) == 1 {
			return s.Roles[p.Roles[0]]
		}
	}
	return nil
}

// ManagedPolicy is a policy of the account that roles share.
type ManagedPolicy struct {
	Name        string
	ARN         string
	ID          string
	Path        string
	Description string `json:",omitempty"`
	Document    json.RawMessage
	Created     time.Time
	Tags        Tags `json:",omitempty"`
}

// OIDCProvider is AWS::IAM::OIDCProvider: it lets the tokens of an issuer assume roles.
type OIDCProvider struct {
	ARN         string   `json:"Arn"`
	URL         string   `json:"Url"` // without https://
	Clients     []string `json:"ClientIdList,omitempty"`
	Thumbprints []string `json:"ThumbprintList,omitempty"`
	Tags        Tags     `json:",omitempty"`

	Created time.Time
}

// CreateOIDCProvider makes a provider of the issuer at a URL.
func (s *State) CreateOIDCProvider(p *OIDCProvider, now time.Time) (string, error) {
	address, ok := strings.CutPrefix(p.URL, "https://")
	if !ok || address == "" {
		return "", Errorf(Invalid, "ValidationError", "Invalid Open ID Connect Provider URL: it must begin with https://")
	}
	given := p.URL
	p.URL, p.Created = strings.TrimSuffix(address, "/"), now
	p.ARN = "arn:aws:iam::" + Account + ":oidc-provider/" + p.URL
	if s.OIDCProviders[p.ARN] != nil {
		return "", Errorf(Exists, "EntityAlreadyExists", "Provider with url %s already exists.", given)
	}
	s.OIDCProviders[p.ARN] = p
	return p.ARN, nil
}

// DeleteOIDCProvider ends a provider.
func (s *State) DeleteOIDCProvider(p *OIDCProvider) error {
	delete(s.OIDCProviders, p.ARN)
	return nil
}
