// Package plan says what will happen. A Plan is plain data: it can be printed,
// stored, compared with a golden file and carried out by another process.
//
// It stands between the graph (what is wanted) and the engine (which carries
// it out), and imports nothing but the standard library.
package plan

import (
	"fmt"
	"strings"
)

// URN identifies a resource for life: urn:drover:<stack>:<project>:<type>:<name>.
// A replacement keeps the URN of what it replaces and adds one to Gen.
type URN string

// NewURN makes the URN of a resource. Types may hold colons (AWS::EC2::VPC);
// stack, project and name may not.
func NewURN(stack, project, typ, name string) URN {
	return URN(fmt.Sprintf("urn:drover:%s:%s:%s:%s", stack, project, typ, name))
}

// Type is the resource type: a CloudFormation type (AWS::EC2::VPC) or a
// Kubernetes one (v1/Service, apps/v1/Deployment).
func (u URN) Type() string {
	parts := strings.SplitN(string(u), ":", 5)
	if len(parts) < 5 {
		return ""
	}
	return parts[4][:max(strings.LastIndexByte(parts[4], ':'), 0)]
}

// Name is the logical name, which the user gave.
func (u URN) Name() string {
	return string(u)[strings.LastIndexByte(string(u), ':')+1:]
}

// In is the URN of the same resource in another stack or project.
func (u URN) In(stack, project string) URN { return NewURN(stack, project, u.Type(), u.Name()) }

// Props are a resource's properties: JSON data (nil, bool, float64, string,
// []any, map[string]any). Strings may hold references; see package graph.
type Props = map[string]any

// Op is what a step does.
type Op string

// There is no replace: a replacement is a create, a hand over if something
// runs there, and a delete.
const (
	Create   Op = "create"
	Update   Op = "update"
	HandOver Op = "hand over"
	Delete   Op = "delete"
)

// Step is one call of a provider, or one hand-over.
type Step struct {
	ID        int    `json:"id"`                  // 1, 2, 3 …: its place in the plan; what is printed are Lines, of several steps each
	Op        Op     `json:"op"`                  //
	URN       URN    `json:"urn"`                 //
	Gen       int    `json:"gen"`                 // 1, 2, …; a replacement adds one
	Name      string `json:"name"`                // physical name: web-7c1e04b
	Component string `json:"component,omitempty"` // "nodegroup/web": what the user declared and this is a part of
	Want      Props  `json:"want,omitempty"`      // inputs after the step, references unresolved; nil for Delete and HandOver
	Needs     []int  `json:"needs,omitempty"`     // IDs of the steps that must have succeeded first

	Changes   []Change `json:"changes,omitempty"`   // Create and Update, if they were asked for: what is set, and to what
	Why       string   `json:"why,omitempty"`       // "instanceType t3.2xlarge -> c5.4xlarge"
	WhenEmpty bool     `json:"whenEmpty,omitempty"` // Delete asks once more that nothing runs there

	// Suffix is set if all parts of this generation of the component share it: "7c1e04b".
	Suffix string `json:"suffix,omitempty"`

	Gone        bool   `json:"gone,omitempty"`        // Delete: it was deleted outside of Drover, and only the state forgets it
	Stays       bool   `json:"stays,omitempty"`       // Delete: only the state forgets it, and it stays where it is (retainOnDelete)
	Protected   string `json:"protected,omitempty"`   // Delete: what stands against it until the user allows it by name
	Refused     string `json:"refused,omitempty"`     // Update: why it would fail, as a dry run of it did
	Remedy      string `json:"remedy,omitempty"`      // what to do about Refused
	Hosts       bool   `json:"hosts,omitempty"`       // workloads that stay run on it: it is handed over before it goes
	Keep        int    `json:"keep,omitempty"`        // HandOver: nodes that may stay, 0 unless the group only shrinks
	DeleteFirst bool   `json:"deleteFirst,omitempty"` // Delete: its type cannot stand twice, so it goes before its replacement comes
}

// Change is one property that a step sets.
type Change struct {
	Path   string `json:"path"`             // LaunchTemplateData.ImageId, Tags.0.Value
	Before any    `json:"before,omitempty"` // nil: it was not there
	After  any    `json:"after,omitempty"`  // nil: it will not be there; text with ${…}: not known yet
	Forces bool   `json:"forces,omitempty"` // it cannot be changed in place: the object is made anew
}

// Rename is a resource that has stood under another URN: it stays what it is.
type Rename struct {
	From URN `json:"from"`
	To   URN `json:"to"`
}

// Plan is a list of steps in an order in which they could run one by one.
type Plan struct {
	Stack   string `json:"stack"`
	Project string `json:"project"`
	Serial  uint64 `json:"serial"`            // of the state that it was made from
	Destroy bool   `json:"destroy,omitempty"` // everything goes: nothing is handed over
	Returns bool   `json:"returns,omitempty"` // it takes a change back
	Steps   []Step `json:"steps"`

	// Renames come before all steps, and touch nothing outside.
	Renames []Rename `json:"renames,omitempty"`
}

// Counts says how many steps do what.
func (p Plan) Counts() map[Op]int {
	counts := make(map[Op]int)
	for _, s := range p.Steps {
		counts[s.Op]++
	}
	return counts
}
