package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/action/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/move"
	"github.com/droverhq/drover/problem"
)

// handOver is the action drover_hand_over.
type handOver struct{ configured }

var (
	_ action.ActionWithConfigure      = (*handOver)(nil)
	_ action.ActionWithModifyPlan     = (*handOver)(nil)
	_ action.ActionWithValidateConfig = (*handOver)(nil)
)

// order is its configuration.
type order struct {
	From           types.List   `tfsdk:"from"`
	To             types.List   `tfsdk:"to"`
	Then           types.String `tfsdk:"then"`
	MayBeEmpty     types.Bool   `tfsdk:"may_be_empty"`
	NewNodes       types.Int64  `tfsdk:"new_nodes"`
	Soak           types.String `tfsdk:"soak"`
	Settle         types.String `tfsdk:"settle"`
	BalancerSettle types.String `tfsdk:"balancer_settle"`
	EndBare        types.Bool   `tfsdk:"end_bare"`
	Guards         []guard      `tfsdk:"guard"`
}

type guard struct {
	URL       types.String `tfsdk:"url"`
	Host      types.String `tfsdk:"host"`
	Expect    types.String `tfsdk:"expect"`
	MaxErrors types.Int64  `tfsdk:"max_errors"`
}

// Metadata names it.
func (a *handOver) Metadata(_ context.Context, q action.MetadataRequest, r *action.MetadataResponse) {
	r.TypeName = q.ProviderTypeName + "_hand_over"
}

// Schema is what it can be told.
func (a *handOver) Schema(_ context.Context, _ action.SchemaRequest, r *action.SchemaResponse) {
	text := func(about string) schema.StringAttribute {
		return schema.StringAttribute{Optional: true, MarkdownDescription: about}
	}
	r.Schema = schema.Schema{
		MarkdownDescription: "Moves what runs on nodes to others, each new pod before the old one, until the nodes are empty and out of the load balancers.",
		Attributes: map[string]schema.Attribute{
			"from":            schema.ListAttribute{Required: true, ElementType: types.StringType, MarkdownDescription: "Which nodes: `nodegroup/NAME`, `asg/NAME`, `nodepool/NAME`, `nodes/LABEL-SELECTOR`, `node/NAME`."},
			"to":              schema.ListAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: "Groups (`nodegroup/NAME`, `asg/NAME`) that take the pods: their nodes are waited for. Without any, wherever else the scheduler puts them."},
			"then":            text("What becomes of the nodes: `keep` leaves them closed and empty, `empty` ends the instances of one group by name. Without it `empty` for one Auto Scaling group, `keep` for all else."),
			"may_be_empty":    schema.BoolAttribute{Optional: true, MarkdownDescription: "The group may have no nodes, as one of size 0. Without it that is taken for the wrong cluster, unless an earlier hand-over emptied it."},
			"new_nodes":       schema.Int64Attribute{Optional: true, MarkdownDescription: "How many nodes the same apply makes: the plan counts them as there."},
			"soak":            text("How long the emptied nodes are watched, as in `2m`."),
			"settle":          text("How long those who send to a pod are given at the least."),
			"balancer_settle": text("How long a load balancer that cannot be asked gets to let go of a node."),
			"end_bare":        schema.BoolAttribute{Optional: true, MarkdownDescription: "Pods that nothing controls may be ended for good."},
		},
		Blocks: map[string]schema.Block{"guard": schema.ListNestedBlock{
			MarkdownDescription: "Probes that watch the traffic; when it suffers, the move stops, and nothing is destroyed.",
			NestedObject: schema.NestedBlockObject{Attributes: map[string]schema.Attribute{
				"url":        schema.StringAttribute{Required: true, MarkdownDescription: "What is asked."},
				"host":       text("Host header."),
				"expect":     text("A regular expression that the body must match."),
				"max_errors": schema.Int64Attribute{Optional: true, MarkdownDescription: "Failures that are forgiven."},
			}},
		}},
	}
}

// Configure takes the way to the cluster.
func (a *handOver) Configure(_ context.Context, q action.ConfigureRequest, r *action.ConfigureResponse) {
	if q.ProviderData == nil {
		return // Terraform only validates
	}
	c, ok := q.ProviderData.(configured)
	if !ok {
		r.Diagnostics.AddError("The provider is not configured", "this is a mistake in the provider: please report it")
		return
	}
	a.configured = c
}

