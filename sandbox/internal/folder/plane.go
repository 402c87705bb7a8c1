package folder

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Plane is the part of a sandbox's folder that one control plane has for itself. The first
// one, 0, stands as long as the sandbox does, and its files lie in the folder itself; those of
// another, which comes and goes with its cluster, lie in clusters/N.
type Plane struct {
	dir Folder
	n   int
}

// Plane is the part of the nth control plane.
func (f Folder) Plane(n int) Plane { return Plane{f, n} }

// Create makes the folders of a control plane.
func (p Plane) Create() error {
	for _, dir := range []string{p.PKI(), p.Etcd()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// Clear removes what the cluster has left: its store and, unless the control plane goes on
// without one, its keys. The record goes last: as long as it is there, the store may be the
// old one.
func (p Plane) Clear() error {
	for _, path := range []string{p.Etcd(), p.Addons()} {
		if err := RemoveAll(path); err != nil {
			return err
		}
	}
	if p.n > 0 {
		return RemoveAll(p.path())
	}
	if err := os.Remove(p.Cluster()); err != nil {
		return err
	}
	return p.Create()
}

// Kubeconfig belongs to the cluster's administrator.
func (p Plane) Kubeconfig() string { return p.path("kubeconfig") }

// PKI holds the certificate authority and what it signed for the control plane.
func (p Plane) PKI() string { return p.path("pki") }

// Authority is the certificate that clients know the API server by.
func (p Plane) Authority() string { return p.path("pki", "ca.crt") }

// CCMKubeconfig is the cloud-controller-manager's.
func (p Plane) CCMKubeconfig() string { return p.path("pki", "ccm.kubeconfig") }

// EKSKubeconfig is what the AWS endpoint reaches the cluster with, for managed node groups.
func (p Plane) EKSKubeconfig() string { return p.path("pki", "eks.kubeconfig") }

// Etcd is the control plane's store.
func (p Plane) Etcd() string { return p.path("etcd") }

// EtcdSocket is where etcd listens. All sockets lie beside each other: their paths must stay short.
func (p Plane) EtcdSocket() string { return p.dir.path("run", p.numbered("etcd")+".sock") }

// CloudConfig configures the cloud-controller-manager.
func (p Plane) CloudConfig() string { return p.dir.path("run", p.numbered("cloud")+".conf") }

// Cluster is the record of the EKS cluster that the control plane has, if there is one.
func (p Plane) Cluster() string { return p.path("cluster.json") }

// Port is the record of the API server's port, of all but the first.
func (p Plane) Port() string { return p.path("port.json") }

// Addons is there once the cluster has got the add-ons of a new one.
func (p Plane) Addons() string { return p.path("addons") }

func (p Plane) numbered(name string) string {
	if p.n == 0 {
		return name
	}
	return fmt.Sprintf("%s-%d", name, p.n)
}

func (p Plane) path(parts ...string) string {
	base := string(p.dir)
	if p.n > 0 {
		base = p.dir.path("clusters", strconv.Itoa(p.n))
	}
	return filepath.Join(append([]string{base}, parts...)...)
}
