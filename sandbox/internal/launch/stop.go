package launch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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

// stopWithin is how long the lock may stay held, which covers both signals to
// a supervisor that hears only the second.
const stopWithin = 3 * supervisorGrace

// sweeps is how often processes are looked for: one that ends may have
// started another just before.
const sweeps = 20

// Stop ends a sandbox and returns when nothing of it runs, nor of one whose
// supervisor was killed. It returns false if nothing ran.
func Stop(ctx context.Context, dir folder.Folder) (bool, error) {
	if !dir.Is() {
		return false, nil
	}
	mark, err := markOf(dir)
	if err != nil {
		return false, err
	}
	if mark.on(os.Getpid()) {
		return false, &problem.Error{Kind: problem.Refused, Op: fmt.Sprintf("stop the sandbox in %s", dir),
			Err: errors.New("this command runs in it itself"), Fix: "run it outside (without drover sandbox exec)"}
	}
	within, cancel := context.WithTimeoutCause(ctx, stopWithin, errors.New("the lock stays held, but not by a supervisor"))
	defer cancel()
	ran := false
	for {
		lock, err := takeLock(dir) // keeps others from starting it while it is swept
		if err == nil {
			defer func() { _ = lock.Close() }()
			swept, err := sweep(ctx, dir, mark)
			return ran || swept, err
		}
		if !errors.Is(err, errHeld) {
			return ran, err
		}
		ended, err := endSupervisor(within, dir, mark)
		if err == nil {
			ran = ran || ended
			err = pause(within)
		}
		if err != nil {
			return ran, fmt.Errorf("stop the sandbox: %w", err)
		}
	}
}

// endSupervisor returns false if there is none yet, or none any more.
func endSupervisor(ctx context.Context, dir folder.Folder, mark mark) (bool, error) {
	info, err := dir.ReadInfo()
	if err != nil || info.PID == 0 {
		return false, err
	}
	return end(ctx, info.PID, supervisorGrace, func() bool {
		running, err := held(dir)
		return err == nil && running && mark.on(info.PID)
	})
}

// sweep ends what was run with exec: it is no child of the sandbox, and would
// keep its namespaces alive.
func sweep(ctx context.Context, dir folder.Folder, mark mark) (bool, error) {
	swept := false
	for range sweeps {
		pids := mark.processes()
		if len(pids) == 0 {
			info, err := dir.ReadInfo()
			if err != nil {
				return swept, err
			}
			info.PID = 0
			return swept, dir.WriteInfo(info)
		}
		for _, pid := range pids {
			ended, err := end(ctx, pid, commandGrace, func() bool { return mark.on(pid) })
			if err != nil {
				return swept, fmt.Errorf("end process %d, which ran in the sandbox: %w", pid, err)
			}
			swept = swept || ended
		}
	}
	return swept, fmt.Errorf("processes keep starting in the sandbox, such as %v", mark.processes())
}

// Purge removes the folder of a sandbox that does not run. The environment says
// where programs are.
func Purge(ctx context.Context, dir folder.Folder, env []string) error {
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
	if err := removeOthers(ctx, dir, env); err != nil {
		return err
	}
	return folder.RemoveAll(string(dir))
}

// end asks a process to end, kills it after grace, and returns when it has
// ended and, if it was the first of a PID namespace, all in that namespace too.
// A PID may have passed to another process: is is asked again once it is held
// fast, and end returns false if that says no.
func end(ctx context.Context, pid int, grace time.Duration, is func() bool) (bool, error) {
	handle, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = unix.Close(handle) }()
	if !is() {
		return false, nil
	}
	for _, step := range []struct {
		signal unix.Signal
		within time.Duration
	}{{unix.SIGTERM, grace}, {unix.SIGKILL, grace}} {
		if err := unix.PidfdSendSignal(handle, step.signal, nil, 0); errors.Is(err, unix.ESRCH) {
			return true, nil
		} else if err != nil {
			return false, err
		}
		deadline := time.Now().Add(step.within)
		for time.Now().Before(deadline) {
			if err := ctx.Err(); err != nil {
				return false, err
			}
			poll := []unix.PollFd{{Fd: int32(handle), Events: unix.POLLIN}}
			n, err := unix.Poll(poll, int(tick.Milliseconds()))
			if n > 0 {
				return true, nil
			}
			if err != nil && !errors.Is(err, unix.EINTR) {
				return false, err
			}
		}
	}
	return false, fmt.Errorf("process %d does not end", pid)
}

// mark is what tells processes in a sandbox's namespaces from all others: the
// supervisor mounts the folder's run on itself. Unlike the numbers of
// namespaces, which the kernel gives away again, it is the folder's alone.
type mark string

func markOf(dir folder.Folder) (mark, error) {
	path, err := filepath.EvalSymlinks(dir.Run())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil // it never ran
	}
	// As proc_pid_mountinfo(5) writes it.
	return mark(strings.NewReplacer(`\`, `\134`, " ", `\040`, "\t", `\011`, "\n", `\012`).Replace(path)), err
}

func (m mark) on(pid int) bool {
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		return false // it has ended
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 4 && fields[4] == string(m) {
			return true
		}
	}
	return false
}

// processes lists those that bear the mark.
func (m mark) processes() []int {
	paths, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var pids []int
	for _, path := range paths {
		if pid, err := strconv.Atoi(filepath.Base(path)); err == nil && m.on(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}
