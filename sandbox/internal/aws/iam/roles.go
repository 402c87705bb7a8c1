package iam

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

func (s *Service) roleActions() map[string]wire.Action {
	return map[string]wire.Action{
		"CreateRole":               wire.Must(s.createRole, "AssumeRolePolicyDocument", "RoleName"),
		"GetRole":                  wire.Must(s.getRole, "RoleName"),
		"ListRoles":                s.listRoles,
		"UpdateRole":               wire.Must(s.updateRole, "RoleName"),
		"UpdateAssumeRolePolicy":   wire.Must(s.updateTrust, "PolicyDocument", "RoleName"),
		"DeleteRole":               wire.Must(s.deleteRole, "RoleName"),
		"AttachRolePolicy":         wire.Must(s.attach, "PolicyArn", "RoleName"),
		"DetachRolePolicy":         wire.Must(s.detach, "PolicyArn", "RoleName"),
		"ListAttachedRolePolicies": wire.Must(s.listAttached, "RoleName"),
		"PutRolePolicy":            wire.Must(s.putInline, "PolicyDocument", "PolicyName", "RoleName"),
		"GetRolePolicy":            wire.Must(s.getInline, "PolicyName", "RoleName"),
		"ListRolePolicies":         wire.Must(s.listInline, "RoleName"),
		"DeleteRolePolicy":         wire.Must(s.deleteInline, "PolicyName", "RoleName"),
		"TagRole":                  wire.Must(s.tag(roleTags), "RoleName", "Tags"),
		"UntagRole":                wire.Must(s.untag(roleTags), "RoleName", "TagKeys"),
		"ListRoleTags":             wire.Must(s.listTags(roleTags), "RoleName"),
	}
}

func roleTags(st *region.State, f wire.Form) (*region.Tags, error) {
	r, err := roleOf(st, f)
	if err != nil {
		return nil, err
	}
	return &r.Tags, nil
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

func showRole(r *region.Role) role {
	return role{r.Path, r.RoleName, r.RoleID, r.Arn, stamp(r.Created), escaped(r.AssumeRolePolicyDocument), r.Description,
		r.MaxSessionDuration, showTags(r.Tags)}
}

func noRole(name string) error { return none("The role with name %s cannot be found.", name) }

// roleOf finds the role that a request names.
func roleOf(st *region.State, f wire.Form) (*region.Role, error) {
	if r, ok := st.Roles[f.Get("RoleName")]; ok {
		return r, nil
	}
	return nil, noRole(f.Get("RoleName"))
}

// withRole changes the role that a request names.
func (s *Service) withRole(f wire.Form, change func(*region.State, *region.Role) error) (any, error) {
	return s.update(f, func(st *region.State) error {
		r, err := roleOf(st, f)
		if err != nil {
			return err
		}
		return change(st, r)
	})
}

// named is what IAM allows as a name.
var named = regexp.MustCompile(`^[\w+=,.@-]{1,128}$`)

func checkName(parameter, name string) error {
	if !named.MatchString(name) {
		return invalid("The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", parameter)
	}
	return nil
}

// document reads a policy.
func document(text string) (json.RawMessage, error) {
	var policy struct {
		Statement json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &policy); err != nil || len(policy.Statement) == 0 {
		return nil, region.Errorf(region.Invalid, "MalformedPolicyDocument", "This policy contains invalid Json, or no statement")
	}
	return json.RawMessage(text), nil
}

// escaped is a policy as answers hold it: percent-encoded.
func escaped(policy json.RawMessage) string {
	return strings.ReplaceAll(url.QueryEscape(string(policy)), "+", "%20")
}

func (s *Service) createRole(_ *http.Request, f wire.Form) (any, error) {
	r := &region.Role{RoleName: f.Get("RoleName"), Path: f.Get("Path"), Description: f.Get("Description"), Tags: tagsIn(f)}
	if n := f.Int("MaxSessionDuration"); n != nil {
		r.MaxSessionDuration = *n
	}
	err := checkName("roleName", r.RoleName)
	if err == nil {
		r.AssumeRolePolicyDocument, err = document(f.Get("AssumeRolePolicyDocument"))
	}
	if err == nil {
		err = checkDuration(f)
	}
	if err != nil {
		return nil, err
	}
	var out struct{ Role role }
	err = s.store.Update(f.Whole(func(st *region.State) error {
		_, err := st.CreateRole(r, region.Stamp(s.now()))
		out.Role = showRole(r)
		return err
	}))
	return out, err
}

func checkDuration(f wire.Form) error {
	if n := f.Int("MaxSessionDuration"); f.Has("MaxSessionDuration") && (n == nil || *n < 3600 || *n > 43200) {
		return invalid("Value '%s' at 'maxSessionDuration' must be from 3600 to 43200", f.Get("MaxSessionDuration"))
	}
	return nil
}

func (s *Service) getRole(_ *http.Request, f wire.Form) (any, error) {
	var out struct{ Role role }
	err := s.store.Read(func(st *region.State) error {
		r, err := roleOf(st, f)
		if err == nil {
			out.Role = showRole(r)
		}
		return err
	})
	return out, err
}

func (s *Service) listRoles(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Roles []role `xml:"Roles>member"`
		cut
	}
	var list []role
	s.store.View(func(st *region.State) {
		for _, r := range region.Sorted(st.Roles) {
			if under(f, r.Path) {
				list = append(list, showRole(r))
			}
		}
	})
	var err error
	out.Roles, out.cut, err = page(f, list)
	return out, err
}

