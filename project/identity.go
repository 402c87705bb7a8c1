package project

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/aws"
	"github.com/droverhq/drover/internal/expand"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/problem"
)

// Where a stack lives is pinned in its state (state.Identity); here is asked where calls would go.

// locate tells where calls go, and refuses to go where the stack does not live.
func locate(ctx context.Context, cloud *aws.Cloud, s *state.Snapshot, events event.Sink) (state.Identity, error) {
	at, err := s.Locate(cloud.Region(), "")
	if err != nil {
		return at, err
	}
	account, err := account(ctx, cloud, s, events)
	if err != nil {
		return at, err
	}
	return s.Locate(cloud.Region(), account)
}

// account asks whose the credentials are. Who may not or cannot ask works on
// without the check: empty. Credentials that AWS refuses would fail everywhere else,
// too, and so does an endpoint at which nobody listens.
func account(ctx context.Context, cloud *aws.Cloud, s *state.Snapshot, events event.Sink) (string, error) {
	account, err := cloud.Account(ctx)
	var known *problem.Error
	var name *net.DNSError
	refused := errors.As(err, &known) && known.Kind == problem.Usage && !errors.As(err, &name)
	if err == nil || ctx.Err() != nil || refused || errors.Is(err, syscall.ECONNREFUSED) {
		return account, err
	}
	events.Emit(event.Finding{Severity: event.Warning, Object: "stack/" + s.Stack,
		Effect: "nobody checks that the credentials are of the stack's account: " + err.Error(), Fix: "allow and let through sts:GetCallerIdentity"})
	return "", nil
}

// zones are those of the network: pinned, or chosen at the first up by the file
// or else from what is available today.
func zones(ctx context.Context, cloud *aws.Cloud, c *spec.Cluster, at state.Identity) ([]string, error) {
	switch {
	case c == nil:
		return at.Zones, nil
	case c.Existing != nil && len(at.Zones) > 0:
		return nil, &problem.Error{Kind: problem.Refused, At: c.Existing.At, Op: "cluster.network.vpc",
			Err: errors.New("the stack has a network of its own, and EKS moves no cluster to another VPC"), Fix: "remove vpc and subnets; another VPC needs a stack of its own"}
	case c.Existing != nil:
		return nil, nil
	}
	pinned, err := at.Span(c.Zones)
	var refused *problem.Error
	if errors.As(err, &refused) {
		refused.At = c.ZonesAt
	}
	if err != nil || len(pinned) > 0 {
		return pinned, err
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

// checkAddons refuses versions that EKS does not have, all of them at once.
func checkAddons(ctx context.Context, cloud *aws.Cloud, c *spec.Cluster) error {
	if c == nil {
		return nil
	}
	var refused problem.List
	for _, a := range c.Addons {
		if a.Version == "" {
			continue
		}
		err := cloud.CheckAddon(ctx, a.Name, a.Version, c.Version)
		var p *problem.Error
		if errors.As(err, &p) {
			p.At, p.Op = a.At, "cluster.addons."+a.Name
			refused = append(refused, p)
		} else if err != nil {
			return err
		}
	}
	return refused.Err()
}

// network looks at the network that the cluster shall be in, if somebody else has
// made it, and tells what it lacks.
func network(ctx context.Context, cloud *aws.Cloud, c *spec.Cluster, events event.Sink) (*spec.Network, error) {
	if c == nil || c.Existing == nil {
		return nil, nil
	}
	chosen := func(c spec.Chosen) aws.Chosen { return aws.Chosen{IDs: c.IDs, Tags: c.Tags} }
	found, err := cloud.Network(ctx, chosen(c.Existing.VPC), chosen(c.Existing.Public), chosen(c.Existing.Private))
	var p *problem.Error
	if errors.As(err, &p) && p.At == (problem.Place{}) {
		p.At = c.Existing.At
	}
	if err != nil {
		return nil, err
	}
	for _, f := range found.Findings {
		events.Emit(f)
	}
	return &spec.Network{VPC: found.VPC, CIDR: found.CIDR, Public: found.Public, Private: found.Private}, nil
}

// newest looks up the images that are the newest today, for groups that ask for these.
func newest(ctx context.Context, cloud *aws.Cloud, files *spec.Spec) (map[string]string, error) {
	found := make(map[string]string)
	for _, name := range expand.Newest(files) {
		v, err := cloud.Lookup(ctx, name)
		if err != nil {
			return nil, err
		}
		found[name], _ = v.(string)
	}
	return found, nil
}

// places are where the providers of the file lead: what is made there is looked
// for there for as long as it stands, whatever the file says later.
func places(ctx context.Context, cloud *aws.Cloud, providers []spec.Provider) (map[string]graph.Where, error) {
	found := make(map[string]graph.Where)
	for _, p := range providers {
		w := graph.Where{Region: p.Region, Profile: p.Profile, Role: p.Role, ExternalID: p.ExternalID}
		there, account, err := cloud.Reach(ctx, w)
		var known *problem.Error
		if errors.As(err, &known) {
			known.At = p.At
		}
		if err != nil {
			return nil, err
		}
		w.Region, w.Account = there.Region(), account
		found[p.Name] = w
	}
	return found, nil
}
