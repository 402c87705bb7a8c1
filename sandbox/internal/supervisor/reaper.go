package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// reaper collects every process that ends below PID 1: its own children, whose
// exit it tells to whoever waits, and orphans that fell to it. Only the reaper
// waits, so that nobody steals another's exit status.
type reaper struct {
	mu       sync.Mutex // held while a process starts, so that its end is never collected before it is known
	children map[int]*child
}

// child is a process that was started here.
type child struct {
	pid    int
	pidfd  int           // open until done
	done   chan struct{} // closed when it has ended and was collected
	status syscall.WaitStatus
}

func newReaper() *reaper { return &reaper{children: map[int]*child{}} }

// run collects until ctx is done.
func (r *reaper) run(ctx context.Context) {
	chld := make(chan os.Signal, 1)
	signal.Notify(chld, syscall.SIGCHLD)
	defer signal.Stop(chld)
	for {
		r.collect()
		select {
		case <-ctx.Done():
			return
		case <-chld:
		}
	}
}

func (r *reaper) collect() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if c, ok := r.children[pid]; ok {
			delete(r.children, pid)
			c.status = status
			_ = unix.Close(c.pidfd)
			close(c.done)
		}
	}
}

// start starts a command, whose output must go to files.
func (r *reaper) start(cmd *exec.Cmd) (*child, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	pid := cmd.Process.Pid
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open a handle of process %d: %w", pid, err), cmd.Process.Kill())
	}
	_ = cmd.Process.Release() // it is waited for here, not there
	c := &child{pid: pid, pidfd: pidfd, done: make(chan struct{})}
	r.children[pid] = c
	return c, nil
}

// signal reaches the child or, if it has ended, nobody.
func (r *reaper) signal(c *child, sig syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.children[c.pid]; ok {
		_ = unix.PidfdSendSignal(c.pidfd, sig, nil, 0)
	}
}

// alive calls f while the child, if it lives, cannot be collected.
func (r *reaper) alive(c *child, f func(pidfd int) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.children[c.pid]; !ok {
		return errors.New("the process has ended")
	}
	return f(c.pidfd)
}

// how says in words how the child ended.
func (c *child) how() string {
	if c.status.Signaled() {
		return "killed by " + unix.SignalName(c.status.Signal())
	}
	return fmt.Sprintf("exit code %d", c.status.ExitStatus())
}
