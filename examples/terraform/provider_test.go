//go:build engine

package example

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol"
	cctypes "github.com/aws/aws-sdk-go-v2/service/cloudcontrol/types"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"

	drover "github.com/droverhq/drover/terraform/provider"
)

// serveProviders serves the two providers of the configuration in this process,
// and returns the variable that makes Terraform take them.
func serveProviders(t *testing.T) (variable string) {
	t.Helper()
	c, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]any{}
	for address, p := range map[string]provider.Provider{
		"registry.terraform.io/hashicorp/aws":   &aws{cloudcontrol.NewFromConfig(c)},
		"registry.terraform.io/droverhq/drover": drover.New("test", drover.Library{}),
	} {
		all[address] = serveProvider(t, address, p)
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func serveProvider(t *testing.T, address string, p provider.Provider) map[string]any {
	t.Helper()
	for _, log := range []string{"TF_LOG_SDK", "TF_LOG_SDK_FRAMEWORK", "TF_LOG_SDK_PROTO"} {
		t.Setenv(log, "off")
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	reattach, closed := make(chan *plugin.ReattachConfig), make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		failed <- tf6server.Serve(address, providerserver.NewProtocol6(p), tf6server.WithDebug(ctx, reattach, closed), tf6server.WithoutLogStderrOverride())
	}()
	t.Cleanup(func() { stop(); <-closed })
	select {
	case err := <-failed:
		t.Fatal(err)
	case r := <-reattach:
		return map[string]any{
			"Protocol": string(r.Protocol), "ProtocolVersion": r.ProtocolVersion, "Pid": r.Pid, "Test": true,
			"Addr": map[string]string{"Network": r.Addr.Network(), "String": r.Addr.String()},
		}
	}
	return nil
}

// aws stands in for the provider of that name, which is too large to build here: it
// has the one resource that the configuration names, over the Cloud Control API.
type aws struct{ api *cloudcontrol.Client }

// Metadata names it.
func (a *aws) Metadata(_ context.Context, _ provider.MetadataRequest, r *provider.MetadataResponse) {
	r.TypeName = "aws"
}

// Schema is none.
func (a *aws) Schema(context.Context, provider.SchemaRequest, *provider.SchemaResponse) {}

// Configure has nothing to do.
func (a *aws) Configure(context.Context, provider.ConfigureRequest, *provider.ConfigureResponse) {}

// DataSources are none.
func (a *aws) DataSources(context.Context) []func() datasource.DataSource { return nil }

// Resources are one.
func (a *aws) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{func() resource.Resource { return &object{a.api} }}
}

// object is aws_cloudcontrolapi_resource.
type object struct{ api *cloudcontrol.Client }

// state is what Terraform keeps of it.
type state struct {
	ID           types.String `tfsdk:"id"`
	TypeName     types.String `tfsdk:"type_name"`
	DesiredState types.String `tfsdk:"desired_state"`
	Properties   types.String `tfsdk:"properties"`
}

// Metadata names it.
func (o *object) Metadata(_ context.Context, _ resource.MetadataRequest, r *resource.MetadataResponse) {
	r.TypeName = "aws_cloudcontrolapi_resource"
}

// Schema is as much of the real one as is needed.
func (o *object) Schema(_ context.Context, _ resource.SchemaRequest, r *resource.SchemaResponse) {
	stays := []planmodifier.String{stringplanmodifier.UseStateForUnknown()}
	anew := []planmodifier.String{stringplanmodifier.RequiresReplace()}
	r.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"id":            schema.StringAttribute{Computed: true, PlanModifiers: stays},
		"properties":    schema.StringAttribute{Computed: true, PlanModifiers: stays},
		"type_name":     schema.StringAttribute{Required: true, PlanModifiers: anew},
		"desired_state": schema.StringAttribute{Required: true, PlanModifiers: anew},
	}}
}

// Create makes it.
func (o *object) Create(ctx context.Context, q resource.CreateRequest, r *resource.CreateResponse) {
	var s state
	r.Diagnostics.Append(q.Plan.Get(ctx, &s)...)
	out, err := o.api.CreateResource(ctx, &cloudcontrol.CreateResourceInput{TypeName: s.TypeName.ValueStringPointer(), DesiredState: s.DesiredState.ValueStringPointer()})
	if err == nil {
		s.ID, err = o.wait(ctx, out.ProgressEvent)
	}
	if err == nil {
		s.Properties, err = o.read(ctx, s)
	}
	if err != nil {
		r.Diagnostics.AddError("It cannot be made", err.Error())
		return
	}
	r.Diagnostics.Append(r.State.Set(ctx, s)...)
}

// Read looks whether it is there.
func (o *object) Read(ctx context.Context, q resource.ReadRequest, r *resource.ReadResponse) {
	var s state
	r.Diagnostics.Append(q.State.Get(ctx, &s)...)
	_, err := o.read(ctx, s)
	var gone *cctypes.ResourceNotFoundException
	switch {
	case errors.As(err, &gone):
		r.State.RemoveResource(ctx)
	case err != nil:
		r.Diagnostics.AddAttributeError(path.Root("id"), "It cannot be read", err.Error())
	}
}

// Update is never called: every change makes it anew.
func (o *object) Update(context.Context, resource.UpdateRequest, *resource.UpdateResponse) {}

// Delete deletes it.
func (o *object) Delete(ctx context.Context, q resource.DeleteRequest, r *resource.DeleteResponse) {
	var s state
	r.Diagnostics.Append(q.State.Get(ctx, &s)...)
	out, err := o.api.DeleteResource(ctx, &cloudcontrol.DeleteResourceInput{TypeName: s.TypeName.ValueStringPointer(), Identifier: s.ID.ValueStringPointer()})
	if err == nil {
		_, err = o.wait(ctx, out.ProgressEvent)
	}
	if err != nil {
		r.Diagnostics.AddError("It cannot be deleted", err.Error())
	}
}

func (o *object) read(ctx context.Context, s state) (types.String, error) {
	out, err := o.api.GetResource(ctx, &cloudcontrol.GetResourceInput{TypeName: s.TypeName.ValueStringPointer(), Identifier: s.ID.ValueStringPointer()})
	if err != nil {
		return types.StringNull(), err
	}
	return types.StringPointerValue(out.ResourceDescription.Properties), nil
}

// wait returns when a request has come to its end.
func (o *object) wait(ctx context.Context, e *cctypes.ProgressEvent) (types.String, error) {
	for {
		switch e.OperationStatus {
		case cctypes.OperationStatusSuccess:
			return types.StringPointerValue(e.Identifier), nil
		case cctypes.OperationStatusFailed, cctypes.OperationStatusCancelComplete:
			return types.StringNull(), fmt.Errorf("%s of %s: %s", e.Operation, *e.TypeName, types.StringPointerValue(e.StatusMessage))
		case cctypes.OperationStatusPending, cctypes.OperationStatusInProgress, cctypes.OperationStatusCancelInProgress:
		}
		select {
		case <-ctx.Done():
			return types.StringNull(), ctx.Err()
		case <-time.After(time.Second):
		}
		out, err := o.api.GetResourceRequestStatus(ctx, &cloudcontrol.GetResourceRequestStatusInput{RequestToken: e.RequestToken})
		if err != nil {
			return types.StringNull(), err
		}
		e = out.ProgressEvent
	}
}
