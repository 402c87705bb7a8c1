package drover

import (
	"context"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Pulumi takes the hooks that run before a delete from the state, not from the
// program. A group that was made before Protect came has none there, and would be
// deleted without a hand-over in the very run that brings it. So the hooks are
// written into the old state before Pulumi compares anything with it.

// transformation adds that to groups of this program. Those that a component of
// another language registers do not come by here.
func (p *protector) transformation(args *pulumi.ResourceTransformationArgs) *pulumi.ResourceTransformationResult {
	k := key{args.Type, args.Name}
	if !p.concerns(k) {
		return nil
	}
	p.seen.with(k, func(g *group) { g.reached = true })
	opts := append(slices.Clone(args.Opts), pulumi.StateMigrations([]pulumi.StateMigration{p.carry(k)}))
	return &pulumi.ResourceTransformationResult{Props: args.Props, Opts: opts}
}

// carry looks at the old state of a group, and adds the hooks if they are not
// there.
func (p *protector) carry(k key) pulumi.StateMigration {
	return func(_ context.Context, args *pulumi.StateMigrationArgs) (*pulumi.StateMigrationResult, error) {
		if len(args.OldState) == 0 {
			return nil, nil
		}
		root := args.OldState[0]
		p.remember(k, root)
		hooks, changed := p.withHooks(root["resourceHooks"])
		if !changed {
			return nil, nil
		}
		p.tell.warn("the state of %s does not carry the hand-over yet: this run adds it. Until one has, do not change the group by --target or a saved plan, which leave the state as it is", k)
		states := slices.Clone(args.OldState)
		states[0] = maps.Clone(root)
		states[0]["resourceHooks"] = hooks
		return &pulumi.StateMigrationResult{NewState: states}, nil
	}
}

// remember takes from the old state what the group is called.
func (p *protector) remember(k key, state map[string]any) {
	id, _ := state["id"].(string)
	outputs, _ := state["outputs"].(map[string]any)
	known := resource.PropertyMap{}
	if name, ok := outputs[kinds[k.typ].name].(string); ok {
		known[resource.PropertyKey(kinds[k.typ].name)] = resource.NewProperty(name)
	}
	set := kinds[k.typ].named(id, known)
	p.seen.with(k, func(g *group) { g.stood, g.old = id, set })
}

// withHooks is what a state's hooks are to be.
func (p *protector) withHooks(held any) (hooks map[string]any, changed bool) {
	old, _ := held.(map[string]any)
	hooks = maps.Clone(old)
	if hooks == nil {
		hooks = map[string]any{}
	}
	for kind, name := range map[resource.HookType]string{resource.BeforeDelete: hookDelete, resource.AfterDelete: hookGone} {
		names, _ := hooks[string(kind)].([]any)
		if slices.ContainsFunc(names, func(n any) bool { s, _ := n.(string); return s == p.hookName(name) }) {
			continue
		}
		hooks[string(kind)], changed = append(slices.Clone(names), p.hookName(name)), true
	}
	return hooks, changed
}
