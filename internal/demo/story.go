package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/droverhq/drover/internal/kube/table"
	"github.com/droverhq/drover/problem"
)

// story is the part that is told inside the sandbox's network.
type story struct {
	Options
	narrator
	project string // the project folder
	logs    []string
}

// Inside tells the story from the first up to the destroy. The environment
// points at the sandbox, and load balancers' names resolve.
func Inside(ctx context.Context, o Options) error {
	s := &story{Options: o, narrator: narrator{out: o.Out}, project: filepath.Join(o.Dir, "project")}
	err := s.tell(ctx)
	if err != nil && ctx.Err() == nil && !o.Keep {
		s.say("\nThe story broke off. What is there is in %s and in `drover sandbox logs`.", o.Dir)
	}
	return err
}

func (s *story) tell(ctx context.Context) error {
	if err := s.launch(ctx); err != nil {
		return err
	}
	if err := s.look(ctx); err != nil {
		return err
	}
	passed, err := s.moveUnderLoad(ctx)
	if err != nil {
		return err
	}
	if !s.Keep {
		if err := s.destroy(ctx); err != nil {
			return err
		}
	}
	if !passed {
		return &problem.Error{Kind: problem.Lost, Op: "demo", Err: errors.New("requests were lost"), Fix: "see the verdict above"}
	}
	return nil
}

// launch makes the project and brings it up.
func (s *story) launch(ctx context.Context) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	about, diff, err := putBehind(s.Balancer, s.project)
	if err != nil {
		return err
	}
	if about != "" {
		s.say("%s:", about)
		s.say("%s", diff)
	}
	for _, args := range [][]string{{"stack", "init", "dev"}, {"config", "set", "aws:region", "us-west-2"}} {
		if err := s.drover(ctx, args...); err != nil {
			return err
		}
	}
	return s.up(ctx)
}

// begin writes the project. A program whose library was released has yet to learn
// its checksum.
func (s *story) begin(ctx context.Context) error {
	example := "examples/migrate-nodegroups"
	if s.Program {
		example += "-go, a program in Go"
	}
	s.chapter("The project: " + example)
	if err := s.writeProject(s.project); err != nil || s.Library.Version == "" {
		return err
	}
	tidy := s.process(ctx, "go", "mod", "tidy")
	s.command("go mod tidy")
	tidy.Stdout, tidy.Stderr = s.out, s.Err
	return failed("go mod tidy", tidy.Run())
}

// up carries the stack file out, and keeps the log of its events for the verdict.
func (s *story) up(ctx context.Context) error {
	log := filepath.Join(s.Dir, fmt.Sprintf("up-%d.jsonl", len(s.logs)+1))
	s.logs = append(s.logs, log)
	return s.drover(ctx, "up", "--yes", "--log", log)
}

// look shows what runs as kubectl and curl would.
func (s *story) look(ctx context.Context) error {
	s.chapter("What runs now")
	if err := s.nodesAndPods(ctx); err != nil {
		return err
	}
	url, err := s.echoURL(ctx)
	if err != nil {
		return err
	}
	body, err := s.firstAnswer(ctx, url)
	if err != nil {
		return err
	}
	s.command(fmt.Sprintf(`curl -H "Host: %s" %s`, echoHost, url))
	_, err = s.out.Write(body)
	return err
}

// A new load balancer answers once its nodes have passed two health checks,
// 10 s apart (the cloud-controller-manager's defaults).
const (
	firstAnswerLimit = 2 * time.Minute
	firstAnswerRetry = 500 * time.Millisecond
)

// inARow is how many answers must come one after the other, at the pace of
// firstAnswerRetry, before a load balancer counts as ready.
var inARow = map[string]int{
	Classic: 1,
	// It answers early: without a healthy target it sends to all, by the addresses of
	// all zones, also of those without a node. After 30 s its name, whose records live
	// that long here, holds the others alone.
	NLB: 60,
	// Its targets are NGINX itself, which reloads for the Ingress that the project has
	// just made, each replica in its own time, and closes the connections that it keeps
	// as it does so. The load balancer answers 502 for a request that is on its way on
	// one, and does not send it again.
	ALB: 12,
}

// firstAnswer waits until the load balancer answers, each time on a new connection.
func (s *story) firstAnswer(ctx context.Context, url string) (body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, firstAnswerLimit)
	defer cancel()
	began := time.Now()
	want := inARow[s.Balancer]
	waited, err := answersInARow(ctx, want, func() {
		if want > 1 {
			s.say("Waiting until the load balancer has answered %d times in a row, each time on a new connection …", want)
			return
		}
		s.say("Waiting for the load balancer: two health checks, 10 s apart, put its nodes into service …")
	}, func() (err error) {
		body, err = echo(ctx, url)
		return err
	})
	if err == nil && waited {
		s.say("It answers after %s.", time.Since(began).Round(time.Second))
	}
	return body, err
}

// answersInARow asks until as many answers as wanted have come one after the
// other, and tells once if that is not so at once.
func answersInARow(ctx context.Context, want int, tell func(), ask func() error) (waited bool, err error) {
	for got := 0; ; {
		err := ask()
		if got++; err != nil {
			got = 0
		}
		if got >= want {
			return waited, nil
		}
		if !waited {
			waited = true
			tell()
		}
		select {
		case <-ctx.Done():
			return waited, fmt.Errorf("the load balancer does not answer: %w", errors.Join(err, ctx.Err()))
		case <-time.After(firstAnswerRetry):
		}
	}
}

