package drover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/move"
)

// Options say which groups are protected, and how their pods move. All may be
// left out.
type Options struct {
	// Name tells several Protects of one program apart: one for each cluster. State
	// carries it: keep it as it is.
	Name string
	// Groups are the names (in the program) of those that are protected; empty: all
	// Auto Scaling groups and EKS node groups.
	Groups []string

	// Kubeconfig is the text of one, as the program has it; nil: the file that
	// kubectl would take. Context is one of its contexts; empty: its current one.
	Kubeconfig pulumi.StringInput
	Context    string

	Guards         []move.Guard  // watch the traffic, and stop the move when it suffers
	Soak           time.Duration // how long emptied nodes are watched before they go
	Settle         time.Duration // how long those who send to a pod are given at the least
	BalancerSettle time.Duration // how long a load balancer that cannot be asked gets to let go of a node
	EndBare        bool          // pods that nothing controls may be ended for good

	// Events gets all that happens in hand-overs, beside Pulumi's own log.
	Events event.Sink
}

// off is the environment variable by which one run goes without hand-overs, and
// the value that does it: nothing else can tell `pulumi destroy --run-program`
// from an up.
const (
	off     = "DROVER_PROTECT"
	offThen = "off"
)

// The names of the hooks. States carry them: they must not change.
const (
	hookDelete = "drover.dev/hand-over"
	hookUpdate = "drover.dev/shrink"
	hookCreate = "drover.dev/coming"
	hookMade   = "drover.dev/made"
	hookGone   = "drover.dev/gone"
)

// carrying is the first Pulumi that lets a program's old state be added to.
const carrying = ">=3.274.0"

// Protect has every node group that the program makes after this call handed over
// before it is deleted or shrinks.
func Protect(ctx *pulumi.Context, o Options) error {
	p := newProtector(ctx, o, library{})
	p.off = os.Getenv(off) == offThen
	if err := p.bind(ctx); err != nil {
		return fmt.Errorf("drover.Protect: %w", err)
	}
	return nil
}

// bind registers the hooks and what adds them to groups.
func (p *protector) bind(ctx *pulumi.Context) error {
	hooks, err := p.register(ctx)
	if err != nil {
		return err
	}
	if err := ctx.RegisterResourceTransform(p.transform(hooks)); err != nil {
		return err
	}
	if ctx.RequirePulumiVersion(carrying) != nil {
		return nil // beforeCreate warns
	}
	return ctx.RegisterStackTransformation(p.transformation)
}

// hook is a name and what it does.
type hook struct {
	name   string
	do     func(*pulumi.ResourceHookArgs) error
	dryRun bool // also in previews
	mild   bool // its failure is a warning
}

// register tells Pulumi of the hooks. Those of groups that the program has no more
// are found by their names.
func (p *protector) register(ctx *pulumi.Context) (*pulumi.ResourceHookBinding, error) {
	var errs []error
	add := func(h hook) []*pulumi.ResourceHook {
		registered, err := ctx.RegisterResourceHook(p.hookName(h.name), h.do, &pulumi.ResourceHookOptions{OnDryRun: h.dryRun, IgnoreErrors: h.mild})
		errs = append(errs, err)
		return []*pulumi.ResourceHook{registered}
	}
	b := &pulumi.ResourceHookBinding{
		BeforeCreate: add(hook{name: hookCreate, do: p.beforeCreate, dryRun: true}),
		AfterCreate:  add(hook{name: hookMade, do: p.afterCreate}),
		BeforeUpdate: add(hook{name: hookUpdate, do: p.beforeUpdate, dryRun: true}),
		BeforeDelete: add(hook{name: hookDelete, do: p.beforeDelete, dryRun: true}),
		AfterDelete:  add(hook{name: hookGone, do: p.afterDelete, mild: true}),
	}
	return b, errors.Join(errs...)
}

func (p *protector) hookName(name string) string {
	if p.Name == "" {
		return name
	}
	return name + "/" + p.Name
}

// concerns: the group is one of those that are protected.
func (p *protector) concerns(k key) bool {
	_, known := kinds[k.typ]
	return known && (len(p.Groups) == 0 || slices.Contains(p.Groups, k.name))
}

// transform binds the hooks to a group, whoever registers it.
func (p *protector) transform(hooks *pulumi.ResourceHookBinding) pulumi.ResourceTransform {
	return func(_ context.Context, args *pulumi.ResourceTransformArgs) *pulumi.ResourceTransformResult {
		k := key{args.Type, args.Name}
		if !args.Custom || !p.concerns(k) {
			return nil
		}
		p.seen.register(k, args.Opts.DeleteBeforeReplace)
		args.Opts.Hooks = joined(args.Opts.Hooks, hooks)
		return &pulumi.ResourceTransformResult{Props: args.Props, Opts: args.Opts}
	}
}

// joined is the hooks of a program's own, and ours after them. Ours before a
// delete come last: whatever else may stop it has spoken by then.
func joined(own, ours *pulumi.ResourceHookBinding) *pulumi.ResourceHookBinding {
	if own == nil {
		return ours
	}
	return &pulumi.ResourceHookBinding{
		BeforeCreate: slices.Concat(own.BeforeCreate, ours.BeforeCreate),
		AfterCreate:  slices.Concat(own.AfterCreate, ours.AfterCreate),
		BeforeUpdate: slices.Concat(own.BeforeUpdate, ours.BeforeUpdate),
		AfterUpdate:  own.AfterUpdate,
		BeforeDelete: slices.Concat(own.BeforeDelete, ours.BeforeDelete),
		AfterDelete:  slices.Concat(own.AfterDelete, ours.AfterDelete),
		OnError:      own.OnError,
	}
}
