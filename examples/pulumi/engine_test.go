//go:build engine

// The tests run the program in the real Pulumi engine, in the sandbox, while
// requests are sent. DROVER_BIN is the folder of drover's binaries, and pulumi is
// in the PATH.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// inside marks the run within the sandbox's network, where the names of load
// balancers resolve.
const inside = "DROVER_ENGINE_INSIDE"

func TestMain(m *testing.M) {
	if name := os.Getenv(programName); name != "" {
		pulumi.Run(programs[name])
		return
	}
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
		return 1, errors.New("DROVER_BIN is not set: run `make test-pulumi`")
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

// shop is the tutorial as Pulumi made it.
type shop struct {
	t        *testing.T
	url      string
	language *language
	stack    auto.Stack
}

// drover runs a command; it must succeed.
func (s *shop) drover(args ...string) string {
	s.t.Helper()
	out, err := exec.Command(binary("drover"), args...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("drover %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// open has a program make all of it, and waits until it answers.
func open(t *testing.T, program string) *shop {
	s := &shop{t: t, language: &language{}}
	s.stack = s.newStack(facts(t))
	s.up(program) // as a team has it before it knows of Drover
	outputs, err := s.stack.Outputs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.url = fmt.Sprintf("http://%s/echoserver", outputs["nginxServiceUrl"].Value)
	s.answers()
	return s
}

// facts are what the program is told: the newest images of two minors, and the rest as
// the tutorial has it.
func facts(t *testing.T) map[string]string {
	return map[string]string{
		"region": "us-west-2", "standardImage": image(t, "1.36"), "standardType": "t2.medium", "standardNodes": "3",
		"webImage": image(t, "1.35"), "webType": "t3.2xlarge", "webNodes": "3",
	}
}

// image is the newest one for a version of Kubernetes.
func image(t *testing.T, version string) string {
	t.Helper()
	c, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	parameter := "/aws/service/eks/optimized-ami/" + version + "/amazon-linux-2023/x86_64/standard/recommended/image_id"
	out, err := ssm.NewFromConfig(c).GetParameter(t.Context(), &ssm.GetParameterInput{Name: &parameter})
	if err != nil {
		t.Fatal(err)
	}
	return *out.Parameter.Value
}

// answers waits until the load balancer does.
func (s *shop) answers() {
	s.t.Helper()
	for limit := time.Now().Add(3 * time.Minute); time.Now().Before(limit); time.Sleep(time.Second) {
		cmd := exec.Command(binary("drover"), "load", "-n", "1", "-c", "1", "--host", host, "--expect-body", expected, s.url)
		if cmd.Run() == nil {
			return
		}
	}
	s.t.Fatal("the load balancer does not answer")
}

// What requests ask for, and what an answer must have.
const (
	host     = "apps.example.com"
	expected = "Hostname: echoserver-"
)

// newStack is a stack of the program with a state of its own in a folder.
func (s *shop) newStack(of map[string]string) auto.Stack {
	t := s.t
	port := serve(t, func(g *grpc.Server) { pulumirpc.RegisterLanguageRuntimeServer(g, s.language) })
	env := map[string]string{
		"PULUMI_BACKEND_URL":                       "file://" + t.TempDir(),
		"PULUMI_HOME":                              t.TempDir(),
		"PULUMI_CONFIG_PASSPHRASE":                 "none",
		"PULUMI_SKIP_UPDATE_CHECK":                 "true",
		"PULUMI_DEBUG_PROVIDERS":                   serveAWS(t) + "," + serveKubernetes(t),
		"PULUMI_DEBUG_LANGUAGES":                   fmt.Sprintf("go:%d", port),
		"PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK": "true",
	}
	for k, v := range env {
		t.Setenv(k, v)
	}
	dir := t.TempDir()
	project, err := os.ReadFile("Pulumi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), project, 0o600); err != nil {
		t.Fatal(err)
	}
	stack, err := auto.UpsertStackLocalSource(t.Context(), "dev", dir, auto.EnvVars(env))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range of {
		if err := stack.SetConfig(t.Context(), k, auto.ConfigValue{Value: v}); err != nil {
			t.Fatal(err)
		}
	}
	return stack
}

func (s *shop) set(key, value string) {
	if err := s.stack.SetConfig(s.t.Context(), key, auto.ConfigValue{Value: value}); err != nil {
		s.t.Fatal(err)
	}
}

// output is what pulumi says; do is called once when it says a word.
type output struct {
	strings.Builder
	word string
	do   func()
}

// Write takes a part of it.
func (o *output) Write(p []byte) (int, error) {
	n, err := o.Builder.Write(p)
	if o.do != nil && strings.Contains(o.String(), o.word) {
		o.do()
		o.do = nil
	}
	return n, err
}

// try runs pulumi up.
func (s *shop) try(program string, out *output) error {
	s.language.program = program
	_, err := s.stack.Up(s.t.Context(), optup.ProgressStreams(out), optup.ErrorProgressStreams(out))
	s.t.Logf("pulumi up:\n%s", out)
	return err
}

// up runs pulumi up; it must succeed.
func (s *shop) up(program string) {
	s.t.Helper()
	if err := s.try(program, &output{}); err != nil {
		s.t.Fatal(err)
	}
}

// upInterrupted runs pulumi up, and presses Ctrl-C when it says a word.
func (s *shop) upInterrupted(program, word string) {
	s.t.Helper()
	if err := s.try(program, &output{word: word, do: s.language.interrupt}); err == nil {
		s.t.Error("an interrupted hand-over does not stop pulumi up")
	}
}

// preview must tell of something, and fail if it is to.
func (s *shop) preview(program string, fails bool, tells ...string) {
	s.t.Helper()
	s.language.program = program
	out := &output{}
	_, err := s.stack.Preview(s.t.Context(), optpreview.ProgressStreams(out), optpreview.ErrorProgressStreams(out))
	s.t.Logf("pulumi preview:\n%s", out)
	if (err != nil) != fails {
		s.t.Errorf("a preview ends with %v", err)
	}
	for _, words := range tells {
		if !strings.Contains(out.String(), words) {
			s.t.Errorf("a preview does not tell: %s", words)
		}
	}
}

// mark has the pods of an application say that nobody may move them, or takes that
// back.
func (s *shop) mark(app, keep string) {
	s.t.Helper()
	c, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), nil).ClientConfig()
	if err != nil {
		s.t.Fatal(err)
	}
	pods := clientset.NewForConfigOrDie(c).CoreV1().Pods("apps")
	all, err := pods.List(s.t.Context(), metav1.ListOptions{LabelSelector: "app=" + app})
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

// groups are how many Auto Scaling groups Pulumi has, by the beginning of their names.
func (s *shop) groups(prefix string) (n int) {
	s.t.Helper()
	c, err := config.LoadDefaultConfig(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := autoscaling.NewFromConfig(c).DescribeAutoScalingGroups(s.t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, g := range out.AutoScalingGroups {
		if strings.HasPrefix(*g.AutoScalingGroupName, prefix) {
			n++
		}
	}
	return n
}

// counts are what a load came to.
type counts struct{ Sent, OK, Failed int }

// underLoad sends 200 requests a second while f runs, each on a new connection.
func (s *shop) underLoad(f func()) counts {
	s.t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(s.t.Context()), binary("drover"), "load", "--rate", "200/s", "-z", "1h", "--disable-keepalive", "--host", host,
		"--expect-body", expected, "--json", s.url)
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

// none sends requests while f runs; none of them may fail.
func (s *shop) none(when string, f func()) {
	s.t.Helper()
	if c := s.underLoad(f); c.Failed > 0 || c.Sent == 0 {
		s.t.Errorf("%s: %+v", when, c)
	}
}

// carries: the state of the stack names hooks of Drover's.
func (s *shop) carries() bool {
	state, err := s.stack.Export(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.Contains(string(state.Deployment), "drover.dev/")
}

// A group that Pulumi replaces is handed over: in the very run that brings the
// line, and in later ones, also by two runs if the first is stopped; and no request
// fails. It shrinks so, too. Without the line requests fail.
func TestReplacement(t *testing.T) {
	s := open(t, "plain")
	s.set("webType", "c5.4xlarge")
	s.set("webImage", image(t, "1.36"))
	s.preview("protected", false, "hand over web", "does not carry the hand-over yet")
	s.preview("delete first", true, "would be deleted before its replacement is made")
	s.mark("nginx", `"true"`)
	s.preview("protected", true, "drover.dev/keep")
	s.mark("nginx", "null")
	s.none("in the run that brings Protect", func() { s.up("protected") })

	s.set("standardType", "t3.large")
	s.none("stopped, and continued", func() {
		s.upInterrupted("protected", ": shift")
		if n := s.groups("asg-"); n != 3 {
			t.Errorf("%d groups after a hand-over that was stopped, want web, the old standard one and the new", n)
		}
		s.up("protected")
	})
	if n := s.groups("asg-"); n != 2 {
		t.Errorf("%d groups in the end", n)
	}
	s.set("standardNodes", "2")
	s.none("shrinking", func() { s.up("protected") })
	if left := s.drover("moves", "ls"); !strings.Contains(left, "has no moves") {
		t.Errorf("left in the cluster:\n%s", left)
	}

	s.up("plain") // the line is taken out again, and nothing else changes
	if s.carries() {
		t.Error("the state still carries the hooks")
	}
	s.set("webType", "t3.2xlarge")
	c := s.underLoad(func() { s.up("plain") })
	t.Logf("without Protect %d of %d requests failed", c.Failed, c.Sent)
	if c.Failed == 0 {
		t.Error("without Protect nothing failed: the test shows nothing")
	}
}

// A managed group that Pulumi replaces is handed over as well, stopped and continued,
// and no request fails: when EKS deletes it, nothing serves there. Without the line
// requests fail, though EKS drains.
func TestManagedReplacement(t *testing.T) {
	s := open(t, "managed")
	s.set("standardType", "t3.large")
	s.preview("managed, protected", false, "hand over standard", "does not carry the hand-over yet")
	s.none("in the run that brings Protect", func() { s.up("managed, protected") })

	s.set("standardType", "t2.medium")
	s.none("stopped, and continued", func() {
		s.upInterrupted("managed, protected", ": shift")
		if n := s.groups("eks-"); n != 2 {
			t.Errorf("%d groups after a hand-over that was stopped, want the old one and the new", n)
		}
		s.up("managed, protected")
	})
	if n := s.groups("eks-"); n != 1 {
		t.Errorf("%d groups in the end", n)
	}
	if left := s.drover("moves", "ls"); !strings.Contains(left, "has no moves") {
		t.Errorf("left in the cluster:\n%s", left)
	}

	s.up("managed")
	s.set("standardType", "t3.large")
	c := s.underLoad(func() { s.up("managed") })
	t.Logf("without Protect %d of %d requests failed", c.Failed, c.Sent)
	if c.Failed == 0 {
		t.Error("without Protect nothing failed: the test shows nothing")
	}
}
