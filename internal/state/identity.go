package state

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/droverhq/drover/problem"
)

// A stack stays where its first up made it: in one account, one region, and the
// zones of its network. Anywhere else nothing of it would be found, all of it
// would count as deleted, and be forgotten or made once more.

// Identity is where a stack lives. It is pinned before anything is made, and
// then stays: what was made elsewhere could not be found, changed or deleted.
type Identity struct {
	Account string   `json:"account,omitempty"`
	Region  string   `json:"region,omitempty"`
	Zones   []string `json:"zones,omitempty"` // of the cluster's network
}

// IsZero reports that nothing is pinned yet.
func (i Identity) IsZero() bool { return i.Account == "" && i.Region == "" && len(i.Zones) == 0 }

func (i Identity) equal(o Identity) bool {
	return i.Account == o.Account && i.Region == o.Region && slices.Equal(i.Zones, o.Zones)
}

// network is the component that a stack's zones belong to.
const network = "network"

// bound is what ties a stack: nothing while it is empty, and no zones while it
// has no network.
func (s *Snapshot) bound() Identity {
	at := s.Identity
	ofNetwork := func(r Resource) bool { return r.Component == network }
	begun := func(in Intent) bool { return in.Resource != nil && ofNetwork(*in.Resource) }
	switch {
	case s.Empty():
		return Identity{}
	case !slices.ContainsFunc(s.Resources, ofNetwork) && !slices.ContainsFunc(s.Pending, begun):
		at.Zones = nil
	}
	return at
}

// Named refuses files of another project or stack: every resource has both in its
// URN, and none would be known again.
func (s *Snapshot) Named(project, stack string) error {
	if project == s.Project && stack == s.Stack {
		return nil
	}
	fix := fmt.Sprintf("put back name: %s, or take the stack along: drover stack rename --project %s --stack %s", s.Project, project, s.Stack)
	return s.refuse(fix, "the files are of project %s, stack %s, and the stack belongs to project %s, stack %s", project, stack, s.Project, s.Stack)
}

// Locate is where the stack lives if calls go to this region of this account,
// which is refused if it lives elsewhere. Empty: nobody knows the account.
func (s *Snapshot) Locate(region, account string) (Identity, error) {
	at := s.bound()
	switch {
	case at.Region != "" && at.Region != region:
		fix := fmt.Sprintf("drover config set aws:region %s --stack %s; for the other region make a stack of its own", at.Region, s.Stack)
		return at, s.refuse(fix, "it lives in region %s, and this would go to %s", at.Region, region)
	case at.Account != "" && account != "" && at.Account != account:
		fix := fmt.Sprintf("take credentials of account %s (AWS_PROFILE); for the other account make a stack of its own", at.Account)
		return at, s.refuse(fix, "it lives in account %s, and the credentials are of account %s", at.Account, account)
	}
	at.Account, at.Region = cmp.Or(at.Account, account), region
	return at, nil
}

func (s *Snapshot) refuse(fix, format string, args ...any) error {
	return &problem.Error{Kind: problem.Refused, Op: "stack " + s.Stack, Err: fmt.Errorf(format, args...), Fix: fix}
}

// Span is the zones of a network, once they are pinned: whatever is available
// today, they stay. Nil: none are, and the caller chooses. Others than those are
// refused; nil asks for none.
func (i Identity) Span(asked []string) ([]string, error) {
	if len(i.Zones) == 0 || asked == nil || slices.Equal(asked, i.Zones) {
		return i.Zones, nil
	}
	have := strings.Join(i.Zones, ", ")
	return i.Zones, &problem.Error{Kind: problem.Refused, Op: "cluster.network.zones",
		Err: fmt.Errorf("the network spans %s; EKS keeps a cluster to the zones that it was made with", have),
		Fix: fmt.Sprintf("write zones: [%s], or leave the key out; other zones need a stack of its own", have)}
}
