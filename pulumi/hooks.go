package drover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/droverhq/drover/move"
	"github.com/droverhq/drover/problem"
)

// mover is what the hooks ask of package move.
type mover interface {
	Check(context.Context, move.Options) (move.Report, error)
	Run(context.Context, move.Options) error
	Ready(context.Context, move.Access, []move.Set, func(string)) error
	Find(context.Context, move.Access, string) (move.Move, error)
	Recover(context.Context, move.Recovery) error
}

// library is package move itself.
type library struct{}

// Check looks.
func (library) Check(ctx context.Context, o move.Options) (move.Report, error) {
	return move.Check(ctx, o)
}

// Run moves.
func (library) Run(ctx context.Context, o move.Options) error { return move.Run(ctx, o) }

// Ready waits for groups.
func (library) Ready(ctx context.Context, a move.Access, groups []move.Set, tell func(string)) error {
	return move.Ready(ctx, a, groups, tell)
}

// Find finds a move by its name.
func (library) Find(ctx context.Context, a move.Access, name string) (move.Move, error) {
	return move.Find(ctx, a, name)
}

// Recover drops what a move has left.
func (library) Recover(ctx context.Context, r move.Recovery) error { return move.Recover(ctx, r) }

// protector is what the hooks of one Protect share.
type protector struct {
	Options
	ctx    context.Context // hooks are given none
	dryRun bool
	off    bool // this run goes without hand-overs
	move   mover
	tell   teller
	seen   seen
}

// newProtector is for one run. The context of an inline program of the Automation
// API ends with the program, and hooks before a delete run after that.
func newProtector(ctx *pulumi.Context, o Options, m mover) *protector {
	return &protector{Options: o, ctx: context.WithoutCancel(ctx.Context()), dryRun: ctx.DryRun(), move: m, tell: teller{ctx.Log, os.Stderr}}
}

// beforeCreate takes note of nodes that will come, and tells of a group whose old
// state nobody could look at.
func (p *protector) beforeCreate(args *pulumi.ResourceHookArgs) error {
	k := keyOf(args)
	fresh := kinds[k.typ].fresh(args.NewInputs)
	p.seen.with(k, func(g *group) { g.fresh = &fresh })
	if p.seen.of(k).deleteFirst {
		return p.deleteFirst(k)
	}
	if !p.seen.of(k).reached {
		p.tell.warn("if %s takes the place of a group that was made before drover.Protect came, that one goes without a hand-over: then run pulumi up once with nothing else changed", k)
	}
	return nil
}

// afterCreate takes note of a group that stands.
func (p *protector) afterCreate(args *pulumi.ResourceHookArgs) error {
	k := keyOf(args)
	made := kinds[k.typ].named(string(args.ID), args.NewOutputs)
	p.seen.with(k, func(g *group) { g.made = made })
	return nil
}

// beforeUpdate has the nodes that are too many handed over and ended: which those
// are would else be for AWS to choose.
func (p *protector) beforeUpdate(args *pulumi.ResourceHookArgs) error {
	k := keyOf(args)
	leave, changes := kinds[k.typ].shrinksTo(args.OldInputs, args.NewInputs)
	if !changes {
		return nil
	}
	from := kinds[k.typ].named(string(args.ID), args.OldOutputs)
	return p.handOver(k, move.Options{From: []move.Set{from}, Then: move.Empty, Leave: leave}, func(access move.Access) (bool, error) {
		r, err := p.move.Check(p.ctx, move.Options{Access: access, From: []move.Set{from}, Then: move.Empty, Leave: leave})
		return err == nil && len(r.Nodes) == 0, err
	})
}

// beforeDelete has the group handed over. A managed one keeps its empty nodes: EKS
// ends them as it deletes the group. The instances of others end by name.
func (p *protector) beforeDelete(args *pulumi.ResourceHookArgs) error {
	k := keyOf(args)
	if p.seen.of(k).first(string(args.ID)) && !p.off {
		return p.deleteFirst(k)
	}
	from := kinds[k.typ].named(string(args.ID), args.OldOutputs)
	o := move.Options{From: []move.Set{from}, To: p.seen.takers(k, from), Then: move.Empty}
	if from.Kind == move.NodeGroup {
		o.Then = move.Keep
	}
	return p.handOver(k, o, func(access move.Access) (bool, error) { return p.empty(access, k, from, args.OldInputs) })
}

