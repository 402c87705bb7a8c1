// Package launch is the sandbox seen from the host: it makes the namespaces
// and starts the supervisor in them, finds a sandbox that runs, runs commands
// in its network, and ends it. Nothing of it stays: once a sandbox is ready
// the launcher's work is done.
package launch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/sandbox/internal/folder"
	"github.com/droverhq/drover/sandbox/internal/machine"
	"github.com/droverhq/drover/sandbox/internal/pki"
)

// readyWithin is how long a start may take before it is given up. It takes
// about 5 s on two idle cores.
const readyWithin = 60 * time.Second

// DefaultRegion is where a sandbox is if nobody says otherwise.
const DefaultRegion = "us-west-2"

// Options is what a user says about a sandbox to start.
type Options struct {
	Dir      folder.Folder
	AWSPort  int                                          // 0: the one it had the last time, else any that is free
	APIPort  int                                          // as AWSPort
	Region   string                                       // "": the one it had the last time, else DefaultRegion
	Program  string                                       // this program
	Env      []string                                     // this process's environment
	Progress func(waitingFor string, since time.Duration) // called now and then while the sandbox starts
}

// Start starts a sandbox and returns when it is ready. One that runs already
// is left as it is; the bool says so.
func Start(ctx context.Context, o Options) (Sandbox, bool, error) {
	if err := o.Dir.Claim(); err != nil {
		return Sandbox{}, false, &problem.Error{Kind: problem.Usage, Op: "create the sandbox's folder", Err: err,
			Fix: "choose another folder with --dir"}
	}
	lock, err := takeLock(o.Dir)
	if errors.Is(err, errHeld) {
		box, err := join(ctx, o)
		if errors.Is(err, ErrNotRunning) { // it ended just now, or somebody only looked
			if err := pause(ctx); err != nil {
				return Sandbox{}, false, err
			}
			return Start(ctx, o)
		}
		return box, true, err
	}
	if err != nil {
		return Sandbox{}, false, err
	}
	defer func() { _ = lock.Close() }()
	info, err := o.Dir.ReadInfo()
	if err != nil {
		return Sandbox{}, false, err
	}
	info.PID = 0 // until the supervisor runs: whoever looks must not take the old one for it
	if err := errors.Join(o.Dir.WriteInfo(info), o.Dir.Create()); err != nil {
		return Sandbox{}, false, err
	}
	if err := suits(o, info); err != nil {
		return Sandbox{}, false, err
	}
	if err := checkPrograms(o); err != nil {
		return Sandbox{}, false, err
	}
	isolation, err := isolate(ctx, o, &info)
	if err != nil {
		return Sandbox{}, false, err
	}
	box, err := launch(ctx, o, info, lock, isolation)
	return box, false, err
}

// join waits until a sandbox that somebody else started is ready.
func join(ctx context.Context, o Options) (Sandbox, error) {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	box, err := Find(o.Dir)
	for err == nil && box.PID == 0 { // it was locked this very moment
		if err = pause(ctx); err == nil {
			box, err = Find(o.Dir)
		}
	}
	if err != nil {
		return Sandbox{}, err
	}
	if err := box.matches(o); err != nil {
		return Sandbox{}, err
	}
	return box, awaitReady(ctx, box, o.Progress)
}

// matches refuses options that the running sandbox cannot take on.
func (b Sandbox) matches(o Options) error {
	var differs string
	switch {
	case o.AWSPort != 0 && o.AWSPort != b.AWSPort:
		differs = fmt.Sprintf("its AWS endpoint has port %d, not %d", b.AWSPort, o.AWSPort)
	case o.APIPort != 0 && o.APIPort != b.APIPort:
		differs = fmt.Sprintf("its API server has port %d, not %d", b.APIPort, o.APIPort)
	case o.Region != "" && o.Region != b.Region:
		differs = fmt.Sprintf("its region is %s, not %s", b.Region, o.Region)
	default:
		return nil
	}
	return &problem.Error{Kind: problem.Refused, Op: fmt.Sprintf("start the sandbox in %s", o.Dir),
		Err: errors.New("one runs there already, and " + differs),
		Fix: "stop it first (drover sandbox stop), or choose another folder with --dir"}
}

