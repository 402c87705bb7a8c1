package drover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/aws"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/problem"
)

// A stack stays where its first up made it: in one account, one region, and the
// zones of its network. Anywhere else nothing of it would be found, all of it
// would count as deleted, and be forgotten or made once more.

// bound is what ties a stack: nothing while it is empty, and no zones while it
// has no network.
func bound(s *state.Snapshot) state.Identity {
	at := s.Identity
	ofNetwork := func(r state.Resource) bool { return r.Component == "network" }
	begun := func(in state.Intent) bool { return in.Resource != nil && ofNetwork(*in.Resource) }
	switch {
	case s.Empty():
		return state.Identity{}
	case !slices.ContainsFunc(s.Resources, ofNetwork) && !slices.ContainsFunc(s.Pending, begun):
		at.Zones = nil
	}
	return at
}

// sameProject refuses a file of another name: every resource of the stack has
// the project in its name, and none would be known again.
func sameProject(name string, s *state.Snapshot) error {
	if name == s.Project {
		return nil
	}
	fix := fmt.Sprintf("put back name: %s, or take the stack along: drover stack rename --project %s --stack %s", s.Project, name, s.Stack)
	return refused(s, fix, "%s names project %s, and the stack belongs to project %s", spec.File, name, s.Project)
}

// locate tells where calls go, and refuses to go where the stack does not live.
func locate(ctx context.Context, cloud *aws.Cloud, s *state.Snapshot, events event.Sink) (state.Identity, error) {
	at := bound(s)
	if at.Region != "" && at.Region != cloud.Region() {
		fix := fmt.Sprintf("drover config set aws:region %s --stack %s; for the other region make a stack of its own", at.Region, s.Stack)
		return at, refused(s, fix, "it lives in region %s, and this would go to %s", at.Region, cloud.Region())
	}
	account, err := account(ctx, cloud, s, events)
	switch {
	case err != nil:
		return at, err
	case at.Account != "" && account != "" && at.Account != account:
		fix := fmt.Sprintf("take credentials of account %s (AWS_PROFILE); for the other account make a stack of its own", at.Account)
		return at, refused(s, fix, "it lives in account %s, and the credentials are of account %s", at.Account, account)
	}
	at.Account, at.Region = cmp.Or(at.Account, account), cloud.Region()
	return at, nil
}

// account asks whose the credentials are. Who may not or cannot ask works on
// without the check: empty. Credentials that AWS refuses would fail everywhere else, too.
func account(ctx context.Context, cloud *aws.Cloud, s *state.Snapshot, events event.Sink) (string, error) {
	account, err := cloud.Account(ctx)
	var known *problem.Error
	var name *net.DNSError
	refused := errors.As(err, &known) && known.Kind == problem.Usage && !errors.As(err, &name)
	if err == nil || ctx.Err() != nil || refused {
		return account, err
	}
	events.Emit(event.Finding{Severity: event.Warning, Object: "stack/" + s.Stack,
		Effect: "nobody checks that the credentials are of the stack's account: " + err.Error(), Fix: "allow and let through sts:GetCallerIdentity"})
	return "", nil
}

// zones are those of the network: pinned, or chosen at the first up by the file
// or else from what is available today.
func zones(ctx context.Context, cloud *aws.Cloud, c *spec.Cluster, pinned []string) ([]string, error) {
	switch {
	case c == nil:
		return pinned, nil
	case len(pinned) > 0:
		return pinned, sameZones(c, pinned)
	}
	open, err := cloud.Zones(ctx)
	if err != nil || c.Zones == nil {
		return open, err
	}
	for _, z := range c.Zones {
		if !slices.Contains(open, z) {
			return nil, &problem.Error{Kind: problem.Usage, At: c.ZonesAt, Op: "cluster.network.zones",
				Err: fmt.Errorf("region %s has no zone %s that is available and takes a cluster", cloud.Region(), z),
				Fix: "choose from " + strings.Join(open, ", ")}
		}
	}
	return c.Zones, nil
}

func sameZones(c *spec.Cluster, pinned []string) error {
	if c.Zones == nil || slices.Equal(c.Zones, pinned) {
		return nil
	}
	have := strings.Join(pinned, ", ")
	return &problem.Error{Kind: problem.Refused, At: c.ZonesAt, Op: "cluster.network.zones",
		Err: fmt.Errorf("the network spans %s; EKS keeps a cluster to the zones that it was made with", have),
		Fix: fmt.Sprintf("write zones: [%s], or leave the key out; other zones need a stack of its own", have)}
}

func refused(s *state.Snapshot, fix, format string, args ...any) error {
	return &problem.Error{Kind: problem.Refused, Op: "stack " + s.Stack, Err: fmt.Errorf(format, args...), Fix: fix}
}
