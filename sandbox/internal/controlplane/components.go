package controlplane

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	cliflag "k8s.io/component-base/cli/flag"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	apiserveroptions "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	controllersoptions "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	scheduleroptions "k8s.io/kubernetes/cmd/kube-scheduler/app/options"
)

// serviceCIDR holds the ClusterIPs, as EKS chooses it for a VPC outside 10.0.0.0/8.
const serviceCIDR = "10.100.0.0/16"

// Requests per second that controllers may send. The defaults (20 to 50) are
// for one API server with hundreds of nodes; here they would only make a
// sandbox slower than a small EKS cluster.
const (
	clientQPS   = "500"
	clientBurst = "1000"
)

// The commands of the three components cannot run in one process: each
// installs the same signal handler and applies the logging flags anew. So each
// is built from its options, which take the flags that the command would take.

func runAPIServer(ctx context.Context, c Config) error {
	pki := c.Dir.PKI()
	opts := apiserveroptions.NewServerRunOptions()
	if err := parse("kube-apiserver", opts.Flags(), append(c.emulation(), []string{
		"--etcd-servers=unix://" + c.Dir.EtcdSocket(),
		"--bind-address=0.0.0.0",
		fmt.Sprintf("--secure-port=%d", c.APIPort),
		"--advertise-address=" + c.Advertise,
		"--service-cluster-ip-range=" + serviceCIDR,
		"--allow-privileged=true",
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--tls-cert-file=" + filepath.Join(pki, "apiserver.crt"),
		"--tls-private-key-file=" + filepath.Join(pki, "apiserver.key"),
		"--client-ca-file=" + filepath.Join(pki, "ca.crt"),
		"--kubelet-certificate-authority=" + filepath.Join(pki, "ca.crt"),
		"--kubelet-client-certificate=" + filepath.Join(pki, "kubelet-client.crt"),
		"--kubelet-client-key=" + filepath.Join(pki, "kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + filepath.Join(pki, "service-account.key"),
		"--service-account-signing-key-file=" + filepath.Join(pki, "service-account.key"),
		"--authentication-token-webhook-version=v1",
		"--authentication-token-webhook-config-file=" + tokenReviewConfig(c),
		// A revoked access entry counts within seconds, and a client with many connections is still reviewed once.
		"--authentication-token-webhook-cache-ttl=10s",
		// Webhooks are called at their pods: the control plane is not on a node, where Services have addresses.
		"--enable-aggregator-routing=true",
		"--profiling=false",
	}...)); err != nil {
		return err
	}
	if err := opts.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return err
	}
	completed, err := opts.Complete(ctx)
	if err != nil {
		return err
	}
	if errs := completed.Validate(); len(errs) != 0 {
		return utilerrors.NewAggregate(errs)
	}
	return serve(ctx, completed, c.Emulates)
}

// serve is kube-apiserver's own way from options to a server, which answers as the
// version that it emulates.
func serve(ctx context.Context, opts apiserveroptions.CompletedOptions, version string) error {
	config, err := apiserver.NewConfig(opts)
	if err != nil {
		return err
	}
	if version != "" {
		config.Aggregator.GenericConfig.EffectiveVersion = emulated{config.Aggregator.GenericConfig.EffectiveVersion, version}
	}
	whole, err := config.Complete()
	if err != nil {
		return err
	}
	chain, err := apiserver.CreateServerChain(whole)
	if err != nil {
		return err
	}
	server, err := chain.PrepareRun()
	if err != nil {
		return err
	}
	return server.Run(ctx)
}

func runControllers(ctx context.Context, c Config) error {
	pki := c.Dir.PKI()
	known, disabled, aliases := controllers.KnownControllers(), controllers.ControllersDisabledByDefault(), controllers.ControllerAliases()
	opts, err := controllersoptions.NewKubeControllerManagerOptions()
	if err != nil {
		return err
	}
	if err := parse("kube-controller-manager", opts.Flags(known, disabled, aliases), append(c.emulation(), []string{
		"--kubeconfig=" + filepath.Join(pki, "controller-manager.kubeconfig"),
		"--leader-elect=false",
		"--secure-port=0",
		"--cloud-provider=external",
		"--allocate-node-cidrs=false",
		"--use-service-account-credentials=true", // RBAC knows each controller by its own service account
		"--service-account-private-key-file=" + filepath.Join(pki, "service-account.key"),
		"--root-ca-file=" + filepath.Join(pki, "ca.crt"),
		"--cluster-signing-cert-file=" + filepath.Join(pki, "ca.crt"),
		"--cluster-signing-key-file=" + filepath.Join(pki, "ca.key"),
		"--kube-api-qps=" + clientQPS,
		"--kube-api-burst=" + clientBurst,
		// The delay before each controller starts; together they would take half the time to ready.
		"--controller-start-interval=0s",
		"--profiling=false",
	}...)); err != nil {
		return err
	}
	if err := opts.ComponentGlobalsRegistry.Set(); err != nil {
		return err
	}
	config, err := opts.Config(ctx, known, disabled, aliases)
	if err != nil {
		return err
	}
	return controllers.Run(ctx, config.Complete())
}

func runScheduler(ctx context.Context, c Config) error {
	opts := scheduleroptions.NewOptions()
	if err := parse("kube-scheduler", *opts.Flags, append(c.emulation(), []string{
		"--kubeconfig=" + filepath.Join(c.Dir.PKI(), "scheduler.kubeconfig"),
		"--leader-elect=false",
		"--secure-port=0",
		"--kube-api-qps=" + clientQPS,
		"--kube-api-burst=" + clientBurst,
		"--profiling=false",
	}...)); err != nil {
		return err
	}
	if err := opts.ComponentGlobalsRegistry.Set(); err != nil {
		return err
	}
	config, sched, err := scheduler.Setup(ctx, opts)
	if err != nil {
		return err
	}
	return scheduler.Run(ctx, config, sched)
}

func parse(name string, flags cliflag.NamedFlagSets, args []string) error {
	all := pflag.NewFlagSet(name, pflag.ContinueOnError)
	all.SetOutput(io.Discard)
	for _, fs := range flags.FlagSets {
		all.AddFlagSet(fs)
	}
	return all.Parse(args)
}

// tokenReviewConfig is the file that tells kube-apiserver who reviews EKS tokens.
func tokenReviewConfig(c Config) string { return filepath.Join(c.Dir.PKI(), "token-review.kubeconfig") }

func writeTokenReviewConfig(c Config) error {
	return os.WriteFile(tokenReviewConfig(c), fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: aws
  cluster: {server: "http://127.0.0.1:%d/_sandbox/tokenreview/%d"}
users:
- name: kube-apiserver
contexts:
- name: aws
  context: {cluster: aws, user: kube-apiserver}
current-context: aws
`, c.AWSPort, c.Number), 0o600)
}