// suits refuses options that do not go with what the folder holds.
func suits(o Options, info folder.Info) error {
	var differs string
	_, err := os.Stat(o.Dir.Plane(0).Cluster())
	switch {
	case o.Region != "" && info.Region != "" && o.Region != info.Region:
		differs = fmt.Sprintf("what it holds is in region %s, not %s", info.Region, o.Region)
	case err == nil && o.APIPort != 0 && info.APIPort != 0 && o.APIPort != info.APIPort:
		differs = fmt.Sprintf("its cluster's API server has port %d, not %d", info.APIPort, o.APIPort)
	default:
		return nil
	}
	return &problem.Error{Kind: problem.Refused, Op: fmt.Sprintf("start the sandbox in %s", o.Dir), Err: errors.New(differs),
		Fix: "choose another folder with --dir, or start afresh (drover sandbox stop --purge)"}
}

// isolate finds the best isolation that the folder's files allow, and notes what it gives.
func isolate(ctx context.Context, o Options, info *folder.Info) (isolation, error) {
	i, alone, err := probe(ctx, o.Program, o.Env)
	if err == nil {
		err = i.owns(o.Dir, *info)
	}
	if err != nil {
		return i, err
	}
	info.IDs, info.UserNS, info.Alone = i.ids, i.userNS, ""
	if !i.ids.Many() {
		info.Alone = alone.Error()
	}
	return i, nil
}

// launch starts the supervisor and waits until the sandbox is ready.
func launch(ctx context.Context, o Options, info folder.Info, lock *os.File, isolation isolation) (Sandbox, error) {
	aws, api, err := listeners(o, &info)
	if err != nil {
		return Sandbox{}, err
	}
	defer func() { _ = aws.Close(); _ = api.Close() }()
	info.Region = cmp.Or(o.Region, info.Region, DefaultRegion)
	first := o.Dir.Plane(0)
	if _, err := pki.Prepare(pki.Cluster{
		Dir: first.PKI(), Kubeconfig: first.Kubeconfig(), Server: fmt.Sprintf("https://127.0.0.1:%d", info.APIPort),
	}); err != nil {
		return Sandbox{}, fmt.Errorf("prepare certificates: %w", err)
	}
	further, err := sockets(machine.Planes - 1)
	defer closeAll(further)
	if err != nil {
		return Sandbox{}, err
	}
	supervisor, err := startSupervisor(o, info, isolation, lock, append([]*os.File{aws, api}, further...))
	if err != nil {
		return Sandbox{}, err
	}
	info.PID, info.Started = supervisor.cmd.Process.Pid, time.Now().UTC()
	box := at(o.Dir, info)
	err = o.Dir.WriteInfo(info)
	if err == nil {
		_, err = supervisor.begin.Write([]byte{'\n'})
	}
	if err == nil {
		err = supervisor.await(ctx, box, o.Progress)
	}
	if err != nil {
		supervisor.end()
		return Sandbox{}, err
	}
	return box, nil
}

// listeners opens the two ports on the host's loopback, before anything is
// started: a port that is taken is the most likely mistake.
func listeners(o Options, info *folder.Info) (aws, api *os.File, err error) {
	aws, err = listen("--aws-port", o.AWSPort, &info.AWSPort)
	if err != nil {
		return nil, nil, err
	}
	api, err = listen("--api-port", o.APIPort, &info.APIPort)
	if err != nil {
		_ = aws.Close()
		return nil, nil, err
	}
	return aws, api, nil
}

// listen opens the wanted port, else the kept one, else any, and keeps it.
func listen(flag string, wanted int, kept *int) (*os.File, error) {
	if wanted != 0 {
		*kept = wanted
	}
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: *kept})
	if err != nil {
		fix := fmt.Sprintf("end the program that uses port %d, or choose another one with %s", *kept, flag)
		if errors.Is(err, unix.EACCES) {
			fix = "choose a port above 1023 with " + flag
		}
		return nil, &problem.Error{Kind: problem.Refused, Op: "open the sandbox's port", Err: err, Fix: fix}
	}
	defer func() { _ = l.Close() }()
	*kept = l.Addr().(*net.TCPAddr).Port
	return l.File()
}

// sockets makes some on the host that nobody listens on yet. In its own network the supervisor
// could make none: it binds one when a further cluster needs a port for its API server.
func sockets(n int) (made []*os.File, err error) {
	for range n {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return made, fmt.Errorf("make a socket: %w", err)
		}
		made = append(made, os.NewFile(uintptr(fd), "API server"))
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return made, fmt.Errorf("make a socket: %w", err)
		}
	}
	return made, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// process is the supervisor, until it is ready.