func (s *story) nodesAndPods(ctx context.Context) error {
	kubeconfig, err := s.output(ctx, "kubeconfig")
	if err != nil {
		return err
	}
	client, err := table.New([]byte(kubeconfig))
	if err != nil {
		return err
	}
	s.command("kubectl get nodes -o wide")
	if err := client.Wide(ctx, s.out, "nodes", ""); err != nil {
		return err
	}
	s.command("kubectl get pods -n apps -o wide")
	return client.Wide(ctx, s.out, "pods", "apps")
}

// echo sends one request and returns the answer's body.
func echo(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Host, req.Close = echoHost, true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return body, err
}

func (s *story) echoURL(ctx context.Context) (string, error) {
	hostname, err := s.output(ctx, "nginxServiceUrl")
	if err != nil {
		return "", err
	}
	return "http://" + hostname + "/echoserver", nil
}

// kind is what people call the load balancer.
func (s *story) kind() string {
	switch s.Balancer {
	case NLB:
		return "Network"
	case ALB:
		return "Application"
	}
	return "Classic"
}

// moveUnderLoad changes the node group while load runs, and judges.
func (s *story) moveUnderLoad(ctx context.Context) (passed bool, err error) {
	url, err := s.echoURL(ctx)
	if err != nil {
		return false, err
	}
	s.chapter("Load through the " + s.kind() + " load balancer, until after the old group is gone")
	s.say("A closed loop of %d connections (at least %d requests) and a steady %d requests/s.", closedConnections, s.Requests, steadyRate)
	traffic, err := startTraffic(ctx, s.Dir, url)
	if err != nil {
		return false, err
	}
	moved := traffic.until(ctx, quiet) // some traffic before the change, to compare with
	if moved == nil {
		moved = s.change(ctx)
	}
	if moved == nil {
		moved = s.atLeast(ctx, traffic)
	}
	if err := traffic.stop(); err != nil {
		return false, errors.Join(moved, err)
	}
	if moved == nil {
		moved = s.nodesAndPods(ctx)
	}
	passed, err = s.judge(traffic) // also a move that failed: what became of the requests?
	return passed, errors.Join(moved, err)
}

// change edits the stack file and brings it up: once, or step by step.
func (s *story) change(ctx context.Context) error {
	edits, file := []edit{theChange}, stackFile
	switch {
	case s.Program:
		edits, file = []edit{theChangeInGo}, programFile
	case s.Manual:
		edits = byHand
	}
	for _, e := range edits {
		s.chapter("The change: " + e.About)
		diff, err := e.applyTo(s.project, file)
		if err != nil {
			return err
		}
		s.say("%s:\n%s", file, diff)
		if err := s.drover(ctx, "preview"); err != nil {
			return err
		}
		if err := s.up(ctx); err != nil {
			return err
		}
	}
	return nil
}

// atLeast lets the load go on until the closed loop has sent what was asked for.
func (s *story) atLeast(ctx context.Context, t *traffic) error {
	if sent := t.sent(); sent < s.Requests {
		s.say("\nThe old group is gone. The closed loop has sent %d requests and goes on to %d.", sent, s.Requests)
		return t.untilSent(ctx, s.Requests)
	}
	return t.until(ctx, quiet)
}

// destroy takes the stack down and asks AWS what is left.
func (s *story) destroy(ctx context.Context) error {
	s.chapter("The way back: destroy")
	destroy := []string{"destroy", "--yes"}
	if s.Balancer == ALB {
		destroy = append(destroy, "--allow-delete", bindingKind)
	}
	for _, args := range [][]string{destroy, {"stack", "rm", "dev", "--yes"}} {
		if err := s.drover(ctx, args...); err != nil {
			return err
		}
	}
	left, err := inventory(ctx, s.Getenv("AWS_ENDPOINT_URL"))
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return &problem.Error{Kind: problem.Lost, Op: "ask AWS what is left", Err: fmt.Errorf("%v", left), Fix: "drover destroy"}
	}
	s.say("No AWS object is left.")
	return nil
}

// inventory lists what exists in the sandbox's region: identifiers by type.
func inventory(ctx context.Context, endpoint string) (map[string][]string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/_sandbox/inventory", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct{ Resources map[string][]string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("read the inventory: %w", err)
	}
	return answer.Resources, nil
}

// drover runs one command as a person would, on our terminal.
func (s *story) drover(ctx context.Context, args ...string) error {
	cmd := s.process(ctx, s.Drover, args...)
	s.command("drover " + strings.Join(args, " "))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.Stdin, s.out, s.Err
	if err := cmd.Run(); err != nil {
		return failed("drover "+args[0], err)
	}
	s.say("")
	return nil
}

// output asks for one output of the stack.
func (s *story) output(ctx context.Context, name string) (string, error) {
	cmd := s.process(ctx, s.Drover, "stack", "output", name)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, s.Err
	if err := cmd.Run(); err != nil {
		return "", failed("drover stack output "+name, err)
	}
	return string(bytes.TrimSpace(out.Bytes())), nil
}

func (s *story) process(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = s.project
	if s.Program {
		cmd.Env = append(cmd.Environ(), "GOWORK=off") // the project may lie within a workspace, of which it is no part
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute // it saves its state first
	return cmd
}
