package kube

import (
	"maps"
	"slices"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/droverhq/drover/problem"
)

// Kubeconfig makes the client configuration for a context by kubectl's own
// rules: the file that is named, else those of KUBECONFIG, else ~/.kube/config,
// else the service account of the pod that this runs in. An empty context is
// the current one.
func Kubeconfig(file, context string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = file
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: context}).ClientConfig()
	if err != nil {
		return nil, &problem.Error{Kind: problem.Usage, Op: "read kubeconfig", Err: err, Fix: "name a file with --kubeconfig and a context with --context: kubectl config get-contexts"}
	}
	config.UserAgent, config.QPS, config.Burst = "drover", queriesPerSecond, queryBurst
	return config, nil
}

// Contexts are those of a kubeconfig, which is found as Kubeconfig finds it; none, if
// it cannot be read.
func Contexts(file string) []string {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = file
	config, err := rules.Load()
	if err != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(config.Contexts))
}
