package node

import (
	"os"
	"testing"

	core "k8s.io/api/core/v1"
	"k8s.io/component-base/version"

	"github.com/droverhq/drover/sandbox/internal/folder"
	"github.com/droverhq/drover/sandbox/internal/machine"
)

// A node reports the version of its AMI, not that of the program it runs: a
// move from one version to the next must be seen. It rests on the name of a
// variable of another module.
func TestVersion(t *testing.T) {
	for _, v := range []string{"v1.35.6", "v1.36.3"} {
		if err := setVersion(v); err != nil {
			t.Fatal(err)
		}
		if got := version.Get().GitVersion; got != v {
			t.Errorf("reports %s, want %s", got, v)
		}
	}
	if err := setVersion("latest"); err == nil {
		t.Error("a word is accepted as a version")
	}
}

// What the AWS endpoint says of the machine is what its kubelet registers.
func TestKubeletSettings(t *testing.T) {
	c := Config{Dir: folder.Folder(t.TempDir()), Machine: machine.Machine{
		ID: "i-0123456789abcdef0", PrivateIP: "172.16.96.10", NodeName: "ip-172-16-96-10.us-west-2.compute.internal",
		ProviderID: "aws:///us-west-2a/i-0123456789abcdef0", Labels: map[string]string{"drover.dev/nodegroup": "web-1"},
		Taints: []string{"nginx=true:NoSchedule"}, CPU: 8, MemoryMiB: 32768, MaxPods: 58,
	}}
	if err := os.MkdirAll(c.file(""), 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := kubeletSettings(c)
	if err != nil {
		t.Fatal(err)
	}
	taint := core.Taint{Key: "nginx", Value: "true", Effect: core.TaintEffectNoSchedule}
	if len(s.RegisterWithTaints) != 1 || s.RegisterWithTaints[0] != taint {
		t.Errorf("taints %v", s.RegisterWithTaints)
	}
	if s.HostnameOverride != c.Machine.NodeName || s.NodeIP != c.Machine.PrivateIP ||
		s.ProviderID != c.Machine.ProviderID || s.NodeLabels["drover.dev/nodegroup"] != "web-1" || s.MaxPods != 58 || s.CloudProvider != "external" {
		t.Errorf("settings %+v", s)
	}
	info, err := hardware{c.Machine, c.full}.MachineInfo()
	if err != nil || info.NumCores != 8 || info.MemoryCapacity != 32<<30 {
		t.Errorf("hardware %+v, error %v", info, err)
	}
	c.Machine.Taints = []string{"nginx=true:Sometimes"}
	if _, err := kubeletSettings(c); err == nil {
		t.Error("a taint with an unknown effect is accepted")
	}
}
