package engine

import (
	"maps"
	"slices"
	"strings"

	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/value"
)

// changes are all properties that a step will set, leaf by leaf, with those for
// which the object must be made anew. What is secret shows as such.
func (j *judgement) changes(it *item) []plan.Change {
	var before plan.Props
	if it.have != nil {
		before = it.have.Inputs
	}
	forces := j.forces(it, before)
	var all []plan.Change
	for _, c := range leaves("", before, it.known) {
		b, a := shown(c.before), shown(c.after)
		if b != nil && a != nil && (value.HasSecret(c.before) || value.HasSecret(c.after)) {
			b, a = value.Hidden, value.Hidden // what becomes secret was secret
		}
		all = append(all, plan.Change{Path: c.path, Before: b, After: a, Forces: slices.ContainsFunc(forces, func(p string) bool {
			return c.path == p || strings.HasPrefix(c.path, p+".") || strings.HasPrefix(p, c.path+".")
		})})
	}
	return all
}

// forces are the paths whose change takes a new object.
func (j *judgement) forces(it *item, before plan.Props) []string {
	provider, err := j.engine.Providers(it.Type)
	if it.fate != replace || err != nil {
		return nil
	}
	var paths []string
	for _, p := range provider.Replaces(it.Type, before, it.known) {
		paths = append(paths, strings.ReplaceAll(strings.TrimPrefix(p, "/"), "/", "."))
	}
	for _, c := range forced(it.Options, before, it.known) {
		paths = append(paths, c.path)
	}
	return paths
}

// leaves is diff with what appears or goes taken apart, too.
func leaves(path string, before, after any) []change {
	var all []change
	for _, c := range diff(path, before, after) {
		b, bIsMap := c.before.(plan.Props)
		a, aIsMap := c.after.(plan.Props)
		if bIsMap && c.after == nil || aIsMap && c.before == nil {
			for _, k := range Keys(b, a) {
				all = append(all, leaves(strings.TrimPrefix(c.path+"."+k, "."), b[k], a[k])...)
			}
			continue
		}
		all = append(all, c)
	}
	return all
}

// shown is a value as a plan holds it: data, with text in place of what is not known.
func shown(v any) any {
	switch v := v.(type) {
	case nil:
		return nil
	case value.Secret:
		return value.Hidden
	case value.Unknown:
		return v.String()
	case *value.Expr:
		return v.String()
	case plan.Props:
		out := make(plan.Props, len(v))
		for k, e := range v {
			out[k] = shown(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = shown(e)
		}
		return out
	}
	return v
}

// Keys are the properties that any of the objects has, sorted.
func Keys(of ...map[string]any) []string {
	all := map[string]any{}
	for _, props := range of {
		maps.Copy(all, props)
	}
	return slices.Sorted(maps.Keys(all))
}
