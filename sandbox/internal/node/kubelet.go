package node

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	noop "go.opentelemetry.io/otel/trace/noop"
	"k8s.io/apimachinery/pkg/runtime"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	clientset "k8s.io/client-go/kubernetes"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	logsapi "k8s.io/component-base/logs/api/v1"
	kubeletapp "k8s.io/kubernetes/cmd/kubelet/app"
	"k8s.io/kubernetes/cmd/kubelet/app/options"
	"k8s.io/kubernetes/pkg/kubelet"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	"k8s.io/kubernetes/pkg/kubelet/server"
	kubeletutil "k8s.io/kubernetes/pkg/kubelet/util"
	"k8s.io/kubernetes/pkg/util/oom"
	"k8s.io/kubernetes/pkg/util/taints"
	"k8s.io/kubernetes/pkg/volume/util/hostutil"
	"k8s.io/kubernetes/pkg/volume/util/subpath"
	"k8s.io/mount-utils"

	"github.com/droverhq/drover/sandbox/internal/cri"
	"github.com/droverhq/drover/sandbox/internal/idmap"
)

// The resolvers: that of pods is the Service of CoreDNS, which asks the VPC's
// for what is not the cluster's.
const (
	vpcDNS        = "169.254.169.253"
	clusterDNS    = "10.100.0.10"
	clusterDomain = "cluster.local"
)

// startKubelet starts the kubelet and returns when ctx is done. The kubelet's
// own work ends only with the process.
func startKubelet(ctx context.Context, c Config, runtime *cri.Runtime) error {
	// kube-proxy applies the logging settings too, after the kubelet or before it.
	logsapi.ReapplyHandling = logsapi.ReapplyHandlingIgnoreUnchanged
	settings, err := kubeletSettings(c)
	if err != nil {
		return fmt.Errorf("kubelet: %w", err)
	}
	if err := utilfeature.DefaultMutableFeatureGate.SetFromMap(settings.FeatureGates); err != nil {
		return fmt.Errorf("kubelet: %w", err)
	}
	deps, err := kubeletDependencies(ctx, c, settings, runtime)
	if err != nil {
		return fmt.Errorf("kubelet: %w", err)
	}
	if err := kubeletapp.RunKubelet(ctx, settings, deps); err != nil {
		return fmt.Errorf("kubelet: %w", err)
	}
	<-ctx.Done()
	return ctx.Err()
}

// kubeletSettings are a node's of EKS, but for what needs cgroups, iptables or
// a disk of its own.
func kubeletSettings(c Config) (*options.KubeletServer, error) {
	resolv := c.file("resolv.conf") // of pods with dnsPolicy Default
	if err := os.WriteFile(resolv, fmt.Appendf(nil, "search %s\nnameserver %s\n", c.domain(), vpcDNS), 0o644); err != nil {
		return nil, err
	}
	m := c.Machine
	flags := options.NewKubeletFlags()
	flags.HostnameOverride = m.NodeName
	flags.NodeIP = m.PrivateIP
	flags.NodeLabels = m.Labels
	flags.CloudProvider = "external"
	flags.RootDirectory = kubeletDir
	flags.CertDirectory = kubeletDir + "/pki"

	conf, err := options.NewKubeletConfiguration()
	if err != nil {
		return nil, err
	}
	if conf.RegisterWithTaints, _, err = taints.ParseTaints(m.Taints); err != nil {
		return nil, err
	}
	conf.ProviderID = m.ProviderID
	conf.MaxPods = int32(m.MaxPods)
	conf.Address, conf.ReadOnlyPort = "0.0.0.0", 0
	conf.TLSCertFile, conf.TLSPrivateKeyFile = c.file("kubelet.crt"), c.file("kubelet.key")
	conf.Authentication.Anonymous.Enabled = false
	conf.Authentication.Webhook.Enabled = true
	conf.Authentication.X509.ClientCAFile = c.file("ca.crt")
	conf.Authorization.Mode = kubeletconfig.KubeletAuthorizationModeWebhook
	conf.ClusterDNS, conf.ClusterDomain, conf.ResolverConfig = []string{clusterDNS}, clusterDomain, resolv
	conf.PodLogsDir = podLogsDir
	conf.VolumePluginDir = kubeletDir + "/volume-plugins"
	conf.SerializeImagePulls = false
	conf.FeatureGates = map[string]bool{"KubeletInUserNamespace": true}
	conf.CgroupsPerQOS, conf.EnforceNodeAllocatable = false, nil
	conf.EvictionHard = map[string]string{"nodefs.available": "10%"} // as on EKS; there is nothing to tell of memory
	conf.FailSwapOn = false
	conf.MakeIPTablesUtilChains = false
	return &options.KubeletServer{KubeletFlags: *flags, KubeletConfiguration: *conf}, nil
}

