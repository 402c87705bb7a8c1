// Package cloudformation is the CloudFormation API: stacks of resources, made of a
// template.
//
// api.go and the files of its operations (create.go, delete.go, describe.go, exports.go)
// answer requests. What they accept is done by the Deployer (deployer.go, creating.go,
// removing.go), by the handlers of Cloud Control. template.go, yaml.go and references.go
// read templates, functions.go and conditions.go compute what is in them.
package cloudformation

import (
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// Namespace is the XML namespace of answers.
const Namespace = "http://cloudformation.amazonaws.com/doc/2010-05-15/"

// Version is that of the API.
const Version = "2010-05-15"

// Service answers CloudFormation requests.
type Service struct {
	store    *region.Store
	handlers Handlers
	now      func() time.Time
}

// New makes the service.
func New(store *region.Store, handlers Handlers, now func() time.Time) *Service {
	return &Service{store: store, handlers: handlers, now: now}
}

// Actions lists what is implemented, with what a request must say.
func (s *Service) Actions() map[string]wire.Action {
	return map[string]wire.Action{
		"CreateStack":            wire.Must(s.createStack, "StackName"),
		"DeleteStack":            wire.Must(s.deleteStack, "StackName"),
		"DescribeStacks":         s.describeStacks,
		"ListStacks":             s.listStacks,
		"DescribeStackEvents":    wire.Must(s.describeEvents, "StackName"),
		"DescribeStackResource":  wire.Must(s.describeResource, "StackName", "LogicalResourceId"),
		"DescribeStackResources": s.describeResources,
		"ListStackResources":     wire.Must(s.listResources, "StackName"),
		"GetTemplate":            s.getTemplate,
		"ValidateTemplate":       s.validateTemplate,
		"ListExports":            s.listExports,
		"ListImports":            wire.Must(s.listImports, "ExportName"),
	}
}

// page cuts a list of the size that all lists of this API have.
func page[T any](f wire.Form, list []T) ([]T, string, error) {
	pages := wire.Paging{Default: 100, BadToken: "ValidationError"}
	return wire.Page(pages, list, f.Get("NextToken"), "")
}
