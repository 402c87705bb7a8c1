package aws

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/droverhq/drover/internal/aws/internal/schema"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/plan"
)

var _ engine.Declarer = (*Provider)(nil)

// Declared is what a template would have said to get a live object: all that is
// read back but what only the service sets, what is empty, and tags of AWS and
// Drover. Defaults that the service filled in are there, too: a schema does not
// tell them from what somebody set.
func (p *Provider) Declared(ctx context.Context, r engine.Request) (engine.Declaration, error) {
	p, err := p.at(ctx, r.Where)
	if err != nil {
		return engine.Declaration{}, err
	}
	f, err := p.catalog.facts(ctx, r.Type)
	if err != nil {
		return engine.Declaration{}, err
	}
	live, err := p.control.get(ctx, r.Type, r.ID)
	if isNotFound(err) {
		return engine.Declaration{}, fmt.Errorf("%s: %w", subject(r), engine.ErrNotFound)
	}
	if err != nil {
		return engine.Declaration{}, explain("read "+subject(r), err)
	}
	d := engine.Declaration{Object: object(f, r.ID, live), Owner: map[string]string{}}
	for key, text := range tagsOf(live[f.Tags]) {
		if strings.HasPrefix(key, ownTags) {
			d.Owner[key] = text
		}
	}
	d.Props, _ = declared(f, live, nil).(map[string]any)
	if d.Props == nil {
		d.Props = plan.Props{}
	}
	return d, nil
}

// ownTags and awsTags begin the keys of tags that nobody declares.
const (
	ownTags = "drover:"
	awsTags = "aws:"
)

// declared is a live value without what nobody declares; nil if nothing is left.
func declared(f schema.Facts, live any, path []string) any {
	where := strings.Join(path, "/")
	switch {
	case where != "" && slices.Contains(f.ReadOnly, where):
		return nil
	case where != "" && where == f.Tags:
		live = ownedTags(live)
	}
	switch live := live.(type) {
	case map[string]any:
		out := make(map[string]any, len(live))
		for key, v := range live {
			if v = declared(f, v, append(slices.Clone(path), key)); v != nil {
				out[key] = v
			}
		}
		return unlessEmpty(out, len(out))
	case []any:
		out := make([]any, 0, len(live))
		for _, v := range live {
			if v = declared(f, v, append(slices.Clone(path), "*")); v != nil {
				out = append(out, v)
			}
		}
		return unlessEmpty(out, len(out))
	case string:
		return unlessEmpty(live, len(live))
	}
	return live
}

func unlessEmpty(v any, length int) any {
	if length == 0 {
		return nil
	}
	return v
}

// ownedTags are those that people set.
func ownedTags(live any) any {
	system := func(key string) bool { return strings.HasPrefix(key, ownTags) || strings.HasPrefix(key, awsTags) }
	switch live := live.(type) {
	case []any:
		return slices.DeleteFunc(slices.Clone(live), func(item any) bool {
			tag, _ := item.(map[string]any)
			key, _ := tag["Key"].(string)
			return system(key)
		})
	case map[string]any:
		out := maps.Clone(live)
		maps.DeleteFunc(out, func(key string, _ any) bool { return system(key) })
		return out
	}
	return live
}
