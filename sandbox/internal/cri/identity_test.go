package cri

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/droverhq/drover/sandbox/internal/idmap"
	"github.com/droverhq/drover/sandbox/internal/images"
	"github.com/droverhq/drover/sandbox/internal/podnet"
)

// as gives a container a security context.
func as(c *runtimeapi.ContainerConfig, context *runtimeapi.LinuxContainerSecurityContext) *runtimeapi.ContainerConfig {
	c.Linux = &runtimeapi.LinuxContainerConfig{SecurityContext: context}
	return c
}

func number(n int64) *runtimeapi.Int64Value { return &runtimeapi.Int64Value{Value: n} }

func needUsers(t *testing.T) {
	t.Helper()
	ids, err := idmap.Own()
	if err != nil {
		t.Fatal(err)
	}
	if !ids.Many() {
		t.Skip("there is one user alone: run as root")
	}
}

// says waits for the container's end and looks for what it must have written.
func (n testNode) says(id string, lines ...string) {
	n.t.Helper()
	n.exited(id)
	for _, line := range lines {
		if !strings.Contains(n.log(), " F "+line+"\n") {
			n.t.Errorf("no %q in\n%s", line, n.log())
		}
	}
}

// A container is the user, in the groups, that its pod says, with no capability; so is what is
// executed in it. It can write where they can, open its output by name, and take any port.
func TestUsers(t *testing.T) {
	needUsers(t)
	n := newNode(t)
	volume := t.TempDir()
	if err := os.Chown(volume, 0, 2000); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(volume, os.ModeSetgid|0o770); err != nil {
		t.Fatal(err)
	}
	c := sh(`id; grep -E 'Cap(Prm|Eff|Amb)|NoNewPrivs' /proc/self/status; echo out > /dev/stdout; echo err > /dev/stderr
		touch /data/mine && stat -c '%u:%g' /data/mine; touch /etc/x || echo refused; touch /tmp/x && umask; echo ready; sleep 1000`)
	c.Mounts = []*runtimeapi.Mount{{HostPath: volume, ContainerPath: "/data"}}
	as(c, &runtimeapi.LinuxContainerSecurityContext{RunAsUser: number(1000), RunAsGroup: number(3000), SupplementalGroups: []int64{2000, 4000},
		NoNewPrivs: true, Capabilities: &runtimeapi.Capability{AddCapabilities: []string{"NET_ADMIN"}}})
	id := n.start(c)
	n.awaitReady()
	const who = "uid=1000 gid=3000 groups=3000,2000,4000"
	for _, command := range [][]string{{"id"}, {"sh", "-c", "echo seen > /dev/stderr; id"}} {
		out, _, err := n.ExecSync(t.Context(), id, command, time.Minute)
		if got := string(out); err != nil || withoutNames(got) != who+"\n" {
			t.Errorf("%v says %q, %v", command, got, err)
		}
	}
	var typed bytes.Buffer
	err := streams{n.Runtime}.Exec(t.Context(), id, []string{"sh", "-c", `stat -c %u "$(tty)"; : > "$(tty)" && grep CapEff /proc/self/status`}, nil,
		writeCloser{&typed}, nil, true, nil)
	if got := strings.Fields(typed.String()); err != nil || len(got) != 3 || got[0] != "1000" || got[2] != "0000000000000000" {
		t.Errorf("on a terminal: %q, %v", got, err)
	}
	if err := n.StopContainer(t.Context(), id, 0); err != nil {
		t.Fatal(err)
	}
	n.says(id, "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1",
		"out", "err", "1000:2000", "refused", "0022")
	if !strings.Contains(withoutNames(n.log()), who+"\n") {
		t.Errorf("no %q in\n%s", who, n.log())
	}
	st, err := n.ContainerStatus(t.Context(), id, false)
	if user := st.GetStatus().GetUser().GetLinux(); err != nil || user.GetUid() != 1000 || user.GetGid() != 3000 || fmt.Sprint(user.GetSupplementalGroups()) != "[3000 2000 4000]" {
		t.Errorf("status says %v, %v", user, err)
	}
}

