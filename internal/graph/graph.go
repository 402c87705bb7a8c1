// Package graph holds the desired resources of a stack: what the stack file
// asks for once its sections are expanded. It stands between the stack file
// (package spec makes a Graph) and the engine (which compares it with the
// state and makes a plan).
//
// References (*value.Expr) lead to outputs of other resources, to their
// physical names (@name), which are known when the plan is made, or to values
// that are looked up when the resource is created. A resource may refer to its
// own @name, and to nothing else of its own.
package graph

import (
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// Key names a resource within a graph.
type Key = value.Key

// NamePath is the path of a reference to a physical name.
const NamePath = value.NamePath

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
	Outputs   []Output
	Guards    []Guard
}

// Output is a value that the stack shows once everything stands.
type Output struct {
	Name  string
	Value any // references allowed
	At    problem.Place
}

// Guard is a probe that must hold while workloads are moved.
type Guard struct {
	Target    Target        // URL and Host before their references are resolved
	URL       string        // resolved by the engine
	Host      string        // Host header; empty: the URL's
	Rate      float64       // requests per second
	MaxErrors int           // failures that are tolerated over the whole move
	P99       string        // a duration; empty: not watched
	Expect    string        // regular expression that the body must match; empty: any
	At        problem.Place // where the user wrote it
}

// Target is what a guard probes, references allowed.
type Target struct{ URL, Host any }
