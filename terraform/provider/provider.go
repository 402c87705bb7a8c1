package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/droverhq/drover/move"
)

// Server is what a plugin serves.
type Server = provider.Provider

// Mover is what the action asks of package move.
type Mover interface {
	Check(context.Context, move.Options) (move.Report, error)
	Run(context.Context, move.Options) error
	Ready(context.Context, move.Access, []move.Set, func(string)) error
	Find(context.Context, move.Access, string) (move.Move, error)
}

// Library is package move itself.
type Library struct{}

// Check looks.
func (Library) Check(ctx context.Context, o move.Options) (move.Report, error) {
	return move.Check(ctx, o)
}

// Run moves.
func (Library) Run(ctx context.Context, o move.Options) error { return move.Run(ctx, o) }

// Ready waits for groups.
func (Library) Ready(ctx context.Context, a move.Access, groups []move.Set, tell func(string)) error {
	return move.Ready(ctx, a, groups, tell)
}

// Find finds a move by its name.
func (Library) Find(ctx context.Context, a move.Access, name string) (move.Move, error) {
	return move.Find(ctx, a, name)
}

// New makes the provider.
func New(version string, m Mover) Server { return &drover{version: version, move: m} }

// drover is the provider.
type drover struct {
	version string
	move    Mover
}

var _ provider.ProviderWithActions = (*drover)(nil)

// configured is what the action gets of the provider.
type configured struct {
	access move.Access
	move   Mover
}

// Metadata names it.
func (d *drover) Metadata(_ context.Context, _ provider.MetadataRequest, r *provider.MetadataResponse) {
	r.TypeName, r.Version = "drover", d.version
}

// Schema is the way to the cluster.
func (d *drover) Schema(_ context.Context, _ provider.SchemaRequest, r *provider.SchemaResponse) {
	r.Schema = schema.Schema{
		MarkdownDescription: "Moves what runs on Kubernetes nodes, without losing a request, before Terraform destroys them.",
		Attributes: map[string]schema.Attribute{
			"kubeconfig": schema.StringAttribute{Optional: true, MarkdownDescription: "Path of a kubeconfig file. Without one, by kubectl's rules: `KUBECONFIG`, `~/.kube/config`, or the cluster that this runs in."},
			"context":    schema.StringAttribute{Optional: true, MarkdownDescription: "A context of the kubeconfig. Without one, its current one."},
		},
	}
}

// Configure hands that to the action.
func (d *drover) Configure(ctx context.Context, q provider.ConfigureRequest, r *provider.ConfigureResponse) {
	var held struct {
		Kubeconfig types.String `tfsdk:"kubeconfig"`
		Context    types.String `tfsdk:"context"`
	}
	r.Diagnostics.Append(q.Config.Get(ctx, &held)...)
	r.ActionData = configured{move.Access{Kubeconfig: held.Kubeconfig.ValueString(), Context: held.Context.ValueString()}, d.move}
}

// Actions are one.
func (d *drover) Actions(context.Context) []func() action.Action {
	return []func() action.Action{func() action.Action { return &handOver{} }}
}

// Resources are none.
func (d *drover) Resources(context.Context) []func() resource.Resource { return nil }

// DataSources are none.
func (d *drover) DataSources(context.Context) []func() datasource.DataSource { return nil }
