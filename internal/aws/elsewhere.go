package aws

import (
	"context"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/problem"
)

// elsewhere are the regions and accounts in which a stack has objects beside its
// own. Each is reached once, and only if something is there.
type elsewhere struct {
	home  *Cloud
	mu    sync.Mutex
	known map[graph.Where]*Provider
}

// at is the provider for objects at a place.
func (p *Provider) at(ctx context.Context, w graph.Where) (*Provider, error) {
	if w == p.where {
		return p, nil
	}
	return p.elsewhere.provider(ctx, w)
}

func (e *elsewhere) provider(ctx context.Context, w graph.Where) (*Provider, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.known[w]; p != nil {
		return p, nil
	}
	there, account, err := e.home.Reach(ctx, w)
	if err != nil {
		return nil, err
	}
	if w.Account != "" && account != w.Account {
		return nil, &problem.Error{Kind: problem.Refused, Op: "reach " + w.Place().String(),
			Err: fmt.Errorf("the credentials for it are of account %s now", account),
			Fix: "use those of the account: what is not found in another one would count as deleted"}
	}
	p := there.Provider()
	p.where = w
	if e.known == nil {
		e.known = make(map[graph.Where]*Provider)
	}
	e.known[w] = p
	return p, nil
}

// Reach is a region of an account, as a stack's own cloud leads to it, and the
// number of the account.
func (c *Cloud) Reach(ctx context.Context, w graph.Where) (*Cloud, string, error) {
	cfg, err := c.configured(ctx, w)
	if err != nil {
		return nil, "", err
	}
	there := New(cfg)
	account, err := there.Account(ctx)
	if err != nil {
		return nil, "", &problem.Error{Kind: problem.Outside, Op: "reach " + w.String(), Err: err,
			Fix: "see that the profile is there, and that whoever runs Drover may assume the role (its trust policy, sts:AssumeRole)"}
	}
	return there, account, nil
}

func (c *Cloud) configured(ctx context.Context, w graph.Where) (aws.Config, error) {
	cfg := c.base.Copy()
	if w.Profile != "" {
		profile, err := load(ctx, []func(*config.LoadOptions) error{config.WithRetryer(retryer), config.WithLogger(logging.Nop{}),
			config.WithSharedConfigProfile(w.Profile)})
		if err != nil {
			return cfg, &problem.Error{Kind: problem.Usage, Op: "read the AWS configuration of profile " + w.Profile, Err: err,
				Fix: "add it to ~/.aws/config, or correct providers in drover.yaml"}
		}
		if profile.Region == "" {
			profile.Region = cfg.Region
		}
		cfg = profile
	}
	if w.Region != "" {
		cfg.Region = w.Region
	}
	if w.Role != "" {
		cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), w.Role, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = "drover"
			if w.ExternalID != "" {
				o.ExternalID = &w.ExternalID
			}
		}))
	}
	return cfg, nil
}
