package node

import (
	"bufio"
	"context"
	"os"
	"strings"
	"time"

	cadvisorapi "github.com/google/cadvisor/info/v1"
	cadvisorapiv2 "github.com/google/cadvisor/info/v2"
	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/kubernetes/pkg/kubelet/cadvisor"
	"k8s.io/kubernetes/pkg/kubelet/cm"

	"github.com/droverhq/drover/sandbox/internal/machine"
)

// diskSize is that of the root volume that EKS gives a node by default, in bytes.
const diskSize = 20 << 30

// hardware tells the kubelet that it runs on the instance type it claims to be.
type hardware struct {
	machine machine.Machine
	full    func() bool // its disk
}

var _ cadvisor.Interface = hardware{}

func (h hardware) Start() error { return nil }

func (h hardware) memory() uint64 { return uint64(h.machine.MemoryMiB) << 20 }

func (h hardware) MachineInfo() (*cadvisorapi.MachineInfo, error) {
	return &cadvisorapi.MachineInfo{
		Timestamp: time.Now(), NumCores: h.machine.CPU, NumPhysicalCores: max(1, h.machine.CPU/2), NumSockets: 1,
		MemoryCapacity: h.memory(), MachineID: h.machine.ID, SystemUUID: h.machine.ID, BootID: h.machine.ID,
		InstanceID: cadvisorapi.InstanceID(h.machine.ID),
	}, nil
}

func (h hardware) VersionInfo() (*cadvisorapi.VersionInfo, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return nil, err
	}
	return &cadvisorapi.VersionInfo{
		KernelVersion: unix.ByteSliceToString(name.Release[:]), ContainerOsVersion: osName("/etc/os-release"),
	}, nil
}

func osName(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return "Linux"
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "PRETTY_NAME="); ok {
			return strings.Trim(name, `"`)
		}
	}
	return "Linux"
}

// ContainerInfoV2 says of the whole machine, and of all its pods, that it is idle.
func (h hardware) ContainerInfoV2(
	name string, _ cadvisorapiv2.RequestOptions,
) (map[string]cadvisorapiv2.ContainerInfo, error) {
	if name != "/" && name != podsCgroup {
		return map[string]cadvisorapiv2.ContainerInfo{}, nil
	}
	return map[string]cadvisorapiv2.ContainerInfo{name: {
		Spec: cadvisorapiv2.ContainerSpec{
			HasCpu: true, HasMemory: true, Memory: cadvisorapiv2.MemorySpec{Limit: h.memory()},
		},
		Stats: []*cadvisorapiv2.ContainerStats{{
			Timestamp: time.Now(), Cpu: &cadvisorapi.CpuStats{}, Memory: &cadvisorapi.MemoryStats{},
		}},
	}}, nil
}

func (h hardware) GetRequestedContainersInfo(
	string, cadvisorapiv2.RequestOptions,
) (map[string]*cadvisorapi.ContainerInfo, error) {
	return map[string]*cadvisorapi.ContainerInfo{}, nil
}

func (h hardware) disk() cadvisorapiv2.FsInfo {
	inodes := uint64(diskSize / (16 << 10)) // ext4's ratio
	free := uint64(diskSize)
	if h.full() {
		free = 0
	}
	return cadvisorapiv2.FsInfo{
		Timestamp: time.Now(), Device: "/dev/nvme0n1p1", Mountpoint: "/",
		Capacity: diskSize, Available: free, Inodes: &inodes, InodesFree: &inodes,
	}
}

func (h hardware) ImagesFsInfo(context.Context) (cadvisorapiv2.FsInfo, error) { return h.disk(), nil }
func (h hardware) ContainerFsInfo(context.Context) (cadvisorapiv2.FsInfo, error) {
	return h.disk(), nil
}
func (h hardware) RootFsInfo() (cadvisorapiv2.FsInfo, error)         { return h.disk(), nil }
func (h hardware) GetDirFsInfo(string) (cadvisorapiv2.FsInfo, error) { return h.disk(), nil }

// podsCgroup is where the kubelet asks for what all pods use together.
const podsCgroup = "/kubepods"

// containerManager has no cgroups to manage; it only knows the disk.
type containerManager struct{ cm.ContainerManager }

func (containerManager) GetPodCgroupRoot() string { return podsCgroup }

func newContainerManager() containerManager { return containerManager{cm.NewStubContainerManager()} }

func (containerManager) GetCapacity(bool) v1.ResourceList {
	return v1.ResourceList{v1.ResourceEphemeralStorage: *resource.NewQuantity(diskSize, resource.BinarySI)}
}
