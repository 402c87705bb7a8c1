package pki

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Cluster is what Prepare needs to know of the control plane.
type Cluster struct {
	Dir        string // where keys and kubeconfigs go
	Kubeconfig string // the administrator's kubeconfig
	Server     string // the API server's URL for everybody but nodes
}

// hosts are the names and addresses that an API server has: for the host,
// for nodes, and for pods (the first address of the service range).
var hosts = []string{
	"127.0.0.1", "localhost", "100.64.0.1", "10.100.0.1",
	"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
}

// Prepare makes what the control plane starts with. Keys and certificates that
// are there stay; kubeconfigs are written afresh, as the port may be another one.
func Prepare(c Cluster) (*Authority, error) {
	ca, err := Open(c.Dir)
	if err != nil {
		return nil, err
	}
	if err := keep(c.Dir, "apiserver", func() (Pair, error) { return ca.Server("kube-apiserver", hosts...) }); err != nil {
		return nil, err
	}
	kubelet := func() (Pair, error) { return ca.Client("kube-apiserver-kubelet-client", "system:masters") }
	if err := keep(c.Dir, "kubelet-client", kubelet); err != nil {
		return nil, err
	}
	if err := serviceAccountKey(c.Dir); err != nil {
		return nil, err
	}
	users := []struct{ user, group, file string }{
		{"kubernetes-admin", "system:masters", c.Kubeconfig},
		{"system:kube-controller-manager", "", filepath.Join(c.Dir, "controller-manager.kubeconfig")},
		{"system:kube-scheduler", "", filepath.Join(c.Dir, "scheduler.kubeconfig")},
		{"eks:node-manager", "system:masters", filepath.Join(c.Dir, "eks.kubeconfig")},
		{"system:cloud-controller-manager", "system:masters", filepath.Join(c.Dir, "ccm.kubeconfig")},
	}
	for _, u := range users {
		if err := ca.writeKubeconfig(u.file, c.Server, u.user, u.group); err != nil {
			return nil, err
		}
	}
	return ca, nil
}

// Node is what PrepareNode needs to know of a machine.
type Node struct {
	Dir    string // where keys and kubeconfigs go
	Name   string // the Node object's
	IP     string
	Server string // the API server's URL for nodes
}

// PrepareNode writes what a node's kubelet and kube-proxy start with:
// kubelet.kubeconfig, proxy.kubeconfig, kubelet.crt and kubelet.key, and ca.crt, by which it
// knows the API server's own requests.
func (a *Authority) PrepareNode(n Node) error {
	if err := a.writeKubeconfig(filepath.Join(n.Dir, "kubelet.kubeconfig"),
		n.Server, "system:node:"+n.Name, "system:nodes"); err != nil {
		return err
	}
	if err := a.writeKubeconfig(filepath.Join(n.Dir, "proxy.kubeconfig"),
		n.Server, "system:kube-proxy", ""); err != nil {
		return err
	}
	serving, err := a.Server("system:node:"+n.Name, n.Name, n.IP)
	if err != nil {
		return err
	}
	if err := serving.Write(n.Dir, "kubelet"); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(n.Dir, "ca.crt"), a.PEM, 0o600)
}

func (a *Authority) writeKubeconfig(path, server, user, group string) error {
	var groups []string
	if group != "" {
		groups = []string{group}
	}
	pair, err := a.Client(user, groups...)
	if err != nil {
		return err
	}
	return os.WriteFile(path, a.Kubeconfig(server, user, pair), 0o600)
}

// keep makes a pair unless it is there.
func keep(dir, name string, issue func() (Pair, error)) error {
	_, err := readPair(dir, name)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	pair, err := issue()
	if err != nil {
		return err
	}
	return pair.Write(dir, name)
}

// serviceAccountKey makes the key that signs service account tokens.
func serviceAccountKey(dir string) error {
	path := filepath.Join(dir, "service-account.key")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	key, err := newKey()
	if err != nil {
		return err
	}
	data, err := encodeKey(key)
	if err != nil {
		return fmt.Errorf("encode the service account key: %w", err)
	}
	return os.WriteFile(path, data, 0o600)
}
