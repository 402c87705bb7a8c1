package demo

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/droverhq/drover/examples"
	"github.com/droverhq/drover/internal/durable"
)

// The files that the story edits: what says what the stack has.
const (
	stackFile   = "drover.yaml"
	programFile = "infra/main.go"
)

// writeProject makes a fresh project folder from the example.
func (o Options) writeProject(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if o.Program {
		return examples.WriteProgram(dir, o.Library)
	}
	return examples.Write(dir)
}

// edit is one change of the stack file: every line of Old gives way to New.
type edit struct {
	About    string
	Old, New string
}

// serviceFile holds the Service that the load balancer is made for.
const serviceFile = "nginx/service.yaml"

// behindNLB asks the cloud-controller-manager for a Network Load Balancer, as
// people do. It leaves the deregistration delay at AWS's 300 s: the controller of
// the cloud provider has no annotation for that.
var behindNLB = edit{
	About: "NGINX sits behind a Network Load Balancer",
	Old: `    # Off unless asked for: requests in flight would be cut when a node leaves.
    service.beta.kubernetes.io/aws-load-balancer-connection-draining-enabled: "true"
    service.beta.kubernetes.io/aws-load-balancer-connection-draining-timeout: "60"
`,
	New: `    service.beta.kubernetes.io/aws-load-balancer-type: nlb
`,
}

// albFiles are the files of the project that differ, or come, behind an Application
// Load Balancer.
//
//go:embed alb
var albFiles embed.FS

// behindALB are the edits of the stack file and the namespace for it: the
// controller, and whom the guard and the output name.
var behindALB = []struct {
	file string
	edit
}{
	{stackFile, edit{
		About: "the AWS Load Balancer Controller comes to the cluster",
		Old:   "  base: {manifests: ./base}\n",
		New:   "  base: {manifests: ./base}\n  alb: {manifests: ./alb}\n",
	}},
	{stackFile, edit{
		About: "the guard asks the Ingress's load balancer",
		Old:   "  - url: http://${workloads.nginx.services.nginx.hostname}/echoserver\n",
		New:   "  - url: http://${workloads.nginx.ingresses.nginx.hostname}/echoserver\n",
	}},
	{stackFile, edit{
		About: "the output names it too",
		Old:   "  nginxServiceUrl: ${workloads.nginx.services.nginx.hostname}\n",
		New:   "  nginxServiceUrl: ${workloads.nginx.ingresses.nginx.hostname}\n",
	}},
	{"base/namespace.yaml", edit{
		About: "pods wait for the load balancer's word before they are Ready",
		Old:   "  name: apps\n",
		New:   "  name: apps\n  labels: {elbv2.k8s.aws/pod-readiness-gate-inject: enabled}\n",
	}},
}

// bindingKind loses every object of its kind when the project goes, which destroy
// does only if it is named.
const bindingKind = "apiextensions.k8s.io/v1/CustomResourceDefinition/targetgroupbindings.elbv2.k8s.aws"

// putBehind makes the project one behind the given kind of load balancer, and
// tells what differs from the example.
func putBehind(balancer, project string) (about, diff string, err error) {
	switch balancer {
	case NLB:
		diff, err = behindNLB.applyTo(project, serviceFile)
		return behindNLB.About, diff, err
	case ALB:
		diff, err = putBehindALB(project)
		return "NGINX's pods sit behind an Application Load Balancer, by the files in alb and nginx/service.yaml and these lines", diff, err
	}
	return "", "", nil
}

func putBehindALB(project string) (diff string, err error) {
	err = fs.WalkDir(albFiles, "alb", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := albFiles.ReadFile(path)
		if err != nil {
			return err
		}
		to := filepath.Join(project, strings.TrimPrefix(path, "alb/"))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return durable.Write(to, text, 0o644)
	})
	if err != nil {
		return "", err
	}
	for _, e := range behindALB {
		lines, err := e.applyTo(project, e.file)
		if err != nil {
			return "", err
		}
		diff += lines
	}
	return diff, nil
}

// theChange is the whole migration in one edit.
var theChange = edit{
	About: "web becomes 5 x c5.4xlarge at the control plane's version",
	Old: `    instanceType: t3.2xlarge
    version: "1.35"
    capacity: {desired: 3, min: 3, max: 10}
`,
	New: `    instanceType: c5.4xlarge
    version: "1.36"
    capacity: {desired: 5, min: 3, max: 10}
`,
}

// theChangeInGo is the same edit of the program.
var theChangeInGo = edit{
	About: theChange.About,
	Old: `	InstanceType: "t3.2xlarge",
	Version:      "1.35",
	Capacity:     &drover.Capacity{Desired: 3, Min: 3, Max: 10},
`,
	New: `	InstanceType: "c5.4xlarge",
	Version:      "1.36",
	Capacity:     &drover.Capacity{Desired: 5, Min: 3, Max: 10},
`,
}

// byHand is the same migration in the tutorial's steps, each an up of its own.
var byHand = []edit{
	{
		About: "add the group web2: 5 x c5.4xlarge",
		Old:   "  web:\n    kind: self-managed\n",
		New: `  web2:
    kind: self-managed
    instanceType: c5.4xlarge
    capacity: {desired: 5, min: 3, max: 10}
    taints: ["nginx=true:NoSchedule"]
    fence: true
  web:
    kind: self-managed
`,
	},
	{About: "re-point NGINX at it", Old: "nodeGroup: web}", New: "nodeGroup: web2}"},
	{
		About: "scale the old group to 0",
		Old:   "    capacity: {desired: 3, min: 3, max: 10}\n",
		New:   "    capacity: {desired: 0, min: 0, max: 10}\n",
	},
	{
		About: "remove the old group",
		Old: `  web:
    kind: self-managed
    instanceType: t3.2xlarge
    version: "1.35"
    capacity: {desired: 0, min: 0, max: 10}
    taints: ["nginx=true:NoSchedule"]
    fence: true # nobody but Drover ends a node; without it where an autoscaler is at work
`,
		New: "",
	},
}

// applyTo edits a file of the project and returns the change as a diff would show it.
func (e edit) applyTo(project, file string) (string, error) {
	path := filepath.Join(project, file)
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), e.Old); n != 1 {
		return "", fmt.Errorf("edit %s (%s): found the lines to change %d times, want once", path, e.About, n)
	}
	changed := strings.Replace(string(text), e.Old, e.New, 1)
	if err := durable.Write(path, []byte(changed), 0o644); err != nil {
		return "", err
	}
	return e.diff(), nil
}

// diff shows the lines of Old that New lacks, and the other way round.
func (e edit) diff() string {
	var b strings.Builder
	mark := func(sign, text, other string) {
		for line := range strings.Lines(text) {
			if !strings.Contains(other, line) {
				b.WriteString(sign + line)
			}
		}
	}
	mark("- ", e.Old, e.New)
	mark("+ ", e.New, e.Old)
	return b.String()
}
