//go:build torture

package torture

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/droverhq/drover/project"
)

// stack is a sandbox with a project that was launched in it. Each run has its
// own, which takes half a minute, so that nothing that one leaves behind can be
// taken for another's.
type stack struct {
	t     *testing.T
	dir   string // of everything this run wrote
	env   []string
	asg   *autoscaling.Client
	ec2   *ec2.Client
	eks   *eks.Client
	elb   *elasticloadbalancingv2.Client
	group string          // physical name of the group that moves
	nodes []string        // its nodes at the start
	pods  map[string]bool // pod/NAME of the namespace "apps" at the start
}

// logs is where runs keep what they wrote.
func logs() string {
	if dir := os.Getenv("TORTURE_LOGS"); dir != "" {
		return dir
	}
	return filepath.Join(os.TempDir(), "drover-torture")
}

func newStack(t *testing.T, s scenario, w way) *stack {
	dir := filepath.Join(logs(), s.Name, w.name)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	k := &stack{t: t, dir: dir, pods: map[string]bool{}}
	if s.Whole {
		if err := project.New(k.project()); err != nil {
			t.Fatal(err)
		}
	} else {
		k.copy("base")
	}
	k.copy(filepath.Join("scenarios", cmp.Or(s.Like, s.Name)))
	if s.Controller {
		k.copy(controllerFiles)
	}
	k.write(s.Kinds)
	k.start()
	k.edit(append(slices.Clone(s.Start), w.start...))
	k.must("stack", "init", "dev")
	k.must("config", "set", "aws:region", "us-west-2")
	k.must("up", "--yes")
	return k
}

// copy lays a folder over the project; a folder that is missing is no matter.
func (k *stack) copy(from string) {
	if _, err := os.Stat(from); err != nil {
		return
	}
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(from, path)
		to := filepath.Join(k.project(), rel)
		if err != nil || e.IsDir() {
			return errors.Join(err, os.MkdirAll(to, 0o755))
		}
		text, err := os.ReadFile(path)
		return errors.Join(err, os.WriteFile(to, text, 0o644))
	})
	if err != nil {
		k.t.Fatal(err)
	}
}

func (k *stack) project() string { return filepath.Join(k.dir, "project") }

// start starts the sandbox; its folder has a short path, as sockets lie in it.
func (k *stack) start() {
	folder, err := os.MkdirTemp("", "torture-")
	if err != nil {
		k.t.Fatal(err)
	}
	k.env = append(os.Environ(), "DROVER_SANDBOX_DIR="+folder, "PATH="+bin()+":"+os.Getenv("PATH"))
	k.t.Cleanup(func() {
		k.keepLogs(folder)
		_, _ = k.try(background(k.t), "drover", "sandbox", "stop", "--purge")
	})
	k.must("sandbox", "start")
	out := k.must("sandbox", "env", "--json")
	var vars map[string]string
	if err := json.Unmarshal([]byte(out), &vars); err != nil {
		k.t.Fatal(err)
	}
	for name, value := range vars {
		k.env = append(k.env, name+"="+value)
	}
	cfg := aws.Config{
		Region: vars["AWS_DEFAULT_REGION"], BaseEndpoint: aws.String(vars["AWS_ENDPOINT_URL"]),
		Credentials: credentials.NewStaticCredentialsProvider(vars["AWS_ACCESS_KEY_ID"], "drover-sandbox", ""),
	}
	k.asg, k.ec2, k.eks, k.elb = autoscaling.NewFromConfig(cfg), ec2.NewFromConfig(cfg), eks.NewFromConfig(cfg), elasticloadbalancingv2.NewFromConfig(cfg)
}

func (k *stack) keepLogs(folder string) {
	if out, err := exec.Command("cp", "-r", filepath.Join(folder, "logs"), filepath.Join(k.dir, "sandbox-logs")).CombinedOutput(); err != nil {
		k.t.Logf("keep the sandbox's logs: %v: %s", err, out)
	}
}

