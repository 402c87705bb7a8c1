package region

import (
	"fmt"
	"strings"
)

// InstanceType is what EC2 says about a type, as far as nodes need it.
// MaxPods is the figure of the VPC CNI without prefix delegation:
// interfaces x (addresses per interface - 1) + 2.
type InstanceType struct {
	Name       string
	CPU        int
	MemoryMiB  int
	Arch       string // x86_64, arm64
	Interfaces int
	Addresses  int // IPv4 per interface
	MaxPods    int
	Hypervisor string // nitro, xen
}

// family is a table row: the sizes of a family differ by a factor.
type family struct {
	name  string
	arch  string
	ratio int // GiB per vCPU
	sizes string
}

// The families of general use, with the sizes the sandbox knows. vCPU, memory
// and interface limits are those of the EC2 instance type reference.
var families = []family{
	{"t3", "x86_64", 4, "nano micro small medium large xlarge 2xlarge"},
	{"t3a", "x86_64", 4, "nano micro small medium large xlarge 2xlarge"},
	{"t4g", "arm64", 4, "nano micro small medium large xlarge 2xlarge"},
	{"c5", "x86_64", 2, "large xlarge 2xlarge 4xlarge 9xlarge 12xlarge 18xlarge 24xlarge"},
	{"c6i", "x86_64", 2, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"},
	{"c6g", "arm64", 2, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"},
	{"c7i", "x86_64", 2, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"},
	{"c7g", "arm64", 2, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"},
	{"c8i", "x86_64", 2, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"},
	{"c8g", "arm64", 2, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"},
	{"m5", "x86_64", 4, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge"},
	{"m6i", "x86_64", 4, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"},
	{"m6g", "arm64", 4, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"},
	{"m7i", "x86_64", 4, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"},
	{"m7i-flex", "x86_64", 4, "large xlarge 2xlarge 4xlarge 8xlarge"},
	{"m7g", "arm64", 4, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"},
	{"m8i", "x86_64", 4, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"},
	{"m8i-flex", "x86_64", 4, "large xlarge 2xlarge 4xlarge 8xlarge"},
	{"m8g", "arm64", 4, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"},
	{"r5", "x86_64", 8, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge"},
	{"r6i", "x86_64", 8, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"},
	{"r7g", "arm64", 8, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"},
}

// t2 does not follow the pattern of the younger families.
var older = []InstanceType{
	{Name: "t2.micro", CPU: 1, MemoryMiB: 1024, Interfaces: 2, Addresses: 2},
	{Name: "t2.small", CPU: 1, MemoryMiB: 2048, Interfaces: 3, Addresses: 4},
	{Name: "t2.medium", CPU: 2, MemoryMiB: 4096, Interfaces: 3, Addresses: 6},
	{Name: "t2.large", CPU: 2, MemoryMiB: 8192, Interfaces: 3, Addresses: 12},
	{Name: "t2.xlarge", CPU: 4, MemoryMiB: 16384, Interfaces: 3, Addresses: 15},
	{Name: "t2.2xlarge", CPU: 8, MemoryMiB: 32768, Interfaces: 3, Addresses: 15},
}

// Types lists every instance type the sandbox knows.
func Types() []InstanceType {
	var list []InstanceType
	for _, t := range older {
		t.Arch, t.Hypervisor = "x86_64", "xen"
		list = append(list, t.withPods())
	}
	for _, f := range families {
		for size := range strings.FieldsSeq(f.sizes) {
			list = append(list, f.sized(size).withPods())
		}
	}
	return list
}

// LookupType finds an instance type.
func LookupType(name string) (InstanceType, bool) {
	for _, t := range Types() {
		if t.Name == name {
			return t, true
		}
	}
	return InstanceType{}, false
}

func (t InstanceType) withPods() InstanceType {
	t.MaxPods = t.Interfaces*(t.Addresses-1) + 2
	return t
}

func (f family) sized(size string) InstanceType {
	t := InstanceType{Name: f.name + "." + size, Arch: f.arch, Hypervisor: "nitro"}
	factor := 0
	switch size {
	case "nano", "micro", "small", "medium", "large":
		t.CPU, t.Interfaces, t.Addresses = 2, 3, 10
	case "xlarge":
		factor = 1
	default:
		_, _ = fmt.Sscanf(size, "%dxlarge", &factor)
	}
	if factor > 0 {
		t.CPU = 4 * factor
	}
	t.MemoryMiB = t.CPU * f.ratio * 1024
	switch {
	case factor == 1 || factor == 2:
		t.Interfaces, t.Addresses = 4, 15
	case factor > 2 && factor < 16:
		t.Interfaces, t.Addresses = 8, 30
	case factor >= 16:
		t.Interfaces, t.Addresses = 15, 50
	}
	if f.name[0] == 't' {
		f.burstable(size, &t)
	}
	return t
}

// burstable sets what the small sizes of the t families have less of.
func (f family) burstable(size string, t *InstanceType) {
	small := map[string]struct{ memory, interfaces, addresses int }{
		"nano": {512, 2, 2}, "micro": {1024, 2, 2}, "small": {2048, 3, 4}, "medium": {4096, 3, 6}, "large": {8192, 3, 12},
	}
	if s, ok := small[size]; ok {
		t.MemoryMiB, t.Interfaces, t.Addresses = s.memory, s.interfaces, s.addresses
	}
}

// Image is an AMI for nodes of EKS.
type Image struct {
	ID      string
	Name    string // amazon-eks-node-al2023-x86_64-standard-1.35-v20261101
	Arch    string
	Version string // Kubernetes minor: 1.35
	Kubelet string // v1.35.6
	Release string // 1.35.6-20261101
	Newest  bool   // of its version and architecture
	OS      string // bottlerocket; empty: Amazon Linux 2023
}

// rockets are the releases of Bottlerocket, newest first.
var rockets = []string{"1.50.0-4f2a1b3c", "1.49.0-0d3c5e7f"}

// releases are the dates of the AMIs, newest first.
var releases = []string{"20261101", "20261001"}

// kubelets says which kubelet the newest AMI of a minor version carries.
var kubelets = []struct{ minor, patch string }{{"1.33", "12"}, {"1.34", "9"}, {"1.35", "6"}, {"1.36", "3"}}

// Images are the AMIs of a region. Their IDs follow from their names.
func Images(region string) []Image {
	var list []Image
	for k, date := range releases {
		for _, v := range kubelets {
			for _, arch := range []string{"x86_64", "arm64"} {
				name := fmt.Sprintf("amazon-eks-node-al2023-%s-standard-%s-v%s", arch, v.minor, date)
				list = append(list, Image{ID: fmt.Sprintf("ami-0%016x", hash(region+"/"+name)), Name: name, Arch: arch,
					Version: v.minor, Kubelet: "v" + v.minor + "." + v.patch,
					Release: v.minor + "." + v.patch + "-" + date, Newest: k == 0})
			}
		}
	}
	for k, release := range rockets {
		for _, v := range kubelets {
			for _, arch := range []string{"x86_64", "arm64"} {
				name := fmt.Sprintf("bottlerocket-aws-k8s-%s-%s-v%s", v.minor, arch, release)
				list = append(list, Image{ID: fmt.Sprintf("ami-0%016x", hash(region+"/"+name)), Name: name, Arch: arch, OS: Bottlerocket,
					Version: v.minor, Kubelet: "v" + v.minor + "." + v.patch, Release: release, Newest: k == 0})
			}
		}
	}
	return list
}

// Bottlerocket is the OS of its images.
const Bottlerocket = "bottlerocket"

// Image finds an AMI by its ID.
func (s *State) Image(id string) (Image, bool) {
	for _, i := range Images(s.Region) {
		if i.ID == id {
			return i, true
		}
	}
	return Image{}, false
}
