package cri

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	remote "k8s.io/cri-client/pkg"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"

	"github.com/droverhq/drover/sandbox/internal/idmap"
	"github.com/droverhq/drover/sandbox/internal/image/standin"
	"github.com/droverhq/drover/sandbox/internal/podnet"
	"github.com/droverhq/drover/sandbox/internal/rootfs"
)

// inside says that this process is in namespaces of its own.
const inside = "CRI_TEST_INSIDE"

// TestMain plays three parts: drover-sandbox-pod, the tests in namespaces of
// their own as a node has them, and the outer process that makes these, as
// root and as an ordinary user in the same way.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "init":
			os.Exit(rootfs.Init())
		case "standin":
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
			err := standin.Run(ctx, os.Args[2:])
			stop()
			if err != nil {
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	if os.Getenv(inside) != "" {
		// Not everywhere allowed, and missed only by the test that counts processes.
		_ = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		_ = unix.Mount("proc", "/proc", "proc", 0, "")
		os.Exit(m.Run())
	}
	os.Exit(enterNamespaces())
}

// enterNamespaces has the users of a sandbox that root has started, as only root can give them
// without other programs.
func enterNamespaces() int {
	ids, err := idmap.Subordinate()
	if os.Geteuid() != 0 {
		ids, err = idmap.Single(), nil
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID |
			syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		UidMappings: lines(ids.Users), GidMappings: lines(ids.Groups), GidMappingsEnableSetgroups: ids.Many(),
	}
	err = cmd.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Println("skipped: this machine allows no user namespaces:", err)
	}
	return 0
}

func lines(m idmap.Map) (list []syscall.SysProcIDMap) {
	for _, r := range m {
		list = append(list, syscall.SysProcIDMap{ContainerID: int(r.Inside), HostID: int(r.Outside), Size: int(r.Count)})
	}
	return list
}

// testNode is a runtime with one pod on it.
type testNode struct {
	*Runtime
	t   *testing.T
	pod string
	ip  string
	cfg *runtimeapi.PodSandboxConfig
}