// domain is the VPC's, which instances look names up in.
func (c Config) domain() string {
	_, domain, _ := strings.Cut(c.Machine.NodeName, ".")
	return domain
}

// clients are the connections that a kubelet has to the API server.
type clients struct {
	general   *clientset.Clientset
	events    typedcore.EventsGetter
	heartbeat *clientset.Clientset
}

func newClients(c Config, s *options.KubeletServer) (clients, error) {
	config, err := clientcmd.BuildConfigFromFlags(c.API, c.file("kubelet.kubeconfig"))
	if err != nil {
		return clients{}, err
	}
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	config.QPS, config.Burst = float32(s.KubeAPIQPS), int(s.KubeAPIBurst)
	events := rest.CopyConfig(config)
	events.QPS, events.Burst = float32(s.EventRecordQPS), int(s.EventBurst)
	heartbeat := rest.CopyConfig(config)
	heartbeat.QPS = -1 // never held back
	heartbeat.Timeout = min(s.NodeStatusUpdateFrequency.Duration, time.Duration(s.NodeLeaseDurationSeconds)*time.Second)

	var made clients
	if made.general, err = clientset.NewForConfig(config); err != nil {
		return clients{}, err
	}
	if made.events, err = typedcore.NewForConfig(events); err != nil {
		return clients{}, err
	}
	made.heartbeat, err = clientset.NewForConfig(heartbeat)
	return made, err
}

func kubeletDependencies(
	ctx context.Context, c Config, s *options.KubeletServer, runtime *cri.Runtime,
) (*kubelet.Dependencies, error) {
	made, err := newClients(c, s)
	if err != nil {
		return nil, err
	}
	auth, reloadCA, err := kubeletapp.BuildAuth("", made.general, s.KubeletConfiguration)
	if err != nil {
		return nil, err
	}
	reloadCA(ctx.Done())
	ids, err := idmap.Own()
	if err != nil {
		return nil, err
	}
	mounter := mount.NewWithoutSystemd("")
	return &kubelet.Dependencies{
		Auth:                      auth,
		KubeClient:                made.general,
		EventClient:               made.events,
		HeartbeatClient:           made.heartbeat,
		RemoteRuntimeService:      runtime,
		RemoteImageService:        runtime,
		CAdvisorInterface:         hardware{c.Machine, c.full},
		ContainerManager:          newContainerManager(),
		OSInterface:               kubecontainer.RealOS{},
		OOMAdjuster:               oom.NewFakeOOMAdjuster(),
		Mounter:                   mounter,
		Subpather:                 subpath.New(mounter),
		HostUtil:                  hostutil.NewHostUtil(),
		VolumePlugins:             volumePlugins(ids),
		PodStartupLatencyTracker:  kubeletutil.NewPodStartupLatencyTracker(),
		NodeStartupLatencyTracker: kubeletutil.NewNodeStartupLatencyTracker(),
		TracerProvider:            noop.NewTracerProvider(),
		TLSOptions: &server.TLSOptions{
			CertFile: s.TLSCertFile, KeyFile: s.TLSPrivateKeyFile, ClientCAFile: s.Authentication.X509.ClientCAFile,
		},
	}, nil
}
