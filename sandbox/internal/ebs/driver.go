// Package ebs stands in for the EBS CSI driver, an add-on of EKS. On each node
// the Driver mounts volumes that are attached to it; the Controller, beside the
// cloud-controller-manager, makes, attaches, detaches and deletes them through
// the EC2 API. The real kubelet, attach/detach controller and scheduler speak
// to both as they do on EKS. A volume is a folder of the sandbox's.
package ebs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"

	"github.com/droverhq/drover/sandbox/internal/folder"
	"github.com/droverhq/drover/sandbox/internal/machine"
)

// Name is the driver's, also in StorageClasses and PersistentVolumes.
const Name = "ebs.csi.aws.com"

// maxVolumes is how many a node of the Nitro system takes beside its own disk
// and network interfaces.
const maxVolumes = 25

// Driver is the node's side.
type Driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedNodeServer
	registration.UnimplementedRegistrationServer

	Dir        folder.Folder
	Machine    machine.Machine
	KubeletDir string
}

// Run serves the kubelet until ctx ends.
func (d *Driver) Run(ctx context.Context) error {
	tasks, ctx := errgroup.WithContext(ctx)
	tasks.Go(func() error {
		return serve(ctx, d.socket(), func(s *grpc.Server) {
			csi.RegisterIdentityServer(s, d)
			csi.RegisterNodeServer(s, d)
		})
	})
	tasks.Go(func() error {
		return serve(ctx, filepath.Join(d.KubeletDir, "plugins_registry", Name+"-reg.sock"), func(s *grpc.Server) {
			registration.RegisterRegistrationServer(s, d)
		})
	})
	return tasks.Wait()
}

func (d *Driver) socket() string { return filepath.Join(d.KubeletDir, "plugins", Name, "csi.sock") }

func serve(ctx context.Context, socket string, register func(*grpc.Server)) error {
	if err := errors.Join(os.MkdirAll(filepath.Dir(socket), 0o750), os.RemoveAll(socket)); err != nil {
		return fmt.Errorf("serve %s: %w", socket, err)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("serve %s: %w", socket, err)
	}
	server := grpc.NewServer()
	register(server)
	stop := context.AfterFunc(ctx, server.Stop)
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return ctx.Err()
}

// GetInfo tells the kubelet where the driver is.
func (d *Driver) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{Type: registration.CSIPlugin, Name: Name, Endpoint: d.socket(), SupportedVersions: []string{"1.0.0"}}, nil
}

// NotifyRegistrationStatus hears whether the kubelet takes the driver; it tries again by itself.
func (d *Driver) NotifyRegistrationStatus(context.Context, *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	return &registration.RegistrationStatusResponse{}, nil
}

// GetPluginInfo implements csi.IdentityServer.
func (d *Driver) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: Name, VendorVersion: "1.0.0"}, nil
}

// GetPluginCapabilities implements csi.IdentityServer.
func (d *Driver) GetPluginCapabilities(
	context.Context, *csi.GetPluginCapabilitiesRequest,
) (*csi.GetPluginCapabilitiesResponse, error) {
	return &csi.GetPluginCapabilitiesResponse{}, nil
}

// Probe implements csi.IdentityServer.
func (d *Driver) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{}, nil
}

// NodeGetInfo says which node this is, and in which zone.
func (d *Driver) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: d.Machine.ID, MaxVolumesPerNode: maxVolumes,
		AccessibleTopology: &csi.Topology{Segments: map[string]string{corev1.LabelTopologyZone: zoneOf(d.Machine.ProviderID)}}}, nil
}

// zoneOf is that of aws:///us-west-2a/i-0123456789abcdef0.
func zoneOf(providerID string) string {
	zone, _, _ := strings.Cut(strings.TrimPrefix(providerID, "aws:///"), "/")
	return zone
}

// NodeGetCapabilities implements csi.NodeServer: there is nothing to stage.
func (d *Driver) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	return &csi.NodeGetCapabilitiesResponse{}, nil
}

// NodePublishVolume lets an attached volume appear in a pod's folder.
func (d *Driver) NodePublishVolume(_ context.Context, r *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	if r.GetVolumeCapability().GetBlock() != nil {
		return nil, status.Error(codes.InvalidArgument, "the sandbox has no block devices")
	}
	source, target := d.Dir.Volume(r.GetVolumeId()), r.GetTargetPath()
	if mounted(target) {
		return &csi.NodePublishVolumeResponse{}, nil
	}
	// A fresh file system is root's; fsGroup is the kubelet's affair.
	if err := errors.Join(os.MkdirAll(source, 0o755), os.MkdirAll(target, 0o750)); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return nil, status.Errorf(codes.Internal, "mount %s: %v", r.GetVolumeId(), err)
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

// NodeUnpublishVolume takes it away again.
func (d *Driver) NodeUnpublishVolume(_ context.Context, r *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	target := r.GetTargetPath()
	if mounted(target) {
		if err := unix.Unmount(target, 0); err != nil {
			return nil, status.Errorf(codes.Internal, "unmount %s: %v", r.GetVolumeId(), err)
		}
	}
	if err := os.Remove(target); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

// mounted tells whether something is mounted on a folder. A bind mount within
// one file system shows in the table of mounts alone.
func mounted(path string) bool {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); len(fields) > 4 && fields[4] == path {
			return true
		}
	}
	return false
}
