//go:build engine

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// stand is what the providers that stand in for others have in common.
type stand struct {
	pulumirpc.UnimplementedResourceProviderServer
}

// aws stands in for the provider pulumi-aws-native: it serves the types of the program
// over the Cloud Control API, as that does.
type aws struct {
	stand
	api *cloudcontrol.Client
}

// serveAWS serves it for a test, and returns what makes Pulumi take it.
func serveAWS(t *testing.T) (variable string) {
	t.Helper()
	c, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	api := cloudcontrol.NewFromConfig(c)
	port := serve(t, func(s *grpc.Server) { pulumirpc.RegisterResourceProviderServer(s, &aws{api: api}) })
	return fmt.Sprintf("aws-native:%d", port)
}

// GetPluginInfo says which version it is.
func (stand) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: "1.0.0"}, nil
}

// Attach is told of the engine.
func (stand) Attach(context.Context, *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// CheckConfig takes any.
func (stand) CheckConfig(_ context.Context, r *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: r.GetNews()}, nil
}

// DiffConfig finds none.
func (stand) DiffConfig(context.Context, *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
}

// Configure has nothing to do.
func (stand) Configure(context.Context, *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	return &pulumirpc.ConfigureResponse{}, nil
}

// Check takes any inputs.
func (stand) Check(_ context.Context, r *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: r.GetNews()}, nil
}

// Diff compares inputs. What must be made anew is for the program to say.
func (stand) Diff(_ context.Context, r *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	old, err := properties(r.GetOldInputs())
	if err != nil {
		return nil, err
	}
	want, err := properties(r.GetNews())
	if err != nil {
		return nil, err
	}
	d := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}
	for key := range merged(old, want) {
		if !reflect.DeepEqual(old[key], want[key]) {
			d.Changes = pulumirpc.DiffResponse_DIFF_SOME
			d.Diffs = append(d.Diffs, string(key))
		}
	}
	return d, nil
}

func merged(maps ...resource.PropertyMap) resource.PropertyMap {
	all := resource.PropertyMap{}
	for _, m := range maps {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

func properties(s *structpb.Struct) (resource.PropertyMap, error) {
	return plugin.UnmarshalProperties(s, plugin.MarshalOptions{KeepUnknowns: true})
}

// Create makes an object.
func (n *aws) Create(ctx context.Context, r *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	inputs, err := properties(r.GetProperties())
	if err != nil {
		return nil, err
	}
	body, _ := json.Marshal(pascal(inputs.Mappable())) // maps and texts
	text := string(body)
	typ := cloudFormation(r.GetUrn())
	out, err := n.api.CreateResource(ctx, &cloudcontrol.CreateResourceInput{TypeName: &typ, DesiredState: &text})
	if err != nil {
		return nil, err
	}
	id, err := n.wait(ctx, out.ProgressEvent)
	if err != nil {
		return nil, err
	}
	state, err := n.state(ctx, typ, id, inputs)
	return &pulumirpc.CreateResponse{Id: id, Properties: state}, err
}

// Update sends what has changed.
func (n *aws) Update(ctx context.Context, r *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	old, err := properties(r.GetOldInputs())
	if err != nil {
		return nil, err
	}
	want, err := properties(r.GetNews())
	if err != nil {
		return nil, err
	}
	var patch []map[string]any
	values := pascal(want.Mappable()).(map[string]any)
	for key := range want {
		if !reflect.DeepEqual(old[key], want[key]) {
			patch = append(patch, map[string]any{"op": "add", "path": "/" + capital(string(key)), "value": values[capital(string(key))]})
		}
	}
	body, _ := json.Marshal(patch) // maps and texts
	text, typ, id := string(body), cloudFormation(r.GetUrn()), r.GetId()
	out, err := n.api.UpdateResource(ctx, &cloudcontrol.UpdateResourceInput{TypeName: &typ, Identifier: &id, PatchDocument: &text})
	if err != nil {
		return nil, err
	}
	if _, err := n.wait(ctx, out.ProgressEvent); err != nil {
		return nil, err
	}
	state, err := n.state(ctx, typ, id, want)
	return &pulumirpc.UpdateResponse{Properties: state}, err
}

// Delete deletes an object; one that is gone is deleted.
func (n *aws) Delete(ctx context.Context, r *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	typ, id := cloudFormation(r.GetUrn()), r.GetId()
	out, err := n.api.DeleteResource(ctx, &cloudcontrol.DeleteResourceInput{TypeName: &typ, Identifier: &id})
	var gone *types.ResourceNotFoundException
	switch {
	case errors.As(err, &gone):
		return &emptypb.Empty{}, nil
	case err != nil:
		return nil, err
	}
	_, err = n.wait(ctx, out.ProgressEvent)
	return &emptypb.Empty{}, err
}

// wait returns when a request has come to its end.
func (n *aws) wait(ctx context.Context, e *types.ProgressEvent) (id string, err error) {
	for {
		switch e.OperationStatus {
		case types.OperationStatusSuccess:
			return *e.Identifier, nil
		case types.OperationStatusFailed, types.OperationStatusCancelComplete:
			return "", fmt.Errorf("%s of %s: %s", e.Operation, *e.TypeName, deref(e.StatusMessage))
		case types.OperationStatusPending, types.OperationStatusInProgress, types.OperationStatusCancelInProgress:
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(time.Second):
		}
		out, err := n.api.GetResourceRequestStatus(ctx, &cloudcontrol.GetResourceRequestStatusInput{RequestToken: e.RequestToken})
		if err != nil {
			return "", err
		}
		e = out.ProgressEvent
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// state is what an object has: its inputs, and what AWS says beside them.
func (n *aws) state(ctx context.Context, typ, id string, inputs resource.PropertyMap) (*structpb.Struct, error) {
	out, err := n.api.GetResource(ctx, &cloudcontrol.GetResourceInput{TypeName: &typ, Identifier: &id})
	if err != nil {
		return nil, err
	}
	var read map[string]any
	if err := json.Unmarshal([]byte(*out.ResourceDescription.Properties), &read); err != nil {
		return nil, err
	}
	known := resource.PropertyMap{}
	for key, v := range read {
		known[resource.PropertyKey(strings.ToLower(key[:1])+key[1:])] = resource.NewPropertyValue(v)
	}
	return plugin.MarshalProperties(merged(known, inputs), plugin.MarshalOptions{KeepUnknowns: true})
}

// cloudFormation is the type of a URN: AWS::AutoScaling::AutoScalingGroup.
func cloudFormation(urn string) string {
	typ := string(resource.URN(urn).Type())
	_, rest, _ := strings.Cut(typ, ":")
	service, name, _ := strings.Cut(rest, ":")
	name = strings.Replace(name, "Vpc", "VPC", 1)
	return "AWS::" + map[string]string{"ec2": "EC2", "autoscaling": "AutoScaling", "eks": "EKS", "iam": "IAM"}[service] + "::" + name
}

// pascal writes the keys of properties as CloudFormation does. Labels have keys of
// their owner's.
func pascal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		all := map[string]any{}
		for k, held := range v {
			if all[capital(k)] = held; k != "labels" {
				all[capital(k)] = pascal(held)
			}
		}
		return all
	case []any:
		for i := range v {
			v[i] = pascal(v[i])
		}
	}
	return v
}

func capital(key string) string {
	if key == "vpcZoneIdentifier" {
		return "VPCZoneIdentifier"
	}
	return strings.ToUpper(key[:1]) + key[1:]
}
