package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/sandbox/internal/folder"
)

// How long the supervisor, and then a command that runs in the sandbox, may
// take to end before it is killed.
const (
	supervisorGrace = 20 * time.Second
	commandGrace    = 2 * time.Second
)

// Stop ends a sandbox and returns when nothing of it runs. It returns false if
// none ran.
func Stop(ctx context.Context, dir folder.Folder) (bool, error) {
	box, err := Find(dir)
	if errors.Is(err, ErrNotRunning) {
		return false, nil
	}
	for err == nil && box.PID == 0 {
		if err = pause(ctx); err == nil {
			box, err = Find(dir)
		}
	}
	if err != nil {
		return false, err
	}
	network, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", box.PID))
	if err != nil {
		return false, fmt.Errorf("look at the sandbox: %w", err)
	}
	if err := end(ctx, box.PID, supervisorGrace); err != nil {
		return false, fmt.Errorf("stop the sandbox: %w", err)
	}
	// What was run with exec is no child of the sandbox; it would keep the network alive.
	for _, pid := range inNetwork(network) {
		if err := end(ctx, pid, commandGrace); err != nil {
			return false, fmt.Errorf("end process %d, which ran in the sandbox: %w", pid, err)
		}
	}
	return true, nil
}

// Purge removes the folder of a sandbox that does not run.
func Purge(dir folder.Folder) error {
	if !dir.Is() {
		if _, err := os.Stat(string(dir)); errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return &problem.Error{Kind: problem.Refused, Op: fmt.Sprintf("remove %s", dir),
			Err: errors.New("it is no sandbox's folder"), Fix: "name the right one with --dir, or remove it yourself"}
	}
	lock, err := takeLock(dir)
	if errors.Is(err, errHeld) {
		return &problem.Error{Kind: problem.Locked, Op: fmt.Sprintf("remove %s", dir),
			Err: errors.New("a sandbox runs in it"), Fix: "drover sandbox stop --purge"}
	}
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	return folder.RemoveAll(string(dir))
}

// end asks a process to end, kills it after grace, and returns when it has
// ended and, if it was the first of a PID namespace, all in that namespace too.
func end(ctx context.Context, pid int, grace time.Duration) error {
	handle, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(handle) }()
	for _, step := range []struct {
		signal unix.Signal
		within time.Duration
	}{{unix.SIGTERM, grace}, {unix.SIGKILL, grace}} {
		if err := unix.PidfdSendSignal(handle, step.signal, nil, 0); errors.Is(err, unix.ESRCH) {
			return nil
		} else if err != nil {
			return err
		}
		deadline := time.Now().Add(step.within)
		for time.Now().Before(deadline) {
			if err := ctx.Err(); err != nil {
				return err
			}
			poll := []unix.PollFd{{Fd: int32(handle), Events: unix.POLLIN}}
			n, err := unix.Poll(poll, int(tick.Milliseconds()))
			if n > 0 {
				return nil
			}
			if err != nil && !errors.Is(err, unix.EINTR) {
				return err
			}
		}
	}
	return fmt.Errorf("process %d does not end", pid)
}

// inNetwork lists the processes in a network namespace.
func inNetwork(network string) []int {
	links, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		return nil
	}
	var pids []int
	for _, link := range links {
		if target, err := os.Readlink(link); err != nil || target != network {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(link)))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
