//go:build e2e && torture

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/problem"
)

// blog is a second workload beside the shop, in a namespace of its own.
const blog = `apiVersion: v1
kind: Namespace
metadata: {name: press}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: blog, namespace: press}
spec:
  replicas: 2
  selector: {matchLabels: {app: blog}}
  template:
    metadata: {labels: {app: blog}}
    spec:
      nodeSelector: {pool: shop}
      containers:
        - name: web
          image: registry.k8s.io/echoserver:1.10
          ports: [{containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
`

// deschedulers are one that runs all the time, and one that runs each minute.
const deschedulers = `apiVersion: apps/v1
kind: Deployment
metadata: {name: descheduler, namespace: kube-system}
spec:
  replicas: 2
  selector: {matchLabels: {app: descheduler}}
  template:
    metadata: {labels: {app: descheduler}}
    spec: {containers: [{name: d, image: "registry.k8s.io/descheduler/descheduler:v0.34.0", ports: [{containerPort: 10258}]}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: descheduler, namespace: kube-system}
spec:
  schedule: "* * * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: d, image: "registry.k8s.io/descheduler/descheduler:v0.34.0", command: ["/bin/true"]}]}}}}
`

// On a cluster that others made, what is moved is named by a NodePool's label, by a
// workload and by a namespace; what a killed run left is given back; a group is scaled
// to none; kubectl runs Drover as its plugin; and who has no other rights than those
// that drover rbac prints can check and drain. Deschedulers are off meanwhile. No
// request fails, and nothing is left over.
func TestCommandsOfAnyCluster(t *testing.T) {
	p := newPlain(t)
	p.selfManaged("old", "1.36", "t3.large", 2)
	p.joined(2)
	p.kubectl("", "label", "nodes", "--all", "karpenter.sh/nodepool=old")
	p.kubectl(blog, "apply", "-f", "-")
	p.kubectl(deschedulers, "apply", "-f", "-")
	p.open()
	p.kubectl("", "rollout", "status", "deployment/blog", "-n", "press", "--timeout=3m")
	p.selfManaged("new", "1.36", "m5.large", 3)
	p.joined(5)

	p.lossless("kubectl drover check", p.asPlugin)
	p.lossless("a workload, and a namespace", p.inParts)
	p.lossless("nodepool/old", func() {
		p.migrated("--from", "nodepool/old", "--to", "asg/new")
		p.where("shop", "default", "new")
		p.opened()
	})
	p.lossless("a killed run's nodes are given back", p.givenBack)
	p.awake()
	p.lossless("asg/old is scaled to none", func() {
		p.migrated("--from", "asg/old", "--to", "asg/new", "--then", "empty")
		if g := p.group("old"); *g.DesiredCapacity != 0 || len(g.Instances) > 0 {
			t.Errorf("asg/old wants %d instances, and has %d", *g.DesiredCapacity, len(g.Instances))
		}
	})
	p.clean()
	p.awake()
	p.lossless("by the rights of drover rbac", p.withItsRights)
	p.clean()
	p.awake()
}

// descheduling is how many pods the Deployment of a descheduler wants, and whether the
// CronJob of another is suspended.
func (p *plain) descheduling() string {
	p.t.Helper()
	of := func(kind, field string) string {
		return p.kubectl("", "get", kind, "descheduler", "-n", "kube-system", "-o", "jsonpath={"+field+"}{.metadata.annotations.drover\\.dev/calmed}")
	}
	return of("deployment", ".spec.replicas") + " " + of("cronjob", ".spec.suspend")
}

// awake finds the deschedulers as they were.
func (p *plain) awake() {
	p.t.Helper()
	if is := p.descheduling(); is != "2 false" {
		p.t.Errorf("deschedulers are left as %q", is)
	}
}

// migrated moves under a guard.
func (p *plain) migrated(args ...string) {
	p.t.Helper()
	p.t.Log(newStranger(p.t).run(0, append([]string{"migrate", "--guard", p.url, "--yes"}, args...)...))
}

// opened opens the nodes of the only move again.
func (p *plain) opened() {
	p.t.Helper()
	newStranger(p.t).run(0, "moves", "return", "--yes", "--nodes-only")
}

// where finds all pods of a Deployment on nodes of one Auto Scaling group.
func (p *plain) where(app, namespace, group string) {
	p.t.Helper()
	of := p.instances(group)
	nodes := strings.Fields(p.kubectl("", "get", "pods", "-n", namespace, "-l", "app="+app, "-o", "jsonpath={.items[*].spec.nodeName}"))
	for _, node := range nodes {
		provider := p.kubectl("", "get", "node", node, "-o", "jsonpath={.spec.providerID}")
		if !slices.Contains(of, provider[strings.LastIndex(provider, "/")+1:]) {
			p.t.Errorf("a pod of %s runs on %s, which is not of %s", app, node, group)
		}
	}
	if len(nodes) == 0 {
		p.t.Errorf("%s has no pods", app)
	}
}

