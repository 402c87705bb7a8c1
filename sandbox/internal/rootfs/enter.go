package rootfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// oldRoot is where the node's root stays reachable until the volumes are mounted.
const oldRoot = "/.old"

// hostDirs are the top-level directories of this machine that make up an
// image: programs and their configuration. Nothing of /home, /root, /var or
// /srv is seen inside. /nix and /gnu hold the programs of NixOS and Guix.
var hostDirs = []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "opt", "nix", "gnu"}

// emptyDirs are made afresh, with the modes they usually have.
var emptyDirs = []struct {
	path string
	mode os.FileMode
}{
	{"dev", 0o755}, {"home", 0o755}, {"mnt", 0o755}, {"proc", 0o555}, {"root", 0o700}, {"run", 0o755},
	{"run/lock", 0o755}, {"srv", 0o755}, {"sys", 0o555}, {"tmp", os.ModeSticky | 0o777}, {"var", 0o755},
	{"var/cache", 0o755}, {"var/lib", 0o755}, {"var/log", 0o755}, {"var/spool", 0o755},
	{"var/tmp", os.ModeSticky | 0o777},
}

// Enter makes the calling process, which is alone in new mount, PID, UTS and
// IPC namespaces, the container. On success it does not return.
func Enter(spec Spec) error {
	unix.Umask(0o022) // every runtime's, whatever the node's user has
	if spec.Hostname != "" {
		if err := unix.Sethostname([]byte(spec.Hostname)); err != nil {
			return fmt.Errorf("set hostname: %w", err)
		}
	}
	if err := build(spec); err != nil {
		return fmt.Errorf("build the root file system: %w", err)
	}
	if err := pivot(spec.Root); err != nil {
		return fmt.Errorf("change the root: %w", err)
	}
	for _, m := range slices.Concat(spec.Binaries, spec.Mounts) {
		if err := mountVolume(m); err != nil {
			return fmt.Errorf("mount %s at %s: %w", m.Source, m.Target, err)
		}
	}
	if err := unix.Unmount(oldRoot, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("let go of the node's root: %w", err)
	}
	if err := os.Remove(oldRoot); err != nil {
		return err
	}
	return become(spec)
}

// build puts the new root together over spec.Root.
func build(spec Spec) error {
	root := spec.Root
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount tmpfs: %w", err)
	}
	for _, d := range emptyDirs {
		path := filepath.Join(root, d.path)
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(path, d.mode); err != nil {
			return err
		}
	}
	if err := os.Symlink("/run", filepath.Join(root, "var/run")); err != nil {
		return err
	}
	if err := addHostDirs(root, spec); err != nil {
		return err
	}
	if err := addKernelMounts(root); err != nil {
		return err
	}
	return writeResolvConf(root, spec.ResolvConf)
}

// addHostDirs lays one writable overlay over each of hostDirs, with the image's files
// in it. A single overlay over / is refused without privileges, because / has locked
// mounts below it.
func addHostDirs(root string, spec Spec) error {
	layers := filepath.Join(root, ".layers")
	if err := os.Mkdir(layers, 0o700); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", layers, "tmpfs", 0, "mode=700"); err != nil {
		return fmt.Errorf("mount tmpfs: %w", err)
	}
	accounts, err := spec.Account.files()
	if err != nil {
		return err
	}
	if err := addFiles(root, layers, append(accounts, spec.Files...)); err != nil {
		return fmt.Errorf("add the image's files: %w", err)
	}
	for _, name := range hostDirs {
		if err := addHostDir(root, layers, name); err != nil {
			return fmt.Errorf("add /%s: %w", name, err)
		}
	}
	// The overlays hold on to their layers; nothing else needs to see them.
	if err := unix.Unmount(layers, unix.MNT_DETACH); err != nil {
		return err
	}
	return os.Remove(layers)
}

// addFiles writes an image's files where they will be: into the upper layer of one
// of hostDirs, so that this machine's directories of the same names need not be
// writable for whoever runs the sandbox, or into the root itself.
func addFiles(root, layers string, files []File) error {
	for _, f := range files {
		top, _, _ := strings.Cut(strings.TrimPrefix(f.Path, "/"), "/")
		base := root
		if slices.Contains(hostDirs, top) {
			base = layers
		}
		if err := f.write(filepath.Join(base, f.Path)); err != nil {
			return err
		}
	}
	return nil
}

// files are this machine's lists of users and groups, with the account above all but root.
func (a Account) files() ([]File, error) {
	if a.Name == "" {
		return nil, nil
	}
	users, err := os.ReadFile("/etc/passwd")
	groups, err2 := os.ReadFile("/etc/group")
	return []File{
		{Path: "/etc/passwd", Content: second(string(users), fmt.Sprintf("%s:x:%d:%d::/nonexistent:/bin/false", a.Name, a.ID, a.ID))},
		{Path: "/etc/group", Content: second(string(groups), fmt.Sprintf("%s:x:%d:", a.Name, a.ID))},
	}, errors.Join(err, err2)
}

// second puts a line below the first one of a text.
func second(text, line string) string {
	first, rest, _ := strings.Cut(text, "\n")
	return first + "\n" + line + "\n" + rest
}

func (f File) write(path string) error {
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	switch {
	case err != nil:
	case f.Link != "":
		err = os.Symlink(f.Link, path)
	case f.Content != "":
		err = os.WriteFile(path, []byte(f.Content), 0o644)
	default:
		err = os.MkdirAll(path, 0o755)
	}
	if err != nil {
		return err
	}
	return os.Lchown(path, f.Owner, f.Owner)
}

