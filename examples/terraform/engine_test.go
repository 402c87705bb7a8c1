//go:build engine

// Package example is the configuration main.tf in the real Terraform, in the
// sandbox, while requests are sent. DROVER_BIN is the folder of drover's binaries and
// of a terraform of 1.16 or newer.
package example

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// inside marks the run within the sandbox's network, where the names of load
// balancers resolve.
const inside = "DROVER_ENGINE_INSIDE"

func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" {
		os.Exit(m.Run())
	}
	code, err := runInSandbox()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func binary(name string) string { return filepath.Join(os.Getenv("DROVER_BIN"), name) }

func runInSandbox() (code int, err error) {
	if os.Getenv("DROVER_BIN") == "" {
		return 1, errors.New("DROVER_BIN is not set: run `make test-terraform`")
	}
	dir, err := os.MkdirTemp("", "drover-engine-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	folder := filepath.Join(dir, "sandbox")
	defer func() { err = errors.Join(err, sandbox("stop", "--purge", "--dir", folder)) }()
	if err := sandbox("start", "--dir", folder); err != nil {
		return 1, err
	}
	cmd := exec.Command(binary("drover-sandbox"), append([]string{"exec", "--dir", folder, "--", os.Args[0]}, os.Args[1:]...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), inside+"=1")
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		return exit.ExitCode(), nil
	} else if err != nil {
		return 1, err
	}
	return 0, nil
}

func sandbox(args ...string) error {
	if out, err := exec.Command(binary("drover-sandbox"), args...).CombinedOutput(); err != nil {
		return fmt.Errorf("drover-sandbox %v: %w\n%s", args, err, out)
	}
	return nil
}

// shop is the tutorial's cluster, with node groups of Terraform's beside its own.
type shop struct {
	t             *testing.T
	dir           string // of its project
	url           string
	terraform     string            // folder of the configuration
	configuration string            // file of it
	env           []string          // that Terraform runs with
	groups        map[string]string // instance types, by name
}