// asPlugin has kubectl find Drover by its name in the PATH.
func (p *plain) asPlugin() {
	p.t.Helper()
	dir := p.t.TempDir()
	if err := os.Symlink(filepath.Join(bin(), "drover"), filepath.Join(dir, "kubectl-drover")); err != nil {
		p.t.Fatal(err)
	}
	cmd := p.kubectlCommand("", "drover", "check", "--from", "nodepool/old", "--to", "asg/new")
	cmd.Env = append(os.Environ(), "PATH="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("default/shop-")) {
		p.t.Errorf("kubectl drover check: %v\n%s", err, out)
	}
	p.t.Logf("%s", out)
}

// inParts moves the shop alone and takes that back, then what runs in one namespace.
func (p *plain) inParts() {
	p.t.Helper()
	p.migrated("--from", "nodepool/old", "--to", "asg/new", "--workload", "deployment/default/shop")
	p.where("shop", "default", "new")
	p.where("blog", "press", "old")
	p.t.Log(newStranger(p.t).run(0, "moves", "return", "--yes"))
	p.where("shop", "default", "old")
	p.migrated("--from", "nodepool/old", "--to", "asg/new", "--namespace", "press")
	p.where("shop", "default", "old")
	p.where("blog", "press", "new")
	p.opened()
}

// givenBack kills a run in the middle, and has another open again what it had closed.
func (p *plain) givenBack() {
	p.t.Helper()
	begun := newStranger(p.t).start("migrate", "--from", "asg/new", "--to", "nodepool/old", "--guard", p.url, "--yes")
	begun.says("evicted")
	_ = begun.cmd.Process.Kill()
	begun.wait()
	other := newStranger(p.t)
	for limit := time.Now().Add(time.Minute); !strings.Contains(other.run(0, "moves", "ls"), " dead "); time.Sleep(time.Second) {
		if time.Now().After(limit) {
			p.t.Fatal("a run that was killed a minute ago counts as alive")
		}
	}
	if is := p.descheduling(); !strings.HasPrefix(is, "0{") || !strings.Contains(is, " true{") {
		p.t.Errorf("in the middle of a move deschedulers are on: %q", is)
	}
	p.t.Log(other.run(0, "moves", "recover", "--dry-run"))
	if nodeMarks(p.t) == "" {
		p.t.Error("a dry run gives back, or nothing was closed")
	}
	p.t.Log(other.run(0, "moves", "recover"))
	p.clean()
}

// withItsRights checks and drains as two service accounts that have what drover rbac
// prints for the command; who may check alone is refused the drain.
func (p *plain) withItsRights() {
	p.t.Helper()
	node := p.shopNodes()[0]
	drain := []string{"drain", node, "--ignore-daemonsets", "--delete-emptydir-data"}
	checker := p.account("check")
	out := checker.run(0, "check", "--from", "node/"+node)
	p.t.Log(out)
	if strings.Contains(out, "may not") {
		p.t.Errorf("the rights of a check do not suffice:\n%s", out)
	}
	p.t.Log(checker.run(int(problem.Refused), drain...))
	if marks := nodeMarks(p.t); marks != "" {
		p.t.Errorf("a drain without rights has closed:\n%s", marks)
	}
	p.t.Log(p.account("drain").run(0, drain...))
	if slices.Contains(p.shopNodes(), node) {
		p.t.Errorf("the shop still runs on %s", node)
	}
	p.opened()
}

// account is somebody whose kubeconfig is a service account's that has a command's
// rights alone.
func (p *plain) account(command string) *stranger {
	p.t.Helper()
	p.kubectl("", "create", "serviceaccount", command)
	roles := newStranger(p.t).run(0, "rbac", command, "--user", "system:serviceaccount:default:"+command)
	p.t.Log(p.kubectl(roles, "apply", "-f", "-"))
	s := newStranger(p.t)
	for _, args := range [][]string{
		{"config", "set-credentials", command, "--token", strings.TrimSpace(p.kubectl("", "create", "token", command))},
		{"config", "set-context", "--current", "--user", command},
	} {
		cmd := p.kubectlCommand("", args...)
		cmd.Env = s.env
		if out, err := cmd.CombinedOutput(); err != nil {
			p.t.Fatalf("kubectl config: %v\n%s", err, out)
		}
	}
	return s
}
