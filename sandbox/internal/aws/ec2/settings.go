package ec2

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// settings is what Bottlerocket reads from user data, as far as nodes here use it.
type settings struct {
	Settings struct {
		Kubernetes struct {
			ClusterName string         `toml:"cluster-name"`
			APIServer   string         `toml:"api-server"`
			Certificate string         `toml:"cluster-certificate"`
			Labels      map[string]any `toml:"node-labels"`
			Taints      map[string]any `toml:"node-taints"`
			MaxPods     int            `toml:"max-pods"`
		} `toml:"kubernetes"`
	} `toml:"settings"`
}

// parseSettings finds in base64 user data what a node of Bottlerocket is told. It
// asks EKS by itself for the range of the Services.
func parseSettings(text string) (nodeConfig, error) {
	var config nodeConfig
	raw, err := decoded(text)
	if err != nil {
		return config, err
	}
	var s settings
	if err := toml.Unmarshal(raw, &s); err != nil {
		return config, fmt.Errorf("user data is not TOML, which is all that Bottlerocket reads: %w", err)
	}
	k := s.Settings.Kubernetes
	to := &config.Spec.Cluster
	to.Name, to.APIServerEndpoint, to.CertificateAuthority, to.CIDR = k.ClusterName, k.APIServer, k.Certificate, region.ServiceCIDR
	config.Spec.Kubelet.Config.MaxPods = k.MaxPods
	var labels []string
	for _, key := range slices.Sorted(maps.Keys(k.Labels)) {
		labels = append(labels, fmt.Sprintf("%s=%v", key, k.Labels[key]))
	}
	config.Spec.Kubelet.Flags = []string{"--node-labels=" + strings.Join(labels, ",")}
	var taints []string
	for _, key := range slices.Sorted(maps.Keys(k.Taints)) {
		for _, effect := range effects(k.Taints[key]) {
			taints = append(taints, key+"="+effect)
		}
	}
	config.Spec.Kubelet.Flags = append(config.Spec.Kubelet.Flags, "--register-with-taints="+strings.Join(taints, ","))
	return config, nil
}

// effects are value:Effect, one or a list of them.
func effects(v any) []string {
	list, several := v.([]any)
	if !several {
		return []string{fmt.Sprint(v)}
	}
	texts := make([]string, len(list))
	for i, e := range list {
		texts[i] = fmt.Sprint(e)
	}
	return texts
}
