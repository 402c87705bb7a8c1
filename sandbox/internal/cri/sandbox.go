package cri

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/droverhq/drover/sandbox/internal/podnet"
)

// errNotFound is the kind of error by which a kubelet knows that what it asks for is gone.
var errNotFound = status.Error(codes.NotFound, "not found")

// sandbox is a pod as the runtime sees it: what its containers share.
type sandbox struct {
	id      string
	config  *runtimeapi.PodSandboxConfig
	network *podnet.Pod // nil for a pod in the node's network
	created time.Time
	ready   bool // guarded by Runtime.mu
}

// RunPodSandbox implements RuntimeService.
func (r *Runtime) RunPodSandbox(ctx context.Context, config *runtimeapi.PodSandboxConfig, _ string) (string, error) {
	s := &sandbox{id: newID(), config: config, created: time.Now(), ready: true}
	if !onNodeNetwork(config) {
		pod, err := r.Network.Add(s.id)
		if err != nil {
			return "", err
		}
		s.network = pod
		if err := r.Network.Publish(ctx, pod, hostPorts(config)); err != nil {
			return "", errors.Join(err, r.Network.Remove(pod))
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sandboxes[s.id] = s
	return s.id, nil
}

// hostPorts are the ports of the node that the pod asks for. A pod in the
// node's network has them by listening.
func hostPorts(config *runtimeapi.PodSandboxConfig) []podnet.HostPort {
	var ports []podnet.HostPort
	for _, m := range config.GetPortMappings() {
		if m.HostPort == 0 || m.Protocol == runtimeapi.Protocol_SCTP {
			continue
		}
		address, _ := netip.ParseAddr(m.HostIp) // none: any
		ports = append(ports, podnet.HostPort{Protocol: strings.ToLower(m.Protocol.String()), Node: int(m.HostPort),
			Address: address, Pod: int(m.ContainerPort)})
	}
	return ports
}

func onNodeNetwork(config *runtimeapi.PodSandboxConfig) bool {
	options := config.GetLinux().GetSecurityContext().GetNamespaceOptions()
	return options.GetNetwork() == runtimeapi.NamespaceMode_NODE
}

// inside runs fn on a thread in the pod's network; see podnet.OnThread.
func (s *sandbox) inside(fn func() error) error {
	if s.network == nil {
		return podnet.OnThread(fn)
	}
	return s.network.Do(fn)
}

func (s *sandbox) resolvConf() string {
	var b strings.Builder
	dns := s.config.GetDnsConfig()
	for _, server := range dns.GetServers() {
		fmt.Fprintf(&b, "nameserver %s\n", server)
	}
	if search := dns.GetSearches(); len(search) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(search, " "))
	}
	if options := dns.GetOptions(); len(options) > 0 {
		fmt.Fprintf(&b, "options %s\n", strings.Join(options, " "))
	}
	return b.String()
}

// StopPodSandbox implements RuntimeService: what still runs is killed, and the
// pod's address goes to rest.
func (r *Runtime) StopPodSandbox(ctx context.Context, id string) error {
	r.mu.Lock()
	s := r.sandboxes[id]
	if s == nil || !s.ready {
		r.mu.Unlock()
		return nil
	}
	s.ready = false
	r.mu.Unlock()

	var errs []error
	for _, c := range r.containersOf(id) {
		errs = append(errs, c.stop(ctx, 0))
	}
	if s.network != nil {
		errs = append(errs, r.Network.Publish(ctx, s.network, nil), r.Network.Remove(s.network))
	}
	return errors.Join(errs...)
}

// RemovePodSandbox implements RuntimeService.
func (r *Runtime) RemovePodSandbox(ctx context.Context, id string) error {
	if err := r.StopPodSandbox(ctx, id); err != nil {
		return err
	}
	for _, c := range r.containersOf(id) {
		if err := r.RemoveContainer(ctx, c.id); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sandboxes, id)
	return nil
}

// PodSandboxStatus implements RuntimeService.
func (r *Runtime) PodSandboxStatus(_ context.Context, id string, _ bool) (*runtimeapi.PodSandboxStatusResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sandboxes[id]
	if s == nil {
		return nil, errNoSandbox(id)
	}
	st := &runtimeapi.PodSandboxStatus{
		Id: s.id, Metadata: s.config.Metadata, State: s.state(), CreatedAt: s.created.UnixNano(),
		Labels: s.config.Labels, Annotations: s.config.Annotations,
		Network: &runtimeapi.PodSandboxNetworkStatus{},
		Linux: &runtimeapi.LinuxPodSandboxStatus{Namespaces: &runtimeapi.Namespace{
			Options: s.config.GetLinux().GetSecurityContext().GetNamespaceOptions(),
		}},
	}
	if s.network != nil {
		st.Network.Ip = s.network.Addr.String()
	}
	return &runtimeapi.PodSandboxStatusResponse{Status: st}, nil
}

// ListPodSandbox implements RuntimeService.
func (r *Runtime) ListPodSandbox(
	_ context.Context, f *runtimeapi.PodSandboxFilter,
) ([]*runtimeapi.PodSandbox, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*runtimeapi.PodSandbox
	for _, s := range r.sandboxes {
		if f.GetId() != "" && f.GetId() != s.id ||
			f.GetState() != nil && f.GetState().State != s.state() ||
			!matches(s.config.Labels, f.GetLabelSelector()) {
			continue
		}
		list = append(list, &runtimeapi.PodSandbox{
			Id: s.id, Metadata: s.config.Metadata, State: s.state(), CreatedAt: s.created.UnixNano(),
			Labels: s.config.Labels, Annotations: s.config.Annotations,
		})
	}
	return list, nil
}

// UpdatePodSandboxResources implements RuntimeService. There are no cgroups, so no limits.
func (r *Runtime) UpdatePodSandboxResources(
	context.Context, *runtimeapi.UpdatePodSandboxResourcesRequest,
) (*runtimeapi.UpdatePodSandboxResourcesResponse, error) {
	return &runtimeapi.UpdatePodSandboxResourcesResponse{}, nil
}

func (s *sandbox) state() runtimeapi.PodSandboxState {
	if s.ready {
		return runtimeapi.PodSandboxState_SANDBOX_READY
	}
	return runtimeapi.PodSandboxState_SANDBOX_NOTREADY
}