func (s *Service) updateRole(_ *http.Request, f wire.Form) (any, error) {
	if err := checkDuration(f); err != nil {
		return nil, err
	}
	return s.withRole(f, func(_ *region.State, r *region.Role) error {
		if f.Has("Description") {
			r.Description = f.Get("Description")
		}
		if n := f.Int("MaxSessionDuration"); n != nil {
			r.MaxSessionDuration = *n
		}
		return nil
	})
}

func (s *Service) updateTrust(_ *http.Request, f wire.Form) (any, error) {
	return s.withRole(f, func(_ *region.State, r *region.Role) (err error) {
		r.AssumeRolePolicyDocument, err = document(f.Get("PolicyDocument"))
		return err
	})
}

func (s *Service) deleteRole(_ *http.Request, f wire.Form) (any, error) {
	return s.withRole(f, func(st *region.State, r *region.Role) error {
		if len(r.ManagedPolicyArns) > 0 {
			return region.Errorf(region.Dependency, "DeleteConflict", "Cannot delete entity, must detach all policies first.")
		}
		if len(r.Policies) > 0 {
			return region.Errorf(region.Dependency, "DeleteConflict", "Cannot delete entity, must delete policies first.")
		}
		return st.DeleteRole(r)
	})
}

func (s *Service) attach(_ *http.Request, f wire.Form) (any, error) {
	return s.withRole(f, func(st *region.State, r *region.Role) error {
		arn := f.Get("PolicyArn")
		if !known(st, arn) {
			return none("Policy %s does not exist or is not attachable.", arn)
		}
		if !slices.Contains(r.ManagedPolicyArns, arn) {
			r.ManagedPolicyArns = append(r.ManagedPolicyArns, arn)
		}
		return nil
	})
}

func (s *Service) detach(_ *http.Request, f wire.Form) (any, error) {
	return s.withRole(f, func(_ *region.State, r *region.Role) error {
		left, was := without(r.ManagedPolicyArns, f.Get("PolicyArn"))
		if !was {
			return none("Policy %s was not found.", f.Get("PolicyArn"))
		}
		r.ManagedPolicyArns = left
		return nil
	})
}

func (s *Service) listAttached(_ *http.Request, f wire.Form) (any, error) {
	type policy struct {
		Name string `xml:"PolicyName"`
		ARN  string `xml:"PolicyArn"`
	}
	var out struct {
		Policies []policy `xml:"AttachedPolicies>member"`
		cut
	}
	var list []policy
	err := s.store.Read(func(st *region.State) error {
		r, err := roleOf(st, f)
		if err != nil {
			return err
		}
		for _, arn := range r.ManagedPolicyArns {
			list = append(list, policy{lastPart(arn), arn})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out.Policies, out.cut, err = page(f, list)
	return out, err
}

func (s *Service) putInline(_ *http.Request, f wire.Form) (any, error) {
	return s.withRole(f, func(_ *region.State, r *region.Role) error {
		p := region.InlinePolicy{PolicyName: f.Get("PolicyName")}
		err := checkName("policyName", p.PolicyName)
		if err == nil {
			p.PolicyDocument, err = document(f.Get("PolicyDocument"))
		}
		if err != nil {
			return err
		}
		r.Policies = slices.DeleteFunc(r.Policies, func(o region.InlinePolicy) bool { return o.PolicyName == p.PolicyName })
		r.Policies = append(r.Policies, p)
		return nil
	})
}

// inline finds the inline policy of a role that a request names.
func inline(st *region.State, f wire.Form) (*region.Role, int, error) {
	r, err := roleOf(st, f)
	if err != nil {
		return nil, 0, err
	}
	name := f.Get("PolicyName")
	k := slices.IndexFunc(r.Policies, func(p region.InlinePolicy) bool { return p.PolicyName == name })
	if k < 0 {
		return nil, 0, none("The role policy with name %s cannot be found.", name)
	}
	return r, k, nil
}

func (s *Service) getInline(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Role     string `xml:"RoleName"`
		Name     string `xml:"PolicyName"`
		Document string `xml:"PolicyDocument"`
	}
	err := s.store.Read(func(st *region.State) error {
		r, k, err := inline(st, f)
		if err == nil {
			out.Role, out.Name, out.Document = r.RoleName, r.Policies[k].PolicyName, escaped(r.Policies[k].PolicyDocument)
		}
		return err
	})
	return out, err
}

func (s *Service) listInline(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Names []string `xml:"PolicyNames>member"`
		cut
	}
	var list []string
	err := s.store.Read(func(st *region.State) error {
		r, err := roleOf(st, f)
		if err != nil {
			return err
		}
		for _, p := range r.Policies {
			list = append(list, p.PolicyName)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out.Names, out.cut, err = page(f, list)
	return out, err
}

func (s *Service) deleteInline(_ *http.Request, f wire.Form) (any, error) {
	return s.update(f, func(st *region.State) error {
		r, k, err := inline(st, f)
		if err == nil {
			r.Policies = slices.Delete(r.Policies, k, k+1)
		}
		return err
	})
}
