package aws

import (
	"maps"
	"slices"
	"strings"

	"github.com/droverhq/drover/internal/aws/internal/schema"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/value"
)

// tagged is props with the owner's tags added in the type's own style. A key
// that the user sets stays the user's.
func tagged(f schema.Facts, props plan.Props, tags map[string]string) plan.Props {
	if f.Tags == "" || len(tags) == 0 {
		return props
	}
	out := maps.Clone(props)
	if out == nil {
		out = plan.Props{}
	}
	switch f.TagStyle {
	case schema.Map:
		out[f.Tags] = mapTags(out[f.Tags], tags)
	case schema.List:
		out[f.Tags] = listTags(out[f.Tags], tags, nil)
	case schema.Group:
		out[f.Tags] = listTags(out[f.Tags], tags, plan.Props{"PropagateAtLaunch": true})
	case schema.Template:
		out[f.Tags] = templateTags(out[f.Tags], tags)
	}
	return out
}

// Tagged is props with default tags, which the file's own win over. Objects whose
// tags can never change have none: another default would make them anew. Nor has
// what gets its tags from a reference.
func (p *Provider) Tagged(typ string, props plan.Props, tags map[string]string) plan.Props {
	f, known := p.factsForPlan(typ)
	_, expr := props[f.Tags].(*value.Expr)
	if !known || expr || f.Immutable || slices.Contains(f.CreateOnly, f.Tags) || slices.Contains(f.Conditional, f.Tags) {
		return props
	}
	return tagged(f, props, tags)
}

func mapTags(have any, tags map[string]string) any {
	out := map[string]any{}
	for k, v := range tags {
		out[k] = v
	}
	if m, ok := have.(map[string]any); ok {
		maps.Copy(out, m)
	}
	return out
}

func listTags(have any, tags map[string]string, extra plan.Props) any {
	list, _ := have.([]any)
	out := slices.Clone(list)
	taken := tagsOf(list)
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		if _, ok := taken[k]; ok {
			continue
		}
		tag := map[string]any{"Key": k, "Value": tags[k]}
		maps.Copy(tag, extra)
		out = append(out, tag)
	}
	return out
}

// templateTags tags the launch template itself, not what it launches.
func templateTags(have any, tags map[string]string) any {
	const self = "launch-template"
	list, _ := have.([]any)
	out := slices.Clone(list)
	for i, item := range out {
		if spec, ok := item.(map[string]any); ok && spec["ResourceType"] == self {
			spec = maps.Clone(spec)
			spec["Tags"] = listTags(spec["Tags"], tags, nil)
			out[i] = spec
			return out
		}
	}
	return append(out, map[string]any{"ResourceType": self, "Tags": listTags(nil, tags, nil)})
}

// tagsOf reads tags of either style: a list of Key and Value, or a map.
func tagsOf(v any) map[string]string {
	out := map[string]string{}
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			tag, _ := item.(map[string]any)
			key, _ := tag["Key"].(string)
			out[key], _ = tag["Value"].(string)
		}
	case map[string]any:
		for k, value := range v {
			out[k], _ = value.(string)
		}
	}
	return out
}

// keepForeign adds to wanted tags those of the live object that somebody else
// set: neither wanted now nor among those of ours, which earlier updates have or
// may have set. AWS's own (aws:) may not be sent back.
func keepForeign(live, want any, ours ...any) any {
	known := tagsOf(want)
	for _, tags := range ours {
		maps.Copy(known, tagsOf(tags))
	}
	foreign := func(key string) bool {
		_, is := known[key]
		return !is && !strings.HasPrefix(key, "aws:")
	}
	switch live := live.(type) {
	case []any:
		list, _ := want.([]any)
		out := slices.Clone(list)
		for _, item := range live {
			tag, _ := item.(map[string]any)
			if key, _ := tag["Key"].(string); foreign(key) {
				out = append(out, item)
			}
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, v := range live {
			if foreign(k) {
				out[k] = v
			}
		}
		if m, ok := want.(map[string]any); ok {
			maps.Copy(out, m)
		}
		return out
	}
	return want
}
