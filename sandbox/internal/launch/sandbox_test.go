package launch_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/droverhq/drover/sandbox/internal/folder"
	"github.com/droverhq/drover/sandbox/internal/launch"
	"github.com/droverhq/drover/sandbox/internal/machine"
)

// box is a sandbox in a folder of its own, driven through its command line.
type box struct {
	*testing.T
	program, dir string
}

// newBox builds the programs, or takes those in $DROVER_SANDBOX_BIN.
func newBox(t *testing.T) box {
	t.Helper()
	bin := os.Getenv("DROVER_SANDBOX_BIN")
	if bin == "" {
		bin = t.TempDir()
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", bin, "./cmd/...")
		build.Dir = "../.."
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build: %v\n%s", err, out)
		}
	}
	// Not t.TempDir: its path can be too long for a socket.
	parent, err := os.MkdirTemp("", "sandbox")
	if err != nil {
		t.Fatal(err)
	}
	b := box{t, filepath.Join(bin, "drover-sandbox"), filepath.Join(parent, "box")}
	t.Cleanup(func() {
		_, _ = b.try("stop", "--purge")
		_ = os.Remove(parent)
	})
	return b
}

func (b box) command(args ...string) *exec.Cmd {
	verb, rest := args[0], args[1:]
	return exec.Command(b.program, append([]string{verb, "--dir", b.dir}, rest...)...)
}

func (b box) try(args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := b.command(args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%v: %w\n%s", args, err, stderr.String())
	}
	return stdout.String(), nil
}

func (b box) run(args ...string) string {
	b.Helper()
	out, err := b.try(args...)
	if err != nil {
		b.Fatal(err)
	}
	return out
}

// pid is that of a part of the sandbox, "" the supervisor's.
func (b box) pid(component string) int {
	b.Helper()
	var status struct {
		PID        int
		Components []struct {
			Name string
			PID  int
		}
	}
	if err := json.Unmarshal([]byte(b.run("status", "--json")), &status); err != nil {
		b.Fatal(err)
	}
	if component == "" {
		return status.PID
	}
	for _, c := range status.Components {
		if c.Name == component && c.PID != 0 {
			return c.PID
		}
	}
	b.Fatalf("no %s runs", component)
	return 0
}

func (b box) kill(component string) {
	b.Helper()
	if err := syscall.Kill(b.pid(component), syscall.SIGKILL); err != nil {
		b.Fatal(err)
	}
}

func (b box) client() kubernetes.Interface { return b.clientOf(filepath.Join(b.dir, "kubeconfig")) }

func (b box) clientOf(kubeconfig string) kubernetes.Interface {
	b.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		b.Fatal(err)
	}
	return kubernetes.NewForConfigOrDie(config)
}

// keeps fails unless the namespace that was made is there, or is again within a minute.
func (b box) keeps(namespace string) {
	b.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if _, err = b.client().CoreV1().Namespaces().Get(b.Context(), namespace, metav1.GetOptions{}); err == nil {
			return
		}
	}
	b.Fatal(err)
}