type process struct {
	cmd    *exec.Cmd
	begin  io.WriteCloser // a byte lets it begin; it ends if there comes none
	ended  chan struct{}
	report io.ReadCloser // what it has to say if it fails to start; ends when it has started
	log    string
}

// The supervisor's inherited files, in the order that Supervise expects.
const (
	lockFD = 3 + iota
	reportFD
	awsFD
	apiFD
	socketFD // the first of machine.Planes-1
)

// startSupervisor hands down the network that it cannot make itself: listeners and sockets.
func startSupervisor(o Options, info folder.Info, isolation isolation, lock *os.File, network []*os.File) (*process, error) {
	out, err := os.OpenFile(o.Dir.Log("supervisor"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	report, tell, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = tell.Close() }()
	// No context: what is started here outlives this process.
	cmd := exec.CommandContext(context.Background(), o.Program, "supervise", "--dir", o.Dir.String(), "--region", info.Region,
		"--aws-port", fmt.Sprint(info.AWSPort), "--api-port", fmt.Sprint(info.APIPort))
	cmd.Args[0] = "drover-sandbox"
	cmd.Dir = "/"
	cmd.Env = append(slices.Clone(o.Env), "PATH="+searchPath(o.Env))
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = append([]*os.File{lock, tell}, network...)
	begin, err := isolation.start(context.Background(), cmd, namespaces)
	if err != nil {
		_ = report.Close()
		return nil, fmt.Errorf("start the supervisor: %w", err)
	}
	p := &process{cmd: cmd, begin: begin, ended: make(chan struct{}), report: report, log: o.Dir.Log("supervisor")}
	go func() {
		_ = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// await returns when the sandbox is ready, or why it never will be.
func (p *process) await(ctx context.Context, box Sandbox, progress func(string, time.Duration)) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = p.report.Close() })
	defer stop()
	failure, err := io.ReadAll(p.report)
	if err == nil && len(failure) > 0 {
		err = errors.New(strings.TrimSpace(string(failure)))
	}
	if err != nil {
		return p.explain(err)
	}
	gone, ended := context.WithCancelCause(ctx)
	defer ended(nil)
	go func() {
		select {
		case <-p.ended:
			ended(errors.New("the supervisor ended"))
		case <-gone.Done():
		}
	}()
	if err := awaitReady(gone, box, progress); err != nil {
		return p.explain(err, failing(box)...)
	}
	return nil
}

func (p *process) explain(err error, notes ...string) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &problem.Error{Kind: problem.Outside, Op: "start the sandbox", Err: err, Notes: notes,
		Fix: "see why in " + filepath.Dir(p.log) + ", then start it again"}
}

// failing names the components that keep ending, with the last line that each has logged.
func failing(box Sandbox) []string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	status, err := box.Status(ctx)
	if err != nil {
		return nil // the supervisor's own end says enough
	}
	var notes []string
	for _, c := range status.Components {
		if c.Restarts > 0 {
			notes = append(notes, fmt.Sprintf("%s ended %d times (%s): %s", c.Name, c.Restarts, c.Ended, lastLine(box.Dir.Log(c.Name))))
		}
	}
	return notes
}

func lastLine(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	text := strings.TrimSpace(string(data))
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// end ends what was started, and all below it.
func (p *process) end() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// searchPath is the user's PATH and the folders of programs for administrators,
// where distributions put nginx and nft.
func searchPath(env []string) string {
	path := "/usr/local/sbin:/usr/sbin:/sbin"
	for _, entry := range env {
		if value, ok := strings.CutPrefix(entry, "PATH="); ok && value != "" {
			path = value + ":" + path
		}
	}
	return path
}

var errHeld = errors.New("the lock is held")

// takeLock locks the folder, or returns errHeld. The lock is the supervisor's:
// it inherits the open file, and the kernel unlocks it when it ends.
func takeLock(dir folder.Folder) (*os.File, error) { return flock(dir, unix.LOCK_EX) }

// held reports whether somebody has taken the lock. Those who only look share it.
func held(dir folder.Folder) (bool, error) {
	lock, err := flock(dir, unix.LOCK_SH)
	if errors.Is(err, errHeld) {
		return true, nil
	}
	if err == nil {
		_ = lock.Close()
	}
	return false, err
}

func flock(dir folder.Folder, how int) (*os.File, error) {
	f, err := os.OpenFile(dir.Lock(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
	if err == nil {
		return f, nil
	}
	_ = f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errHeld
	}
	return nil, fmt.Errorf("lock %s: %w", dir.Lock(), err)
}