// drover runs a command in the project; it must succeed.
func (s *shop) drover(args ...string) string {
	s.t.Helper()
	cmd := exec.Command(binary("drover"), args...)
	cmd.Dir = s.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("drover %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// open makes the cluster, Terraform's first group in it by a configuration, and moves
// the echoserver there, from a group of the tutorial's stack.
func open(t *testing.T, configuration string) *shop {
	s := &shop{t: t, configuration: configuration, dir: filepath.Join(t.TempDir(), "project"), groups: map[string]string{"blue": "t2.medium"}}
	if out, err := exec.Command(binary("drover"), "new", s.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.drover("stack", "init", "dev")
	s.drover("config", "set", "aws:region", "us-west-2")
	s.drover("up", "--yes")
	s.url = "http://" + strings.TrimSpace(s.drover("stack", "output", "nginxServiceUrl")) + "/echoserver"
	s.configure()
	s.apply()
	s.joined(3)
	s.answers()
	if c := s.underLoad(func() { s.drover("migrate", "--from", "group/standard", "--to", "nodes/role=shop", "--yes") }); c.Failed > 0 || c.Sent == 0 {
		t.Errorf("from the tutorial's group: %+v", c)
	}
	return s
}

// answers waits until the load balancer has nodes in service.
func (s *shop) answers() {
	s.t.Helper()
	for limit := time.Now().Add(2 * time.Minute); time.Now().Before(limit); time.Sleep(time.Second) {
		if exec.Command(binary("drover"), "load", "-n", "1", "-c", "1", "--host", "apps.example.com", s.url).Run() == nil {
			return
		}
	}
	s.t.Fatal("the load balancer does not answer")
}

// configure puts the configuration in a folder, and Terraform into it.
func (s *shop) configure() {
	s.t.Helper()
	s.terraform = s.t.TempDir()
	text, err := os.ReadFile(s.configuration)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write("main.tf", text)
	cluster, err := json.Marshal(map[string]any{"cluster": s.facts(), "nodes": 3})
	if err != nil {
		s.t.Fatal(err)
	}
	s.write("cluster.auto.tfvars.json", cluster)
	s.env = append(os.Environ(), "TF_REATTACH_PROVIDERS="+serveProviders(s.t), "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1")
	if out, err := s.run("init", "-no-color"); err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
}

// withoutTrigger takes the trigger out of the configuration, and the action, which
// may not name its caller then.
func (s *shop) withoutTrigger() {
	s.t.Helper()
	text, err := os.ReadFile(s.configuration)
	if err != nil {
		s.t.Fatal(err)
	}
	without := regexp.MustCompile(`(?s)\n  lifecycle \{.*?\n  \}\n|action "drover_hand_over" .*?\n\}\n`).ReplaceAll(text, nil)
	if bytes.Equal(without, text) {
		s.t.Fatal(s.configuration + " has no trigger")
	}
	s.write("main.tf", without)
}

func (s *shop) write(name string, text []byte) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.terraform, name), text, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// run runs terraform.
func (s *shop) run(args ...string) (string, error) {
	cmd := exec.Command(binary("terraform"), args...)
	cmd.Dir, cmd.Env = s.terraform, s.env
	out, err := cmd.CombinedOutput()
	s.t.Logf("terraform %s:\n%s", args[0], out)
	return string(out), err
}

// try runs terraform apply with the groups as they are to be.
func (s *shop) try() (string, error) {
	s.t.Helper()
	text, err := json.Marshal(map[string]any{"groups": s.groups})
	if err != nil {
		s.t.Fatal(err)
	}
	s.write("groups.auto.tfvars.json", text)
	return s.run("apply", "-auto-approve", "-no-color")
}

// apply runs terraform apply; it must succeed.
func (s *shop) apply() {
	s.t.Helper()
	if _, err := s.try(); err != nil {
		s.t.Fatal(err)
	}
}

// facts are what the configuration is told about the cluster: what the launch
// template of the tutorial's own group says.
func (s *shop) facts() map[string]any {
	c, err := config.LoadDefaultConfig(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, g := range s.scalingGroups() {
		if !strings.HasPrefix(*g.AutoScalingGroupName, "standard-") {
			continue
		}
		v, err := ec2.NewFromConfig(c).DescribeLaunchTemplateVersions(s.t.Context(), &ec2.DescribeLaunchTemplateVersionsInput{
			LaunchTemplateId: g.LaunchTemplate.LaunchTemplateId, Versions: []string{*g.LaunchTemplate.Version},
		})
		if err != nil {
			s.t.Fatal(err)
		}
		data := v.LaunchTemplateVersions[0].LaunchTemplateData
		text, err := base64.StdEncoding.DecodeString(*data.UserData)
		if err != nil {
			s.t.Fatal(err)
		}
		of := map[string]any{
			"image": *data.ImageId, "instance_profile": *data.IamInstanceProfile.Arn, "security_group": data.SecurityGroupIds[0],
			"subnets": strings.Split(*g.VPCZoneIdentifier, ","),
			"role":    strings.Replace(*data.IamInstanceProfile.Arn, ":instance-profile/", ":role/", 1), // the tutorial gives both one name
		}
		for key, line := range map[string]string{"name": "name", "endpoint": "apiServerEndpoint", "certificate_authority": "certificateAuthority", "service_cidr": "cidr"} {
			of[key] = strings.TrimSpace(string(regexp.MustCompile(`(?m)^ *` + line + `: (.*)$`).FindSubmatch(text)[1]))
		}
		return of
	}
	s.t.Fatal("there is no group of the tutorial")
	return nil
}

func (s *shop) scalingGroups() []astypes.AutoScalingGroup {
	s.t.Helper()
	c, err := config.LoadDefaultConfig(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := autoscaling.NewFromConfig(c).DescribeAutoScalingGroups(s.t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{})
	if err != nil {
		s.t.Fatal(err)
	}
	return out.AutoScalingGroups
}

// owned are how many Auto Scaling groups are Terraform's: its own, or behind those that
// EKS manages.
func (s *shop) owned() (n int) {
	for _, g := range s.scalingGroups() {
		if strings.HasPrefix(*g.AutoScalingGroupName, "asg-") || strings.HasPrefix(*g.AutoScalingGroupName, "eks-") {
			n++
		}
	}
	return n
}

// joined waits until Terraform has so many nodes in the cluster.
func (s *shop) joined(nodes int) {
	s.t.Helper()
	for limit := time.Now().Add(5 * time.Minute); time.Now().Before(limit); time.Sleep(time.Second) {
		cmd := exec.Command(binary("drover"), "check", "--from", "nodes/role=shop", "--json")
		out, _ := cmd.Output() // it fails as long as there are none
		var answer struct{ Moves []struct{ Nodes []string } }
		if json.Unmarshal(out, &answer) == nil && len(answer.Moves) > 0 && len(answer.Moves[0].Nodes) == nodes {
			return
		}
	}
	s.t.Fatal("Terraform's nodes do not join")
}

// mark has the echoserver's pods say that nobody may move them, or takes that
// back.
func (s *shop) mark(keep string) {
	s.t.Helper()
	c, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), nil).ClientConfig()
	if err != nil {
		s.t.Fatal(err)
	}
	pods := kubernetes.NewForConfigOrDie(c).CoreV1().Pods("apps")
	all, err := pods.List(s.t.Context(), metav1.ListOptions{LabelSelector: "app=echoserver"})
	if err != nil || len(all.Items) == 0 {
		s.t.Fatal(all, err)
	}
	patch := []byte(`{"metadata":{"annotations":{"drover.dev/keep":` + keep + `}}}`)
	for _, p := range all.Items {
		if _, err := pods.Patch(s.t.Context(), p.Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// counts are what a load came to.
type counts struct{ Sent, OK, Failed int }

// underLoad sends 200 requests a second while f runs, each on a new connection.
func (s *shop) underLoad(f func()) counts {
	s.t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(s.t.Context()), binary("drover"), "load", "--rate", "200/s", "-z", "1h", "--disable-keepalive", "--host", "apps.example.com",
		"--expect-body", "Hostname: echoserver-", "--json", s.url)
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	f()
	_ = cmd.Process.Signal(syscall.SIGINT)
	_ = cmd.Wait() // 7 if there were failures
	var c counts
	if err := json.Unmarshal([]byte(out.String()), &c); err != nil {
		s.t.Fatalf("%v\n%s", err, out.String())
	}
	s.t.Logf("%d requests, %d failed", c.Sent, c.Failed)
	return c
}

// beside makes a group beside the one that stands, and says that the latter is to
// go.
func (s *shop) beside(old, fresh, instanceType string) {
	s.t.Helper()
	s.groups[fresh] = instanceType
	s.apply()
	s.joined(6)
	s.groups = maps.Clone(s.groups)
	delete(s.groups, old)
}

// A group whose key is taken out is handed over before Terraform destroys it, and
// no request fails. A hand-over that stops leaves it where it is, and the next apply
// goes on. Without the action requests fail.
func TestReplacement(t *testing.T) { replaced(t, "main.tf") }

// The same with groups that EKS manages, and drains by itself.
func TestManagedReplacement(t *testing.T) { replaced(t, "testdata/managed.tf") }

func replaced(t *testing.T, configuration string) {
	s := open(t, configuration)
	s.beside("blue", "green", "t3.large")
	s.mark(`"true"`)
	out, err := s.try()
	if n := s.owned(); err == nil || n != 2 || !strings.Contains(out, "drover.dev/keep") {
		t.Errorf("an apply that is blocked: %v, %d groups", err, n)
	}
	s.mark("null")
	if c := s.underLoad(s.apply); c.Failed > 0 || c.Sent == 0 {
		t.Errorf("with the action: %+v", c)
	}
	if n := s.owned(); n != 1 {
		t.Errorf("%d groups in the end", n)
	}
	if left := s.drover("moves", "ls"); strings.Contains(left, "asg/") {
		t.Errorf("left in the cluster:\n%s", left)
	}

	s.beside("green", "red", "t2.medium")
	s.withoutTrigger()
	c := s.underLoad(s.apply)
	t.Logf("without the action %d of %d requests failed", c.Failed, c.Sent)
	if c.Failed == 0 {
		t.Error("without the action nothing failed: the test shows nothing")
	}
}
