// Package graph holds the desired resources of a stack: what the stack file
// asks for once its sections are expanded. It stands between the stack file
// (package spec makes a Graph) and the engine (which compares it with the
// state and makes a plan).
//
// References. A string property may hold references to other resources:
//
//	${AWS::EC2::VPC/main:VpcId}      an output of the resource (a path: a.b.0.c)
//	${v1/Service/apps/nginx:status.loadBalancer.ingress.0.hostname}
//	${AWS::IAM::Role/web:@name}      its physical name, known when the plan is made
//	${ssm:/aws/service/eks/...}      a value looked up when the resource is created
//
// How a reference is read. The type comes first. A CloudFormation type holds
// "::" and no slash, so it ends at the first slash. A Kubernetes type is
// version/Kind or group/version/Kind and may be followed by a name with a slash
// of its own; it ends with its kind, the first segment that starts with a
// capital letter, which no group, version, namespace or name does. The name
// follows up to the next colon, so a name must not hold one: package spec
// writes the colon of a Kubernetes name (system:x) as "%3A". The rest is the
// path. A resource may refer to its own @name, and to nothing else of its own.
//
// A property that is one whole reference takes the referenced value with its
// type; a reference inside a longer string becomes text. "$${" stands for a
// plain "${". {"Fn::Base64": "text"} is encoded after its references are
// resolved, as in CloudFormation.
package graph

import (
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// Key names a resource within a graph.
type Key struct {
	Type string // AWS::EC2::VPC, apps/v1/Deployment
	Name string // logical name; for Kubernetes objects namespace/name, or name if cluster-scoped
}

func (k Key) String() string { return k.Type + "/" + k.Name }

// Resource is one desired object.
type Resource struct {
	Key
	Component string     // what the user declared and this is a part of: "nodegroup/web"
	Props     plan.Props // desired properties; for Kubernetes the whole object

	// NameProperty is the property that holds the physical name ("RoleName").
	// The engine fills it with BaseName-suffix. Empty: the object has no name
	// of its own choosing (a VPC), or Props hold it (a Kubernetes object).
	NameProperty string
	BaseName     string // defaults to Name

	// Generation holds what forces a replacement of the whole component: when
	// it differs from the stored one, the resource is replaced even if its own
	// type could be updated in place. All parts of one component share it, and
	// with it one suffix.
	Generation plan.Props

	// Conn says how its provider reaches it, references allowed: for
	// Kubernetes objects {"cluster", "endpoint", "ca"}.
	Conn plan.Props

	After []Key // dependencies that no reference expresses

	// Hosts is set on a resource that workloads run on (an Auto Scaling
	// group): it is ready when its nodes are, and handed over before it is
	// deleted or shrunk.
	Hosts *Hosts

	At problem.Place // where the user wrote it
}

// Hosts tells how many workload nodes a resource has.
type Hosts struct {
	Nodes int        // desired capacity
	Conn  plan.Props // the cluster its nodes join; as Resource.Conn
}

// Graph is everything a stack wants.
type Graph struct {
	Stack     string
	Project   string
	Resources []Resource
	Outputs   map[string]string // name -> text with references
	Guards    []Guard
}

// Guard is a probe that must hold while workloads are moved.
type Guard struct {
	URL       string  // references allowed
	Host      string  // Host header; empty: the URL's
	Rate      float64 // requests per second
	MaxErrors int     // failures that are tolerated over the whole move
	P99       string  // a duration; empty: not watched
	Expect    string  // regular expression that the body must match; empty: any
	At        problem.Place
}
