package supervisor

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/droverhq/drover/sandbox/internal/folder"
	"github.com/droverhq/drover/sandbox/internal/machine"
)

// twins is a supervisor whose parts only sleep, with its first control plane, and ports for the others.
func twins(t *testing.T) *supervisor {
	t.Helper()
	dir := folder.Folder(t.TempDir())
	if err := dir.Create(); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(string(dir), "program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexec sleep 60\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := Config{Dir: dir, Program: program, APIPort: 6443, AWSPort: 4566}
	s := &supervisor{Config: c, reaper: startReaper(t), planes: newPlanes(c), machines: map[string]*node{}, faults: map[string]*disorder{}}
	for n, p := range s.planes {
		p.port = 6443 + n
	}
	s.aws = s.component("aws", "aws", nil)
	s.aws.run()
	s.startControlPlane(s.planes[0], "")
	t.Cleanup(func() {
		if err := s.shutdown(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *supervisor) names() (list []string) {
	for _, c := range s.parts() {
		list = append(list, c.name)
	}
	return list
}

// A second cluster has a control plane, a cloud-controller-manager and keys of its own. What
// is done to it, and its end, leave the first one alone.
func TestASecondClusterIsByItself(t *testing.T) {
	s := twins(t)
	blue, green := machine.Cluster{Name: "blue", Region: "us-west-2"}, machine.Cluster{Name: "green", Region: "us-west-2", Plane: 1, Emulates: "1.35.6"}
	for _, c := range []machine.Cluster{blue, green, green} {
		if err := s.createCluster(c); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := s.names(), []string{"controlplane", "aws", "ccm", "controlplane-green", "ccm-green"}; !slices.Equal(got, want) {
		t.Fatalf("%v run, want %v", got, want)
	}
	if list := s.clusters(); len(list) != 2 || list[1] != (ClusterStatus{"green", "https://127.0.0.1:6444", s.Dir.Plane(1).Kubeconfig()}) {
		t.Errorf("%+v", list)
	}
	first := s.planes[0].controlplane
	eventually(t, "the first one runs", func() bool { return first.now().State == running })
	since := first.now()
	if err := s.disturb("controlplane-green", Fault{Kind: Down}); err != nil {
		t.Fatal(err)
	}
	green.Emulates = "1.36.3"
	if err := s.createCluster(green); err == nil {
		t.Error("a control plane with a fault is upgraded")
	}
	if err := s.createCluster(machine.Cluster{Name: "red", Plane: 1}); err == nil {
		t.Error("a control plane has two clusters")
	}
	for range 2 {
		if err := s.deleteCluster(1); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := s.names(), []string{"controlplane", "aws", "ccm"}; !slices.Equal(got, want) {
		t.Errorf("%v run, want %v", got, want)
	}
	if _, err := os.Stat(filepath.Dir(s.Dir.Plane(1).PKI())); !os.IsNotExist(err) {
		t.Errorf("it has left files: %v", err)
	}
	if got := first.now(); got != since {
		t.Errorf("the first one went from %+v to %+v", since, got)
	}
	if err := s.createCluster(green); err != nil {
		t.Fatal(err)
	}
	if list := s.listFaults(); len(list) != 0 {
		t.Errorf("the next one of that name has %+v", list)
	}
}

// Clusters that were there come back, each with its port and its keys.
func TestClustersComeBack(t *testing.T) {
	s := twins(t)
	for n, name := range []string{"blue", "green"} {
		if err := s.createCluster(machine.Cluster{Name: name, Plane: n}); err != nil {
			t.Fatal(err)
		}
	}
	authority, err := os.ReadFile(s.Dir.Plane(1).Authority())
	if err != nil {
		t.Fatal(err)
	}
	again := &supervisor{Config: s.Config, reaper: s.reaper, planes: newPlanes(s.Config), machines: map[string]*node{}, faults: map[string]*disorder{}}
	again.aws = again.component("aws", "aws", nil)
	again.aws.run()
	again.startControlPlane(again.planes[0], "")
	again.planes[1].port = 6444
	if err := again.restoreClusters(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.shutdown() })
	if got, want := again.names(), s.names(); !slices.Equal(got, want) {
		t.Errorf("%v run, want %v", got, want)
	}
	if now, err := os.ReadFile(s.Dir.Plane(1).Authority()); err != nil || string(now) != string(authority) {
		t.Errorf("its authority is another one: %v", err)
	}
	var kept int
	if err := folder.ReadJSON(s.Dir.Plane(1).Port(), &kept); err != nil || kept != 6444 {
		t.Errorf("port %d is kept: %v", kept, err)
	}
}

// A node has the keys of its own cluster, and keeps them when that is gone.
func TestANodeHasTheKeysOfItsCluster(t *testing.T) {
	s := twins(t)
	if err := s.createCluster(machine.Cluster{Name: "green", Plane: 1}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	m := machine.Machine{ID: "i-0000000a", NodeName: "a", PrivateIP: "10.0.0.1", Plane: 1}
	if err := s.planes[1].keys(dir, m); err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(s.Dir.Plane(1).Authority())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, err := os.ReadFile(filepath.Join(dir, "ca.crt")); err != nil || string(got) != string(authority) {
			t.Errorf("it knows another authority: %v", err)
		}
		if err := s.deleteCluster(1); err != nil {
			t.Fatal(err)
		}
		if err := s.planes[1].keys(dir, m); err != nil {
			t.Fatal(err)
		}
	}
}

// A socket that the launcher made listens where it did before, or anywhere.
func TestBind(t *testing.T) {
	port := 0
	for range 2 {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		l, err := bind(os.NewFile(uintptr(fd), "socket"), port)
		if err != nil {
			t.Fatal(err)
		}
		got := l.Addr().(*net.TCPAddr).Port
		if port != 0 && got != port {
			t.Errorf("port %d, want %d", got, port)
		}
		port = got
		conn, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		_ = l.Close()
	}
}
