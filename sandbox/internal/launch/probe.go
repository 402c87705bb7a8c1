package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/droverhq/drover/problem"
)

// probe finds out what the kernel allows by trying it in namespaces that are
// thrown away: some systems let anybody make a user namespace and then refuse
// everything in it. If pods will have one user alone, it says why.
func probe(ctx context.Context, program string, env []string) (i isolation, alone error, err error) {
	list, alone := isolations(env)
	for _, i := range list {
		if err = i.run(ctx, exec.CommandContext(ctx, program, "probe"), namespaces); err == nil {
			return i, alone, nil
		}
		if ctx.Err() != nil {
			return i, nil, ctx.Err()
		}
		if i.ids.Many() && i.userNS {
			alone = err
		}
	}
	return i, nil, &problem.Error{Kind: problem.Refused, Op: "make the sandbox's namespaces", Err: err, Fix: remedy()}
}

// Probe is run in new namespaces and tries what the sandbox will do there.
func Probe() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("change mounts: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc (a container that hides parts of its /proc refuses this): %w", err)
	}
	if err := unix.Mount("tmpfs", "/tmp", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount a tmpfs: %w", err)
	}
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "probe1"}, PeerName: "probe2"}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("add a veth link: %w", err)
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return fmt.Errorf("let the kernel forward packets: %w", err)
	}
	return nil
}

// remedy is the way out that this machine's settings suggest.
func remedy() string {
	switch {
	case sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1":
		return "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0 (or run it as root)"
	case sysctl("kernel/unprivileged_userns_clone") == "0":
		return "sudo sysctl kernel.unprivileged_userns_clone=1 (or run it as root)"
	case sysctl("user/max_user_namespaces") == "0":
		return "sudo sysctl user.max_user_namespaces=10000 (or run it as root)"
	}
	if _, err := os.Stat("/.dockerenv"); err == nil {
		return "run this container with: docker run --privileged"
	}
	return "run it as root, on a machine or in a virtual machine whose kernel has namespaces and veth links"
}

func sysctl(key string) string {
	value, err := os.ReadFile(filepath.Join("/proc/sys", key))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(value))
}

// PodProgram is the small program beside this one that pods are started with.
const PodProgram = "drover-sandbox-pod"

// checkPrograms makes sure that the programs are there which the sandbox runs.
func checkPrograms(o Options) error {
	var list problem.List
	packages := map[string]string{"nginx": "nginx", "nft": "nftables"}
	for _, name := range []string{"nginx", "nft"} {
		if find(o.Env, name) == "" {
			list = append(list, &problem.Error{Kind: problem.Refused, Op: "find " + name,
				Err: errors.New("not in PATH nor in /usr/sbin"),
				Fix: "sudo apt-get install " + packages[name] + " (or your distribution's package of it)"})
		}
	}
	resolved, err := filepath.EvalSymlinks(o.Program)
	if err != nil {
		return err
	}
	beside := filepath.Join(filepath.Dir(resolved), PodProgram)
	if _, err := os.Stat(beside); err != nil {
		list = append(list, &problem.Error{Kind: problem.Refused, Op: "find " + PodProgram, Err: err,
			Fix: "build it beside drover-sandbox: make build"})
	}
	return list.Err()
}

// find is the path of a program, "" if it is not there.
func find(env []string, name string) string {
	for _, dir := range filepath.SplitList(searchPath(env)) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}
