package move

import (
	"cmp"
	"context"
	"slices"

	"github.com/droverhq/drover/internal/kube"
)

// Sets are those that a cluster has, by its nodes and their labels: what a person may
// name. Nobody but the cluster is asked.
func Sets(ctx context.Context, a Access) ([]Set, error) {
	c, err := dial(a)
	if err != nil {
		return nil, err
	}
	nodes, err := c.Labels(ctx)
	if err != nil {
		return nil, err
	}
	var sets []Set
	for name, labels := range nodes {
		sets = append(sets, Set{Node, name})
		for kind, label := range labelOf {
			if group := labels[label]; group != "" {
				sets = append(sets, Set{kind, group})
			}
		}
	}
	slices.SortFunc(sets, func(a, b Set) int { return cmp.Compare(a.String(), b.String()) })
	return slices.Compact(sets), nil
}

// Contexts are those of a kubeconfig file, found by kubectl's rules if it is empty.
func Contexts(kubeconfig string) []string { return kube.Contexts(kubeconfig) }
