package launch

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/droverhq/drover/sandbox/internal/machine"
	"github.com/droverhq/drover/sandbox/internal/supervisor"
)

// Supervise is the supervisor's side of the start: it takes over the files
// that the launcher opened on the host, and tells it whether it could start. The
// launcher writes one byte once it can be found.
func Supervise(ctx context.Context, c supervisor.Config, launcher io.Reader) error {
	for fd := lockFD; fd < socketFD+machine.Planes-1; fd++ {
		unix.CloseOnExec(fd) // they are this process's alone
	}
	report := os.NewFile(reportFD, "report")
	err := supervise(ctx, c, launcher, func() { _ = report.Close() })
	if err != nil {
		_, _ = fmt.Fprintln(report, err) // to nobody, if it had started
	}
	return err
}

func supervise(ctx context.Context, c supervisor.Config, launcher io.Reader, ready func()) error {
	// A byte says that the launcher has noted this process; its end without one, that nobody would find it.
	if _, err := io.ReadFull(launcher, make([]byte, 1)); err != nil {
		return fmt.Errorf("wait for the launcher: %w", err)
	}
	var err error
	if c.AWS, err = inherited(awsFD); err != nil {
		return err
	}
	if c.API, err = inherited(apiFD); err != nil {
		return err
	}
	for n := range machine.Planes - 1 {
		c.Sockets = append(c.Sockets, os.NewFile(uintptr(socketFD+n), "API server"))
	}
	return supervisor.Run(ctx, c, ready)
}

func inherited(fd uintptr) (net.Listener, error) {
	f := os.NewFile(fd, "listener")
	defer func() { _ = f.Close() }()
	return net.FileListener(f)
}
