//go:build e2e && torture

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// A cluster as people have them: in a network that somebody else has made, with
// a private endpoint, a key for Secrets, add-ons, Bottlerocket on Spot capacity, a
// chart and a kustomization. It comes up, is upgraded by one minor while traffic
// flows, and goes; nothing is left, and the network is as it was.
func TestUpgradeOfAClusterAsPeopleHaveIt(t *testing.T) {
	if _, err := exec.LookPath("helm"); err != nil {
		t.Skip("there is no program helm in the PATH")
	}
	net, shop := newUpgrade(t)
	net.run("up", "--yes")
	network := inventoryCounts(t)
	defer net.run("destroy", "--yes", "--allow-delete", "AWS::KMS::Key/key")

	t.Log(shop.run("up", "--yes"))
	if out := shop.run("preview"); !strings.Contains(out, "Nothing to do") {
		t.Errorf("up did not do all:\n%s", out)
	}
	shop.awaitAnswer()
	shop.edit(`version: "1.35"`, `version: "1.36"`)
	inOrder(t, shop.run("preview"), "update    cluster ", "create    nodegroup/standard", "create    nodegroup/web", "update    cluster ", "hand over nodegroup/", "delete    nodegroup/")
	shop.underLoad(func() { t.Log(shop.run("up", "--yes")) })
	if got := kubelets(t); !slices.Equal(got, []string{"v1.36"}) {
		t.Errorf("after the upgrade nodes are of %v", got)
	}
	if out := shop.run("preview"); !strings.Contains(out, "Nothing to do") {
		t.Errorf("the upgrade did not do all:\n%s", out)
	}
	t.Log(shop.run("destroy", "--yes"))
	if got := inventoryCounts(t); got != network {
		t.Errorf("after destroy AWS holds\n%s\nwant the network alone:\n%s", got, network)
	}
}

// newUpgrade are the two projects, in folders of their own.
func newUpgrade(t *testing.T) (net, shop *folder) {
	archive, err := txtar.ParseFile("testdata/upgrade.txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range archive.Files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(f.Data), "STATE", filepath.Join(dir, "states"))
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	net, shop = &folder{t, filepath.Join(dir, "net")}, &folder{t, filepath.Join(dir, "shop")}
	for _, p := range []*folder{net, shop} {
		p.run("stack", "init", "dev")
		p.run("config", "set", "aws:region", "us-west-2")
	}
	return net, shop
}

// inOrder wants parts to stand in a text, each after the one before it.
func inOrder(t *testing.T, text string, parts ...string) {
	t.Helper()
	rest := text
	for _, part := range parts {
		_, after, found := strings.Cut(rest, part)
		if !found {
			t.Errorf("%q does not stand where it should in\n%s", part, text)
		}
		rest = after
	}
}

// kubelets are the minors that nodes report, each once.
func kubelets(t *testing.T) []string {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var minors []string
	for _, n := range nodes.Items {
		v := n.Status.NodeInfo.KubeletVersion // v1.36.3
		minors = append(minors, v[:strings.LastIndexByte(v, '.')])
	}
	slices.Sort(minors)
	return slices.Compact(minors)
}
