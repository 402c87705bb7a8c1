package pki

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
)

func prepare(t *testing.T, dir string) (*Authority, string) {
	t.Helper()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	ca, err := Prepare(Cluster{Dir: dir, Kubeconfig: kubeconfig, Server: "https://127.0.0.1:6443"})
	if err != nil {
		t.Fatal(err)
	}
	return ca, kubeconfig
}

// Whoever has the administrator's kubeconfig is system:masters, trusts the API
// server under each of its names, and under no other.
func TestAdministratorAndServerTrustEachOther(t *testing.T) {
	dir := t.TempDir()
	ca, kubeconfig := prepare(t, dir)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM)

	server, err := tls.LoadX509KeyPair(filepath.Join(dir, "apiserver.crt"), filepath.Join(dir, "apiserver.key"))
	if err != nil {
		t.Fatal(err)
	}
	for name, ok := range map[string]bool{"127.0.0.1": true, "kubernetes": true, "example.com": false} {
		_, err := server.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name})
		if (err == nil) != ok {
			t.Errorf("the API server as %s: %v, want accepted %t", name, err, ok)
		}
	}

	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != "https://127.0.0.1:6443" {
		t.Errorf("kubeconfig leads to %s", config.Host)
	}
	client, err := tls.X509KeyPair(config.CertData, config.KeyData)
	if err != nil {
		t.Fatal(err)
	}
	usage := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if _, err := client.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: usage}); err != nil {
		t.Error(err)
	}
	if groups := client.Leaf.Subject.Organization; len(groups) != 1 || groups[0] != "system:masters" {
		t.Errorf("the administrator's groups are %v", groups)
	}
}

// A second start keeps every key: tokens and kubeconfigs that were handed out stay valid.
func TestPrepareKeepsKeys(t *testing.T) {
	dir := t.TempDir()
	prepare(t, dir)
	keys := []string{"ca.crt", "ca.key", "apiserver.crt", "apiserver.key", "kubelet-client.key", "service-account.key"}
	before := map[string]string{}
	for _, name := range keys {
		before[name] = read(t, dir, name)
	}
	prepare(t, dir)
	for _, name := range keys {
		if read(t, dir, name) != before[name] {
			t.Errorf("%s has changed", name)
		}
	}
}

// A start that was cut short between key and certificate makes a new pair.
func TestPrepareMendsHalfAPair(t *testing.T) {
	dir := t.TempDir()
	prepare(t, dir)
	if err := os.Remove(filepath.Join(dir, "apiserver.crt")); err != nil {
		t.Fatal(err)
	}
	prepare(t, dir)
	if _, err := tls.LoadX509KeyPair(filepath.Join(dir, "apiserver.crt"), filepath.Join(dir, "apiserver.key")); err != nil {
		t.Error(err)
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
