package graph

import "strings"

// Marks by which parts that know nothing of each other find the same thing in a cluster.

// GroupLabel is on every node of a stack's node group, and holds the group's physical
// name: workloads are placed by it, and a hand-over finds its nodes by it.
const GroupLabel = "drover.dev/nodegroup"

// ALBIngress reports, by an Ingress's annotations, that the AWS Load Balancer
// Controller makes a load balancer for it. Other controllers often write no address
// into its status at all.
func ALBIngress[V any](annotations map[string]V) bool {
	for key := range annotations {
		if strings.HasPrefix(key, "alb.ingress.kubernetes.io/") {
			return true
		}
	}
	return false
}