// withoutNames takes from the output of id the names that this machine has for its numbers.
func withoutNames(said string) string {
	var b strings.Builder
	for rest := said; rest != ""; {
		before, after, found := strings.Cut(rest, "(")
		b.WriteString(before)
		if !found {
			break
		}
		_, rest, _ = strings.Cut(after, ")")
	}
	return b.String()
}

// A user without a group is in root's, as in an image that does not know them, and never in those
// that this machine's lists of users would give.
func TestUserWithoutGroup(t *testing.T) {
	needUsers(t)
	n := newNode(t)
	id := n.start(as(sh("id -u; id -g; id -G"), &runtimeapi.LinuxContainerSecurityContext{RunAsUser: number(1)}))
	n.says(id, "1", "0")
	if strings.Count(n.log(), " F 0\n") != 2 {
		t.Errorf("groups in\n%s", n.log())
	}
}

// Root has the capabilities of any container, no more, and fewer or others where the pod says so.
func TestCapabilities(t *testing.T) {
	for _, tc := range []struct {
		add, drop []string
		want      string
	}{
		{want: "00000000a80425fb"}, // what `grep CapEff` says in a container of containerd
		{drop: []string{"ALL"}, add: []string{"NET_BIND_SERVICE"}, want: "0000000000000400"},
		{drop: []string{"CHOWN", "KILL"}, add: []string{"CAP_SYS_TIME"}, want: "00000000aa0425da"},
	} {
		t.Run(tc.want, func(t *testing.T) {
			n := newNode(t)
			id := n.start(as(sh("grep -E 'Cap(Eff|Bnd)' /proc/self/status"), &runtimeapi.LinuxContainerSecurityContext{
				Capabilities: &runtimeapi.Capability{AddCapabilities: tc.add, DropCapabilities: tc.drop}}))
			n.says(id, "CapEff:\t"+tc.want, "CapBnd:\t"+tc.want)
		})
	}
	n := newNode(t)
	id := n.start(as(sh("mount -t tmpfs x /mnt && echo made"), &runtimeapi.LinuxContainerSecurityContext{Privileged: true}))
	n.says(id, "made")
	if _, err := n.CreateContainer(t.Context(), n.pod, as(sh("true"), &runtimeapi.LinuxContainerSecurityContext{
		Capabilities: &runtimeapi.Capability{AddCapabilities: []string{"FLY"}}}), n.cfg); err == nil {
		t.Error("a capability that there is not is given")
	}
}

