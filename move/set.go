package move

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/droverhq/drover/problem"
)

// Set names nodes by what a person knows them by: nodegroup/web.
type Set struct {
	Kind Kind
	Name string // of a kind Nodes: a label selector
}

// Kind is what a Set's name is a name of.
type Kind string

// The kinds of sets.
const (
	NodeGroup Kind = "nodegroup" // an EKS managed node group
	ASG       Kind = "asg"       // an Auto Scaling group
	NodePool  Kind = "nodepool"  // a NodePool of Karpenter
	Group     Kind = "group"     // a node group of a Drover stack, by its physical name, or its own if there is one
	Nodes     Kind = "nodes"     // whatever a label selector finds
	Node      Kind = "node"      // one node
)

// kinds says of each how its names look, in the order in which help lists them.
var kinds = []struct {
	Kind
	example string
	verify  func(name string) error
}{
	{NodeGroup, "nodegroup/web", plain},
	{ASG, "asg/web-asg", plain},
	{NodePool, "nodepool/default", plain},
	{Group, "group/web-2f9a6d1", plain},
	{Nodes, "nodes/role=web,tier!=db", selector},
	{Node, "node/ip-10-0-1-7.ec2.internal", subdomain},
}

// Grammar is the grammar of a Set, for help texts.
const Grammar = "nodegroup/NAME, asg/NAME, nodepool/NAME, group/NAME, nodes/LABEL-SELECTOR or node/NAME"

// String is the set as it is written, and the name of a move from it.
func (s Set) String() string { return string(s.Kind) + "/" + s.Name }

// ParseSet reads a set as it is written on a command line.
func ParseSet(text string) (Set, error) {
	kind, name, cut := strings.Cut(strings.TrimSpace(text), "/")
	for _, k := range kinds {
		if string(k.Kind) != kind || !cut {
			continue
		}
		if err := k.verify(name); err != nil {
			return Set{}, badSet(text, err, "write it as in "+k.example)
		}
		return Set{k.Kind, name}, nil
	}
	if !cut && text != "" {
		return Set{}, badSet(text, errors.New("what is it the name of?"), fmt.Sprintf("write node/%s, nodegroup/%s, asg/%s …: %s", text, text, text, Grammar))
	}
	return Set{}, badSet(text, fmt.Errorf("there are no sets of kind %q", kind), "take "+Grammar)
}

func badSet(text string, err error, fix string) error {
	return &problem.Error{Kind: problem.Usage, Op: fmt.Sprintf("read the set %q", text), Err: err, Fix: fix}
}

// plain names are of AWS, Karpenter or Drover.
func plain(name string) error {
	switch {
	case name == "":
		return errors.New("it has no name")
	case strings.ContainsAny(name, " \t\n,"):
		return fmt.Errorf("%q is not one name", name)
	}
	return nil
}

func subdomain(name string) error {
	if wrong := validation.IsDNS1123Subdomain(name); len(wrong) > 0 {
		return fmt.Errorf("%q is not a node's name: %s", name, wrong[0])
	}
	return nil
}

// selector is by kubectl's own rules. The one that selects everything is no set
// to move away from.
func selector(text string) error {
	s, err := labels.Parse(text)
	if err != nil {
		return err
	}
	if s.Empty() {
		return errors.New("an empty selector selects all nodes")
	}
	return nil
}
