package podnet

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// OnThread runs fn on a thread of its own that dies afterwards, so fn may move
// it into other namespaces and leave it there. A process that fn starts is
// born in the thread's namespaces; the death signal of a parent (Pdeathsig)
// must not be used, since it fires when the thread ends.
func OnThread(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		if unix.Gettid() == unix.Getpid() {
			// The main thread cannot end, and its namespaces are what /proc shows as the process's.
			done <- OnThread(fn)
			runtime.UnlockOSThread()
			return
		}
		done <- fn()
	}()
	return <-done
}

// newNamespace makes a network namespace that lives as long as the file is
// open or a process is in it: nothing is mounted, nothing can be left behind.
func newNamespace() (ns *os.File, err error) {
	err = OnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		for key, value := range podSysctls {
			if err := setSysctl(key, value); err != nil {
				return err
			}
		}
		ns, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	return ns, nil
}
