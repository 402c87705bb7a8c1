package supervisor

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// startReaper makes this process adopt orphans, as PID 1 does, and reaps until the test ends.
func startReaper(t *testing.T) *reaper {
	t.Helper()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	r := newReaper()
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { r.run(ctx) })
	t.Cleanup(func() { stop(); group.Wait() })
	return r
}

// Every child's own exit code arrives, while orphans end all around it.
func TestReaperTellsExitCodesAmongOrphans(t *testing.T) {
	r := startReaper(t)
	var group sync.WaitGroup
	for code := range 20 {
		group.Go(func() {
			child, err := r.start(exec.Command("sh", "-c", "(sleep 0.01 &) ; exit $0", string(rune('0'+code%8))))
			if err != nil {
				t.Error(err)
				return
			}
			<-child.done
			if got := child.status.ExitStatus(); got != code%8 {
				t.Errorf("exit code %d, want %d", got, code%8)
			}
		})
	}
	group.Wait()
}

func testComponent(t *testing.T, r *reaper, script string) (c *component, log func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	c = &component{name: "test", log: path, reaper: r, grace: 5 * time.Second,
		start: func(out *os.File) (*child, error) {
			cmd := exec.Command("sh", "-c", script)
			cmd.Stdout = out
			return r.start(cmd)
		}}
	return c, func() string {
		data, err := os.ReadFile(path)
		if err != nil {
			return ""
		}
		return string(data)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within 20 s: " + what)
		}
	}
}

// A component that is killed runs again, counts it, and says how it ended.
func TestComponentRunsAgain(t *testing.T) {
	r := startReaper(t)
	c, _ := testComponent(t, r, "exec sleep 60")
	c.grace = 0
	c.run()
	defer c.stop()
	eventually(t, "the component runs", func() bool { return c.now().State == running })
	first := c.now().PID
	if err := unix.Kill(first, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it runs again", func() bool { s := c.now(); return s.State == running && s.PID != first })
	if s := c.now(); s.Restarts != 1 || s.Ended != "killed by SIGKILL" {
		t.Errorf("restarts %d, ended %q", s.Restarts, s.Ended)
	}
}

// Stop asks first, returns when the process is gone, and it does not come back.
func TestComponentStops(t *testing.T) {
	r := startReaper(t)
	c, log := testComponent(t, r, `trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 0.01; done`)
	c.run()
	eventually(t, "the component is up", func() bool { return strings.Contains(log(), "up") })
	pid := c.now().PID
	c.stop()
	if log() != "up\nasked\n" {
		t.Errorf("the component wrote %q", log())
	}
	if err := unix.Kill(pid, 0); err != unix.ESRCH {
		t.Errorf("its process: %v, want no such process", err)
	}
	if c.now().State != stopped {
		t.Errorf("state %s", c.now().State)
	}
}

// One that ignores the request is killed after its grace.
func TestComponentIsKilledAfterGrace(t *testing.T) {
	r := startReaper(t)
	c, log := testComponent(t, r, `trap '' TERM; echo up; while :; do sleep 0.01; done`)
	c.grace = 50 * time.Millisecond
	c.run()
	eventually(t, "the component is up", func() bool { return log() != "" })
	c.stop()
	if c.now().State != stopped {
		t.Errorf("state %s", c.now().State)
	}
}

// A component that is held has ended and stays so, even if it is stopped and
// run again meanwhile; released it runs again, and no restart is counted.
func TestComponentIsHeld(t *testing.T) {
	r := startReaper(t)
	c, _ := testComponent(t, r, "exec sleep 60")
	c.grace = 0
	c.run()
	eventually(t, "the component runs", func() bool { return c.now().State == running })
	first := c.now().PID
	c.hold()
	if s := c.now(); s.State != held || unix.Kill(first, 0) == nil {
		t.Errorf("%s, and process %d is there: %v", s.State, first, unix.Kill(first, 0))
	}
	c.stop()
	c.run()
	defer c.stop()
	eventually(t, "it is held again", func() bool { return c.now().State == held })
	c.release()
	eventually(t, "it runs again", func() bool { return c.now().State == running })
	if s := c.now(); s.Restarts != 0 || s.PID == first {
		t.Errorf("restarts %d, process %d", s.Restarts, s.PID)
	}
	c.hold()
	c.release()
	eventually(t, "it runs a third time", func() bool { return c.now().State == running })
}

// What hangs stands still with all its children, and goes on with them.
func TestSignalTreeReachesChildren(t *testing.T) {
	r := startReaper(t)
	c, _ := testComponent(t, r, "sleep 60 & wait")
	c.grace = 0
	c.run()
	defer c.stop()
	eventually(t, "it has a child", func() bool {
		s := c.now()
		return s.PID != 0 && len(childrenOf(strconv.Itoa(s.PID))) == 1
	})
	tree := append(childrenOf(strconv.Itoa(c.now().PID)), strconv.Itoa(c.now().PID))
	all := func(state string) func() bool {
		return func() bool {
			for _, pid := range tree {
				stat, err := os.ReadFile("/proc/" + pid + "/stat")
				if err != nil || !strings.Contains(string(stat), ") "+state+" ") {
					return false
				}
			}
			return true
		}
	}
	for _, c2 := range []struct {
		sig   unix.Signal
		state string
	}{{unix.SIGSTOP, "T"}, {unix.SIGCONT, "S"}} {
		if err := signalTree(c, c2.sig); err != nil {
			t.Fatal(err)
		}
		eventually(t, "all are in state "+c2.state, all(c2.state))
	}
}

// What stands still within its lease goes on; past it, it is started anew.
func TestAfterItsLeaseItStartsAnew(t *testing.T) {
	r := startReaper(t)
	c, _ := testComponent(t, r, "exec sleep 60")
	c.grace, c.lease = 0, 15*time.Second
	c.run()
	defer c.stop()
	eventually(t, "it runs", func() bool { return c.now().State == running })
	first := c.now().PID
	for _, c2 := range []struct {
		stood time.Duration
		anew  bool
	}{{14 * time.Second, false}, {16 * time.Second, true}} {
		if err := errors.Join(signalTree(c, unix.SIGSTOP), wake(c, c2.stood)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it runs again", func() bool { s := c.now(); return s.State == running && (s.PID != first) == c2.anew })
	}
}