// ValidateConfig finds what is wrong whatever the cluster is like.
func (a *handOver) ValidateConfig(ctx context.Context, q action.ValidateConfigRequest, r *action.ValidateConfigResponse) {
	_, _, diags := a.options(ctx, q.Config)
	r.Diagnostics.Append(diags...)
}

// ModifyPlan tells what would be met. It never fails: of an instance that the
// configuration has no more, Terraform takes an action that fails here out of the
// plan, warns, and destroys without it. What blocks stops the action itself.
func (a *handOver) ModifyPlan(ctx context.Context, q action.ModifyPlanRequest, r *action.ModifyPlanResponse) {
	o, known, diags := a.options(ctx, q.Config)
	r.Diagnostics.Append(warnings(diags)...)
	if diags.HasError() || !known {
		return
	}
	o.To = nil // it may not be there yet
	report, err := a.move.Check(ctx, o.Options)
	if err != nil {
		r.Diagnostics.Append(warnings(diag.Diagnostics{told(err)})...)
		return
	}
	for _, f := range report.Findings {
		r.Diagnostics.Append(finding(f))
	}
}

// Invoke hands over.
func (a *handOver) Invoke(ctx context.Context, q action.InvokeRequest, r *action.InvokeResponse) {
	o, known, diags := a.options(ctx, q.Config)
	r.Diagnostics.Append(diags...)
	if !known && !diags.HasError() {
		r.Diagnostics.AddError("The configuration of the hand-over is not known", "Nothing was handed over. A value in it is known only after this apply, and Terraform destroys what it takes for handed over. "+
			"Write what it depends on as something that is known, or apply that first.")
	}
	if r.Diagnostics.HasError() {
		return
	}
	p := progress{func(text string) { r.SendProgress(action.InvokeProgressEvent{Message: text}) }}
	if err := a.run(ctx, o, p); err != nil {
		r.Diagnostics.Append(stopped(err, o.From))
	}
}

func (a *handOver) run(ctx context.Context, o options, p progress) error {
	if done, err := a.done(ctx, o); done || err != nil {
		return err
	}
	o.Events = p.events()
	if err := a.move.Ready(ctx, o.Access, o.To, p.waiting()); err != nil {
		return err
	}
	return a.move.Run(ctx, o.Options)
}

// done: there are no nodes to hand over, and that is no mistake about which
// cluster it is.
func (a *handOver) done(ctx context.Context, o options) (bool, error) {
	_, err := a.move.Check(ctx, o.Options)
	if !errors.Is(err, move.ErrNoNodes) {
		return false, nil //nolint:nilerr // the hand-over says it better
	}
	if o.mayBeEmpty {
		return true, nil
	}
	if len(o.From) == 1 {
		if m, found := a.move.Find(ctx, o.Access, o.From[0].String()); found == nil && m.State == move.Kept {
			return true, nil
		}
	}
	return false, &problem.Error{Kind: problem.Refused, Op: "hand over " + o.From[0].String(), Err: err,
		Fix: "see that the provider's kubeconfig and context are of the group's cluster; if it has no nodes on purpose, set may_be_empty"}
}

// options are what package move takes, and what it does not.
type options struct {
	move.Options
	mayBeEmpty bool
}

// options are the configuration as package move takes it; known is false as long
// as Terraform does not know all of it.
func (a *handOver) options(ctx context.Context, config tfsdk.Config) (o options, known bool, diags diag.Diagnostics) {
	if !config.Raw.IsFullyKnown() {
		return o, false, nil
	}
	var held order
	if diags = config.Get(ctx, &held); diags.HasError() {
		return o, false, diags
	}
	o = options{move.Options{Access: a.access, Then: move.Then(held.Then.ValueString()), EndBare: held.EndBare.ValueBool()}, held.MayBeEmpty.ValueBool()}
	o.From = sets(ctx, "from", held.From, &diags)
	o.To = sets(ctx, "to", held.To, &diags)
	o.Soak = duration("soak", held.Soak, &diags)
	o.Settle = duration("settle", held.Settle, &diags)
	o.BalancerSettle = duration("balancer_settle", held.BalancerSettle, &diags)
	if n := held.NewNodes.ValueInt64(); n > 0 {
		o.Fresh = []move.Fresh{{Nodes: int(n)}}
	}
	for _, g := range held.Guards {
		o.Guards = append(o.Guards, g.move())
	}
	o.Then = then(o.Options, &diags)
	return o, true, diags
}

