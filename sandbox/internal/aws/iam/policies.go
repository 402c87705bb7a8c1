package iam

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

func (s *Service) policyActions() map[string]wire.Action {
	return map[string]wire.Action{
		"CreatePolicy":     wire.Must(s.createPolicy, "PolicyDocument", "PolicyName"),
		"GetPolicy":        wire.Must(s.getPolicy, "PolicyArn"),
		"GetPolicyVersion": wire.Must(s.getPolicyVersion, "PolicyArn", "VersionId"),
		"ListPolicies":     s.listPolicies,
		"DeletePolicy":     wire.Must(s.deletePolicy, "PolicyArn"),
	}
}

// awsPolicy is the form of the ARN of a policy that AWS manages. The sandbox
// knows none of them, and takes every name for one.
var awsPolicy = regexp.MustCompile(`^arn:aws:iam::aws:policy/[\w+=,.@/-]+$`)

// known tells whether a policy can be attached.
func known(st *region.State, arn string) bool {
	return st.Policies[arn] != nil || awsPolicy.MatchString(arn)
}

func lastPart(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// attachments counts the roles that have a policy.
func attachments(st *region.State, arn string) int {
	n := 0
	for _, r := range st.Roles {
		if slices.Contains(r.ManagedPolicyArns, arn) {
			n++
		}
	}
	return n
}

type policy struct {
	Name        string `xml:"PolicyName"`
	ID          string `xml:"PolicyId"`
	ARN         string `xml:"Arn"`
	Path        string
	Version     string `xml:"DefaultVersionId"`
	Attached    int    `xml:"AttachmentCount"`
	Boundaries  int    `xml:"PermissionsBoundaryUsageCount"`
	Attachable  bool   `xml:"IsAttachable"`
	Description string `xml:",omitempty"`
	Created     string `xml:"CreateDate"`
	Updated     string `xml:"UpdateDate"`
	Tags        []tag  `xml:"Tags>member"`
}

func showPolicy(st *region.State, p *region.ManagedPolicy) policy {
	return policy{p.Name, p.ID, p.ARN, p.Path, "v1", attachments(st, p.ARN), 0, true, p.Description, stamp(p.Created), stamp(p.Created), showTags(p.Tags)}
}

func policyOf(st *region.State, f wire.Form) (*region.ManagedPolicy, error) {
	arn := f.Get("PolicyArn")
	if p, ok := st.Policies[arn]; ok {
		return p, nil
	}
	if awsPolicy.MatchString(arn) {
		return nil, region.Errorf(region.Invalid, "InvalidAction", "The sandbox does not implement AWS's own policies: it does not know what they say: %s", arn)
	}
	return nil, none("Policy %s does not exist or is not attachable.", arn)
}

func (s *Service) createPolicy(_ *http.Request, f wire.Form) (any, error) {
	p := &region.ManagedPolicy{Name: f.Get("PolicyName"), Path: cmp.Or(f.Get("Path"), "/"), Description: f.Get("Description"), Tags: tagsIn(f),
		Created: region.Stamp(s.now())}
	err := checkName("policyName", p.Name)
	if err == nil {
		p.Document, err = document(f.Get("PolicyDocument"))
	}
	if err != nil {
		return nil, err
	}
	p.ARN = "arn:aws:iam::" + region.Account + ":policy" + p.Path + p.Name
	p.ID = "ANPA" + strings.ToUpper(region.UUID()[:8]+region.UUID()[:8])
	var out struct{ Policy policy }
	err = s.store.Update(f.Whole(func(st *region.State) error {
		if st.Policies[p.ARN] != nil {
			return region.Errorf(region.Exists, "EntityAlreadyExists", "A policy called %s already exists. Duplicate names are not allowed.", p.Name)
		}
		st.Policies[p.ARN] = p
		out.Policy = showPolicy(st, p)
		return nil
	}))
	return out, err
}

func (s *Service) getPolicy(_ *http.Request, f wire.Form) (any, error) {
	var out struct{ Policy policy }
	err := s.store.Read(func(st *region.State) error {
		p, err := policyOf(st, f)
		if err == nil {
			out.Policy = showPolicy(st, p)
		}
		return err
	})
	return out, err
}

func (s *Service) getPolicyVersion(_ *http.Request, f wire.Form) (any, error) {
	type version struct {
		Document string
		ID       string `xml:"VersionId"`
		Default  bool   `xml:"IsDefaultVersion"`
		Created  string `xml:"CreateDate"`
	}
	var out struct {
		Version version `xml:"PolicyVersion"`
	}
	err := s.store.Read(func(st *region.State) error {
		p, err := policyOf(st, f)
		if err == nil && f.Get("VersionId") != "v1" {
			err = none("Policy %s version %s does not exist or is not attachable.", p.ARN, f.Get("VersionId"))
		}
		if err == nil {
			out.Version = version{escaped(p.Document), "v1", true, stamp(p.Created)}
		}
		return err
	})
	return out, err
}

// listPolicies lists the account's own.
func (s *Service) listPolicies(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Policies []policy `xml:"Policies>member"`
		cut
	}
	var list []policy
	s.store.View(func(st *region.State) {
		for _, p := range region.Sorted(st.Policies) {
			if under(f, p.Path) && f.Get("Scope") != "AWS" && (!f.Bool("OnlyAttached") || attachments(st, p.ARN) > 0) {
				list = append(list, showPolicy(st, p))
			}
		}
	})
	var err error
	out.Policies, out.cut, err = page(f, list)
	return out, err
}

func (s *Service) deletePolicy(_ *http.Request, f wire.Form) (any, error) {
	return s.update(f, func(st *region.State) error {
		p, err := policyOf(st, f)
		if err != nil {
			return err
		}
		if attachments(st, p.ARN) > 0 {
			return region.Errorf(region.Dependency, "DeleteConflict", "Cannot delete a policy attached to entities.")
		}
		delete(st.Policies, p.ARN)
		return nil
	})
}
