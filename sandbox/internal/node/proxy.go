package node

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"
	proxyapp "k8s.io/kubernetes/cmd/kube-proxy/app"

	"github.com/droverhq/drover/sandbox/internal/podnet"
)

// runProxy runs kube-proxy until ctx is done. Its settings are those of EKS,
// but for the mode (EKS: iptables): nftables needs no modules that a user
// namespace could not load.
func runProxy(ctx context.Context, c Config) error {
	opts := proxyapp.NewOptions()
	flags := pflag.NewFlagSet("kube-proxy", pflag.ContinueOnError)
	opts.AddFlags(flags)
	if err := flags.Parse([]string{
		"--kubeconfig=" + c.file("proxy.kubeconfig"),
		"--master=" + c.API,
		"--hostname-override=" + c.Machine.NodeName,
		"--proxy-mode=nftables",
		// Pods have addresses of the VPC and reach Services with them; only what comes from outside is masqueraded.
		"--detect-local-mode=InterfaceNamePrefix",
		"--pod-interface-name-prefix=" + podnet.LinkPrefix,
		"--healthz-bind-address=0.0.0.0:10256",
		"--metrics-bind-address=127.0.0.1:10249",
		// The limits of connection tracking belong to the whole machine and cannot be written from here.
		"--conntrack-max-per-core=0",
		"--conntrack-min=0",
		"--conntrack-tcp-timeout-established=0",
		"--conntrack-tcp-timeout-close-wait=0",
	}); err != nil {
		return fmt.Errorf("kube-proxy: %w", err)
	}
	if err := opts.Complete(flags); err != nil {
		return fmt.Errorf("kube-proxy: %w", err)
	}
	if err := opts.Validate(); err != nil {
		return fmt.Errorf("kube-proxy: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- opts.Run(ctx) }()
	select {
	case err := <-ended:
		return fmt.Errorf("kube-proxy ended: %w", err)
	case <-ctx.Done():
		return ctx.Err() // what is left of it ends with the process
	}
}
