// Package ccm runs the real AWS cloud-controller-manager against the sandbox's
// AWS endpoint, as a process of its own: it exits and panics when its cloud
// misbehaves, which must not take the API server along. The supervisor starts
// it once an EKS cluster exists.
package ccm

import (
	"context"
	"fmt"
	"os"

	cloudprovider "k8s.io/cloud-provider"
	awsv1 "k8s.io/cloud-provider-aws/pkg/providers/v1"
	"k8s.io/cloud-provider/app"
	"k8s.io/cloud-provider/app/config"
	"k8s.io/cloud-provider/names"
	"k8s.io/cloud-provider/options"
	cliflag "k8s.io/component-base/cli/flag"

	"github.com/droverhq/drover/sandbox/internal/machine"
)

// Config is what the cloud-controller-manager needs to know.
type Config struct {
	Cluster     machine.Cluster
	Kubeconfig  string
	CloudConfig string // path of the file to write and to read
}

// Run runs until ctx is done. The AWS endpoint and credentials come from the
// environment, as for every AWS client.
func Run(ctx context.Context, c Config) error {
	if err := os.WriteFile(c.CloudConfig, cloudConfig(c), 0o600); err != nil {
		return err
	}
	opts, err := options.NewCloudControllerManagerOptions()
	if err != nil {
		return err
	}
	// The node and service controllers of EKS; no routes, as pods have addresses of the VPC.
	cmd := app.NewCloudControllerManagerCommand(opts, initCloud, app.DefaultInitFuncConstructors,
		names.CCMControllerAliases(), cliflag.NamedFlagSets{}, ctx.Done())
	cmd.SetArgs([]string{
		"--cloud-provider=aws",
		"--cloud-config=" + c.CloudConfig,
		"--cluster-name=" + c.Cluster.Name,
		"--kubeconfig=" + c.Kubeconfig,
		"--authentication-kubeconfig=" + c.Kubeconfig,
		"--authorization-kubeconfig=" + c.Kubeconfig,
		"--leader-elect=false",
		"--secure-port=0",
		"--configure-cloud-routes=false",
		"--allocate-node-cidrs=false",
		"--controllers=cloud-node,cloud-node-lifecycle,service",
		"--kube-api-qps=100",
		"--kube-api-burst=200",
	})
	return cmd.ExecuteContext(ctx)
}

// cloudConfig names everything that the provider would otherwise ask the
// instance metadata service for. Without a role it uses the credentials as they are.
func cloudConfig(c Config) []byte {
	return fmt.Appendf(nil, `[Global]
Region = %s
Zone = %s
VPC = %s
SubnetID = %s
KubernetesClusterID = %s
`, c.Cluster.Region, c.Cluster.Region+"a", c.Cluster.VPCID, c.Cluster.SubnetID, c.Cluster.Name)
}

// initCloud has no way to return an error: the caller takes nil for a missing
// cloud and would crash later, so it panics here, and the supervisor tries again.
func initCloud(completed *config.CompletedConfig) cloudprovider.Interface {
	cloud, err := cloudprovider.InitCloudProvider(awsv1.ProviderName,
		completed.ComponentConfig.KubeCloudShared.CloudProvider.CloudConfigFile)
	if err != nil {
		panic(fmt.Sprintf("start the AWS cloud provider: %v", err))
	}
	return cloud
}
