// Package cri is the container runtime of a node: it implements the two
// services that a kubelet asks of a container runtime, in the kubelet's own
// process and over processes of this machine. A pod sandbox is a network
// namespace, a container is a process tree in a PID namespace of its own whose
// first process package rootfs has given a private root file system. Nothing
// survives the node's process, and nothing is written but the logs.
package cri

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"sync"

	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-streaming/pkg/streaming"

	"github.com/droverhq/drover/sandbox/internal/idmap"
	"github.com/droverhq/drover/sandbox/internal/podnet"
)

// Name and Version are what the node reports as its container runtime.
const (
	Name    = "drover"
	Version = "1.0.0"
)

// Config is what a Runtime needs from its node.
type Config struct {
	Network    *podnet.Network
	Program    string                                        // path of drover-sandbox
	PodProgram string                                        // path of drover-sandbox-pod
	Pullable   func(ctx context.Context, image string) error // asks for each image that is pulled
	AWS        []string                                      // KEY=value: the environment of images that call AWS
	Scratch    string                                        // an empty directory, over which each container builds its root in its own mount namespace
}

// Runtime runs pods.
type Runtime struct {
	Config
	ids      idmap.IDs // that a container can have
	listener net.Listener
	streams  streaming.Server

	mu         sync.Mutex
	sandboxes  map[string]*sandbox
	containers map[string]*container
	pulled     map[string]bool // image references
}

var (
	_ internalapi.RuntimeService      = (*Runtime)(nil)
	_ internalapi.ImageManagerService = (*Runtime)(nil)
)

// New makes a Runtime without pods.
func New(ctx context.Context, c Config) (*Runtime, error) {
	r := &Runtime{
		Config:     c,
		sandboxes:  map[string]*sandbox{},
		containers: map[string]*container{},
		pulled:     map[string]bool{},
	}
	var err error
	if r.ids, err = idmap.Own(); err != nil {
		return nil, err
	}
	if err := r.listenForStreams(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// Close ends every container at once and takes every pod off the network.
func (r *Runtime) Close(ctx context.Context) error {
	pods, err := r.ListPodSandbox(ctx, nil)
	errs := []error{err}
	for _, pod := range pods {
		errs = append(errs, r.RemovePodSandbox(ctx, pod.Id))
	}
	return errors.Join(errs...)
}

// Version implements RuntimeService.
func (r *Runtime) Version(context.Context, string) (*runtimeapi.VersionResponse, error) {
	return &runtimeapi.VersionResponse{
		Version: "0.1.0", RuntimeName: Name, RuntimeVersion: Version, RuntimeApiVersion: "v1",
	}, nil
}

// Status implements RuntimeService. The network is ready before the runtime is made.
func (r *Runtime) Status(context.Context, bool) (*runtimeapi.StatusResponse, error) {
	return &runtimeapi.StatusResponse{
		Status: &runtimeapi.RuntimeStatus{Conditions: []*runtimeapi.RuntimeCondition{
			{Type: runtimeapi.RuntimeReady, Status: true},
			{Type: runtimeapi.NetworkReady, Status: true},
		}},
		Features: &runtimeapi.RuntimeFeatures{SupplementalGroupsPolicy: true}, // images bring no groups: both policies are one
	}, nil
}

// UpdateRuntimeConfig implements RuntimeService. It would bring the node's pod
// CIDR, which nodes with VPC addresses do not have.
func (r *Runtime) UpdateRuntimeConfig(context.Context, *runtimeapi.RuntimeConfig) error { return nil }

// RuntimeConfig implements RuntimeService.
func (r *Runtime) RuntimeConfig(context.Context) (*runtimeapi.RuntimeConfigResponse, error) {
	return &runtimeapi.RuntimeConfigResponse{
		Linux: &runtimeapi.LinuxRuntimeConfiguration{CgroupDriver: runtimeapi.CgroupDriver_CGROUPFS},
	}, nil
}

// newID is shaped like the IDs of other runtimes.
func newID() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// matches reports whether labels has all of want.
func matches(labels, want map[string]string) bool {
	for k, v := range want {
		if labels[k] != v {
			return false
		}
	}
	return true
}

func errNoSandbox(id string) error   { return fmt.Errorf("pod sandbox %q: %w", id, errNotFound) }
func errNoContainer(id string) error { return fmt.Errorf("container %q: %w", id, errNotFound) }
