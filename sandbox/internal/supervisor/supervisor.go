// Package supervisor is the sandbox's first process. The launcher starts it as
// PID 1 of new namespaces; it makes its network namespace the VPC's router,
// starts the control plane, the AWS endpoint, the cloud-controller-manager and
// the machines, starts them again when they end, and takes orders from the AWS
// endpoint over a socket. When it ends, by whatever cause, the kernel ends all
// the rest.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/droverhq/drover/sandbox/internal/folder"
)

// Config is what the launcher hands down.
type Config struct {
	Dir              folder.Folder
	AWSPort, APIPort int
	Region           string
	Program          string       // this program, to start the components
	AWS, API         net.Listener // opened on the host
	Sockets          []*os.File   // of the host, not bound yet: for the API servers of further clusters
}

// supervisor holds what runs.
type supervisor struct {
	Config
	reaper *reaper
	carry  func(l net.Listener, port int) // connections of the host to a port in here, until the end

	aws    *component
	planes []*plane

	orders   sync.Mutex // held while a cluster is created or deleted
	mu       sync.Mutex // held while parts and machines come and go
	closing  bool       // nothing is started any more
	machines map[string]*node
	away     map[string]string // zones that went away, and how; no machine comes up there

	disorders sync.Mutex           // held while faults begin and end
	faults    map[string]*disorder // by name of component
}

// Run brings up what the folder says and keeps it up until ctx is done, then
// ends all of it. It calls ready once everything is started, which is before
// it answers.
func Run(ctx context.Context, c Config, ready func()) error {
	if err := setupMounts(c.Dir); err != nil {
		return err
	}
	s := &supervisor{Config: c, reaper: newReaper(), planes: newPlanes(c), machines: map[string]*node{}, away: map[string]string{},
		faults: map[string]*disorder{}}
	if err := errors.Join(setupRouter(), s.reservePorts()); err != nil {
		return fmt.Errorf("set up the router's network: %w", err)
	}
	background, end := context.WithCancel(context.Background())
	var group sync.WaitGroup
	defer group.Wait()
	defer end()
	group.Go(func() { s.reaper.run(background) })
	s.carry = func(l net.Listener, port int) { group.Go(func() { forward(background, l, port) }) }

	api, err := s.listen(background)
	if err != nil {
		return err
	}
	s.startStanding()
	if err := s.restore(); err != nil {
		return errors.Join(err, s.shutdown())
	}
	group.Go(func() { s.serve(background, api) })
	s.carry(c.AWS, c.AWSPort)
	s.carry(c.API, c.APIPort)
	ready()
	<-ctx.Done()
	slog.Info("stopping")
	return s.shutdown()
}

// startStanding starts what runs as long as the sandbox does.
func (s *supervisor) startStanding() {
	s.aws = s.component("aws", "aws", nil, "--aws-port", strconv.Itoa(s.AWSPort), "--region", s.Region)
	s.startControlPlane(s.planes[0], "")
	s.aws.run()
}

// restore starts what ran when the sandbox ended the last time.
func (s *supervisor) restore() error {
	if err := s.restoreClusters(); err != nil {
		return err
	}
	return s.restoreMachines()
}

// shutdown ends everything, dependents first.
func (s *supervisor) shutdown() error {
	s.mu.Lock()
	s.closing = true
	nodes := slices.Collect(maps.Values(s.machines))
	s.mu.Unlock()
	s.orders.Lock() // an order that is being carried out comes to its end first
	defer s.orders.Unlock()
	var group sync.WaitGroup
	for _, n := range nodes {
		group.Go(n.stop)
	}
	group.Wait()
	for _, p := range s.planes {
		if p.ccm != nil {
			p.ccm.stop()
		}
	}
	s.aws.stop()
	for _, p := range s.planes {
		if p.controlplane != nil {
			p.controlplane.stop()
		}
	}
	return nil
}

// component is a part of this program, and the name by which it is known, that runs in the
// supervisor's namespaces.
func (s *supervisor) component(part, name string, env []string, args ...string) *component {
	start := func(out *os.File) (*child, error) {
		cmd := s.command(env, append([]string{part}, args...)...)
		cmd.Stdout, cmd.Stderr = out, out
		return s.reaper.start(cmd)
	}
	return &component{name: name, log: s.Dir.Log(name), start: start, grace: stopGrace, reaper: s.reaper}
}

// command runs a part of this program. Of the user's environment it gets only
// what cannot lead it astray: no proxies, no AWS settings.
func (s *supervisor) command(env []string, args ...string) *exec.Cmd {
	// No context: a component's end is asked for and waited for (component.end).
	cmd := exec.CommandContext(context.Background(), s.Program, append(args, "--dir", string(s.Dir))...)
	cmd.Args[0] = "drover-sandbox"
	cmd.Dir = "/"
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LANG", "DROVER_SANDBOX_AWS_LATENCY"} {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// hostResolvers are folders with the sockets of resolvers that the C library
// may ask instead of reading /etc/resolv.conf. They would answer for the host.
var hostResolvers = []string{"/run/systemd/resolve", "/run/nscd", "/var/run/nscd"}

// setupMounts gives the sandbox its own resolver. /proc stays the host's, so
// that a command that is run in these namespaces, but is a process of the
// host, finds itself there.
func setupMounts(dir folder.Folder) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	// The mark by which package launch knows the processes in these namespaces.
	if err := unix.Mount(dir.Run(), dir.Run(), "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s on itself: %w", dir.Run(), err)
	}
	target, err := filepath.EvalSymlinks("/etc/resolv.conf")
	if err != nil {
		slog.Warn("names of load balancers will not resolve in the sandbox", "error", err)
		return nil
	}
	for _, path := range hostResolvers {
		if err := unix.Mount("tmpfs", path, "tmpfs", 0, "mode=755,size=64k"); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("hide %s: %w", path, err)
		}
	}
	conf := []byte("nameserver " + dnsAddress + "\noptions timeout:2\n")
	if _, err := os.Stat(target); errors.Is(err, fs.ErrNotExist) {
		return os.WriteFile(target, conf, 0o644) // it was in one of the folders that are hidden now
	}
	if err := os.WriteFile(dir.ResolvConf(), conf, 0o644); err != nil {
		return err
	}
	if err := unix.Mount(dir.ResolvConf(), target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount the resolver's configuration on %s: %w", target, err)
	}
	return nil
}

// forward carries connections from a listener of the host into the namespace.
func forward(ctx context.Context, l net.Listener, port int) {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var group sync.WaitGroup
	defer group.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			slog.Error("accept from the host", "error", err) // out of files, say, which passes
			time.Sleep(10 * time.Millisecond)
			continue
		}
		group.Go(func() { relay(ctx, conn, fmt.Sprintf("127.0.0.1:%d", port)) })
	}
}

// relay copies both ways until both sides have closed, or one fails.
func relay(ctx context.Context, outer net.Conn, address string) {
	var dialer net.Dialer
	inner, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		_ = outer.Close() // as the port of a server that does not run
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = outer.Close(); _ = inner.Close() })
	defer stop()
	var group sync.WaitGroup
	group.Go(func() { pump(inner, outer) })
	group.Go(func() { pump(outer, inner) })
	group.Wait()
	_ = outer.Close()
	_ = inner.Close()
}

// pump copies until the source ends, and passes its end on.
func pump(to, from net.Conn) {
	_, err := to.(*net.TCPConn).ReadFrom(from)
	if err != nil {
		_ = from.Close()
		_ = to.Close()
		return
	}
	_ = to.(*net.TCPConn).CloseWrite()
}
