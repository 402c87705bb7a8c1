package cri

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
)

// terminal is a pair of ends of a pseudo terminal of a container.
type terminal struct {
	ours   *os.File // what is written here is typed, what is read was printed
	theirs *os.File // the command's standard files
}

// openTerminal takes a free one of the container whose mount namespace the
// calling thread has entered.
func openTerminal() (t terminal, err error) {
	// Not blocking, so that Close ends a read.
	fd, err := unix.Open("/dev/pts/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return t, fmt.Errorf("open a terminal: %w", err)
	}
	t.ours = os.NewFile(uintptr(fd), "ptmx")
	if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return t, errors.Join(fmt.Errorf("unlock a terminal: %w", err), t.ours.Close())
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		t.theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		return t, errors.Join(fmt.Errorf("open a terminal: %w", err), t.ours.Close())
	}
	return t, nil
}

// connect gives the terminal to a command that leads a session.
func (t terminal) connect(cmd *exec.Cmd) {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = t.theirs, t.theirs, t.theirs
	cmd.SysProcAttr.Setctty, cmd.SysProcAttr.Ctty = true, 0
}

// carry takes what is typed, what is printed, and sizes. The command has ended
// when done is called, which returns when all that it printed is out.
func (t terminal) carry(ctx context.Context, stdin io.Reader, stdout io.Writer, sizes <-chan remotecommand.TerminalSize) (done func()) {
	printed := make(chan struct{})
	go func() {
		defer close(printed)
		_, _ = io.Copy(stdout, t.ours) // ends with EIO once the other end is closed
	}()
	if stdin != nil {
		go func() { _, _ = io.Copy(t.ours, stdin) }() // ends with the stream
	}
	ctx, stop := context.WithCancel(ctx)
	go t.follow(ctx, sizes)
	return func() {
		select {
		case <-printed:
		case <-time.After(outputDelay):
		}
		stop()
		_ = t.ours.Close()
	}
}

// follow tells the command how large its terminal is.
func (t terminal) follow(ctx context.Context, sizes <-chan remotecommand.TerminalSize) {
	for {
		select {
		case <-ctx.Done():
			return
		case size, ok := <-sizes:
			if !ok {
				return
			}
			raw, err := t.ours.SyscallConn()
			if err != nil {
				return
			}
			_ = raw.Control(func(fd uintptr) {
				_ = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: size.Height, Col: size.Width})
			})
		}
	}
}
