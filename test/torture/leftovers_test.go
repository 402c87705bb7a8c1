//go:build torture

package torture

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// object is what is looked at of nodes and pods.
type object struct {
	Metadata struct {
		Name, Namespace     string
		Labels, Annotations map[string]string
		Deleted             string `json:"deletionTimestamp"`
	}
	Spec struct {
		Unschedulable bool
		NodeName      string
		Taints        []struct{ Key string }
	}
	Status struct {
		Phase      string
		Conditions []struct{ Type, Status string }
	}
}

func (o object) shut() bool {
	return o.Spec.Unschedulable || slices.ContainsFunc(o.Spec.Taints, func(t struct{ Key string }) bool { return t.Key == "drover.dev/leaving" })
}

func (o object) ready() bool {
	return slices.ContainsFunc(o.Status.Conditions, func(c struct{ Type, Status string }) bool { return c.Type == "Ready" && c.Status == "True" })
}

func (k *stack) listed(kind string) []object {
	var list struct{ Items []object }
	_ = json.Unmarshal([]byte(k.ask("get", kind, "-A", "-o", "json")), &list) // away: none
	return list.Items
}

// leftovers lists what nobody would have left behind on purpose. What a command
// that was refused or stopped leaves open, as it was, is nothing left behind.
func (k *stack) leftovers(s scenario) []string {
	var left []string
	there := map[string]bool{"": true}
	for _, n := range k.listed("nodes") {
		there[n.Metadata.Name] = true
		if n.Spec.Unschedulable {
			left = append(left, "cordoned: a node")
		}
		if n.shut() && !n.Spec.Unschedulable {
			left = append(left, "tainted: a node")
		}
		if _, out := n.Metadata.Labels["node.kubernetes.io/exclude-from-external-load-balancers"]; out {
			left = append(left, "excluded from load balancers: a node")
		}
		if n.Metadata.Annotations["drover.dev/before"] != "" {
			left = append(left, "a node's record")
		}
	}
	for _, p := range k.listed("pods") {
		switch {
		case !there[p.Spec.NodeName]: // ended with its node; Kubernetes collects it within a minute
		case p.Metadata.Labels["drover.dev/sentinel"] != "":
			left = append(left, "a sentinel")
		case p.Metadata.Annotations["drover.dev/released"] != "":
			left = append(left, "released: a pod")
		case s.Broken == "" && p.Metadata.Namespace == "apps" && p.Metadata.Deleted == "" && !p.ready() && p.Status.Phase != "Succeeded":
			left = append(left, "not Ready: a pod")
		}
	}
	return compact(append(left, k.groupLeft()...))
}

// groupLeft is what the Auto Scaling group still has.
func (k *stack) groupLeft() []string {
	g := k.asGroup()
	if g == nil {
		return nil
	}
	var left []string
	if len(g.SuspendedProcesses) > 0 {
		left = append(left, "suspended processes")
	}
	if n := int(aws.ToInt32(g.DesiredCapacity)); n > 0 && n < len(k.nodes) {
		left = append(left, fmt.Sprintf("half a group: %d of %d", n, len(k.nodes)))
	}
	return left
}

// compact counts what is there more than once.
func compact(all []string) []string {
	slices.Sort(all)
	var out []string
	for i := 0; i < len(all); {
		n := 1
		for i+n < len(all) && all[i+n] == all[i] {
			n++
		}
		out = append(out, strings.TrimSuffix(fmt.Sprintf("%s (%d)", all[i], n), " (1)"))
		i += n
	}
	return out
}