// edit replaces text in files of the project; each must be there.
func (k *stack) edit(edits []edit) {
	k.t.Helper()
	for _, e := range edits {
		path := filepath.Join(k.project(), e.File)
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), e.Old) {
			k.t.Fatalf("%q is not in %s (%v)", e.Old, path, err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), e.Old, e.New)), 0o644); err != nil {
			k.t.Fatal(err)
		}
	}
}

// command runs in the project's folder, against the sandbox.
func (k *stack) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	if name == "drover" {
		name = filepath.Join(bin(), name)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = k.project(), k.env
	return cmd
}

func (k *stack) try(ctx context.Context, name string, args ...string) (string, error) {
	out, err := k.command(ctx, name, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// must runs drover; it must succeed.
func (k *stack) must(args ...string) string {
	k.t.Helper()
	out, err := k.try(k.t.Context(), "drover", args...)
	if err != nil {
		k.t.Fatal(err)
	}
	return out
}

// ask is kubectl's answer; an error is an empty one, as the API server may be away.
func (k *stack) ask(args ...string) string {
	cmd := k.command(background(k.t), kubectl(), args...)
	out, _ := cmd.Output()
	return strings.TrimSpace(string(out))
}

// tell runs kubectl; it must succeed within its limit.
func (k *stack) tell(args ...string) {
	k.t.Helper()
	if _, err := k.try(background(k.t), kubectl(), args...); err != nil {
		k.t.Error(err)
	}
}

// apply applies a file of the scenario.
func (k *stack) apply(file string) {
	k.t.Helper()
	k.tell("apply", "-f", filepath.Join(k.project(), file))
}

// remember notes the group that moves, its nodes, and the pods of now.
func (k *stack) remember(logical string) {
	for _, line := range strings.Split(k.ask("get", "nodes", "-o", `jsonpath={range .items[*]}{.metadata.name} {.metadata.labels.drover\.dev/nodegroup}{"\n"}{end}`), "\n") {
		if name, group, _ := strings.Cut(line, " "); strings.HasPrefix(group, logical+"-") {
			k.group = group
			k.nodes = append(k.nodes, name)
		}
	}
	for _, pod := range strings.Fields(k.ask("-n", "apps", "get", "pods", "-o", "name")) {
		k.pods[pod] = true
	}
}

// asGroup is the Auto Scaling group that moves; nil once it is gone.
func (k *stack) asGroup() *types.AutoScalingGroup {
	out, err := k.asg.DescribeAutoScalingGroups(background(k.t), &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{k.group}})
	if err != nil || len(out.AutoScalingGroups) == 0 {
		return nil
	}
	return &out.AutoScalingGroups[0]
}

// inService: every target group with targets has one that is healthy. Before that a
// Network Load Balancer sends to all, and to nodes that join it at once.
func (k *stack) inService() bool {
	groups, err := k.elb.DescribeTargetGroups(background(k.t), &elasticloadbalancingv2.DescribeTargetGroupsInput{})
	if err != nil {
		return false
	}
	for _, g := range groups.TargetGroups {
		out, err := k.elb.DescribeTargetHealth(background(k.t), &elasticloadbalancingv2.DescribeTargetHealthInput{TargetGroupArn: g.TargetGroupArn})
		if err != nil || len(out.TargetHealthDescriptions) > 0 && !slices.ContainsFunc(out.TargetHealthDescriptions, func(d elbtypes.TargetHealthDescription) bool {
			return d.TargetHealth.State == elbtypes.TargetHealthStateEnumHealthy
		}) {
			return false
		}
	}
	return true
}

// settled waits until all that the scenario needs answers.
func (k *stack) settled(s scenario) {
	k.t.Helper()
	want, answers, patience := 1, 0, 2*time.Minute
	if s.Zonal {
		want, patience = 5, 5*time.Minute // a name may be answered from before its zones had targets
	}
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(time.Second) {
		out, err := k.try(k.t.Context(), "drover", k.loadArgs(s, "-n", "4", "-c", "1")...)
		if answers++; err != nil || out == "" || s.Zonal && !k.inService() {
			answers = 0
		}
		if answers >= want {
			return
		}
	}
	k.t.Fatal("the workload does not answer")
}