// afterDelete drops the record of a group whose nodes were kept until now.
func (p *protector) afterDelete(args *pulumi.ResourceHookArgs) error {
	k := keyOf(args)
	from := kinds[k.typ].named(string(args.ID), args.OldOutputs)
	if p.off || from.Kind != move.NodeGroup {
		return nil
	}
	access, drop, err := p.access()
	if err != nil {
		return err
	}
	defer drop()
	if kept, err := p.move.Find(p.ctx, access, from.String()); err != nil || kept.State != move.Kept {
		return nil //nolint:nilerr // there is none, or somebody else works on it
	}
	return p.move.Recover(p.ctx, move.Recovery{Access: access, Name: from.String(), Kept: true})
}

// deleteFirst refuses what would end nodes before others stand.
func (p *protector) deleteFirst(k key) error {
	return told(&problem.Error{
		Kind: problem.Refused, Op: "hand over " + k.String(),
		Err: errors.New("it would be deleted before its replacement is made: nothing could take its pods"),
		Fix: "leave deleteBeforeReplace out, and let Pulumi name the group (a name of your own makes it delete first)",
	})
}

// handOver does what one hook is for, or looks at it in a preview. idle says that
// there is nothing to do.
func (p *protector) handOver(k key, o move.Options, idle func(move.Access) (bool, error)) error {
	if p.off {
		p.tell.warn("%s goes without a hand-over: %s=%s", k, off, offThen)
		return nil
	}
	access, drop, err := p.access()
	if errors.Is(err, errUnknown) {
		p.tell.info("the cluster of %s is not known before pulumi up: nothing can be said about its hand-over", k)
		return nil
	}
	if err != nil {
		return told(err)
	}
	defer drop()
	if nothing, err := idle(access); nothing || err != nil {
		return told(err)
	}
	o = p.with(access, o)
	if p.dryRun {
		return told(p.look(k, o))
	}
	return told(p.run(k, o))
}

// with adds what all hand-overs have in common.
func (p *protector) with(access move.Access, o move.Options) move.Options {
	o.Access, o.Guards, o.EndBare = access, p.Guards, p.EndBare
	o.Soak, o.Settle, o.BalancerSettle = p.Soak, p.Settle, p.BalancerSettle
	return o
}

// look tells what a hand-over would meet; a blocker is an error.
func (p *protector) look(k key, o move.Options) error {
	o.To = nil // it may not be there yet
	o.Fresh = p.seen.fresh()
	r, err := p.move.Check(p.ctx, o)
	if err != nil {
		return err
	}
	p.tell.report(k, r)
	blockers := r.Blockers()
	if len(blockers) == 0 {
		return nil
	}
	first := blockers[0]
	return &problem.Error{Kind: problem.Refused, Op: "hand over " + k.String(), Err: fmt.Errorf("%s: %s", first.Object, first.Effect), Fix: first.Fix}
}

// run hands over. Ctrl-C stops it, and with it the delete: what it had closed is
// open again by then.
func (p *protector) run(k key, o move.Options) error {
	ctx, stop := signal.NotifyContext(p.ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	p.tell.info("hand over %s", k)
	if err := p.move.Ready(ctx, o.Access, o.To, p.tell.waiting()); err != nil {
		return err
	}
	o.Events = p.tell.events(p.Events)
	o.Show = func(r move.Report) error { p.tell.report(k, r); return nil }
	return p.move.Run(ctx, o)
}

// empty: the managed group has no nodes in the cluster, and that is no mistake
// about which cluster it is. It was handed over there by a run that did not come
// to delete it; or nodes were never wanted.
func (p *protector) empty(access move.Access, k key, from move.Set, inputs resource.PropertyMap) (bool, error) {
	if from.Kind != move.NodeGroup {
		return false, nil // AWS tells how many instances an Auto Scaling group has
	}
	_, err := p.move.Check(p.ctx, move.Options{Access: access, From: []move.Set{from}})
	if !errors.Is(err, move.ErrNoNodes) {
		return false, nil //nolint:nilerr // the hand-over says it better
	}
	if m, found := p.move.Find(p.ctx, access, from.String()); found == nil && m.State == move.Kept {
		return true, nil
	}
	if n, known := kinds[k.typ].size(inputs, kinds[k.typ].desired); known && n == 0 {
		return true, nil
	}
	return false, &problem.Error{Kind: problem.Refused, Op: "hand over " + k.String(), Err: err,
		Fix: "see that Kubeconfig and Context are of the group's cluster; if it has no nodes on purpose, set its desired size to 0 and run pulumi up first"}
}

func keyOf(args *pulumi.ResourceHookArgs) key { return key{string(args.Type), args.Name} }