// A user or a group that the sandbox has not is refused before anything runs, and the error says which ones it has.
func TestUserThatIsNotThere(t *testing.T) {
	needUsers(t)
	n := newNode(t)
	for want, context := range map[string]*runtimeapi.LinuxContainerSecurityContext{
		"run as user 70000: the sandbox has the users 0 to 65535":   {RunAsUser: number(70000)},
		"run in group 70001: the sandbox has the groups 0 to 65535": {RunAsUser: number(1), SupplementalGroups: []int64{70001}},
	} {
		if err := n.StartContainer(t.Context(), n.create(as(sh("true"), context))); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// Where there is one user alone, a pod that asks for another one runs all the same, and what an image gives to one is theirs.
func TestOneUserAlone(t *testing.T) {
	alone := idmap.IDs{Users: idmap.Map{{Outside: 1000, Count: 1}}, Groups: idmap.Map{{Outside: 1000, Count: 1}}}
	config := as(sh("id"), &runtimeapi.LinuxContainerSecurityContext{RunAsUser: number(1000), RunAsGroup: number(3000)})
	image := images.Lookup("nginx/nginx-ingress").Alone()
	who, err := identityOf(config, image, alone)
	if err != nil || who.User != 0 || who.Group != 0 || who.Groups != nil {
		t.Errorf("%+v, %v", who, err)
	}
	if err := among(alone, who); err != nil || image.Files[0].Owner != 0 || image.Account.ID != 0 {
		t.Errorf("%v, %+v", err, image)
	}
	if images.Lookup("nginx/nginx-ingress").Files[0].Owner == 0 {
		t.Error("the image itself was changed")
	}
}

// An image's user owns what it owns in the image, and may take the ports of its node if its program may.
func TestImageUser(t *testing.T) {
	needUsers(t)
	n := newNode(t)
	c := sh("id -un; id -g; stat -c '%u:%g' /run/nginx; touch /run/nginx/x && echo mine")
	c.Image = &runtimeapi.ImageSpec{Image: "nginx/nginx-ingress:5.1.0"}
	n.says(n.start(c), "nginx", "101", "101:101", "mine")
	who, err := identityOf(&runtimeapi.ContainerConfig{}, images.Lookup("nginx/nginx-ingress"), n.ids)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	err = podnet.OnThread(func() (err error) {
		if err = who.Assume(); err == nil {
			out, err = exec.Command("sh", "-c", "id -u; grep CapEff /proc/self/status").Output()
		}
		return err
	})
	if err != nil || string(out) != "101\nCapEff:\t0000000000000400\n" {
		t.Errorf("its program says %q, %v", out, err)
	}
	if os.Getuid() != 0 {
		t.Error("the whole process has become another user")
	}
}

// A port below 1024 is any user's in a pod's own network.
func TestLowPort(t *testing.T) {
	needUsers(t)
	n := newNode(t)
	n.start(as(&runtimeapi.ContainerConfig{
		Image:       &runtimeapi.ImageSpec{Image: "example.com/shop:1"},
		Annotations: map[string]string{portsAnnotation: `[{"name":"http","containerPort":80,"protocol":"TCP"}]`},
	}, &runtimeapi.LinuxContainerSecurityContext{RunAsUser: number(1000)}))
	if said := n.get("80"); said != "GET /x answered by web-0\n" {
		t.Errorf("%s\n%s", said, n.log())
	}
}

// get asks the pod until it answers.
func (n testNode) get(port string) string {
	n.t.Helper()
	client := &http.Client{Timeout: 5 * time.Second}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		resp, err := client.Get("http://" + net.JoinHostPort(n.ip, port) + "/x")
		if err == nil {
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			return string(body)
		}
		if time.Now().After(deadline) {
			return err.Error()
		}
	}
}

var nginxImage = &runtimeapi.ImageSpec{Image: "nginx:1.29"}

func needNginx(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/usr/sbin/nginx"); err != nil {
		t.Skip("nginx is not installed")
	}
}

// The official image: root, with workers of its own user, and the log in the container's output.
func TestNginx(t *testing.T) {
	needNginx(t)
	n := newNode(t)
	id := n.start(&runtimeapi.ContainerConfig{Image: nginxImage})
	if said := n.get("80"); !strings.Contains(said, "404 Not Found") {
		t.Error(said)
	}
	out, _, err := n.ExecSync(t.Context(), id, []string{"sh", "-c", "cat /proc/[0-9]*/status | grep -A8 ^Name:.nginx | grep ^Uid"}, time.Minute)
	if n.ids.Many() && (err != nil || !strings.Contains(string(out), "Uid:\t101\t101\t101\t101\n")) {
		t.Errorf("no worker is user 101: %s, %v", out, err)
	}
	if !strings.Contains(n.log(), `"GET /x HTTP/1.1" 404`) {
		t.Errorf("the request is not in the log:\n%s", n.log())
	}
}

// Under another user it cannot make its files, and with volumes in their places it can.
func TestNginxOfAnotherUser(t *testing.T) {
	needUsers(t)
	needNginx(t)
	n := newNode(t)
	user := &runtimeapi.LinuxContainerSecurityContext{RunAsUser: number(101)}
	n.exited(n.start(as(&runtimeapi.ContainerConfig{Image: nginxImage}, user)))
	if !strings.Contains(n.log(), "(13: Permission denied)") {
		t.Errorf("it runs as another user:\n%s", n.log())
	}
	c := as(&runtimeapi.ContainerConfig{Image: nginxImage}, user)
	for _, path := range []string{"/var/cache/nginx", "/var/run"} {
		c.Mounts = append(c.Mounts, &runtimeapi.Mount{HostPath: emptyDir(t), ContainerPath: path})
	}
	n.start(c)
	if said := n.get("80"); !strings.Contains(said, "404 Not Found") {
		t.Errorf("%s\n%s", said, n.log())
	}
}

// emptyDir is a volume that anybody may write to.
func emptyDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}
