package provider

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/move"
)

// groups is a configuration with the trigger on what Terraform has built in.
const groups = `
terraform {
  required_version = ">= 1.16"
  required_providers {
    drover = { source = "droverhq/drover" }
  }
}

variable "groups" { type = set(string) }
variable "generation" { type = string }

action "drover_hand_over" "nodes" {
  config {
    from = ["asg/${caller.input}"]
  }
}

resource "terraform_data" "keyed" {
  for_each = var.groups
  input    = each.key
  lifecycle {
    action_trigger {
      events     = [before_destroy]
      actions    = [action.drover_hand_over.nodes]
      on_failure = halt
    }
  }
}

resource "terraform_data" "replaced" {
  input            = "generation-${var.generation}"
  triggers_replace = var.generation
  lifecycle {
    create_before_destroy = true
    action_trigger {
      events     = [before_destroy]
      actions    = [action.drover_hand_over.nodes]
      on_failure = halt
    }
  }
}
`

// shared is a cluster that the provider asks while the test waits for Terraform.
type shared struct {
	mu sync.Mutex
	cluster
}

// Check looks.
func (s *shared) Check(ctx context.Context, o move.Options) (move.Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cluster.Check(ctx, o)
}

// Run moves.
func (s *shared) Run(ctx context.Context, o move.Options) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cluster.Run(ctx, o)
}

// Ready waits.
func (s *shared) Ready(ctx context.Context, a move.Access, groups []move.Set, tell func(string)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cluster.Ready(ctx, a, groups, tell)
}

// is has the cluster be another one, and forget what it was asked.
func (s *shared) is(c cluster) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cluster = c
}

// handedOver is what the cluster was asked to empty; nothing: "".
func (s *shared) handedOver() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ran.From) == 0 {
		return ""
	}
	return s.ran.From[0].String()
}

// core is the program terraform with the configuration in a folder.
type core struct {
	t   *testing.T
	dir string
	env []string
}

// start initializes it. A machine that has no terraform, or an older one, skips the
// test.
func start(t *testing.T, m Mover) core {
	t.Helper()
	if _, err := exec.LookPath("terraform"); err != nil {
		t.Skip("there is no terraform")
	}
	f := core{t, t.TempDir(), append(os.Environ(), "TF_REATTACH_PROVIDERS="+attached(t, m), "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1", "TF_CLI_ARGS=-no-color")}
	if !f.isNew() {
		t.Skip("this terraform is older than 1.16")
	}
	if err := os.WriteFile(filepath.Join(f.dir, "main.tf"), []byte(groups), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := f.run("init"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return f
}

// run runs terraform, and returns what it says as one line.
func (f core) run(args ...string) (string, error) {
	cmd := exec.CommandContext(f.t.Context(), "terraform", args...)
	cmd.Dir, cmd.Env = f.dir, f.env
	out, err := cmd.CombinedOutput()
	f.t.Logf("terraform %v\n%s", args, out)
	return strings.Join(strings.Fields(strings.ReplaceAll(string(out), "│", " ")), " "), err
}

// isNew: it is 1.16, or newer.
func (f core) isNew() bool {
	cmd := exec.CommandContext(f.t.Context(), "terraform", "version", "-json")
	out, _ := cmd.Output() // none: no version
	var v struct {
		Version string `json:"terraform_version"`
	}
	_ = json.Unmarshal(out, &v)
	major, minor, _ := strings.Cut(v.Version, ".")
	minor, _, _ = strings.Cut(minor, ".")
	return major > "1" || major == "1" && len(minor) == 2 && minor >= "16"
}

// apply applies with groups of those keys, and a generation of the other one.
func (f core) apply(generation string, keys ...string) (string, error) {
	f.t.Helper()
	text, err := json.Marshal(map[string]any{"generation": generation, "groups": append([]string{}, keys...)})
	if err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.dir, "terraform.tfvars.json"), text, 0o600); err != nil {
		f.t.Fatal(err)
	}
	return f.run("apply", "-auto-approve")
}

// fine applies; it must succeed.
func (f core) fine(generation string, keys ...string) {
	f.t.Helper()
	if out, err := f.apply(generation, keys...); err != nil {
		f.t.Fatalf("%v\n%s", err, out)
	}
}

// has: the state has an object.
func (f core) has(address string) bool {
	f.t.Helper()
	out, err := f.run("state", "list")
	if err != nil {
		f.t.Fatal(err)
	}
	return strings.Contains(out, address)
}

// attached serves the provider in this process, and returns how Terraform finds it.
func attached(t *testing.T, m Mover) string {
	t.Helper()
	const address = "registry.terraform.io/droverhq/drover"
	for _, log := range []string{"TF_LOG_SDK", "TF_LOG_SDK_FRAMEWORK", "TF_LOG_SDK_PROTO"} {
		t.Setenv(log, "off")
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	reattach, closed := make(chan *plugin.ReattachConfig), make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		failed <- tf6server.Serve(address, providerserver.NewProtocol6(New("test", m)), tf6server.WithDebug(ctx, reattach, closed), tf6server.WithoutLogStderrOverride())
	}()
	t.Cleanup(func() { stop(); <-closed })
	select {
	case err := <-failed:
		t.Fatal(err)
	case r := <-reattach:
		text, err := json.Marshal(map[string]any{address: map[string]any{
			"Protocol": string(r.Protocol), "ProtocolVersion": r.ProtocolVersion, "Pid": r.Pid, "Test": true,
			"Addr": map[string]string{"Network": r.Addr.Network(), "String": r.Addr.String()},
		}})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	return ""
}

var errNoPlace = errors.New("there is no place")

// A group whose key is gone is handed over before it is destroyed. A hand-over that
// stops destroys nothing, and the next apply asks again.
func TestTerraformKeys(t *testing.T) {
	s := &shared{}
	f := start(t, s)
	f.fine("1", "blue", "green")
	if asked := s.handedOver(); asked != "" {
		t.Errorf("a new group is handed over: %s", asked)
	}
	blocked := move.Report{Findings: []event.Finding{{Severity: event.Blocker, Object: "pod/apps/web", Effect: "nothing controls it"}}}
	s.is(cluster{report: blocked, stops: errNoPlace})
	out, err := f.apply("1", "green")
	if err == nil || !f.has(`keyed["blue"]`) {
		t.Errorf("a hand-over that stopped: %v, and the group is destroyed", err)
	}
	for _, words := range []string{"nothing controls it", "This apply will stop", "there is no place"} {
		if !strings.Contains(out, words) {
			t.Errorf("Terraform does not tell: %s", words)
		}
	}
	s.is(cluster{})
	f.fine("1", "green")
	if asked := s.handedOver(); asked != "asg/blue" || f.has(`keyed["blue"]`) {
		t.Errorf("handed over: %q", asked)
	}
}

// A group that is replaced in place is handed over between the two. If that stops,
// Terraform destroys the old one by the next apply and asks nobody: the error says
// so. Should this test fail one day, the page may say something better.
func TestTerraformReplaces(t *testing.T) {
	s := &shared{}
	f := start(t, s)
	f.fine("1")
	f.fine("2")
	if asked := s.handedOver(); asked != "asg/generation-1" {
		t.Errorf("handed over: %q", asked)
	}
	s.is(cluster{stops: errNoPlace})
	if out, err := f.apply("3"); err == nil || !strings.Contains(out, "drover migrate --from asg/generation-2") {
		t.Errorf("a hand-over that stopped: %v", err)
	}
	s.is(cluster{})
	f.fine("3")
	if asked := s.handedOver(); asked != "" {
		t.Errorf("Terraform asks for deposed objects: %s", asked)
	}
}