func addHostDir(root, layers, name string) error {
	source, target := "/"+name, filepath.Join(root, name)
	info, err := os.Lstat(source)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&os.ModeSymlink != 0:
		link, err := os.Readlink(source)
		if err != nil {
			return err
		}
		return os.Symlink(link, target)
	}
	upper, work := filepath.Join(layers, name), filepath.Join(layers, name+".work")
	for _, dir := range []string{target, upper, work} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,userxattr", source, upper, work)
	if err := unix.Mount("overlay", target, "overlay", 0, options); err == nil {
		return nil
	}
	// Something locked is mounted below it: show it as it is, but never let a container write to it.
	return bind(source, target, true)
}

// addKernelMounts makes /dev, /proc and /sys.
func addKernelMounts(root string) error {
	// Where /proc or /sys is masked, as in some containers, the kernel refuses a fresh one: take the node's.
	if err := unix.Mount("proc", filepath.Join(root, "proc"), "proc", 0, ""); err != nil {
		if err := bind("/proc", filepath.Join(root, "proc"), false); err != nil {
			return err
		}
	}
	if err := unix.Mount("sysfs", filepath.Join(root, "sys"), "sysfs", unix.MS_RDONLY, ""); err != nil {
		if err := bind("/sys", filepath.Join(root, "sys"), true); err != nil {
			return err
		}
	}
	dev := filepath.Join(root, "dev")
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		target := filepath.Join(dev, name)
		if err := os.WriteFile(target, nil, 0o666); err != nil {
			return err
		}
		if err := bind("/dev/"+name, target, false); err != nil {
			return err
		}
	}
	for link, target := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
		"ptmx": "pts/ptmx",
	} {
		if err := os.Symlink(target, filepath.Join(dev, link)); err != nil {
			return err
		}
	}
	for _, m := range []struct{ name, kind, options string }{
		{"pts", "devpts", "newinstance,ptmxmode=0666,mode=0620"},
		{"shm", "tmpfs", "mode=1777,size=64m"}, // 64 MiB is every container runtime's default
	} {
		target := filepath.Join(dev, m.name)
		if err := os.Mkdir(target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, target, m.kind, unix.MS_NOSUID|unix.MS_NOEXEC, m.options); err != nil {
			return fmt.Errorf("mount /dev/%s: %w", m.name, err)
		}
	}
	return nil
}

// writeResolvConf replaces the machine's file, which is often a symbolic link
// into /run.
func writeResolvConf(root, content string) error {
	path := filepath.Join(root, "etc/resolv.conf")
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.WriteFile(path, []byte(content), 0o644)
}

func pivot(root string) error {
	old := filepath.Join(root, oldRoot)
	if err := os.Mkdir(old, 0o700); err != nil {
		return err
	}
	if err := unix.PivotRoot(root, old); err != nil {
		return err
	}
	return os.Chdir("/")
}

// mountVolume runs inside the new root, so a symbolic link in the target, as
// /var/run is one, leads where the container's own processes would get.
func mountVolume(m Mount) error {
	source := filepath.Join(oldRoot, m.Source)
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if err := makeTarget(m.Target, info.IsDir()); err != nil {
		return err
	}
	return bind(source, m.Target, m.ReadOnly)
}

func makeTarget(path string, dir bool) error {
	if dir {
		return os.MkdirAll(path, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

func bind(source, target string, readOnly bool) error {
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if !readOnly {
		return nil
	}
	// Unlike a remount, this keeps the flags that are locked without privileges.
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	return unix.MountSetattr(unix.AT_FDCWD, target, unix.AT_RECURSIVE, attr)
}

// become replaces this process by the container's command.
func become(spec Spec) error {
	runtime.LockOSThread() // it gets the identity, and becomes the command
	if err := giveOutput(spec.Identity.User); err != nil {
		return err
	}
	if err := enterDir(spec.Dir); err != nil {
		return fmt.Errorf("enter working directory: %w", err)
	}
	if err := spec.Identity.Assume(); err != nil {
		return err
	}
	path, err := LookPath(spec.Args[0], spec.Env)
	if err != nil {
		return err
	}
	if err := unix.Exec(path, spec.Args, spec.Env); err != nil {
		return fmt.Errorf("exec %s: %w", path, err)
	}
	return nil
}

// giveOutput lets a user open the container's output by its names in /dev.
func giveOutput(user int) error {
	for _, output := range []int{unix.Stdout, unix.Stderr} {
		if err := unix.Fchown(output, user, -1); err != nil {
			return fmt.Errorf("give the output to user %d: %w", user, err)
		}
	}
	return nil
}

// enterDir is done by root, as runtimes do, and makes a WORKDIR that is missing.
func enterDir(dir string) error {
	if dir == "" {
		dir = "/"
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.Chdir(dir)
}

// LookPath finds a command by the PATH in env, in the file system as the
// calling thread sees it, that its user may execute.
func LookPath(command string, env []string) (string, error) {
	if filepath.Base(command) != command {
		return command, executable(command)
	}
	i := slices.IndexFunc(env, func(kv string) bool { return len(kv) > 5 && kv[:5] == "PATH=" })
	if i < 0 {
		return "", fmt.Errorf("exec %q: no PATH", command)
	}
	for _, dir := range filepath.SplitList(env[i][5:]) {
		if path := filepath.Join(dir, command); executable(path) == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("exec %q: executable file not found in $PATH", command)
}

func executable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("exec: %w", err)
	}
	if info.IsDir() || unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS) != nil {
		return fmt.Errorf("exec %s: %w", path, os.ErrPermission)
	}
	return nil
}
