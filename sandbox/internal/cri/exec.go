package cri

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	remote "k8s.io/cri-client/pkg"
	"k8s.io/cri-streaming/pkg/streaming"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"

	"github.com/droverhq/drover/sandbox/internal/podnet"
	"github.com/droverhq/drover/sandbox/internal/rootfs"
)

// outputDelay is how long the output of a command that has ended is still
// awaited; a process that it left in the background may hold it open for ever.
const outputDelay = time.Second

// containerNamespaces are what a command in a container shares with it.
const containerNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWNET

// ExecSync implements RuntimeService: it runs probes and lifecycle hooks.
func (r *Runtime) ExecSync(
	ctx context.Context, id string, argv []string, timeout time.Duration,
) (stdout, stderr []byte, err error) {
	var out, errOut bytes.Buffer
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	err = r.execIn(ctx, id, argv, files{stdout: &out, stderr: &errOut})
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		// The kubelet's prober knows a timeout by this error of its client for remote runtimes.
		err = fmt.Errorf("%w: %q timed out after %s", remote.ErrCommandTimedOut, strings.Join(argv, " "), timeout)
	}
	return out.Bytes(), errOut.Bytes(), err
}

// files are what a command reads and writes. With a terminal, all it prints
// goes to stdout.
type files struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	terminal       bool
	sizes          <-chan remotecommand.TerminalSize
}

// execIn runs a command in a running container and waits for it. A command
// that ends with another code than 0 is a utilexec.CodeExitError.
func (r *Runtime) execIn(ctx context.Context, id string, argv []string, f files) error {
	c, err := r.container(id)
	if err != nil {
		return err
	}
	cmd := &exec.Cmd{
		Args: argv, Env: c.env, Stdin: f.stdin, Stdout: f.stdout, Stderr: f.stderr,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true}, WaitDelay: outputDelay,
	}
	var tty terminal
	err = c.startInside(cmd, func() (err error) {
		if f.terminal {
			if tty, err = openTerminal(); err == nil {
				tty.connect(cmd)
			}
		}
		return err
	})
	if f.terminal && tty.ours != nil {
		_ = tty.theirs.Close() // the command has its own, if it runs
	}
	if err != nil {
		if tty.ours != nil {
			_ = tty.ours.Close()
		}
		return fmt.Errorf("exec in container %s: %w", id, err)
	}
	if f.terminal {
		defer tty.carry(ctx, f.stdin, f.stdout, f.sizes)()
	}
	// The command leads a session, so its whole process group can be killed.
	kill := context.AfterFunc(ctx, func() { _ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) })
	err = cmd.Wait()
	kill()
	if errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		code := int(exitCode(exit.ProcessState))
		return utilexec.CodeExitError{Err: fmt.Errorf("command %q exited with %d", strings.Join(argv, " "), code), Code: code}
	}
	return err
}

// startInside starts the command from a thread that has entered the container's
// namespaces and has its identity, so that it is born there; prepare is called there, too.
func (c *container) startInside(cmd *exec.Cmd, prepare func() error) error {
	c.mu.Lock()
	process, state := c.process, c.state
	c.mu.Unlock()
	if state != runtimeapi.ContainerState_CONTAINER_RUNNING {
		return errors.New("it is not running")
	}
	pidfd, err := unix.PidfdOpen(process.Pid, 0)
	if err != nil {
		return fmt.Errorf("find its process: %w", err)
	}
	defer func() { _ = unix.Close(pidfd) }()
	return podnet.OnThread(func() error {
		// A thread that shares its root directory with others may not change the mount namespace.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return err
		}
		if err := unix.Setns(pidfd, containerNamespaces); err != nil {
			return fmt.Errorf("enter its namespaces: %w", err)
		}
		if err := unix.Chdir(cmp.Or(c.config.GetWorkingDir(), "/")); err != nil {
			return fmt.Errorf("enter its working directory: %w", err)
		}
		who := c.who
		who.Ambient = 0 // of the image's own program, not of this one
		if err := who.Assume(); err != nil {
			return err
		}
		if err := prepare(); err != nil {
			return err
		}
		if cmd.Path, err = rootfs.LookPath(cmd.Args[0], cmd.Env); err != nil {
			return err
		}
		return cmd.Start()
	})
}

// listenForStreams prepares the server to which the kubelet leads the streams
// of `kubectl exec` and `kubectl port-forward`.
func (r *Runtime) listenForStreams(ctx context.Context) (err error) {
	var listen net.ListenConfig
	if r.listener, err = listen.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		return fmt.Errorf("listen for streams: %w", err)
	}
	config := streaming.DefaultConfig
	config.BaseURL = &url.URL{Scheme: "http", Host: r.listener.Addr().String()}
	r.streams, err = streaming.NewServer(config, streams{r})
	return err
}

// ServeStreams serves until ctx is done.
func (r *Runtime) ServeStreams(ctx context.Context) error {
	server := &http.Server{Handler: r.streams, ReadHeaderTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(r.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve streams: %w", err)
	}
	return nil
}

// Exec implements RuntimeService.
func (r *Runtime) Exec(_ context.Context, req *runtimeapi.ExecRequest) (*runtimeapi.ExecResponse, error) {
	return r.streams.GetExec(req)
}

// Attach implements RuntimeService.
func (r *Runtime) Attach(context.Context, *runtimeapi.AttachRequest) (*runtimeapi.AttachResponse, error) {
	return nil, errUnsupported("attach")
}

// PortForward implements RuntimeService.
func (r *Runtime) PortForward(
	_ context.Context, req *runtimeapi.PortForwardRequest,
) (*runtimeapi.PortForwardResponse, error) {
	return r.streams.GetPortForward(req)
}

// streams carries out what arrives over the streaming server.
type streams struct{ *Runtime }

// Exec runs a command in a container.
func (s streams) Exec(
	ctx context.Context, id string, argv []string, stdin io.Reader, stdout, stderr io.WriteCloser,
	tty bool, sizes <-chan remotecommand.TerminalSize,
) error {
	f := files{stdin: stdin, terminal: tty, sizes: sizes}
	if stdout != nil {
		f.stdout = stdout
	}
	if stderr != nil {
		f.stderr = stderr
	}
	return s.execIn(ctx, id, argv, f)
}

// Attach is refused before it gets here.
func (s streams) Attach(
	context.Context, string, io.Reader, io.WriteCloser, io.WriteCloser, bool, <-chan remotecommand.TerminalSize,
) error {
	return errUnsupported("attach")
}

// PortForward connects the stream with a port on the pod's loopback.
func (s streams) PortForward(ctx context.Context, sandboxID string, port int32, stream io.ReadWriteCloser) error {
	s.mu.Lock()
	pod := s.sandboxes[sandboxID]
	s.mu.Unlock()
	if pod == nil {
		return errNoSandbox(sandboxID)
	}
	var conn net.Conn
	err := pod.inside(func() (err error) {
		var d net.Dialer
		conn, err = d.DialContext(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))))
		return err
	})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(conn, stream)
		sent <- errors.Join(err, conn.(*net.TCPConn).CloseWrite())
	}()
	_, err = io.Copy(stream, conn)
	_ = stream.Close()
	return errors.Join(err, <-sent)
}
