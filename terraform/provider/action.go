package provider

import (
	"context"
	"errors"
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
			"then":            text("What becomes of the nodes: `keep` (the default) leaves them closed and empty, `empty` ends the instances of one group by name."),
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

// ModifyPlan looks what would be met: Terraform refuses the plan of what would be
// refused later.
func (a *handOver) ModifyPlan(ctx context.Context, q action.ModifyPlanRequest, r *action.ModifyPlanResponse) {
	o, known, diags := a.options(ctx, q.Config)
	r.Diagnostics.Append(diags...)
	if diags.HasError() || !known {
		return
	}
	o.To = nil // it may not be there yet
	report, err := a.move.Check(ctx, o)
	if err != nil {
		r.Diagnostics.Append(told(err))
		return
	}
	for _, f := range report.Findings {
		r.Diagnostics.Append(finding(f))
	}
}

// Invoke hands over.
func (a *handOver) Invoke(ctx context.Context, q action.InvokeRequest, r *action.InvokeResponse) {
	o, _, diags := a.options(ctx, q.Config)
	r.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	p := progress{func(text string) { r.SendProgress(action.InvokeProgressEvent{Message: text}) }}
	o.Events = p.events()
	err := a.move.Ready(ctx, o.Access, o.To, p.waiting())
	if err == nil {
		err = a.move.Run(ctx, o)
	}
	if err != nil {
		r.Diagnostics.Append(told(err))
	}
}

// options are the configuration as package move takes it; known is false as long
// as Terraform does not know all of it.
func (a *handOver) options(ctx context.Context, config tfsdk.Config) (o move.Options, known bool, diags diag.Diagnostics) {
	if !config.Raw.IsFullyKnown() {
		return o, false, nil
	}
	var held order
	if diags = config.Get(ctx, &held); diags.HasError() {
		return o, false, diags
	}
	o = move.Options{Access: a.access, Then: move.Then(held.Then.ValueString()), EndBare: held.EndBare.ValueBool()}
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
	switch o.Then {
	case "", move.Keep, move.Empty:
	case move.Delete:
		diags.AddAttributeError(path.Root("then"), "Terraform deletes the group itself", "take keep or empty")
	default:
		diags.AddAttributeError(path.Root("then"), "That is not a choice", "take keep or empty")
	}
	return o, true, diags
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
	var b strings.Builder
	problem.Print(&b, err)
	summary, detail, _ = strings.Cut(strings.TrimSpace(b.String()), "\n")
	return strings.TrimPrefix(summary, "error: "), strings.TrimSpace(detail)
}

// finding is a finding as Terraform shows it: what blocks is an error, all else a
// warning, since it knows no notes.
func finding(f event.Finding) diag.Diagnostic {
	if f.Severity == event.Blocker {
		return told(&problem.Error{Kind: problem.Refused, Op: f.Object, Err: errors.New(f.Effect), Fix: f.Fix})
	}
	detail := ""
	if f.Fix != "" {
		detail = "fix: " + f.Fix
	}
	return diag.NewWarningDiagnostic(f.Object+": "+f.Effect, detail)
}