func newNode(t *testing.T) testNode {
	t.Helper()
	uplink := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "up0"}, PeerName: "up1"}
	if err := netlink.LinkAdd(uplink); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = netlink.LinkDel(uplink) })
	address, err := netlink.ParseAddr("172.16.96.10/32")
	if err != nil {
		t.Fatal(err)
	}
	lo := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Name: "lo"}}
	if err := errors.Join(netlink.AddrAdd(uplink, address), netlink.LinkSetUp(uplink), netlink.LinkSetUp(lo)); err != nil {
		t.Fatal(err)
	}
	pods := netip.MustParsePrefix("172.16.127.32/27")
	pool, err := podnet.OpenPool(pods, filepath.Join(t.TempDir(), "pool.json"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	network, err := podnet.New("up0", pool)
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(t.Context(), Config{Network: network, PodProgram: program, Scratch: t.TempDir(), Pullable: func(context.Context, string) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	n := testNode{Runtime: r, t: t, cfg: &runtimeapi.PodSandboxConfig{
		Metadata: &runtimeapi.PodSandboxMetadata{Name: "web-0", Namespace: "apps", Uid: "1"},
		Hostname: "web-0", LogDirectory: t.TempDir(),
		DnsConfig: &runtimeapi.DNSConfig{Servers: []string{"169.254.169.253"}},
	}}
	if n.pod, err = r.RunPodSandbox(t.Context(), n.cfg, ""); err != nil {
		t.Fatal(err)
	}
	st, err := r.PodSandboxStatus(t.Context(), n.pod, false)
	if err != nil {
		t.Fatal(err)
	}
	n.ip = st.Status.Network.Ip
	return n
}

// create makes a container that is not started.
func (n testNode) create(c *runtimeapi.ContainerConfig) string {
	n.t.Helper()
	if c.Image == nil {
		c.Image = &runtimeapi.ImageSpec{Image: "busybox"}
	}
	c.Metadata = &runtimeapi.ContainerMetadata{Name: "main"}
	c.LogPath = "main/0.log"
	id, err := n.CreateContainer(n.t.Context(), n.pod, c, n.cfg)
	if err != nil {
		n.t.Fatal(err)
	}
	return id
}

func (n testNode) start(c *runtimeapi.ContainerConfig) string {
	n.t.Helper()
	id := n.create(c)
	if err := n.StartContainer(n.t.Context(), id); err != nil {
		n.t.Fatal(err)
	}
	return id
}

func sh(script string) *runtimeapi.ContainerConfig {
	return &runtimeapi.ContainerConfig{Command: []string{"sh", "-c", script}}
}

// exited waits for the container's end.
func (n testNode) exited(id string) *runtimeapi.ContainerStatus {
	n.t.Helper()
	c, err := n.container(id)
	if err != nil {
		n.t.Fatal(err)
	}
	select {
	case <-c.exited:
	case <-time.After(20 * time.Second):
		n.t.Fatal("the container does not end")
	}
	return c.status()
}

func (n testNode) log() string {
	n.t.Helper()
	data, err := os.ReadFile(filepath.Join(n.cfg.LogDirectory, "main/0.log"))
	if err != nil {
		n.t.Fatal(err)
	}
	return string(data)
}

// awaitReady waits until the container has written that it is ready.
func (n testNode) awaitReady() {
	n.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(n.log(), "ready"); {
		if time.Now().After(deadline) {
			n.t.Fatalf("the log never says that it is ready: %s", n.log())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// A kubelet reads exit code and output from here: CrashLoopBackOff and `kubectl logs` depend on it.
func TestExitCodeAndLog(t *testing.T) {
	n := newNode(t)
	st := n.exited(n.start(sh("echo out; echo err >&2; printf unfinished; exit 3")))
	if st.ExitCode != 3 || st.Reason != "Error" || st.FinishedAt < st.StartedAt {
		t.Errorf("status %v", st)
	}
	stamp := `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z`
	for _, line := range []string{"stdout F out\n", "stderr F err\n", "stdout F unfinished\n"} {
		if !regexp.MustCompile(`(?m)^` + stamp + ` ` + line).MatchString(n.log()) {
			t.Errorf("no line %q in\n%s", line, n.log())
		}
	}
}

// A line longer than a record is split, and only its last piece is marked as the end.
func TestLongLineIsSplit(t *testing.T) {
	n := newNode(t)
	n.exited(n.start(sh("head -c 20000 /dev/zero | tr '\\0' x; echo")))
	records := strings.Split(strings.TrimSpace(n.log()), "\n")
	if len(records) != 2 || !strings.Contains(records[0], " stdout P x") || !strings.Contains(records[1], " stdout F x") {
		t.Errorf("%d records, tags %.45q", len(records), records)
	}
}

// The stop signal is the image's: SIGQUIT lets nginx finish its requests, SIGTERM would cut them off.
func TestStopSignal(t *testing.T) {
	const script = `trap 'echo got QUIT; exit 0' QUIT; trap 'echo got TERM; exit 0' TERM; echo ready
		while :; do sleep 0.01; done`
	for image, want := range map[string]string{"nginx": "QUIT", "busybox": "TERM"} {
		t.Run(image, func(t *testing.T) {
			n := newNode(t)
			c := sh(script)
			c.Image = &runtimeapi.ImageSpec{Image: "sha256:00", UserSpecifiedImage: image}
			id := n.start(c)
			n.awaitReady()
			if err := n.StopContainer(t.Context(), id, 10); err != nil {
				t.Fatal(err)
			}
			if st := n.exited(id); st.ExitCode != 0 || !strings.Contains(n.log(), "got "+want) {
				t.Errorf("exit code %d, log\n%s", st.ExitCode, n.log())
			}
		})
	}
}

// A first process without a handler for the signal ignores it, as PID 1 does
// everywhere; it is killed when its grace is over and not before, and its
// children go with it.
func TestKillAfterGrace(t *testing.T) {
	n := newNode(t)
	id := n.start(sh("sleep 1000 & echo ready; wait"))
	n.awaitReady()
	before := time.Now()
	if err := n.StopContainer(t.Context(), id, 1); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(before); took < time.Second || took > 3*time.Second {
		t.Errorf("stopped after %s, want 1 s", took)
	}
	if st := n.exited(id); st.ExitCode != 137 {
		t.Errorf("exit code %d, want 137", st.ExitCode)
	}
	if out, _ := exec.Command("pgrep", "-f", "sleep 1000").Output(); len(out) > 0 {
		t.Errorf("its child lives on: %s", out)
	}
}

// Volumes, environment and working directory are as the pod says, and nothing
// that a container writes outside its volumes is seen on the machine.
func TestFileSystem(t *testing.T) {
	n := newNode(t)
	volume := t.TempDir()
	if err := os.WriteFile(filepath.Join(volume, "token"), []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := sh(`cat /var/run/secrets/token; touch /var/run/secrets/x || echo read-only; touch /data/y; pwd; echo $COLOR $PATH
		hostname; cat /etc/resolv.conf; echo leak > /etc/drover-test-leak; cat /etc/drover-test-leak; ls /.old /.layers`)
	c.WorkingDir = "/srv/app"
	c.Envs = []*runtimeapi.KeyValue{{Key: "COLOR", Value: []byte("blue")}, {Key: "PATH", Value: []byte("/usr/bin:/bin")}}
	c.Mounts = []*runtimeapi.Mount{
		{HostPath: volume, ContainerPath: "/var/run/secrets", Readonly: true}, {HostPath: volume, ContainerPath: "/data"},
	}
	n.exited(n.start(c))
	for _, want := range []string{
		"stdout F secret", "stdout F read-only", "stdout F /srv/app", "stdout F blue /usr/bin:/bin", "stdout F web-0",
		"nameserver 169.254.169.253", "stdout F leak", "cannot access '/.old'", "cannot access '/.layers'",
	} {
		if !strings.Contains(n.log(), want) {
			t.Errorf("no %q in\n%s", want, n.log())
		}
	}
	if _, err := os.Stat(filepath.Join(volume, "y")); err != nil {
		t.Errorf("written to a volume: %v", err)
	}
	if _, err := os.Stat("/etc/drover-test-leak"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("written to the machine: %v", err)
	}
}

// A command that does not exist fails the start, and says so: the kubelet
// reports it as RunContainerError. The container has come to its end, as under
// containerd: else the kubelet would start one after the other without a pause.
func TestStartFailure(t *testing.T) {
	n := newNode(t)
	id := n.create(&runtimeapi.ContainerConfig{Command: []string{"no-such-command"}})
	err := n.StartContainer(t.Context(), id)
	if err == nil || !strings.Contains(err.Error(), `"no-such-command": executable file not found`) {
		t.Errorf("error %v", err)
	}
	st := n.exited(id)
	if st.State != runtimeapi.ContainerState_CONTAINER_EXITED || st.ExitCode != 128 || st.Reason != "StartError" || st.Message != err.Error() || st.FinishedAt == 0 {
		t.Errorf("status %v", st)
	}
	if err := n.StartContainer(t.Context(), id); err == nil {
		t.Error("it is started once more")
	}
}

// Probes and hooks run inside the container; their result reaches the kubelet in the form it knows.
func TestExecSync(t *testing.T) {
	n := newNode(t)
	c := sh("echo inside > /tmp/where; echo ready; sleep 1000")
	c.Envs = []*runtimeapi.KeyValue{{Key: "COLOR", Value: []byte("blue")}}
	id := n.start(c)
	n.awaitReady()
	const look = "cat /tmp/where; hostname; echo $COLOR; cat /proc/1/comm"
	out, _, err := n.ExecSync(t.Context(), id, []string{"sh", "-c", look}, 0)
	if err != nil || string(out) != "inside\nweb-0\nblue\nsh\n" {
		t.Errorf("output %q, error %v", out, err)
	}
	_, stderr, err := n.ExecSync(t.Context(), id, []string{"sh", "-c", "echo why >&2; exit 7"}, time.Minute)
	if exit := (utilexec.CodeExitError{}); !errors.As(err, &exit) || exit.Code != 7 || string(stderr) != "why\n" {
		t.Errorf("error %v, stderr %q", err, stderr)
	}
	before := time.Now()
	_, _, err = n.ExecSync(t.Context(), id, []string{"sh", "-c", "sleep 1000; true"}, 100*time.Millisecond)
	if !errors.Is(err, remote.ErrCommandTimedOut) || time.Since(before) > 5*time.Second {
		t.Errorf("error %v after %s", err, time.Since(before))
	}
}

// The node reaches a pod by its address, and once the pod is gone nothing
// answers there: packets are dropped, not sent round.
// kubectl exec -t: the command has a terminal of its container, with the
// client's size, hears what is typed, and its exit code comes back.
func TestExecWithATerminal(t *testing.T) {
	n := newNode(t)
	id := n.start(sh("echo ready; sleep 1000"))
	n.awaitReady()
	sizes := make(chan remotecommand.TerminalSize, 1)
	sizes <- remotecommand.TerminalSize{Width: 97, Height: 31}
	var out bytes.Buffer
	const script = `until [ "$(stty size)" = "31 97" ]; do sleep 0.01; done; tty; read -r line; echo "heard $line"; exit 3`
	err := streams{n.Runtime}.Exec(t.Context(), id, []string{"sh", "-c", script}, strings.NewReader("hello\n"), writeCloser{&out}, nil, true, sizes)
	if exit := (utilexec.CodeExitError{}); !errors.As(err, &exit) || exit.Code != 3 {
		t.Errorf("error %v", err)
	}
	for _, want := range []string{"/dev/pts/", "heard hello\r\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in %q", want, out.String())
		}
	}
}

type writeCloser struct{ io.Writer }

func (writeCloser) Close() error { return nil }

// A port of the node leads to the pod that has asked for it, for as long as the
// pod is there. Kills: rules that stay, rules that take other addresses' ports.
func TestHostPort(t *testing.T) {
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("nft is not installed")
	}
	n := newNode(t)
	config := &runtimeapi.PodSandboxConfig{Metadata: &runtimeapi.PodSandboxMetadata{Name: "edge", Namespace: "apps", Uid: "2"},
		Hostname: "edge", LogDirectory: t.TempDir(), PortMappings: []*runtimeapi.PortMapping{{HostPort: 8443, ContainerPort: 8080}}}
	pod, err := n.RunPodSandbox(t.Context(), config, "")
	if err != nil {
		t.Fatal(err)
	}
	web := n.pod
	n.pod, n.cfg = pod, config
	n.start(&runtimeapi.ContainerConfig{
		Image:       &runtimeapi.ImageSpec{Image: "example.com/edge:1"},
		Annotations: map[string]string{portsAnnotation: `[{"name":"http","containerPort":8080,"protocol":"TCP"}]`},
	})
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	get := func() string {
		resp, err := client.Get("http://172.16.96.10:8443/x")
		if err != nil {
			return err.Error()
		}
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(resp.Body)
		return string(body)
	}
	var said string
	for deadline := time.Now().Add(10 * time.Second); said != "GET /x answered by edge\n"; said = get() {
		if time.Now().After(deadline) {
			t.Fatal(said)
		}
	}
	if conn, err := net.DialTimeout("tcp", net.JoinHostPort(n.ip, "8443"), time.Second); err == nil {
		_ = conn.Close()
		t.Error("another pod's address answers on the node's port")
	}
	if err := n.RemovePodSandbox(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	if said = get(); !strings.Contains(said, "refused") {
		t.Errorf("after its pod was removed: %s", said)
	}
	n.pod = web
}

func TestPodNetwork(t *testing.T) {
	n := newNode(t)
	n.start(&runtimeapi.ContainerConfig{
		Image:       &runtimeapi.ImageSpec{Image: "example.com/shop:1"},
		Annotations: map[string]string{portsAnnotation: `[{"name":"http","containerPort":8080,"protocol":"TCP"}]`},
	})
	client := &http.Client{Timeout: 5 * time.Second}
	var body []byte
	for deadline := time.Now().Add(10 * time.Second); len(body) == 0; {
		resp, err := client.Get("http://" + net.JoinHostPort(n.ip, "8080") + "/x")
		if err == nil {
			body, _ = io.ReadAll(resp.Body)
			_ = resp.Body.Close()
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if string(body) != "GET /x answered by web-0\n" {
		t.Errorf("body %q", body)
	}
	if err := n.RemovePodSandbox(t.Context(), n.pod); err != nil {
		t.Fatal(err)
	}
	if list, _ := n.ListContainers(t.Context(), nil); len(list) != 0 {
		t.Errorf("containers left: %v", list)
	}
	_, err := net.DialTimeout("tcp", net.JoinHostPort(n.ip, "8080"), 200*time.Millisecond)
	if !errors.Is(err, syscall.EINVAL) { // what the kernel says of a blackhole
		t.Errorf("dial a pod that is gone: %v", err)
	}
	if links, _ := netlink.LinkList(); len(links) != 3 { // lo, up0, up1
		t.Errorf("links left: %v", links)
	}
}
