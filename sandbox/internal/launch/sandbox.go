package launch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/sandbox/internal/folder"
	"github.com/droverhq/drover/sandbox/internal/machine"
	"github.com/droverhq/drover/sandbox/internal/ready"
	"github.com/droverhq/drover/sandbox/internal/supervisor"
)

// Sandbox is a sandbox that runs.
type Sandbox struct {
	folder.Info
	Dir        folder.Folder
	Kubeconfig string // of the cluster that its environment points kubectl at: the first, unless In has chosen
}

// at is the sandbox in a folder.
func at(dir folder.Folder, info folder.Info) Sandbox {
	return Sandbox{Info: info, Dir: dir, Kubeconfig: dir.Plane(0).Kubeconfig()}
}

// Find is the sandbox that runs in a folder. It returns a problem.Error if
// none does. Its PID is 0 while it is being started.
func Find(dir folder.Folder) (Sandbox, error) {
	if dir.Is() {
		running, err := held(dir)
		if err != nil {
			return Sandbox{}, err
		}
		if running {
			info, err := dir.ReadInfo()
			return at(dir, info), err
		}
	}
	return Sandbox{}, &problem.Error{Kind: problem.Refused, Op: fmt.Sprintf("find the sandbox in %s", dir),
		Err: ErrNotRunning, Fix: "drover sandbox start"}
}

// ErrNotRunning is why Find finds no sandbox.
var ErrNotRunning = errors.New("it does not run")

// Endpoint is the URL of the AWS endpoint.
func (b Sandbox) Endpoint() string { return fmt.Sprintf("http://127.0.0.1:%d", b.AWSPort) }

// Server is the URL of the API server.
func (b Sandbox) Server() string { return fmt.Sprintf("https://127.0.0.1:%d", b.APIPort) }

// In is the sandbox as one who works with a cluster sees it; "" is the first.
func (b Sandbox) In(cluster string) (Sandbox, error) {
	if cluster == "" {
		return b, nil
	}
	var names []string
	for n := range machine.Planes {
		var c machine.Cluster
		if folder.ReadJSON(b.Dir.Plane(n).Cluster(), &c) != nil {
			continue
		}
		if c.Name == cluster {
			b.Kubeconfig = b.Dir.Plane(n).Kubeconfig()
			return b, nil
		}
		names = append(names, c.Name)
	}
	return b, &problem.Error{Kind: problem.Usage, Op: "find the cluster " + cluster,
		Err: fmt.Errorf("the sandbox has %s", cmp.Or(strings.Join(names, ", "), "no cluster")), Fix: "name one that it has, or make it"}
}

// Variable is one of the environment.
type Variable struct{ Name, Value string }

// Env is what points AWS clients and kubectl at the sandbox. A rehearsal needs
// no passphrase of the user's: what is secret in it is protected by a fixed one,
// unless their own environment has another.
func (b Sandbox) Env(own []string) []Variable {
	vars := []Variable{
		{"AWS_ENDPOINT_URL", b.Endpoint()},
		{"AWS_ACCESS_KEY_ID", folder.AccessKeyID},
		{"AWS_SECRET_ACCESS_KEY", folder.SecretAccessKey},
		{"AWS_REGION", b.Region},
		{"AWS_DEFAULT_REGION", b.Region},
		{"AWS_EC2_METADATA_DISABLED", "true"},
		{"KUBECONFIG", b.Kubeconfig},
	}
	if !slices.ContainsFunc(own, givesPassphrase) {
		vars = append(vars, Variable{"DROVER_PASSPHRASE", "sandbox"})
	}
	return vars
}

func givesPassphrase(entry string) bool {
	name, value, _ := strings.Cut(entry, "=")
	return value != "" && (name == "DROVER_PASSPHRASE" || name == "DROVER_PASSPHRASE_FILE")
}

// Unset are the variables of an environment that would win over those of Env,
// go along with credentials that they do not belong to, or lead out of the
// sandbox's network.
func Unset(env []string) []string {
	var names []string
	for _, entry := range env {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "AWS_ENDPOINT_URL_") || slices.Contains(astray, name) {
			names = append(names, name)
		}
	}
	return names
}

var astray = []string{
	"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy",
}

// Status asks the supervisor what everything is doing.
func (b Sandbox) Status(ctx context.Context) (supervisor.Status, error) {
	var status supervisor.Status
	err := b.askSupervisor(ctx, http.MethodGet, "/status", nil, &status)
	return status, err
}

// tick is the rhythm in which a sandbox that starts or stops is looked at.
const tick = 100 * time.Millisecond

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(tick):
		return nil
	}
}

// server is one that a start waits for.
type server struct{ what, url, authority string }

// servers are the AWS endpoint, the standing API server, and those of further clusters.
func (b Sandbox) servers() []server {
	first := b.Dir.Plane(0).Authority()
	list := []server{{"the AWS endpoint", b.Endpoint() + "/_sandbox/ready", first}, {"the API server", b.Server() + "/readyz", first}}
	for n := 1; n < machine.Planes; n++ {
		var c machine.Cluster
		var port int
		if p := b.Dir.Plane(n); folder.ReadJSON(p.Cluster(), &c) == nil && folder.ReadJSON(p.Port(), &port) == nil {
			list = append(list, server{"the API server of " + c.Name, fmt.Sprintf("https://127.0.0.1:%d/readyz", port), p.Authority()})
		}
	}
	return list
}

// awaitReady returns when the AWS endpoint answers and the API servers are ready.
func awaitReady(ctx context.Context, box Sandbox, progress func(string, time.Duration)) error {
	begin := time.Now()
	for _, s := range box.servers() {
		ca, err := os.ReadFile(s.authority)
		if err != nil {
			return err
		}
		err = ready.Await(ctx, ready.Client(ca), s.url, func() { progress(s.what, time.Since(begin)) })
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("waited %s for %s", time.Since(begin).Round(time.Second), s.what)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Logs are the names of the components that have written a log.
func Logs(dir folder.Folder) ([]string, error) {
	entries, err := os.ReadDir(dir.Logs())
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if name, ok := strings.CutSuffix(entry.Name(), ".log"); ok {
			names = append(names, name)
		}
	}
	return names, nil
}

// CopyLog writes a component's log to w and, if follow is set, what is added
// to it until ctx is done.
func CopyLog(ctx context.Context, w io.Writer, dir folder.Folder, component string, follow bool) error {
	f, err := os.Open(dir.Log(filepath.Base(component)))
	if err != nil {
		return &problem.Error{Kind: problem.Usage, Op: "read the log of " + component, Err: err,
			Fix: "drover sandbox logs (lists those that are there)"}
	}
	defer func() { _ = f.Close() }()
	for {
		if _, err := io.Copy(w, f); err != nil {
			return err
		}
		if !follow || pause(ctx) != nil {
			return nil
		}
	}
}