// A sandbox comes up, survives the death of its control plane and of its
// supervisor with its data, and leaves nothing behind when it is stopped.
func TestLife(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane")
	}
	b := newBox(t)
	b.run("start")
	if ready, err := b.client().Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(t.Context()); err != nil || string(ready) != "ok" {
		t.Fatalf("/readyz: %q, %v", ready, err)
	}
	if out := b.run("start", "--json"); !strings.Contains(out, `"alreadyRunning": true`) {
		t.Errorf("a second start said %s", out)
	}
	made := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}
	if _, err := b.client().CoreV1().Namespaces().Create(t.Context(), made, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	b.kill("controlplane")
	b.keeps("kept")
	supervisor := b.pid("")
	b.kill("")
	b.run("start")
	b.keeps("kept")
	if b.pid("") == supervisor {
		t.Error("the supervisor was not killed")
	}

	lingering := b.command("exec", "--", "sleep", "60")
	if err := lingering.Start(); err != nil {
		t.Fatal(err)
	}
	network := readlink(t, fmt.Sprintf("/proc/%d/ns/net", b.pid("")))
	if _, err := b.try("exec", "--", b.program, "stop", "--dir", b.dir); exitCode(err) != 3 {
		t.Errorf("stop in the sandbox itself: %v, want exit code 3", err)
	}
	b.run("stop")
	if err := lingering.Wait(); err == nil {
		t.Error("a command that ran in the sandbox outlived it")
	}

	if _, err := b.try("start", "--region", "eu-west-1"); exitCode(err) != 3 {
		t.Errorf("another region: %v, want exit code 3", err)
	}
	b.run("start")
	orphan := b.command("exec", "--", "sleep", "60")
	if err := orphan.Start(); err != nil {
		t.Fatal(err)
	}
	entered(t, orphan.Process.Pid, readlink(t, fmt.Sprintf("/proc/%d/ns/net", b.pid(""))))
	b.kill("")
	b.run("stop")
	if err := orphan.Wait(); err == nil {
		t.Error("a command outlived a sandbox whose supervisor was killed")
	}
	b.run("stop", "--purge") // a second time, with nothing to stop
	if left := processes(t, b.dir); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
	if mounts := read(t, "/proc/self/mountinfo"); strings.Contains(mounts, b.dir) {
		t.Errorf("mounts are left:\n%s", mounts)
	}
	if left := inNetwork(t, network); len(left) > 0 {
		t.Errorf("the network namespace is left, with %v", left)
	}
	if _, err := os.Stat(b.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}

// A second cluster has a control plane of its own, in its own version, which a restart brings
// back where it was, and which goes without the first.
func TestTwoClusters(t *testing.T) {
	if testing.Short() {
		t.Skip("starts control planes")
	}
	b := newBox(t)
	b.run("start")
	green := machine.Cluster{Name: "green", Plane: 1, Region: "us-west-2", VPCID: "vpc-1", SubnetID: "subnet-1", Emulates: "1.35.6", Bare: true}
	supervisor := machine.NewClient(folder.Folder(b.dir).Socket())
	at, err := supervisor.CreateCluster(t.Context(), green)
	if err != nil {
		t.Fatal(err)
	}
	plane := folder.Folder(b.dir).Plane(1)
	second := b.clientOf(plane.Kubeconfig())
	made := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}
	if _, err := second.CoreV1().Namespaces().Create(t.Context(), made, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.client().CoreV1().Namespaces().Get(t.Context(), "kept", metav1.GetOptions{}); err == nil {
		t.Error("the first cluster has what was made in the second")
	}
	if v, err := second.Discovery().ServerVersion(); err != nil || v.GitVersion != "v1.35.6" {
		t.Errorf("it answers as %v, %v", v, err)
	}
	if out := b.run("env", "--cluster", "green"); !strings.Contains(out, "KUBECONFIG="+plane.Kubeconfig()) {
		t.Errorf("env says %s", out)
	}
	if _, err := b.try("env", "--cluster", "red"); exitCode(err) != 2 {
		t.Errorf("a cluster that is not there: %v, want exit code 2", err)
	}

	b.run("stop")
	b.run("start")
	if _, err := b.clientOf(plane.Kubeconfig()).CoreV1().Namespaces().Get(t.Context(), "kept", metav1.GetOptions{}); err != nil {
		t.Errorf("a restart has lost it: %v", err)
	}
	if again, err := supervisor.CreateCluster(t.Context(), green); err != nil || again != at {
		t.Errorf("it is at %s, was at %s: %v", again.Server, at.Server, err)
	}
	first := b.pid("controlplane")
	if err := supervisor.DeleteCluster(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Discovery().ServerVersion(); err == nil {
		t.Error("its API server answers yet")
	}
	if _, err := os.Stat(plane.PKI()); !errors.Is(err, os.ErrNotExist) || b.pid("controlplane") != first {
		t.Errorf("its keys are left (%v), or the first one was touched", err)
	}
}

// A stale PID, and a lock that is held for another reason, make stop end
// nobody: neither the process that has the PID now, nor those beside it.
func TestStopSparesOthers(t *testing.T) {
	dir := folder.Folder(t.TempDir())
	if err := dir.Create(); err != nil {
		t.Fatal(err)
	}
	other := exec.Command("sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	if err := dir.WriteInfo(folder.Info{PID: other.Process.Pid}); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Create(dir.Lock())
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(300*time.Millisecond, func() { _ = lock.Close() })
	if ran, err := launch.Stop(t.Context(), dir); ran || err != nil {
		t.Errorf("%v, %v; want false", ran, err)
	}
	if state := read(t, fmt.Sprintf("/proc/%d/stat", other.Process.Pid)); strings.Contains(state, ") Z") {
		t.Error("it ended another process")
	}
	if info, err := dir.ReadInfo(); err != nil || info.PID != 0 {
		t.Errorf("the PID is still noted: %v, %v", info, err)
	}
}

// A command in the sandbox keeps its folder and arguments, sees the
// sandbox's network and environment, and gives its own exit code and signals.
func TestExec(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane")
	}
	b := newBox(t)
	if _, err := b.try("exec", "--", "true"); exitCode(err) != 3 {
		t.Errorf("exec without a sandbox: %v, want exit code 3", err)
	}
	b.run("start")
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	got := b.run("exec", "--", "sh", "-c", `pwd; echo "$1"; echo $KUBECONFIG; cat /etc/resolv.conf; cat /proc/$$/comm`, "-", "a  b")
	want := fmt.Sprintf("%s\na  b\n%s/kubeconfig\nnameserver 169.254.169.253\noptions timeout:2\nsh\n", wd, b.dir)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, err := b.try("exec", "--", "sh", "-c", "exit 7"); exitCode(err) != 7 {
		t.Errorf("%v, want exit code 7", err)
	}
	cmd := b.command("exec", "--", "sh", "-c", "trap 'exit 8' TERM; echo; while :; do sleep 0.01; done")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil { // the trap is set
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); exitCode(err) != 8 {
		t.Errorf("%v, want exit code 8", err)
	}
}

// entered returns when a process is in a network namespace.
func entered(t *testing.T, pid int, network string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		// For a moment of its exec, by a thread that is not its first, a process has no namespaces.
		if in, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid)); err == nil && in == network {
			return
		}
	}
	t.Fatal("exec does not enter the sandbox's network")
}

func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}

// processes are those whose command line names the folder.
func processes(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range paths {
		if line, err := os.ReadFile(path); err == nil && bytes.Contains(line, []byte(dir)) {
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// inNetwork lists the processes in a network namespace.
func inNetwork(t *testing.T, network string) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(links, func(link string) bool {
		target, err := os.Readlink(link)
		return err != nil || target != network
	})
}

func readlink(t *testing.T, path string) string {
	t.Helper()
	target, err := os.Readlink(path)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
