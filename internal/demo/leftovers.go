package demo

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// footprint is what a sandbox could leave on the machine: taken before it
// starts and after it stopped, the difference is what it left.
type footprint map[string]bool

// watched are the folders outside its own that Kubernetes' parts are known to
// write to when they are not kept in (kubelet hard-codes /var/log/containers).
var watched = []string{
	"/run/netns", "/var/lib/kubelet", "/var/lib/etcd", "/var/lib/cni", "/etc/cni", "/etc/kubernetes",
	"/var/log/containers", "/var/log/pods", "/run/containerd",
}

// takeFootprint looks for processes and mounts that have to do with the folder,
// for the network namespaces of such processes, and for files in the watched
// folders.
func takeFootprint(folder string) (footprint, error) {
	f := footprint{}
	procs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	self := fmt.Sprintf("/proc/%d", os.Getpid())
	for _, proc := range procs {
		if proc == self || !concerns(proc, folder) {
			continue
		}
		line, err := os.ReadFile(proc + "/cmdline")
		if err != nil || len(line) == 0 {
			continue // it has ended
		}
		f["process "+filepath.Base(proc)+": "+strings.TrimSpace(string(bytes.ReplaceAll(line, []byte{0}, []byte(" "))))] = true
		if ns, err := os.Readlink(proc + "/ns/net"); err == nil {
			f["network namespace "+ns] = true
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], folder) {
			f["mount "+fields[4]] = true
		}
	}
	for _, dir := range watched {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // absent or not ours to read: then nothing of ours is in it
		}
		for _, e := range entries {
			f["file "+filepath.Join(dir, e.Name())] = true
		}
	}
	if _, err := os.Lstat(folder); err == nil {
		f["folder "+folder] = true
	}
	return f, nil
}

// concerns tells whether a process was started for the sandbox in the folder:
// by its command line, its environment or where it works.
func concerns(proc, folder string) bool {
	for _, file := range []string{"/cmdline", "/environ"} {
		// A process may end while we look, and other people's are not ours to read.
		if text, err := os.ReadFile(proc + file); err == nil && bytes.Contains(text, []byte(folder)) {
			return true
		}
	}
	cwd, err := os.Readlink(proc + "/cwd")
	return err == nil && strings.HasPrefix(cwd, folder)
}

// since lists what is there now and was not before, sorted.
func (f footprint) since(before footprint) []string {
	left := maps.Clone(f)
	for name := range before {
		delete(left, name)
	}
	return slices.Sorted(maps.Keys(left))
}
