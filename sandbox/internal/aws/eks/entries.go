package eks

import (
	"slices"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

func (s *Service) createEntry(c call) (any, error) {
	var in struct {
		Principal string            `json:"principalArn"`
		Type      string            `json:"type"`
		Username  string            `json:"username"`
		Groups    []string          `json:"kubernetesGroups"`
		Tags      map[string]string `json:"tags"`
		Token     string            `json:"clientRequestToken"`
	}
	if err := body(c.Request, &in); err != nil {
		return nil, err
	}
	return s.update(func(st *region.State) (any, error) {
		if _, err := active(st, c.Vars[0]); err != nil {
			return nil, err
		}
		claim := region.Claim{Operation: "eks CreateAccessEntry", Token: in.Token, Fingerprint: c.Vars[0] + " " + in.Principal + " " + in.Type}
		key, err := st.Once(claim, s.now(), "InvalidRequestException", func() (string, error) {
			return st.CreateAccessEntry(&region.AccessEntry{PrincipalArn: in.Principal, ClusterName: c.Vars[0], Type: in.Type,
				Username: in.Username, KubernetesGroups: in.Groups, Tags: tagsOf(in.Tags)}, region.Stamp(s.now()))
		})
		if err != nil {
			return nil, err
		}
		return object{"accessEntry": showEntry(st.AccessEntries[key])}, nil
	})
}

func (s *Service) listEntries(c call) (any, error) {
	policy := c.URL.Query().Get("associatedPolicyArn")
	return s.read(func(st *region.State) (any, error) {
		if _, err := st.Cluster(c.Vars[0]); err != nil {
			return nil, err
		}
		arns := []string{}
		for _, e := range region.Sorted(st.AccessEntries) {
			if e.ClusterName == c.Vars[0] && (policy == "" || e.Find(policy) >= 0) {
				arns = append(arns, e.PrincipalArn)
			}
		}
		arns, next, err := page(c.Request, arns)
		return listing("accessEntries", arns, next), err
	})
}

// entryOf finds the access entry that a path names.
func entryOf(st *region.State, c call) (*region.AccessEntry, error) {
	if _, err := st.Cluster(c.Vars[0]); err != nil {
		return nil, err
	}
	if e, ok := st.AccessEntries[c.Vars[1]+"|"+c.Vars[0]]; ok {
		return e, nil
	}
	return nil, region.Errorf(region.NotFound, "ResourceNotFoundException",
		"The specified principalArn could not be found. You can view your available access entries with 'list-access-entries'.")
}

func showEntry(e *region.AccessEntry) object {
	groups := e.KubernetesGroups
	if groups == nil {
		groups = []string{}
	}
	modified := e.Modified
	if modified.IsZero() {
		modified = e.Created
	}
	return object{"clusterName": e.ClusterName, "principalArn": e.PrincipalArn, "kubernetesGroups": groups, "accessEntryArn": e.AccessEntryArn,
		"createdAt": e.Created.Unix(), "modifiedAt": modified.Unix(), "tags": tagMap(e.Tags), "username": e.Username, "type": e.Type}
}

func (s *Service) describeEntry(c call) (any, error) {
	return s.read(func(st *region.State) (any, error) {
		e, err := entryOf(st, c)
		if err != nil {
			return nil, err
		}
		return object{"accessEntry": showEntry(e)}, nil
	})
}

func (s *Service) updateEntry(c call) (any, error) {
	var in struct {
		Username *string  `json:"username"`
		Groups   []string `json:"kubernetesGroups"`
		Token    string   `json:"clientRequestToken"`
	}
	if err := body(c.Request, &in); err != nil {
		return nil, err
	}
	return s.once(c, in.Token, in, func(st *region.State) (string, error) {
		e, err := entryOf(st, c)
		if err != nil {
			return "", err
		}
		return "", e.Change(in.Username, in.Groups, region.Stamp(s.now()))
	}, func(st *region.State, _ string) (any, error) {
		e, err := entryOf(st, c)
		if err != nil {
			return nil, err
		}
		return object{"accessEntry": showEntry(e)}, nil
	})
}

func (s *Service) deleteEntry(c call) (any, error) {
	return s.update(func(st *region.State) (any, error) {
		e, err := entryOf(st, c)
		if err != nil {
			return nil, err
		}
		return object{}, st.DeleteAccessEntry(e)
	})
}

func showPolicy(e *region.AccessEntry, p region.AccessPolicy) object {
	since, ok := e.Associated[p.PolicyArn]
	if !ok {
		since = e.Created
	}
	namespaces := p.AccessScope.Namespaces
	if namespaces == nil {
		namespaces = []string{}
	}
	return object{"policyArn": p.PolicyArn, "accessScope": object{"type": p.AccessScope.Type, "namespaces": namespaces},
		"associatedAt": since.Unix(), "modifiedAt": since.Unix()}
}

func (s *Service) listPolicies(c call) (any, error) {
	return s.read(func(st *region.State) (any, error) {
		e, err := entryOf(st, c)
		if err != nil {
			return nil, err
		}
		list := []object{}
		for _, p := range e.AccessPolicies {
			list = append(list, showPolicy(e, p))
		}
		list, next, err := page(c.Request, list)
		o := listing("associatedAccessPolicies", list, next)
		o["clusterName"], o["principalArn"] = e.ClusterName, e.PrincipalArn
		return o, err
	})
}

func (s *Service) associatePolicy(c call) (any, error) {
	var in struct {
		Policy string `json:"policyArn"`
		Scope  struct {
			Type       string   `json:"type"`
			Namespaces []string `json:"namespaces"`
		} `json:"accessScope"`
	}
	if err := body(c.Request, &in); err != nil {
		return nil, err
	}
	policy := region.AccessPolicy{PolicyArn: in.Policy}
	policy.AccessScope.Type, policy.AccessScope.Namespaces = in.Scope.Type, in.Scope.Namespaces
	return s.update(func(st *region.State) (any, error) {
		e, err := entryOf(st, c)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(policies, strings.TrimPrefix(in.Policy, policyPrefix)) {
			return nil, invalid("The specified policyArn is invalid: %s", in.Policy)
		}
		if err := e.Associate(policy, region.Stamp(s.now())); err != nil {
			return nil, err
		}
		return object{"clusterName": e.ClusterName, "principalArn": e.PrincipalArn, "associatedAccessPolicy": showPolicy(e, policy)}, nil
	})
}

func (s *Service) disassociatePolicy(c call) (any, error) {
	return s.update(func(st *region.State) (any, error) {
		e, err := entryOf(st, c)
		if err != nil {
			return nil, err
		}
		k := e.Find(c.Vars[2])
		if k < 0 {
			return nil, region.Errorf(region.NotFound, "ResourceNotFoundException", "The specified policyArn could not be found: %s", c.Vars[2])
		}
		e.AccessPolicies = slices.Delete(e.AccessPolicies, k, k+1)
		return object{}, nil
	})
}

const policyPrefix = "arn:aws:eks::aws:cluster-access-policy/"

// policies are EKS's sets of rights. Only AmazonEKSClusterAdminPolicy of the
// whole cluster has an effect in the sandbox's authenticator.
var policies = []string{"AmazonEKSAdminPolicy", "AmazonEKSAdminViewPolicy", "AmazonEKSClusterAdminPolicy", "AmazonEKSEditPolicy", "AmazonEKSViewPolicy"}

func (s *Service) allPolicies(c call) (any, error) {
	list := []object{}
	for _, name := range policies {
		list = append(list, object{"name": name, "arn": policyPrefix + name})
	}
	list, next, err := page(c.Request, list)
	return listing("accessPolicies", list, next), err
}
