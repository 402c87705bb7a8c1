// Package iam is the IAM API, as far as reading goes: roles and instance
// profiles are made and deleted through Cloud Control.
package iam

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// Namespace is the XML namespace of answers.
const Namespace = "https://iam.amazonaws.com/doc/2010-05-08/"

// Service answers IAM requests.
type Service struct{ store *region.Store }

// New makes the service.
func New(store *region.Store) *Service { return &Service{store: store} }

// Actions lists what is implemented.
func (s *Service) Actions() map[string]wire.Action {
	return map[string]wire.Action{
		"GetRole":                  s.getRole,
		"ListRoles":                s.listRoles,
		"ListAttachedRolePolicies": s.listPolicies,
		"GetInstanceProfile":       s.getProfile,
		"ListInstanceProfiles":     s.listProfiles,
	}
}

type role struct {
	Path    string
	Name    string `xml:"RoleName"`
	ID      string `xml:"RoleId"`
	ARN     string `xml:"Arn"`
	Created string `xml:"CreateDate"`
	Trust   string `xml:"AssumeRolePolicyDocument"`
	About   string `xml:"Description,omitempty"`
	Session int    `xml:"MaxSessionDuration"`
	Tags    []tag  `xml:"Tags>member"`
}

type tag struct{ Key, Value string }

func showRole(r *region.Role) role {
	out := role{r.Path, r.RoleName, r.RoleID, r.Arn, stamp(r.Created),
		url.QueryEscape(string(r.AssumeRolePolicyDocument)), r.Description,
		r.MaxSessionDuration, nil}
	for _, t := range r.Tags {
		out.Tags = append(out.Tags, tag{t.Key, t.Value})
	}
	return out
}

type profile struct {
	Path    string
	Name    string `xml:"InstanceProfileName"`
	ID      string `xml:"InstanceProfileId"`
	ARN     string `xml:"Arn"`
	Created string `xml:"CreateDate"`
	Roles   []role `xml:"Roles>member"`
}

func showProfile(st *region.State, p *region.InstanceProfile) profile {
	out := profile{Path: p.Path, Name: p.InstanceProfileName, ID: p.ID, ARN: p.Arn, Created: stamp(p.Created)}
	for _, name := range p.Roles {
		if r, ok := st.Roles[name]; ok {
			out.Roles = append(out.Roles, showRole(r))
		}
	}
	return out
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (s *Service) getRole(_ *http.Request, f wire.Form) (any, error) {
	var out struct{ Role role }
	var err error
	s.store.View(func(st *region.State) {
		r, ok := st.Roles[f.Get("RoleName")]
		if !ok {
			err = noRole(f.Get("RoleName"))
			return
		}
		out.Role = showRole(r)
	})
	return out, err
}

func (s *Service) listRoles(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Roles     []role `xml:"Roles>member"`
		Truncated bool   `xml:"IsTruncated"`
	}
	s.store.View(func(st *region.State) {
		for _, r := range region.Sorted(st.Roles) {
			if strings.HasPrefix(r.Path, f.Get("PathPrefix")) {
				out.Roles = append(out.Roles, showRole(r))
			}
		}
	})
	return out, nil
}

func (s *Service) listPolicies(_ *http.Request, f wire.Form) (any, error) {
	type policy struct {
		Name string `xml:"PolicyName"`
		ARN  string `xml:"PolicyArn"`
	}
	var out struct {
		Policies  []policy `xml:"AttachedPolicies>member"`
		Truncated bool     `xml:"IsTruncated"`
	}
	var err error
	s.store.View(func(st *region.State) {
		r, ok := st.Roles[f.Get("RoleName")]
		if !ok {
			err = noRole(f.Get("RoleName"))
			return
		}
		for _, arn := range r.ManagedPolicyArns {
			out.Policies = append(out.Policies, policy{arn[strings.LastIndexByte(arn, '/')+1:], arn})
		}
	})
	return out, err
}

func (s *Service) getProfile(_ *http.Request, f wire.Form) (any, error) {
	var out struct{ InstanceProfile profile }
	var err error
	s.store.View(func(st *region.State) {
		p, ok := st.Profiles[f.Get("InstanceProfileName")]
		if !ok {
			err = region.Errorf(region.NotFound, "NoSuchEntity", "Instance Profile %s cannot be found.",
				f.Get("InstanceProfileName"))
			return
		}
		out.InstanceProfile = showProfile(st, p)
	})
	return out, err
}

func (s *Service) listProfiles(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Profiles  []profile `xml:"InstanceProfiles>member"`
		Truncated bool      `xml:"IsTruncated"`
	}
	s.store.View(func(st *region.State) {
		for _, p := range region.Sorted(st.Profiles) {
			if strings.HasPrefix(p.Path, f.Get("PathPrefix")) {
				out.Profiles = append(out.Profiles, showProfile(st, p))
			}
		}
	})
	return out, nil
}

func noRole(name string) error {
	return region.Errorf(region.NotFound, "NoSuchEntity", "The role with name %s cannot be found.", name)
}
