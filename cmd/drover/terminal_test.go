//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// tty is a terminal that answers nothing, and the program that runs on it.
type tty struct {
	cmd    *exec.Cmd
	master *os.File
	out    *output
}

// output is what came to the screen.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
	end  chan struct{}
}

// start runs drover on a terminal of its own.
func start(t *testing.T, args ...string) *tty {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminals here:", err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &tty{master: master, out: &output{more: make(chan struct{}, 1), end: make(chan struct{})}}
	p.cmd = &exec.Cmd{
		Path: self, Args: append([]string{"drover"}, args...), Stdin: slave, Stdout: slave, Stderr: slave,
		Env:         append(os.Environ(), "TERM=xterm-256color", "HOME="+t.TempDir()),
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Setctty: true},
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = slave.Close() // the program has it
	go p.out.read(master)
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = master.Close()
	})
	return p
}

func (o *output) read(from *os.File) {
	defer close(o.end)
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		o.mu.Lock()
		o.text.Write(buf[:n])
		o.mu.Unlock()
		select {
		case o.more <- struct{}{}:
		default:
		}
		if err != nil { // EIO: nobody has the other side any more
			return
		}
	}
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await waits until the screen shows text.
func (p *tty) await(t *testing.T, text string) {
	t.Helper()
	for !strings.Contains(p.out.String(), text) {
		select {
		case <-p.out.more:
		case <-p.out.end:
			t.Fatalf("it ended without %q:\n%s", text, p.out)
		}
	}
}

// wait is the exit code and all that came to the screen.
func (p *tty) wait(t *testing.T) (int, string) {
	t.Helper()
	err := p.cmd.Wait()
	<-p.out.end
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), p.out.String()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, p.out.String()
}

// A terminal that answers no question must not hold a command up: none is asked.
func TestNoCommandAsksTheTerminal(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--help"}, {"up"}} {
		_, out := start(t, args...).wait(t)
		if strings.ContainsRune(out, '\x1b') {
			t.Errorf("%q writes escape sequences: %q", args, out)
		}
	}
}

// A pager that was closed does not kill the command.
func TestNobodyReads(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = read.Close()
	defer func() { _ = write.Close() }()
	cmd := &exec.Cmd{Path: self, Args: []string{"drover", "version"}, Stdout: write}
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
}

// However a run is told to end, it says so in plain words, and what to do next.
func TestToldToEnd(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shop")
	for _, args := range [][]string{{"new", dir}, {"-C", dir, "stack", "init", "dev"}} {
		if code, out := start(t, args...).wait(t); code != 0 {
			t.Fatalf("%q: %s", args, out)
		}
	}
	for _, c := range []struct {
		end  func(*tty) error
		want string
	}{
		{func(p *tty) error { _, err := p.master.WriteString("\x03"); return err }, "interrupted (Ctrl-C)"},
		{func(p *tty) error { return p.cmd.Process.Signal(syscall.SIGTERM) }, "told to end (SIGTERM)"},
		{func(p *tty) error { return p.cmd.Process.Signal(syscall.SIGHUP) }, "the terminal is gone (SIGHUP)"},
	} {
		if strings.Contains(c.want, "SIGHUP") && signal.Ignored(syscall.SIGHUP) {
			continue // under nohup, which is respected
		}
		p := start(t, "-C", dir, "stack", "rm", "dev")
		p.await(t, "[y/N]")
		if err := c.end(p); err != nil {
			t.Fatal(err)
		}
		code, out := p.wait(t)
		if code != 130 || !strings.Contains(out, "error: "+c.want) || !strings.Contains(out, "fix: state is saved") || strings.Contains(out, "context canceled") {
			t.Errorf("%s: exit %d:\n%s", c.want, code, out)
		}
	}
}
