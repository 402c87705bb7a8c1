package aws

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/internal/aws/internal/schema"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/sleep"
)

// staleFor bounds how long an update is looked for in what AWS reads back. EC2
// and IAM tell the old for about a second; what a service writes in words of its
// own is never found, and then this is all that it costs.
const staleFor = 5 * time.Second

// counters are read-only properties that move with each change of others.
var counters = map[string]string{"AWS::EC2::LaunchTemplate": "LatestVersionNumber"}

// change is one update that was made, and what is to be seen of it.
type change struct {
	typ       string
	facts     schema.Facts
	old, want map[string]any
	before    map[string]any // the live object before it; nil: nothing was sent
}

// readUpdated reads an object that was just changed: who refers to it must not
// be given what it was like before.
func (p *Provider) readUpdated(ctx context.Context, r engine.Request, made change) (engine.Object, error) {
	var b backoff
	for start := time.Now(); ; {
		obj, err := p.Read(ctx, r)
		if err != nil || made.shows(obj.Outputs) || time.Since(start) > staleFor {
			return obj, err
		}
		if err := sleep.For(ctx, b.next()); err != nil {
			return engine.Object{}, err
		}
	}
}

// shows reports that the live object is one of after the change.
func (c change) shows(live map[string]any) bool {
	if c.before == nil {
		return true
	}
	if name := counters[c.typ]; name != "" && equal(live[name], c.before[name]) {
		return false
	}
	for key, value := range c.want {
		if !equal(c.old[key], value) && c.readBack(key) && !covers(live[key], value) {
			return false
		}
	}
	return true
}

// readBack reports that a property comes back as it was sent.
func (c change) readBack(key string) bool {
	return !slices.ContainsFunc(slices.Concat(c.facts.WriteOnly, c.facts.CreateOnly, c.facts.ReadOnly), func(path string) bool {
		return path == key || strings.HasPrefix(path, key+"/")
	})
}