// then is what becomes of the nodes.
func then(o move.Options, diags *diag.Diagnostics) move.Then {
	switch {
	case o.Then == "" && len(o.From) == 1 && o.From[0].Kind == move.ASG:
		return move.Empty
	case o.Then == move.Delete:
		diags.AddAttributeError(path.Root("then"), "Terraform deletes the group itself", "take keep or empty")
	case o.Then != "" && o.Then != move.Keep && o.Then != move.Empty:
		diags.AddAttributeError(path.Root("then"), "That is not a choice", "take keep or empty")
	}
	return o.Then
}

func (g guard) move() move.Guard {
	out := move.Guard{URL: g.URL.ValueString(), Host: g.Host.ValueString(), Expect: g.Expect.ValueString()}
	if !g.MaxErrors.IsNull() {
		n := int(g.MaxErrors.ValueInt64())
		out.MaxErrors = &n
	}
	return out
}

func sets(ctx context.Context, name string, held types.List, diags *diag.Diagnostics) (all []move.Set) {
	if held.IsNull() {
		return nil
	}
	var texts []string
	diags.Append(held.ElementsAs(ctx, &texts, false)...)
	for i, text := range texts {
		s, err := move.ParseSet(text)
		if err != nil {
			diags.Append(at(path.Root(name).AtListIndex(i), err))
			continue
		}
		all = append(all, s)
	}
	return all
}

func duration(name string, held types.String, diags *diag.Diagnostics) time.Duration {
	if held.ValueString() == "" {
		return 0
	}
	d, err := time.ParseDuration(held.ValueString())
	if err != nil {
		diags.AddAttributeError(path.Root(name), "That is no duration: "+held.ValueString(), "write it as in 90s or 2m")
	}
	return d
}

// told is an error with its remedy as Terraform shows it.
func told(err error) diag.Diagnostic {
	summary, detail := words(err)
	return diag.NewErrorDiagnostic(summary, detail)
}

func at(p path.Path, err error) diag.Diagnostic {
	summary, detail := words(err)
	return diag.NewAttributeErrorDiagnostic(p, summary, detail)
}

// words are an error's first line, and what stands below it.
func words(err error) (summary, detail string) {
	if errors.Is(err, context.Canceled) {
		err = &problem.Error{Kind: problem.Interrupted, Err: err}
	}
	var b strings.Builder
	problem.Print(&b, err)
	summary, detail, _ = strings.Cut(strings.TrimSpace(b.String()), "\n")
	return strings.TrimPrefix(summary, "error: "), strings.TrimSpace(detail)
}

// stopped is a hand-over that did not come to its end. A group that Terraform was
// replacing is deposed by now, and no action is invoked for it any more.
func stopped(err error, from []move.Set) diag.Diagnostic {
	summary, detail := words(err)
	command := "drover migrate"
	for _, s := range from {
		command += " --from " + s.String()
	}
	return diag.NewErrorDiagnostic(summary, strings.TrimSpace(detail+"\n\nIf this apply was replacing the group (create_before_destroy), the next apply destroys the old one without a hand-over. "+
		"Before it run: "+command))
}

// warnings are diagnostics of which none fails.
func warnings(all diag.Diagnostics) (out diag.Diagnostics) {
	for _, d := range all {
		out.Append(diag.NewWarningDiagnostic(d.Summary(), d.Detail()))
	}
	return out
}

// finding is a finding as Terraform shows it in a plan.
func finding(f event.Finding) diag.Diagnostic {
	detail := ""
	if f.Severity == event.Blocker {
		detail = "This apply will stop before it destroys. "
	}
	if f.Fix != "" {
		detail += "fix: " + f.Fix
	}
	return diag.NewWarningDiagnostic(fmt.Sprintf("%s: %s: %s", f.Severity, f.Object, f.Effect), detail)
}
